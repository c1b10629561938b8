"""Sensitivities of Pyomo models, beside differences of models that are solved again."""

import numpy as np
import pyomo.environ as pyo
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError, NotFoundError

OPTIONS = {"tol": 1e-11}


def make_model(sense=pyo.minimize):
    random = np.random.default_rng(2)
    u = fx.variables(3)
    net = fx.Function(u, 0.4 * random.normal(size=(2, 10)) @ np.tanh(random.normal(size=(10, 3)) @ u))
    m = pyo.ConcreteModel()
    m.price = pyo.Param(initialize=0.7, mutable=True)
    m.cap = pyo.Param([0, 1], initialize={0: 0.6, 1: -0.6}, mutable=True)
    m.x = pyo.Var([0, 1], initialize=0.2, bounds=(-1, m.cap[0] ** 2 + 0.1))
    m.state = pyo.Var(initialize=0.3)
    m.state.fix()
    m.nn = fxp.NetworkBlock(net, inputs=[m.x[0], m.x[1], m.state])
    y = list(m.nn.outputs.values())
    m.limit = pyo.Constraint(expr=y[1] + 0.5 * m.x[1] <= m.cap[1] * m.price)
    sign = 1.0 if sense == pyo.minimize else -1.0
    cost = m.price * y[0] + (m.x[0] - 3) ** 2 + (m.x[1] - m.state) ** 2
    m.goal = pyo.Objective(expr=sign * cost, sense=sense)
    return m, y


@pytest.mark.parametrize("sense", [pyo.minimize, pyo.maximize])
def test_derivatives_are_differences_of_solves(sense):
    m, y = make_model(sense)
    m.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    solver = pyo.SolverFactory("fastexpr")
    results = solver.solve(m, options=OPTIONS)
    pyo.assert_optimal_termination(results)
    s = results.sensitivity(m.price, m.cap, m.state)
    assert s.is_regular, s.message
    assert {"x[0]", "limit"} <= set(s.met)
    compiled = solver._compiled
    step = 1e-3
    for thing in (m.price, m.cap[0], m.cap[1], m.state):
        before, seen = pyo.value(thing), []
        for t in (-2, -1, 1, 2):
            thing.set_value(before + t * step)
            pyo.assert_optimal_termination(solver.solve(m, options=OPTIONS))
            seen.append(np.array([m.x[0].value, m.x[1].value, y[0].value, pyo.value(m.goal), m.dual[m.limit]]))
        thing.set_value(before)
        wanted = (8.0 * (seen[2] - seen[1]) - (seen[3] - seen[0])) / (12.0 * step)
        found = [s[part, thing] for part in (m.x[0], m.x[1], y[0], m.goal, m.limit)]
        np.testing.assert_allclose(found, wanted, atol=1e-6 * max(1.0, abs(wanted).max()))
        assert s.objective[thing] == found[3]
    assert solver._compiled is compiled  # only numbers have changed


def test_the_first_order_update_and_the_new_interface():
    m, _ = make_model()
    solver = fxp.Fastexpr()
    results = solver.solve(m, solver_options=OPTIONS)
    s = results.solution_loader.sensitivity(m.price)
    update = s.at((m.price, 0.71))
    m.price.set_value(0.71)
    assert update[m.x[1]] == s.at()[m.x[1]]
    solver.solve(m, solver_options=OPTIONS)
    assert update[m.x[1]] == pytest.approx(m.x[1].value, abs=1e-4)
    assert repr(s) == "<Sensitivity to 1 parameters: regular>"


def test_errors():
    m, _ = make_model()
    m.free = pyo.Var(initialize=0.0, bounds=(-1, 1))
    m.more = pyo.Constraint(expr=m.free >= m.x[0] - 1)
    m.constant = pyo.Param(initialize=1.0)
    solver = pyo.SolverFactory("fastexpr")
    results = solver.solve(m)
    with pytest.raises(ModelError, match="mutable Params and fixed variables: got free"):
        results.sensitivity(m.free)
    with pytest.raises(ModelError, match="mutable Params and fixed variables: got constant"):
        results.sensitivity(m.constant)
    s = results.sensitivity(m.price)
    with pytest.raises(NotFoundError, match="no derivatives with respect to state"):
        s[m.x[0], m.state]
    with pytest.raises(NotFoundError, match="not part of what was solved"):
        s[m.state, m.price]
    m.price.set_value(0.9)
    with pytest.raises(ModelError, match="price has another value than at the solve"):
        results.sensitivity(m.price)


def test_variables_that_were_fixed_after_the_first_solve():
    m, _ = make_model()
    m.state.unfix()
    m.state.setlb(-1)
    m.state.setub(1)
    solver = pyo.SolverFactory("fastexpr")
    solver.solve(m)
    m.state.fix(0.3)
    results = solver.solve(m, options=OPTIONS)
    late = results.sensitivity(m.state, m.price)
    other, _ = make_model()
    early = pyo.SolverFactory("fastexpr").solve(other, options=OPTIONS).sensitivity(other.state, other.price)
    for k in (0, 1):
        assert late[m.x[k], m.state] == pytest.approx(early[other.x[k], other.state], abs=1e-7)
        assert late[m.x[k], m.price] == pytest.approx(early[other.x[k], other.price], abs=1e-7)
    assert late.objective[m.state] == pytest.approx(early.objective[other.state], abs=1e-7)
