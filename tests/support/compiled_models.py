"""A model to compile, and what compiled models are compared with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

from fastexpr.pyomo.compile.compiled import CompiledModel

INF = math.inf


def small_model() -> Any:
    m = pyo.ConcreteModel("small")
    m.x = pyo.Var([0, 1, 2], bounds=(-1, 2), initialize=lambda m, i: 0.25 * i)
    m.y = pyo.Var(within=pyo.NonNegativeReals)
    m.f = pyo.Var(initialize=1.5)
    m.f.fix()
    m.p = pyo.Param(initialize=2.0, mutable=True)
    m.e = pyo.Expression(expr=m.x[0] * m.x[1])
    m.c = pyo.Constraint([0, 1], rule=lambda m, i: m.e + m.p * m.x[i] <= m.p + i)
    m.d = pyo.Constraint(expr=m.y**2 + m.f * m.x[2] == 1)
    m.goal = pyo.Objective(expr=m.e + pyo.exp(m.y) + m.f)
    return m


def rows_at(compiled: CompiledModel, x: Any) -> list[float]:
    found: list[float] = compiled.nlp.constraints(np.asarray(x, dtype=float)).tolist()
    return found


def assert_values_are_pyomos(compiled: CompiledModel, seed: int = 0) -> None:
    """At a random point near the start, objective and rows are what Pyomo says they are."""
    x = compiled.nlp.start + np.random.default_rng(seed).uniform(0.05, 0.15, compiled.nlp.n)
    for variable, number in zip(compiled.variables, x.tolist(), strict=True):
        variable.set_value(number, skip_validation=True)
    expected = [pyo.value(constraint.body) for constraint in compiled.constraints]
    assert rows_at(compiled, x) == pytest.approx(expected, rel=1e-13)
    if compiled.objective is not None:
        assert compiled.nlp.objective(x) == pytest.approx(compiled.sign * pyo.value(compiled.objective), rel=1e-13)
