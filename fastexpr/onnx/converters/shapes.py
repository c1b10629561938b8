"""The same numbers in another shape; questions about shapes, whose answers are constants: every shape is literal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastexpr.onnx.handle import Tensors, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter


@converter("Identity", takes_constants=True)
def identity(node: OnnxNode) -> Value | Tensors:
    """y = x."""
    return node.tensors(0) if isinstance(node.inputs[0], Tensors) else node.input(0)


@converter("Reshape", since=5, takes_constants=True)
def reshape(node: OnnxNode) -> Value:
    """0 keeps an axis (unless allowzero), -1 takes what is left."""
    return reshaped(node, node.constant_integers(1), bool(node.attribute("allowzero")))


@converter("Reshape", since=1, takes_constants=True)
def reshape_by_attribute(node: OnnxNode) -> Value:
    """Before operator set 5, the shape is an attribute."""
    return reshaped(node, node.integers("shape") or [], False)


def reshaped(node: OnnxNode, target: list[int], allow_zero: bool) -> Value:
    """Reshape to `target` with its 0 and -1 resolved."""
    x = node.input(0)
    size = math.prod(x.shape)
    shape = list(target)
    for axis, length in enumerate(target):
        if length == 0 and not allow_zero:
            if axis >= len(x.shape):
                node.fail(
                    f"has shape {target}, whose 0 keeps axis {axis}, but the input has shape {x.shape}. Export the "
                    "model again."
                )
            shape[axis] = x.shape[axis]
    if shape.count(-1) == 1:
        known = math.prod(length for length in shape if length != -1)
        shape[shape.index(-1)] = size // known if known else -1
    if any(length < 0 for length in shape) or math.prod(shape) != size:
        node.fail(
            f"cannot reshape {x.shape} to {target}: got {size} numbers. If the model was exported with a batch of "
            "several points, export it with a dynamic first axis, which becomes 1."
        )
    return x.reshape(shape)


@converter("Flatten", takes_constants=True)
def flatten(node: OnnxNode) -> Value:
    """A matrix: the axes before `axis`, and those from it on."""
    x = node.input(0)
    axis = node.axis(node.integer("axis"), len(x.shape), allow_end=True)
    return x.reshape((math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@converter("Squeeze", takes_constants=True)
def squeeze(node: OnnxNode) -> Value:
    """Leaves out axes of length 1: those given by the input (from operator set 13) or the attribute, or all."""
    x = node.input(0)
    listed = node.constant_integers(1) if node.has_input(1) else node.integers("axes")
    if listed is None:
        axes = [axis for axis, length in enumerate(x.shape) if length == 1]
    else:
        axes = node.axes(listed, len(x.shape))
    if any(x.shape[axis] != 1 for axis in axes):
        node.fail(f"cannot leave out axes {axes} of shape {x.shape}: expected length 1. Export the model again.")
    return x.reshape([length for axis, length in enumerate(x.shape) if axis not in axes])


@converter("Unsqueeze", takes_constants=True)
def unsqueeze(node: OnnxNode) -> Value:
    """Inserts axes of length 1; they are places in the result."""
    x = node.input(0)
    listed = node.constant_integers(1) if node.has_input(1) else node.integers("axes") or []
    rank = len(x.shape) + len(listed)
    shape = list(x.shape)
    for axis in node.axes(listed, rank):
        shape.insert(axis, 1)
    return x.reshape(shape)


@converter("Dropout", takes_constants=True)
def dropout(node: OnnxNode) -> Sequence[Value | None]:
    """In inference, y = x, and nothing is masked."""
    if node.has_input(2) and bool(node.constant_scalar(2)) and (not node.has_input(1) or node.constant_scalar(1) != 0):
        node.fail("is in training mode, expected inference. Call model.eval() before exporting.")
    x = node.input(0)
    return [x, np.ones(x.shape, bool)]


@converter("Transpose", takes_constants=True)
def transpose(node: OnnxNode) -> Value:
    """Axes in the order `perm`, by default reversed."""
    x = node.input(0)
    order = node.integers("perm") or list(reversed(range(len(x.shape))))
    if sorted(order) != list(range(len(x.shape))):
        node.fail(f"has perm={order} for shape {x.shape}, expected each axis once. Export the model again.")
    return x.transpose(order)


@converter("Expand", since=8, takes_constants=True)
def expand(node: OnnxNode) -> Value:
    """x stretched to the common shape of x and input 1."""
    x, target = node.input(0), node.constant_integers(1)
    try:
        shape = np.broadcast_shapes(x.shape, tuple(target))  # ValueError also where a length is negative
    except (RuntimeError, ValueError):  # RuntimeError: too many axes
        node.fail(f"cannot stretch shape {x.shape} to {target}. Export the model again.")
    node.check_size(shape, math.prod(x.shape))
    return node.graph.rearrange(x, lambda array: np.broadcast_to(array, shape))


@converter("Shape", takes_constants=True)
def shape_of(node: OnnxNode) -> Value:
    """The shape, from operator set 15 on its axes from start to end only."""
    return np.array(node.input(0).shape[slice(node.attribute("start"), node.attribute("end"))], np.int64)


@converter("Size", takes_constants=True)
def size_of(node: OnnxNode) -> Value:
    """How many numbers there are."""
    return np.array(math.prod(node.input(0).shape), np.int64)


@converter("EyeLike", since=9)
def eye_like(node: OnnxNode) -> Value:
    """Ones on a diagonal, in the shape of the input."""
    shape = node.input(0).shape
    if len(shape) != 2:
        node.fail(f"has an input of shape {shape}, expected a matrix. Export the model again.")
    return np.eye(shape[0], shape[1], node.integer("k"))
