"""Conv and ConvTranspose: the core's Conv where the weights are constant, else products of patches with the weights."""

from __future__ import annotations

import math

import numpy as np

from fastexpr.onnx.arrays import as_float
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter
from fastexpr.onnx.sparse import sparse_linear
from fastexpr.onnx.windows import Window, kernel_lengths, sliding_window, transposed_window


@converter("Conv", since=1)
def conv(node: OnnxNode) -> Value:
    """y[m, s] = b[m] + sum over c, t of W[m, c, t] x[c, s stride + t dilation - pad], channels in groups."""
    x, weights = node.input(0), node.input(1)
    groups = checked_groups(node, x, weights, 1)
    window = sliding_window(node, x.shape[2:], kernel_lengths(node, len(x.shape) - 2, weights.shape[2:]))
    if not isinstance(weights, Handle):
        return core_conv(node, weights, groups, window, transposed=False)
    graph, (batch, channels), places = node.graph, x.shape[:2], window.places(node)
    taps = places.size // len(places)
    inside = np.nonzero(places.reshape(-1) >= 0)[0]
    parts = x.reshape((batch * groups, channels // groups, math.prod(window.large)))
    parts = sparse_linear(graph, parts, 2, inside, places.reshape(-1)[inside], np.ones(()), places.size)
    parts = parts.reshape((batch, groups, channels // groups, len(places), taps))
    parts = parts.transpose((0, 1, 2, 4, 3))
    patches = parts.reshape((batch, groups, channels // groups * taps, len(places)))
    matrices = weights.reshape((1, groups, weights.shape[0] // groups, channels // groups * taps))
    y = matrices @ patches
    return with_bias(node, y.reshape((batch, weights.shape[0], *window.small)))


@converter("ConvTranspose", since=1)
def conv_transpose(node: OnnxNode) -> Value:
    """The transpose of a convolution: y[m, s stride + t dilation - pad] += W[c, m, t] x[c, s]."""
    x, weights = node.input(0), node.input(1)
    groups = checked_groups(node, x, weights, 0)
    window = transposed_window(node, x.shape[2:], kernel_lengths(node, len(x.shape) - 2, weights.shape[2:]))
    if not isinstance(weights, Handle):
        return core_conv(node, weights, groups, window, transposed=True)
    graph, (batch, channels), places = node.graph, x.shape[:2], window.places(node)
    out, taps = weights.shape[1], places.size // len(places)
    parts = x.reshape((batch, groups, channels // groups, len(places)))
    matrices = weights.reshape((1, groups, channels // groups, out * taps))
    y = matrices.transpose((0, 1, 3, 2)) @ parts
    y = y.reshape((batch * groups * out, taps * len(places)))
    flat = places.T.reshape(-1)
    inside = np.nonzero(flat >= 0)[0]
    y = sparse_linear(graph, y, 1, flat[inside], inside, np.ones(()), math.prod(window.large))
    return with_bias(node, y.reshape((batch, groups * out, *window.large)))


def checked_groups(node: OnnxNode, x: Value, weights: Value, channel_axis: int) -> int:
    """The attribute `group`, where it and the shapes fit together."""
    groups, shape = node.integer("group"), weights.shape
    if len(x.shape) < 3 or len(shape) != len(x.shape) or 0 in shape:
        node.fail(
            f"has an input of shape {x.shape} and weights of shape {shape}, expected as many axes of both, at least "
            "three. Export the model again."
        )
    per_group = groups if channel_axis == 1 else 1
    if groups < 1 or shape[0] % groups or x.shape[1] != shape[channel_axis] * per_group:
        node.fail(
            f"has weights of shape {shape} for an input of shape {x.shape} in {groups} groups: got {x.shape[1]} "
            f"channels, expected {shape[channel_axis] * per_group}. Export the model again."
        )
    return groups


def core_conv(node: OnnxNode, weights: np.ndarray, groups: int, window: Window, transposed: bool) -> Value:
    """The core's operator, which adds a constant bias itself."""
    graph = node.graph
    out = weights.shape[1] * groups if transposed else weights.shape[0]
    constants = [np.ascontiguousarray(as_float(weights))]
    node.check_size([node.input(0).shape[0], out, *(window.large if transposed else window.small)])
    bias = node.input(2) if node.has_input(2) else None
    if bias is not None and not isinstance(bias, Handle):
        check_bias(node, bias, out)
        constants.append(np.ascontiguousarray(as_float(bias)))
    y = graph.apply(
        "Conv",
        node.input(0),
        constants=constants,
        axis=1,
        group=groups,
        transposed=int(transposed),
        strides=list(window.strides),
        dilations=list(window.dilations),
        pads=window.complete_pads(),
    )
    return with_bias(node, y) if isinstance(bias, Handle) else y


def with_bias(node: OnnxNode, y: Value) -> Value:
    """y plus input 2, one number per channel, where there is one."""
    if not node.has_input(2):
        return y
    bias = node.input(2)
    check_bias(node, bias, y.shape[1])
    return y + bias.reshape((y.shape[1], *(1,) * (len(y.shape) - 2)))


def check_bias(node: OnnxNode, bias: Value, channels: int) -> None:
    """Refuses a bias of another length."""
    if bias.shape != (channels,):
        node.fail(f"has a bias of shape {bias.shape}, expected ({channels},). Export the model again.")
