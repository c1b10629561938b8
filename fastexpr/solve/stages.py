"""The stages: functions (program, point, budget) -> point, of which each has a line in `result.stages`."""

from __future__ import annotations

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp
from fastexpr.solve.budget import Budget
from fastexpr.solvers.interior_point import Multipliers, Scaling, Solution

#: Iterations of the first stage where there are kinks: what it has not found by then, it mostly does not find.
KINKED_ITERATIONS = 80


def ipopt(
    program: Nlp,
    point: Solution,
    budget: Budget,
    multipliers: Multipliers | None = None,
    scaling: Scaling | None = None,
) -> Solution:
    """The solver from where the user starts."""
    del point  # it is the program's start
    most = KINKED_ITERATIONS if has_kinks(program, budget) else None
    return budget.run(program, multipliers, max_iter=most, scaling=scaling)


def cells(program: Nlp, point: Solution, budget: Budget) -> Solution | None:
    """From the solver's point across kinks; see `fastexpr.solve.cells`. Smooth programs pass by."""
    if not has_kinks(program, budget) or point.status == "no_derivative":
        return None
    from fastexpr.solve.cells import walk_from

    try:
        return walk_from(program, point, budget)
    except EvaluationError:  # nothing can be said at this point
        return None


def has_kinks(program: Nlp, budget: Budget) -> bool:
    """Whether there are kinks, and they are to be crossed."""
    return budget.settings.kinks == "cells" and bool(getattr(program.functions, "has_kinks", False))
