"""Rows of convolutions, and of transposed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from operator_table.row import Row, Shape


def conv_row(
    note: str,
    shape: Shape,
    weights: np.ndarray,
    pads: Sequence[int],
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    group: int = 1,
    bias: np.ndarray | None = None,
    axis: int = 1,
) -> Row:
    """A convolution, by padding and PyTorch's own."""
    rank = weights.ndim - 2
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    attributes = {"group": group, "strides": list(strides), "dilations": list(dilations), "pads": list(pads)}
    constants = [weights] if bias is None else [weights, bias]
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
    W, b = torch.tensor(weights).double(), None if bias is None else torch.tensor(bias).double()

    def formula(x: Any) -> Any:
        ends = [end for k in reversed(range(rank)) for end in (pads[k], pads[k + rank])]
        image = functional.pad(x.reshape(-1, *x.shape[axis:]), ends)
        y = convolve(image, W, b, stride=tuple(strides), dilation=tuple(dilations), groups=group)
        return y.reshape(*x.shape[:axis], *y.shape[1:])

    return Row(
        "Conv",
        formula,
        [shape],
        {**attributes, "axis": axis, "transposed": 0},
        constants,
        onnx=("Conv", attributes, *constants) if axis == 1 and min(pads) >= 0 else None,
        note=note,
    )


def conv_transpose_row(
    note: str,
    shape: Shape,
    weights: np.ndarray,
    pads: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    group: int = 1,
    bias: np.ndarray | None = None,
) -> Row:
    """A transposed convolution, by PyTorch's own, cut off or grown at the ends."""
    rank = weights.ndim - 2
    transpose = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[rank - 1]
    W = torch.tensor(weights).double()

    def formula(x: Any) -> Any:
        y = transpose(x, W, stride=tuple(strides), dilation=tuple(dilations), groups=group)
        y = functional.pad(y, [-end for k in reversed(range(rank)) for end in (pads[k], pads[k + rank])])
        return y if bias is None else y + torch.tensor(bias).double().reshape(-1, *[1] * rank)

    attributes = {"group": group, "strides": list(strides), "dilations": list(dilations), "pads": list(pads)}
    constants = [weights] if bias is None else [weights, bias]
    return Row("Conv", formula, [shape], {**attributes, "axis": 1, "transposed": 1}, constants, note=note)


def sample(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


CONVOLUTIONS = [
    conv_row("1-D", (1, 2, 6), sample(3, 2, 3), [0, 0]),
    conv_row("1-D, pads, strides, bias", (2, 2, 5), sample(2, 2, 3, dtype=np.float32), [2, 1], [2], bias=sample(2)),
    conv_row("1-D, dilations", (1, 1, 7), sample(2, 1, 3), [1, 3], [2], [2]),
    conv_row("1-D, one tap", (1, 3, 4), sample(2, 3, 1, dtype=np.float32), [0, 0]),
    conv_row("1-D, strides wider than the kernel", (1, 1, 8), sample(2, 1, 2), [0, 1], [3]),
    conv_row("1-D, negative pads", (1, 1, 8), sample(1, 1, 2), [-1, -2]),
    conv_row("2-D", (1, 2, 4, 3), sample(2, 2, 2, 2, dtype=np.float32), [0, 0, 0, 0], bias=sample(2)),
    conv_row("2-D, pads", (1, 1, 3, 4), sample(2, 1, 3, 3), [1, 2, 1, 0], [2, 1]),
    conv_row("2-D, kernel larger than the image", (1, 1, 2, 2), sample(1, 1, 4, 4), [2, 2, 2, 2]),
    conv_row("2-D, groups", (1, 4, 3, 2), sample(4, 2, 2, 1), [0, 1, 0, 0], group=2, bias=sample(4)),
    conv_row("2-D, depthwise", (1, 3, 3, 2), sample(6, 1, 2, 2, dtype=np.float32), [1, 1, 0, 0], group=3),
    conv_row("3-D", (1, 2, 2, 3, 2), sample(2, 2, 2, 2, 1), [0, 1, 0, 1, 0, 0], [1, 2, 1]),
    conv_row(
        "1-D, weights of 0", (1, 2, 5), sample(2, 2, 3) * [[[1, 0, 1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0]]], [1, 1]
    ),
    conv_row("no batch", (2, 4), sample(2, 2, 2), [0, 0], axis=0),
    conv_row("two axes in front", (2, 1, 1, 4), sample(2, 1, 2), [1, 0], axis=2, bias=sample(2)),
    conv_transpose_row("transposed 1-D", (1, 2, 4), sample(2, 3, 3), [0, 0], [1], [1], bias=sample(3)),
    conv_transpose_row("transposed 1-D, strides", (2, 1, 3), sample(1, 2, 3, dtype=np.float32), [1, 0], [2], [1]),
    conv_transpose_row("transposed 1-D, grown", (1, 1, 3), sample(1, 1, 2), [0, -1], [3], [2]),
    conv_transpose_row(
        "transposed 2-D", (1, 2, 2, 3), sample(2, 2, 2, 3), [1, 0, 0, 1], [2, 1], [1, 2], bias=sample(2)
    ),
    conv_transpose_row("transposed 2-D, groups", (1, 4, 2, 2), sample(4, 1, 2, 2), [0, 0, 1, 1], [2, 2], [1, 1], 2),
    conv_transpose_row("transposed 3-D", (1, 1, 2, 1, 2), sample(1, 2, 2, 2, 2), [0] * 6, [1, 2, 1], [1, 1, 1]),
]
