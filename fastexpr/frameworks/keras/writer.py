"""What layers are written with: core nodes, and the importer's converters for whole ONNX operators.

A layer's rule takes the writer, the layer and what it is called with, and returns values: arrays where they are
constant, handles of nodes where they depend on x. The first axis is the batch, of length 1.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NoReturn

import numpy as np
from onnx import helper

import fastexpr.onnx.converters  # noqa: F401  (registers them)
from fastexpr._core import Function
from fastexpr.errors import FrameworkError
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode, node_title
from fastexpr.onnx.registry import convert
from fastexpr.onnx.sizes import check_ports

OPSET = 20

Rule = Callable[..., Any]
LAYERS: dict[str, Rule] = {}
#: Operations between layers: a + b, keras.ops.tanh(a).
OPERATIONS: dict[str, Rule] = {}


def layer(*names: str) -> Callable[[Rule], Rule]:
    """Registers a rule for Keras' layers of these names."""

    def register(rule: Rule) -> Rule:
        LAYERS.update(dict.fromkeys(names, rule))
        return rule

    return register


def operation(*names: str) -> Callable[[Rule], Rule]:
    """Registers a rule for operations of keras.ops."""

    def register(rule: Rule) -> Rule:
        OPERATIONS.update(dict.fromkeys(names, rule))
        return rule

    return register


class Writer:
    """The nodes of one model under construction.

    Attributes
    ----------
    keras : the library
    graph : the list of core nodes
    """

    def __init__(self, keras: Any, inputs: Sequence[tuple[str, tuple[int, ...]]]) -> None:
        self.keras = keras
        self._ports = list(inputs)
        sizes = {name: math.prod(shape) for name, shape in inputs}
        check_ports("Input", sizes)
        self.graph = GraphBuilder(sum(sizes.values()))
        starts = accumulate(sizes.values(), initial=0)
        self.inputs = [
            self.graph.part_of_x(start, sizes[name]).reshape(shape)
            for (name, shape), start in zip(inputs, starts, strict=False)
        ]

    def onnx(self, operator: str, *inputs: Value | None, **attributes: Any) -> Value:
        """An ONNX operator of these values: its one output."""
        return self.onnx_outputs(1, operator, *inputs, **attributes)[0]

    def onnx_outputs(self, count: int, operator: str, *inputs: Value | None, **attributes: Any) -> list[Value]:
        """An ONNX operator of these values: its first `count` outputs."""
        names = ["" if value is None else f"input {k}" for k, value in enumerate(inputs)]
        outputs = [f"output {k}" for k in range(count)]
        proto = helper.make_node(operator, names, outputs, name=self.graph.label, **attributes)
        node = OnnxNode(proto, node_title(proto, 0), OPSET, list(inputs), self.graph, no_graph)
        with np.errstate(all="ignore"):
            results: list[Any] = convert(node)
        return results[:count]

    def weight(self, variable: Any) -> Array:
        """The numbers of a variable, in its own precision."""
        return numbers_of(self.keras, variable)

    def call(self, operation: Any, *args: Any, **settings: Any) -> Any:
        """What the layer or operation gives."""
        outer = self.graph.label
        self.graph.label = str(operation.name)
        rules = LAYERS if isinstance(operation, self.keras.Layer) else OPERATIONS
        for kind in type(operation).__mro__:
            if kind.__name__ in rules and kind.__module__.partition(".")[0] == "keras":
                result = rules[kind.__name__](self, operation, *args, **settings)
                self.graph.label = outer
                return result
        raise FrameworkError(
            f"[from_keras] {type(operation).__name__} {operation.name!r} is not supported: expected one of "
            f"{', '.join(sorted(rules))}. With the torch backend, from_torch may read the model."
        )

    def function(self, outputs: Sequence[tuple[str, Value]]) -> Function:
        """The function from the inputs to these values."""
        handles = [self.graph.handle(value) for _, value in outputs]
        ports = [(name, handle.shape) for (name, _), handle in zip(outputs, handles, strict=True)]
        check_ports("Output", {name: math.prod(shape) for name, shape in ports})
        return Function._from_nodes(
            self.graph.x.shape[0], self.graph.nodes, [handle.id for handle in handles], self._ports, ports
        )


def no_graph(name: str, inputs: Sequence[Value], part: str) -> NoReturn:
    """Layers hold no graphs of ONNX."""
    raise AssertionError(name)


def numbers_of(keras: Any, tensor: Any) -> Array:
    """A variable or tensor of any backend as an array."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's tensors and NumPy's __array__
        return np.asarray(keras.ops.convert_to_numpy(tensor))


def refuse(layer: Any, what: str, got: object, expected: str) -> NoReturn:
    """Raises FrameworkError about a setting."""
    raise FrameworkError(
        f"[from_keras] {type(layer).__name__} {layer.name!r}: {what}: got {got!r}, expected {expected}. With the torch "
        "backend, from_torch may read the model."
    )
