"""The stages: functions (program, point, budget) -> point, of which each has a line in `result.stages`."""

from __future__ import annotations

from fastexpr.nlp import Nlp
from fastexpr.solve.budget import Budget
from fastexpr.solvers.interior_point import Multipliers, Solution


def ipopt(program: Nlp, point: Solution, budget: Budget, multipliers: Multipliers | None = None) -> Solution:
    """The solver from where the user starts."""
    del point  # it is the program's start
    return budget.run(program, multipliers)
