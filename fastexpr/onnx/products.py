"""Products of matrices: the core's Linear where one side is a constant matrix, else its MatMul."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastexpr.onnx.arrays import Array, as_float
from fastexpr.onnx.handle import Handle, Shape, Value

if TYPE_CHECKING:
    from fastexpr.onnx.builder import GraphBuilder


def linear(
    graph: GraphBuilder, x: Value, matrix: Array, axis: int, transposed: bool, bias: Array | None = None
) -> Handle:
    """y = W x along `axis`; W is the matrix (h, k), or with `transposed` its transpose (k, h)."""
    constants = [graph.contiguous(matrix)]
    if bias is not None:
        constants.append(np.ascontiguousarray(as_float(bias)))
    return graph.apply("Linear", x, constants=constants, axis=axis, transposed=int(transposed))


def matrix_product(graph: GraphBuilder, a: Value, b: Value) -> Value:
    """a @ b for tensors with two axes or more."""
    rank = max(len(a.shape), len(b.shape))
    rows, columns = a.shape[-2], b.shape[-1]
    if not isinstance(a, Handle) and not isinstance(b, Handle):
        return np.asarray(np.matmul(a.astype(np.float64), b.astype(np.float64)))
    if not isinstance(b, Handle) and is_one_matrix(b.shape):
        lead = (1,) * (rank - len(a.shape)) + a.shape[:-1]
        y: Value = linear(graph, a, b.reshape(b.shape[-2:]), len(a.shape) - 1, transposed=True)
        return y.reshape((*lead, columns))
    if not isinstance(a, Handle) and is_one_matrix(a.shape):
        lead = (1,) * (rank - len(b.shape)) + b.shape[:-2]
        y = linear(graph, b, a.reshape(a.shape[-2:]), len(b.shape) - 2, transposed=False)
        return y.reshape((*lead, rows, columns))
    return graph.apply("MatMul", a, b)


def is_one_matrix(shape: Shape) -> bool:
    """Whether a constant is one matrix and not a batch of several."""
    return all(length == 1 for length in shape[:-2])
