"""Where a solve starts: from an earlier result, an array, values of some variables, or the best of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import EvaluationError, ShapeError
from fastexpr.expression import Expression
from fastexpr.function.arguments import real_numbers
from fastexpr.function.labels import labelled
from fastexpr.nlp import Indices, Nlp, Vector
from fastexpr.problem.arguments import as_vector
from fastexpr.problem.result import Result
from fastexpr.problem.sensitivity import Start
from fastexpr.problem.statement import Statement
from fastexpr.solve.sampling import ranked, sample
from fastexpr.solvers import Multipliers

SAMPLE_SIZE = 128


def start_of(statement: Statement, start: Any, nlp: Nlp) -> tuple[Vector, Multipliers | None]:
    """The point within the bounds, and the multipliers of a warm start.

    Raises
    ------
    fastexpr.errors.ShapeError
        The start does not fit the problem.
    fastexpr.errors.EvaluationError
        What the start defines is not finite.
    """
    lower, upper = nlp.lower, nlp.upper
    if start is None:
        return statement.start(), None
    if isinstance(start, str):
        return best_sample(statement, start, nlp), None
    if isinstance(start, Result | Start):
        multipliers = multipliers_of(statement, start)
        return np.clip(start.x, lower, upper), multipliers
    if isinstance(start, Mapping) and all(isinstance(key, Expression) for key in start):
        x, is_kept = from_values(statement, start)
    elif labelled(start) is not None:
        x, is_kept = from_values(statement, {only_variables(statement): start})
    else:
        x, is_kept = from_array(statement, start)
    if not np.isfinite(x).all():
        component = int(np.flatnonzero(~np.isfinite(x))[0])
        raise ValueError(
            f"[Problem] the start of {statement.variable_name(component)} is not finite: got {x[component]}."
        )
    x = statement.completed(np.clip(x, lower, upper), is_kept | (lower == upper))
    if not np.isfinite(x).all():
        component = int(np.flatnonzero(~np.isfinite(x))[0])
        raise EvaluationError(
            f"[Problem] what the start gives for {statement.variable_name(component)} is not finite: "
            f"got {x[component]}. What to do: start elsewhere."
        )
    return np.clip(x, lower, upper), None


def best_sample(statement: Statement, word: str, nlp: Nlp) -> Vector:
    """Of points spread over the bounds, and the problem's own start, the one that looks best."""
    if word != "sample":
        raise ValueError(
            f'[Problem] start must be "sample", a Result, an array or a dict of values by variable: got {word!r}.'
        )
    first = statement.start()
    low, high = narrowed(statement, nlp.lower, nlp.upper)
    points = np.vstack([first[None], sample(low, high, first, SAMPLE_SIZE)])
    is_fixed = nlp.lower == nlp.upper
    completed = statement.completed(points[1:], is_fixed)
    is_finite = np.isfinite(completed).all(axis=1, keepdims=True)
    points[1:] = np.where(is_finite, np.clip(completed, nlp.lower, nlp.upper), first)
    best: Vector = points[ranked(nlp, points)[0]]
    return best


def narrowed(statement: Statement, lower: Vector, upper: Vector) -> tuple[Vector, Vector]:
    """Bounds for sampling: within the range of the networks that the variables enter, where that leaves something."""
    lower, upper = lower.copy(), upper.copy()
    for entry in statement.networks:
        if entry.function.lower is None or entry.function.upper is None:
            continue
        low, high = lower.copy(), upper.copy()
        np.maximum.at(low, entry.inputs, np.broadcast_to(entry.function.lower, entry.inputs.shape))
        np.minimum.at(high, entry.inputs, np.broadcast_to(entry.function.upper, entry.inputs.shape))
        fits = low <= high
        lower, upper = np.where(fits, low, lower), np.where(fits, high, upper)
    return lower, upper


def start_in_range(statement: Statement, function: Function, inputs: Indices) -> None:
    """Where variables start that have no start of their own: at the centre of the network's data, where it has some.

    Else those without both bounds start in the middle of the network's range.
    """
    low, high, data = function.lower, function.upper, getattr(function, "data", None)
    middle = np.full(statement.n, np.nan)
    if data is not None:
        middle[inputs] = data.center
    elif low is None or high is None:
        return
    else:
        middle[inputs] = np.where(np.isfinite(low) & np.isfinite(high), low / 2 + high / 2, np.nan)
    for entry in statement.variables.values():
        here = middle[entry.offset : entry.offset + entry.leaf.size]
        has_both = np.isfinite(entry.lower) & np.isfinite(entry.upper) & (data is None)
        is_open = np.isfinite(here) & ~has_both & (not entry.has_start)
        entry.start = np.where(is_open, np.clip(here, entry.lower, entry.upper), entry.start)


def from_values(statement: Statement, values: Mapping[Any, Any]) -> tuple[Vector, Any]:
    """Of the variables that are named; the others start where they were stated to."""
    x, is_kept = statement.start(), np.zeros(statement.n, dtype=bool)
    for expression, numbers in values.items():
        places = statement.positions(expression)
        x[places.ravel()] = as_vector(numbers, 0.0, places.shape, "start", statement.names_of(expression))
        is_kept[places.ravel()] = True
    return x, is_kept


def only_variables(statement: Statement) -> Expression:
    """The variables that a start with labels can only mean."""
    is_defined = np.zeros(statement.n, dtype=bool)
    for places in statement.defined():
        is_defined[places] = True
    own = [
        leaf
        for leaf, entry in statement.variables.items()
        if not is_defined[entry.offset : entry.offset + leaf.size].all()
    ]
    if len(own) != 1:
        raise ShapeError(
            f"[Problem] start has labels, but there are {len(own)} groups of variables that it could belong to. What "
            "to do: start={x: values}, x being what the method variables gave."
        )
    return own[0]


def from_array(statement: Statement, numbers: Any) -> tuple[Vector, Any]:
    """Of all components of x, or of those that are no networks' outputs: these follow."""
    given = real_numbers(numbers, "[Problem] start").ravel()
    is_defined = np.zeros(statement.n, dtype=bool)
    for places in statement.defined():
        is_defined[places] = True
    x = statement.start()
    if given.size == statement.n:
        x[:] = given
    elif given.size == np.count_nonzero(~is_defined):
        x[~is_defined] = given
    else:
        raise ShapeError(
            f"[Problem] wrong length of start: got {given.size}, expected {np.count_nonzero(~is_defined)} (the "
            f"variables) or {statement.n} (with the outputs of networks). Or start={{x: values}}."
        )
    return x, np.zeros(statement.n, dtype=bool)


def multipliers_of(statement: Statement, start: Result | Start) -> Multipliers | None:
    """Of an earlier result of the same problem; None where constraints have come or gone since."""
    if start.x.size != statement.n:
        raise ShapeError(
            f"[Problem] start is a result of another problem: got {start.x.size} variables, expected {statement.n}."
        )
    return start.multipliers if start.multipliers.constraints.size == statement.n_rows() else None
