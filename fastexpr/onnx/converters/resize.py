"""Resize and Upsample: interpolation is linear in the image, one axis after the other, with few numbers in a row."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter
from fastexpr.onnx.sparse import matrix_along

MODES = ("nearest", "linear", "cubic")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
POLICIES = ("stretch", "not_larger", "not_smaller")


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis that is resized.

    Attributes
    ----------
    length, scale, target : of the input; as the model says; of the output
    start, end : the part of the input that tf_crop_and_resize takes, in fractions
    """

    length: int
    scale: float
    target: int
    start: float = 0.0
    end: float = 1.0

    def is_unchanged(self) -> bool:
        return math.isclose(self.scale, 1.0) and self.target == self.length and (self.start, self.end) == (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Interpolation:
    """The settings that all axes share, by the names of Resize's attributes."""

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    cubic_a: float = -0.75
    is_antialiased: bool = False
    excludes_outside: bool = False

    def matrix(self, axis: Axis) -> tuple[Array, Array, Array]:
        """Columns and values (target, entries) of the axis' matrix, and which rows lie outside of the image."""
        x = source_positions(self.coordinates, axis)
        left = np.ceil(x).astype(np.int64) - 1  # the pixel strictly to the left
        first, values = self.weights((x - left)[:, None], min(axis.scale, 1.0))
        columns = left[:, None] + first + np.arange(values.shape[1])
        if self.excludes_outside:
            values = np.where((columns < 0) | (columns >= axis.length), 0.0, values)
            total = values.sum(1, keepdims=True)
            values = values / np.where(total == 0, 1.0, total)
        is_outside = (x < 0) | (x > axis.length - 1)
        if self.coordinates != "tf_crop_and_resize":
            is_outside = np.zeros_like(is_outside)
        values = np.where(is_outside[:, None], 0.0, values)
        return np.clip(columns, 0, axis.length - 1), values, is_outside

    def weights(self, ratio: Array, scale: float) -> tuple[int, Array]:
        """The pixels' weights, from the `first` one on, counted from the one to the left; 0 < ratio <= 1 is the
        distance to that.
        """
        if self.mode == "nearest":
            takes_right = {
                "round_prefer_floor": ratio > 0.5,
                "round_prefer_ceil": ratio >= 0.5,
                "floor": ratio == 1,
                "ceil": ratio > 0,
            }[self.rounding]
            return 0, np.hstack([~takes_right, takes_right]).astype(np.float64)
        if not self.is_antialiased:
            scale = 1.0
        reach = 1 if self.mode == "linear" else 2
        first = math.floor(-reach / scale) + 1
        distance = np.abs(scale * (np.arange(first, 2 - first) - ratio))
        values = np.maximum(1 - distance, 0) if self.mode == "linear" else cubic(distance, self.cubic_a)
        return first, values / values.sum(1, keepdims=True) if self.is_antialiased else values


def cubic(distance: Array, a: float) -> Array:
    """The cubic convolution kernel."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def source_positions(coordinates: str, axis: Axis) -> Array:
    """Where in the input each position of the output lies."""
    y, exact = np.arange(axis.target, dtype=np.float64), axis.scale * axis.length
    if coordinates == "asymmetric":
        return y / axis.scale
    if coordinates == "align_corners":
        return y * 0 if exact == 1 else y * (axis.length - 1) / (exact - 1)
    if coordinates == "tf_crop_and_resize":
        span = (axis.end - axis.start) * (axis.length - 1)
        return axis.start * (axis.length - 1) + (y * 0 + span / 2 if exact == 1 else y * span / (exact - 1))
    if coordinates == "pytorch_half_pixel" and exact == 1:
        return y * 0 - 0.5
    shift = axis.length / 2 * (1 - axis.target / exact) if coordinates == "half_pixel_symmetric" else 0.0
    return shift + (y + 0.5) / axis.scale - 0.5


COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)


def resized(node: OnnxNode, axes: dict[int, Axis], interpolation: Interpolation, outside: float = 0.0) -> Value:
    """Input 0 resized along these axes; rows outside of the image hold the number `outside`."""
    graph, y = node.graph, node.input(0)
    node.check_size([axes[k].target if k in axes else length for k, length in enumerate(y.shape)])
    for k, axis in axes.items():
        if axis.target < 1 or axis.length < 1:
            node.fail(f"resizes axis {k} from {axis.length} to {axis.target}. Export the model again.")
        if axis.is_unchanged():
            continue
        columns, values, is_outside = interpolation.matrix(axis)
        y = matrix_along(graph, y, k, columns, values)
        if outside and is_outside.any():
            y = y + (is_outside * outside).reshape(-1, *(1,) * (len(y.shape) - k - 1))
    return y


def floats(node: OnnxNode, k: int) -> Array:
    """Input k, a list of floats."""
    array = node.constant(k)
    if array.dtype.kind != "f":
        node.fail(f"has an input {k} with elements {array.dtype}, expected floats. Export the model again.")
    return array.reshape(-1)


def finite_scales(node: OnnxNode, k: int, count: int) -> list[float]:
    """Input k as one positive factor per axis."""
    scales = [float(number) for number in floats(node, k)]
    if len(scales) != count or not all(0 < scale < 2**20 for scale in scales):
        node.fail(f"has scales={scales}, expected {count} positive factors. Export the model again.")
    return scales


@converter("Resize", since=11)
def resize(node: OnnxNode) -> Value:
    """Interpolation to lengths that are given, or by factors."""
    shape = node.input(0).shape
    listed = node.integers("axes")
    order = list(range(len(shape))) if listed is None else [node.axis(axis, len(shape)) for axis in listed]
    lengths = [shape[k] for k in order]
    if node.has_input(3) and node.constant(3).size:
        scales, targets = scales_to_sizes(node, lengths)
    else:
        scales = finite_scales(node, 2, len(order))
        targets = [int(scale * length) for scale, length in zip(scales, lengths, strict=True)]
    coordinates = node.attribute("coordinate_transformation_mode")
    parts = [(0.0, 1.0)] * len(order)
    if coordinates == "tf_crop_and_resize":
        roi = [float(number) for number in floats(node, 1)]
        if len(roi) != 2 * len(order):
            node.fail(f"has a region of {len(roi)} numbers, expected {2 * len(order)}. Export the model again.")
        parts = list(zip(roi[: len(order)], roi[len(order) :], strict=True))
    interpolation = Interpolation(
        chosen(node, "mode", MODES),
        chosen(node, "coordinate_transformation_mode", COORDINATES),
        chosen(node, "nearest_mode", ROUNDINGS),
        node.number("cubic_coeff_a"),
        bool(node.attribute("antialias")),
        bool(node.attribute("exclude_outside")),
    )
    axes = {
        k: Axis(length, scale, target, *part)
        for k, length, scale, target, part in zip(order, lengths, scales, targets, parts, strict=True)
    }
    return resized(node, axes, interpolation, node.number("extrapolation_value"))


def chosen(node: OnnxNode, name: str, known: tuple[str, ...]) -> str:
    """An attribute that is one of these words."""
    word = node.attribute(name)
    if word not in known:
        node.fail(f"has {name}={word!r}, expected one of {', '.join(known)}. Export the model again.")
    return str(word)


def scales_to_sizes(node: OnnxNode, lengths: list[int]) -> tuple[list[float], list[int]]:
    """Factors that give the lengths of input 3, or, where the aspect ratio is kept, none that is larger or smaller."""
    targets = node.constant_integers(3)
    if len(targets) != len(lengths) or min([*targets, *lengths], default=0) < 1:
        node.fail(f"has sizes={targets} for axes of lengths {lengths}. Export the model again.")
    scales = [target / length for target, length in zip(targets, lengths, strict=True)]
    policy = node.attribute("keep_aspect_ratio_policy") or "stretch"
    if policy not in POLICIES:
        node.fail(f"has keep_aspect_ratio_policy={policy!r}, expected one of {', '.join(POLICIES)}. Export again.")
    if policy == "stretch":
        return scales, targets
    scale = min(scales) if policy == "not_larger" else max(scales)
    return [scale] * len(lengths), [int(scale * length + 0.5) for length in lengths]


@converter("Resize", since=10)
def resize_by_factors(node: OnnxNode) -> Value:
    """Before operator set 11: the nearest pixel to the left, or linear interpolation, from position y / scale."""
    return upsampled(node, finite_scales(node, 1, len(node.input(0).shape)))


@converter("Upsample", since=9)
def upsample(node: OnnxNode) -> Value:
    """Interpolation by factors, nearest or linear."""
    return upsampled(node, finite_scales(node, 1, len(node.input(0).shape)))


@converter("Upsample", since=7)
def upsample_by_attribute(node: OnnxNode) -> Value:
    """The same, with the factors as an attribute."""
    scales, shape = node.attribute("scales"), node.input(0).shape
    if not isinstance(scales, list) or len(scales) != len(shape) or not all(0 < scale < 2**20 for scale in scales):
        node.fail(f"has scales={scales}, expected {len(shape)} positive factors. Export the model again.")
    return upsampled(node, scales)


def upsampled(node: OnnxNode, scales: list[float]) -> Value:
    """Interpolation as it was before operator set 11."""
    mode = {"nearest": "nearest", "linear": "linear", "bilinear": "linear"}.get(node.attribute("mode"))
    if mode is None:
        node.fail(f"has mode={node.attribute('mode')!r}, expected nearest or linear. Export the model again.")
    shape = node.input(0).shape
    axes = {
        k: Axis(length, scale, int(scale * length)) for k, (length, scale) in enumerate(zip(shape, scales, strict=True))
    }
    return resized(node, axes, Interpolation(mode, "asymmetric", "floor"))
