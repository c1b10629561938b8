"""Units that are piecewise linear in one argument.

With kinks t_1 < ... < t_k inside the bounds l, u of the argument z, and slopes c_0, ..., c_k,

    z = t_1 - s + w_1 + ... + w_k        f(z) = f(t_1) - c_0 s + c_1 w_1 + ... + c_k w_k
    0 <= s <= t_1 - l,   0 <= w_j <= t_{j+1} - t_j  (the last one: u - t_k)

is the function where the parts are filled one after another: s = 0 or w_1 = 0, and w_j is full or w_{j+1} = 0. Binaries
a_1 >= ... >= a_k say which ones are: s <= (t_1 - l) (1 - a_1), w_1 <= (t_2 - t_1) a_1, (t_2 - t_1) a_2 <= w_1, ...: the
incremental formulation (Markowitz and Manne 1957; Vielma 2015). Of a ReLU: w - s = z, w <= u a, s <= -l (1 - a).
With pairs of which one is zero (SOS constraints of type 1, complementarities) instead of binaries, or relaxed: of a
convex f, from below, that is exact. One kink may be written by `partition`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from fastexpr.errors import FormulationError
from fastexpr.formulations.affine import Affine, Array, Indices, entries
from fastexpr.formulations.partition import partitioned
from fastexpr.formulations.registry import BoundedNode, emitter

Bounds = tuple[Array, Array]


@emitter("Relu")
def relu(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """max(z, 0)"""
    return piecewise(builder, node, inputs[0], builder.bounds[0], kinks=[0.0], slopes=[0.0, 1.0], anchor=0.0)


@emitter("LeakyRelu")
def leaky_relu(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """z for z > 0, else alpha z"""
    slopes = [node.operator.attributes["alpha"], 1.0]
    return piecewise(builder, node, inputs[0], builder.bounds[0], kinks=[0.0], slopes=slopes, anchor=0.0)


@emitter("PRelu")
def prelu(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """z for z > 0, else w z, with NumPy's broadcasting of slopes w that are numbers"""
    z, w = inputs
    if w.matrix.nnz:
        raise FormulationError(
            f"[PRelu {node.label!r}] its slopes depend on the inputs of the network: got a product of variables, "
            "expected slopes that are numbers. What to do: NetworkBlock without formulation=."
        )
    of_z, of_w = (np.broadcast_to(np.arange(u.size).reshape(shape), node.operator.shape).ravel()
                  for u, shape in zip(inputs, node.operator.input_shapes, strict=True))  # fmt: skip
    slopes = np.column_stack([w.constant[of_w], np.ones(of_w.size)])
    low, high = builder.bounds[0]
    return piecewise(builder, node, z.taken(of_z), (low[of_z], high[of_z]), kinks=[0.0], slopes=slopes, anchor=0.0)


@emitter("Abs")
def absolute(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """|z|"""
    return piecewise(builder, node, inputs[0], builder.bounds[0], kinks=[0.0], slopes=[-1.0, 1.0], anchor=0.0)


@emitter("Clip")
def clip(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """min(max(z, low), high)"""
    low = float(node.operator.attributes.get("lower", -np.inf))
    high = float(node.operator.attributes.get("upper", np.inf))
    return clipped(builder, node, inputs[0], builder.bounds[0], min(low, high), high)


@emitter("HardSigmoid")
def hard_sigmoid(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """min(max(alpha z + beta, 0), 1)"""
    alpha, beta = node.operator.attributes["alpha"], node.operator.attributes["beta"]
    low, high = builder.bounds[0]
    ends = np.sort([alpha * low + beta, alpha * high + beta], axis=0) if alpha else np.full((2, low.size), beta)
    return clipped(builder, node, inputs[0].scaled(alpha) + beta, (ends[0], ends[1]), 0.0, 1.0)


def clipped(builder: Any, node: BoundedNode, z: Affine, bounds: Bounds, low: float, high: float) -> Affine:
    """min(max(z, low), high)"""
    if low >= high:  # high everywhere
        return z.kept(np.zeros(z.size, bool)) + np.full(z.size, high)
    if low == -np.inf and high == np.inf:
        return z
    kinks = [limit for limit in (low, high) if np.isfinite(limit)]
    slopes = [0.0, 1.0, 0.0][0 if np.isfinite(low) else 1 : 3 if np.isfinite(high) else 2]
    return piecewise(builder, node, z, bounds, kinks=kinks, slopes=slopes, anchor=kinks[0])


def piecewise(
    builder: Any, node: BoundedNode, z: Affine, bounds: Bounds, kinks: Any, slopes: Any, anchor: Any
) -> Affine:
    """f(z), unit by unit.

    Parameters
    ----------
    builder : Builder
    node : Node
        For messages.
    z : Affine
    bounds : two (size,) arrays
        Of z.
    kinks : (k,) or (size, k) array
        Ascending.
    slopes : (k + 1,) or (size, k + 1) array
        Before the first kink, between them, and behind the last one.
    anchor : float or (size,) array
        f at the first kink.
    """
    lower, upper = bounds
    kinks = np.broadcast_to(np.asarray(kinks, np.float64), (z.size, np.shape(kinks)[-1]))
    slopes = np.broadcast_to(np.asarray(slopes, np.float64), (z.size, kinks.shape[1] + 1))
    steps = np.diff(kinks, axis=1) * slopes[:, 1:-1]
    at_kinks = np.cumsum(np.column_stack([np.broadcast_to(anchor, z.size), steps]), axis=1)
    first = (kinks <= lower[:, None]).sum(axis=1)  # kinks first .. stop - 1 are inside
    stop = np.maximum((kinks < upper[:, None]).sum(axis=1), first)
    is_stable = first == stop
    units = np.arange(z.size)
    nearest = np.maximum(first - 1, 0)
    slope = np.where(is_stable, slopes[units, first], 0.0)
    constant = np.where(is_stable, at_kinks[units, nearest] - slope * kinks[units, nearest], 0.0)
    result = z.scaled(slope)
    result.matrix.eliminate_zeros()
    result = result + constant
    builder.counts.units += z.size
    builder.counts.stable += int(is_stable.sum())
    builder.counts.widths.append((upper - lower)[~is_stable])
    for a, b in sorted(set(zip(first[~is_stable].tolist(), stop[~is_stable].tolist(), strict=True))):
        here = np.flatnonzero(~is_stable & (first == a) & (stop == b))
        part = filled(builder, node, z.taken(here), lower[here], upper[here], kinks[here, a:b], slopes[here, a : b + 1])
        grown = entries(z.size, here.size, here, np.arange(here.size)).matrix @ part.matrix
        constant = np.zeros(z.size)
        constant[here] = part.constant + at_kinks[here, a]
        result = result + Affine(grown.tocsr(), constant)
    return result


def filled(
    builder: Any, node: BoundedNode, z: Affine, lower: Array, upper: Array, kinks: Array, slopes: Array
) -> Affine:
    """f(z) - f(t_1) for units that have all these kinks inside: kinks (units, k), slopes (units, k + 1)."""
    size, k = kinks.shape
    if builder.kinks == "bigm" or (builder.kinks == "pairs" and k > 1):
        builder.require_finite(node, lower, upper)
    if builder.formulation == "partition" and k == 1:
        d = z - kinks[:, 0]
        w = partitioned(builder, d, lower - kinks[:, 0], upper - kinks[:, 0])
        below: Affine = d.scaled(slopes[:, 0])
        return below + w.scaled(slopes[:, 1] - slopes[:, 0])
    algebra, units = builder.algebra, np.arange(size)
    ends = np.column_stack([kinks, upper])
    lengths = np.column_stack([kinks[:, 0] - lower, np.diff(ends, axis=1)])  # of s, w_1, ..., w_k
    parts = [algebra.add_columns(np.zeros(size), lengths[:, j]) for j in range(k + 1)]

    def row(*terms: tuple[Indices, Any]) -> Affine:
        place = [(units, columns, np.broadcast_to(numbers, size)) for columns, numbers in terms]
        return entries(size, algebra.n_columns, *(np.concatenate(entry) for entry in zip(*place, strict=True)))

    sums = row((parts[0], -1.0), *((part, 1.0) for part in parts[1:]))
    algebra.add_rows(kinks[:, 0], z - sums, kinks[:, 0])
    algebra.fillers.append(functools.partial(fill_parts, z, kinks, lengths, parts))
    if builder.kinks == "pairs":
        add_pairs(builder, lengths, parts, row)
    else:
        is_open = ~np.isfinite(lengths).all(axis=1)  # only of what is relaxed
        builder.counts.binaries += 0 if builder.kinks == "relaxed" else size * k
        if not is_open.any():
            add_binaries(builder, z, kinks, lengths, parts, row)
    factors = np.column_stack([-slopes[:, 0], slopes[:, 1:]])
    value = row(*((part, factors[:, j]) for j, part in enumerate(parts)))
    value.matrix.eliminate_zeros()
    return value


def add_binaries(builder: Any, z: Affine, kinks: Array, lengths: Array, parts: list[Indices], row: Any) -> None:
    """a_1, ..., a_k, and which parts may hold something; relaxed, they are numbers between 0 and 1."""
    algebra, size = builder.algebra, z.size
    for j in range(1, len(parts)):
        a = algebra.add_columns(np.zeros(size), np.ones(size), builder.kinks == "bigm")
        algebra.fillers.append(functools.partial(fill_binaries, z, kinks[:, j - 1], a))
        if j == 1:
            algebra.add_rows(-np.inf, row((parts[0], 1.0), (a, lengths[:, 0])), lengths[:, 0])
        else:
            algebra.add_rows(0.0, row((parts[j - 1], 1.0), (a, -lengths[:, j - 1])), np.inf)
        algebra.add_rows(-np.inf, row((parts[j], 1.0), (a, -lengths[:, j])), 0.0)


def add_pairs(builder: Any, lengths: Array, parts: list[Indices], row: Any) -> None:
    """s or w_1 is zero; what w_j lacks, or w_{j+1}, is zero."""
    algebra = builder.algebra
    algebra.pairs.append(np.column_stack(parts[:2]))
    for j in range(1, len(parts) - 1):
        lacks = algebra.add_columns(np.zeros(len(lengths)), lengths[:, j])
        algebra.fillers.append(functools.partial(fill_lacks, lengths[:, j], parts[j], lacks))
        algebra.add_rows(lengths[:, j], row((parts[j], 1.0), (lacks, 1.0)), lengths[:, j])
        algebra.pairs.append(np.column_stack([lacks, parts[j + 1]]))


def fill_parts(z: Affine, kinks: Array, lengths: Array, parts: list[Indices], values: Array) -> None:
    """s, w_1, ..., w_k of an argument."""
    argument = z.at(values)
    values[parts[0]] = np.maximum(kinks[:, 0] - argument, 0.0)
    for j, part in enumerate(parts[1:]):
        values[part] = np.clip(argument - kinks[:, j], 0.0, lengths[:, j + 1])


def fill_binaries(z: Affine, kinks: Array, columns: Indices, values: Array) -> None:
    """Whether an argument is beyond a kink."""
    values[columns] = z.at(values) > kinks


def fill_lacks(lengths: Array, part: Indices, columns: Indices, values: Array) -> None:
    """What a part lacks."""
    values[columns] = lengths - values[part]
