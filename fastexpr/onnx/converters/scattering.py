"""Replacing or changing elements at constant places: ScatterElements, ScatterND."""

from __future__ import annotations

import math

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder, Value
from fastexpr.onnx.converters.comparisons import extreme
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

REDUCTIONS = ("none", "add", "mul", "max", "min")


@converter("ScatterElements", since=11)
@converter("Scatter", since=9)
def scatter_elements(node: OnnxNode) -> Value:
    """y[.., indices[p], ..] = updates[p] along one axis, for every place p of the indices."""
    x, updates = node.input(0), node.input(2)
    axis = node.axis(node.integer("axis"), len(x.shape))
    indices = checked(node, x.shape[axis])
    is_inside = len(indices.shape) == len(x.shape) and all(
        count <= length for k, (count, length) in enumerate(zip(indices.shape, x.shape, strict=True)) if k != axis
    )
    if updates.shape != indices.shape or not is_inside:
        node.fail(
            f"has indices of shape {indices.shape} and updates of shape {updates.shape} for {x.shape}. Export the "
            "model again."
        )
    places: list[Array] = [*np.indices(indices.shape)]
    places[axis] = indices
    return scattered(node, np.asarray(np.ravel_multi_index(tuple(places), x.shape)))


@converter("ScatterND", since=11)
def scatter_nd(node: OnnxNode) -> Value:
    """y[indices[.., 0], indices[.., 1], ..] = updates[..]."""
    x, updates = node.input(0), node.input(2)
    node.constant_integers(1)
    indices = node.constant(1).astype(np.int64)
    depth = indices.shape[-1] if indices.ndim else 0
    if not 1 <= depth <= len(x.shape) or updates.shape != (*indices.shape[:-1], *x.shape[depth:]):
        node.fail(
            f"has indices of shape {indices.shape} and updates of shape {updates.shape} for {x.shape}. Export the "
            "model again."
        )
    lengths = np.array(x.shape[:depth])
    if ((indices < -lengths) | (indices >= lengths)).any():
        node.fail(f"has indices that do not lie in axes of lengths {lengths.tolist()}. Export the model again.")
    places = np.arange(math.prod(x.shape)).reshape(x.shape)
    return scattered(node, places[tuple(np.moveaxis(indices % lengths, -1, 0))])


def checked(node: OnnxNode, length: int) -> Array:
    """Input 1 as constant indices into an axis of this length, counted from its front."""
    node.constant_integers(1)
    indices = node.constant(1).astype(np.int64)
    if indices.size and not -length <= indices.min() <= indices.max() < length:
        node.fail(f"has indices that do not lie in an axis of length {length}. Export the model again.")
    return indices % max(length, 1)


def scattered(node: OnnxNode, places: Array) -> Value:
    """Input 0 with the numbers of input 2 at these flat places: put there, or combined with what is there."""
    graph, x = node.graph, node.input(0)
    reduction = node.attribute("reduction") or "none"
    if reduction not in REDUCTIONS:
        node.fail(f"has reduction={reduction!r}, expected one of {REDUCTIONS}. Export the model again.")
    flat, updates = (graph.reshape(value, (math.prod(value.shape),)) for value in (x, node.input(2)))
    targets = places.reshape(-1)
    if reduction == "none":
        return graph.reshape(placed(graph, flat, updates, targets), x.shape)
    for chosen in rounds(targets):
        at = targets[chosen]
        old = graph.rearrange(flat, lambda array, at=at: array[at])  # type: ignore[misc]
        new = graph.rearrange(updates, lambda array, chosen=chosen: array[chosen])  # type: ignore[misc]
        flat = placed(graph, flat, combine(graph, reduction, old, new), at)
    return graph.reshape(flat, x.shape)


def rounds(targets: Array) -> list[Array]:
    """Positions of the updates, in groups in which no target is there twice."""
    order = np.argsort(targets, kind="stable")
    ordered = targets[order]
    first = np.searchsorted(ordered, ordered)
    turn = np.arange(len(targets)) - first  # how many updates of the same target come before
    return [order[turn == k] for k in range(int(turn.max(initial=-1)) + 1)]


def combine(graph: GraphBuilder, reduction: str, old: Value, new: Value) -> Value:
    """What is there, and what comes."""
    if reduction in ("add", "mul"):
        return graph.arithmetic(reduction.capitalize(), old, new)
    return extreme(graph, reduction.capitalize(), old, new)


def placed(graph: GraphBuilder, flat: Value, updates: Value, targets: Array) -> Value:
    """The flat numbers with the updates at their targets; where there are several, the last."""
    joined = graph.concatenate([flat, updates], 0)
    places = np.arange(flat.shape[0])
    places[targets] = flat.shape[0] + np.arange(len(targets))
    return graph.rearrange(joined, lambda array: array[places])
