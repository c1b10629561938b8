"""What is claimed of points where kinks meet is true: plain arrays, known examples, and brute force over cells."""

from __future__ import annotations

import numpy as np
import pytest

import fastexpr as fx
from benchmarks.kinks_judge import cells_of, forward, judge, random_layers
from fastexpr.solve.cells.linearization import Linearization, has_inside, of_length_one


def linearization(gradient, equations=(), limits=(), walls=(), lower=(), upper=()):
    n = len(gradient)

    def rows(entries):
        return of_length_one(np.array(entries, dtype=float).reshape(-1, n))

    at_lower, at_upper = np.zeros(n, bool), np.zeros(n, bool)
    at_lower[list(lower)], at_upper[list(upper)] = True, True
    count = len(equations) + len(limits)
    return Linearization(
        np.array(gradient, float), rows(equations), rows(limits), rows(walls), at_lower, at_upper,
        np.arange(count), np.ones(count),
    )  # fmt: skip


def test_multipliers_hold_the_gradient():
    linear = linearization([2.0, 3.0, -1.0], equations=[[1, 1, 0]], walls=[[0, 1, 0]], upper=[2])
    assert linear.is_independent()
    forces = linear.forces()
    assert forces.residual < 1e-14
    assert np.allclose(forces.equations, [2.0 * np.sqrt(2.0)])
    assert np.allclose(forces.walls, [1.0])
    assert np.allclose(forces.upper, [0, 0, 1.0])
    assert linear.way_down()[0] > -1e-9


def test_a_way_down_is_found():
    linear = linearization([1.0, -0.5], walls=[[1, 1], [1, -1]])
    assert linear.forces().weakest > 0.0
    assert linear.way_down()[0] > -1e-9
    steep = linearization([0.2, -0.5], walls=[[1, 1], [1, -1]])
    assert steep.forces().weakest < 0.0
    assert steep.way_down()[0] < -0.2


def test_dependence():
    assert not linearization([0.0, 0.0], walls=[[1, 0], [1, 1e-9]]).is_independent()
    assert not linearization([0.0, 0.0], walls=[[1, 0]], lower=[0]).is_independent()
    assert linearization([0.0, 0.0], walls=[[1, 0]], lower=[1]).is_independent()
    assert not linearization([0.0, 0.0], walls=[[1, 0], [0, 1], [1, 1]]).is_independent()


def test_thin_cells_have_no_inside():
    assert has_inside(np.eye(3))
    assert not has_inside(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    assert not has_inside(of_length_one(np.array([[1.0, 0.0], [-1.0, 2.0], [-1.0, -2.0]])))


def test_sharp_points():
    assert linearization([1.0, 1.0], walls=[[1, 0], [0, 1]]).is_sharp(1e-6)
    assert not linearization([1.0, 0.0], walls=[[1, 0], [0, 1]]).is_sharp(1e-6)
    assert linearization([1.0, 0.1], walls=[[1, 0]], lower=[1]).is_sharp(1e-6)


def solved(state, n=2, start=0.0, **settings):
    p = fx.Problem()
    x = p.variables(n, -1, 1, start=start)
    state(p, x)
    r = p.solve(**settings)
    return r, r[x]


def test_a_corner_of_absolute_values():
    r, x = solved(lambda p, x: p.minimize(abs(x[0]) + abs(x[1]) + 0.5 * x[0]), start=0.3)
    assert r.certificate == "local minimum"
    assert np.allclose(x, 0.0, atol=1e-9)


def test_a_crossing_of_two_kinks_that_leads_down_together_only():
    """f = |a| + |b| - 3 min(max(a, 0), max(b, 0)): every single crossing at 0 goes up, and both together go down."""

    def state(p, x):
        both = np.minimum(np.maximum(x[0], 0.0), np.maximum(x[1], 0.0))
        p.minimize(abs(x[0]) + abs(x[1]) - 3.0 * both)

    r, _ = solved(state, start=[-0.2, -0.2])
    assert r.objective < -0.99 or r.certificate in ("first-order", "none"), (r.objective, r.certificate)


def test_more_kinks_than_variables():
    """Five absolute values at 0 in two variables: a minimum, though their gradients are not independent."""
    A = np.array([[1, 0], [0, 1], [1, 1], [1, -1], [2, 1]], float)
    r, x = solved(lambda p, x: p.minimize(abs(A @ x).sum() + 0.5 * x[0]), start=[0.2, 0.1])
    assert np.allclose(x, 0.0, atol=1e-9)
    assert r.certificate == "local minimum"


def test_parallel_kinks_are_crossed_together():
    """Between two kinks at one place the slope is positive, behind both it is not."""

    def state(p, x):
        p.minimize(2 * np.maximum(x[0], 0.0) - 1.0 * np.maximum(3 * x[0], 0.0) + 0.5 * x[0] + x[1] ** 2)

    r, x = solved(state, start=[-0.5, 0.5])
    assert r.certificate == "local minimum"
    assert abs(abs(x[0]) - 1.0) < 1e-6


def test_a_kink_on_a_bound():
    r, x = solved(lambda p, x: p.minimize(abs(x[0] + 1.0) + (x[1] - 0.3) ** 2), start=0.5)
    assert r.certificate == "local minimum"
    assert np.allclose(x, [-1.0, 0.3], atol=1e-6)


def test_curved_walls_and_a_row():
    def state(p, x):
        p.minimize(np.maximum((x**2).sum() - 0.5, 0.0) + 0.1 * x[0])
        p.subject_to(x[0] * x[1], lower=0.1)

    r, x = solved(state, start=[0.5, 0.5])
    assert r.success
    assert x[0] * x[1] >= 0.1 - 1e-7
    assert r.certificate in ("local minimum", "first-order")


@pytest.mark.parametrize("kind", ["without biases", "integer"])
@pytest.mark.parametrize("seed", range(12))
def test_no_false_certificate_where_many_kinks_meet(kind, seed):
    rng = np.random.default_rng(seed)
    n = 2 + seed % 2
    layers = random_layers(rng, [n, *([5, 5] if seed % 3 else [7]), 2], kind)
    x0 = fx.variables(n)
    h = x0
    for W, b in layers[:-1]:
        h = np.maximum(W @ h + b, 0.0)
    net = fx.Function(x0, layers[-1][0] @ h + layers[-1][1])
    p = fx.Problem()
    x = p.variables(n, -1, 1, start=rng.uniform(-1, 1, n) if seed % 4 else 0.0)
    y = p.network(net, x)
    p.maximize(y[0])
    rows, upper = np.zeros((0, 2)), np.zeros(0)
    if seed % 2:
        rows, upper = np.array([[0.0, 1.0]]), np.array([forward(layers, np.zeros(n))[1] + 0.5])
        p.subject_to(y[1], upper=upper[0])
    r = p.solve()
    assert r.success
    gap = judge(list(cells_of(layers, 1.0)), r[x], np.array([-1.0, 0.0]), rows, upper, 1.0, -r.objective)
    assert r.certificate == "none" or gap < 1e-6
