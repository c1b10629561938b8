"""Parameters of a problem: numbers in its expressions and bounds that change from solve to solve, without compiling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import GraphError, NotFoundError, ShapeError
from fastexpr.expression import Expression, flatten, variables
from fastexpr.expression.node import with_component_names
from fastexpr.expression.operands import as_operand
from fastexpr.nlp import Indices, Vector
from fastexpr.problem.arguments import AskNames, as_vector, names_from

if TYPE_CHECKING:
    from fastexpr.problem.statement import Statement


@dataclass(eq=False)
class Parameters:
    """Components offset .. offset + leaf.size - 1 of the vector of all parameters; NaN where no value was given."""

    leaf: Expression
    offset: int
    name: str
    values: Vector
    variables: Expression | None = None  # fixed ones, equal to these: what networks that take the parameters read


@dataclass(eq=False)
class MovingBound:
    """A bound of variables that is an expression of parameters."""

    function: Function
    components: Indices  # of the vector of all parameters
    shape: tuple[int, ...]

    def at(self, parameters: Vector) -> Vector:
        """Flat; NaN where a parameter has no value."""
        if np.isnan(parameters[self.components]).any():
            return np.full(int(np.prod(self.shape)), np.nan)
        value = self.function(parameters[self.components])
        return np.broadcast_to(value.reshape(self.function.outputs["y"]), self.shape).flatten()

    def jacobian(self, n_parameters: int, parameters: Vector) -> Vector:
        """(size, n_parameters)."""
        own = self.function.jacobian(parameters[self.components])
        rows = np.broadcast_to(np.arange(len(own)).reshape(self.function.outputs["y"]), self.shape).ravel()
        result = np.zeros((rows.size, n_parameters))
        result[:, self.components] = own[rows]
        return result


def state_parameters(statement: Statement, shape: int | Sequence[int], value: Any, name: str | None) -> Expression:
    """New parameters, of a name that no others have."""
    leaf = variables(shape)
    name = name or f"p{len(statement.parameters)}"
    if any(entry.name == name for entry in statement.parameters.values()):
        raise ValueError(f"[Problem] there are parameters {name!r} already: give these another name.")
    found = names_from(leaf.shape, value)
    if found is not None:
        with_component_names(leaf, found.names)
    numbers = as_values(value, leaf.shape, name, None if found is None else lambda: found)
    statement.add_parameters(leaf, name, numbers)
    return leaf


def as_bound(values: Any) -> Any:
    """An expression of parameters, which may come in a list with numbers; anything else as it is."""
    if isinstance(values, Expression):
        return values
    if isinstance(values, list | tuple) or (isinstance(values, np.ndarray) and values.dtype == object):
        flat = list(np.ravel(np.asarray(values, dtype=object))) if isinstance(values, np.ndarray) else list(values)
        if any(isinstance(entry, Expression) for entry in flat):
            return as_operand(values)
    return values


def moving_bound(statement: Statement, expression: Expression, shape: tuple[int, ...], what: str) -> MovingBound:
    """The bound that an expression of parameters is.

    Raises
    ------
    fastexpr.errors.GraphError
        It depends on variables.
    fastexpr.errors.ShapeError
        It does not broadcast to the shape.
    """
    try:
        function, components = flatten(list(statement.parameters), [expression], compress=True)
    except GraphError:
        raise GraphError(
            f"[Problem] {what} may be numbers or an expression of parameters: got one of variables, or of another "
            "problem's parameters. What to do: a constraint, subject_to(x <= ...)."
        ) from None
    try:
        np.broadcast_to(np.zeros(expression.shape), shape)
    except ValueError:
        raise ShapeError(
            f"[Problem] wrong shape of {what}: got {expression.shape}, expected {shape} or what broadcasts to it."
        ) from None
    return MovingBound(function, components, shape)


def as_values(values: Any, shape: tuple[int, ...], name: str, names: AskNames = None) -> Vector:
    """The numbers of a parameter, flat."""
    if values is None:
        return np.full(int(np.prod(shape)), np.nan)
    if isinstance(values, Expression):
        raise TypeError(f"[Problem] the value of the parameter {name!r} must be numbers: got an Expression.")
    numbers = as_vector(values, np.nan, shape, f"the value of the parameter {name!r}", names)
    wrong = numbers[~np.isfinite(numbers)]
    if wrong.size:
        raise ValueError(f"[Problem] the value of the parameter {name!r} is not finite: got {wrong[0]}.")
    return numbers


def assigned(statement: Statement, values: Mapping[Any, Any]) -> dict[Parameters, Vector]:
    """The values of parameters that some of them, by what the method parameters gave, selections of it or names, have.

    Raises
    ------
    TypeError
        `values` is no dict.
    fastexpr.errors.NotFoundError
        There is no such parameter.
    fastexpr.errors.ShapeError, ValueError
        A value does not broadcast to its parameter's shape, or is NaN.
    """
    if not isinstance(values, Mapping):
        raise TypeError(
            f"[Problem] parameters must be a dict, {{price: 3.0}}, by what the method parameters gave, or by name: got "
            f"{type(values).__name__}."
        )
    vector = statement.parameter_values()
    for key, numbers in values.items():
        places, name = places_of(statement, key)
        vector[places.ravel()] = as_values(numbers, places.shape, name, statement.names_of(key))
    return {entry: vector[entry.offset : entry.offset + entry.leaf.size] for entry in statement.parameters.values()}


def places_of(statement: Statement, key: Any) -> tuple[Indices, str]:
    """Which components of the vector of all parameters these are, in their shape, and what they are called."""
    if isinstance(key, str):
        entry = next((entry for entry in statement.parameters.values() if entry.name == key), None)
        if entry is None and key in (names := [statement.parameter_name(k) for k in range(statement.n_parameters)]):
            return np.array(names.index(key)), key
        if entry is None:
            known = ", ".join(repr(own.name) for own in statement.parameters.values()) or "none"
            raise NotFoundError(f"[Problem] there is no parameter {key!r}: there are {known}.")
        return np.arange(entry.offset, entry.offset + entry.leaf.size).reshape(entry.leaf.shape), key
    if isinstance(key, Expression):
        try:
            places = statement.places(key) - statement.n
        except GraphError:
            places = np.array([-1])
        if places.size and (places >= 0).all():
            return places, statement.parameter_name(int(places.ravel()[0])).partition("[")[0]
    raise NotFoundError(
        f"[Problem] no parameter of this problem: {key!r}. What to do: what the method parameters gave, a selection of "
        "it such as price[0], or its name."
    )


@contextmanager
def at(statement: Statement, values: Mapping[Any, Any] | None) -> Iterator[None]:
    """Meanwhile these parameters have these values.

    Raises
    ------
    ValueError
        A parameter has no value.
    """
    before = {entry: entry.values for entry in statement.parameters.values()}
    try:
        for entry, numbers in (assigned(statement, values) if values is not None else {}).items():
            entry.values = numbers
        require_values(statement)
        yield
    finally:
        for entry, numbers in before.items():
            entry.values = numbers


def require_values(statement: Statement) -> None:
    """Raises the error that names a parameter without a value."""
    for entry in statement.parameters.values():
        missing = np.flatnonzero(np.isnan(entry.values))
        if missing.size:
            name = statement.parameter_name(entry.offset + int(missing[0]))
            raise ValueError(
                f"[Problem] the parameter {name} has no value. What to do: parameters(..., value=...), "
                "set_parameters({...}), or solve(parameters={...})."
            )
