"""GridSample: an image at other places. With constant places it is linear in the image, with few numbers in a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter
from fastexpr.onnx.sparse import matrix_along

MODES = {"bilinear": "linear", "linear": "linear", "nearest": "nearest", "bicubic": "cubic", "cubic": "cubic"}
PADDINGS = ("zeros", "border", "reflection")
CUBIC = -0.75


@converter("GridSample", since=16)
def grid_sample(node: OnnxNode) -> Value:
    """The image x (N, C, ..) at the places (N, .., axes), which count from -1 to 1, the last axis first.

    The places must be constant.
    """
    graph, x, grid = node.graph, node.input(0), node.constant(1).astype(np.float64)
    lengths = x.shape[2:]
    mode, padding = MODES.get(str(node.attribute("mode"))), node.attribute("padding_mode")
    if mode is None or padding not in PADDINGS:
        node.fail(
            f"has mode={node.attribute('mode')!r} and padding_mode={padding!r}, expected one of {sorted(MODES)} and "
            f"{PADDINGS}. Export the model again."
        )
    if not lengths or grid.ndim != len(x.shape) or grid.shape[0] != x.shape[0] or grid.shape[-1] != len(lengths):
        node.fail(f"has places of shape {grid.shape} for an image of shape {x.shape}. Export the model again.")
    if not np.isfinite(grid).all():
        node.fail("has places that are not finite. Export the model again.")
    n, out = x.shape[0], grid.shape[1:-1]
    node.check_size((*x.shape[:2], *out), math.prod(x.shape))
    node.check_size((*grid.shape[:-1], {"nearest": 1, "linear": 2, "cubic": 4}[mode] ** len(lengths)))
    aligned = bool(node.attribute("align_corners"))
    places = grid.reshape(n, -1, len(lengths))[..., ::-1]
    taps = [pixels(places[..., axis], length, mode, str(padding), aligned) for axis, length in enumerate(lengths)]
    columns, values = combined(taps, lengths)
    columns = columns + np.arange(n).reshape(-1, 1, 1) * math.prod(lengths)
    entries = columns.shape[-1]
    image = graph.transpose(graph.reshape(x, (n, x.shape[1], math.prod(lengths))), (1, 0, 2))
    flat = graph.reshape(image, (x.shape[1], n * math.prod(lengths)))
    y = matrix_along(graph, flat, 1, columns.reshape(-1, entries), values.reshape(-1, entries))
    y = graph.transpose(graph.reshape(y, (x.shape[1], n, math.prod(out))), (1, 0, 2))
    return graph.reshape(y, (*x.shape[:2], *out))


def pixels(places: Array, length: int, mode: str, padding: str, aligned: bool) -> tuple[Array, Array]:
    """Pixels along one axis and their weights (.., taps) for places from -1 to 1."""
    low, high = (0.0, length - 1.0) if aligned else (-0.5, length - 0.5)
    x = (places + 1) / 2 * (length - 1) if aligned else ((places + 1) * length - 1) / 2
    if mode == "nearest":
        x = np.rint(x)
    if padding == "border" and mode != "cubic":
        x = np.where((x < low) | (x > high), np.clip(x, 0, length - 1), x)
    elif padding == "reflection":
        x = reflected(x, low, high)
    first = np.floor(x)
    ratio = (x - first)[..., None]
    if mode == "nearest":
        offsets, weights = np.arange(1), np.ones_like(ratio)
    elif mode == "linear":
        offsets, weights = np.arange(2), np.concatenate([1 - ratio, ratio], -1)
    else:
        offsets = np.arange(-1, 3)
        weights = cubic(np.abs(ratio - offsets))
    index = first[..., None] + offsets
    if padding == "zeros":
        weights = np.where((index < 0) | (index > length - 1), 0.0, weights)
    elif padding == "reflection":
        index = np.trunc(reflected(index, low, high))
    return np.clip(index, 0, length - 1).astype(np.int64), weights


def reflected(x: Array, low: float, high: float) -> Array:
    """Folded back between the borders."""
    span = high - low
    if span <= 0:
        return np.zeros_like(x)
    distance = np.where(x < low, low - x, x - high)
    turns = np.floor(distance / span)
    rest = distance - turns * span
    from_low = (x < low) == (turns % 2 == 0)
    return np.where((x >= low) & (x <= high), x, np.where(from_low, low + rest, high - rest))


def cubic(distance: Array) -> Array:
    """The cubic convolution kernel."""
    near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
    far = ((CUBIC * distance - 5 * CUBIC) * distance + 8 * CUBIC) * distance - 4 * CUBIC
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def combined(taps: Sequence[tuple[Array, Array]], lengths: Sequence[int]) -> tuple[Array, Array]:
    """Pixels of the flattened image, and products of weights."""

    def join(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
        index = (a[0][..., :, None] + b[0][..., None, :]).reshape(*a[0].shape[:-1], -1)
        return index, (a[1][..., :, None] * b[1][..., None, :]).reshape(index.shape)

    strides = [math.prod(lengths[axis + 1 :]) for axis in range(len(lengths))]
    return reduce(join, [(index * stride, weights) for (index, weights), stride in zip(taps, strides, strict=True)])
