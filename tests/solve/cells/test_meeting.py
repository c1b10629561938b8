"""Many kinks in one point: walls that have nothing to do with each other are told apart, and what is claimed then."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

import fastexpr as fx
from fastexpr.solve.budget import Budget, Settings
from fastexpr.solve.cells import linear_program
from fastexpr.solve.cells.blocks import merged
from fastexpr.solve.cells.certificate import Examination
from fastexpr.solve.cells.junction import Junction, Walls
from fastexpr.solve.cells.linearization import Linearization
from fastexpr.solve.cells.walk import Walk


def relu(u):
    return np.maximum(u, 0.0)


@pytest.mark.parametrize("start", [0.0, 0.3])
def test_pools_of_units_that_are_off(start):
    """The largest of ReLUs that are all 0: three walls in two dimensions, many times. A linear program knows."""
    rng, n_pools = np.random.default_rng(3), 12
    p = fx.Problem()
    x = p.variables((n_pools, 2), -1, 1, start=start)
    W, pull = rng.normal(size=(n_pools, 2, 2)), rng.uniform(-0.3, 0.3, (n_pools, 2))
    units = [W[k] @ x[k] for k in range(n_pools)]
    p.minimize(sum(np.maximum(relu(u[0]), relu(u[1])) - pull[k] @ x[k] for k, u in enumerate(units)))
    best = 0.0
    for k in range(n_pools):  # t - pull @ x, t at least 0 and both
        rows = np.column_stack([W[k], -np.ones(2)])
        best += linprog([*-pull[k], 1.0], A_ub=rows, b_ub=[0.0, 0.0], bounds=[(-1, 1), (-1, 1), (0, None)]).fun
    result = p.solve()
    assert result.certificate == "local minimum", result.message
    assert np.isclose(result.objective, best, atol=1e-8)
    assert len(result.kinks) > 10


def test_max_pooling_behind_convolutions():
    import torch

    torch.manual_seed(1)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(48, 2)
    )
    f = fx.from_torch(net.double(), torch.zeros(1, 1, 10, 10, dtype=torch.float64))
    p = fx.Problem()
    x = p.variables(100, 0, 1, start=0.5)
    y = p.network(f, x)
    p.minimize(y[0])
    p.subject_to(y[1], upper=float(f(np.full(100, 0.5))[1]))
    result = p.solve()
    assert result.certificate == "local minimum", result.message
    nearby = np.clip(result[x] + np.random.default_rng(0).uniform(-1e-3, 1e-3, (4000, 100)), 0, 1)
    values = f(nearby)
    is_feasible = values[:, 1] <= f(result[x])[1] + 1e-12
    assert (values[is_feasible, 0] >= result.objective - 1e-9).all()


@pytest.mark.parametrize("seed", range(12))
def test_a_certificate_is_that_of_all_directions(seed):
    """Networks of two inputs each, without biases: from 0 on, each is what it is on a circle, times the radius."""
    rng, n_parts = np.random.default_rng(seed), 4
    p = fx.Problem()
    x = p.variables(2 * n_parts, -1, 1, start=0.0)
    angles = np.linspace(0, 2 * np.pi, 20001)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    is_minimum, total = True, 0.0
    for k in range(n_parts):
        v = fx.variables(2)
        h = relu(rng.normal(size=(4, 2)) @ v)
        part = fx.Function(v, rng.normal(size=(1, 3)) @ relu(rng.normal(size=(3, 4)) @ h))
        least = part(circle)[:, 0].min()
        slope = -least / 0.7 + rng.choice([0.1, 0.3, -0.02], p=[0.6, 0.3, 0.1])
        total = total + p.network(part, x[2 * k : 2 * k + 2])[0] + slope * abs(x[2 * k : 2 * k + 2]).sum()
        on_circle = part(circle)[:, 0] + slope * abs(circle).sum(axis=1)
        is_minimum = is_minimum and on_circle.min() >= 0.0
    p.minimize(total)
    nlp = p.nlp()
    cells = nlp.functions.cells()
    at_0 = nlp.complete(np.zeros(nlp.n))
    finding = Examination(Junction(nlp, cells, at_0), cells.branches(at_0), 0.0).finding()
    assert (finding.certificate == "local minimum") == is_minimum
    assert finding.certificate == "local minimum" or finding.better


@pytest.mark.parametrize("seed", range(6))
def test_crossed_together_or_one_by_one(seed, monkeypatch):
    """What is behind each wall, learnt from the cell behind all of them, is what the cells behind each say."""
    rng = np.random.default_rng(seed)
    x = fx.variables(6)
    h = relu(rng.normal(size=(20, 6)) @ x / 2 + 0.2 * rng.normal(size=20))
    h = relu(rng.normal(size=(20, 20)) @ h / 4 + 0.2 * rng.normal(size=20))
    net = fx.Function(x, rng.normal(size=(2, 20)) @ h)
    p = fx.Problem()
    v = p.variables(6, -1, 1, start=rng.uniform(-1, 1, 6))
    y = p.network(net, v)
    p.minimize(y[0] + (0.3 * (v**2).sum() if seed % 2 else 0.0))
    p.subject_to(y[1], upper=float(net(nlp_start(p))[1]) + 0.1)
    nlp = p.nlp()
    walk = Walk(nlp, nlp.functions.cells(), Budget(Settings("cyipopt")))
    walk.here = walk._solve(walk.cells.branches(nlp.start), nlp.start)
    together = walk._examine()
    monkeypatch.setattr(Examination, "_groups", lambda self, held: [[k] for k in range(len(held))])
    alone = walk._examine()
    assert together.certificate == alone.certificate
    assert together.reason == alone.reason
    assert len(together.walls)
    assert {cell.tobytes() for cell in together.better} == {cell.tobytes() for cell in alone.better}


def nlp_start(p):
    return p.nlp().start[:6]


def test_states_at_a_bound_that_units_which_are_off_have_anyway():
    both = fx.variables(2)
    net = fx.Function(both, relu(both + np.array([-0.5, 0.3])))
    p = fx.Problem()
    x, h = p.variables(2, -1, 1, start=0.4), p.variables(2, 0, 20, start=1.0)
    p.subject_to(h - p.network(net, x), equal=0.0)
    p.minimize(abs(x).sum() - 0.1 * h[1] - 0.2 * h[0])
    result = p.solve(presolve=False)
    assert np.allclose(result[x], 0.0, atol=1e-9)
    assert result.certificate == "local minimum", result.message


def test_a_way_down_that_brings_little_is_gone_to_its_end():
    """5e-9 of the objective: left alone, it would be a point of which nothing can be claimed."""
    p = fx.Problem()
    x = p.variables(1, -1, 1, start=-0.5)
    p.minimize(1000.0 + (relu(-x) - 2e-3 * relu(x) + relu(x - 0.0025)).sum())
    nlp = p.nlp()
    walk = Walk(nlp, nlp.functions.cells(), Budget(Settings("cyipopt")))
    finding = walk.run(nlp.start)
    assert finding.certificate == "local minimum"
    assert np.allclose(walk.here.x, 0.0025)


@pytest.mark.parametrize("seed", range(5))
def test_linear_programs_begin_anywhere(seed):
    rng = np.random.default_rng(seed)
    n, m = 12, 8
    A, cost, low, high = rng.normal(size=(m, n)), rng.normal(size=n), -np.ones(n), np.ones(n)
    lower, upper = -rng.uniform(0.1, 1, m), np.where(rng.random(m) < 0.5, np.inf, rng.uniform(0.1, 1, m))
    cold = linear_program.by_highspy(cost, A, lower, upper, low, high)
    again = [
        cold.x,
        np.zeros(n),
        low,
        rng.choice([-1.0, 0.0, 1.0], n),
        np.clip(cold.x + 0.3 * rng.normal(size=n), -1, 1),
    ]
    for start in again:
        warm = linear_program.by_highspy(cost, A, lower, upper, low, high, start)
        assert np.isclose(cost @ warm.x, cost @ cold.x)
        assert np.allclose(cost, A.T @ warm.row_duals + warm.column_duals)


@pytest.mark.parametrize("seed", range(6))
def test_walls_are_apart_where_their_slopes_are_of_other_variables(seed):
    """Blocks of a known make, in any order: three walls in a plane depend on each other, two in a plane do not. A unit
    with walls in two blocks, and units that were together before, make one block of all that they are in.
    """
    rng, n_planes = np.random.default_rng(seed), 12
    counts = rng.integers(1, 4, n_planes)
    plane = np.repeat(np.arange(n_planes), counts)
    slopes = np.zeros((plane.size, 2 * n_planes))
    for k, place in enumerate(plane.tolist()):
        angle = rng.uniform(0, np.pi)
        slopes[k, 2 * place : 2 * place + 2] = np.cos(angle), np.sin(angle)
    order = rng.permutation(plane.size)
    plane, slopes, units = plane[order], slopes[order], np.arange(plane.size, dtype=np.int32)
    units[0] = units[-1]  # of max pooling: two walls
    walls = Walls(units, 0 * units, slopes, np.ones(units.size), np.zeros(units.size))
    none, off, empty = np.zeros((0, 2 * n_planes)), np.zeros(2 * n_planes, dtype=bool), np.zeros(0)
    linear = Linearization(np.ones(2 * n_planes), none, none, slopes, off, off, empty.astype(np.int64), empty)
    before = [{unit} for unit in units[2:].tolist()] + [{int(units[1]), int(units[2])}]
    expected = [{unit} for unit in units.tolist()] + [before[-1]]
    expected += [set(units[plane == k].tolist()) for k in range(n_planes) if counts[k] == 3]
    blocks: list[set[int]] = []
    for group in expected:
        touched = [block for block in blocks if block & group]
        blocks = [block for block in blocks if not block & group] + [group.union(*touched)]
    assert sorted(map(sorted, merged(before, linear, walls))) == sorted(map(sorted, blocks))
