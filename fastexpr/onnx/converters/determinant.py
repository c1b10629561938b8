"""Det of small matrices."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.products import linear
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
    minors = x[..., 0, :]
    previous: list[tuple[int, ...]] = [(j,) for j in range(n)]
    for k in range(1, n):
        chosen = list(combinations(range(n), k + 1))
        number = {columns: place for place, columns in enumerate(previous)}
        rests = [[number[c[:j] + c[j + 1 :]] for j in range(k + 1)] for c in chosen]
        products = x[..., k, :][..., np.array(chosen)] * minors[..., np.array(rests)]
        signs = np.array([[(-1.0) ** (k + j) for j in range(k + 1)]])
        sums = linear(graph, products, signs, len(products.shape) - 1, transposed=False)
        minors = sums.reshape(sums.shape[:-1])
        previous = chosen
    return minors.reshape(x.shape[:-2])
