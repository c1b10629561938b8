"""The leaves of decision trees that can be reached, and the box of intervals between cuts that leads to each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastexpr._core import Operator
from fastexpr.formulations.affine import Array, Indices
from fastexpr.formulations.cuts import Cuts

LEAF, AT_MOST, BELOW, AT_LEAST, ABOVE, EQUAL, DIFFERENT = range(7)
EVERYWHERE = 2**31 - 1  # as the last interval: no limit
LARGEST = 4_000_000  # numbers in the boxes of trees that are walked through together


class Boxes(NamedTuple):
    """Leaves of all trees, and the limits of their boxes, each of one feature.

    Attributes
    ----------
    trees, places : (leaves,) arrays
        The tree of each leaf, ascending, and its place in the operator's table.
    leaf, feature, first, last : (limits,) arrays
        The box of a leaf: between which intervals a feature is. Features without a limit are left out.
    """

    trees: Indices
    places: Indices
    leaf: Indices
    feature: Indices
    first: Indices
    last: Indices


def cuts_of_tests(operator: Operator) -> tuple[Array, Array]:
    """(nodes,) each: a test asks on which side of these x is: "x <= c" of both. They differ where it asks for equality.

    NaN of leaves, and of tests against NaN, which ask nothing.
    """
    modes = operator.constants[0][:, 0]
    thresholds = operator.constants[1].astype(np.float64)
    before = np.nextafter(thresholds, -np.inf)
    is_asked = (modes != LEAF) & ~np.isnan(thresholds)
    low = np.where(np.isin(modes, (BELOW, AT_LEAST, EQUAL, DIFFERENT)), before, thresholds)
    high = np.where(np.isin(modes, (BELOW, AT_LEAST)), before, thresholds)
    return np.where(is_asked, low, np.nan), np.where(is_asked, high, np.nan)


def inner_cuts(operator: Operator, low: Array, high: Array) -> dict[int, Array]:
    """By feature, the cuts that its bounds leave open."""
    features = operator.constants[0][:, 1]
    found: dict[int, Array] = {}
    for cuts in cuts_of_tests(operator):
        is_inner = np.flatnonzero(~np.isnan(cuts))
        is_inner = is_inner[(cuts[is_inner] >= low[features[is_inner]]) & (cuts[is_inner] < high[features[is_inner]])]
        for feature in np.unique(features[is_inner]).tolist():
            here = cuts[is_inner[features[is_inner] == feature]]
            found[feature] = np.union1d(found.get(feature, np.zeros(0)), here)
    return found


class Pieces(NamedTuple):
    """For each node: a child, and the intervals of the node's feature that lead there. Empty where first > last."""

    child: Indices
    first: Indices
    last: Indices


def pieces_of(operator: Operator, features: dict[int, Cuts], low: Array, high: Array) -> list[Pieces]:
    """Four ways on: left of both cuts, right of both, and, of tests for equality, between them; and of NaN."""
    table = operator.constants[0]
    modes, feature, yes, no = (table[:, k] for k in range(4))
    bounds = low[feature * (modes != LEAF)], high[feature * (modes != LEAF)]
    (left, _), (_, right) = sides = [sides_of(cut, feature, features, bounds) for cut in cuts_of_tests(operator)]
    between = np.maximum(sides[0][1][0], sides[1][0][0]), np.minimum(sides[0][1][1], sides[1][0][1])
    is_equality = np.isin(modes, (EQUAL, DIFFERENT))
    is_asked = (modes != LEAF) & ~np.isnan(operator.constants[1].astype(np.float64))
    goes_left = np.where(np.isin(modes, (AT_MOST, BELOW, DIFFERENT)), yes, no)
    goes_right = np.where(np.isin(modes, (AT_LEAST, ABOVE, DIFFERENT)), yes, no)
    goes_between = np.where(modes == EQUAL, yes, no)
    unasked = np.where(modes == DIFFERENT, yes, no)

    def piece(child: Indices, limits: tuple[Indices, Indices], mask: npt.NDArray[np.bool_]) -> Pieces:
        return Pieces(child, np.where(mask, limits[0], 1), np.where(mask, limits[1], 0))

    everywhere = np.zeros_like(modes), np.full_like(modes, EVERYWHERE)
    return [
        piece(goes_left, left, is_asked),
        piece(goes_right, right, is_asked),
        piece(goes_between, between, is_asked & is_equality),
        piece(unasked, everywhere, (modes != LEAF) & ~is_asked),
    ]


def sides_of(
    cuts: Array, feature: Indices, features: dict[int, Cuts], bounds: tuple[Array, Array]
) -> tuple[tuple[Indices, Indices], tuple[Indices, Indices]]:
    """Of each cut the intervals that are at most it, and those that are more: first and last."""
    first, last = np.zeros(len(cuts), np.int64), np.full(len(cuts), EVERYWHERE, np.int64)
    none, group = np.ones(len(cuts), np.int64), np.zeros(len(cuts), np.int64)
    is_left, is_right = cuts >= bounds[1], cuts < bounds[0]
    is_inner = ~np.isnan(cuts) & ~is_left & ~is_right
    for k, known in features.items():
        here = np.flatnonzero(is_inner & (feature == k))
        group[here] = known.groups_of(cuts[here])
    left = np.where(is_right, none, first), np.where(is_right, 0, np.where(is_left, last, group))
    right = np.where(is_left, none, np.where(is_right, first, group + 1)), np.where(is_left, 0, last)
    return left, right


def boxes_of(operator: Operator, features: dict[int, Cuts], low: Array, high: Array) -> Boxes:
    """All leaves that can be reached, in the order of their trees."""
    roots = operator.constants[4].astype(np.int64)
    largest = max(1, int(np.diff(np.append(roots, len(operator.constants[0]))).max(initial=1)))
    n_together = max(1, LARGEST // max(1, largest * max(1, len(features))))
    pieces = pieces_of(operator, features, low, high)
    parts = [
        walked(operator, pieces, features, roots[begin : begin + n_together], begin)
        for begin in range(0, len(roots), n_together)
    ]
    shifts = np.cumsum([0, *(len(part.trees) for part in parts)])
    shifted = [part._replace(leaf=part.leaf + shift) for part, shift in zip(parts, shifts, strict=False)]
    return Boxes(*(np.concatenate(column) for column in zip(*shifted, strict=True)))


def walked(operator: Operator, pieces: list[Pieces], features: dict[int, Cuts], roots: Indices, begin: int) -> Boxes:
    """Down all these trees at once, level by level."""
    table = operator.constants[0]
    names = np.array(list(features), np.int64)
    sizes = np.array([len(cuts.first) for cuts in features.values()], np.int64)
    column = np.full(int(table[:, 1].max(initial=0)) + 1, -1, np.int64)
    column[names] = np.arange(names.size)
    places, trees = roots, np.arange(begin, begin + roots.size)
    first, last = np.zeros((roots.size, names.size), np.int64), np.tile(sizes, (roots.size, 1))
    found: list[Any] = []
    while places.size:
        is_leaf = table[places, 0] == LEAF
        found.append((trees[is_leaf], places[is_leaf], first[is_leaf], last[is_leaf]))
        where = np.flatnonzero(~is_leaf)
        following = []
        for piece in pieces:
            nodes = places[where]
            lower, upper = piece.first[nodes], piece.last[nodes]
            at = column[table[nodes, 1]]
            new_first, new_last = first[where], last[where]
            has = at >= 0
            rows = np.arange(where.size)[has]
            new_first[rows, at[has]] = np.maximum(new_first[rows, at[has]], lower[has])
            new_last[rows, at[has]] = np.minimum(new_last[rows, at[has]], upper[has])
            is_open = lower <= upper
            is_open[rows] &= new_first[rows, at[has]] <= new_last[rows, at[has]]
            following.append(
                (trees[where][is_open], piece.child[nodes][is_open], new_first[is_open], new_last[is_open])
            )
        trees, places, first, last = (np.concatenate(side) for side in zip(*following, strict=True))
    trees, places, first, last = (np.concatenate(side) for side in zip(*found, strict=True))
    order = np.argsort(trees, kind="stable")
    trees, places, first, last = trees[order], places[order], first[order], last[order]
    leaf, at = np.nonzero((first > 0) | (last < sizes))
    return Boxes(trees, places, leaf, names[at], first[leaf, at], last[leaf, at])
