"""Where an import is checked: a point, and our values of every tensor there."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from fastexpr._core import Function
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.handle import Handle
from fastexpr.onnx.importer import Importer


class Point(NamedTuple):
    """Where an import is checked.

    Attributes
    ----------
    x : the joined inputs
    y : the function's joined outputs
    tensors : every tensor of the graph by its name: inputs and weights as the file has them, and ours of all others
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    tensors: dict[str, Array]


def find_point(importer: Importer, function: Function) -> Point:
    """A random point, where our function is finite if there is one."""
    for lower in (-1.0, 0.1):
        x = np.random.default_rng(0).uniform(lower, 1.0, function.n_inputs).astype(np.float32).astype(np.float64)
        y = function(x)
        if np.isfinite(y).all():
            break
    return Point(x, y, tensors_at(importer, x) | weights_of_file(importer) | parts_of(importer, x))


def weights_of_file(importer: Importer) -> dict[str, Array]:
    """The initializers, as the onnx package reads them."""
    graph = importer.model.complete_proto().graph
    return {tensor.name: tensor_of_file(tensor) for tensor in graph.initializer if tensor.name not in importer.beside_x}


def tensor_of_file(tensor: TensorProto) -> Array:
    """The tensor's numbers, floats in double."""
    if tensor.HasField("raw_data") and tensor.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE):
        kind = np.float32 if tensor.data_type == TensorProto.FLOAT else np.float64
        return np.frombuffer(tensor.raw_data, kind).astype(np.float64).reshape(tensor.dims)
    return widened(numpy_helper.to_array(tensor))


def parts_of(importer: Importer, x: NDArray[np.float64]) -> dict[str, Array]:
    """x as the inputs."""
    parts, start = {}, 0
    for port in importer.inputs:
        parts[port.name] = x[start : start + port.size].reshape(port.shape)
        start += port.size
    return parts


def tensors_at(importer: Importer, x: NDArray[np.float64]) -> dict[str, Array]:
    """Every tensor of the graph that is a constant or depends on x."""
    values = importer.model.weights | importer.values
    handles = {name: value for name, value in values.items() if isinstance(value, Handle)}
    tensors = {name: widened(value) for name, value in values.items() if isinstance(value, np.ndarray)}
    if handles:
        ports = [(name, handle.shape) for name, handle in handles.items()]
        ids = [handle.id for handle in handles.values()]
        function = Function._from_nodes(x.size, importer.graph.nodes, ids, [("x", (x.size,))], ports)
        numbers, start = function(x), 0
        for name, handle in handles.items():
            size = math.prod(handle.shape)
            part = numbers[start : start + size].reshape(handle.shape)
            masked = importer.graph.masked.get(handle.id)
            tensors[name] = (part if masked is None else part + masked).astype(handle.dtype, copy=False)
            start += size
    return tensors


def widened(array: Array) -> Array:
    """Floats in double; all else as it is."""
    return array.astype(np.float64, copy=False) if is_float(array.dtype) else array


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether it is one of floats, those of other packages (bfloat16) included."""
    return dtype.kind == "f" or "float" in dtype.name
