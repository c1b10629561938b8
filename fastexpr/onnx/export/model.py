"""Writes a function as an ONNX model."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnx import helper

from fastexpr._core import Function, Operator
from fastexpr.errors import OnnxError
from fastexpr.expression import component_names
from fastexpr.function.variants import blanks
from fastexpr.onnx.export.graph import LARGEST_MODEL, ExportGraph
from fastexpr.onnx.export.rules import find_rule
from fastexpr.onnx.metadata import METADATA_KEY

Ports = dict[str, tuple[int, ...]]


def export_onnx(
    function: Function,
    path: str | os.PathLike[str],
    dtype: DTypeLike | None = None,
    *,
    largest_model: int = LARGEST_MODEL,
) -> None:
    """Writes a function as an ONNX model (operator set 20) with the same inputs, outputs, names and bounds.

    Parameters
    ----------
    function
        Any function, imported or written as an expression.
    path
        The file to write.
    dtype
        numpy.float32 or numpy.float64, the type of the model's inputs, outputs and arithmetic; by default float32 where
        the function has float32 weights and no number that float32 cannot hold, else float64. Weights that are float32
        are stored as float32 in either case.
    largest_model
        Bytes of weights from which on they go to a second file, "<name>.data".

    Raises
    ------
    OnnxError
        An operator that ONNX cannot express; a dtype that is neither float32 nor float64.

    Examples
    --------
    >>> import tempfile, numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fx.Function(x, np.tanh(x)).to_onnx(f"{folder}/tanh.onnx")
    ...     fx.load_onnx(f"{folder}/tanh.onnx").inputs
    {'x': (2,)}
    """
    nodes = function._nodes()
    is_double = np.dtype(dtype or model_dtype(nodes)) == np.float64
    if dtype is not None and np.dtype(dtype) not in (np.float32, np.float64):
        raise OnnxError(f"[to_onnx] dtype is {np.dtype(dtype)}, expected float32 or float64.")
    graph = ExportGraph(is_double, [*function.inputs, *function.outputs])
    values = Inputs(graph, function)
    for k, (operator, ids, label) in enumerate(nodes, start=1):
        graph.label = label or f"{operator.name}_{k}"
        values.names[k] = values.port(operator, ids) or converted(graph, operator, [values.name(i) for i in ids])
    outputs = write_outputs(graph, function, [values.name(i) for i in function._output_ids()])
    inputs = declared(graph, function.inputs)
    graph.write(Path(path), inputs, declared(graph, outputs), metadata(function, outputs), largest_model)


def declared(graph: ExportGraph, ports: Ports) -> list[onnx.ValueInfoProto]:
    """Inputs or outputs in ONNX's form."""
    return [helper.make_tensor_value_info(name, graph.element_type, list(shape)) for name, shape in ports.items()]


def converted(graph: ExportGraph, operator: Operator, inputs: list[str]) -> str:
    """The operator written in ONNX."""
    rule = find_rule(operator.name)
    if rule is None:
        raise OnnxError(
            f"[{operator.name} {graph.label!r}] ONNX cannot express this operator. Leave it out of the function."
        )
    return rule(graph, operator, inputs)


class Inputs:
    """The names of node values; x itself, the joined inputs, is written only where a node needs it whole."""

    def __init__(self, graph: ExportGraph, function: Function) -> None:
        self.graph = graph
        self.names: dict[int, str] = {}
        self.ports = list(function.inputs.items())

    def name(self, node: int) -> str:
        """The tensor that holds the node's value."""
        if node == 0 and 0 not in self.names:
            label, self.graph.label = self.graph.label, "x"
            parts = [self.graph.reshape(name, [-1]) for name, _ in self.ports]
            self.names[0] = parts[0] if len(parts) == 1 else self.graph.emit("Concat", *parts, axis=0)
            self.graph.label = label
        return self.names[node]

    def port(self, operator: Operator, ids: Sequence[int]) -> str | None:
        """Where the node is nothing but one input in some shape: that input. Else None."""
        if list(ids) != [0]:
            return None
        start = 0
        for name, shape in self.ports:
            size = math.prod(shape)
            if is_range(operator, start, size):
                return name if operator.shape == shape else self.graph.reshape(name, operator.shape)
            start += size
        return None


def is_range(operator: Operator, start: int, size: int) -> bool:
    """Whether the operator takes exactly the numbers start to start + size of x."""
    if math.prod(operator.shape) != size:
        return False
    if operator.name == "Reshape":
        return start == 0
    return operator.name == "Select" and np.array_equal(operator.constants[0], np.arange(start, start + size))


def write_outputs(graph: ExportGraph, function: Function, names: list[str]) -> Ports:
    """Writes the declared outputs, the nodes' values under their names and in their shapes, and returns them.

    ONNX has one space of names: an output that is called like an input, and is not that input itself, is renamed.
    """
    ports = list(function.outputs.items())
    if len(names) != len(ports):  # not node by node: joined, then cut
        graph.label = "outputs"
        flat = graph.emit("Concat", *(graph.reshape(name, [-1]) for name in names), axis=0)
        sizes = [math.prod(shape) for _, shape in ports]
        starts = np.cumsum([0, *sizes])
        names = [graph.emit("Gather", flat, graph.integers(np.arange(start, start + size)), axis=0)
                 for start, size in zip(starts, sizes, strict=False)]  # fmt: skip
    outputs: Ports = {}
    for (port, shape), name in zip(ports, names, strict=True):
        if name == port and function.inputs.get(port) == shape:
            outputs[port] = shape
            continue
        written = graph.fresh(f"{port}_output") if port in function.inputs else port
        graph.nodes.append(
            helper.make_node("Reshape", [name, graph.integers(list(shape))], [written], f"{port}_reshape")
        )
        outputs[written] = shape
    return outputs


def model_dtype(nodes: Sequence[tuple[Operator, Sequence[int], str]]) -> type[np.floating[Any]]:
    """float32 where there are float32 weights, and no other number would be rounded."""
    tensors: list[NDArray[Any]] = [
        array for operator, _, _ in nodes for array in operator.constants if array.dtype.kind == "f"
    ]
    if not any(array.dtype == np.float32 for array in tensors):
        return np.float64
    with np.errstate(over="ignore"):
        fits = all(array.dtype == np.float32 or np.array_equal(array, array.astype(np.float32)) for array in tensors)
    return np.float32 if fits else np.float64


def metadata(function: Function, outputs: Ports) -> dict[str, str]:
    """What ONNX has no place for: names of single components, units, and the inputs' range, where there are any."""
    extra: dict[str, Any] = {}
    for key, names, ports in (
        ("input_names", function.input_names, function.inputs),
        ("output_names", function.output_names, outputs),
    ):
        if list(names) != component_names(list(ports.items())):
            extra[key] = list(names)
    for key, units in (("input_units", function.input_units), ("output_units", function.output_units)):
        if units is not None:
            extra[key] = blanks(units)
    for key, bound in (("lower", function.lower), ("upper", function.upper)):
        if bound is not None:
            extra[key] = [float(number) for number in bound]
    return {METADATA_KEY: json.dumps(extra)} if extra else {}
