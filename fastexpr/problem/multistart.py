"""Many starts of a `Problem`."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Vector
from fastexpr.problem.assembly import attached
from fastexpr.problem.parameters import at
from fastexpr.problem.problem import Problem
from fastexpr.problem.result import Result
from fastexpr.problem.starts import narrowed, start_of
from fastexpr.solve.many.multistart import (
    MultistartResult,
    Valleys,
    estimated_optima,
    least_violated,
    objective_and_violation,
    require_count,
    search,
)
from fastexpr.solve.many.parcels import Executor
from fastexpr.solve.sampling import sample
from fastexpr.solvers.verification import widths


def multistart(
    problem: Problem,
    starts: int = 20,
    seed: int = 0,
    executor: Executor | None = None,
    *,
    start: Any = None,
    stop: bool = True,
    time_limit: float | None = None,
    **settings: Any,
) -> MultistartResult:
    """Solves a problem from many starts, and gives the distinct local optima, best first.

    The first start is the problem's own; the others are points of a Sobol sequence over the bounds of the variables,
    within the range of the networks that they enter. Where a bound is missing, the sequence covers as much around the
    start as that is large. Outputs of networks follow from the inputs.

    Parameters
    ----------
    problem : Problem
        With an objective.
    starts : int, default 20
        At most so many solves.
    seed : int, default 0
        Of the sequence: the same seed gives the same optima, whatever the executor.
    executor : concurrent.futures.Executor or the like, optional
        Where solves run, any pool with ``submit(function, *arguments)``. The problem is pickled and compiled once in
        each of its threads or processes.
    start : optional
        The first start, as of `Problem.solve`.
    stop : bool, default True
        Whether to stop before the last start, where what was found so far says that there are no further optima: the
        rule of Boender and Rinnooy Kan (1987).
    time_limit : float, optional
        In seconds of a clock on the wall, for all solves together; the first one runs in any case. What is found in a
        limited time is not the same each time.
    **settings
        Of each solve, as of `Problem.solve`: solver, effort ("low" by default: there are other starts), options, ...

    Returns
    -------
    MultistartResult
        `best`, `optima`, `table`, `plot()`.

    Raises
    ------
    ValueError
        `starts` is not positive; a solver's option is not known.
    fastexpr.errors.EvaluationError
        What the first start defines is not finite.
    TypeError
        With an executor: a part of the problem or a setting does not pickle; it is named.

    Examples
    --------
    The Himmelblau function has four minima, all of value 0:

    >>> import fastexpr as fx
    >>> p = fx.Problem()
    >>> x = p.variables(2, lower=-5, upper=5)
    >>> p.minimize((x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2)
    >>> found = fx.multistart(p, starts=30, stop=False)
    >>> len(found.optima), round(found.best.objective, 6) + 0.0
    (4, 0.0)
    """
    require_count(starts)
    with at(problem._statement, settings.get("parameters")):
        return from_many_starts(problem, starts, seed, executor, start, stop, time_limit, settings)


def from_many_starts(
    problem: Problem,
    starts: int,
    seed: int,
    executor: Executor | None,
    start: Any,
    stop: bool,
    time_limit: float | None,
    settings: dict[str, Any],
) -> MultistartResult:
    """With the parameters as they are."""
    nlp, statement = problem.nlp(), problem._statement
    first, _ = start_of(statement, start, nlp)
    low, high = narrowed(statement, nlp.lower, nlp.upper)
    points = np.vstack([first[None], sample(low, high, first, starts - 1, seed)])
    task = ProblemTask(problem, {"effort": "low", **settings})
    if executor is not None:
        task.require_picklable()
    nlp.start = first

    def values(x: Vector) -> tuple[float, float]:
        objective, violation = objective_and_violation(nlp, nlp.complete(np.clip(x, nlp.lower, nlp.upper)))
        return statement.sign * objective, violation

    valleys = Valleys(widths(nlp.lower, nlp.upper, first), values, statement.sign)
    table, answers, message = search(task, list(points), valleys, executor, time_limit, stop)
    if isinstance(answers[0], NoStart):
        raise answers[0].error
    optima = valleys.sorted()
    for optimum in optima:
        optimum.result = attached(optimum.result, statement, nlp)
    best = optima[0].result if optima else attached(least_violated(answers, statement.sign), statement, nlp)
    n_solves = sum(row["optimum"] is not None for row in table)
    return MultistartResult(best, optima, table, estimated_optima(len(optima), n_solves), message, statement.sign)


class ProblemTask:
    """One solve of the problem; pickles with it."""

    def __init__(self, problem: Problem, settings: Mapping[str, Any]) -> None:
        self._problem, self._settings = problem, dict(settings)

    def __call__(self, point: Vector, time_limit: float | None) -> Result | NoStart:
        """The result from there."""
        try:
            return self._problem.solve(start=point, time_limit=time_limit, **self._settings)
        except EvaluationError as error:
            return NoStart(point, error)

    def require_picklable(self) -> None:
        """Names what does not pickle.

        Raises
        ------
        TypeError
            There is something.
        """
        statement = self._problem._statement
        parts = {f"the setting {name!r}": value for name, value in self._settings.items()}
        parts |= {f"the network of {statement.variables[e.y].name!r}": e.function for e in statement.networks}
        parts |= {f"the constraint {constraint.name!r}": constraint for constraint in statement.constraints}
        parts |= {"the objective": statement.objective, "the problem": self._problem}
        for what, part in parts.items():
            try:
                pickle.dumps(part)
            except Exception as error:  # whatever its __reduce__ raises
                raise TypeError(
                    f"[multistart] {what} cannot travel to the executor, because it does not pickle: {error}. What to "
                    "do: define its classes and functions in a module, or leave executor out."
                ) from error


@dataclass
class NoStart:
    """The answer where what the start defines is not finite."""

    x: Vector
    error: EvaluationError
    success: bool = False
    status: str = "invalid_number"
    objective: float = math.nan
    iterations: int = 0
    relative_violation: float = math.inf
