"""DeformConv and RoiAlign: images at places that may depend on x, with linear interpolation between pixels."""

from __future__ import annotations

import math

import numpy as np

from fastexpr.onnx.converters.sampling import interpolated, weights_along
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter
from fastexpr.onnx.windows import kernel_lengths, sliding_window

MOST_REGIONS = 1000


@converter("DeformConv", since=19)
def deform_conv(node: OnnxNode) -> Value:
    """A convolution whose taps are moved by offsets, and multiplied by a mask; between pixels it is linear, and 0
    outside of the image.

    The derivative by an offset jumps where a tap meets a pixel, and is 0 there.
    """
    x, weights, offset = node.input(0), node.input(1), node.input(2)
    batch, channels, *lengths = x.shape
    window = sliding_window(node, tuple(lengths), kernel_lengths(node, len(lengths), weights.shape[2:]))
    groups, parts = node.integer("group"), node.integer("offset_group")
    taps, out = math.prod(weights.shape[2:]), math.prod(window.small)
    expected = (batch, parts * taps * len(lengths), *window.small)
    if (
        channels % parts
        or weights.shape[0] % groups
        or weights.shape[1] * groups != channels
        or offset.shape != expected
    ):
        node.fail(
            f"has weights of shape {weights.shape}, offsets of shape {offset.shape} and offset_group={parts} for an "
            f"input of shape {x.shape}, expected offsets of shape {expected}. Export the model again."
        )
    moved = offset.reshape((batch * parts, taps, len(lengths), out))
    along = []
    for axis, length in enumerate(lengths):
        fixed = tap_places(window.small, weights.shape[2:], axis)
        fixed = fixed @ np.array([window.strides[axis], window.dilations[axis]]) - window.pads[axis]
        by = moved[:, :, axis]
        at = (by + fixed.astype(np.float64)).reshape((batch * parts, taps * out))
        along.append(weights_along(node, at, length, "linear"))
    image = x.reshape((batch * parts, channels // parts, *lengths))
    patches = interpolated(node, image, along)
    if node.has_input(4):
        patches = patches * node.input(4).reshape((batch * parts, 1, taps * out))
    patches = patches.reshape((batch, groups, channels // groups * taps, out))
    matrices = weights.reshape((1, groups, weights.shape[0] // groups, channels // groups * taps))
    y = (matrices @ patches).reshape((batch, weights.shape[0], *window.small))
    if not node.has_input(3):
        return y
    return y + node.input(3).reshape((weights.shape[0], *(1,) * len(lengths)))


def tap_places(small: tuple[int, ...], kernel: tuple[int, ...], axis: int) -> np.ndarray:
    """Indices (taps, outputs, 2) of an output and of a tap along one axis."""
    outputs = np.indices(small).reshape(len(small), -1)[axis]
    taps = np.indices(kernel).reshape(len(kernel), -1)[axis]
    return np.stack(np.broadcast_arrays(outputs[np.newaxis, :], taps[:, np.newaxis]), -1)


@converter("RoiAlign", since=10)
def roi_align(node: OnnxNode) -> Value:
    """For each region (x1, y1, x2, y2) of an image, the mean over a few places in each of its bins.

    The derivative by a region's corners jumps at the pixels. Where regions depend on x, sampling_ratio must not be 0;
    the mode "max" is not supported.
    """
    graph, x, regions, batch = node.graph, node.input(0), node.double(1), node.constant_integers(2)
    if node.attribute("mode") != "avg":
        node.fail(f"has mode={node.attribute('mode')!r}, expected 'avg'. Export the model with averages.")
    count = len(batch)
    if len(x.shape) != 4 or regions.shape != (count, 4) or not all(0 <= b < x.shape[0] for b in batch):
        node.fail(f"has regions of shape {regions.shape} in images {batch} of {x.shape}. Export the model again.")
    if not 1 <= count <= MOST_REGIONS:
        node.fail(f"has {count} regions, expected 1 to {MOST_REGIONS}. Export the model again.")
    small = (node.integer("output_height"), node.integer("output_width"))
    is_half = (node.attribute("coordinate_transformation_mode") or "output_half_pixel") == "half_pixel"
    sides = []
    for axis, length in enumerate(x.shape[2:]):
        rows = [bins_along(node, regions, k, axis, length, small[axis], is_half) for k in range(count)]
        sides.append(graph.concatenate([row.reshape((1, 1, small[axis], length)) for row in rows], 0))
    node.check_size((count, *x.shape[1:]))
    images = x[np.array(batch)]
    return sides[0] @ images @ sides[1].transpose((0, 1, 3, 2))


def bins_along(node: OnnxNode, regions: Value, k: int, axis: int, length: int, n_bins: int, is_half: bool) -> Value:
    """Each pixel's weight (bins, length) along one axis, for region k."""
    graph, scale = node.graph, node.number("spatial_scale")
    begin, end = (regions[k, at] * scale for at in (1 - axis, 3 - axis))
    size = end - begin
    if is_half:
        begin = begin - 0.5
    else:
        size = graph.apply("Clip", size, lower=1.0) if isinstance(size, Handle) else np.maximum(size, 1.0)
    ratio = node.integer("sampling_ratio")
    if ratio <= 0 and isinstance(size, Handle):
        node.fail_not_constant(
            size,
            "has sampling_ratio=0 for regions that depend on the network's inputs: expected a number. Export again.",
        )
    count = ratio if ratio > 0 else max(math.ceil(float(size) / n_bins), 1)  # type: ignore[arg-type]
    fractions = (np.arange(n_bins * count) + 0.5) / (n_bins * count)
    places = begin + size * fractions
    is_near = graph.apply("Min", places >= -1.0, places <= float(length))
    inner = graph.apply("Clip", places, lower=0.0, upper=length - 1.0)
    weights = weights_along(node, inner, length, "linear") * is_near.reshape((*places.shape, 1))
    means = np.repeat(np.eye(n_bins), count, axis=1) / count
    return means @ weights
