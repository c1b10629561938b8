"""What can change in a compiled Pyomo model, and what makes it another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from compiled_models import assert_values_are_pyomos, rows_at, small_model
from pyomo.contrib.solver.common.config import AutoUpdateConfig
from pyomo.gdp import Disjunct

from fastexpr.errors import ModelError
from fastexpr.pyomo.compile.compiled import compile_model


def test_values_bounds_starts_and_limits_are_read_again() -> None:
    m = small_model()
    compiled = compile_model(m)
    x = compiled.nlp.start
    before = [compiled.nlp.objective(x), *rows_at(compiled, x)]
    m.p = 5.0
    m.f.fix(-2.0)
    m.x[0].setlb(-7)
    m.y.value = 0.5
    m.x[1].value = None
    assert compiled.is_current()
    compiled.refresh()
    nlp = compiled.nlp
    assert before != [nlp.objective(x), *rows_at(compiled, x)]
    assert nlp.start.tolist() == [0, 0, 0.5, 0.5]
    assert nlp.lower.tolist() == [-7, -1, 0, -1]
    m.k = pyo.Param(initialize=4.0, mutable=True)
    m.d.set_value(m.y**2 <= m.k)
    again = compile_model(m)
    assert again.nlp.constraint_upper[2] == 4
    m.k = 9.0
    again.refresh()
    assert again.nlp.constraint_upper[2] == 9
    assert_values_are_pyomos(again)


@pytest.mark.parametrize("seed", range(3))
def test_a_program_that_was_refreshed_is_the_one_that_is_compiled_anew(seed: int) -> None:
    random = np.random.default_rng(seed)
    m = small_model()
    compiled = compile_model(m)
    m.p, m.x[0].ub = random.uniform(1, 2), random.uniform(1, 2)
    m.f.fix(random.uniform(1, 2))
    m.y.value = random.uniform(1, 2)
    compiled.refresh()
    anew = compile_model(m)
    for name in ("start", "lower", "upper", "constraint_lower", "constraint_upper"):
        assert getattr(compiled.nlp, name).tolist() == getattr(anew.nlp, name).tolist()
    x = random.uniform(0, 1, 4)
    assert rows_at(compiled, x) == rows_at(anew, x)
    assert compiled.nlp.objective(x) == anew.nlp.objective(x)
    assert compiled.nlp.jacobian(x).tolist() == anew.nlp.jacobian(x).tolist()


def test_a_missing_value_is_found_when_it_is_read_again() -> None:
    m = small_model()
    compiled = compile_model(m)
    m.f.value = None
    with pytest.raises(ModelError, match=r"\[Var 'f'\] the value is no real number: got f"):
        compiled.refresh()


def add_constraint(m: Any) -> None:
    m.new = pyo.Constraint(expr=m.y >= 1)


def add_objective(m: Any) -> None:
    m.other = pyo.Objective(expr=m.y)


def add_disjunct(m: Any) -> None:
    m.new = Disjunct()


def exchange_constraints(m: Any) -> None:
    m.c[0].deactivate()
    add_constraint(m)


CHANGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a new constraint": (add_constraint, "check_for_new_or_removed_constraints"),
    "a constraint less": (lambda m: m.c[0].deactivate(), "check_for_new_or_removed_constraints"),
    "another constraint": (exchange_constraints, "check_for_new_or_removed_constraints"),
    "an unsupported component": (add_disjunct, "check_for_new_or_removed_constraints"),
    "a constraint's expression": (lambda m: m.d.set_value(m.y == 1), "update_constraints"),
    "a named expression": (lambda m: m.e.set_value(m.x[0]), "update_named_expressions"),
    "a variable freed": (lambda m: m.f.unfix(), "update_vars"),
    "a domain": (lambda m: setattr(m.y, "domain", pyo.Integers), "update_vars"),
    "a new objective": (add_objective, "check_for_new_objective"),
    "no objective": (lambda m: m.goal.deactivate(), "check_for_new_objective"),
    "the objective's sense": (lambda m: m.goal.set_sense(pyo.maximize), "update_objective"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_structure_is_noticed_unless_it_need_not_be_looked_at(change: str) -> None:
    make, flag = CHANGES[change]
    m = small_model()
    compiled = compile_model(m)
    assert compiled.is_current()
    make(m)
    assert not compiled.is_current()
    assert compiled.is_current(**{flag: False})


def test_variables_that_are_fixed_and_freed_again_compile_nothing() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1, 2], initialize=0.5, bounds=(0, 2))
    m.total = pyo.Constraint(expr=m.x[0] + m.x[1] + m.x[2] == 2)
    m.goal = pyo.Objective(expr=sum((m.x[k] - k) ** 2 for k in m.x) + pyo.exp(m.x[0] * m.x[1]))
    solver = pyo.SolverFactory("fastexpr")
    solver.solve(m)
    compiled, free = solver._compiled, pyo.value(m.goal)
    for number in (0.25, 1.0):
        m.x[0].fix(number)
        pyo.assert_optimal_termination(solver.solve(m))
        assert solver._compiled is compiled
        assert m.x[0].value == number
        found = pyo.value(m.goal)
        other = m.clone()
        pyo.assert_optimal_termination(pyo.SolverFactory("fastexpr").solve(other))
        assert found == pytest.approx(pyo.value(other.goal), abs=1e-7)
    m.x[0].unfix()
    solver.solve(m)
    assert solver._compiled is compiled
    assert pyo.value(m.goal) == pytest.approx(free, abs=1e-7)
    m.x[0].fix(3.0)
    with pytest.raises(ModelError, match=r"fixed outside their bounds.*'x\[0\]' at 3.0 outside \[0.0, 2.0\]"):
        solver.solve(m)
    for k in m.x:
        m.x[k].fix(2 / 3)
    pyo.assert_optimal_termination(solver.solve(m))  # nothing varies any more: compiled again
    assert solver._compiled is not compiled


def test_another_expression_of_the_objective_is_noticed() -> None:
    m = small_model()
    compiled = compile_model(m)
    m.goal.set_value(m.y)
    assert not compiled.is_current()
    assert not compiled.is_current(update_named_expressions=False)
    assert compiled.is_current(update_named_expressions=False, update_objective=False)


def test_all_of_pyomos_switches_are_known() -> None:
    assert compile_model(small_model()).is_current(**AutoUpdateConfig().value())
