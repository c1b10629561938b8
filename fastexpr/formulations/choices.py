"""Where, comparisons, and products with what is 0 or 1.

Where a choice c ? a : b by the sign of d is continuous, a - b is a multiple k of d, and it is b + k max(d, 0): one
kink (PRelu is written so). Else c is a binary, with a margin around d = 0 where d is no whole number, and c (a - b) is
a column p between  L c <= p <= U c  and  e - U (1 - c) <= p <= e - L (1 - c),  e = a - b between L and U (Glover 1975).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from fastexpr.errors import FormulationError
from fastexpr.formulations.affine import Affine, Array, Indices, Mask, entries, widened
from fastexpr.formulations.algebra import Decision
from fastexpr.formulations.margins import usual_margin
from fastexpr.formulations.piecewise import piecewise
from fastexpr.formulations.registry import BoundedNode, emitter

COMPARISONS = ("Less", "LessOrEqual", "Equal")
EXACT = 1e-12  # relative: numbers of rows that are multiples of each other


def broadcast(z: Affine, shape: Any, to: Any) -> Affine:
    """The units of a node of one shape, in another one."""
    if tuple(shape) == tuple(to):
        return z
    return z.taken(np.broadcast_to(np.arange(z.size).reshape(shape), to).ravel())


@emitter(*COMPARISONS)
def comparison(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """1 where it holds, else 0."""
    first, second = (
        broadcast(z, shape, node.operator.shape) for z, shape in zip(inputs, node.operator.input_shapes, strict=True)
    )
    builder.counts.units += first.size
    difference: Affine = second - first
    if node.operator.name == "Less":
        return positive(builder, node, difference, is_strict=True)
    above = positive(builder, node, difference, is_strict=False)
    if node.operator.name == "LessOrEqual":
        return above
    return above + positive(builder, node, difference, is_strict=False, sign=-1.0) - 1.0


def positive(builder: Any, node: BoundedNode, difference: Affine, is_strict: bool, sign: float = 1.0) -> Affine:
    """1 where d > 0, or d >= 0, else 0, d being sign times the difference: binaries where bounds leave it open."""
    d = difference.scaled(sign)
    algebra = builder.algebra
    low, high = builder.box(d)
    is_whole = builder.whole_units(d)
    is_one = low > 0 if is_strict else low >= 0
    is_zero = high <= 0 if is_strict else high < 0
    units = np.flatnonzero(~is_one & ~is_zero)
    result: Affine = d.kept(np.zeros(d.size, bool)) + is_one.astype(np.float64)
    builder.counts.stable += d.size - units.size
    if not units.size:
        return result
    z, low, high, is_whole = d.taken(units), low[units], high[units], is_whole[units]
    builder.require_finite(node, low, high)
    margin = np.array([usual_margin(pair) for pair in zip(low, high, strict=True)])
    margin = margin if builder.margin is None else np.full(units.size, float(builder.margin))
    least = np.where(is_whole, 1.0 if is_strict else 0.0, margin)  # of d where c is 1
    most = np.where(is_whole, 0.0 if is_strict else -1.0, -margin)  # where it is 0
    c = algebra.add_columns(np.zeros(units.size), np.ones(units.size), True)
    builder.counts.binaries += units.size
    own, places, row = algebra.n_columns, np.arange(units.size), algebra.n_rows
    algebra.add_rows(low, z - entries(units.size, own, places, c, least - low), np.inf)
    algebra.add_rows(-np.inf, z - entries(units.size, own, places, c, high - most), most)
    algebra.fillers.append(functools.partial(fill_positive, z, is_strict, c))
    room = 2.0 * margin * ~is_whole
    shapes = [tuple(shape) for shape in (*node.operator.input_shapes, node.operator.shape)]
    decided = functools.partial(is_positive, shapes, sign, is_strict, units)
    nodes = tuple(node.inputs)
    algebra.decisions.append(Decision(nodes, decided, c, (row, algebra.n_rows), np.append(room, -room)))
    return result + entries(d.size, own, units, c)


def is_positive(shapes: Any, sign: float, is_strict: bool, units: Indices, first: Array, second: Array) -> Array:
    """Of some units, whether sign (second - first) is positive."""
    a, b = (
        np.broadcast_to(z.reshape(shape), shapes[2]).ravel() for z, shape in zip((first, second), shapes, strict=False)
    )
    d = sign * (b - a)[units]
    return np.asarray(d > 0 if is_strict else d >= 0)


def fill_positive(z: Affine, is_strict: bool, columns: Indices, values: Array) -> None:
    """Whether it is positive."""
    numbers = z.at(values)
    values[columns] = numbers > 0 if is_strict else numbers >= 0


@emitter("Where")
def where(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """a where the condition is not 0, else b."""
    shapes, to = node.operator.input_shapes, node.operator.shape
    a, b = (broadcast(z, shape, to) for z, shape in zip(inputs[1:], shapes[1:], strict=True))
    e = a - b
    found = builder.compared(node.inputs[0])
    result, rest = b, np.ones(b.size, bool)
    if found is not None:
        d = broadcast(found, shapes[0], to)
        factor, rest = multiples(e, d)
        low, high = builder.box(d)
        units = np.flatnonzero(~rest)
        slopes = np.column_stack([np.zeros(units.size), factor[units]])
        kinked = piecewise(
            builder, node, d.taken(units), (low[units], high[units]), kinks=[0.0], slopes=slopes, anchor=0.0
        )
        result = result + spread(kinked, units, b.size)
    if rest.any():
        units = np.flatnonzero(rest)
        c = broadcast(builder.needed(node.inputs[0]), shapes[0], to).taken(units)
        result = result + spread(chosen(builder, node, c, e.taken(units)), units, b.size)
    return result


def multiples(e: Affine, d: Affine) -> tuple[Array, Mask]:
    """The factors k of units e = k d, and which units are no such multiple."""
    width = max(e.matrix.shape[1], d.matrix.shape[1])
    E, D = widened(e.matrix, width), widened(d.matrix, width)
    dots, squares = np.asarray((E * D).sum(axis=1)), np.asarray((D * D).sum(axis=1))
    factor = np.where(squares > 0, dots / np.where(squares > 0, squares, 1.0), 0.0)
    gap = e - d.scaled(factor)
    scale = np.asarray(abs(E).max(axis=1).toarray()).ravel() if width else np.zeros(e.size)
    size = 1.0 + np.maximum(scale, abs(e.constant)) + abs(factor) * abs(d.constant)
    largest = np.asarray(abs(gap.matrix).max(axis=1).toarray()).ravel() if gap.matrix.shape[1] else np.zeros(e.size)
    return factor, (largest > EXACT * size) | (abs(gap.constant) > EXACT * size) | (squares == 0)


def spread(z: Affine, units: Indices, size: int) -> Affine:
    """These units in their places, zero elsewhere."""
    grown = entries(size, units.size, units, np.arange(units.size)).matrix @ z.matrix
    constant = np.zeros(size)
    constant[units] = z.constant
    return Affine(grown.tocsr(), constant)


def chosen(builder: Any, node: BoundedNode, c: Affine, e: Affine) -> Affine:
    """c e, unit by unit, where c is an affine function of columns that are 0 or 1."""
    algebra = builder.algebra
    reads = c.matrix.tocoo()
    units, binaries, factors = reads.coords[0], reads.coords[1], reads.data
    if not builder.are_binary(binaries):
        raise FormulationError(
            f"{node} has no linear formulation: it takes a number that is 0 or 1, a comparison for example, and got "
            "one that can be others. What to do: formulation='full-space', or 'external'."
        )
    low, high = builder.box(e)
    builder.require_finite(node, low[units], high[units])
    fixed = e.scaled(c.constant)  # what is there for every choice
    is_number = e.lengths == 0
    result = fixed + entries(
        e.size, algebra.n_columns, units[is_number[units]], binaries[is_number[units]],
        (factors * e.constant[units])[is_number[units]],
    )  # fmt: skip
    units, binaries, factors = (part[~is_number[reads.coords[0]]] for part in (units, binaries, factors))
    if not units.size:
        return result
    z = builder.compacted(e, 2 * np.bincount(units, minlength=e.size), (low, high)).taken(units)
    L, U, places = low[units], high[units], np.arange(units.size)
    p = algebra.add_columns(np.minimum(L, 0.0), np.maximum(U, 0.0))
    own = entries(units.size, algebra.n_columns, places, p)

    def times(numbers: Array) -> Affine:
        return entries(units.size, algebra.n_columns, places, binaries, numbers)

    algebra.add_rows(-np.inf, own - times(U), 0.0)
    algebra.add_rows(0.0, own - times(L), np.inf)
    algebra.add_rows(-np.inf, own - z - times(L), -L)
    algebra.add_rows(-U, own - z - times(U), np.inf)
    algebra.fillers.append(functools.partial(fill_chosen, z, binaries, p))
    return result + entries(e.size, algebra.n_columns, units, p, factors)


def fill_chosen(z: Affine, binaries: Indices, columns: Indices, values: Array) -> None:
    """The product."""
    values[columns] = np.where(values[binaries] > 0.5, z.at(values), 0.0)
