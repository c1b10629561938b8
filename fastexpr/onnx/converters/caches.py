"""TensorScatter: keys and values of new tokens are put into a cache."""

from __future__ import annotations

import math

import numpy as np

from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

MODES = ("linear", "circular")


@converter("TensorScatter", since=24)
def tensor_scatter(node: OnnxNode) -> Value:
    """The cache (batch, .., length, ..) with the update from write_indices[batch] on along `axis`; circular: what goes
    past the end starts at 0.

    The write indices must be constant.
    """
    graph, cache, update = node.graph, node.input(0), node.input(1)
    rank = len(cache.shape)
    axis = node.axis(node.integer("axis"), rank)
    starts = node.constant_integers(2) if node.has_input(2) else [0] * cache.shape[0]
    rests = [(len(value.shape), value.shape[:axis], value.shape[axis + 1 :]) for value in (cache, update)]
    if axis == 0 or rests[0] != rests[1] or len(starts) != cache.shape[0] or node.attribute("mode") not in MODES:
        node.fail(
            f"cannot put {update.shape} into {cache.shape} along axis {axis} with {len(starts)} write indices and mode="
            f"{node.attribute('mode')!r}. Export the model again."
        )
    length = cache.shape[axis]
    size = math.prod(cache.shape)
    places = np.arange(size).reshape(cache.shape)
    new = size + np.arange(math.prod(update.shape)).reshape(update.shape)
    for batch, start in enumerate(starts):
        positions = start + np.arange(update.shape[axis])
        if node.attribute("mode") == "circular":
            positions %= length
        if positions.size > length or (positions < 0).any() or (positions >= length).any():
            node.fail(f"writes from {start} on past the end of axis {axis}, {length}. Export the model again.")
        places[batch][(slice(None),) * (axis - 1) + (positions,)] = new[batch]
    joined = graph.concatenate([value.reshape((math.prod(value.shape),)) for value in (cache, update)], 0)
    return joined[places]
