"""Pyomo's expressions as flat arrays: every kind has the value that Pyomo gives it, and none is walked twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from flat_arrays import Flat, mixed_model
from pyomo.core.expr.logical_expr import NotExpression
from pyomo.core.expr.numeric_expr import (
    AbsExpression,
    Expr_ifExpression,
    LinearExpression,
    MaxExpression,
    MinExpression,
    MonomialTermExpression,
    NPV_MaxExpression,
    UnaryFunctionExpression,
    mutable_expression,
)
from pyomo.core.expr.numvalue import NumericConstant
from pyomo.core.expr.relational_expr import InequalityExpression, NotEqualExpression

from fastexpr.errors import ModelError
from fastexpr.nlp.arrays import OPCODES
from fastexpr.pyomo.compile import reading, walker

POINTS = [(0.3, 0.7, 0.2), (0.9, 0.1, 0.6), (0.5, 0.5, 0.5)]


def with_sums(m: Any) -> Any:
    """A sum that others have grown from: they share one list of arguments."""
    first = m.x * m.y + m.y * m.z
    longer = first + m.z**2
    return first * 2 + longer


def with_mutable_sum(m: Any) -> Any:
    with mutable_expression() as total:
        total += m.x
        total += 3 * m.y
        total += m.x * m.y
    return total


EXPRESSIONS: dict[str, Callable[[Any], Any]] = {
    "variable": lambda m: m.x + 0,
    "sum": lambda m: m.x + m.y + m.z + 4,
    "difference": lambda m: m.x - m.y,
    "sums that share a list": with_sums,
    "mutable sum": with_mutable_sum,
    "negation": lambda m: -(m.x * m.y),
    "product": lambda m: m.x * m.y * m.z,
    "monomial": lambda m: 3 * m.x,
    "monomial with a parameter": lambda m: m.p * m.x,
    "monomial with a zero": lambda m: MonomialTermExpression((0, m.x)),
    "division": lambda m: m.x / m.y,
    "division of a number": lambda m: 2 / m.y,
    "power": lambda m: m.x**m.y,
    "square": lambda m: m.x**2,
    "number to a power": lambda m: 2**m.x,
    "parameter to a power": lambda m: m.p**m.x,
    "linear": lambda m: LinearExpression(constant=2, linear_coefs=[1, m.p, 3], linear_vars=[m.x, m.y, m.z]),
    "linear without terms": lambda m: LinearExpression([]) + m.x,
    "quadratic": lambda m: sum(m.v[i] * m.v[j] for i in m.v for j in m.v),
    "only parameters": lambda m: m.p * 2 + m.q[0] ** 2 - m.p / m.q[1],
    "functions of parameters": lambda m: pyo.sin(m.p) + abs(m.q[1]) - (-m.p) + NPV_MaxExpression((m.p, m.q[0])),
    "parameter with a default": lambda m: m.default * m.x,
    "fixed Params": lambda m: m.k[0] * m.x + m.k[1],
    "fixed variable": lambda m: m.f * m.x + pyo.exp(m.f),
    "fixed monomial": lambda m: 3 * m.f + m.x,
    "minimum": lambda m: MinExpression((m.x, m.y, m.p)),
    "maximum": lambda m: MaxExpression((m.x, m.y, 0.4)),
    "absolute value": lambda m: abs(m.x - m.y),
    "if": lambda m: pyo.Expr_if(m.x >= m.y, m.x**2, m.y + 1),
    "if, strictly": lambda m: pyo.Expr_if(m.x < m.y, m.x**2, m.y + 1),
    "if equal": lambda m: pyo.Expr_if(m.x == m.y, m.x**2, m.y + 1),
    "if not equal": lambda m: pyo.Expr_if(NotEqualExpression((m.x, m.y)), m.x**2, m.y + 1),
    "if between": lambda m: pyo.Expr_if(pyo.inequality(0.2, m.x, 0.5), m.y, m.z),
    "if strictly between": lambda m: pyo.Expr_if(pyo.inequality(0.3, m.x, m.y, strict=True), m.y, m.z),
    "if a number": lambda m: pyo.Expr_if(m.f, m.x, m.y),
    "if a truth": lambda m: pyo.Expr_if(True, m.x, m.y) + m.z,
    "if, of parameters": lambda m: pyo.Expr_if(m.p >= 2, m.q[0], m.q[1]) * m.x,
    "if, in a condition": lambda m: pyo.Expr_if(pyo.Expr_if(m.x > m.y, m.x, m.z) > 0.25, m.x, m.y),
    "if both": lambda m: pyo.Expr_if(pyo.land(m.x >= 0.4, m.y >= 0.4), m.x, m.y),
    "if either": lambda m: pyo.Expr_if(pyo.lor(m.x >= 0.4, m.y >= 0.6, m.z >= 2), m.x, m.y * 3),
    "if not": lambda m: pyo.Expr_if(NotExpression((m.x >= 0.4,)), m.x, m.y),
    "if one": lambda m: pyo.Expr_if(pyo.xor(m.x >= 0.4, m.y >= 0.4), m.x, m.y),
    "if implied": lambda m: pyo.Expr_if(pyo.implies(m.x >= 0.4, m.y >= 0.4), m.x, m.y),
    "if equivalent": lambda m: pyo.Expr_if(pyo.equivalent(m.x >= 0.4, m.y >= 0.4), m.x, m.y),
    "if a fixed Boolean": lambda m: pyo.Expr_if(m.flag, m.x, m.y),
    "named": lambda m: m.e + m.e**2,
    "named in named": lambda m: m.nested[0] * m.nested[1] + m.e,
    "reference": lambda m: pyo.Reference(m.nested)[1] * pyo.Reference(m.v)[2],
    "unit": lambda m: m.kg * 3 / pyo.units.kg + m.x,
    "constant object": lambda m: MonomialTermExpression((NumericConstant(3.5), m.x)),
    "NumPy scalars": lambda m: np.float64(2.5) * m.x + np.int64(3) * m.y + pyo.Expr_if(np.bool_(True), m.x, m.y),
    "one object twice": lambda m: (lambda e: e + pyo.sin(e) * e)(pyo.exp(m.x) * m.y),
}
DOMAIN = {"acosh": lambda e: 1 + e}
FUNCTIONS = ["ceil", "floor", "exp", "log", "log10", "sqrt"] + [
    f"{prefix}{name}{suffix}" for name in ("sin", "cos", "tan") for prefix in ("", "a") for suffix in ("", "h")
]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", EXPRESSIONS)
def test_an_expression_has_the_value_that_pyomo_gives_it(kind: str, point: tuple[float, ...]) -> None:
    m = mixed_model()
    expression = EXPRESSIONS[kind](m)
    flat = Flat(expression)  # compiled before the point is set
    for variable, number in zip((m.x, m.y, m.z), point, strict=True):
        variable.value = number
    assert flat.values() == [pytest.approx(pyo.value(expression), rel=1e-14)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_the_value_that_pyomo_gives_it(function: str) -> None:
    m = mixed_model()
    argument = DOMAIN.get(function, lambda e: e)(m.x * m.y)
    expression = getattr(pyo, function)(argument) + m.z
    flat = Flat(expression)
    assert function in flat.names
    assert flat.values() == [pytest.approx(pyo.value(expression), rel=1e-14)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_of_a_number_is_a_number(function: str) -> None:
    number = 1.25 if function == "acosh" else 0.625
    m = mixed_model()
    node = UnaryFunctionExpression((number,), function, getattr(math, function))
    flat = Flat(node + m.x)
    assert flat.names == ["sum"]
    assert flat.values() == [pytest.approx(getattr(math, function)(number) + 0.3, rel=1e-14)]


def test_constants_are_folded() -> None:
    m = mixed_model()
    node = MaxExpression((AbsExpression((-3,)), MinExpression((7, 1)), 2 ** (0.5 + NumericConstant(1.5))))
    choice = Expr_ifExpression((InequalityExpression((0.0, 1), False), 6.0, 5.0))
    flat = Flat(node / 2 * m.x + choice)
    assert flat.names == ["product", "sum"]
    assert flat.values() == [pytest.approx(2 * 0.3 + 6.0)]


def test_a_number_of_less_precision_is_taken_as_it_is() -> None:
    m = mixed_model()  # Pyomo computes with the precision of the operands: 0.3 * 0.5 in float32
    assert Flat(np.float32(0.5) * m.x).values() == [0.3 * 0.5]


def test_a_constant_that_is_not_finite_stays_a_node() -> None:
    m = mixed_model()
    undefined = UnaryFunctionExpression((-1.0,), "log", math.log)
    flat = Flat(pyo.Expr_if(m.x >= 0, m.x, undefined))
    assert "log" in flat.names


# ---- what is shared, and what becomes of variables and parameters


def test_a_named_expression_is_walked_once() -> None:
    m = mixed_model()
    m.big = pyo.Expression(expr=pyo.sin(m.x) * pyo.exp(m.y))
    flat = Flat(m.big + 1, m.big**2, m.nested[0], m.nested[1])
    assert flat.names.count("sin") == flat.names.count("exp") == 1
    assert flat.names.count("product") == 2  # of `big`, and of `e`, which both of `nested` contain
    assert flat.values() == [pytest.approx(pyo.value(e)) for e in (m.big + 1, m.big**2, m.nested[0], m.nested[1])]


def test_an_objective_can_be_an_expression() -> None:
    m = mixed_model()
    m.goal = pyo.Objective(expr=m.x * m.y)
    flat = Flat(m.goal * 2, m.goal)
    assert flat.names == ["product", "product"]
    assert flat.values() == [pytest.approx(0.42), pytest.approx(0.21)]


def test_an_expression_object_that_occurs_often_is_walked_once() -> None:
    m = mixed_model()
    expression = 1 + m.x
    for _ in range(60):  # 2**60 terms, written out
        expression = expression * 0.5 + expression * 0.5
    flat = Flat(expression)
    assert len(flat.names) <= 200
    assert flat.values() == [pytest.approx(1.3)]


def test_an_expression_of_any_depth_is_walked() -> None:
    m = mixed_model()
    expression = m.x
    for _ in range(200_000):
        expression = pyo.sin(expression) + m.y
    flat = Flat(expression)
    assert len(flat.names) == 400_000
    assert flat.values()[0] == pytest.approx(value_of_chain(200_000, 0.3, 0.7))


def value_of_chain(n: int, x: float, y: float) -> float:
    for _ in range(n):
        x = math.sin(x) + y
    return x


def test_temporary_expressions_are_not_taken_for_one_another() -> None:
    m = mixed_model()
    pieces = walker.Walker(None)
    roots = [pieces.add_expression(pyo.sin(m.x) * number, None) for number in range(2, 50)]
    assert len(set(roots)) == 48
    assert len(pieces.take_arrays()[0]) == 96


def test_variables_have_columns_in_the_order_of_their_appearance() -> None:
    m = mixed_model()
    flat = Flat(m.v[2] * m.x, m.y + m.v[0] + m.x)
    assert [v.name for v in flat.walker.variables] == ["v[2]", "x", "y", "v[0]"]
    assert flat.walker.parameters == []


def test_what_is_fixed_or_mutable_can_change_afterwards() -> None:
    m = mixed_model()
    expression = m.p * m.x + m.q[1] + m.f**2 + pyo.exp(m.p + m.default) * m.e + pyo.Expr_if(m.flag, m.x, m.y)
    flat = Flat(expression)
    assert {p.name for p in flat.walker.parameters} == {"p", "q[1]", "f", "default", "flag"}
    assert [v.name for v in flat.walker.variables] == ["x", "y"]
    m.p, m.q[1], m.default = 0.1, 4.0, -1.0
    m.f.fix(-2.0)
    m.flag.fix(False)
    assert flat.values() == [pytest.approx(pyo.value(expression))]


def test_a_sum_of_one_is_no_node() -> None:
    m = mixed_model()
    assert Flat(LinearExpression([m.x]), MinExpression((m.y,))).names == []


# ---- what is refused


def without_value(m: Any) -> Any:
    m.unset = pyo.Expression()
    return m.unset * m.x


def of_itself(m: Any) -> Any:
    m.e.set_value(m.x + pyo.sin(m.nested[0]))
    return m.nested[0] + m.x


def of_unset_parameter(m: Any) -> Any:
    m.unset = pyo.Param(mutable=True)
    return m.unset * m.x


def of_unset_variable(m: Any) -> Any:
    m.unset = pyo.Var()
    m.unset.fix()
    return m.unset * m.x


def of_free_boolean(m: Any) -> Any:
    m.flag.unfix()
    return pyo.Expr_if(m.flag, m.x, m.y)


def of_text(m: Any) -> Any:
    m.text = pyo.Param(initialize="seven", mutable=True, within=pyo.Any)
    return m.text * m.x


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "expression without value": (without_value, r"\[Objective 'goal'\] 'unset' has no expression"),
    "cycle": (of_itself, r"\[Objective 'goal'\] 'nested\[0\]' contains itself"),
    "parameter without value": (of_unset_parameter, r"\[Param 'unset'\] the value is no real number"),
    "fixed variable without value": (of_unset_variable, r"\[Var 'unset'\] the value is no real number"),
    "text": (of_text, r"\[Param 'text'\] the value is no real number: got text .*'seven'"),
    "free Boolean": (of_free_boolean, r"\[Objective 'goal'\] the Boolean variable 'flag' is free"),
    "complex": (lambda m: MonomialTermExpression((1j, m.x)), r"\[Objective 'goal'\] got the complex number 1j"),
    "large integer": (lambda m: MonomialTermExpression((10**400, m.x)), "expected a real number that fits"),
    "count": (lambda m: pyo.count_if(m.x >= 1) + m.x, "class .*CountIfExpression"),
    "unknown function": (lambda m: UnaryFunctionExpression((m.x,), "erf", math.erf), "there is no function 'erf'"),
    "string": (lambda m: MaxExpression((m.x, "y")), "got 'y', expected a number"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_compiled_is_named(kind: str) -> None:
    build, message = REFUSED[kind]
    m = mixed_model()
    m.goal = pyo.Objective(expr=0)
    m.goal._args_ = (build(m),)
    with pytest.raises(ModelError, match=message):
        reading.parameter_values(Flat(m.goal, owner=m.goal).walker.parameters)


def test_a_refused_expression_leaves_nothing_behind() -> None:
    m = mixed_model()
    pieces = walker.Walker(None)
    m.bad = pyo.Expression(expr=m.x * pyo.sin(m.y + pyo.count_if(m.x >= 1)))
    with pytest.raises(ModelError):
        pieces.add_expression(m.bad, None)
    m.bad.set_value(m.x * m.y)
    root = pieces.add_expression(m.bad, None)
    opcodes, counts, operands, _, _ = pieces.take_arrays()
    assert root == 0
    assert [opcodes.tolist(), counts.tolist(), operands.tolist()] == [[OPCODES["product"]], [2], [1, 5]]
