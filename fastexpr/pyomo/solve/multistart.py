"""Many starts of a Pyomo model, by the solver "fastexpr"."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Vector
from fastexpr.pyomo.model.initialization import initialize
from fastexpr.pyomo.solve.solution_loader import FastexprSolutionLoader
from fastexpr.solve import Settings, solve
from fastexpr.solve.many.multistart import (
    MultistartResult,
    Valleys,
    estimated_optima,
    least_violated,
    objective_and_violation,
    require_count,
    search,
)
from fastexpr.solve.sampling import sample
from fastexpr.solvers import Multipliers, Solution
from fastexpr.solvers.verification import widths

if TYPE_CHECKING:
    from fastexpr.pyomo.compile.compiled import CompiledModel
    from fastexpr.pyomo.solve.solver import FastexprConfig


def from_many_starts(
    compiled: CompiledModel,
    config: FastexprConfig,
    settings: Settings,
    multipliers: Multipliers | None,
    restart: Callable[[], None],
) -> tuple[Solution, MultistartResult]:
    """The best solution, and what was found; the model's values stay as they are.

    `restart` is called before every solve but the first; the multipliers are the first one's.
    """
    require_count(config.starts)
    if settings.effort == "normal":
        settings = replace(settings, effort="low")  # there are other starts
    nlp = compiled.nlp
    first = nlp.start
    points = starting_points(compiled, config.starts, config.seed)
    n_done = 0

    def here(point: Vector, time_limit: float | None) -> Solution:
        nonlocal n_done
        n_done += 1
        if n_done > 1:
            restart()
        nlp.start = point
        return solve(nlp, replace(settings, time_limit=time_limit), multipliers if n_done == 1 else None)

    task: Any = here if config.executor is None else travelling(compiled, settings)
    valleys = Valleys(widths(nlp.lower, nlp.upper, first), lambda x: objective_and_violation(nlp, x), 1.0)
    try:
        table, answers, message = search(task, points, valleys, config.executor, config.time_limit)
    finally:
        nlp.start = first
    optima = valleys.sorted()
    best: Solution = optima[0].result if optima else least_violated(answers, 1.0)
    return best, stated(compiled, valleys, table, best, message)


def stated(
    compiled: CompiledModel, valleys: Valleys, table: list[dict[str, Any]], best: Solution, message: str
) -> MultistartResult:
    """What was found, in the model's terms."""
    optima = valleys.sorted()
    for optimum in optima:
        optimum.objective *= compiled.sign
        optimum.result = FastexprSolutionLoader(compiled, optimum.result)
    for row in table:
        row["objective"] *= compiled.sign
    n_solves = sum(row["optimum"] is not None for row in table)
    loader = FastexprSolutionLoader(compiled, best)
    return MultistartResult(loader, optima, table, estimated_optima(len(optima), n_solves), message, compiled.sign)


def starting_points(compiled: CompiledModel, count: int, seed: int) -> list[Vector]:
    """The model's own start, then others over the bounds; networks' outputs follow from the inputs."""
    nlp, variables = compiled.nlp, compiled.variables
    points = [nlp.start, *sample(nlp.lower, nlp.upper, nlp.start, count - 1, seed)]
    before = [variable.value for variable in variables]
    try:
        for k in range(1, len(points)):
            for variable, number in zip(variables, points[k].tolist(), strict=True):
                variable.set_value(number, skip_validation=True)
            try:
                initialize(compiled.model)
            except EvaluationError:
                continue  # the solver will say so, where it matters
            values = np.array([variable.value for variable in variables], dtype=float)
            points[k] = np.clip(values, nlp.lower, nlp.upper)
    finally:
        for variable, number in zip(variables, before, strict=True):
            variable.set_value(number, skip_validation=True)
    return points


class ModelTask:
    """One solve of a compiled model, also in another process."""

    def __init__(self, compiled: CompiledModel, settings: Settings) -> None:
        nlp = compiled.nlp
        self._limits = (nlp.start, nlp.lower, nlp.upper, nlp.constraint_lower, nlp.constraint_upper)
        self._functions, self._arrays = nlp.functions, nlp.arrays
        self._variables = [nlp.variable_name(j) for j in range(nlp.n)]
        self._rows = [nlp.row_name(i) for i in range(nlp.m)]
        self._owner = nlp.owner
        options = {name: value for name, value in settings.options.items() if "file" not in name}
        self._settings = replace(settings, options=options, progress=None, before_again=None)
        self._nlp: Nlp | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_nlp": None}

    def __call__(self, point: Vector, time_limit: float | None) -> Solution:
        """The solution from there."""
        if self._nlp is None:
            self._nlp = Nlp(
                *self._limits,
                self._functions,
                variable_name=self._variables.__getitem__,
                row_name=self._rows.__getitem__,
                owner=self._owner,
                arrays=self._arrays,
            )
        self._nlp.start = point
        return solve(self._nlp, replace(self._settings, time_limit=time_limit))


def travelling(compiled: CompiledModel, settings: Settings) -> ModelTask:
    """The task for an executor.

    Raises
    ------
    TypeError
        A function that the model calls does not pickle; it is named.
    """
    try:
        pickle.dumps(compiled.nlp.functions)
    except TypeError as error:
        raise TypeError(
            f"[Model '{compiled.model.name}'] cannot travel to the executor, because it does not pickle: {error} Or "
            "leave executor out."
        ) from error
    return ModelTask(compiled, settings)
