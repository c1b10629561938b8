"""Windows that slide over the spatial axes of an image: what convolutions and pooling have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.node import OnnxNode

LARGEST_SETTING = 2**20  # of strides, dilations and pads


@dataclass(frozen=True, slots=True)
class Window:
    """Along each spatial axis, small position s and tap t meet at the large position s * stride + t * dilation - pad.

    Attributes
    ----------
    kernel, strides, dilations : one number per axis
    pads : in front of each axis
    pads_behind : behind each axis, as far as the model says
    large, small : lengths of the axes of both sides
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    pads_behind: tuple[int, ...]
    large: tuple[int, ...]
    small: tuple[int, ...]

    def places_along(self, axis: int) -> Array:
        """(small length, taps): the large position, which may lie outside."""
        s, t = np.arange(self.small[axis])[:, None], np.arange(self.kernel[axis])
        return s * self.strides[axis] + t * self.dilations[axis] - self.pads[axis]

    def places(self, node: OnnxNode) -> Array:
        """(small positions, taps), all axes flattened: the flat large position, or -1 outside."""
        node.check_size((*self.small, *self.kernel))
        rank = len(self.kernel)
        flat = np.zeros((1,) * (2 * rank), np.int64)
        is_inside = np.ones((1,) * (2 * rank), bool)
        for axis in range(rank):
            shape = [1] * (2 * rank)
            shape[axis], shape[rank + axis] = self.small[axis], self.kernel[axis]
            along = self.places_along(axis).reshape(shape)
            flat = flat * self.large[axis] + along
            is_inside = is_inside & (along >= 0) & (along < self.large[axis])
        return np.where(is_inside, flat, -1).reshape(math.prod(self.small), math.prod(self.kernel))

    def complete_pads(self) -> list[int]:
        """Pads in front and behind that give exactly these lengths of both sides."""
        behind = [
            (small - 1) * stride + reach(kernel, dilation) - large - pad
            for small, stride, kernel, dilation, large, pad in zip(
                self.small, self.strides, self.kernel, self.dilations, self.large, self.pads, strict=True
            )
        ]
        return [*self.pads, *behind]


def reach(kernel: int, dilation: int) -> int:
    """How many positions a kernel spans."""
    return dilation * (kernel - 1) + 1


def setting(node: OnnxNode, name: str, count: int, default: int, least: int) -> list[int]:
    """A list attribute with one number per axis (and end)."""
    numbers = node.integers(name) or [default] * count
    if len(numbers) != count or not all(least <= number <= LARGEST_SETTING for number in numbers):
        node.fail(f"has {name}={numbers}, expected {count} numbers from {least} on. Export the model again.")
    return numbers


def kernel_lengths(node: OnnxNode, rank: int, weights: Sequence[int] | None = None) -> list[int]:
    """The attribute kernel_shape, which weights know, too."""
    if weights is None:
        if node.integers("kernel_shape") is None:
            node.fail("attribute 'kernel_shape' is missing. Export the model again.")
        return setting(node, "kernel_shape", rank, 1, 1)
    if node.integers("kernel_shape") not in (None, [], list(weights)):
        node.fail(
            f"has kernel_shape={node.integers('kernel_shape')} and weights with a kernel {list(weights)}. Export the "
            "model again."
        )
    return list(weights)


def auto_pad(node: OnnxNode) -> str:
    """The attribute auto_pad."""
    mode = node.attribute("auto_pad") or "NOTSET"
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        node.fail(f"has auto_pad={mode!r}, expected NOTSET, VALID, SAME_UPPER or SAME_LOWER. Export the model again.")
    return str(mode)


def split_padding(total: int, more_behind: bool) -> tuple[int, int]:
    """Padding in front and behind; an odd one goes behind, or in front."""
    less, more = total // 2, total - total // 2
    return (less, more) if more_behind else (more, less)


def sliding_window(node: OnnxNode, lengths: Sequence[int], kernel: Sequence[int]) -> Window:
    """The window of a Conv or pooling node over an input with these spatial lengths."""
    rank = len(lengths)
    strides, dilations = setting(node, "strides", rank, 1, 1), setting(node, "dilations", rank, 1, 1)
    pads, mode = setting(node, "pads", 2 * rank, 0, 0), auto_pad(node)
    front, behind, small = [], [], []
    for axis, length in enumerate(lengths):
        span, stride = reach(kernel[axis], dilations[axis]), strides[axis]
        if mode.startswith("SAME"):
            count = -(-length // stride)
            ends = split_padding(max((count - 1) * stride + span - length, 0), mode == "SAME_UPPER")
        else:
            ends = (pads[axis], pads[axis + rank]) if mode == "NOTSET" else (0, 0)
            count = positions(length + sum(ends) - span, stride, length + ends[0], bool(node.attribute("ceil_mode")))
        front.append(ends[0])
        behind.append(ends[1])
        small.append(count)
    return checked_window(node, Window(*map(tuple, (kernel, strides, dilations, front, behind, lengths, small))))


def positions(room: int, stride: int, end: int, is_ceiled: bool) -> int:
    """How many places a window takes in `room` positions more than it spans; the last one begins before `end`."""
    if room < 0:
        return 0
    count = (-(-room // stride) if is_ceiled else room // stride) + 1
    return count - 1 if is_ceiled and (count - 1) * stride >= end else count


def transposed_window(node: OnnxNode, lengths: Sequence[int], kernel: Sequence[int]) -> Window:
    """The window of a ConvTranspose, whose input, with these spatial lengths, is the small side."""
    rank = len(lengths)
    strides, dilations = setting(node, "strides", rank, 1, 1), setting(node, "dilations", rank, 1, 1)
    pads, mode = setting(node, "pads", 2 * rank, 0, 0), auto_pad(node)
    extra = setting(node, "output_padding", rank, 0, 0)
    wanted = node.integers("output_shape")
    wanted = setting(node, "output_shape", rank, 1, 1) if wanted else None
    front, behind, large = [], [], []
    for axis, length in enumerate(lengths):
        natural = (length - 1) * strides[axis] + reach(kernel[axis], dilations[axis]) + extra[axis]
        if wanted is None and not mode.startswith("SAME"):
            ends = (pads[axis], pads[axis + rank]) if mode == "NOTSET" else (0, 0)
            count = natural - sum(ends)
        else:
            count = wanted[axis] if wanted else length * strides[axis]
            ends = split_padding(max(natural - count, 0), mode == "SAME_UPPER")
        front.append(ends[0])
        behind.append(ends[1])
        large.append(count)
    return checked_window(node, Window(*map(tuple, (kernel, strides, dilations, front, behind, large, lengths))))


def checked_window(node: OnnxNode, window: Window) -> Window:
    """The window; refuses one without positions, or with more than memory holds."""
    if min(window.small) < 1 or min(window.large) < 1:
        node.fail(
            f"has no output: got spatial axes of shape {node.input(0).shape} for a kernel {window.kernel} with "
            f"strides={window.strides}, dilations={window.dilations}, pads={(*window.pads, *window.pads_behind)}. "
            "Export the model again."
        )
    node.check_size(window.large)
    node.check_size(window.small)
    for taps, positions_along in zip(window.kernel, window.small, strict=True):
        node.check_size((taps, positions_along))
    return window
