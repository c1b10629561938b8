"""A solve from a program as it was stated to a solution in its terms, stage by stage."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp
from fastexpr.solve.budget import Budget, Settings
from fastexpr.solve.conflicts import listed, violated
from fastexpr.solve.form import Form, form_of
from fastexpr.solve.saddle import leave_saddles
from fastexpr.solve.scaling import STEEPEST_OBJECTIVE, STEEPEST_ROW, merged, scaling_of
from fastexpr.solve.stages import cells, cells_nearby, cold_start, ipopt_unless_solved, is_better, smoothing, unscaled
from fastexpr.solvers.checked import LOST, answer, concluded, tolerances
from fastexpr.solvers.interior_point import Multipliers, Scaling, Solution, Stage
from fastexpr.solvers.verification import FEASIBILITY, Measure

#: Factors are looked for anew where slopes are more than so many times what they would leave.
STEEPER = 10.0

#: Returns None where it has nothing to do.
StageFunction = Callable[[Nlp, Solution, Budget], Solution | None]


def solve(nlp: Nlp, settings: Settings, multipliers: Multipliers | None = None) -> Solution:
    """Solves the program from its start.

    Parameters
    ----------
    nlp : Nlp
        The program as it was stated.
    settings : Settings
        What the user says about the solve.
    multipliers : Multipliers, optional
        Where the multipliers start (a warm start).

    Returns
    -------
    Solution
        The best point of all stages; `stages` has a line for each that ran.

    Raises
    ------
    ValueError
        The solver knows no such option, or not this value.
    """
    budget = Budget(settings)
    form = form_of(nlp) if settings.presolve else None
    if form is None:
        budget.scaling = factors_for(nlp, settings, multipliers)
        point = run_stages(nlp, budget, multipliers)
        return with_conflicts(nlp, remembered(point, nlp, budget), budget)
    program = form.program()
    impossible = form.contradiction()
    if impossible is not None:
        return answer(nlp, "contradiction", f"No point is feasible: {impossible}")
    if settings.factors is not None:
        settings = replace(settings, factors=form.factors(settings.factors))
    budget.scaling = factors_for(program, settings, multipliers)
    nlp.scale = form.scale()
    point = run_stages(program, budget, form.multipliers(multipliers) if multipliers else None)
    return with_conflicts(nlp, remembered(as_stated(form, nlp, point, settings), program, budget), budget)


def remembered(point: Solution, program: Nlp, budget: Budget) -> Solution:
    """The point, whose multipliers say under which factors they were found, and whether on kinks."""
    point.multipliers = replace(point.multipliers, found_with=(budget.scaling, program.scale, bool(point.kinks)))
    return point


def factors_for(program: Nlp, settings: Settings, multipliers: Multipliers | None) -> Scaling | None:
    """What the solver multiplies with; the program gets its scale, which the check is relative to.

    A warm start takes those of the solve before: looking for others takes as long as several iterations.
    """
    known = None if multipliers is None else multipliers.found_with
    if known is not None and settings.has_own_scaling and settings.factors is None:
        before: Scaling | None = known[0]
        if before is not None and still_fits(program, before):
            program.scale = known[1]
            return before
    scaling, program.scale = scaling_of(program)
    if not settings.has_own_scaling:
        return settings.factors
    if settings.scaling == "none":
        scaling = Scaling(1.0, np.ones(program.n), np.ones(program.m))
    return scaling if settings.factors is None else merged(scaling, settings.factors)


def still_fits(program: Nlp, scaling: Scaling) -> bool:
    """Whether factors of another solve are those of a program like this one, and nothing has become steeper since."""
    if (scaling.variables.size, scaling.constraints.size) != (program.n, program.m):
        return False
    try:
        gradient, jacobian = program.gradient(program.start), program.jacobian(program.start)
    except EvaluationError:
        return False
    objective = scaling.objective * abs(gradient / scaling.variables).max(initial=0.0)
    rows = scaling.constraints[program.jacobian_rows] * abs(jacobian) / scaling.variables[program.jacobian_columns]
    return bool(objective <= STEEPER * STEEPEST_OBJECTIVE and rows.max(initial=0.0) <= STEEPER * STEEPEST_ROW)


def run_stages(program: Nlp, budget: Budget, multipliers: Multipliers | None) -> Solution:
    """The best point that the stages find."""
    point = start_of(program)
    reports: list[Stage] = []
    for name, stage in stages(multipliers, budget.settings.effort):
        if reports and budget.is_over:
            break
        begin, n_before = time.perf_counter(), budget.supervision.n_before
        budget.begin(name)
        found = stage(program, point, budget)
        if found is None:
            continue
        seconds, iterations = time.perf_counter() - begin, budget.supervision.n_before - n_before
        if not reports or is_better(found, point):
            point = found
        reports.append(Stage(name, iterations, seconds, found.objective, program.violation(found.x)))
    if budget.stopped is not None and not point.success:
        point.status, point.message = budget.stopped
    elif point.status == "iteration_limit" and not budget.is_over:
        point.message = "Neither the solver nor crossing kinks has led to a solution within iterations of theirs."
    point.iterations, point.stages, point.history = budget.supervision.n_before, reports, budget.supervision.history
    return point


def as_stated(form: Form, nlp: Nlp, point: Solution, settings: Settings) -> Solution:
    """The point in terms of the program as stated, and whether it is a solution of that."""
    solution = form.solution(point)
    if point.inside is not None:  # the form looks at slopes of another cell, perhaps
        from fastexpr.solve.cells.stage import multipliers_of_cell

        with contextlib.suppress(EvaluationError):
            inside = form.solution(replace(point, x=point.inside)).x
            solution.multipliers = multipliers_of_cell(nlp, solution.x, inside) or solution.multipliers
    try:
        verdict = Measure(nlp, solution.x).verdict(solution.multipliers)
    except EvaluationError:
        return solution
    solution.relative_violation = verdict.violation
    feasibility, stationarity, acceptable = tolerances(settings.options)
    if solution.certificate:  # the slope at a kink is one side's only; it was looked at on all sides
        stationarity = acceptable = math.inf
    return concluded(solution, verdict, feasibility, stationarity, acceptable) if solution.success else solution


def with_conflicts(nlp: Nlp, point: Solution, budget: Budget) -> Solution:
    """Where no feasible point was found, which limits are violated and by how much; the message names them, and what
    runs away where the iterates diverge.
    """
    if point.status == "diverging":
        farthest = int(np.nan_to_num(abs(point.x), nan=np.inf).argmax())
        point.message += f" Farthest out is {nlp.variable_name(farthest)}, at {point.x[farthest]:.2g}."
    if point.status not in LOST or point.relative_violation <= FEASIBILITY:
        return point
    point.conflicts = violated(nlp, point.x)
    if point.conflicts:
        point.message += f" Violated most there: {listed(point.conflicts)}."
    if budget.n_starts > 1:
        point.message += f" Of {budget.n_starts} starts, {budget.n_infeasible} ended in such points."
    if budget.elastic:
        point.conflicts = budget.elastic
        broken = [entry for entry in budget.elastic if entry.violation > 0.0]
        held = budget.elastic[len(broken) :]
        point.message += f" With every row elastic, what is left of violations: {listed(broken)}"
        point.message += f"; against that stand {listed(held)}." if held else "."
    return point


def stages(multipliers: Multipliers | None, effort: str) -> Iterator[tuple[str, StageFunction]]:
    """What runs, in order; each has a say where the one before has left something to do."""
    if multipliers is not None and multipliers.found_with is not None and multipliers.found_with[2]:
        yield "cells", cells_nearby
    yield "ipopt", partial(ipopt_unless_solved, multipliers=multipliers)
    if multipliers is not None:
        yield "cold", cold_start
    yield "unscaled", partial(unscaled, multipliers=multipliers)
    yield "cells", partial(cells, is_warm=multipliers is not None)
    yield "smoothing", smoothing
    yield "saddle", leave_saddles
    if effort == "low":
        return
    if effort == "normal":
        yield "sample", second_start
        return
    from fastexpr.solve import search

    yield from search.STAGES


def second_start(program: Nlp, point: Solution, budget: Budget) -> Solution | None:
    """Where the first start has led nowhere, from the best point of a sample."""
    if point.status not in (*LOST, "iteration_limit"):  # a limit of the stages: that of the user ends everything
        return None
    from fastexpr.solve.search import sampled

    return sampled(program, point, budget)


def start_of(nlp: Nlp) -> Solution:
    """The start as a point, with nothing known about it."""
    none = Multipliers(np.zeros(nlp.m), np.zeros(nlp.n), np.zeros(nlp.n))
    return Solution(np.array(nlp.start), np.nan, none, "start", "Nothing has run.", 0)
