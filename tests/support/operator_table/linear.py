"""Rows of products with matrices: constant ones, sparse ones, and of two arrays."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from operator_table.arrays import (
    W_32,
    W_32_TORCH,
    W_64,
    W_64_TORCH,
)
from operator_table.row import Row, Shape

bias = np.random.default_rng(3).normal(size=4).astype(np.float32)
LEFT = np.random.default_rng(4).normal(size=(2, 2, 3))
ZEROS = np.array([[1.0, 0, 1], [0, 0, 0]])
RIGHT = np.random.default_rng(5).normal(size=(2, 3, 2))


def sparse_row(note: str, matrix: np.ndarray, shape: Shape, axis: int) -> Row:
    """A sparse matrix along an axis."""
    rows, columns = np.nonzero(matrix)
    starts = np.searchsorted(rows, np.arange(len(matrix) + 1)).astype(np.int64)
    W = torch.tensor(matrix).double()
    return Row(
        "SparseLinear",
        lambda x: torch.moveaxis(torch.tensordot(W, x, ([1], [axis])), 0, axis),
        [shape],
        {"axis": axis},
        [starts, columns.astype(np.int64), matrix[rows, columns]],
        note=note,
    )


SPARSE = [
    sparse_row("vector", np.array([[1.0, 0, 2], [0, 0, 0], [0, -3, 0.5], [1, 1, 1]]), (3,), 0),
    sparse_row("last axis", np.array([[0.5, 0.5, 0], [0, 0.25, 0.75]], np.float32), (2, 3), 1),
    sparse_row("middle axis", np.array([[0, 1.0], [2, 0], [0.5, -1]]), (2, 2, 2), 1),
]


LINEAR = [
    *(
        Row(
            "Linear",
            partial(lambda x, W, b: W @ x + b[:, None], W=torch.tensor(W).double(), b=torch.tensor(b).double()),
            [(3, 2)],
            {"axis": 0, "transposed": 0},
            [W, b],
            note=f"{W.dtype}, bias",
        )
        for W, b in ((W_32, bias), (W_64, bias))
    ),
    Row(
        "Linear",
        lambda x: x @ W_32_TORCH.T,
        [(2, 3)],
        {"axis": 1, "transposed": 0},
        [W_32],
        onnx=("Gemm", {"transB": 1}, W_32),
        note="last axis",
    ),
    Row(
        "Linear",
        lambda x: x @ W_64_TORCH,
        [(2, 4)],
        {"axis": 1, "transposed": 1},
        [W_64],
        onnx=("MatMul", {}, W_64),
        note="last axis, transposed",
    ),
    Row(
        "Linear",
        lambda x: torch.einsum("hk,okc->ohc", W_32_TORCH, x),
        [(2, 3, 2)],
        {"axis": 1, "transposed": 0},
        [W_32],
        note="middle axis",
    ),
    Row(
        "Linear",
        lambda x: W_32_TORCH.T @ x + 1,
        [(4,)],
        {"axis": 0, "transposed": 1},
        [W_32, np.ones(3)],
        note="vector, transposed",
    ),
    *(
        Row("MatMul", torch.matmul, shapes, onnx=("MatMul", {}), fixed=fixed, note=f"{shapes} {note}")
        for shapes, fixed, note in (
            ([(2, 3), (3, 4)], {}, ""),
            ([(1, 3), (3, 2)], {}, "row"),
            ([(2, 3), (3, 1)], {}, "column"),
            ([(2, 1), (1, 3)], {}, "outer"),
            ([(1, 4), (4, 1)], {}, "inner"),
            ([(2, 2, 3), (2, 3, 2)], {}, "stacks"),
            ([(2, 2, 2), (2, 3)], {}, "one right side"),
            ([(2, 3), (2, 3, 2)], {}, "one left side"),
            ([(2, 1, 1, 2), (2, 2, 2)], {}, "both stretched"),
            ([(2, 2, 2), (1, 1, 2, 2)], {}, "leading ones"),
            ([(2, 2, 3), (2, 3, 2)], {0: LEFT}, "constant a"),
            ([(2, 2, 3), (2, 3, 2)], {0: LEFT * ZEROS}, "zeros in a"),
            ([(2, 2, 3), (2, 3, 2)], {1: (LEFT * ZEROS).reshape(2, 3, 2)}, "zeros in b"),
            ([(1, 2, 3), (2, 3, 2)], {1: RIGHT}, "constant b"),
            ([(1, 9), (9, 9)], {}, "wide"),
        )
    ),
]
