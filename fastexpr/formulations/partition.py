"""One kink by a partition of the argument (Tsay, Kronqvist, Thebelt and Misener, "Partition-based formulations for
mixed-integer optimization of trained ReLU neural networks", 2021).

The argument d = z_1 + ... + z_N + b is a sum of parts, weights of like size together. With a binary q, 1 where d <= 0,
and a share a_n of each part,

    w = sum_n (z_n - a_n) + (1 - q) b >= 0            sum_n a_n + q b <= 0
    q L_n <= a_n <= q U_n                             (1 - q) L_n <= z_n - a_n <= (1 - q) U_n

is w = max(d, 0): between "bigm" (N = 1) and the convex hull (a part for each number). The bounds of d itself may be
tighter than those of its parts: the rows of "bigm" are there, too, so that the relaxation is never looser.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import scipy.sparse

from fastexpr.formulations.affine import Affine, Array, Indices, entries

N_PARTS = 2


def partitioned(builder: Any, d: Affine, lower: Array, upper: Array) -> Affine:
    """max(d, 0), where lower < 0 < upper are the bounds of d."""
    algebra, size, units = builder.algebra, d.size, np.arange(d.size)
    parts, owner = parts_of(d)
    low, high = builder.box(parts)
    q = algebra.add_columns(np.zeros(size), np.ones(size), True)
    a = algebra.add_columns(np.minimum(low, 0.0), np.maximum(high, 0.0))
    w = algebra.add_columns(np.zeros(size), upper)
    builder.counts.binaries += size
    algebra.fillers.append(functools.partial(fill_partition, d, parts, owner, q, a, w))

    def times(numbers: Array) -> Affine:
        return entries(owner.size, algebra.n_columns, np.arange(owner.size), q[owner], numbers)

    result = entries(size, algebra.n_columns, units, w)
    share = entries(owner.size, algebra.n_columns, np.arange(owner.size), a)
    b = d.constant
    total = entries(size, algebra.n_columns, owner, a) + entries(size, algebra.n_columns, units, q, b)
    algebra.add_rows(-np.inf, total, 0.0)
    algebra.add_rows(0.0, result - d + total, 0.0)
    algebra.add_rows(-np.inf, share - times(high), 0.0)
    algebra.add_rows(0.0, share - times(low), np.inf)
    algebra.add_rows(-np.inf, parts - share + times(high), high)
    algebra.add_rows(low, parts - share + times(low), np.inf)
    algebra.add_rows(-np.inf, result + entries(size, algebra.n_columns, units, q, upper), upper)
    algebra.add_rows(-np.inf, result - d + entries(size, algebra.n_columns, units, q, lower), 0.0)
    return result


def parts_of(d: Affine) -> tuple[Affine, Indices]:
    """The parts of all units, without their constants, and whose each one is."""
    lengths, data = d.lengths, d.matrix.data
    unit = np.repeat(np.arange(d.size), lengths)
    order = np.lexsort((data, unit))
    rank = np.arange(data.size) - d.matrix.indptr[unit]
    key = unit * N_PARTS + rank * N_PARTS // lengths[unit]
    begins = np.flatnonzero(np.diff(key, prepend=-1))
    starts = np.append(begins, data.size)
    shape = (begins.size, d.matrix.shape[1])
    matrix = scipy.sparse.csr_array((data[order], d.matrix.indices[order], starts), shape=shape)
    return Affine(matrix, np.zeros(begins.size)), unit[begins]


def fill_partition(d: Affine, parts: Affine, owner: Indices, q: Indices, a: Indices, w: Indices, values: Array) -> None:
    """Binaries, shares and results."""
    numbers = d.at(values)
    values[q] = numbers <= 0.0
    values[a] = np.where(numbers[owner] <= 0.0, parts.at(values), 0.0)
    values[w] = np.maximum(numbers, 0.0)
