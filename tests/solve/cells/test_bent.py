"""Kinks whose argument has no slope where they are met, rows without slopes, and solves that end early."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.solve.budget import MOST_ITERATIONS


@pytest.mark.parametrize(
    "objective",
    [
        lambda x: -np.maximum(x**2, 0.0),
        lambda x: -abs(x * x),
        lambda x: np.minimum(-(x**2), 0.0),
        lambda x: -np.maximum(x**3, 0.0),
        lambda x: -np.maximum(1.0 - np.cos(x), 0.0) + 0.1 * x**2,
    ],
    ids=["relu of square", "abs of square", "min", "relu of cube", "curved differently"],
)
def test_a_kink_without_a_slope_hides_no_way_down(objective):
    p = fx.Problem()
    x = p.variables((), -1, 1, start=0.0)
    p.minimize(objective(x))
    r = p.solve()
    assert r.success
    assert abs(r[x]) == pytest.approx(1.0, abs=1e-6)
    assert r.certificate == "local minimum"


def test_nothing_beyond_the_first_order_is_claimed_of_sides_that_curve_apart():
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=0.0)
    p.minimize(-np.maximum(x[0] ** 2 - x[1] ** 2, 0.0))
    r = p.solve()
    assert r.certificate == "first-order" or abs(r.objective + 1.0) < 1e-6


def test_an_argument_that_is_0_everywhere_is_no_kink():
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=0.3)
    dead = np.maximum(x[0] - 2.0, 0.0)  # 0 in the whole box
    p.minimize(abs(x[1]) + np.maximum(3.0 * dead, 0.0) + (x[0] - 0.1) ** 2)
    r = p.solve()
    assert r.certificate == "local minimum"


@pytest.mark.parametrize("where", [1.0, -1.0])
def test_rows_without_slopes_are_no_trouble(where):
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=[where, 0.4])
    y = np.minimum(np.maximum(4.0 * x[0], -0.5), 0.5)  # flat on both ends
    p.subject_to(y, upper=0.5)
    p.subject_to(y, lower=-0.5)
    p.minimize(-y + abs(x[1]))
    r = p.solve()
    assert r.success
    assert r.certificate in ("first-order", "local minimum")


def no_way_in():
    """A start from which nothing feasible is found, with kinks."""
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=[0.9, 0.8])
    p.subject_to(abs(x[0]) + np.maximum(x[1], 0.1 * x[1]) ** 2, upper=-0.1)
    p.minimize(x.sum())
    return p


def test_a_stop_in_any_stage_is_a_stop():
    counted = []
    no_way_in().solve(progress=lambda state: counted.append(state.stage))
    assert {"ipopt", "cells", "sample"} <= set(counted)
    for most in range(1, len(counted), max(1, len(counted) // 12)):
        calls = []
        r = no_way_in().solve(progress=lambda state, calls=calls, most=most: calls.append(state) or len(calls) < most)
        assert (r.status, len(calls)) == ("stopped", most)


def test_starts_are_counted_with_what_has_come_of_them():
    r = no_way_in().solve()
    assert r.status == "infeasible"
    assert "Of 10 starts, 10 ended in such points." in r.message


def test_a_limit_of_the_stages_is_not_the_users(monkeypatch):
    monkeypatch.setattr("fastexpr.solve.stages.KINKED_ITERATIONS", 1)
    monkeypatch.setattr("fastexpr.solve.cells.walk.CELL_ITERATIONS", 1)
    r = no_way_in().solve()
    assert r.status != "iteration_limit" or "iteration limit was reached" not in r.message
    assert "sample" in [stage.name for stage in r.stages]
    assert r.iterations < MOST_ITERATIONS


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1e6])
@pytest.mark.parametrize("seed", range(4))
def test_the_unit_of_the_objective_decides_nothing(unit, seed):
    rng = np.random.default_rng(seed)
    W, b, c = rng.normal(size=(12, 3)), 0.3 * rng.normal(size=12), rng.normal(size=12)
    p = fx.Problem()
    x = p.variables(3, -1, 1, start=rng.uniform(-1, 1, 3))
    p.minimize(unit * (c @ np.maximum(W @ x + b, 0.0)))
    r = p.solve()
    assert (r.status, r.certificate) == ("optimal", "local minimum")
    points = np.clip(r[x] + rng.uniform(-1e-3, 1e-3, (2000, 3)), -1, 1)
    values = np.maximum(points @ W.T + b, 0.0) @ c
    assert values.min() >= r.objective / unit - 1e-6


def test_a_kink_at_a_bound_is_no_doubt():
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=[0.3, 0.2])
    p.minimize(-np.maximum(np.minimum(x[0], 1.0), -1.0) + 2.0 * np.maximum(x[0] - 1.0, 0.0) + abs(x[1]))
    r = p.solve()
    assert (r.status, r.certificate) == ("optimal", "local minimum")


@pytest.mark.parametrize("seed", range(12))
def test_an_earlier_result_as_start_is_not_lost(seed):
    rng = np.random.default_rng(seed)
    W, b = rng.normal(size=(16, 2)) * 2.0, rng.normal(size=16)
    V, c = rng.normal(size=(16, 16)) / 3.0, rng.normal(size=16)
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=rng.uniform(-1, 1, 2))
    p.minimize(c @ np.maximum(V @ np.maximum(W @ x + b, 0.0), 0.0))
    first = p.solve()
    again = p.solve(start=first)
    assert again.success
    assert again.objective <= first.objective + 1e-7 * max(1.0, abs(first.objective))


@pytest.mark.parametrize("seed", range(6))
def test_a_unit_of_a_network_that_is_called_twice_is_named_once(seed):
    rng = np.random.default_rng(seed)
    W, b, V = rng.normal(size=(12, 2)), rng.normal(size=12), rng.normal(size=(2, 12))
    u = fx.variables(2)
    net = fx.Function(u, V @ np.maximum(W @ u + b, 0.0))
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=rng.uniform(-1, 1, 2))
    y = p.network(net, x)
    p.minimize(y[0])
    p.subject_to(y[1], upper=float(net([0.1, 0.2])[1]))
    r = p.solve()
    assert r.success
    assert len({kink.unit for kink in r.kinks}) == len(r.kinks)


@pytest.mark.parametrize("start", [[0.0, 0.0], [0.0, 0.5]])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_cell_that_is_a_point_is_not_all(sign, start):
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=start)
    p.minimize(-np.maximum(sign * x[0] ** 2, 0.0) - np.maximum(-sign * x[0] ** 2, 0.0) + abs(x[1]))
    r = p.solve()
    assert r.success
    assert r.objective == pytest.approx(-1.0, abs=1e-6)
    assert r.certificate == "local minimum"


@pytest.mark.parametrize(
    "objective",
    [
        lambda x: abs(x[0] ** 2) + x[1] ** 2,
        lambda x: abs(x[0] ** 2 + x[0] * x[1] + x[1] ** 2),
        lambda x: np.maximum(x[0] ** 2, 0.0) + abs(x[1]),
        lambda x: np.maximum(x[0] ** 2 + x[0] ** 4, 0.0) + np.maximum(x[1] ** 2, 0.0),
        lambda x: -np.minimum(-((x[0] - x[1]) ** 2), 0.0) + x[1] ** 2,
    ],
    ids=["square", "form", "relu of square", "of degree 4", "in one direction"],
)
@pytest.mark.parametrize("start", [0.0, 0.6])
def test_an_argument_that_curves_up_is_no_kink(objective, start):
    p = fx.Problem()
    x = p.variables(2, -1, 1, start=start)
    p.minimize(objective(x))
    r = p.solve()
    assert r.certificate == "local minimum", r.message
    assert abs(r.objective) < 1e-9


def test_without_second_derivatives_nothing_curved_is_called_linear():
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(2), bounds=(-1, 1), initialize=0.0)
    m.f = pyo.ExternalFunction(function=lambda a: -(a**2), gradient=lambda args, fixed: [-2.0 * args[0]])
    m.o = pyo.Objective(expr=m.f(m.x[0]) + abs(m.x[1]))
    solver = pyo.SolverFactory("fastexpr")
    solver.options["hessian_approximation"] = "limited-memory"
    with pytest.warns(UserWarning, match="through Pyomo"):
        results = solver.solve(m)
    assert pyo.check_optimal_termination(results)
    assert "found: a local minimum" not in results.solver.message or pyo.value(m.o) < -0.99


def test_quasi_newton_solves_have_certificates_too():
    x = fx.variables(3)
    rng = np.random.default_rng(3)
    W, V = rng.normal(size=(8, 3)), rng.normal(size=(2, 8))
    net = fx.Function(x, V @ np.maximum(np.tanh(W @ x), 0.1))
    values = []
    for options in ({}, {"hessian_approximation": "limited-memory"}):
        m = pyo.ConcreteModel()
        m.x = pyo.Var(range(3), bounds=(-1, 1), initialize=0.3)
        m.nn = fxp.NetworkBlock(net, inputs=m.x)
        m.o = pyo.Objective(expr=m.nn.outputs["y[0]"] - m.x[0] ** 2)
        m.c = pyo.Constraint(expr=m.nn.outputs["y[1]"] <= 0.3)
        results = pyo.SolverFactory("fastexpr").solve(m, options=options)
        assert "a local minimum" in results.solver.message
        values.append(pyo.value(m.o))
    assert values[0] == pytest.approx(values[1], abs=1e-7)
