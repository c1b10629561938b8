"""GridSample: an image at other places. With constant places it is linear in the image, with few numbers in a row; with
places that depend on x, each axis has a matrix of weights, tents or cubic kernels around the places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter
from fastexpr.onnx.sparse import matrix_along

MODES = {"bilinear": "linear", "linear": "linear", "nearest": "nearest", "bicubic": "cubic", "cubic": "cubic"}
PADDINGS = ("zeros", "border", "reflection")
CUBIC = -0.75


@converter("GridSample", since=16)
def grid_sample(node: OnnxNode) -> Value:
    """The image x (N, C, ..) at the places (N, .., axes), which count from -1 to 1, the last axis first.

    Where the places depend on x, their derivative jumps at the pixels, where it is 0 (linear), and is 0 (nearest).
    """
    graph, x, grid = node.graph, node.input(0), node.input(1)
    lengths = x.shape[2:]
    mode, padding = MODES.get(str(node.attribute("mode"))), node.attribute("padding_mode")
    if mode is None or padding not in PADDINGS:
        node.fail(
            f"has mode={node.attribute('mode')!r} and padding_mode={padding!r}, expected one of {sorted(MODES)} and "
            f"{PADDINGS}. Export the model again."
        )
    if not lengths or len(grid.shape) != len(x.shape) or grid.shape[0] != x.shape[0] or grid.shape[-1] != len(lengths):
        node.fail(f"has places of shape {grid.shape} for an image of shape {x.shape}. Export the model again.")
    if isinstance(grid, Handle):
        return sampled_at(node, x, grid, mode, str(padding))
    if not np.isfinite(grid).all():
        node.fail("has places that are not finite. Export the model again.")
    grid = grid.astype(np.float64)
    n, out = x.shape[0], grid.shape[1:-1]
    node.check_size((*x.shape[:2], *out), math.prod(x.shape))
    node.check_size((*grid.shape[:-1], {"nearest": 1, "linear": 2, "cubic": 4}[mode] ** len(lengths)))
    aligned = bool(node.attribute("align_corners"))
    places = grid.reshape(n, -1, len(lengths))[..., ::-1]
    taps = [pixels(places[..., axis], length, mode, str(padding), aligned) for axis, length in enumerate(lengths)]
    columns, values = combined(taps, lengths)
    columns = columns + np.arange(n).reshape(-1, 1, 1) * math.prod(lengths)
    entries = columns.shape[-1]
    image = x.reshape((n, x.shape[1], math.prod(lengths))).transpose((1, 0, 2))
    flat = image.reshape((x.shape[1], n * math.prod(lengths)))
    y = matrix_along(graph, flat, 1, columns.reshape(-1, entries), values.reshape(-1, entries))
    y = y.reshape((x.shape[1], n, math.prod(out))).transpose((1, 0, 2))
    return y.reshape((*x.shape[:2], *out))


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


# ---- places that depend on x


def sampled_at(node: OnnxNode, x: Value, grid: Handle, mode: str, padding: str) -> Value:
    """GridSample at places that depend on x."""
    lengths, out = x.shape[2:], grid.shape[1:-1]
    aligned, weights = bool(node.attribute("align_corners")), []
    for axis, length in enumerate(lengths):
        at = grid[..., -1 - axis].reshape((x.shape[0], math.prod(out)))
        factor = (length - 1) / 2 if aligned else length / 2
        position = at * factor + (length - 1) / 2
        weights.append(weights_along(node, position, length, mode, padding, aligned))
    return interpolated(node, x, weights).reshape((*x.shape[:2], *out))


def weights_along(
    node: OnnxNode, position: Value, length: int, mode: str, padding: str = "zeros", aligned: bool = False
) -> Value:
    """Each pixel's weight (.., length) at positions (..) along one axis, counted in pixels."""
    graph = node.graph
    low, high = (0.0, length - 1.0) if aligned else (-0.5, length - 0.5)
    if mode == "nearest":
        position = graph.apply("Round", position)
    if padding == "border":
        beyond = 2.0 if mode == "cubic" else 0.0
        position = graph.apply("Clip", position, lower=-beyond, upper=length - 1 + beyond)
    elif padding == "reflection":
        position = folded(graph, position, low, high)
    pixels = np.arange(length) if padding == "zeros" else np.arange(-3, length + 3)
    node.check_size((*position.shape, len(pixels)))
    offset = position.reshape((*position.shape, 1)) - pixels.astype(np.float64)
    weights = kernel(graph, offset, mode)
    if padding == "zeros":
        return weights
    inside = pixels if padding == "border" else np.trunc(reflected(pixels.astype(np.float64), low, high))
    target = np.clip(inside, 0, length - 1).astype(np.int64)
    gathered: Array = (target[:, np.newaxis] == np.arange(length)).astype(np.float64)
    return weights @ gathered


def folded(graph: GraphBuilder, x: Value, low: float, high: float) -> Value:
    """Folded back between the borders: a triangle wave."""
    span = high - low
    if span <= 0:
        return x * 0.0
    turned = graph.apply("Mod", x - low, 2 * span, fmod=0)
    return high - graph.apply("Abs", turned - span)


def kernel(graph: GraphBuilder, offset: Value, mode: str) -> Value:
    """The weight of a pixel at a distance."""
    if mode == "nearest":
        return graph.apply("Equal", offset, 0.0)
    distance = graph.apply("Abs", offset)
    if mode == "linear":
        return graph.apply("Relu", 1.0 - distance)
    near = polynomial(distance, [CUBIC + 2, -(CUBIC + 3), 0.0, 1.0])
    far = polynomial(distance, [CUBIC, -5 * CUBIC, 8 * CUBIC, -4 * CUBIC])
    outer = graph.apply("Where", distance < 2.0, far, 0.0)
    return graph.apply("Where", distance <= 1.0, near, outer)


def polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """By Horner's rule, the highest power first."""
    y: Value = x * coefficients[0]
    for number in coefficients[1:-1]:
        y = (y + number) * x
    return y + coefficients[-1]


def interpolated(node: OnnxNode, image: Value, weights: Sequence[Value]) -> Value:
    """An image (N, C, ..) weighted along each axis (N, places, length): (N, C, places)."""
    (n, channels, *lengths) = image.shape
    count = weights[0].shape[1]
    node.check_size((n, count, *lengths[1:], channels))
    rest = math.prod(lengths) * channels // lengths[0]
    y = image.transpose((0, *range(2, len(image.shape)), 1))
    y = weights[0] @ y.reshape((n, lengths[0], rest))
    for length, along in zip(lengths[1:], weights[1:], strict=True):
        rest //= length
        y = y.reshape((n, count, length, rest))
        y = along.reshape((n, count, 1, length)) @ y
    return y.reshape((n, count, channels)).transpose((0, 2, 1))
