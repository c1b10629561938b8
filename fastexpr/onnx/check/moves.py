"""What moves numbers, or knows only shapes, by NumPy, for the check of an import."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx import numpy_helper

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.check.node import ReferenceNode


def reshape(node: ReferenceNode) -> Array | None:
    """In another shape: 0 keeps a length, -1 is what is left."""
    x, shape = node.inputs[0], node.integers(1, "shape")
    if shape is None:
        return None
    if not node.attributes.get("allowzero"):
        shape = [x.shape[k] if length == 0 else length for k, length in enumerate(shape)]
    return np.asarray(x.reshape(shape))


def flatten(node: ReferenceNode) -> Array:
    """A matrix, cut before an axis."""
    x, axis = node.inputs[0], node.attributes["axis"]
    front = math.prod(x.shape[: axis + x.ndim if axis < 0 else axis])
    return np.asarray(x.reshape(front, -1 if front else 0))


def unsqueeze(node: ReferenceNode) -> Array | None:
    """With more axes of length 1."""
    axes = node.integers(1, "axes")
    return None if axes is None else np.asarray(np.expand_dims(node.inputs[0], tuple(axes)))


def squeeze(node: ReferenceNode) -> Array:
    """Without some axes of length 1, or all of them."""
    axes = node.integers(1, "axes")
    return np.asarray(np.squeeze(node.inputs[0], None if axes is None else tuple(axes)))


def sliced(node: ReferenceNode) -> Array | None:
    """From start to end along some axes; ends beyond the tensor are its ends, as in Python."""
    x, starts, ends = node.inputs[0], node.integers(1, "starts"), node.integers(2, "ends")
    if starts is None or ends is None:
        return None
    axes = node.integers(3, "axes") or range(len(starts))
    steps = node.integers(4, "steps") or [1] * len(starts)
    index: list[Any] = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 0 and end < -x.shape[axis]:  # before the first one
            index[axis] = slice(start, None, step)
        else:
            index[axis] = slice(start, end, step)
    return np.asarray(x[tuple(index)])


def gather(node: ReferenceNode) -> Array | None:
    """Parts along an axis, in the order of the indices."""
    x, indices = node.inputs[0], node.inputs[1]
    return np.asarray(np.take(x, indices, axis=node.attributes["axis"])) if indices.dtype.kind == "i" else None


def pad(node: ReferenceNode) -> Array | None:
    """With a constant around it."""
    x, pads = node.inputs[0], node.integers(1, "pads")
    if node.attributes["mode"] != "constant" or pads is None or node.input(3) is not None or min(pads, default=0) < 0:
        return None
    number = node.input(2) if node.opset >= 11 else node.attributes["value"]
    fill = 0 if number is None else np.asarray(number).reshape(())
    sides = list(zip(pads[: x.ndim], pads[x.ndim :], strict=True))
    return np.pad(x, sides, constant_values=fill)


def split(node: ReferenceNode) -> tuple[Array, ...] | None:
    """Parts along an axis, of lengths that are given."""
    lengths = node.integers(1, "split")
    return (
        None if lengths is None else tuple(np.split(node.inputs[0], np.cumsum(lengths)[:-1], node.attributes["axis"]))
    )


def constant_of_shape(node: ReferenceNode) -> Array:
    """One number everywhere."""
    value = node.attributes["value"]
    number = np.zeros(1) if value is None else numpy_helper.to_array(value)
    filled = np.full(node.inputs[0].tolist(), number.reshape(-1)[0])
    return filled.astype(np.float64) if filled.dtype.kind == "f" else filled


def shape_of(node: ReferenceNode) -> Array:
    """The lengths of the axes, or of some."""
    return np.array(node.inputs[0].shape[node.attributes.get("start") or 0 : node.attributes.get("end")], np.int64)


def dropout(node: ReferenceNode) -> Array | None:
    """What comes in: no number is dropped once the training is over."""
    return np.asarray(node.inputs[0]) if node.opset >= 7 and node.input(2) is None else None
