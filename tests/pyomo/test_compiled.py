"""Pyomo models as nonlinear programs: what becomes a column or a row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyomo.dae as dae
import pyomo.environ as pyo
import pytest
from compiled_models import INF, assert_values_are_pyomos, small_model

from fastexpr.pyomo.compile.compiled import compile_model

# ---- columns and rows


def test_a_model_has_the_columns_and_rows_that_pyomo_gives_it() -> None:
    m = small_model()
    compiled = compile_model(m)
    assert compiled.model is m
    assert compiled.objective is m.goal
    assert compiled.variables == [m.x[0], m.x[1], m.y, m.x[2]]
    assert compiled.constraints == [m.c[0], m.c[1], m.d]
    nlp = compiled.nlp
    assert (nlp.n, nlp.m) == (4, 3)
    assert nlp.start.tolist() == [0, 0.25, 0, 0.5]
    assert nlp.lower.tolist() == [-1, -1, 0, -1]
    assert nlp.upper.tolist() == [2, 2, INF, 2]
    assert nlp.constraint_lower.tolist() == [-INF, -INF, 1]
    assert nlp.constraint_upper.tolist() == [2, 3, 1]
    assert [nlp.variable_name(3), nlp.row_name(1)] == ["x[2]", "c[1]"]
    assert_values_are_pyomos(compiled)


def test_a_maximized_objective_is_minimized_with_the_other_sign() -> None:
    m = small_model()
    m.goal.sense = pyo.maximize
    compiled = compile_model(m)
    assert compiled.sign == -1.0
    assert_values_are_pyomos(compiled)


def test_a_model_without_objective_minimizes_zero() -> None:
    m = small_model()
    m.goal.deactivate()
    compiled = compile_model(m)
    assert compiled.objective is None
    assert compiled.nlp.objective(compiled.nlp.start) == 0.0
    assert compiled.nlp.gradient(compiled.nlp.start).tolist() == [0.0] * 4


def test_a_constant_objective_is_one() -> None:
    m = small_model()
    m.goal.set_value(m.p * 3)
    compiled = compile_model(m)
    assert compiled.nlp.objective(compiled.nlp.start) == 6.0


def test_a_model_of_nothing_is_compiled() -> None:
    compiled = compile_model(pyo.ConcreteModel())
    assert (compiled.nlp.n, compiled.nlp.m) == (0, 0)
    assert compiled.nlp.objective(np.zeros(0)) == 0.0


def test_a_variable_with_the_coefficient_zero_is_a_column() -> None:
    m = pyo.ConcreteModel()
    m.x, m.y, m.unused = pyo.Var(), pyo.Var(), pyo.Var()
    m.c = pyo.Constraint(expr=0 * m.x + m.y >= 1)
    assert compile_model(m).variables == [m.x, m.y]


@pytest.mark.parametrize(
    ("bounds", "domain", "value", "expected"),
    [
        ((None, None), pyo.Reals, None, (-INF, INF, 0.0)),
        ((1, 3), pyo.Reals, None, (1, 3, 1.0)),
        ((-3, -1), pyo.Reals, None, (-3, -1, -1.0)),
        ((-3, 3), pyo.NonNegativeReals, None, (0, 3, 0.0)),
        ((-3, 3), pyo.UnitInterval, 0.5, (0, 1, 0.5)),
        ((-INF, INF), pyo.Reals, 7, (-INF, INF, 7.0)),
        ((None, None), pyo.NegativeReals, 7, (-INF, 0, 7.0)),
        ((2, 1), pyo.Reals, None, (2, 1, 2.0)),
    ],
)
def test_a_variable_has_the_bounds_and_start_that_pyomo_gives_it(
    bounds: Any, domain: Any, value: Any, expected: tuple[float, ...]
) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=bounds, within=domain)
    m.x.set_value(value, skip_validation=True)
    m.goal = pyo.Objective(expr=m.x**2)
    nlp = compile_model(m).nlp
    assert (nlp.lower[0], nlp.upper[0], nlp.start[0]) == expected
    assert m.x.bounds == tuple(None if math.isinf(bound) else bound for bound in expected[:2])


def test_bounds_can_be_expressions_of_params() -> None:
    m = small_model()
    m.x[0].setub(m.p / 4)
    compiled = compile_model(m)
    assert compiled.nlp.upper[0] == 0.5
    m.p = 1.0
    compiled.refresh()
    assert compiled.nlp.upper[0] == 0.25


# ---- parts of models


def test_a_block_is_compiled_with_the_variables_and_expressions_of_others() -> None:
    m = small_model()
    m.b = pyo.Block([1, 2])
    for i in (1, 2):
        m.b[i].z = pyo.Var(initialize=0.1)
        m.b[i].c = pyo.Constraint(expr=m.b[i].z * m.x[0] + m.e == m.p)
    m.b[2].goal = pyo.Objective(expr=m.b[2].z ** 2)
    m.goal.deactivate()
    whole, part = compile_model(m), compile_model(m.b[2])
    assert [c.name for c in whole.constraints] == ["c[0]", "c[1]", "d", "b[1].c", "b[2].c"]
    assert part.variables == [m.b[2].z, m.x[0], m.x[1]]
    assert part.constraints == [m.b[2].c]
    assert_values_are_pyomos(part)


def test_what_is_deactivated_is_left_out() -> None:
    m = small_model()
    m.b = pyo.Block()
    m.b.z = pyo.Var()
    m.b.c = pyo.Constraint(expr=m.b.z >= 1)
    m.b.deactivate()
    m.c[0].deactivate()
    compiled = compile_model(m)
    assert compiled.constraints == [m.c[1], m.d]
    assert compiled.variables == [m.x[0], m.x[1], m.y, m.x[2]]


def test_references_count_once() -> None:
    m = small_model()
    m.b = pyo.Block([1, 2], rule=lambda b, i: b.add_component("z", pyo.Var(initialize=i)))
    m.z = pyo.Reference(m.b[:].z)
    m.r = pyo.Constraint([1, 2], rule=lambda m, i: m.z[i] ** 2 >= 0.5)
    m.same = pyo.Reference(m.r)
    compiled = compile_model(m)
    assert [c.name for c in compiled.constraints] == ["c[0]", "c[1]", "d", "r[1]", "r[2]"]
    assert compiled.variables[-2:] == [m.b[1].z, m.b[2].z]


def test_discretized_dynamics_are_algebra() -> None:
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.z = pyo.Var(m.t, initialize=0.5)
    m.dz = dae.DerivativeVar(m.z, wrt=m.t)
    m.ode = pyo.Constraint(m.t, rule=lambda m, t: m.dz[t] == -(m.z[t] ** 2))
    m.area = dae.Integral(m.t, wrt=m.t, rule=lambda m, t: m.z[t] ** 2)
    m.goal = pyo.Objective(expr=m.area)
    pyo.TransformationFactory("dae.collocation").apply_to(m, nfe=3, ncp=2)
    compiled = compile_model(m)
    assert (compiled.nlp.n, compiled.nlp.m) == (14, 13)
    assert_values_are_pyomos(compiled)


# ---- constraints in which nothing varies


def test_a_constraint_without_variables_has_limits_where_it_is_broken() -> None:
    m = small_model()
    m.fixed = pyo.Constraint(expr=m.f * m.p == 3)
    m.literal = pyo.Constraint(rule=pyo.Constraint.Feasible)
    m.undefined = pyo.Constraint(expr=pyo.log(m.f - 2) * 2 >= 1)
    compiled = compile_model(m)

    def limits() -> list[tuple[float, float]]:
        pairs = zip(compiled.nlp.constraint_lower.tolist(), compiled.nlp.constraint_upper.tolist(), strict=True)
        return list(pairs)[-3:]

    assert compiled.constraints[-3:] == [m.fixed, m.literal, m.undefined]
    assert limits() == [(-INF, INF), (-INF, INF), (1, INF)]
    m.p = 2.5
    m.f.fix(8)
    compiled.refresh()
    assert limits() == [(3, 3), (-INF, INF), (-INF, INF)]
