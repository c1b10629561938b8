"""Convolutions and pooling by NumPy, over views of windows: the standard's formulas, for the check of an import."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.check.node import ReferenceNode


class Frame(NamedTuple):
    """How windows lie on an image: a number for each of its axes; `pads` before and behind it."""

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    pads: list[tuple[int, int]]


def frame(node: ReferenceNode, lengths: Sequence[int], kernel: Sequence[int]) -> Frame:
    """The settings of a node over an image of these lengths."""
    a, n = node.attributes, len(lengths)
    strides, dilations = a.get("strides") or [1] * n, a.get("dilations") or [1] * n
    spans = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    mode, given = a["auto_pad"], a.get("pads") or [0] * 2 * n
    pads = list(zip(given[:n], given[n:], strict=True)) if mode == "NOTSET" else [(0, 0)] * n
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max((-(-length // stride) - 1) * stride + span - length, 0)
            for length, stride, span in zip(lengths, strides, spans, strict=True)
        ]
        pads = [(t // 2, t - t // 2) if mode == "SAME_UPPER" else (t - t // 2, t // 2) for t in totals]
    elif a.get("ceil_mode"):  # one more window, where it begins inside of the image or of what is before it
        for k, (length, stride, span) in enumerate(zip(lengths, strides, spans, strict=True)):
            room = length + sum(pads[k]) - span
            more = -room % stride
            begins_inside = (room + more) // stride * stride < length + pads[k][0]
            pads[k] = (pads[k][0], pads[k][1] + (more if begins_inside else 0))
    return Frame(list(kernel), list(strides), list(dilations), pads)


def windows(x: Array, at: Frame, fill: float) -> Array:
    """(points, channels, ...places, ...kernel): a view of what each window sees."""
    padded = np.pad(x, [(0, 0), (0, 0), *at.pads], constant_values=fill) if any(map(any, at.pads)) else x
    spans = [(size - 1) * step + 1 for size, step in zip(at.kernel, at.dilations, strict=True)]
    axes = tuple(range(2, x.ndim))
    view = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=axes)
    places = tuple(slice(None, None, step) for step in at.strides)
    inside = tuple(slice(None, None, step) for step in at.dilations)
    return view[(slice(None), slice(None), *places, *inside)]


def convolution(node: ReferenceNode) -> Array:
    """Sums of products of a window with weights; groups of channels apart. One product for each place in the window."""
    x, W = node.inputs[:2]
    n, n_groups = x.ndim - 2, node.attributes["group"]
    at = frame(node, x.shape[2:], W.shape[2:])
    seen = windows(x, at, 0.0)
    n_points, places, k = len(x), seen.shape[2 : 2 + n], W.shape[1]
    weights = np.asarray(W, np.float64).reshape(n_groups, -1, k, *W.shape[2:])
    y = np.zeros((n_points, n_groups, weights.shape[1], math.prod(places)))
    for offset in np.ndindex(*W.shape[2:]):
        part = seen[(..., *offset)].reshape(n_points, n_groups, k, -1)
        y += weights[(..., *offset)] @ part
    bias = node.input(2)
    y = y.reshape(n_points, len(W), *places)
    return y if bias is None else y + bias.reshape(-1, *[1] * n)


def transposed_convolution(node: ReferenceNode) -> Array | None:
    """Each number adds weights around its place."""
    x, W = node.inputs[:2]
    a, n = node.attributes, x.ndim - 2
    if a["auto_pad"] != "NOTSET" or a.get("output_shape"):
        return None
    strides, dilations = a.get("strides") or [1] * n, a.get("dilations") or [1] * n
    pads, more, n_groups = a.get("pads") or [0] * 2 * n, a.get("output_padding") or [0] * n, a["group"]
    sizes = [
        (length - 1) * stride + (size - 1) * step + 1 + extra
        for length, stride, size, step, extra in zip(x.shape[2:], strides, W.shape[2:], dilations, more, strict=True)
    ]
    y = np.zeros([x.shape[0], n_groups * W.shape[1], *sizes])
    for k, (part, weights) in enumerate(zip(np.split(x, n_groups, 1), np.split(W, n_groups), strict=True)):
        channels = slice(k * W.shape[1], (k + 1) * W.shape[1])
        for offset in np.ndindex(*W.shape[2:]):
            places = tuple(
                slice(j * step, j * step + (length - 1) * stride + 1, stride)
                for j, step, length, stride in zip(offset, dilations, x.shape[2:], strides, strict=True)
            )
            added = np.tensordot(part, weights[(slice(None), slice(None), *offset)], ([1], [0]))
            y[(slice(None), channels, *places)] += np.moveaxis(added, -1, 1)
    inner = tuple(slice(before, size - behind) for before, behind, size in zip(pads[:n], pads[n:], sizes, strict=True))
    y = y[(slice(None), slice(None), *inner)]
    bias = node.input(2)
    return y if bias is None else y + bias.reshape(-1, *[1] * n)


def max_pool(node: ReferenceNode) -> Array | None:
    """The largest number that a window sees."""
    x = node.inputs[0]
    if x.dtype.kind != "f":
        return None
    at = frame(node, x.shape[2:], node.attributes["kernel_shape"])
    return np.asarray(windows(x, at, -np.inf).max(axis=tuple(range(x.ndim, 2 * x.ndim - 2))))


def average_pool(node: ReferenceNode) -> Array | None:
    """The mean of what a window sees: of the image, or of the padding, too, which is 0."""
    x = node.inputs[0]
    if node.attributes.get("ceil_mode") and node.attributes.get("count_include_pad"):
        return None  # the padding counts, what is behind it does not
    at = frame(node, x.shape[2:], node.attributes["kernel_shape"])
    over = tuple(range(x.ndim, 2 * x.ndim - 2))
    sums = windows(x, at, 0.0).sum(axis=over)
    if node.attributes.get("count_include_pad"):
        return np.asarray(sums / math.prod(at.kernel))
    return np.asarray(sums / windows(np.ones((1, 1, *x.shape[2:])), at, 0.0).sum(axis=over))


def lp_pool(node: ReferenceNode) -> Array | None:
    """The p-norm of what a window sees."""
    x, p = node.inputs[0], node.attributes["p"]
    if node.opset < 2:
        return None
    at = frame(node, x.shape[2:], node.attributes["kernel_shape"])
    over = tuple(range(x.ndim, 2 * x.ndim - 2))
    return np.asarray((np.abs(windows(x, at, 0.0)) ** p).sum(axis=over) ** (1 / p))
