"""Cells in which the program is linear are linear programs, whoever solves these."""

from __future__ import annotations

import numpy as np
import pytest

import fastexpr as fx
from fastexpr.solve.cells import linear_program

RNG = np.random.default_rng(0)


def random_program(n, m):
    A, x = RNG.normal(size=(m, n)), RNG.uniform(-1, 1, n)
    values = A @ x
    lower, upper = values - RNG.uniform(0, 1, m), values + RNG.uniform(0, 1, m)
    is_equation = RNG.random(m) < 0.2
    lower[is_equation] = upper[is_equation] = values[is_equation]
    lower[(RNG.random(m) < 0.3) & ~is_equation] = -np.inf
    upper[(RNG.random(m) < 0.3) & ~is_equation] = np.inf
    return RNG.normal(size=n), A, lower, upper, -np.ones(n), np.ones(n)


@pytest.mark.parametrize("solver", [linear_program.by_highspy, linear_program.by_scipy])
def test_duals_and_bounds_carry_the_gradient(solver):
    for n, m in [(1, 1), (2, 0), (3, 7), (8, 3)]:
        program = random_program(n, m)
        cost, A, lower, upper = program[:4]
        found = solver(*program)
        assert (A @ found.x >= lower - 1e-9).all()
        assert (A @ found.x <= upper + 1e-9).all()
        assert np.allclose(cost, A.T @ found.row_duals + found.column_duals)
        other = linear_program.by_scipy(*program)
        assert np.isclose(cost @ found.x, cost @ other.x)
        assert np.allclose(found.row_duals, other.row_duals)
    assert solver(np.ones(1), np.eye(1), np.full(1, 2.0), np.full(1, 3.0), -np.ones(1), np.ones(1)) is None


def surrogate():
    layers = [(RNG.normal(size=(m, n)) / np.sqrt(n), 0.3 * RNG.normal(size=m)) for n, m in [(4, 16), (16, 2)]]
    x = fx.variables(4)
    (W, b), (V, c) = layers
    p = fx.Problem()
    v = p.variables(4, -1, 1, start=0.3)
    y = p.network(fx.Function(x, V @ np.maximum(W @ x + b, 0.0) + c), v)
    p.maximize(y[0])
    p.subject_to(y[1], upper=0.1)
    return p


@pytest.mark.parametrize("has_highspy", [True, False])
def test_with_and_without_highspy(monkeypatch, has_highspy):
    p = surrogate()
    monkeypatch.setattr(linear_program, "has_highspy", lambda: has_highspy)
    r = p.solve()
    assert r.certificate == "local minimum"
    assert {stage.name: stage.iterations for stage in r.stages}["cells"] <= 40  # one for a cell, where that is linear


def test_the_users_progress_function_sees_cells_and_stops_them():
    p = surrogate()
    seen = []
    r = p.solve(progress=lambda state: seen.append(state.stage) or state.stage != "cells")
    assert seen[-1] == "cells" or "cells" not in seen
    assert r.status in ("stopped", "optimal")


def test_a_network_that_is_linear_only_in_some_cells():
    x = fx.variables(2)
    u = np.array([[3.0, -1.0], [1.0, 2.0]]) @ x + 4.0
    net = fx.Function(x, (u * np.clip(u / 6.0 + 0.5, 0.0, 1.0)).sum(keepdims=True))
    p = fx.Problem()
    v = p.variables(2, -9, 9, start=5.0)
    p.minimize(p.network(net, v)[0])
    r = p.solve()
    assert r.certificate in ("local minimum", "first-order")
    grid = np.stack(np.meshgrid(*[np.linspace(-9, 9, 181)] * 2), axis=-1).reshape(-1, 2)
    near = grid[abs(grid - r[v]).max(axis=1) < 0.3]
    assert (net(near)[:, 0] >= r.objective - 1e-7).all()
