"""Where thresholds cut the range of one feature, and the binaries that say on which side of each it is.

y_g = 1 where x is at most the cut g, and y_1 <= y_2 <= ...: exactly one interval between cuts follows, and x is in it:

    sum_k L_k (y_k - y_{k-1}) <= x <= sum_k R_k (y_k - y_{k-1})        y_0 = 0, y_{last} = 1

one row for each side, the convex hull of the intervals. L_k and R_k keep a margin from the cuts; whole numbers need
none.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastexpr.formulations.affine import Affine, Array, Indices, entries
from fastexpr.formulations.margins import margins_of
from fastexpr.formulations.registry import BoundedNode

NARROW = 1e-9  # of the size of their numbers: cuts that are nearer to each other are one


@dataclass
class Cuts:
    """The cuts of one feature.

    Attributes
    ----------
    x : Affine of size 1
    first, last : (g,) arrays
        Of each group of cuts that are one, the least and the largest: "at most `first`" is left of it, "more than
        `last`" right of it. Nothing is between them.
    lower, upper : float
        Bounds of x.
    is_integer : bool
    columns : (g,) array
        The binaries.
    rows : (int, int)
        The rows that bound x from below, and from above.
    margin : float
        The largest one.
    source : (int, int)
        The node that holds x, and its unit.
    holes : (g, 2) array
        Around or behind each group, what was left out: x is more than the first number and at most the second.
    scale : (factor, shift)
        What the trees compare is factor * x + shift, where x is a whole number and that is none.
    """

    x: Affine
    first: Array
    last: Array
    lower: float
    upper: float
    is_integer: bool
    columns: Indices
    rows: tuple[int, int]
    margin: float
    source: tuple[int, int]
    holes: Array
    scale: tuple[float, float] = (1.0, 0.0)

    def groups_of(self, cuts: Array) -> Indices:
        """The groups of cuts inside the bounds."""
        return np.searchsorted(self.last, whole_cuts(cuts, self.scale) if self.is_integer else cuts)

    def interval_of(self, x: float) -> int:
        """Between which groups x is: 0 before the first."""
        return int(np.searchsorted(self.last, x, side="left"))

    def chosen(self, values: Array) -> int:
        """The interval that the binaries say."""
        return int(np.count_nonzero(values[self.columns] < 0.5))

    def walls(self, interval: int) -> tuple[float, float]:
        """Of an interval: x is more than the first and at most the second; infinite where its end is a bound of x."""
        return (
            float(self.last[interval - 1]) if interval > 0 else -np.inf,
            float(self.first[interval]) if interval < len(self.first) else np.inf,
        )


def whole_cuts(cuts: Array, scale: tuple[float, float]) -> Array:
    """The largest whole numbers k with factor * k + shift <= cut."""
    factor, shift = scale
    k = np.floor((cuts - shift) / factor)
    k = np.where(factor * (k + 1.0) + shift <= cuts, k + 1.0, k)
    return np.where(factor * k + shift > cuts, k - 1.0, k)


def whole_number(builder: Any, x: Affine) -> tuple[Affine, tuple[float, float]] | None:
    """A whole number of which x is a multiple, and how; None where x is no function of one integer column."""
    columns, numbers = x.matrix.indices, x.matrix.data
    if columns.size != 1 or not builder.algebra.is_integer[columns[0]]:
        return None
    sign = float(np.sign(numbers[0]))
    own = entries(1, x.matrix.shape[1], [0], columns, sign)
    return own, (abs(float(numbers[0])), float(x.constant[0]))


def add_cuts(
    builder: Any,
    node: BoundedNode,
    x: Affine,
    numbers: Any,
    bounds: tuple[float, float],
    is_integer: bool,
    source: tuple[int, int],
) -> Cuts:
    """Binaries and rows for the cuts of one feature.

    Parameters
    ----------
    builder : Builder
    node : BoundedNode
        For messages.
    x : Affine of size 1
    numbers : (k,) array
        Cuts inside the bounds, in any order.
    bounds : pair of float
    is_integer : bool
        Whether x is a whole number.
    source : (int, int)
        The node that holds x, and its unit.
    """
    lower, upper = bounds
    scale = (1.0, 0.0)
    if not is_integer and (found := whole_number(builder, x)) is not None:  # scaled, of a pipeline for example
        (x, scale), is_integer = found, True
        lower, upper = (round((bound - scale[1]) / scale[0], 9) for bound in bounds)
    cuts = np.unique(whole_cuts(numbers, scale) if is_integer else numbers)
    first, last = groups_of(cuts, is_integer)
    n_closed = cuts.size - first.size
    if n_closed:
        builder.counts.notes.append(
            f"{node} {n_closed} intervals between thresholds are left out: they are narrower than {NARROW:g} of the "
            "thresholds' size, and no solver can stay inside."
        )
    builder.require_finite(node, np.array([lower]), np.array([upper]))
    if is_integer:
        margin_before, margin_behind = np.zeros(first.size), np.ones(first.size)
    else:
        usual = np.minimum(margins_of(first, lower, upper), margins_of(last, lower, upper))
        margin_before = margin_behind = usual if builder.margin is None else np.full(first.size, float(builder.margin))
    L = np.concatenate([[lower], np.minimum(last + margin_behind, upper)])
    R = np.concatenate([np.maximum(first - margin_before, lower), [upper]])
    algebra, size = builder.algebra, first.size
    y = algebra.add_columns(np.zeros(size), np.ones(size), True)
    builder.counts.binaries += size
    is_empty = R + 1e-15 * np.maximum(1.0, np.abs(R)) < L  # where the margin is wider than the interval
    L = np.minimum(L, R)
    row = algebra.n_rows
    add_rows(algebra, x, y, L, R, is_empty)
    # Bounds that were widened by rounding leave cuts open that are none: at the last number, or before the first.
    room = 0.0 if is_integer else NARROW * max(1.0, abs(upper))
    algebra.tighten(y[last >= upper - room], lower=1.0)
    algebra.tighten(y[first < lower], upper=0.0)
    if is_empty[0]:
        algebra.tighten(y[:1], upper=0.0)
    if is_empty[-1]:
        algebra.tighten(y[-1:], lower=1.0)
    if is_empty.any():
        builder.counts.notes.append(
            f"{node} {int(is_empty.sum())} intervals between thresholds are left out: the margin is wider."
        )
    algebra.fillers.append(functools.partial(fill_cuts, x, last, y))
    margin = float(max(margin_before.max(initial=0.0), margin_behind.max(initial=0.0)))
    holes = np.column_stack([first, np.where(is_empty[1:], np.append(first[1:], upper), last)])
    holes[0, 0] = -np.inf if is_empty[0] else first[0]
    result = Cuts(x, first, last, lower, upper, is_integer, y, (row, row + 1), margin, source, holes, scale)
    algebra.cuts.append(result)
    return result


def groups_of(cuts: Array, is_integer: bool) -> tuple[Array, Array]:
    """First and last of each group of ascending cuts that are too near to each other for a solver to stay between."""
    sizes = np.maximum(1.0, np.abs(cuts))
    is_new = np.concatenate([[True], np.diff(cuts) > (0.0 if is_integer else NARROW) * sizes[1:]])
    begins = np.flatnonzero(is_new)
    return cuts[begins], cuts[np.append(begins[1:], cuts.size) - 1]


def add_rows(algebra: Any, x: Affine, y: Indices, L: Array, R: Array, is_empty: Any) -> None:
    """x lies in the interval [L, R] that the binaries choose, which are in order; none chooses an empty interval."""
    size = y.size
    zeros = np.zeros(size, int)
    algebra.add_rows(L[-1], x - entries(1, algebra.n_columns, zeros, y, np.diff(L) * -1.0), np.inf)
    algebra.add_rows(-np.inf, x - entries(1, algebra.n_columns, zeros, y, np.diff(R) * -1.0), R[-1])
    places = np.arange(size - 1)
    order = entries(max(size - 1, 0), algebra.n_columns, np.tile(places, 2), np.concatenate([y[:-1], y[1:]]),
                    np.repeat([1.0, -1.0], size - 1))  # fmt: skip
    algebra.add_rows(np.where(is_empty[1:-1], 0.0, -np.inf), order, 0.0)


def fill_cuts(x: Affine, last: Array, columns: Indices, values: Array) -> None:
    """Whether x is at most each cut."""
    values[columns] = x.at(values)[0] <= last
