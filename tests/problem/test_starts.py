"""Where a solve starts: within the bounds, at the value of networks, at an earlier result."""

import numpy as np
import pytest
from problems import (
    NETWORK,
    WEIGHTS,
    each_solver,
    forward,
    full_space,
    reduced_space,
)

import fastexpr as fx
from fastexpr.errors import ShapeError

random = np.random.default_rng(5)


def test_starts():
    p = fx.Problem()
    x = p.variables(5, lower=[1, -np.inf, -np.inf, 2, -4], upper=[3, -2, np.inf, np.inf, 0])
    y = p.variables(2, lower=0, upper=1, start=[-5, 0.25])
    p.minimize(x.sum() + y.sum())
    np.testing.assert_array_equal(p.nlp().start, [2, -2, 0, 2, -2, 0, 0.25])


def test_starts_are_the_networks_value():
    p = fx.Problem()
    x = p.variables((2, 4), start=random.standard_normal((2, 4)))
    y = p.network(NETWORK, x)
    z = p.network(NETWORK, x[0], start=7.0)
    p.minimize(y.sum() + z.sum())
    start = p.nlp().start
    np.testing.assert_allclose(start[8:14].reshape(2, 3), [forward(WEIGHTS, row) for row in start[:8].reshape(2, 4)])
    np.testing.assert_array_equal(start[14:], 7.0)


@each_solver
def test_warm_start(solver):
    p, x, *_ = full_space(NETWORK)
    first = p.solve(solver)
    settings = {"mu_init": 1e-8, "warm_start_bound_push": 1e-9, "warm_start_mult_bound_push": 1e-9}
    again = p.solve(solver, start=first, **settings, warm_start_slack_bound_push=1e-9)
    assert again.success
    assert again.iterations < first.iterations
    np.testing.assert_allclose(again[x], first[x], atol=1e-6)
    with pytest.raises(ShapeError, match="another problem"):
        reduced_space(NETWORK)[0].solve(start=first)
