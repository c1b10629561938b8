"""Choosing and joining elements: Slice, Gather, Split, Tile, Concat, Compress, OneHot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.converters.positions import gathered, gathered_elements, gathered_nd, is_named
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter


@converter("Concat", takes_constants=True)
def concat(node: OnnxNode) -> Value:
    """Joined along an axis, which operator sets before 4 may leave out: 1."""
    values = [node.input(k) for k in range(len(node.inputs))]
    axis = node.attribute("axis")
    axis = node.axis(1 if axis is None else axis, len(values[0].shape))
    rests = {(len(value.shape), value.shape[:axis], value.shape[axis + 1 :]) for value in values}
    if len(rests) != 1:
        node.fail(
            f"cannot join shapes {[value.shape for value in values]} along axis {axis}: the other axes differ. Export "
            "the model again."
        )
    return node.graph.concatenate(values, axis)


@converter("Slice", since=10, takes_constants=True)
def slice_by_inputs(node: OnnxNode) -> Value:
    """x[starts:ends:steps] along axes."""
    starts, ends = node.constant_integers(1), node.constant_integers(2)
    axes = node.constant_integers(3) if node.has_input(3) else list(range(len(starts)))
    steps = node.constant_integers(4) if node.has_input(4) else [1] * len(starts)
    return sliced(node, starts, ends, axes, steps)


@converter("Slice", since=1, takes_constants=True)
def slice_by_attributes(node: OnnxNode) -> Value:
    """Before operator set 10, starts, ends and axes are attributes and every step is 1."""
    starts, ends = node.integers("starts") or [], node.integers("ends") or []
    return sliced(node, starts, ends, node.integers("axes") or list(range(len(starts))), [1] * len(starts))


def sliced(node: OnnxNode, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> Value:
    """The standard's slices are Python's, but that an end before the first element is written as a large negative
    number.
    """
    x = node.input(0)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        node.fail(
            f"has {len(starts)} starts, {len(ends)} ends, {len(axes)} axes, {len(steps)} steps, expected as many of "
            "each. Export the model again."
        )
    if 0 in steps:
        node.fail("has step 0. Export the model again.")
    key = [slice(None)] * len(x.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        key[node.axis(axis, len(x.shape))] = slice(start, end, step)
    return x[tuple(key)]


@converter("Gather", takes_constants=True)
def gather(node: OnnxNode) -> Value:
    """x[.., indices, ..] along one axis; negative indices count from the end.

    Indices may depend on x: the derivative is that of what is picked, 0 of the index.
    """
    x, at = node.input(0), node.input(1)
    axis = node.axis(node.integer("axis"), len(x.shape))
    if isinstance(at, Handle):
        return gathered(node, x, at, axis)
    indices = checked_indices(node, x.shape[axis])
    node.check_size(x.shape[:axis] + indices.shape + x.shape[axis + 1 :], indices.size + math.prod(x.shape))
    return node.graph.rearrange(x, lambda array: np.take(array, indices, axis))


@converter("GatherND", since=11, takes_constants=True)
def gather_nd(node: OnnxNode) -> Value:
    """x[indices[.., 0], indices[.., 1], ..] behind `batch_dims` leading axes that x and the indices share."""
    x, batch, at = node.input(0), node.attribute("batch_dims") or 0, node.input(1)
    depth = at.shape[-1] if at.shape else 0
    if (
        not 0 <= batch < min(len(x.shape), len(at.shape))
        or not 1 <= depth <= len(x.shape) - batch
        or at.shape[:batch] != x.shape[:batch]
    ):
        node.fail(
            f"has indices of shape {at.shape} and batch_dims={batch} for shape {x.shape}. Export the model again."
        )
    if isinstance(at, Handle):
        return gathered_nd(node, x, at, batch)
    node.constant_integers(1)
    indices, lengths = at.astype(np.int64), np.array(x.shape[batch : batch + depth])
    if ((indices < -lengths) | (indices >= lengths)).any():
        node.fail(f"has indices that do not lie in axes of lengths {lengths.tolist()}. Export the model again.")
    rank = indices.ndim - 1
    leading = [np.arange(n).reshape((-1,) + (1,) * (rank - k - 1)) for k, n in enumerate(x.shape[:batch])]
    key = (*leading, *np.moveaxis(indices, -1, 0))
    node.check_size(indices.shape[:-1] + x.shape[batch + depth :], indices.size + math.prod(x.shape))
    return x[key]


@converter("GatherElements", since=11, takes_constants=True)
def gather_elements(node: OnnxNode) -> Value:
    """NumPy's take_along_axis on the part of x that has the shape of the indices."""
    x, at = node.input(0), node.input(1)
    axis = node.axis(node.integer("axis"), len(x.shape))
    if len(at.shape) != len(x.shape) or any(
        i > n for k, (i, n) in enumerate(zip(at.shape, x.shape, strict=True)) if k != axis
    ):
        node.fail(f"has indices of shape {at.shape}, which do not lie in {x.shape}. Export the model again.")
    part = tuple(slice(None) if k == axis else slice(length) for k, length in enumerate(at.shape))
    if isinstance(at, Handle):
        return gathered_elements(node, x[part], at, axis)
    indices = checked_indices(node, x.shape[axis])
    return node.graph.rearrange(x, lambda array: np.take_along_axis(array[part], indices, axis))


def checked_indices(node: OnnxNode, length: int) -> Array:
    """Input 1 as constant indices into an axis of this length."""
    indices = node.integer_array(1).astype(np.int64)
    if indices.size and not -length <= indices.min() <= indices.max() < length:
        node.fail(
            f"has indices from {indices.min()} to {indices.max()} into an axis of length {length}, expected {-length} "
            f"to {length - 1}. Export the model again."
        )
    return indices % max(length, 1)


@converter("Split", takes_constants=True)
def split(node: OnnxNode) -> Sequence[Value]:
    """Pieces along an axis; their lengths come from input 1 (from operator set 13), the attribute, or are equal."""
    x, count = node.input(0), node.n_outputs
    axis = node.axis(node.integer("axis") if node.attribute("axis") is not None else 0, len(x.shape))
    length = x.shape[axis]
    lengths = node.constant_integers(1) if node.has_input(1) else node.integers("split")
    if not lengths:
        if node.attribute("num_outputs") not in (None, count) or count < 1:
            node.fail(f"has num_outputs={node.attribute('num_outputs')} and {count} outputs. Export the model again.")
        piece = -(-length // count)  # the last one may be shorter
        lengths = [min(piece, max(length - piece * k, 0)) for k in range(count)]
    if sum(lengths) != length or len(lengths) < node.n_outputs or min(lengths) < 0:
        node.fail(f"cannot split axis {axis} of shape {x.shape} into lengths {lengths}. Export the model again.")

    def piece_from(start: int, stop: int) -> Value:
        key: tuple[Any, ...] = (slice(None),) * axis + (slice(start, stop),)
        return x[key]

    starts = accumulate(lengths, initial=0)
    return [piece_from(start, start + piece) for start, piece in zip(starts, lengths, strict=False)]


@converter("Tile", since=6, takes_constants=True)
def tile(node: OnnxNode) -> Value:
    """x repeated along each axis."""
    x, repeats = node.input(0), node.constant_integers(1)
    if len(repeats) != len(x.shape) or any(count < 0 for count in repeats):
        node.fail(f"has repeats={repeats} for shape {x.shape}, expected one count per axis. Export the model again.")
    node.check_size([length * count for length, count in zip(x.shape, repeats, strict=True)], math.prod(x.shape))
    return node.graph.rearrange(x, lambda array: np.tile(array, repeats))


@converter("Compress", since=9)
def compress(node: OnnxNode) -> Value:
    """The entries along an axis, or of all numbers in a row, where a constant condition holds."""
    x, condition = node.input(0), node.constant(1).astype(bool).reshape(-1)
    axis = node.attribute("axis")
    axis = None if axis is None else node.axis(axis, len(x.shape))
    length = math.prod(x.shape) if axis is None else x.shape[axis]
    if len(condition) > length:
        node.fail(f"has {len(condition)} conditions for {length} entries. Export the model again.")
    return node.graph.rearrange(x, lambda array: np.compress(condition, array, axis))


@converter("ReverseSequence", since=10)
def reverse_sequence(node: OnnxNode) -> Value:
    """For each entry of the batch axis, the first `sequence_lens` entries of the time axis in reverse."""
    x, lengths = node.input(0), node.constant_integers(1)
    batch, time = (node.axis(node.integer(name), len(x.shape)) for name in ("batch_axis", "time_axis"))
    if batch == time or len(lengths) != x.shape[batch] or any(not 0 <= n <= x.shape[time] for n in lengths):
        node.fail(f"has sequence_lens={lengths} for shape {x.shape}. Export the model again.")
    steps = np.array([[*reversed(range(n)), *range(n, x.shape[time])] for n in lengths], np.int64)
    shape = [length if axis in (batch, time) else 1 for axis, length in enumerate(x.shape)]
    order = (steps if batch < time else steps.T).reshape(shape)
    return node.graph.rearrange(x, lambda array: np.take_along_axis(array, np.broadcast_to(order, x.shape), time))


@converter("OneHot", since=9)
def one_hot(node: OnnxNode) -> Value:
    """Of `values` (off, on), the second where an index says so, on a new axis."""
    graph, at, values = node.graph, node.input(0), node.input(2)
    depth = int(node.constant_scalar(1))
    axis = node.axis(node.integer("axis"), len(at.shape) + 1)
    node.check_size((*at.shape, max(depth, 0)))
    if depth < 1 or values.shape != (2,):
        node.fail(f"has depth {depth} and values of shape {values.shape}, expected two values. Export the model again.")
    if isinstance(at, Handle):
        named = graph.rearrange(is_named(graph, at, depth), lambda array: np.moveaxis(array, -1, axis))
        off, on = (values[k] for k in range(2))
        return graph.apply("Where", named, on, off)
    indices = at.astype(np.int64)
    wrapped = np.where(indices < 0, indices + depth, indices)
    is_on = np.moveaxis(wrapped[..., np.newaxis] == np.arange(depth), -1, axis)
    return values[is_on.astype(np.int64)]
