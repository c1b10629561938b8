"""Constant masks: numbers of a value replaced by a constant, so that nothing depends on what they were."""

from __future__ import annotations

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter


def chosen(graph: GraphBuilder, is_kept: Array, value: Value, other: Array) -> Value:
    """is_kept ? value : other, with broadcasting."""
    shape = np.broadcast_shapes(is_kept.shape, value.shape, other.shape)
    is_kept = np.broadcast_to(is_kept, shape)
    if is_kept.all():
        return graph.rearrange(value, lambda array: np.broadcast_to(array, shape))
    numbers, which = np.unique(np.broadcast_to(other, shape)[~is_kept], return_inverse=True)
    if isinstance(value, np.ndarray):
        return np.where(is_kept, value, other)
    size = int(np.prod(value.shape, dtype=np.int64))
    joined = graph.concatenate([value.reshape((size,)), numbers], 0)
    places = np.broadcast_to(np.arange(size).reshape(value.shape), shape).copy()
    places[~is_kept] = size + which
    return joined[places]


def add_mask(graph: GraphBuilder, value: Value, mask: Array) -> Value:
    """value + mask; where the mask is -inf, so is the result, whatever the value."""
    is_kept = mask != -np.inf
    numbers = np.where(is_kept, mask, 0.0)
    added = value + numbers if numbers.any() else value
    return chosen(graph, is_kept, added, np.full((), -np.inf))


def masked_softmax(graph: GraphBuilder, x: Value, axis: int, empty: float = np.nan) -> Value:
    """Softmax along one axis: 0 where x is known to be -inf, and `empty` where all of x is.

    Neither depends on x: what a mask leaves out is left out of the derivatives, and of their sparsity.
    """
    if not isinstance(x, Handle):
        shifted = np.exp(x - x.max(axis=axis, keepdims=True))
        weights = shifted / shifted.sum(axis=axis, keepdims=True)
        return np.where((x == -np.inf).all(axis=axis, keepdims=True), empty, weights)
    mask = graph.masked.get(x.id)
    if mask is None:
        return graph.apply("Softmax", x, axis=axis, n_axes=1)
    is_kept = mask == 0
    is_empty = ~is_kept.any(axis=axis, keepdims=True)
    logits = chosen(graph, ~is_empty, x, np.zeros(())) if is_empty.any() else x  # no NaN inside
    weights = graph.apply("Softmax", logits, axis=axis, n_axes=1)
    return chosen(graph, is_kept, weights, np.where(is_empty, empty, 0.0))


@converter("Trilu", since=14)
def trilu(node: OnnxNode) -> Value:
    """The upper or lower triangle of the last two axes, from the k-th diagonal on; 0 elsewhere."""
    x = node.input(0)
    if len(x.shape) < 2:
        node.fail(f"has an input of shape {x.shape}, expected two axes or more. Export the model again.")
    k = int(node.constant_scalar(1)) if node.has_input(1) else 0
    ones = np.ones(x.shape[-2:], bool)
    return chosen(node.graph, np.triu(ones, k) if node.integer("upper") else np.tril(ones, k), x, np.zeros(()))
