"""Factors under which variables, rows and objective of a program are all of a size, for the solver's own scaling.

    variable   1 / width: of its bounds, else of the range of the network that it enters, else what rows and start say
    row        up to a slope of 1, where its largest scaled slope |dg/dx_j| width_j at the start and at a few points of
               the box is less; down to one of 1000, where that at the start is more
    objective  likewise, down to 10,000

Functions are not wrapped: what the solver prints, and tests of derivatives, stay in the user's units.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Scale, Vector
from fastexpr.nlp.arrays import OPCODES, VARIABLE
from fastexpr.solve.definitions import Nodes, distinct
from fastexpr.solvers.interior_point import Scaling
from fastexpr.solvers.verification import LARGEST_WIDTH

#: Larger and smaller factors of variables and rows do harm: with 1e8 a solve takes three times the iterations.
SMALLEST, LARGEST = 1e-8, 1e4

#: The objective's factor is its unit, which can be any: what is minimized in one unit is minimized in another.
LARGEST_OF_OBJECTIVE = 1e20

#: Slopes up to these stay. What is scaled down is found less precisely, by as much, so that the steepest slope of the
#: box, far from any solution, must not decide.
STEEPEST_ROW, STEEPEST_OBJECTIVE = 1e3, 1e4

#: So many points of the box beside the start are looked at.
N_POINTS = 8

#: What a width is inferred from may be handed on so many times from row to row.
N_PASSES = 3


@dataclass
class Slopes:
    """The largest slopes of a program among several points, in size.

    Attributes
    ----------
    objective, objective_at_start : (n,) arrays
    rows, rows_at_start : arrays
        In the order of the Jacobian's structure.
    """

    objective: Vector
    rows: Vector
    objective_at_start: Vector
    rows_at_start: Vector


def scaling_of(nlp: Nlp) -> tuple[Scaling, Scale]:
    """Factors for a program, and the scale that its check is relative to."""
    known = known_widths(nlp)
    slopes = largest_slopes(nlp, known)
    width = inferred(nlp, known, slopes)
    anywhere, at_start = (
        (float((objective * width).max(initial=0.0)), steepness(nlp, rows * width[nlp.jacobian_columns]))
        for objective, rows in ((slopes.objective, slopes.rows), (slopes.objective_at_start, slopes.rows_at_start))
    )
    scaling = Scaling(
        float(factor(anywhere[0], at_start[0], STEEPEST_OBJECTIVE, LARGEST_OF_OBJECTIVE)),
        np.clip(1.0 / width, SMALLEST, LARGEST),
        factor(anywhere[1], at_start[1], STEEPEST_ROW, LARGEST),
    )
    return scaling, Scale(anywhere[0] or 1.0, width, anywhere[1])


def steepness(nlp: Nlp, entries: Vector) -> Vector:
    """(m,): the largest of each row's."""
    result = np.zeros(nlp.m)
    np.maximum.at(result, nlp.jacobian_rows, entries)
    return result


def factor(anywhere: npt.ArrayLike, at_start: npt.ArrayLike, steepest: float, largest: float) -> Vector:
    """What brings the slopes of a box up to 1, or those of the start down to the steepest that may be."""
    slope, near = (np.where(np.asarray(side) > 0.0, side, 1.0) for side in (anywhere, at_start))
    result: Vector = np.clip(np.where(slope < 1.0, 1.0 / slope, np.minimum(1.0, steepest / near)), SMALLEST, largest)
    return result


def merged(own: Scaling, users: Scaling) -> Scaling:
    """The user's factors where there are some (numbers, not NaN), else our own."""

    def chosen(user: npt.ArrayLike, other: npt.ArrayLike) -> Vector:
        return np.where(np.isnan(user), other, user)

    return Scaling(
        float(chosen(users.objective, own.objective)),
        chosen(users.variables, own.variables),
        chosen(users.constraints, own.constraints),
    )


def known_widths(nlp: Nlp) -> Vector:
    """(n,): of the bounds, or of the network's range; NaN where neither says anything."""
    own = np.maximum(1.0, abs(nlp.start))
    width = nlp.upper - nlp.lower
    result: Vector = np.where(width <= LARGEST_WIDTH * own, width, np.nan)
    result[result == 0.0] = np.nan
    missing = np.isnan(result)
    if nlp.arrays is not None and missing.any():
        result[missing] = network_widths(nlp)[missing]
    return result


def network_widths(nlp: Nlp) -> Vector:
    """(n,): of the ranges of the networks that the variables enter directly; NaN where there is none."""
    result = np.full(nlp.n, np.nan)
    arrays = nlp.arrays
    assert arrays is not None
    nodes = Nodes(arrays)
    calls = np.flatnonzero(arrays.opcodes == OPCODES["call"])
    targets = arrays.operands[nodes.begins[calls]]
    for target in distinct(targets).tolist():
        lower, upper = (getattr(arrays.targets[target], side, None) for side in ("lower", "upper"))
        if lower is None or upper is None:
            continue
        width = np.subtract(upper, lower)
        first = nodes.begins[calls[targets == target]] + 1
        operands = arrays.operands[first[:, None] + np.arange(width.size)]
        is_told = (operands & 3 == VARIABLE) & (width > 0.0) & (width < np.inf)
        np.fmin.at(result, operands[is_told] >> 2, np.broadcast_to(width, operands.shape)[is_told])
    return result


def points_of(nlp: Nlp, known: Vector) -> npt.NDArray[np.float64]:
    """The start, and a Latin hypercube in the box, or around the start where there is none."""
    reach = np.where(np.isnan(known), np.maximum(1.0, abs(nlp.start)), known) / 2.0
    has_box = nlp.upper - nlp.lower <= 2.0 * reach * (1.0 + 1e-12)
    low = np.where(has_box, nlp.lower, np.maximum(nlp.lower, nlp.start - reach))
    high = np.where(has_box, nlp.upper, np.minimum(nlp.upper, nlp.start + reach))
    return np.vstack([nlp.start, nlp.complete(low + latin_hypercube(nlp.n) * (high - low))])


@functools.lru_cache(maxsize=8)
def latin_hypercube(n: int) -> npt.NDArray[np.float64]:
    """(points, n) in the unit cube; the same ones every time."""
    random = np.random.default_rng(0)
    strata = random.permuted(np.tile(np.arange(N_POINTS)[:, None], n), axis=0)
    points: npt.NDArray[np.float64] = (strata + random.random((N_POINTS, n))) / N_POINTS
    return points


def largest_slopes(nlp: Nlp, known: Vector) -> Slopes:
    """Over the points at which they are finite."""
    n, k = nlp.n, nlp.jacobian_rows.size
    result = Slopes(np.zeros(n), np.zeros(k), np.zeros(n), np.zeros(k))
    for number, point in enumerate(points_of(nlp, known)):
        try:
            gradient, jacobian = nlp.gradient(point), nlp.jacobian(point)
        except EvaluationError:
            continue
        np.maximum(result.objective, abs(gradient), out=result.objective)
        np.maximum(result.rows, abs(jacobian), out=result.rows)
        if number == 0:
            result.objective_at_start, result.rows_at_start = abs(gradient), abs(jacobian)
    return result


def inferred(nlp: Nlp, known: Vector, slopes: Slopes) -> Vector:
    """Widths of all variables: what the others of a row can do to it, one without a width of its own can do as well.

    So y has that of the network in y == network(x), and t that of the objective in an epigraph's t >= f(x), in
    whatever units. Where no row says anything it is max(1, |start|): first of what is curved, then of what is not in
    the objective, for the others may follow from that.
    """
    own = np.maximum(1.0, abs(nlp.start))
    is_curved = np.zeros(nlp.n, dtype=bool)
    is_curved[nlp.hessian_rows] = is_curved[nlp.hessian_columns] = True
    width = handed_on(nlp, known, slopes.rows)
    for comes_first in (is_curved, slopes.objective == 0.0):
        width = handed_on(nlp, np.where(np.isnan(width) & comes_first, own, width), slopes.rows)
    return np.where(np.isnan(width), own, width)


def handed_on(nlp: Nlp, known: Vector, slopes: Vector) -> Vector:
    """Widths with those that follow from rows in which one variable alone has none."""
    width, rows, columns = known, nlp.jacobian_rows, nlp.jacobian_columns
    for _ in range(N_PASSES):
        is_open = np.isnan(width)[columns] & (slopes > 0.0)
        n_open = np.bincount(rows[is_open], minlength=nlp.m)
        moved = np.zeros(nlp.m)
        np.maximum.at(moved, rows[~is_open], np.nan_to_num(slopes * width[columns])[~is_open])
        says = is_open & (n_open[rows] == 1) & (moved[rows] > 0.0)
        if not says.any():
            break
        found = np.zeros(nlp.n)
        np.maximum.at(found, columns[says], moved[rows[says]] / slopes[says])
        width = np.where(found > 0.0, found, width)
    return width
