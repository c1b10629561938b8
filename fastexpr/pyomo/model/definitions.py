"""Equations that define a variable by networks' outputs: ``y == net(x)`` and what comes to the same.

Every equation is taken apart along the sums, products with numbers and named expressions at its top, to
``constant + sum(coefficient * term)``, whose terms are variables, network outputs, and other algebra. It defines a
variable if that stands alone on a side and nowhere else, or is the only one that is free and linear in the equation,
and something else in it is a network's output.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pyomo.common.numeric_types import native_numeric_types, native_types
from pyomo.core.base.var import VarData
from pyomo.core.expr.numeric_expr import (
    DivisionExpression,
    ExternalFunctionExpression,
    LinearExpression,
    MonomialTermExpression,
    NegationExpression,
    ProductExpression,
    SumExpression,
)
from pyomo.environ import Constraint, value

from fastexpr.pyomo.external.function import N_STRINGS, NetworkFunction

_SUMS = (SumExpression, LinearExpression)


@dataclass(eq=False)
class Computation:
    """What can be computed when the variables and calls that it needs are known."""

    variables: dict[int, VarData] = field(default_factory=dict)  # by id, those that are not fixed
    calls: dict[int, NetworkCall] = field(default_factory=dict)  # by id


@dataclass(eq=False)
class NetworkCall(Computation):
    """A network at certain inputs, for all its outputs, however many of them the model uses."""

    network: Any = None
    arguments: tuple[Any, ...] = ()
    outputs: Any = None  # (m,) once it is evaluated


@dataclass(eq=False)
class Definition(Computation):
    """variable = -(constant + sum(coefficient * term)) / scale"""

    constraint: Any = None
    variable: Any = None
    scale: float = 1.0
    constant: float = 0.0
    terms: list[tuple[float, Any]] = field(default_factory=list)


def is_network_call(node: Any) -> bool:
    """Whether the node is one output of a network."""
    return isinstance(node, ExternalFunctionExpression) and isinstance(node._fcn, NetworkFunction)


class Definitions:
    """All definitions in a model's active equations, one for a variable, and the calls of networks they need.

    Parameters
    ----------
    blocks : iterable of BlockData
        Where to look, with the blocks within.
    overwrite : bool
        Whether variables that have values count, too.
    """

    def __init__(self, blocks: Iterable[Any], overwrite: bool) -> None:
        self._overwrite = overwrite
        self._calls: dict[tuple[Any, ...], NetworkCall] = {}
        self._by_variable: dict[int, Definition] = {}
        less_clear: list[Definition] = []
        for constraint in _equations(blocks):
            definition, is_isolated = self._read(constraint)
            if definition is None:
                continue
            if is_isolated:
                self._by_variable.setdefault(id(definition.variable), definition)
            else:
                less_clear.append(definition)
        for definition in less_clear:
            self._by_variable.setdefault(id(definition.variable), definition)

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._by_variable.values())

    def remove(self, definition: Definition) -> None:
        """Leave its variable as it is."""
        del self._by_variable[id(definition.variable)]

    def needs(self, step: Computation) -> Iterator[Computation]:
        """What comes before a step: its calls, and the definitions of its variables."""
        yield from step.calls.values()
        for variable in step.variables:
            if variable in self._by_variable:
                yield self._by_variable[variable]

    def call(self, node: Any) -> NetworkCall:
        """The call that a node is one output of: the same for all nodes with the same arguments."""
        arguments = node.args
        key = (arguments[0], *map(id, arguments[N_STRINGS:]))
        found = self._calls.get(key)
        if found is None:
            net, _, inputs = node._fcn.split(arguments)
            found = self._calls[key] = NetworkCall(network=net, arguments=tuple(inputs))
            self._survey(inputs, found)
        return found

    def _read(self, constraint: Any) -> tuple[Definition | None, bool]:
        """The constraint's definition, if it is one, and whether it is of a variable that stands alone on a side."""
        left, right = constraint.expr.args[:2]
        constant, variables, terms = _top(left, right)
        alone = [side for side in (left, right) if _is_free(side)]
        candidates = alone or [variable for variable, _ in variables.values()]
        if len(candidates) != 1 or not terms:
            return None, False
        variable = candidates[0]
        _, scale = variables.pop(id(variable))
        if scale == 0.0 or not (self._overwrite or variable.value is None):
            return None, False
        definition = Definition(constraint=constraint, variable=variable, scale=scale, constant=constant, terms=terms)
        terms += [(coefficient, other) for other, coefficient in variables.values()]
        self._survey([term for _, term in terms], definition)
        if not definition.calls or id(variable) in definition.variables:
            return None, False
        return definition, bool(alone)

    def _survey(self, nodes: Iterable[Any], step: Computation) -> None:
        """Note which variables and calls the expressions consist of, but not what those calls consist of."""
        seen: set[int] = set()  # named expressions, which may occur often
        stack = list(nodes)
        while stack:
            node = stack.pop()
            if node.__class__ in native_types:
                continue
            if is_network_call(node):
                call = self.call(node)
                step.calls[id(call)] = call
            elif node.is_expression_type():
                if node.is_named_expression_type():
                    if id(node) in seen:
                        continue
                    seen.add(id(node))
                stack.extend(node.args)
            elif _is_free(node):
                step.variables[id(node)] = node


def _equations(blocks: Iterable[Any]) -> Iterator[Any]:
    for block in blocks:
        for constraint in block.component_data_objects(Constraint, active=True, descend_into=True):
            if constraint.equality:
                yield constraint


def _top(left: Any, right: Any) -> tuple[float, dict[int, tuple[VarData, float]], list[tuple[float, Any]]]:
    """left - right as constant, free variables with their coefficients, and what else there is with its factors."""
    constant = 0.0
    variables: dict[int, tuple[VarData, float]] = {}
    terms: list[tuple[float, Any]] = []
    stack = [(1.0, left), (-1.0, right)]
    while stack:
        factor, node = stack.pop()
        if _is_free(node):
            _, before = variables.get(id(node), (node, 0.0))
            variables[id(node)] = node, before + factor
        elif node.__class__ in native_numeric_types or not node.is_expression_type():
            constant += factor * _value(node)
        elif isinstance(node, _SUMS) or node.is_named_expression_type():
            stack.extend((factor, part) for part in node.args)
        elif isinstance(node, NegationExpression):
            stack.append((-factor, node.args[0]))
        elif (scaled := _scaled(factor, node)) is not None:
            stack.append(scaled)
        else:
            terms.append((factor, node))
    return constant, variables, terms


def _scaled(factor: float, node: Any) -> tuple[float, Any] | None:
    """A product or quotient with a number, times a factor, as a factor of what is not the number."""
    if isinstance(node, (ProductExpression, MonomialTermExpression)):
        first, second = node.args
        if _is_number(second):
            return factor * _value(second), first
        if _is_number(first):
            return factor * _value(first), second
    if isinstance(node, DivisionExpression) and _is_number(node.args[1]):
        return factor * (1.0 / (_value(node.args[1]) or math.nan)), node.args[0]
    return None


def _is_number(node: Any) -> bool:
    """Whether a node is a number, a Param, a fixed variable, or an expression of Params."""
    if node.__class__ in native_numeric_types or isinstance(node, VarData):
        return not _is_free(node)
    return not node.is_potentially_variable()


def _value(node: Any) -> float:
    number = value(node, exception=False)
    return math.nan if number is None else float(number)


def _is_free(node: Any) -> bool:
    return isinstance(node, VarData) and not node.fixed
