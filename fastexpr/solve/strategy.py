"""A solve from a program as it was stated to a solution in its terms, stage by stage."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp
from fastexpr.solve.budget import Budget, Settings
from fastexpr.solve.form import Form, form_of
from fastexpr.solve.scaling import merged, scaling_of
from fastexpr.solve.stages import cells, ipopt
from fastexpr.solvers.checked import concluded, tolerances
from fastexpr.solvers.interior_point import Multipliers, Scaling, Solution, Stage
from fastexpr.solvers.verification import FEASIBILITY, Measure

#: Returns None where it has nothing to do.
StageFunction = Callable[[Nlp, Solution, Budget], Solution | None]

#: Relative to max(1, |f|): of points as good as each other, the one of which more is known counts.
TIE = 1e-8


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
        return run_stages(nlp, budget, multipliers, factors_for(nlp, settings))
    program = form.program()
    if settings.factors is not None:
        settings = replace(settings, factors=form.factors(settings.factors))
    factors = factors_for(program, settings)
    nlp.scale = form.scale()
    point = run_stages(program, budget, form.multipliers(multipliers) if multipliers else None, factors)
    return as_stated(form, nlp, point, settings)


def factors_for(program: Nlp, settings: Settings) -> Scaling | None:
    """What the solver multiplies with; the program gets its scale, which the check is relative to."""
    scaling, program.scale = scaling_of(program)
    if not settings.has_own_scaling:
        return settings.factors
    if settings.scaling == "none":
        scaling = Scaling(1.0, np.ones(program.n), np.ones(program.m))
    return scaling if settings.factors is None else merged(scaling, settings.factors)


def run_stages(program: Nlp, budget: Budget, multipliers: Multipliers | None, scaling: Scaling | None) -> Solution:
    """The best point that the stages find."""
    point = start_of(program)
    reports: list[Stage] = []
    for name, stage in stages(multipliers, scaling):
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
    point.iterations, point.stages, point.history = budget.supervision.n_before, reports, budget.supervision.history
    return point


def as_stated(form: Form, nlp: Nlp, point: Solution, settings: Settings) -> Solution:
    """The point in terms of the program as stated, and whether it is a solution of that."""
    solution = form.solution(point)
    try:
        verdict = Measure(nlp, solution.x).verdict(solution.multipliers)
    except EvaluationError:
        return solution
    solution.relative_violation = verdict.violation
    feasibility, stationarity, acceptable = tolerances(settings.options)
    if solution.kinks:  # the slope there is one side's only; it was looked at on all sides
        stationarity = acceptable = math.inf
    return concluded(solution, verdict, feasibility, stationarity, acceptable) if solution.success else solution


def stages(multipliers: Multipliers | None, scaling: Scaling | None) -> list[tuple[str, StageFunction]]:
    """What runs, in order; each has a say where the one before has left something to do."""
    return [("ipopt", partial(ipopt, multipliers=multipliers, scaling=scaling)), ("cells", cells)]


def start_of(nlp: Nlp) -> Solution:
    """The start as a point, with nothing known about it."""
    none = Multipliers(np.zeros(nlp.m), np.zeros(nlp.n), np.zeros(nlp.n))
    return Solution(np.array(nlp.start), np.nan, none, "start", "Nothing has run.", 0)


def is_better(new: Solution, old: Solution) -> bool:
    """Success counts first, then feasibility, then the objective."""
    if new.success != old.success:
        return new.success
    if new.certificate and new.success and new.objective <= old.objective + TIE * max(1.0, abs(old.objective)):
        return True
    excesses = [max(0.0, point.relative_violation - FEASIBILITY) for point in (new, old)]
    return excesses[0] < excesses[1] or (excesses[0] == excesses[1] and new.objective < old.objective)
