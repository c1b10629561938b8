"""Solves of problems with kinks: from cell to cell, with a certificate that is true."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp

RNG = np.random.default_rng(5)
LAYERS = [
    (RNG.normal(size=(m, n)) / np.sqrt(n) * 1.5, 0.3 * RNG.normal(size=m)) for n, m in [(3, 20), (20, 20), (20, 2)]
]
LIMIT = 0.3


def relu_network(layers):
    x = fx.variables(layers[0][0].shape[1])
    h = x
    for W, b in layers[:-1]:
        h = np.maximum(W @ h + b, 0.0)
    W, b = layers[-1]
    return fx.Function(x, W @ h + b)


NET = relu_network(LAYERS)
STARTS = np.random.default_rng(2).uniform(-1, 1, (8, 3))


def surrogate(start, is_spliced=False):
    p = fx.Problem()
    x = p.variables(3, -1, 1, start=start)
    y = NET(x) if is_spliced else p.network(NET, x)
    p.maximize(y[0])
    p.subject_to(y[1], upper=LIMIT)
    return p, x


def is_beaten(x, value, spread=1e-3):
    """Whether a feasible point nearby is better."""
    points = np.clip(x + spread * np.random.default_rng(0).uniform(-1, 1, (4000, 3)), -1, 1)
    y = NET(points)
    return bool((y[y[:, 1] <= LIMIT, 0] > value + 1e-6).any())


@pytest.mark.parametrize("door", ["network", "expression", "pyomo"])
@pytest.mark.parametrize("start", range(8))
def test_a_relu_surrogate_from_everywhere(door, start):
    if door == "pyomo":
        m = pyo.ConcreteModel()
        m.x = pyo.Var(range(3), bounds=(-1, 1), initialize=dict(enumerate(STARTS[start])))
        m.nn = fxp.NetworkBlock(NET, inputs=m.x)
        m.limit = pyo.Constraint(expr=m.nn.outputs["y[1]"] <= LIMIT)
        m.best = pyo.Objective(expr=m.nn.outputs["y[0]"], sense=pyo.maximize)
        results = pyo.SolverFactory("fastexpr").solve(m)
        assert pyo.check_optimal_termination(results)
        assert "local minimum" in results.solver.message
        x, value = np.array([m.x[i].value for i in range(3)]), pyo.value(m.best)
        assert abs(NET(x) - [value, m.nn.outputs["y[1]"].value]).max() < 1e-9
    else:
        p, v = surrogate(STARTS[start], door == "expression")
        r = p.solve()
        assert (r.status, r.certificate) == ("optimal", "local minimum")
        x, value = r[v], r.objective
    assert NET(x)[1] <= LIMIT + 1e-8
    assert not is_beaten(x, value)


def test_ignored_kinks_are_todays_solves():
    p, _ = surrogate(STARTS[0])
    r = p.solve(kinks="ignore", max_iter=50)
    assert [stage.name for stage in r.stages] == ["ipopt"]
    assert (r.certificate, r.kinks) == ("", [])
    with pytest.raises(ValueError, match="kinks must be"):
        p.solve(kinks="smooth")


def test_a_convex_problem_in_the_models_own_algebra():
    p = fx.Problem()
    v = p.variables(2, -1, 1, start=[0.7, 0.2])
    p.minimize(abs(v[0] - 0.2) + abs(v[1] + 0.3 * v[0]))
    r = p.solve()
    assert (r.status, r.certificate) == ("optimal", "local minimum")
    assert np.allclose(r[v], [0.2, -0.06], atol=1e-9)
    assert len(r.kinks) == 2
    assert all(abs(kink.argument) < 1e-9 for kink in r.kinks)
    assert "2 kinks" in r.message


def test_a_saddle_is_no_minimum():
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=0.0)
    p.minimize(x[0] ** 2 - x[1] ** 2 + abs(x[0]))
    r = p.solve()
    assert abs(r.objective + 1.0) < 1e-6
    assert r.certificate == "local minimum"


def test_the_tip_of_an_absolute_value():
    p = fx.Problem()
    x = p.variables((), -1, 1, start=0.4)
    p.minimize(abs(x))
    r = p.solve()
    assert r.certificate == "local minimum"
    assert abs(r[x]) < 1e-9
    assert abs(r.kinks[0].multiplier - 1.0) < 1e-6


def test_iterations_are_a_total():
    p, _ = surrogate(STARTS[0])
    r = p.solve(max_iter=30)
    assert r.iterations <= 30
    assert r.status == "iteration_limit"
    assert p.solve(max_iter=300).iterations <= 300


def test_multipliers_belong_to_the_final_cell():
    p, x = surrogate(STARTS[1])
    limit = p._statement.constraints[0]
    r = p.solve()
    eps = 1e-5
    p.set_limits(limit, upper=LIMIT + eps)
    other = p.solve(start=r)
    assert (
        abs((other.objective - r.objective) / eps - r.duals[limit]) < 1e-3 * max(1.0, r.duals[limit])
        or len(r.kinks) > 0
    )
    assert r.duals[limit] >= -1e-9


def test_smooth_problems_have_one_stage():
    x0 = fx.variables(2)
    net = fx.Function(x0, np.tanh(x0).sum().reshape(1))
    p = fx.Problem()
    x = p.variables(2, -1, 1)
    p.minimize(p.network(net, x)[0])
    r = p.solve()
    assert [stage.name for stage in r.stages] == ["ipopt"]
    assert r.certificate == ""
