"""Good feasible points for branch and bound: gradient steps of many points at once; SLSQP where there are limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.bounds.box_problem import BoxProblem

Array = npt.NDArray[np.float64]

N_STARTS = 32
N_STEPS = 12
N_LOCAL = 6  # starts of SLSQP


def best_starts(problem: BoxProblem) -> Array:
    """Points for a start: descents from random points, and where there are limits SLSQP from the best of them."""
    generator = np.random.default_rng(0)
    free = int((problem.lower < problem.upper).sum())
    shares = generator.uniform(size=(min(N_STARTS, 8 * max(free, 1)), problem.lower.size))
    starts = problem.lower + shares * (problem.upper - problem.lower)
    if problem.is_bare:
        return descents(problem.function, starts, problem.lower, problem.upper)
    merit = merits(problem, starts)
    order = np.argsort(merit, kind="stable")[:N_LOCAL]
    return np.vstack([starts, *(local_solution(problem, starts[k], None) for k in order)])


def polished(problem: BoxProblem, best: Array | None, box: Array) -> Array:
    """Better points near the best one and in the box with the least bound."""
    if not box.size:
        return np.zeros((0, problem.lower.size))
    n = problem.lower.size
    center = 0.5 * (box[:n] + box[n:])
    starts = np.array([center] if best is None else [center, best])
    if problem.is_bare:
        return descents(problem.function, starts, problem.lower, problem.upper)
    return np.vstack([local_solution(problem, start, box) for start in starts])


def settled(problem: BoxProblem, best: Array) -> Array:
    """Where the best point leads: a gap within `tol` may end a search that has not looked for its local minimum."""
    if problem.is_bare:
        return descents(problem.function, best[np.newaxis].copy(), problem.lower, problem.upper)
    return local_solution(problem, best, None)


def descents(function: Function, x: Array, lower: Array, upper: Array) -> Array:
    """Projected gradient steps, of a length of its own for each point."""
    width = upper - lower
    values = function(x)[:, 0]
    length = np.full(len(x), 0.1)
    weights = np.zeros(function.n_outputs)
    weights[0] = 1.0
    for _ in range(N_STEPS):
        slopes = np.nan_to_num(function.vjp(x, weights) * width, posinf=0.0, neginf=0.0)
        size = np.abs(slopes).max(axis=1, keepdims=True)
        direction = np.divide(slopes, size, out=np.zeros_like(slopes), where=size > 0)
        trial = np.clip(x - length[:, np.newaxis] * direction * width, lower, upper)
        found = function(trial)[:, 0]
        is_better = found < values
        x[is_better], values[is_better] = trial[is_better], found[is_better]
        length = np.where(is_better, 1.5 * length, 0.25 * length)
    return x


def violations(problem: BoxProblem, x: Array, outputs: Array) -> Array:
    """(points, limits and rows): by how much each is missed, relative to max(1, |limit|)."""
    over = np.hstack([outputs[:, 1:] - problem.limits, x @ problem.rows.T - problem.row_limits])
    limits = np.concatenate([problem.limits, problem.row_limits])
    return np.asarray(np.maximum(over, 0.0) / np.maximum(1.0, np.abs(limits)))


def merits(problem: BoxProblem, x: Array) -> Array:
    outputs = problem.function(x)
    spread = float(np.ptp(outputs[:, 0])) or 1.0
    return np.asarray(outputs[:, 0] + 10.0 * spread * violations(problem, x, outputs).sum(axis=1))


def local_solution(problem: BoxProblem, start: Array, box: Array | None) -> Array:
    """(points, n): a local minimum by SLSQP, and the start; whole numbers stay where they are rounded to."""
    from scipy.optimize import minimize

    function, n = problem.function, start.size
    x0 = np.where(problem.is_integer, np.round(start), start)
    lower = np.where(problem.is_integer, x0, problem.lower)
    upper = np.where(problem.is_integer, x0, problem.upper)
    constraints: list[dict[str, Any]] = []
    if problem.limits.size:
        limits = problem.limits + problem.allowance
        constraints.append(
            {
                "type": "ineq",
                "fun": lambda x: limits - function(x)[1:],
                "jac": lambda x: -function.jacobian(x)[1:],
            }
        )
    if problem.row_limits.size:
        rows, row_limits = problem.rows, problem.row_limits
        constraints.append({"type": "ineq", "fun": lambda x: row_limits - rows @ x, "jac": lambda x: -rows})
    first = np.zeros(function.n_outputs)
    first[0] = 1.0
    try:
        found = minimize(
            lambda x: function(np.clip(x, lower, upper))[0],
            np.clip(x0, lower, upper),
            jac=lambda x: function.vjp(np.clip(x, lower, upper), first),
            bounds=list(zip(lower, upper, strict=True)),
            constraints=constraints,
            method="SLSQP",
            options={"maxiter": 60, "ftol": 1e-10},
        ).x
    except (ValueError, ArithmeticError):  # numbers that are not finite on the way
        return x0.reshape(1, n)
    points: Array = np.array([x0, found])
    return np.asarray(points[np.isfinite(points).all(axis=1)])
