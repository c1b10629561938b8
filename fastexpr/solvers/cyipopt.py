"""Ipopt through the package cyipopt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import cyipopt
import numpy as np

from fastexpr.nlp import Nlp
from fastexpr.solvers.interior_point import INFINITY, Callbacks, InterruptGuard, Multipliers, Progress, Solution
from fastexpr.solvers.options import Option, Plain, candidates, refuse

#: Ipopt prints nothing unless asked; "sb" leaves out its banner.
defaults: dict[str, Option] = {"print_level": 0, "sb": "yes"}


def run(
    nlp: Nlp, options: dict[str, Option], multipliers: Multipliers | None, progress: Callable[[Progress], object] | None
) -> Solution:
    """Solves the program; see `fastexpr.solvers.run`."""

    def fail(size: int | None) -> NoReturn:
        raise cyipopt.CyIpoptEvaluationError

    callbacks = Callbacks(nlp, progress, fail)
    problem = cyipopt.Problem(
        n=nlp.n,
        m=nlp.m,
        problem_obj=callbacks,
        lb=np.maximum(nlp.lower, -INFINITY),
        ub=np.minimum(nlp.upper, INFINITY),
        cl=np.maximum(nlp.constraint_lower, -INFINITY),
        cu=np.minimum(nlp.constraint_upper, INFINITY),
    )
    for name, value in {**defaults, **options}.items():
        if not any(accepts(problem, name, candidate) for candidate in candidates(name, value)):
            refuse("cyipopt", name, value)
    first: list[Any] = [multipliers.constraints, multipliers.lower, multipliers.upper] if multipliers else [[], [], []]
    with InterruptGuard(callbacks):
        x, info = problem.solve(nlp.start, *first)
    problem.close()
    return callbacks.solution(x, info)


def accepts(problem: Any, name: str, value: Plain) -> bool:
    """Whether Ipopt takes the option."""
    try:
        problem.add_option(name, value)
    except TypeError:
        return False
    return True
