"""Pyomo's constraints as rows: their bodies and limits are those that Pyomo gives them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyomo.core.base.constraint
import pyomo.core.base.objective
import pyomo.environ as pyo
import pytest
from flat_arrays import Flat, mixed_model
from pyomo.core.base.constraint import ConstraintData
from pyomo.core.expr.relational_expr import NotEqualExpression

from fastexpr.errors import ModelError
from fastexpr.pyomo.compile import reading, walker


def constraints_of(m: Any) -> tuple[walker.Walker, list[Any]]:
    pieces = walker.Walker(None)
    pieces.add_constraints(m.component_data_objects(pyo.Constraint, active=True))
    return pieces, list(zip(*reading.limits(pieces.row_constraints, pieces.lower, pieces.upper), strict=True))


CONSTRAINTS: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "upper": (lambda m: m.x * m.y <= 3, -math.inf, 3),
    "lower": (lambda m: m.x * m.y >= 3, 3, math.inf),
    "equation": (lambda m: m.x * m.y == 3, 3, 3),
    "equation the other way": (lambda m: m.p == m.x * m.y, 2.5, 2.5),
    "two sides": (lambda m: m.x * m.y <= m.z + m.p, -math.inf, 0),
    "equation of two sides": (lambda m: m.x * m.y == m.z + m.p, 0, 0),
    "fixed variable": (lambda m: m.x <= m.f, -math.inf, 0),
    "between": (lambda m: pyo.inequality(1, m.x * m.y, 4), 1, 4),
    "between parameters": (lambda m: (m.q[1], m.x, m.p + 1), -0.5, 3.5),
    "between fixed variables": (lambda m: pyo.inequality(m.f, m.x, 2 * m.f), 0.25, 0.5),
    "no variable": (lambda m: m.f == 0.25, 0.25, 0.25),
    "always": (lambda m: pyo.Constraint.Feasible, -math.inf, 0),
    "never": (lambda m: pyo.Constraint.Infeasible, -math.inf, 0),
    "infinite, but may change": (lambda m: m.x <= m.q[0] * math.inf, -math.inf, math.inf),
}


@pytest.mark.parametrize("kind", CONSTRAINTS)
def test_a_constraint_has_the_body_and_limits_that_pyomo_gives_it(kind: str) -> None:
    rule, lower, upper = CONSTRAINTS[kind]
    m = mixed_model()
    m.c = pyo.Constraint(rule=rule)
    pieces, limits = constraints_of(m)
    assert pieces.row_constraints == [m.c]
    assert limits == [(lower, upper)]
    assert limits == [(-math.inf if m.c.lb is None else m.c.lb, math.inf if m.c.ub is None else m.c.ub)]
    assert pieces.constant_rows == ([0] if kind in ("no variable", "always", "never") else [])


@pytest.mark.parametrize("kind", CONSTRAINTS)
def test_a_constraint_has_the_value_that_pyomo_gives_it(kind: str) -> None:
    m = mixed_model()
    m.c = pyo.Constraint(rule=CONSTRAINTS[kind][0])
    flat = Flat()
    flat.walker = walker.Walker(None)
    flat.walker.add_constraints([m.c])
    flat.opcodes, flat.counts, flat.operands, flat.constants, flat.roots = flat.walker.take_arrays()
    assert flat.values() == [pytest.approx(pyo.value(m.c.body))]


def test_constraints_without_limits_are_no_rows() -> None:
    m = mixed_model()
    m.c = pyo.ConstraintList()
    m.c.add((None, m.x * m.y, math.inf))
    m.c.add(m.x >= -math.inf)
    m.c.add(m.x >= 1)
    pieces, _ = constraints_of(m)
    assert pieces.row_constraints == [m.c[3]]
    assert pieces.constraints == list(m.c.values())
    assert pieces.variables == [m.x]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda m: m.x * m.y >= math.nan, "has no sensible lower limit: got nan"),
        (lambda m: m.x * m.y <= -m.q[0] * math.inf, "has no sensible upper limit: got -inf"),
        (lambda m: pyo.inequality(m.y, m.x, 3), "its limits contain variables"),
        (lambda m: m.x <= m.empty, "a limit is no real number"),
        (lambda m: NotEqualExpression((m.x, 1)), "expected an equation or inequality"),
    ],
)
def test_limits_that_make_no_sense_are_refused(rule: Callable[[Any], Any], message: str) -> None:
    m = mixed_model()
    m.empty = pyo.Param(mutable=True)
    m.c = pyo.Constraint(rule=rule)
    with pytest.raises(ModelError, match=r"\[Constraint 'c'\].*" + message):
        constraints_of(m)


class OwnConstraintData(ConstraintData):
    """Holds its parts in a way of its own, as the rows of a matrix do."""

    __slots__ = ("parts",)
    lower = property(lambda self: self.parts[0])
    body = property(lambda self: self.parts[1])
    upper = property(lambda self: self.parts[2])


def test_a_constraint_of_another_class_is_asked_for_its_parts() -> None:
    m = mixed_model()
    m.c = pyo.Constraint([1])
    m.c._data[1] = OwnConstraintData(component=m.c)
    m.c._data[1]._index = 1
    m.c[1].parts = (1, m.x * m.y, m.p)
    pieces, limits = constraints_of(m)
    assert pieces.row_constraints == [m.c[1]]
    assert limits == [(1, 2.5)]
    assert reading.have_expressions(pieces.constraints, pieces.expressions)


def test_templates_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyomo.core.base.constraint, "TEMPLATIZE_CONSTRAINTS", True)
    monkeypatch.setattr(pyomo.core.base.objective, "TEMPLATIZE_OBJECTIVES", True)
    m = pyo.ConcreteModel()
    m.i = pyo.Set(initialize=[1, 2])
    m.x = pyo.Var(m.i, initialize=0.5)
    m.c = pyo.Constraint(m.i, rule=lambda m, i: m.x[i] ** 2 <= i)
    m.goal = pyo.Objective(m.i, rule=lambda m, i: sum(m.x[j] * i for j in m.i))
    assert hasattr(m.c[1], "template_expr")
    assert hasattr(m.goal[2], "template_expr")
    assert constraints_of(m)[1] == [(-math.inf, 1), (-math.inf, 2)]
    assert Flat(m.goal[2]).values() == [2.0]
