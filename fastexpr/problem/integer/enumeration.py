"""Integer choices beside smooth networks: a nonlinear program for each, in the order of what they can bring."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fastexpr.errors import FormulationError
from fastexpr.nlp import Nlp
from fastexpr.problem.integer.mixed_integer import tightened
from fastexpr.problem.statement import Statement
from fastexpr.solvers import Solution

MOST = 1000  # nonlinear programs


def best_choice(
    statement: Statement, nlp: Nlp, time_limit: float | None, solve: Callable[[float | None], Solution]
) -> Solution:
    """The best solution over all values of the integer variables.

    Parameters
    ----------
    statement : Statement
    nlp : Nlp
        Its bounds are set for each choice, and are as before in the end.
    time_limit : float, optional
        Of all solves together, in seconds.
    solve : callable
        Solves the program from its start, within so many seconds.

    Raises
    ------
    fastexpr.errors.FormulationError
        There are too many choices, or no end to them.
    """
    places = np.flatnonzero(statement.is_integer())
    choices = choices_of(statement, nlp, places)
    begin, lower, upper, start = time.perf_counter(), nlp.lower.copy(), nlp.upper.copy(), nlp.start.copy()
    best: Solution | None = None
    solved, iterations = 0, 0
    ordered = sorted(((bound_of(statement, places, choice), choice) for choice in choices), key=lambda entry: entry[0])
    try:
        for bound, choice in ordered:
            if best is not None and best.success and bound >= best.objective - 1e-9 * max(1.0, abs(best.objective)):
                break
            left = None if time_limit is None else time_limit - (time.perf_counter() - begin)
            if left is not None and left <= 0.0 and best is not None:
                break
            nlp.lower, nlp.upper = lower.copy(), upper.copy()
            nlp.lower[places] = nlp.upper[places] = choice
            nlp.start = statement.completed(np.clip(start, nlp.lower, nlp.upper), nlp.lower == nlp.upper)
            found = solve(left)
            solved, iterations = solved + 1, iterations + found.iterations
            if best is None or (found.success, -found.objective) > (best.success, -best.objective):
                best = found
            if found.status in ("interrupted", "stopped"):
                best = found if best is found or not best.success else best
                break
    finally:
        nlp.lower, nlp.upper, nlp.start = lower, upper, start
    assert best is not None
    message = f"{best.message} (The best of {len(choices)} integer choices, of which {solved} were solved for.)"
    return replace(best, message=message, iterations=iterations)


def choices_of(statement: Statement, nlp: Nlp, places: Any) -> list[tuple[float, ...]]:
    """All values of the integer components."""
    names = [statement.variable_name(int(k)) for k in places]
    ends = [(math.ceil(low), math.floor(high)) if np.isfinite([low, high]).all() else None
            for low, high in zip(nlp.lower[places], nlp.upper[places], strict=True)]  # fmt: skip
    for name, end in zip(names, ends, strict=True):
        if end is None:
            raise FormulationError(
                f"[Problem] the integer variable {name} has no finite bounds: all its values would be tried. What to "
                "do: bounds, or a problem for solver='highs'."
            )
        if end[0] > end[1]:
            raise FormulationError(f"[Problem] no whole number lies within the bounds of {name}.")
    finite = [end for end in ends if end is not None]
    count = math.prod(high - low + 1 for low, high in finite)
    if count > MOST:
        raise FormulationError(
            f"[Problem] the integer variables have {count} values together, and a nonlinear program would be solved "
            f"for each: expected at most {MOST}. What to do: networks that are piecewise linear, with solver='highs'; "
            "a Pyomo model with formulation='full-space' and a solver of mixed-integer nonlinear programs (SCIP, "
            "Couenne); or tighter bounds."
        )
    return list(itertools.product(*(map(float, range(low, high + 1)) for low, high in finite)))


def bound_of(statement: Statement, places: Any, choice: tuple[float, ...]) -> float:
    """What the objective (of the minimization) is at least, by interval arithmetic."""
    if statement.objective is None:
        return 0.0
    lower, upper = (side.copy() for side in statement.bounds())
    lower[places] = upper[places] = choice
    lower, upper = tightened(statement, lower, upper)
    function, used = statement.compile([statement.objective])
    low, high = function.output_bounds(lower[used], np.maximum(lower[used], upper[used]))
    bound = float(low[0] if statement.sign > 0 else -high[0])
    return -math.inf if math.isnan(bound) else bound
