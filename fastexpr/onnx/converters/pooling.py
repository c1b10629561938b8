"""Pooling: averages and sums over windows are linear, axis by axis; a maximum is the core's ReduceMax over windows that
are picked out first.
"""

from __future__ import annotations

import math

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.converters.reductions import reduced
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter
from fastexpr.onnx.sparse import matrix_along, sparse_linear
from fastexpr.onnx.windows import Window, kernel_lengths, setting, sliding_window

LARGEST_OVERLAP = 16  # windows that a large image's number may lie in


def pooling_window(node: OnnxNode) -> Window:
    """The window of a pooling node."""
    lengths = node.input(0).shape[2:]
    if not lengths:
        node.fail(f"has an input of shape {node.input(0).shape}, expected spatial axes. Export the model again.")
    return sliding_window(node, lengths, kernel_lengths(node, len(lengths)))


@converter("AveragePool")
def average_pool(node: OnnxNode) -> Value:
    """The mean over each window: of the image's own numbers, or with count_include_pad of the padding's zeros, too.

    The number of elements of a window is a product of one per axis, and so the mean is one after the other.
    """
    window, y = pooling_window(node), node.input(0)
    for axis, length in enumerate(window.large):
        places = window.places_along(axis)
        is_inside = (places >= 0) & (places < length)
        counted = places < length + window.pads_behind[axis] if node.attribute("count_include_pad") else is_inside
        values = is_inside / np.maximum(counted.sum(1, keepdims=True), 1)
        y = matrix_along(node.graph, y, axis + 2, places, values)
    return y


def window_sums(node: OnnxNode, window: Window, x: Value) -> Value:
    """The sum over each window."""
    for axis, length in enumerate(window.large):
        places = window.places_along(axis)
        x = matrix_along(node.graph, x, axis + 2, places, ((places >= 0) & (places < length)).astype(np.float64))
    return x


def norm_order(node: OnnxNode) -> float:
    """The attribute p, a float in the first operator set."""
    p = 2.0 if node.attribute("p") is None else float(node.attribute("p"))
    if not 1 <= p < math.inf:
        node.fail(f"has p={p}, expected at least 1. Export the model again.")
    return p


def powers(node: OnnxNode, x: Value, p: float) -> Value:
    """|x|^p."""
    if p == 2:
        return x * x
    magnitude = node.graph.apply("Abs", x)
    return magnitude if p == 1 else magnitude**p


def root(node: OnnxNode, x: Value, p: float) -> Value:
    """x^(1/p)."""
    if p == 1:
        return x
    return node.graph.apply("Sqrt", x) if p == 2 else x ** (1 / p)


@converter("LpPool")
def lp_pool(node: OnnxNode) -> Value:
    """(sum |x|^p)^(1/p) over each window."""
    p = norm_order(node)
    return root(node, window_sums(node, pooling_window(node), powers(node, node.input(0), p)), p)


@converter("GlobalLpPool")
def global_lp_pool(node: OnnxNode) -> Value:
    """(sum |x|^p)^(1/p) over all spatial axes."""
    x, p = node.input(0), norm_order(node)
    axes = list(range(2, len(x.shape)))
    return root(node, reduced(node.graph, "ReduceSum", powers(node, x, p), axes, keepdims=True), p)


@converter("MaxPool")
def max_pool(node: OnnxNode) -> Value:
    """The largest number of each window; the derivative goes to the first of several. The padding does not count."""
    graph, x, window = node.graph, node.input(0), pooling_window(node)
    places = window.places(node)
    first = np.take_along_axis(places, np.argmax(places >= 0, 1)[:, None], 1)
    if first.min() < 0:
        node.fail("has a window that lies in the padding altogether. Export the model with less padding.")
    taps = filled_up(places, first)
    node.check_size([*x.shape[:2], *taps.shape], given=LARGEST_OVERLAP * math.prod(x.shape))
    flat = x.reshape((*x.shape[:2], math.prod(window.large)))
    windows = flat[:, :, taps]
    y = graph.apply("ReduceMax", windows, axis=3, n_axes=1, keepdims=0)
    return y.reshape((*x.shape[:2], *window.small))


def filled_up(places: Array, first: Array) -> Array:
    """The places with a window's own first one instead of those outside: a maximum does not see it twice."""
    return np.where(places >= 0, places, first)


@converter("GlobalMaxPool")
def global_max_pool(node: OnnxNode) -> Value:
    """The largest number over all spatial axes."""
    x = node.input(0)
    return reduced(node.graph, "ReduceMax", x, list(range(2, len(x.shape))), keepdims=True)


@converter("MaxUnpool")
def max_unpool(node: OnnxNode) -> Value:
    """x scattered to the flat positions that input 1 names, among zeros."""
    x, rank = node.input(0), len(node.input(0).shape) - 2
    places = np.array(node.constant_integers(1), np.int64)
    kernel, strides = kernel_lengths(node, rank), setting(node, "strides", rank, 1, 1)
    pads = setting(node, "pads", 2 * rank, 0, 0)
    inferred = [
        (length - 1) * strides[k] + kernel[k] - pads[k] - pads[k + rank] for k, length in enumerate(x.shape[2:])
    ]
    shape = (*x.shape[:2], *inferred)
    size = math.prod(shape) if min(shape) > 0 else 0
    node.check_size([size])
    if len(places) != math.prod(x.shape) or not len(places) or not 0 <= places.min() <= places.max() < size:
        node.fail(
            f"has {len(places)} positions for an input of shape {x.shape} and an "
            f"output of shape {shape}, expected one below {size} for each number. Export the model again."
        )
    rows, last = np.unique(places[::-1], return_index=True)  # of several numbers for one position, the last one counts
    flat = x.reshape((len(places),))
    y = sparse_linear(node.graph, flat, 0, rows, len(places) - 1 - last, np.ones(()), size)
    y = y.reshape(shape)
    return grown(node, y, node.constant_integers(2)) if node.has_input(2) else y


def grown(node: OnnxNode, x: Value, shape: list[int]) -> Value:
    """x with zeros behind it along each axis, up to this shape."""
    node.check_size(shape)
    if len(shape) != len(x.shape) or any(a < b for a, b in zip(shape, x.shape, strict=True)):
        node.fail(f"has the output shape {shape}, expected at least {x.shape}. Export the model again.")
    for axis, length in enumerate(shape):
        if length > x.shape[axis]:
            present = x.shape[axis]
            places = np.arange(present)
            x = sparse_linear(node.graph, x, axis, places, places, np.ones(()), length)
    return x
