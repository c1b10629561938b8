"""Rows of operators that move numbers: reshaping, selecting, joining."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from operator_table.arrays import (
    indices,
)
from operator_table.row import Row, Shape


def transposed_indices(shape: Shape, axes: Sequence[int]) -> np.ndarray:
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape).transpose(axes).ravel()


SHAPES = [
    Row(
        "Reshape", lambda x: x.reshape(3, 2, 1), attributes={"shape": [3, 2, 1]}, onnx=("Reshape", {}, indices(3, 2, 1))
    ),
    Row("Reshape", lambda x: x.reshape(()), [(1, 1)], {"shape": []}, note="to a number"),
    Row(
        "Select",
        lambda x: x.permute(2, 0, 1),
        [(2, 2, 3)],
        {"shape": [3, 2, 2]},
        [transposed_indices((2, 2, 3), (2, 0, 1))],
        onnx=("Transpose", {"perm": [2, 0, 1]}),
        note="transpose",
    ),
    Row(
        "Select",
        lambda x: x.ravel()[torch.tensor([4, 1, 1, 0])].reshape(2, 2),
        attributes={"shape": [2, 2]},
        constants=[indices(4, 1, 1, 0)],
        note="repeated",
    ),
    Row(
        "Select",
        lambda x: x.expand(3, 2),
        [(2,)],
        {"shape": [3, 2]},
        [indices(0, 1, 0, 1, 0, 1)],
        onnx=("Expand", {}, indices(3, 2)),
        note="expand",
    ),
    *(
        Row(
            "Concat",
            partial(lambda *inputs, axis: torch.cat(inputs, axis), axis=axis),
            shapes,
            {"axis": axis},
            onnx=("Concat", {"axis": axis}),
            fixed=fixed,
            note=note,
        )
        for axis, shapes, fixed, note in (
            (0, [(2, 3), (1, 3)], {}, "axis 0"),
            (1, [(2, 1), (2, 2), (2, 1)], {}, "axis 1"),
            (1, [(2, 2, 2), (2, 1, 2)], {1: np.ones((2, 1, 2))}, "constant branch"),
            (0, [(3,)], {}, "one input"),
        )
    ),
]
