"""The tensors of a list of nodes while it is converted, and the graphs that stand inside nodes (If, Loop, Scan)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import onnx

from fastexpr.errors import OnnxError
from fastexpr.onnx.arrays import Array, tensor_array
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import node_label, node_title
from fastexpr.onnx.ordering import evaluation_order

DEEPEST_NESTING = 20


class Scope:
    """What the nodes of one list can read: of the model itself, of a graph inside a node, or of the definition of an
    operator.

    Attributes
    ----------
    values : tensors by name; None where a definition has an input that the outer node leaves out
    weights : the list's initializers
    opsets : the version of each operator domain that the nodes follow
    outer : the scope around a graph inside a node
    title, label : of the node whose definition this is; empty otherwise
    prefix : what labels inside a loop begin with, "loop[3]/"
    checked : names of values and weights that are known to be finite
    """

    def __init__(
        self,
        weights: Mapping[str, Array],
        opsets: dict[str, int],
        outer: Scope | None = None,
        title: str = "",
        label: str = "",
        prefix: str = "",
    ) -> None:
        self.values: dict[str, Value | None] = {}
        self.weights = weights
        self.opsets = opsets
        self.outer = outer
        self.title = title
        self.label = label
        self.prefix = prefix
        self.checked: set[str] = set()
        self.depth: int = outer.depth + 1 if outer else 0

    def holder(self, name: str) -> Scope:
        """The innermost scope that has a tensor of this name; the outermost where none has."""
        scope = self
        while scope.outer is not None and name not in scope.values and name not in scope.weights:
            scope = scope.outer
        return scope

    def find(self, name: str) -> Value | None:
        """The tensor of this name. A graph that was put in order has it; what stands for an operator may lack it."""
        holder = self.holder(name)
        if name in holder.values:
            return holder.values[name]
        if name not in holder.weights:
            raise OnnxError(f"{self.title} reads {name!r}, which is not there. Export the model again.")
        return holder.weights[name]

    def has(self, name: str) -> bool:
        """Whether this scope or one around it has a tensor of this name."""
        holder = self.holder(name)
        return name in holder.values or name in holder.weights

    def node_title(self, proto: onnx.NodeProto, position: int) -> str:
        """How messages about one of the nodes begin."""
        return f"{self.title} ({proto.op_type} in its definition)" if self.title else node_title(proto, position)

    def node_label(self, proto: onnx.NodeProto, position: int) -> str:
        """What core nodes made from one of the nodes are called."""
        return self.label or self.prefix + node_label(proto, position)

    def inside(self, weights: Mapping[str, Array], place: str) -> Scope:
        """A scope for a graph inside a node; `place` is the node's label and the step of a loop."""
        return Scope(weights, self.opsets, self, self.title, self.label, f"{place}/")


class Subgraph(NamedTuple):
    """A graph inside a node, ready to be converted as often as a loop needs it."""

    nodes: Sequence[onnx.NodeProto]
    order: Sequence[int]
    weights: Mapping[str, Array]
    inputs: Sequence[str]
    outputs: Sequence[str]


def inner_block(graph: onnx.GraphProto, title: str, scope: Scope) -> Subgraph:
    """The graph with its weights read and its nodes sorted."""
    if scope.depth >= DEEPEST_NESTING:
        raise OnnxError(f"{title} is nested more than {DEEPEST_NESTING} levels deep. Export the model again.")
    weights = {
        str(tensor.name): tensor_array(tensor, f"{title} Initializer {tensor.name!r}") for tensor in graph.initializer
    }
    inputs = [str(info.name) for info in graph.input if info.name not in weights]
    outputs = [str(info.name) for info in graph.output]
    order = evaluation_order(graph, set(weights) | set(inputs), outputs, scope.has)
    return Subgraph(list(graph.node), order, weights, inputs, outputs)
