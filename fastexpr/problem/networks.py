"""`Problem.network`: which variables enter a network, which ones its outputs are, and where those start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import EvaluationError, GraphError, ShapeError
from fastexpr.expression import Expression, variables
from fastexpr.expression.operands import as_operand
from fastexpr.expression.splicing import is_one_point
from fastexpr.function.arguments import in_order
from fastexpr.function.labels import Names, names_of
from fastexpr.nlp import Indices, Vector
from fastexpr.problem.arguments import as_vector, require_order
from fastexpr.problem.integer.integers import network_formulation
from fastexpr.problem.starts import start_in_range
from fastexpr.problem.statement import Auxiliaries, NetworkRows, Statement
from fastexpr.problem.variables import add_variables

if TYPE_CHECKING:
    from fastexpr.problem.problem import Problem


def state_network(
    problem: Problem,
    network: Function,
    x: Any,
    lower: Any,
    upper: Any,
    start: Any,
    bounds: bool,
    name: str | None,
    formulation: str | None,
) -> Expression:
    """New variables for the outputs, tied to what enters."""
    if not isinstance(network, Function):
        raise TypeError(f"[Problem] network must be a fastexpr.Function: got {type(network).__name__}.")
    formulation = network_formulation(formulation)
    x = as_input(network, x)
    name = name or f"y{len(problem._statement.networks)}"
    n, m = network.n_inputs, network.n_outputs
    is_single = is_one_point(network, x.shape)
    if not is_single and (x.ndim == 0 or x.shape[0] * n != x.size):
        raise ShapeError(
            f"[Problem] wrong shape of x for the network: got {x.shape}, expected ({n},), or (T, {n}) for T instances."
        )
    leaf = variables((m,) if is_single else (x.shape[0], m))

    def names() -> Names:
        return names_of(network, "output")

    low = as_vector(lower, -np.inf, leaf.shape, f"the lower bound of {name!r}", names)
    high = as_vector(upper, np.inf, leaf.shape, f"the upper bound of {name!r}", names)
    inputs = positions_or_auxiliaries(problem, x, name).reshape(-1, n)
    if bounds:
        tight_low, tight_high = tighten(problem._statement, network, inputs, name)
        low, high = np.maximum(low, tight_low), np.minimum(high, tight_high)
    start_in_range(problem._statement, network, inputs)
    has_start = start is not None
    if start is None:
        start = value_at_start(problem._statement, network, inputs, name).reshape(leaf.shape)
    y = add_variables(problem, leaf, name, low, high, start, names)
    places = problem._statement.positions(y).reshape(-1, m)
    entry = NetworkRows(network, inputs, places, y, formulation, has_start)
    problem._statement.networks.append(entry)
    problem._statement.definitions.append(entry)
    return y


def as_input(network: Function, x: Any) -> Expression:
    """What enters, as an Expression; labels are matched with the names of the network's inputs."""
    x = in_order(x, lambda: names_of(network, "input"), "x")
    if isinstance(x, list | tuple | np.ndarray):
        operand = as_operand(x)
        x = operand if isinstance(operand, Expression) else x
    if not isinstance(x, Expression):
        raise TypeError(f"[Problem] x must be an Expression of this problem's variables: got {type(x).__name__}.")
    return x


def positions_or_auxiliaries(problem: Problem, x: Expression, name: str) -> Indices:
    """Which components of x these are; new ones equal to them where they are more than a selection."""
    statement = problem._statement
    statement.require_own(x, is_variable=False)
    try:
        return as_variables(problem, statement.places(x), statement.n)
    except GraphError:
        start = statement.evaluate(x, statement.stated_start()) if statement.has_values() else None
        u = problem.variables(x.shape, start=start, name=f"inputs of {name}")
        constraint = problem.subject_to(u - x, equal=0.0, name=f"inputs of {name}")
        places = statement.positions(u)
        statement.definitions.append(Auxiliaries(places, x, constraint))
        return places


def as_variables(problem: Problem, places: Indices, n: int) -> Indices:
    """With fixed variables in the place of parameters, one for each."""
    places = places.copy()
    for entry in problem._statement.parameters.values():
        is_own = (places >= n + entry.offset) & (places < n + entry.offset + entry.leaf.size)
        if not is_own.any():
            continue
        if entry.variables is None:
            entry.variables = problem.variables(entry.leaf.shape, lower=entry.leaf, upper=entry.leaf, name=entry.name)
        own = problem._statement.positions(entry.variables).ravel()
        places[is_own] = own[places[is_own] - n - entry.offset]
    return places


def value_at_start(statement: Statement, network: Function, inputs: Indices, name: str) -> Vector:
    value: Vector = network(statement.stated_start()[inputs])
    if not np.isfinite(value).all():
        raise EvaluationError(
            f"[Problem] the network's value at the start of {name!r} is not finite: "
            "give its inputs another start, or start= here."
        )
    return value


def tighten(statement: Statement, network: Function, inputs: Indices, name: str) -> tuple[Vector, Vector]:
    """Moves x into the network's range; returns the bounds of all instances' outputs over it."""
    if network.lower is None or network.upper is None:
        raise ValueError(
            f"[Problem] bounds=True, but the network of {name!r} has none: use network.with_bounds(lower, upper)."
        )
    tightened = []  # nothing is changed before all of it is known to fit
    for entry in statement.variables.values():
        is_here = (inputs >= entry.offset) & (inputs < entry.offset + entry.leaf.size)
        instance, component = np.nonzero(is_here)
        here = inputs[instance, component] - entry.offset
        low, high = entry.lower.copy(), entry.upper.copy()
        np.maximum.at(low, here, network.lower[component])
        np.minimum.at(high, here, network.upper[component])
        require_order(low, high, f"{entry.name} within the range of the network of {name!r}")
        tightened.append((entry, low, high))
    for entry, low, high in tightened:
        entry.lower[:], entry.upper[:] = low, high
        entry.start = np.clip(entry.start, low, high)
    lower, upper = network.output_bounds(network.lower, network.upper)
    return np.tile(lower, len(inputs)), np.tile(upper, len(inputs))
