"""Images moved around: padding, cropping, pixels into channels and back, sums of neighbours."""

from __future__ import annotations

import math

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.products import linear
from fastexpr.onnx.registry import converter
from fastexpr.onnx.sparse import sparse_linear
from fastexpr.onnx.windows import Window, positions, reach, setting

Ends = list[tuple[int, int]]


def resettled(node: OnnxNode, x: Value, ends: Ends, mode: str, value: Value) -> Value:
    """x cut off where `ends` (in front and behind, per axis) are negative, then padded where they are positive."""
    kept = tuple(
        slice(max(-front, 0), length - max(-behind, 0)) for length, (front, behind) in zip(x.shape, ends, strict=True)
    )
    grow = [(max(front, 0), max(behind, 0)) for front, behind in ends]
    rest = [max(part.stop - part.start, 0) for part in kept]
    node.check_size([length + sum(more) for length, more in zip(rest, grow, strict=True)])
    if 0 in rest:
        node.fail(f"cuts shape {x.shape} off to {tuple(rest)}, expected something to be left. Export the model again.")
    if mode != "constant":
        return node.graph.rearrange(x, lambda array: np.pad(array[kept], grow, mode=mode))  # type: ignore[call-overload]
    if not any(map(any, grow)):
        return x[kept]
    size = math.prod(x.shape)
    filler = value.reshape((1,))
    filler = filler if isinstance(filler, Handle) else filler.astype(np.float64)
    joined = node.graph.concatenate([x.reshape((size,)), filler], 0)
    places = np.pad(np.arange(size).reshape(x.shape)[kept], grow, constant_values=size)
    return joined[places]


@converter("Pad", since=1)
def pad(node: OnnxNode) -> Value:
    """Padding with a constant, or with the image's own numbers: at the edge, mirrored, or from the other side."""
    x, rank = node.input(0), len(node.input(0).shape)
    listed = node.constant_integers(1) if node.opset >= 11 else node.integers("pads") or node.integers("paddings") or []
    axes = node.constant_integers(3) if node.has_input(3) else list(range(rank))
    mode = node.attribute("mode")
    if mode not in ("constant", "reflect", "edge", "wrap") or len(listed) != 2 * len(axes):
        node.fail(f"has mode={mode!r} and {len(listed)} pads for {len(axes)} axes. Export the model again.")
    ends: Ends = [(0, 0)] * rank
    for k, axis in enumerate(axes):
        ends[node.axis(axis, rank)] = (listed[k], listed[k + len(axes)])
    node.axes(axes, rank)
    value: Value = np.full((), node.attribute("value") or 0.0)
    if node.has_input(2):
        value = node.input(2)
        if math.prod(value.shape) != 1 or (not isinstance(value, Handle) and value.dtype.kind not in "fiub"):
            node.fail(f"pads with a constant of shape {value.shape}, expected one number. Export the model again.")
    return resettled(node, x, ends, mode, value)


@converter("CenterCropPad")
def center_crop_pad(node: OnnxNode) -> Value:
    """Each axis cut off or padded with zeros at both ends; an odd number behind."""
    x, target = node.input(0), node.constant_integers(1)
    axes = node.integers("axes")
    listed = list(range(len(x.shape))) if axes is None else [node.axis(axis, len(x.shape)) for axis in axes]
    if len(listed) != len(target):
        node.fail(f"has {len(target)} lengths for {len(listed)} axes. Export the model again.")
    ends: Ends = [(0, 0)] * len(x.shape)
    for axis, length in zip(listed, target, strict=True):
        difference = length - x.shape[axis]
        front = abs(difference) // 2 * (1 if difference > 0 else -1)
        ends[axis] = (front, difference - front)
    return resettled(node, x, ends, "constant", np.zeros(()))


def blocks(node: OnnxNode) -> int:
    """The attribute `blocksize`, of a node with an input of four axes."""
    size = node.integer("blocksize")
    if size < 1 or len(node.input(0).shape) != 4:
        node.fail(f"has blocksize={size} and shape {node.input(0).shape}, expected 4 axes. Export the model again.")
    return size


@converter("DepthToSpace", takes_constants=True)
def depth_to_space(node: OnnxNode) -> Value:
    """Channels to pixels of blocks; in mode DCR the block's axes lie in front of the channels, in CRD behind."""
    b, x = blocks(node), node.input(0)
    n, c, h, w = x.shape
    mode = node.attribute("mode") or "DCR"
    if c % (b * b) or mode not in ("DCR", "CRD"):
        node.fail(f"has mode={mode!r} and {c} channels for blocksize={b}. Export the model again.")
    c //= b * b
    split, order = (
        ((n, b, b, c, h, w), (0, 3, 4, 1, 5, 2)) if mode == "DCR" else ((n, c, b, b, h, w), (0, 1, 4, 2, 5, 3))
    )
    moved = x.reshape(split).transpose(order)
    return moved.reshape((n, c, h * b, w * b))


@converter("SpaceToDepth", takes_constants=True)
def space_to_depth(node: OnnxNode) -> Value:
    """Pixels of blocks to channels."""
    b, x = blocks(node), node.input(0)
    n, c, h, w = x.shape
    mode = node.attribute("mode") or "DCR"
    if h % b or w % b or mode not in ("DCR", "CRD"):
        node.fail(f"has mode={mode!r} and shape {x.shape} for blocksize={b}. Export the model again.")
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    moved = x.reshape((n, c, h // b, b, w // b, b)).transpose(order)
    return moved.reshape((n, c * b * b, h // b, w // b))


@converter("LRN")
def local_response_normalization(node: OnnxNode) -> Value:
    """x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta."""
    graph, x, size = node.graph, node.input(0), node.integer("size")
    if size < 1 or len(x.shape) < 2:
        node.fail(f"has size={size} and shape {x.shape}. Export the model again.")
    channels = x.shape[1]
    c = np.arange(channels)
    near = (c >= c[:, None] - (size - 1) // 2) & (c <= c[:, None] + size // 2)
    rows, columns = np.nonzero(near)
    sums = sparse_linear(graph, x * x, 1, rows, columns, np.ones(()), channels)
    scaled = sums * (node.number("alpha") / size)
    base = scaled + node.number("bias")
    return x / base ** node.number("beta")


@converter("Col2Im")
def column_to_image(node: OnnxNode) -> Value:
    """Patches, one in each column, summed where they overlap in the image."""
    x, image, block = node.input(0), node.constant_integers(1), node.constant_integers(2)
    rank = len(image)
    strides, dilations = setting(node, "strides", rank, 1, 1), setting(node, "dilations", rank, 1, 1)
    pads = setting(node, "pads", 2 * rank, 0, 0)
    if len(x.shape) != 3 or len(block) != rank or min(block, default=0) < 1 or x.shape[1] % math.prod(block):
        node.fail(
            f"has an input of shape {x.shape} for an image {image} of blocks {block}, expected three axes, "
            "the second of which holds whole blocks. Export the model again."
        )
    small = [
        positions(image[k] + pads[k] + pads[k + rank] - reach(block[k], dilations[k]), strides[k], 0, False)
        for k in range(rank)
    ]
    taps, count = math.prod(block), math.prod(small)
    if x.shape[2] != count or count == 0:
        node.fail(f"has {x.shape[2]} columns, expected {count} for an image {image}. Export the model again.")
    lists = (block, strides, dilations, pads[:rank], pads[rank:], image, small)
    flat = Window(*map(tuple, lists)).places(node).T.reshape(-1)
    inside = np.nonzero(flat >= 0)[0]
    columns = x.reshape((x.shape[0], x.shape[1] // taps, taps * count))
    y = sparse_linear(node.graph, columns, 2, flat[inside], inside, np.ones(()), math.prod(image))
    return y.reshape((*y.shape[:2], *image))


@converter("AffineGrid")
def affine_grid(node: OnnxNode) -> Value:
    """Positions (x, y(, z), 1) of an image's pixels in [-1, 1], times theta."""
    theta, size = node.input(0), node.constant_integers(1)
    lengths = size[2:]
    if len(lengths) not in (2, 3) or min(lengths) < 1 or theta.shape != (size[0], len(lengths), len(lengths) + 1):
        node.fail(f"has theta of shape {theta.shape} for the size {size}. Export the model again.")
    node.check_size([size[0], *lengths, len(lengths)])
    along = [pixel_centers(length, bool(node.integer("align_corners"))) for length in lengths]
    grid = np.stack([*reversed(np.meshgrid(*along, indexing="ij")), np.ones(lengths)], -1)
    y = linear(node.graph, theta, grid.reshape(-1, len(lengths) + 1), 2, transposed=False)
    return y.transpose((0, 2, 1)).reshape((size[0], *lengths, len(lengths)))


def pixel_centers(length: int, are_corners_aligned: bool) -> Array:
    """Where pixels lie in [-1, 1]: the ends of the interval are centres of pixels, or their outer edges."""
    if are_corners_aligned:
        return np.linspace(-1.0, 1.0, length) if length > 1 else np.zeros(1)
    return (2 * np.arange(length) + 1) / length - 1
