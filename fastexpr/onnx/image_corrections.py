"""Operators on images that ONNX's reference evaluator (1.23) lacks, evaluates otherwise than the standard says, or
loops over in Python: pooling with auto_pad, ceil_mode or one number in a window, groups of a ConvTranspose, LRN,
negative pads, Resize before operator set 11.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_grid_sample import GridSample as ReferenceGridSample
from onnx.reference.ops.op_resize import Resize as ReferenceResize

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder, Value
from fastexpr.onnx.node import OnnxNode, node_title
from fastexpr.onnx.windows import Window, kernel_lengths, sliding_window, transposed_window


def no_graph(*unused: Any) -> list[Value]:
    """These operators hold no graphs."""
    raise NotImplementedError


class Correction(OpRun):  # type: ignore[misc]
    """Evaluates `compute(node)`, whose inputs are arrays."""

    op_domain = ""
    opset = 0

    def _run(self, *inputs: Array, **unused: Any) -> tuple[Array]:
        node = OnnxNode(
            self.onnx_node, node_title(self.onnx_node, 0), self.opset, list(inputs), GraphBuilder(0), no_graph
        )
        with np.errstate(all="ignore"):
            return (np.asarray(self.compute(node), inputs[0].dtype),)

    def compute(self, node: OnnxNode) -> Array:
        """The output."""
        raise NotImplementedError


def windows_of(node: OnnxNode) -> tuple[Window, Array, Array]:
    """The window; each window's numbers (batch, channels, positions, taps); which taps lie inside of the image."""
    x = np.asarray(node.input(0), np.float64)
    window = sliding_window(node, x.shape[2:], kernel_lengths(node, x.ndim - 2))
    places = window.places(node)
    return window, x.reshape(*x.shape[:2], -1)[:, :, places], places >= 0


def image(window: Window, y: Array) -> Array:
    """y (batch, channels, positions) with its spatial axes."""
    return y.reshape(*y.shape[:2], *window.small)


class MaxPool(Correction):
    """With auto_pad and ceil_mode."""

    def compute(self, node: OnnxNode) -> Array:
        window, numbers, inside = windows_of(node)
        return image(window, np.where(inside, numbers, -np.inf).max(3))


class AveragePool(Correction):
    """With ceil_mode, where only the padding that the model asks for is counted."""

    def compute(self, node: OnnxNode) -> Array:
        window, numbers, inside = windows_of(node)
        count = inside.sum(1)
        if node.attribute("count_include_pad"):
            along = [
                (window.places_along(k) < length + window.pads_behind[k]).sum(1)
                for k, length in enumerate(window.large)
            ]
            count = reduce(np.multiply.outer, along).reshape(-1)
        return image(window, np.where(inside, numbers, 0).sum(3) / count)


class LpPool(Correction):
    """The sum over the window's own numbers."""

    def compute(self, node: OnnxNode) -> Array:
        window, numbers, inside = windows_of(node)
        p = float(node.attribute("p") or 2)
        return image(window, (np.where(inside, np.abs(numbers), 0) ** p).sum(3) ** (1 / p))


class GlobalLpPool(Correction):
    """Is missing."""

    def compute(self, node: OnnxNode) -> Array:
        x, p = np.asarray(node.input(0), np.float64), float(node.attribute("p") or 2)
        axes = tuple(range(2, x.ndim))
        return np.asarray((np.abs(x) ** p).sum(axes, keepdims=True) ** (1 / p))


class GlobalMaxPool(Correction):
    """Of images that have other than two axes."""

    def compute(self, node: OnnxNode) -> Array:
        x = np.asarray(node.input(0))
        return np.asarray(x.max(tuple(range(2, x.ndim)), keepdims=True))


class ConvTranspose(Correction):
    """In groups."""

    def compute(self, node: OnnxNode) -> Array:
        x, weights, groups = np.asarray(node.input(0)), np.asarray(node.input(1)), node.integer("group")
        window = transposed_window(node, x.shape[2:], kernel_lengths(node, x.ndim - 2, weights.shape[2:]))
        places, (batch, channels) = window.places(node), x.shape[:2]
        matrices = weights.reshape(groups, channels // groups, weights.shape[1], -1)
        parts = x.reshape(batch, groups, channels // groups, -1)
        products = np.einsum("gcmt,bgcs->bgmst", matrices, parts).reshape(batch, groups * weights.shape[1], -1)
        y = np.zeros((*products.shape[:2], math.prod(window.large) + 1))
        for k, place in enumerate(places.reshape(-1)):  # -1, the last one, is outside
            y[:, :, place] += products[:, :, k]
        y = y[:, :, :-1].reshape(*products.shape[:2], *window.large)
        return y + node.constant(2).reshape(-1, *(1,) * len(window.large)) if node.has_input(2) else y


class LRN(Correction):
    """Over all channels."""

    def compute(self, node: OnnxNode) -> Array:
        x, size = np.asarray(node.input(0), np.float64), node.integer("size")
        padded = np.pad(x**2, [(0, 0), ((size - 1) // 2, size // 2), *((0, 0),) * (x.ndim - 2)])
        sums = sum(padded[:, k : k + x.shape[1]] for k in range(size))
        return np.asarray(
            x / (node.number("bias") + node.number("alpha") / size * sums) ** node.number("beta"), np.float64
        )


class Pad(Correction):
    """Negative pads cut off."""

    def compute(self, node: OnnxNode) -> Array:
        x = np.asarray(node.input(0))
        pads = node.constant_integers(1) if node.opset >= 11 else node.integers("pads") or node.integers("paddings")
        assert pads is not None
        axes = [axis % x.ndim for axis in (node.constant_integers(3) if node.has_input(3) else range(x.ndim))]
        for axis, front, behind in zip(axes, pads, pads[len(axes) :], strict=False):
            x = np.take(x, range(max(-front, 0), x.shape[axis] - max(-behind, 0)), axis)
        grow = [(0, 0)] * x.ndim
        for axis, front, behind in zip(axes, pads, pads[len(axes) :], strict=False):
            grow[axis] = (max(front, 0), max(behind, 0))
        mode = node.attribute("mode")
        if mode != "constant":
            return np.pad(x, grow, mode=mode)
        value = node.constant_scalar(2) if node.has_input(2) else node.attribute("value") or 0.0
        return np.pad(x, grow, constant_values=value)


class Upsample(Correction):
    """Linear, and with the factors as an attribute. Resize before operator set 11 is the same."""

    def compute(self, node: OnnxNode) -> Array:
        x = np.asarray(node.input(0), np.float64)
        scales = node.constant(1).reshape(-1) if len(node.inputs) > 1 else node.attribute("scales")
        for axis, scale in enumerate(scales):
            length = x.shape[axis]
            place = np.arange(int(scale * length)) / float(scale)
            left = np.minimum(place.astype(np.int64), length - 1)
            if node.attribute("mode") == "nearest":
                x = np.take(x, left, axis)
                continue
            ratio = (place - left).reshape(-1, *(1,) * (x.ndim - axis - 1))
            x = (1 - ratio) * np.take(x, left, axis) + ratio * np.take(x, np.minimum(left + 1, length - 1), axis)
        return x


class ExactResize(ReferenceResize):  # type: ignore[misc]
    """With coefficients in double: the evaluator's cubic ones are float32."""

    op_domain = ""

    def _run(self, *inputs: Array, cubic_coeff_a: float = -0.75, **attributes: Any) -> tuple[Array]:
        return super()._run(*inputs, cubic_coeff_a=float(cubic_coeff_a), **attributes)  # type: ignore[no-any-return]


class AffineGrid(Correction):
    """In double."""

    def compute(self, node: OnnxNode) -> Array:
        theta, lengths = np.asarray(node.input(0), np.float64), node.constant_integers(1)[2:]
        last = [length - 1 if node.attribute("align_corners") else length for length in lengths]
        ends = [(length - 1) / count for count, length in zip(last, lengths, strict=True)]
        axes = [np.linspace(-end, end, length) for end, length in zip(ends, lengths, strict=True)]
        grid = np.stack([*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(lengths)], -1)
        return np.asarray(np.einsum("nij,...j->n...i", theta, grid))


class ExactGridSample(ReferenceGridSample):  # type: ignore[misc]
    """With places in double, the names of the modes before operator set 20, an axis of one pixel that is reflected, and
    the cubic curve of PyTorch and ONNX Runtime: pixels are clamped to the border, places are not.
    """

    op_domain = ""

    def _gs_denormalize_coordinates(self, n: Array, dims: Sequence[int], align_corners: bool) -> Array:
        return np.array([self._gs_denormalize(float(v), dim, align_corners) for v, dim in zip(n, dims, strict=True)])

    def _gs_reflect(self, x: float, x_min: float, x_max: float) -> float:
        return super()._gs_reflect(x, x_min, x_max) if x_max > x_min else x_min

    def _clamp(self, val: float, lo: float, hi: float) -> float:
        is_place = isinstance(val, float)
        return val if is_place and self._is_cubic else super()._clamp(val, lo, hi)

    def _run(self, *inputs: Array, mode: str = "linear", **attributes: Any) -> tuple[Array]:
        mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
        self._is_cubic = mode == "cubic"
        return super()._run(*inputs, mode=mode, **attributes)  # type: ignore[no-any-return]


def corrected_image_operators(opset: int) -> list[type[OpRun]]:
    """The classes above, for a model of this operator set."""
    operators: list[type[Correction]] = [
        MaxPool, AveragePool, LpPool, GlobalLpPool, GlobalMaxPool, ConvTranspose, LRN, Pad, Upsample, AffineGrid,
    ]  # fmt: skip
    resize = Upsample if opset < 11 else ExactResize
    return [
        *(type(operator.__name__, (operator,), {"opset": opset}) for operator in operators),
        type("Resize", (resize,), {"opset": opset}),
        type("GridSample", (ExactGridSample,), {}),
    ]
