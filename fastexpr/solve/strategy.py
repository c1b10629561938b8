"""A solve from a program as it was stated to a solution in its terms, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from fastexpr.nlp import Nlp
from fastexpr.solve.budget import Budget, Settings
from fastexpr.solve.stages import ipopt
from fastexpr.solvers.interior_point import Multipliers, Solution, Stage
from fastexpr.solvers.verification import FEASIBILITY

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
    point = start_of(nlp)
    reports: list[Stage] = []
    for name, stage in stages(multipliers):
        if reports and budget.is_over:
            break
        begin, n_before = time.perf_counter(), budget.supervision.n_before
        budget.begin(name)
        found = stage(nlp, point, budget)
        if found is None:
            continue
        seconds, iterations = time.perf_counter() - begin, budget.supervision.n_before - n_before
        reports.append(Stage(name, iterations, seconds, found.objective, nlp.violation(found.x)))
        if not reports[1:] or is_better(found, point):
            point = found
    point.iterations, point.stages = budget.supervision.n_before, reports
    return point


def stages(multipliers: Multipliers | None) -> list[tuple[str, StageFunction]]:
    """What runs, in order; each has a say where the one before has left something to do."""
    return [("ipopt", partial(ipopt, multipliers=multipliers))]


def start_of(nlp: Nlp) -> Solution:
    """The start as a point, with nothing known about it."""
    none = Multipliers(np.zeros(nlp.m), np.zeros(nlp.n), np.zeros(nlp.n))
    return Solution(np.array(nlp.start), np.nan, none, "start", "Nothing has run.", 0)


def is_better(new: Solution, old: Solution) -> bool:
    """Success counts first, then feasibility, then the objective."""
    if new.success != old.success:
        return new.success
    excesses = [max(0.0, point.relative_violation - FEASIBILITY) for point in (new, old)]
    return excesses[0] < excesses[1] or (excesses[0] == excesses[1] and new.objective < old.objective)
