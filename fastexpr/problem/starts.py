"""Where a solve starts: from an earlier result, an array, or values of some variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastexpr.errors import EvaluationError, ShapeError
from fastexpr.expression import Expression
from fastexpr.function.arguments import real_numbers
from fastexpr.function.labels import labelled
from fastexpr.nlp import Vector
from fastexpr.problem.arguments import as_vector
from fastexpr.problem.result import Result
from fastexpr.problem.statement import Statement
from fastexpr.solvers import Multipliers


def start_of(statement: Statement, start: Any, lower: Vector, upper: Vector) -> tuple[Vector, Multipliers | None]:
    """The point within the bounds, and the multipliers of a warm start.

    Raises
    ------
    fastexpr.errors.ShapeError
        The start does not fit the problem.
    fastexpr.errors.EvaluationError
        What the start defines is not finite.
    """
    if start is None:
        return statement.start(), None
    if isinstance(start, Result):
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


def multipliers_of(statement: Statement, start: Result) -> Multipliers | None:
    """Of an earlier result of the same problem; None where constraints have come or gone since."""
    if start.x.size != statement.n:
        raise ShapeError(
            f"[Problem] start is a result of another problem: got {start.x.size} variables, expected {statement.n}."
        )
    return start.multipliers if start.multipliers.constraints.size == statement.n_rows() else None
