"""Hardmax: a binary for each member of a lane, of which one is 1, and it is the largest by a margin:

z_i - z_j >= d - M (1 - a_i)   for all other j,   sum_i a_i = 1

Where two are nearer than the margin d, no a is possible: which one is the largest would hang on a solver's tolerance.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from fastexpr.formulations.affine import Affine, Array, Indices, entries
from fastexpr.formulations.algebra import Decision
from fastexpr.formulations.margins import usual_margin
from fastexpr.formulations.registry import BoundedNode, emitter


@emitter("Hardmax")
def hardmax(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """1 for the largest of each lane, else 0."""
    attributes, shape = node.operator.attributes, node.operator.shape
    axis, stop = attributes["axis"], attributes["axis"] + attributes["n_axes"]
    sizes = math.prod(shape[:axis]), math.prod(shape[axis:stop]), math.prod(shape[stop:])
    lanes = np.arange(inputs[0].size).reshape(sizes).transpose(0, 2, 1).reshape(-1, sizes[1])
    low, high = builder.bounds[0]
    builder.require_finite(node, low, high)
    algebra, size = builder.algebra, inputs[0].size
    z = builder.compacted(inputs[0], np.full(size, 2 * (lanes.shape[1] - 1)), (low, high))
    d = usual_margin([*low, *high]) if builder.margin is None else builder.margin
    can_win = high[lanes] >= low[lanes].max(axis=1, keepdims=True)
    builder.counts.units += size
    a = algebra.add_columns(np.zeros(size), np.ones(size), True)
    algebra.fillers.append(functools.partial(fill_hardmax, z, lanes, a))
    algebra.tighten(a[lanes[~can_win]], upper=0.0)
    builder.counts.binaries += int(can_win.sum())
    builder.counts.widths.append(high - low)
    sums = entries(len(lanes), algebra.n_columns, np.repeat(np.arange(len(lanes)), lanes.shape[1]), a[lanes.ravel()])
    algebra.add_rows(1.0, sums, 1.0)
    pairs = [(lane[i], lane[j]) for lane in lanes for i in range(len(lane)) for j in range(len(lane)) if i != j]
    if pairs:
        first, second = np.array(pairs).T
        difference = z.taken(first) - z.taken(second)
        M = d - np.minimum(builder.box(difference)[0], d)
        body = difference - entries(len(pairs), algebra.n_columns, np.arange(len(pairs)), a[first], M)
        row = algebra.n_rows
        algebra.add_rows(d - M, body, np.inf)
        room = np.full(len(pairs), 2.0 * d)
        algebra.decisions.append(Decision((node.number,), np.asarray, a, (row, algebra.n_rows), room))
    return entries(size, algebra.n_columns, np.arange(size), a)


def fill_hardmax(z: Affine, lanes: Indices, columns: Indices, values: Array) -> None:
    """Which one is the first largest."""
    numbers = z.at(values)[lanes]
    values[columns] = 0.0
    values[columns[lanes[np.arange(len(lanes)), numbers.argmax(axis=1)]]] = 1.0
