"""Rows of softmax and of normalizations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from operator_table.arrays import (
    constant,
)
from operator_table.formulas import softmax
from operator_table.row import Row

SCALES = np.array([1.5, -0.5, 0.0, 2.0, 0.25, 1.0, -3.0, 0.5, 1.25, -1.0, 0.75], np.float32)


def normalization(x: Any, dim: Sequence[int], epsilon: float, constants: Sequence[np.ndarray], is_centred: bool) -> Any:
    """x over its standard deviation, or its root mean square, times the first constant, plus the second."""
    x = x - x.mean(dim=tuple(dim), keepdim=True) if is_centred else x
    x = x / torch.sqrt((x * x).mean(dim=tuple(dim), keepdim=True) + epsilon)
    lane = [x.shape[k] for k in dim] + [1] * (x.ndim - 1 - dim[-1])
    for k, numbers in enumerate(constants):
        array = torch.tensor(np.resize(numbers, lane)).double()
        x = x * array if k == 0 else x + array
    return x


def log_softmax(x: Any, dim: Any) -> Any:
    shifted = x - torch.amax(x, dim, keepdim=True).detach()
    return shifted - torch.log(torch.sum(torch.exp(shifted), dim, keepdim=True))


NORMALIZATIONS = [
    *(
        Row(
            name,
            partial(formula, dim=tuple(range(axis, axis + n_axes))),
            [shape],
            {"axis": axis, "n_axes": n_axes},
            points=extreme,
            onnx=(name, {"axis": axis}) if n_axes == 1 else None,
            has_exact_pattern=shape[axis] > 1,
            note=f"{shape} axis {axis} n_axes {n_axes}",
        )
        for name, formula in (("Softmax", softmax), ("LogSoftmax", log_softmax))
        for shape, axis, n_axes, extreme in (
            ((4,), 0, 1, [constant(1e4, -1e4, 0, 9999.5), constant(800, 0, -800, 799), constant(5, 5, 5, 5)]),
            ((1, 5), 1, 1, []),
            ((2, 3), 0, 1, []),
            ((2, 3, 2), 1, 1, []),
            ((2, 3, 2), 1, 2, []),
            ((3, 1), 1, 1, []),
        )
    ),
    *(
        Row(
            name,
            partial(
                normalization,
                dim=tuple(range(axis, axis + n_axes)),
                epsilon=epsilon,
                constants=[SCALES[: int(np.prod(shape[axis : axis + n_axes]))], SCALES[::-1]][:n_constants],
                is_centred=name == "LayerNormalization",
            ),
            [shape],
            {"axis": axis, "n_axes": n_axes, "epsilon": epsilon},
            [
                np.resize(numbers, shape[axis : axis + n_axes])
                for numbers in (SCALES[: int(np.prod(shape[axis : axis + n_axes]))], SCALES[::-1])[:n_constants]
            ],
            points=points,
            has_exact_pattern=shape[axis] > 2 or name == "RMSNormalization",
            note=f"{shape} axis {axis} n_axes {n_axes} epsilon {epsilon} constants {n_constants}",
        )
        for name in ("LayerNormalization", "RMSNormalization")
        for shape, axis, n_axes, epsilon, n_constants, points in (
            ((4,), 0, 1, 1e-5, 0, [constant(5, 5, 5, 5), constant(1, 1, 1, 1 + 1e-9), constant(1e3, -1e3, 0, 999.5)]),
            ((11,), 0, 1, 1e-5, 2, [np.arange(11.0) + 1e6, np.zeros(11)]),
            ((2, 5), 1, 1, 0.5, 1, []),
            ((2, 3), 0, 1, 1e-3, 2, []),
            ((2, 3, 2), 1, 1, 1e-5, 2, []),
            ((2, 3, 2), 1, 2, 0.0, 1, []),
            ((3, 1), 1, 1, 0.1, 0, []),
        )
    ),
]
