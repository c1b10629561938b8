"""Max, Min and the largest of several: max(a, b) = b + max(a - b, 0), several of them in rounds, two by two."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastexpr.formulations.affine import Affine
from fastexpr.formulations.piecewise import Bounds, piecewise
from fastexpr.formulations.registry import BoundedNode, emitter


@emitter("Max", "Min")
def extreme(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """The larger, or the smaller one, with NumPy's broadcasting."""
    sign = 1.0 if node.operator.name == "Max" else -1.0
    pair: list[tuple[Affine, Bounds]] = []
    for z, (low, high), shape in zip(inputs, builder.bounds, node.operator.input_shapes, strict=True):
        units = np.broadcast_to(np.arange(z.size).reshape(shape), node.operator.shape).ravel()
        bounds = (low[units], high[units]) if sign > 0 else (-high[units], -low[units])
        pair.append((z.taken(units).scaled(sign), bounds))
    return larger(builder, node, *pair)[0].scaled(sign)


@emitter("ReduceMax")
def reduce_max(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """The largest of each lane."""
    attributes, shape = node.operator.attributes, node.operator.input_shapes[0]
    axis, stop = attributes["axis"], attributes["axis"] + attributes["n_axes"]
    lanes = np.arange(inputs[0].size).reshape(
        math.prod(shape[:axis]), math.prod(shape[axis:stop]), math.prod(shape[stop:])
    )
    low, high = builder.bounds[0]
    found: list[tuple[Affine, Bounds]] = []
    for member in range(lanes.shape[1]):
        units = lanes[:, member].ravel()
        found.append((inputs[0].taken(units), (low[units], high[units])))
    while len(found) > 1:
        rest = found[len(found) // 2 * 2 :]
        found = [larger(builder, node, *found[k : k + 2]) for k in range(0, len(found) - 1, 2)] + rest
    return found[0][0]


def larger(
    builder: Any, node: BoundedNode, first: tuple[Affine, Bounds], second: tuple[Affine, Bounds]
) -> tuple[Affine, Bounds]:
    """max(a, b), and its bounds."""
    (a, (a_low, a_high)), (b, (b_low, b_high)) = first, second
    difference = a - b
    low, high = builder.box(difference)
    low, high = np.maximum(low, a_low - b_high), np.minimum(high, a_high - b_low)
    positive = piecewise(builder, node, difference, (low, high), kinks=[0.0], slopes=[0.0, 1.0], anchor=0.0)
    return b + positive, (np.maximum(a_low, b_low), np.maximum(a_high, b_high))
