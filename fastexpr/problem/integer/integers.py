"""Where a problem goes that has integers, or networks that have to be linear: HiGHS, or many nonlinear programs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr.errors import EvaluationError, FormulationError, NotFoundError
from fastexpr.formulations.names import formulation_named
from fastexpr.nlp import Nlp
from fastexpr.problem.arguments import joined
from fastexpr.problem.assembly import make_result
from fastexpr.problem.result import Result
from fastexpr.problem.starts import start_of
from fastexpr.problem.statement import Statement
from fastexpr.solve import Settings, solve
from fastexpr.solvers import Multipliers, Solution
from fastexpr.solvers.verification import Measure

if TYPE_CHECKING:
    from fastexpr.problem.problem import Problem

FEASIBLE = 1e-6  # relative


def network_formulation(name: Any) -> str | None:
    """The formulation of a network in a problem."""
    return formulation_named(name, "Problem", ("external", "bigm"))


def mixed_integer_result(
    problem: Problem, solver: str | None, start: Any, progress: Any, time_limit: float | None, options: Any, others: Any
) -> Result | None:
    """HiGHS's result; None where the problem is one for the solvers of nonlinear programs.

    Raises
    ------
    fastexpr.errors.FormulationError
        HiGHS is asked for, and the problem is none for it.
    """
    statement = problem._statement
    insists = [entry for entry in statement.networks if entry.formulation == "bigm"]
    if solver not in (None, "highs"):
        if insists:
            raise FormulationError(
                f"[Problem] solver={solver!r} calls networks as functions: got formulation='bigm'. What to do: "
                "solver='highs', or another formulation."
            )
        return None
    if solver is None and not insists and not statement.is_integer().any():
        return None
    if progress is not None:
        raise ValueError(
            "[Problem] solver='highs' calls no progress function. What to do: time_limit=, or leave it out."
        )
    try:
        return highs_result(problem, start, time_limit, joined(options, others))
    except (FormulationError, NotFoundError):
        if solver == "highs" or insists:
            raise
        return None


def highs_result(problem: Problem, start: Any, time_limit: float | None, options: Mapping[str, Any]) -> Result:
    """Solves it by HiGHS."""
    from fastexpr.problem.integer.descent import descended
    from fastexpr.problem.integer.highs import solve_by_highs  # brings SciPy along

    statement = problem._statement
    if not statement.variables:
        raise ValueError("[Problem] there are no variables: make them with its method variables.")
    nlp = problem.nlp()
    begin = time.perf_counter()
    is_given = start is not None or not statement.networks
    x = start_of(statement, start if is_given else "sample", nlp)[0]
    x = x if is_given else descended(statement, nlp, x)
    solution, bound, build = solve_by_highs(statement, x, time_limit, options)
    seconds = time.perf_counter() - begin - build
    nlp.reset_evaluations()
    result = make_result(statement, nlp, "highs", checked(nlp, solution), build, seconds)
    return replace(result, objective_bound=statement.sign * bound)


def checked(nlp: Nlp, solution: Solution) -> Solution:
    """With the violation of its point; no solution where that is too large."""
    try:
        zeros = Multipliers(np.zeros(nlp.m), np.zeros(nlp.n), np.zeros(nlp.n))
        violation = float(Measure(nlp, solution.x).verdict(zeros).violation)
    except EvaluationError:
        violation = np.inf
    solution = replace(solution, relative_violation=violation)
    if solution.status == "optimal" and violation > FEASIBLE:
        message = f"HiGHS reports success, and the networks at its point violate the constraints by {violation:.1e}."
        return replace(solution, status="inexact", message=message)
    return solution


def solution_of(statement: Statement, nlp: Nlp, settings: Settings, multipliers: Multipliers | None) -> Solution:
    """The nonlinear program's; of a problem with integers the best one of all their values."""
    if not statement.is_integer().any():
        return solve(nlp, settings, multipliers)
    from fastexpr.problem.integer.enumeration import best_choice

    def solved(time_limit: float | None) -> Solution:
        return solve(nlp, replace(settings, time_limit=time_limit, presolve=False), None)

    return best_choice(statement, nlp, settings.time_limit, solved)
