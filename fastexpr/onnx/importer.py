"""Turns a model into the core's list of nodes, one ONNX node after the other. Nothing is fused here: the core does
that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

import fastexpr.onnx.converters  # noqa: F401  (registers them)
from fastexpr._core import Function
from fastexpr.errors import FastexprError, GraphError, OnnxError, ShapeError
from fastexpr.expression import component_names
from fastexpr.function.variants import checked_names
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder, Handle, Value
from fastexpr.onnx.definitions import definition
from fastexpr.onnx.folding import can_fold, fold
from fastexpr.onnx.functions import inlined
from fastexpr.onnx.metadata import read_metadata
from fastexpr.onnx.model_file import ModelFile
from fastexpr.onnx.node import OnnxNode, node_label, node_title, operator_schema
from fastexpr.onnx.ordering import evaluation_order
from fastexpr.onnx.ports import check_type, input_port
from fastexpr.onnx.registry import find_converter, operator_names
from fastexpr.onnx.sizes import Budget, check_inputs

CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}
MAY_BE_INFINITE = {"Clip", "Max", "Min", "Cast", "CastLike", "Identity", "Constant"}


@dataclass(frozen=True)
class Scope:
    """What the nodes of one list can read: of the model itself, or of the definition of one of its operators.

    Attributes
    ----------
    values : tensors by name; None where the definition has an input that the outer node leaves out
    opsets : the version of each operator domain that the nodes follow
    title, label : of the outer node; empty for the model itself
    """

    values: dict[str, Value | None]
    opsets: dict[str, int]
    title: str = ""
    label: str = ""

    def node_title(self, proto: onnx.NodeProto, position: int) -> str:
        """How messages about one of the nodes begin."""
        return f"{self.title} ({proto.op_type} in its definition)" if self.title else node_title(proto, position)


class Importer:
    """One run over a model.

    Attributes
    ----------
    inputs : the ports that make up x
    order : positions of the nodes that were converted
    values : every tensor that was computed, by its name in the file
    graph : the core nodes
    """

    def __init__(self, model: ModelFile) -> None:
        self.model = model
        self.proto = inlined(model.proto)
        weights = model.weights
        self.inputs = [input_port(info) for info in self.proto.graph.input if info.name not in weights]
        names = [port.name for port in self.inputs]
        for name in names:
            if names.count(name) > 1:
                raise OnnxError(f"[Input {name!r}] is there twice. Names must be unique: export the model again.")
        check_inputs({port.name: port.size for port in self.inputs})
        self.graph = GraphBuilder(sum(port.size for port in self.inputs))
        self.values: dict[str, Value | None] = {}
        self.order = evaluation_order(self.proto.graph, set(weights) | set(names))
        self._checked: set[str] = set()  # weights known to be finite
        self._budget = Budget(sum(array.nbytes for array in weights.values()))

    def run(self) -> None:
        """Converts every node that the outputs need."""
        self._split_x()
        with np.errstate(all="ignore"):  # constants that are not finite are refused where they are used
            scope = Scope(self.values, self.model.opsets)
            for position in self.order:
                self._convert(self.proto.graph.node[position], position, scope)

    def function(self, input_names: Sequence[str] | None, output_names: Sequence[str] | None) -> Function:
        """The function from the joined inputs to the joined declared outputs."""
        infos = list(self.proto.graph.output)
        if not self.inputs or not infos:
            raise OnnxError(
                f"The model has {len(self.inputs)} inputs and {len(infos)} outputs, expected at least one of each. "
                "Export the model again."
            )
        for info in infos:
            check_type("Output", info)
            if sum(info.name == other.name for other in infos) > 1:
                raise OnnxError(f"[Output {info.name!r}] is there twice. Names must be unique: export the model again.")
        return self.function_of([str(info.name) for info in infos], input_names, output_names, keep_metadata=True)

    def function_of(
        self,
        names: Sequence[str],
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        keep_metadata: bool = False,
    ) -> Function:
        """The function from the joined inputs to these tensors."""
        handles = [self._output(name) for name in names]
        inputs = [(port.name, port.shape) for port in self.inputs]
        outputs = [(name, handle.shape) for name, handle in zip(names, handles, strict=True)]
        n_inputs, n_outputs = self.graph.x.shape[0], sum(math.prod(handle.shape) for handle in handles)
        extra = read_metadata(self.proto, n_inputs, n_outputs) if keep_metadata else {}
        names_in, names_out = (
            checked_names(f"[load_onnx] {what}", chosen, extra.get(what) or component_names(ports))
            for what, chosen, ports in (("input_names", input_names, inputs), ("output_names", output_names, outputs))
        )
        ids = [handle.id for handle in handles]
        return Function._from_nodes(
            n_inputs,
            self.graph.nodes,
            ids,
            inputs,
            outputs,
            names_in,
            names_out,
            extra.get("lower"),
            extra.get("upper"),
        )

    def _split_x(self) -> None:
        """The ports as slices of x."""
        start = 0
        for port in self.inputs:
            self.graph.label = port.name
            self.values[port.name] = self.graph.reshape(self.graph.part_of_x(start, port.size), port.shape)
            start += port.size

    def _convert(self, proto: onnx.NodeProto, position: int, scope: Scope) -> None:
        title = scope.node_title(proto, position)
        opset = checked_opset(proto, title, scope.opsets)
        inputs = [self._value(name, proto, title, scope) if name else None for name in proto.input]
        found = find_converter(proto.op_type, opset) if proto.domain in ("", "ai.onnx") else None
        depends = any(isinstance(value, Handle) for value in inputs)
        self.graph.label = scope.label or node_label(proto, position)
        results: Sequence[Value | None]
        if not depends and can_fold(proto) and not (found and found.takes_constants) and (found or inputs):
            results = fold(proto, inputs, opset, title)  # type: ignore[arg-type]
        elif found is None:
            results = self._expand(proto, inputs, opset, title)
        else:
            node = OnnxNode(proto, title, opset, inputs, self.graph)
            try:
                converted = found.convert(node)
            except (GraphError, ShapeError) as error:  # the core knows operators, not nodes
                raise type(error)(f"{title} {without_title(str(error))}") from error
            except (ArithmeticError, MemoryError, RuntimeError, ValueError) as error:
                if isinstance(error, FastexprError):
                    raise
                raise OnnxError(f"{title} cannot be converted: {error}. Export the model again.") from error
            results = [converted] if isinstance(converted, (Handle, np.ndarray)) else converted
        self._budget.spend(results, title)
        keep_results(proto, title, results, scope)

    def _expand(self, proto: onnx.NodeProto, inputs: list[Value | None], opset: int, title: str) -> list[Value | None]:
        """The outputs of an operator without a converter, by the definition that the standard gives of it."""
        float_type = self.inputs[0].data_type if self.inputs else onnx.TensorProto.DOUBLE
        body = definition(proto, opset, inputs, float_type)
        if body is None:
            raise OnnxError(unknown_operator(proto, title, opset))
        given = dict(zip(body.input, [*inputs, *[None] * (len(body.input) - len(inputs))], strict=False))
        opsets = {str(entry.domain): int(entry.version) for entry in body.opset_import}
        scope = Scope(given, opsets, title, self.graph.label)
        for position, node in enumerate(body.node):
            self._convert(node, position, scope)
        return [given.get(name) for name in body.output]

    def _value(self, name: str, proto: onnx.NodeProto, title: str, scope: Scope) -> Value | None:
        """The tensor of this name, as an input of the node."""
        if name in scope.values:
            value = scope.values[name]
            if not isinstance(value, np.ndarray) or scope.title:
                return value
            owner = f"{title} The constant {name!r}"
        else:
            value = self.model.weights[name]
            owner = f"[Initializer {name!r}]"
        if name not in self._checked and proto.op_type not in MAY_BE_INFINITE:
            check_finite(value, owner)
            self._checked.add(name)
        return value

    def inputs_behind(self, value: Handle) -> set[str]:
        """Names of the inputs that the value depends on."""
        nodes = self.graph.nodes_behind(value)
        ports = {port.name: self.values[port.name] for port in self.inputs}
        return {name for name, part in ports.items() if isinstance(part, Handle) and part.id in nodes}

    def value(self, name: str) -> Value:
        """A tensor that was computed, or a weight."""
        value = self.values[name] if name in self.values else self.model.weights[name]
        assert value is not None
        return value

    def _output(self, name: str) -> Handle:
        """The declared output as a node."""
        value = self.value(name)
        if isinstance(value, Handle):
            return value
        if value.dtype.kind != "f":
            raise OnnxError(
                f"[Output {name!r}] is a constant with elements {value.dtype}, expected float or double. Leave it out."
            )
        if value.size == 0:
            raise OnnxError(f"[Output {name!r}] has the shape {value.shape}, which holds no numbers. Leave it out.")
        check_finite(value, f"[Output {name!r}]")
        self.graph.label = name
        return self.graph.handle(value)


def checked_opset(proto: onnx.NodeProto, title: str, opsets: dict[str, int]) -> int:
    """The operator set that the node follows; refuses operators that are not ONNX's, and counts inputs and outputs."""
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    if domain:
        raise OnnxError(unknown_operator(proto, title, opsets.get(domain)))
    if "" not in opsets:
        raise OnnxError(
            f"{title} belongs to ONNX's own operators, whose operator set the model does not declare. Export again."
        )
    opset = opsets[""]
    schema = operator_schema(str(proto.op_type), opset)
    if schema is None:
        raise OnnxError(unknown_operator(proto, title, opset))
    if not schema.min_input <= len(proto.input) <= schema.max_input or len(proto.output) > schema.max_output:
        raise OnnxError(
            f"{title} has {len(proto.input)} inputs and {len(proto.output)} outputs, expected {schema.min_input} "
            f"to {schema.max_input} inputs and at most {schema.max_output} outputs. Export the model again."
        )
    return opset


def keep_results(proto: onnx.NodeProto, title: str, results: Sequence[Value | None], scope: Scope) -> None:
    """Puts the node's outputs where other nodes find them."""
    for k, name in enumerate(proto.output):
        if name and (k >= len(results) or results[k] is None):
            raise OnnxError(
                f"{title} has an output {k} ({name!r}), which is not supported. Export the model without it."
            )
        if name:
            scope.values[name] = results[k]


def unknown_operator(proto: onnx.NodeProto, title: str, opset: int | None) -> str:
    """The message about an operator without a converter."""
    if proto.op_type in CONTROL_FLOW and proto.domain in ("", "ai.onnx"):
        return (
            f"{title} is control flow, which has no derivative in general: got operator {proto.op_type}. Export the "
            "model with the branch or the number of steps fixed."
        )
    domain = repr(str(proto.domain or "ai.onnx"))
    return (
        f"{title} unknown operator: got {proto.op_type} of domain {domain}, operator set {opset}, expected one of "
        f"{', '.join(operator_names())} of domain 'ai.onnx'. Write it in terms of these, or leave it out of the model."
    )


def check_finite(array: Array, owner: str) -> None:
    """Refuses NaN and infinity."""
    if array.dtype.kind != "f":
        return
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum()):  # much faster than isfinite; a sum hides nothing that is not finite
            return
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(k) for k in np.argwhere(~finite)[0])
        count = int(finite.size - np.count_nonzero(finite))
        raise OnnxError(
            f"{owner} holds {count} numbers that are not finite: got {array[where]} at {list(where)}, expected finite "
            "numbers. The training has probably diverged: train and export again."
        )


def without_title(message: str) -> str:
    """A message of the core without its "[Linear] "."""
    return message.partition("] ")[2] if message.startswith("[") and "] " in message else message
