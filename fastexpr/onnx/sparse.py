"""Linear maps along an axis with few numbers in each row, as the core's SparseLinear."""

from __future__ import annotations

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.handle import Value


def sparse_linear(
    graph: GraphBuilder, x: Value, axis: int, rows: Array, columns: Array, values: Array, height: int
) -> Value:
    """y[.., rows[e], ..] = sum of values[e] x[.., columns[e], ..] along the axis, which gets the length `height`."""
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[order], np.arange(height + 1)).astype(np.int64)
    numbers = np.ascontiguousarray(np.broadcast_to(np.asarray(values, np.float64), rows.shape)[order])
    return graph.apply("SparseLinear", x, constants=[starts, columns[order].astype(np.int64), numbers], axis=axis)


def matrix_along(graph: GraphBuilder, x: Value, axis: int, columns: Array, values: Array) -> Value:
    """The same for as many numbers in each row: both arrays are (height, entries); zeros are left out."""
    rows, entries = np.nonzero(values)
    return sparse_linear(graph, x, axis, rows, columns[rows, entries], values[rows, entries], len(values))
