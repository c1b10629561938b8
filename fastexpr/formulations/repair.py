"""A point moved away from thresholds, inside the cells of trees that a solver chose: the trees say what it says.

A solver's point lies within its tolerance of where it should be, and where it should be is often at a threshold. With
all whole numbers as they were chosen, a linear program finds the point of the same cells that keeps the largest
distance to their walls, relative to the inputs' widths, among those that satisfy all rows and have no worse objective.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from fastexpr.formulations.affine import Affine, Array, widened
from fastexpr.formulations.cuts import NARROW, Cuts

ROOM = 1e-9  # of the objective's size: by so much it may be worse
LEAST = 1e-12  # of an input's width: a wall is not kept from by less


@dataclass(frozen=True)
class Repair:
    """What a repair did.

    Attributes
    ----------
    success : bool
        Whether the networks now say what the model says. Where they do not, nothing was changed.
    message : str
    distance : float
        From the nearest threshold, relative to the width of that input's bounds; NaN without success.
    moved : float
        The largest change of an input, relative to that width.
    """

    success: bool
    message: str
    distance: float = float("nan")
    moved: float = 0.0

    def __bool__(self) -> bool:
        return self.success


@dataclass
class Linear:
    """The linear part of a model at a point.

    Attributes
    ----------
    A : (m, n) sparse array; row_lower, row_upper : (m,) arrays
    lower, upper : (n,) arrays
    is_kept : (n,) array of bool
        Variables that stay as they are: what is nonlinear reads them.
    is_integer : (n,) array of bool
    cost : (n,) array
        Of the minimization; a gradient at the point where the objective is not linear.
    objective : callable, optional
        From values to the objective, where it is not linear.
    """

    A: Any
    row_lower: Array
    row_upper: Array
    lower: Array
    upper: Array
    is_kept: npt.NDArray[np.bool_]
    is_integer: npt.NDArray[np.bool_]
    cost: Array
    objective: Callable[[Array], float] | None = None


def moved_inside(model: Linear, values: Array, cuts: Sequence[Cuts]) -> tuple[Array, float] | None:
    """A point in the same cells, and its distance from their walls; None where there is none.

    Parameters
    ----------
    model : Linear
    values : (n,) array
        The solver's point.
    cuts : sequence of Cuts
        Of the model's columns.
    """
    n = values.size
    fixed = model.is_kept | model.is_integer
    values = np.where(model.is_integer, np.round(values), values)
    lower = np.where(fixed, values, model.lower)
    upper = np.where(fixed, values, model.upper)
    walls, limits = walls_of(cuts, values, n)
    objective = float(model.cost @ values)
    cost_row = scipy.sparse.csr_array(np.append(model.cost, 0.0)[None])
    best = scipy.sparse.csr_array(np.append(np.zeros(n), 1.0)[None])
    room = ROOM * max(1.0, abs(objective))
    found = solved(model, walls, limits, lower, upper, -best, (cost_row, objective + room))
    if found is None or found[-1] <= LEAST:  # as little worse as possible, rather
        found = solved(model, walls, limits, lower, upper, cost_row, (-best, -1e3 * LEAST))
    if found is None or (len(limits) and found[-1] <= 0.0):
        return None
    target, distance = np.clip(found[:-1], lower, upper), float(found[-1])
    share = 1.0 if model.objective is None else share_of_way(model.objective, values, target)
    return values + share * (target - values), share * distance


def share_of_way(objective: Callable[[Array], float], values: Array, target: Array) -> float:
    """How far towards the target an objective that is not linear stays the same; a little in any case."""
    before = objective(values)
    for share in 10.0 ** -np.arange(9.0):
        if objective(values + share * (target - values)) <= before + ROOM * max(1.0, abs(before)):
            break
    return float(share)


def walls_of(cuts: Sequence[Cuts], values: Array, n: int) -> tuple[Any, Array]:
    """Rows over (x, t): -x + width t <= -left wall, x + width t <= right wall."""
    rows: list[Any] = []
    limits: list[float] = []
    for feature in cuts:
        left, right = feature.walls(feature.chosen(values))
        width = feature.upper - feature.lower
        if feature.is_integer or width <= 0.0:
            continue
        is_point = left == -np.inf and right - feature.lower <= NARROW * max(1.0, abs(right))
        for sign, wall in ((-1.0, left), (1.0, right)):
            if np.isfinite(wall):
                x = feature.x.scaled(sign)
                rows.append(with_distance(x, n, 0.0 if is_point else width))
                limits.append(sign * wall - float(x.constant[0]))
    matrix = scipy.sparse.vstack(rows, format="csr") if rows else scipy.sparse.csr_array((0, n + 1))
    return matrix, np.array(limits)


def with_distance(x: Affine, n: int, factor: float) -> Any:
    """The row x + factor t."""
    return scipy.sparse.hstack([widened(x.matrix, n), scipy.sparse.csr_array([[factor]])], format="csr")


def solved(
    model: Linear, walls: Any, limits: Array, lower: Array, upper: Array, cost: Any, extra: tuple[Any, float]
) -> Array | None:
    """(x, t) of least cost within rows and walls, and one row more; None where there is none."""
    from scipy.optimize import linprog

    A = scipy.sparse.hstack([model.A, scipy.sparse.csr_array((model.A.shape[0], 1))], format="csr")
    is_equal = model.row_lower == model.row_upper
    has_upper, has_lower = np.isfinite(model.row_upper) & ~is_equal, np.isfinite(model.row_lower) & ~is_equal
    A_ub = scipy.sparse.vstack([A[has_upper], -A[has_lower], walls, extra[0]], format="csr")
    b_ub = np.concatenate([model.row_upper[has_upper], -model.row_lower[has_lower], limits, [extra[1]]])
    result = linprog(
        cost.toarray()[0],
        A_ub,
        b_ub,
        A[is_equal],
        model.row_lower[is_equal],
        np.column_stack([np.append(lower, 0.0), np.append(upper, 0.5)]),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    return np.asarray(result.x) if result.status == 0 else None
