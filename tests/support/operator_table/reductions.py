"""Rows of reductions and cumulative sums."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from operator_table.arrays import (
    constant,
    indices,
)
from operator_table.row import Row


def first_maximum(x: Any, axis: int, n_axes: int, keepdims: bool) -> Any:
    """The maximum; where several share it, the first one's derivative."""
    shape = (*x.shape[:axis], -1, *x.shape[axis + n_axes :])
    flat = x.reshape(shape)
    first = torch.tensor(np.argmax(flat.detach().numpy(), axis, keepdims=True))
    kept = (*x.shape[:axis], *(1,) * (n_axes if keepdims else 0), *x.shape[axis + n_axes :])
    return torch.gather(flat, axis, first).reshape(kept)


def product_over(x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    for axis in reversed(dim):
        x = torch.prod(x, axis, keepdim=keepdim)
    return x


def cumulative_sum(x: Any, axis: int, exclusive: int, reverse: int) -> Any:
    x = torch.flip(x, (axis,)) if reverse else x
    total = torch.cumsum(x, axis) - (x if exclusive else 0)
    return torch.flip(total, (axis,)) if reverse else total


REDUCTIONS = [
    *(
        Row(
            "ReduceMax",
            partial(first_maximum, axis=axis, n_axes=n_axes, keepdims=bool(keepdims)),
            [shape],
            {"axis": axis, "n_axes": n_axes, "keepdims": keepdims},
            points=ties,
            onnx=("ReduceMax", {"keepdims": keepdims}, indices(*range(axis, axis + n_axes))),
            note=f"{shape} axis {axis} n_axes {n_axes} keepdims {keepdims}",
        )
        for shape, axis, n_axes, keepdims, ties in (
            ((3,), 0, 1, 0, [constant(1, 2, 2), constant(2, 2, 1), constant(-1, -1, -1)]),
            ((2, 3, 2), 0, 1, 0, []),
            ((2, 3, 2), 1, 1, 1, [constant(0, 0, 1, 0, 1, 0, -2, 3, -2, 3, -2, 3)]),
            ((2, 2), 0, 2, 0, []),
            ((2, 2, 2), 1, 2, 1, []),
            ((2, 1), 1, 1, 0, []),
        )
    ),
    *(
        Row(
            name,
            partial(formula, dim=tuple(range(axis, axis + n_axes)), keepdim=bool(keepdims)),
            [(2, 3, 2)],
            {"axis": axis, "n_axes": n_axes, "keepdims": keepdims},
            points=points,
            onnx=(name, {"keepdims": keepdims}, indices(*range(axis, axis + n_axes))) if name != "ReduceProd" else None,
            note=f"axis {axis} n_axes {n_axes} keepdims {keepdims}",
        )
        for name, formula, points in (
            ("ReduceLogSumExp", torch.logsumexp, [np.resize([1e4, -1e4, 9999.5, 0.0, -800.0], 12)]),
            ("ReduceL2", torch.linalg.vector_norm, [1e-3 * np.arange(1.0, 13.0)]),
            ("ReduceProd", product_over, [np.resize([0.0, 1.0, -2.0, 3.0, 0.5], 12), np.zeros(12)]),
        )
        for axis, n_axes, keepdims in ((0, 1, 0), (1, 1, 1), (2, 1, 0), (0, 3, 0), (1, 2, 1))
    ),
    *(
        Row(
            name,
            formula,
            [(2, 1)],
            {"axis": 1, "n_axes": 1, "keepdims": 0},
            note="one member",
        )
        for name, formula in (
            ("ReduceLogSumExp", lambda x: x[:, 0]),
            ("ReduceL2", lambda x: x[:, 0].abs()),
            ("ReduceProd", lambda x: x[:, 0]),
        )
    ),
    *(
        Row(
            "CumSum",
            partial(cumulative_sum, axis=axis, exclusive=exclusive, reverse=reverse),
            [(2, 3, 2)],
            {"axis": axis, "n_axes": 1, "exclusive": exclusive, "reverse": reverse},
            onnx=("CumSum", {"exclusive": exclusive, "reverse": reverse}, np.array(axis, np.int64)),
            note=f"axis {axis} exclusive {exclusive} reverse {reverse}",
        )
        for axis, exclusive, reverse in ((0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 0, 1), (1, 1, 1), (2, 1, 0))
    ),
]


SUMS = [
    *(
        Row(
            name,
            partial(formula, dim=tuple(range(axis, axis + n_axes)), keepdim=bool(keepdims)),
            [(2, 3, 2)],
            {"axis": axis, "n_axes": n_axes, "keepdims": keepdims},
            onnx=(name, {"keepdims": keepdims}, indices(*range(axis, axis + n_axes))),
            note=f"axis {axis} n_axes {n_axes} keepdims {keepdims}",
        )
        for name, formula in (("ReduceSum", torch.sum), ("ReduceMean", torch.mean))
        for axis, n_axes, keepdims in ((0, 1, 0), (1, 1, 1), (2, 1, 0), (0, 3, 0), (1, 2, 1), (0, 3, 1))
    ),
]
