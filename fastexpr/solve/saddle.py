"""The stage that leaves saddles: points where first derivatives vanish and the Lagrangian curves down.

A solver that starts at one, as from the centre of something symmetric, has no reason to leave it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Vector
from fastexpr.solve.budget import Budget
from fastexpr.solve.cells.curvature import null_space
from fastexpr.solve.stages import TIE, cold, has_kinks
from fastexpr.solvers.interior_point import Multipliers, Solution
from fastexpr.solvers.verification import Measure

#: Dense matrices are made up to this many variables.
MOST_VARIABLES = 100

#: Relative to the largest second derivative, less is none.
FLAT = 1e-6

#: Bounds and limits are held where the distance is less than so much of the width.
HELD = 1e-6

#: How far a step leads away, in widths.
STEP = 0.05

#: A point that is left may lead to another one.
MOST_STEPS = 3


def leave_saddles(program: Nlp, point: Solution, budget: Budget) -> Solution | None:
    """From a solution at which the Lagrangian curves down to a better one; None where it does not, or is not known."""
    if program.n > MOST_VARIABLES or has_kinks(program, budget) or not getattr(program.functions, "has_hessian", True):
        return None
    best = point
    for _ in range(MOST_STEPS):
        way = descent(program, best) if best.success and not budget.is_over else None
        if way is None:
            break
        found = step_away(program, best, way, budget)
        if not found.success or found.objective > best.objective - TIE * max(1e-12, abs(best.objective)):
            break
        best = found
    return None if best is point else best


def step_away(program: Nlp, point: Solution, way: Vector, budget: Budget) -> Solution:
    """Solves from beside the point."""
    start, program.start = program.start, program.complete(np.clip(point.x + way, program.lower, program.upper))
    try:
        return budget.run(program, None, cold(budget), scaling=budget.scaling)
    finally:
        program.start = start


def descent(program: Nlp, point: Solution) -> Vector | None:
    """(n,): a step along which the Lagrangian curves down and what holds the point stays as it is."""
    try:
        measure = Measure(program, point.x)
        hessian = dense_hessian(program, point.x, point.multipliers, measure.width)
    except EvaluationError:
        return None
    largest = abs(hessian).max(initial=0.0)
    if largest == 0.0 or is_convex(hessian, FLAT * largest):
        return None
    gaps = np.minimum(point.x - program.lower, program.upper - point.x)
    is_free = gaps > HELD * measure.width
    basis = null_space(held_rows(program, measure)[:, is_free])
    reduced = basis.T @ hessian[np.ix_(is_free, is_free)] @ basis
    if basis.shape[1] == 0 or is_convex(reduced, FLAT * largest):
        return None
    values, vectors = np.linalg.eigh(reduced)
    if values[0] >= -FLAT * largest:
        return None
    way = np.zeros(program.n)
    way[is_free] = basis @ vectors[:, 0]
    step: Vector = STEP * way / abs(way).max() * measure.width
    return step


def is_convex(hessian: npt.NDArray[np.float64], margin: float) -> bool:
    """Whether no eigenvalue is below -margin: a factorization says so in a hundredth of the time of eigenvalues."""
    try:
        np.linalg.cholesky(hessian + margin * np.eye(len(hessian)))
    except np.linalg.LinAlgError:
        return False
    return True


def held_rows(program: Nlp, measure: Measure) -> npt.NDArray[np.float64]:
    """(k, n): slopes, in widths and of length 1, of equations and of limits that are met."""
    room = HELD * measure.row_size
    low, high = measure.values - program.constraint_lower, program.constraint_upper - measure.values
    is_held = np.minimum(low, high) <= room
    numbers = np.cumsum(is_held) - 1
    slopes = np.zeros((int(is_held.sum()), program.n))
    here = is_held[measure.rows]
    places = numbers[measure.rows[here]], measure.columns[here]
    np.add.at(slopes, places, (measure.slopes * measure.width[measure.columns])[here])
    lengths = np.linalg.norm(slopes, axis=1, keepdims=True)
    rows: npt.NDArray[np.float64] = slopes / np.where(lengths > 0.0, lengths, 1.0)
    return rows


def dense_hessian(program: Nlp, x: Vector, multipliers: Multipliers, width: Vector) -> npt.NDArray[np.float64]:
    """(n, n): of the Lagrangian, in widths."""
    rows, columns = program.hessianstructure()
    entries = program.hessian(x, multipliers.constraints, 1.0) * width[rows] * width[columns]
    dense = np.zeros((program.n, program.n))
    np.add.at(dense, (rows, columns), entries)
    result: npt.NDArray[np.float64] = dense + np.tril(dense, -1).T
    return result
