"""`Problem.solve`: which way a problem goes: to a nonlinear solver, a mixed-integer one, or over boxes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastexpr.problem.arguments import joined
from fastexpr.problem.assembly import make_result
from fastexpr.problem.integer.integers import mixed_integer_result, solution_of
from fastexpr.problem.result import Result
from fastexpr.problem.starts import start_of
from fastexpr.solve import Settings
from fastexpr.solvers import Option, choose
from fastexpr.solvers.checked import answer, contradicting_bounds, warm_start_options

if TYPE_CHECKING:
    from fastexpr.problem.problem import Problem


def solve(
    problem: Problem, solver: Any, start: Any, progress: Any, time_limit: Any, options: Any, others: Any, **how: Any
) -> Result:
    """By the solver that is asked for, or the one that takes what the problem has."""
    if solver == "branch-and-bound":
        return certified(problem, start, progress, time_limit, joined(options, others))
    if (found := mixed_integer_result(problem, solver, start, progress, time_limit, options, others)) is not None:
        return found
    name = choose(solver)
    settings = joined(options, others)
    if progress is not None and not callable(progress):
        raise TypeError(f"[Problem] progress must be a function of a Progress: got {type(progress).__name__}.")
    begin = time.perf_counter()
    nlp = problem.nlp()
    build = time.perf_counter() - begin
    nlp.start, multipliers = start_of(problem._statement, start, nlp)
    if multipliers is not None:
        settings = {**warm_start_options, **settings}
    nlp.reset_evaluations()
    begin = time.perf_counter()
    chosen = Settings(name, settings, progress, time_limit, **how)
    contradiction = contradicting_bounds(nlp)  # parameters may have moved them
    if contradiction is not None:
        solution = answer(nlp, "contradiction", contradiction)
    else:
        solution = solution_of(problem._statement, nlp, chosen, multipliers)
    return make_result(problem._statement, nlp, name, solution, build, time.perf_counter() - begin)


def certified(
    problem: Problem, start: Any, progress: Any, time_limit: float | None, options: Mapping[str, Option]
) -> Result:
    """The global solution, by branch and bound over boxes."""
    from fastexpr.problem.integer.boxes import solve_by_boxes

    unknown = sorted(set(options) - {"tol"})
    if unknown or start is not None:
        what = "start" if start is not None else f"the option {unknown[0]!r}"
        raise ValueError(f"[Problem] branch-and-bound takes tol=, time_limit= and progress= only: got {what}.")
    begin = time.perf_counter()
    nlp = problem.nlp()
    build = time.perf_counter() - begin
    nlp.start, _ = start_of(problem._statement, None, nlp)
    nlp.reset_evaluations()
    begin = time.perf_counter()
    solution = solve_by_boxes(problem._statement, nlp, float(options.get("tol", 1e-6)), time_limit, progress)
    return make_result(problem._statement, nlp, "branch-and-bound", solution, build, time.perf_counter() - begin)
