"""Operators on images that ONNX's reference evaluator (1.23) lacks, evaluates otherwise than the standard says, or
loops over in Python: pooling with auto_pad, ceil_mode or one number in a window, groups of a ConvTranspose, LRN,
negative pads, Resize before operator set 11.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_grid_sample import GridSample as ReferenceGridSample
from onnx.reference.ops.op_resize import Resize as ReferenceResize

Array = NDArray[Any]


class Correction(OpRun):  # type: ignore[misc]
    """Evaluates `compute(*inputs)`; `attributes` are the node's, with the standard's defaults."""

    op_domain = ""
    opset = 0

    def _run(self, *inputs: Array | None, **unused: Any) -> tuple[Array]:
        schema = onnx.defs.get_schema(self.onnx_node.op_type, self.opset, "")
        stated = [entry.default_value for entry in schema.attributes.values() if entry.default_value.type]
        self.attributes = {entry.name: plain(entry) for entry in (*stated, *self.onnx_node.attribute)}
        assert inputs[0] is not None
        with np.errstate(all="ignore"):
            return (np.asarray(self.compute(*inputs), inputs[0].dtype),)

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or the default where it has none."""
        return self.attributes.get(name, default)

    def compute(self, *inputs: Any) -> Array:
        """The output."""
        raise NotImplementedError

    def windows(self, lengths: Sequence[int]) -> tuple[list[Array], list[tuple[int, int]]]:
        """Along each axis: the place in the image of each tap of each window (windows, taps); the padding."""
        kernel = self.get("kernel_shape")
        rank, mode = len(kernel), self.get("auto_pad", "NOTSET")
        strides, dilations = self.get("strides") or [1] * rank, self.get("dilations") or [1] * rank
        pads = self.get("pads") or [0] * (2 * rank)
        places, around = [], []
        for axis, (length, taps, stride, dilation) in enumerate(zip(lengths, kernel, strides, dilations, strict=True)):
            span = dilation * (taps - 1)  # from the first tap to the last
            if mode in ("SAME_UPPER", "SAME_LOWER"):
                starts = np.arange(0, length, stride)
                missing = max(int(starts[-1]) + span + 1 - length, 0)
                front = missing // 2 if mode == "SAME_UPPER" else missing - missing // 2
                behind = missing - front
                starts = starts - front
            else:
                front, behind = (0, 0) if mode == "VALID" else (pads[axis], pads[axis + rank])
                last = length + behind - 1 - span  # where a window may begin that ends within the padding
                starts = np.arange(-front, last + 1, stride)
                if self.get("ceil_mode") and starts[-1] < last and starts[-1] + stride < length:
                    starts = np.append(starts, starts[-1] + stride)
            places.append(starts[:, None] + dilation * np.arange(taps))
            around.append((front, behind))
        return places, around


def plain(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    return list(value) if isinstance(value, Sequence) else value


def gathered(x: Array, places: list[Array]) -> tuple[Array, Array]:
    """Each window's numbers (batch, channels, windows.., taps..), and which of them lie inside of the image."""
    rank = len(places)
    inside = np.ones((1,) * (2 * rank), bool)
    for axis, along in enumerate(places):
        shape = [1] * (2 * rank)
        shape[axis], shape[rank + axis] = along.shape
        inside = inside & ((along >= 0) & (along < x.shape[2 + axis])).reshape(shape)
        x = np.take(x, np.clip(along, 0, x.shape[2 + axis] - 1).reshape(-1), 2 + axis)
    for axis, along in enumerate(places):
        x = x.reshape(*x.shape[: 2 + 2 * axis], *along.shape, *x.shape[3 + 2 * axis :])
    order = [0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 2 + 2 * rank, 2)]
    return x.transpose(order), inside


class MaxPool(Correction):
    """With auto_pad and ceil_mode."""

    def compute(self, x: Array) -> Array:
        places, _ = self.windows(x.shape[2:])
        numbers, inside = gathered(x, places)
        return np.where(inside, numbers, -np.inf).max(tuple(range(-len(places), 0)))


class AveragePool(Correction):
    """With ceil_mode, where only the padding that the model asks for is counted."""

    def compute(self, x: Array) -> Array:
        places, around = self.windows(x.shape[2:])
        numbers, inside = gathered(x, places)
        taps = tuple(range(-len(places), 0))
        total = np.where(inside, numbers, 0.0).sum(taps)
        if not self.get("count_include_pad"):
            return np.asarray(total / inside.sum(taps))
        ends = zip(places, x.shape[2:], around, strict=True)
        counts = [((along >= -front) & (along < length + behind)).sum(1) for along, length, (front, behind) in ends]
        return np.asarray(total / reduce(np.multiply.outer, counts))


class LpPool(Correction):
    """The sum over the window's own numbers."""

    def compute(self, x: Array) -> Array:
        places, _ = self.windows(x.shape[2:])
        numbers, inside = gathered(x, places)
        p = float(self.get("p") or 2)
        return np.asarray((np.where(inside, np.abs(numbers), 0.0) ** p).sum(tuple(range(-len(places), 0))) ** (1 / p))


class GlobalLpPool(Correction):
    """Is missing."""

    def compute(self, x: Array) -> Array:
        p = float(self.get("p") or 2)
        return np.asarray((np.abs(x) ** p).sum(tuple(range(2, x.ndim)), keepdims=True) ** (1 / p))


class GlobalMaxPool(Correction):
    """Of images that have other than two axes."""

    def compute(self, x: Array) -> Array:
        return np.asarray(x.max(tuple(range(2, x.ndim)), keepdims=True))


class ConvTranspose(Correction):
    """In groups: every number of the image spreads the kernel over a canvas, of which the padding is cut off."""

    def compute(self, x: Array, weights: Array, bias: Array | None = None) -> Array:
        groups, rank = int(self.get("group", 1)), x.ndim - 2
        strides, dilations = self.get("strides") or [1] * rank, self.get("dilations") or [1] * rank
        extra = self.get("output_padding") or [0] * rank
        lengths = [
            (n - 1) * stride + dilation * (taps - 1) + 1 + more
            for n, taps, stride, dilation, more in zip(
                x.shape[2:], weights.shape[2:], strides, dilations, extra, strict=True
            )
        ]
        wanted = self.get("output_shape") or [0] * rank
        lengths = [max(length, least) for length, least in zip(lengths, wanted, strict=True)]
        n_out = weights.shape[1]
        canvas = np.zeros((x.shape[0], groups * n_out, *lengths))
        for group in range(groups):
            channels = slice(group * (x.shape[1] // groups), (group + 1) * (x.shape[1] // groups))
            for tap in np.ndindex(*weights.shape[2:]):
                at = tuple(
                    slice(t * d, t * d + (n - 1) * s + 1, s)
                    for t, d, n, s in zip(tap, dilations, x.shape[2:], strides, strict=True)
                )
                spread = np.tensordot(weights[(channels, slice(None), *tap)], x[:, channels], (0, 1)).swapaxes(0, 1)
                canvas[(slice(None), slice(group * n_out, (group + 1) * n_out), *at)] += spread
        y = canvas[(slice(None), slice(None), *self.cuts(lengths, x.shape[2:], strides))]
        return y if bias is None else y + bias.reshape(-1, *(1,) * rank)

    def cuts(self, lengths: Sequence[int], small: Sequence[int], strides: Sequence[int]) -> list[slice]:
        """What is left of each axis of the canvas."""
        rank, mode = len(lengths), self.get("auto_pad", "NOTSET")
        pads, wanted = self.get("pads") or [0] * (2 * rank), self.get("output_shape")
        if mode in ("SAME_UPPER", "SAME_LOWER") and not wanted:
            wanted = [n * stride for n, stride in zip(small, strides, strict=True)]
        cuts = []
        for axis, length in enumerate(lengths):
            if wanted:
                total = max(length - wanted[axis], 0)
                front = total // 2 if mode == "SAME_UPPER" else total - total // 2
                cuts.append(slice(front, front + wanted[axis]))
            else:
                front, behind = (0, 0) if mode == "VALID" else (pads[axis], pads[axis + rank])
                cuts.append(slice(front, length - behind))
        return cuts


class LRN(Correction):
    """Over all channels."""

    def compute(self, x: Array) -> Array:
        size = self.get("size")
        padded = np.pad(x**2, [(0, 0), ((size - 1) // 2, size // 2), *((0, 0),) * (x.ndim - 2)])
        sums = sum(padded[:, k : k + x.shape[1]] for k in range(size))
        return np.asarray(x / (self.get("bias") + self.get("alpha") / size * sums) ** self.get("beta"))


class Pad(Correction):
    """Negative pads cut off."""

    def compute(
        self, x: Array, pads: Array | None = None, value: Array | None = None, chosen: Array | None = None
    ) -> Array:
        listed = self.get("pads") or self.get("paddings") if pads is None else pads.tolist()
        axes = list(range(x.ndim)) if chosen is None else [int(axis) % x.ndim for axis in chosen]
        ends = dict(zip(axes, zip(listed, listed[len(axes) :], strict=False), strict=True))
        for axis, (front, behind) in ends.items():
            x = np.take(x, range(max(-front, 0), x.shape[axis] - max(-behind, 0)), axis)
        grow = [tuple(max(end, 0) for end in ends.get(axis, (0, 0))) for axis in range(x.ndim)]
        mode = self.get("mode")
        if mode != "constant":
            return np.pad(x, grow, mode=mode)
        return np.pad(x, grow, constant_values=self.get("value", 0.0) if value is None else value.item())


class Upsample(Correction):
    """Linear, and with the factors as an attribute. Resize before operator set 11 is the same."""

    def compute(self, x: Array, factors: Array | None = None) -> Array:
        scales = self.get("scales") if factors is None else factors.reshape(-1)
        for axis, scale in enumerate(scales):
            length = x.shape[axis]
            place = np.arange(int(scale * length)) / float(scale)
            left = np.minimum(place.astype(np.int64), length - 1)
            if self.get("mode") == "nearest":
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

    def compute(self, theta: Array, size: Array) -> Array:
        lengths = size.tolist()[2:]
        last = [length - 1 if self.get("align_corners") else length for length in lengths]
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
