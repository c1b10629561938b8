"""Where an import is checked: a point, and our values of every tensor there."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from fastexpr._core import Function
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.handle import Handle
from fastexpr.onnx.importer import Importer
from fastexpr.onnx.ports import Output


class Point(NamedTuple):
    """Where an import is checked.

    Attributes
    ----------
    x : the joined inputs
    tensors : every tensor of the graph by its name: inputs and weights as the file has them, and ours of all others
    """

    x: NDArray[np.float64]
    tensors: dict[str, Array]


def find_point(importer: Importer, function: Function) -> Point:
    """A random point, where our function is finite if there is one."""
    for lower in (-1.0, 0.1):
        random = np.random.default_rng(0)
        parts = [random.uniform(lower, 1.0, port.size) for port in importer.inputs]
        x = np.concatenate(parts).astype(np.float32).astype(np.float64)
        if np.isfinite(function(x)).all():
            break
    return Point(x, tensors_at(importer, x) | weights_of_file(importer) | parts_of(function, x))


def weights_of_file(importer: Importer) -> dict[str, Array]:
    """The initializers, as the onnx package reads them."""
    graph = importer.model.complete_proto().graph
    tensors = [tensor for tensor in graph.initializer if tensor.name not in importer.beside_x]
    return {str(tensor.name): widened(numpy_helper.to_array(tensor)) for tensor in tensors}


def parts_of(function: Function, x: NDArray[np.float64]) -> dict[str, Array]:
    """x as the function's inputs."""
    ends = np.cumsum([math.prod(shape) for shape in function.inputs.values()])
    pieces = zip(function.inputs.items(), np.split(x, ends[:-1]), strict=True)
    return {name: part.reshape(shape) for (name, shape), part in pieces}


def tensors_at(importer: Importer, x: NDArray[np.float64]) -> dict[str, Array]:
    """Every tensor of the graph that is a constant or depends on x."""
    handles = {name: value for name, value in importer.values.items() if isinstance(value, Handle)}
    values = importer.model.weights | importer.values
    tensors: dict[str, Array] = {
        name: widened(value) for name, value in values.items() if isinstance(value, np.ndarray)
    }
    if handles:
        numbers, start = importer.function_of([Output(name, name) for name in handles])(x), 0
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
