"""Det of small matrices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from fastexpr.onnx.builder import GraphBuilder, Value
from fastexpr.onnx.converters.linear import linear
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

LARGEST_MATRIX = 10  # 2^n minors


@converter("Det", since=11)
def det(node: OnnxNode) -> Value:
    """The determinant of the last two axes, by minors: those of the first k rows, for every choice of k columns, are
    sums of products of row k and the minors before. No division: derivatives of singular matrices are exact, too.
    """
    graph, x = node.graph, node.input(0)
    n = x.shape[-1] if x.shape else 0
    if len(x.shape) < 2 or x.shape[-2] != n or not 1 <= n <= LARGEST_MATRIX:
        node.fail(
            f"has an input of shape {x.shape}, expected square matrices of at most {LARGEST_MATRIX} rows. Export the "
            "model with smaller ones."
        )
    minors = row(graph, x, 0)
    previous: list[tuple[int, ...]] = [(j,) for j in range(n)]
    for k in range(1, n):
        chosen = list(combinations(range(n), k + 1))
        number = {columns: place for place, columns in enumerate(previous)}
        rests = [[number[c[:j] + c[j + 1 :]] for j in range(k + 1)] for c in chosen]
        products = graph.multiply(picked(graph, row(graph, x, k), chosen), picked(graph, minors, rests))
        signs = np.array([[(-1.0) ** (k + j) for j in range(k + 1)]])
        sums = linear(graph, products, signs, len(products.shape) - 1, transposed=False)
        minors = graph.reshape(sums, sums.shape[:-1])
        previous = chosen
    return graph.reshape(minors, x.shape[:-2])


def row(graph: GraphBuilder, x: Value, k: int) -> Value:
    """Row k of each matrix."""
    return graph.rearrange(x, lambda array: array[..., k, :])


def picked(graph: GraphBuilder, values: Value, places: Sequence[Sequence[int]]) -> Value:
    """Numbers of the last axis."""
    return graph.rearrange(values, lambda array: array[..., np.array(places)])
