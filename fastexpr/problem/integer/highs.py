"""`Problem.solve(solver="highs")`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastexpr.formulations.affine import Array
from fastexpr.formulations.repair import Linear, moved_inside
from fastexpr.problem.integer.mixed_integer import MixedInteger, mixed_integer
from fastexpr.problem.integer.outer_approximation import minimize
from fastexpr.problem.statement import Statement
from fastexpr.solvers import Multipliers, Solution
from fastexpr.solvers.highs import Outcome

TOLERANCE = 1e-6  # relative: what HiGHS claims and what the networks say

MESSAGES = {
    "optimal": "Solved to optimality.",
    "infeasible": "There is no feasible point, says HiGHS.",
    "unbounded": "The objective is unbounded.",
    "time_limit": "The time limit was reached.",
    "iteration_limit": "A limit of HiGHS was reached.",
    "interrupted": "Interrupted.",
}


def solve_by_highs(
    statement: Statement, start: Array | None, time_limit: float | None, options: Mapping[str, Any]
) -> tuple[Solution, float, float]:
    """A solution, a bound on the objective (of the minimization), and the seconds that building took.

    Raises
    ------
    fastexpr.errors.FormulationError
        The problem is none for HiGHS.
    """
    begin = time.perf_counter()
    model = mixed_integer(statement)
    build = time.perf_counter() - begin
    settings = dict(options)
    values = None if start is None else model.builder.algebra.completed(start)
    if model.quadratic is None:
        outcome = model.program.solve(values, time_limit, **settings)
    else:
        outcome = minimize(model.program, model.quadratic, values, time_limit, settings)
    solution = solution_of(statement, model, outcome)
    return solution, outcome.bound, build


def solution_of(statement: Statement, model: MixedInteger, outcome: Outcome) -> Solution:
    """Components of x, the networks' outputs computed anew; points of trees are moved inside their cells."""
    n = statement.n
    status, message = outcome.status, MESSAGES.get(outcome.status, f"HiGHS stopped: {outcome.message}.")
    if outcome.x is None:
        x = statement.start() if not statement.n else np.clip(statement.start(), *statement.bounds())
        return Solution(x, np.nan, multipliers_of(statement, model, outcome), status, message, outcome.iterations)
    values = outcome.x
    cuts = model.builder.algebra.cuts
    if cuts and (moved := moved_inside(linear_part(model, values), values, cuts)) is not None:
        values = moved[0]
    whole = model.program.is_integer
    values = np.where(whole, np.round(values), values)
    lower, upper = statement.bounds()
    x = statement.completed(np.clip(values[:n], lower, upper), lower == upper)
    objective = statement.sign * objective_at(statement, x)
    if not abs(objective - outcome.objective) <= TOLERANCE * max(1.0, abs(outcome.objective)) and status == "optimal":
        status = "inexact"
        message = (
            f"HiGHS claims the objective {statement.sign * outcome.objective:.9g}, and at its point the networks make "
            f"it {statement.sign * objective:.9g}."
        )
    multipliers = multipliers_of(statement, model, outcome)
    return Solution(x, objective, multipliers, status, message, outcome.iterations)


def objective_at(statement: Statement, x: Array) -> float:
    """What is minimized or maximized."""
    if statement.objective is None:
        return 0.0
    function, used = statement.compile([statement.objective])
    return float(function(x[used])[0])


def linear_part(model: MixedInteger, values: Array) -> Linear:
    """What a repair has to satisfy."""
    program = model.program
    cost = program.cost
    if model.quadratic is not None:
        Q, linear, _ = model.quadratic.matrices(program.lower.size)
        cost = cost + Q @ values + linear

        def objective(x: Array) -> float:
            return float(program.cost @ x + 0.5 * x @ (Q @ x) + linear @ x)

    kept = np.zeros(values.size, bool)
    if model.quadratic is not None:
        kept[model.quadratic.columns] = True
    return Linear(
        program.A, program.row_lower, program.row_upper, program.lower, program.upper, kept, program.is_integer, cost,
        None if model.quadratic is None else objective,
    )  # fmt: skip


def multipliers_of(statement: Statement, model: MixedInteger, outcome: Outcome) -> Multipliers:
    """Those of a linear program; NaN where there are integers, which have none."""
    n, m = statement.n, statement.n_rows()
    constraints, lower, upper = np.full(m, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    if outcome.row_duals.size:
        places = statement.rows()
        for constraint, rows in model.rows.items():
            constraints[places[constraint].ravel()] = -outcome.row_duals[rows]
        duals = outcome.column_duals[:n]
        lower, upper = np.maximum(duals, 0.0), np.maximum(-duals, 0.0)
    return Multipliers(constraints, lower, upper)
