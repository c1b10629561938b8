"""Replacing or changing elements: ScatterElements, ScatterND."""

from __future__ import annotations

import math

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.converters.positions import combine, flat_places, scattered_at
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

REDUCTIONS = ("none", "add", "mul", "max", "min")


@converter("ScatterElements", since=11)
@converter("Scatter", since=9)
def scatter_elements(node: OnnxNode) -> Value:
    """y[.., indices[p], ..] = updates[p] along one axis, for every place p of the indices."""
    x, updates = node.input(0), node.input(2)
    axis = node.axis(node.integer("axis"), len(x.shape))
    at = node.input(1)
    indices = at if isinstance(at, Handle) else checked(node, x.shape[axis])
    is_inside = len(indices.shape) == len(x.shape) and all(
        count <= length for k, (count, length) in enumerate(zip(indices.shape, x.shape, strict=True)) if k != axis
    )
    if updates.shape != indices.shape or not is_inside:
        node.fail(
            f"has indices of shape {indices.shape} and updates of shape {updates.shape} for {x.shape}. Export the "
            "model again."
        )
    if isinstance(indices, Handle):
        return scattered_along(node, indices, axis)
    places: list[Array] = [*np.indices(indices.shape)]
    places[axis] = indices
    return scattered(node, np.asarray(np.ravel_multi_index(tuple(places), x.shape)))


@converter("ScatterND", since=11)
def scatter_nd(node: OnnxNode) -> Value:
    """y[indices[.., 0], indices[.., 1], ..] = updates[..]."""
    x, updates, indices = node.input(0), node.input(2), node.input(1)
    depth = indices.shape[-1] if indices.shape else 0
    if not 1 <= depth <= len(x.shape) or updates.shape != (*indices.shape[:-1], *x.shape[depth:]):
        node.fail(
            f"has indices of shape {indices.shape} and updates of shape {updates.shape} for {x.shape}. Export the "
            "model again."
        )
    if isinstance(indices, Handle):
        return scattered_tuples(node, indices)
    indices, lengths = node.constant(1).astype(np.int64), np.array(x.shape[:depth])
    if ((indices < -lengths) | (indices >= lengths)).any():
        node.fail(f"has indices that do not lie in axes of lengths {lengths.tolist()}. Export the model again.")
    places = np.arange(math.prod(x.shape)).reshape(x.shape)
    return scattered(node, places[tuple(np.moveaxis(indices % lengths, -1, 0))])


def reduction_of(node: OnnxNode) -> str:
    """How an update is combined with what is there."""
    reduction = node.attribute("reduction") or "none"
    if reduction not in REDUCTIONS:
        node.fail(f"has reduction={reduction!r}, expected one of {REDUCTIONS}. Export the model again.")
    return str(reduction)


def scattered_along(node: OnnxNode, indices: Handle, axis: int) -> Value:
    """ScatterElements at places that depend on x."""
    graph, x, updates = node.graph, node.input(0), node.input(2)
    is_whole = [k == axis or a == b for k, (a, b) in enumerate(zip(indices.shape, x.shape, strict=True))]
    if not all(is_whole):
        node.fail_not_constant(
            indices,
            f"has indices that depend on the network's inputs, of shape {indices.shape} for {x.shape}: expected equal "
            f"axes but for axis {axis}. Export the model again.",
        )
    parts = [graph.rearrange(value, lambda array: np.moveaxis(array, axis, -1)) for value in (x, indices, updates)]
    stack = math.prod(parts[0].shape[:-1])
    flat, at, new = (part.reshape((stack, part.shape[-1], 1)) for part in parts)
    y = scattered_at(node, flat, at.reshape(at.shape[:2]), new, reduction_of(node))  # type: ignore[arg-type]
    return graph.rearrange(y.reshape(parts[0].shape), lambda array: np.moveaxis(array, -1, axis))


def scattered_tuples(node: OnnxNode, indices: Handle) -> Value:
    """ScatterND at places that depend on x."""
    x, depth = node.input(0), indices.shape[-1]
    count = math.prod(indices.shape[:-1])
    length, width = math.prod(x.shape[:depth]), math.prod(x.shape[depth:])
    at = flat_places(node, indices, x.shape[:depth]).reshape((1, count))
    flat, updates = x.reshape((1, length, width)), node.input(2).reshape((1, count, width))
    return scattered_at(node, flat, at, updates, reduction_of(node)).reshape(x.shape)  # type: ignore[arg-type]


def checked(node: OnnxNode, length: int) -> Array:
    """Input 1 as constant indices into an axis of this length, counted from its front."""
    indices = node.integer_array(1).astype(np.int64)
    if indices.size and not -length <= indices.min() <= indices.max() < length:
        node.fail(f"has indices that do not lie in an axis of length {length}. Export the model again.")
    return indices % max(length, 1)


def scattered(node: OnnxNode, places: Array) -> Value:
    """Input 0 with the numbers of input 2 at these flat places: put there, or combined with what is there."""
    graph, x = node.graph, node.input(0)
    reduction = reduction_of(node)
    flat, updates = (value.reshape((math.prod(value.shape),)) for value in (x, node.input(2)))
    targets = places.reshape(-1)
    if reduction == "none":
        return placed(graph, flat, updates, targets).reshape(x.shape)
    for chosen in rounds(targets):
        at = targets[chosen]
        old = flat[at]
        new = updates[chosen]
        flat = placed(graph, flat, combine(graph, reduction, old, new), at)
    return flat.reshape(x.shape)


def rounds(targets: Array) -> list[Array]:
    """Positions of the updates, in groups in which no target is there twice."""
    order = np.argsort(targets, kind="stable")
    ordered = targets[order]
    first = np.searchsorted(ordered, ordered)
    turn = np.arange(len(targets)) - first  # how many updates of the same target come before
    return [order[turn == k] for k in range(int(turn.max(initial=-1)) + 1)]


def placed(graph: GraphBuilder, flat: Value, updates: Value, targets: Array) -> Value:
    """The flat numbers with the updates at their targets; where there are several, the last."""
    joined = graph.concatenate([flat, updates], 0)
    places = np.arange(flat.shape[0])
    places[targets] = flat.shape[0] + np.arange(len(targets))
    return joined[places]
