"""Problems solved by branch and bound: flattened into one function, certified, or refused with the reason."""

from __future__ import annotations

import numpy as np
import pytest
from boxed_networks import lattice, mlp

import fastexpr as fx
from fastexpr import errors

BOXES = "branch-and-bound"


def test_a_problem_with_a_network_is_certified() -> None:
    net = mlp([2, 15, 15, 2], "Tanh", seed=1)
    X = lattice(np.full(2, -1.0), np.full(2, 1.0), 301)
    Y = net(X)
    limit = float(np.quantile(Y[:, 1], 0.4))
    for sign in (1.0, -1.0):
        problem = fx.Problem()
        x = problem.variables(2, lower=-1.0, upper=1.0)
        y = problem.network(net, x)
        objective = y[0] + 0.2 * (x**2).sum()
        (problem.minimize if sign > 0 else problem.maximize)(objective)
        problem.subject_to(y[1] <= limit)
        result = problem.solve(solver=BOXES, tol=1e-5)
        assert result.success
        assert result.status == "optimal"
        assert result.solver == BOXES
        values = (Y[:, 0] + 0.2 * (X**2).sum(axis=1))[Y[:, 1] <= limit]
        best = values.min() if sign > 0 else values.max()
        assert sign * result.objective <= sign * best + 1e-5 * max(1, abs(best))
        assert result.relative_violation <= 1e-6
        np.testing.assert_allclose(result[y], net(result[x]), atol=1e-12)
        assert ("below" if sign > 0 else "above") in result.message


def test_networks_in_a_chain_with_expressions_and_bounds_of_outputs() -> None:
    first, second = mlp([2, 8, 2], "Tanh", seed=2), mlp([2, 8, 1], "Relu", seed=3)
    problem = fx.Problem()
    x = problem.variables(2, lower=-1.0, upper=1.0)
    y = problem.network(first, 0.5 * x + 0.1, upper=0.3)
    z = problem.network(second, y)
    problem.minimize(z[0] + x[0])
    result = problem.solve(solver=BOXES, tol=1e-5)
    X = lattice(np.full(2, -1.0), np.full(2, 1.0), 301)
    inner = first(0.5 * X + 0.1)
    feasible = (inner <= 0.3).all(axis=1)
    best = float((second(inner)[:, 0] + X[:, 0])[feasible].min())
    assert result.success
    assert result.objective <= best + 1e-5
    np.testing.assert_allclose(result[z], second(first(0.5 * result[x] + 0.1)), atol=1e-12)


def test_several_instances_of_one_network() -> None:
    net = mlp([1, 8, 1], "Tanh", seed=4)
    problem = fx.Problem()
    x = problem.variables((3, 1), lower=-2.0, upper=2.0)
    y = problem.network(net, x)
    problem.minimize(y.sum())
    result = problem.solve(solver=BOXES, tol=1e-6)
    assert result.objective == pytest.approx(3 * net(np.linspace(-2, 2, 20001)[:, None]).min(), abs=1e-5)


def test_infeasible_problems_are_proved_to_be() -> None:
    problem = fx.Problem()
    x = problem.variables(2, lower=-1.0, upper=1.0)
    problem.minimize(x[0])
    problem.subject_to((x**2).sum() >= 3.0)
    result = problem.solve(solver=BOXES)
    assert result.status == "infeasible"
    assert not result.success
    assert "proved" in result.message


def test_what_does_not_fit_is_refused() -> None:
    problem = fx.Problem()
    x = problem.variables(30, lower=-1.0, upper=1.0)
    problem.minimize((x**2).sum())
    with pytest.raises(errors.ModelError, match="got 30 that nothing defines, expected at most 12"):
        problem.solve(solver=BOXES)
    problem = fx.Problem()
    x = problem.variables(2, lower=[-1.0, -np.inf], upper=1.0, name="T")
    problem.minimize(x[0] * x[1])
    with pytest.raises(errors.ModelError, match=r"finite bounds: got none for 'T\[1\]'"):
        problem.solve(solver=BOXES)
    problem = fx.Problem()
    x = problem.variables(2, lower=-1.0, upper=1.0)
    problem.minimize(x[0])
    problem.subject_to(x[0] * x[1] == 0.2, name="product")
    with pytest.raises(errors.ModelError, match="no equations between variables: got 'product'"):
        problem.solve(solver=BOXES)
    with pytest.raises(ValueError, match="got the option 'max_iter'"):
        problem.solve(solver=BOXES, max_iter=3)


def test_time_limit_gives_the_bracket() -> None:
    net = mlp([8, 40, 40, 40, 1], "Tanh", seed=11)
    problem = fx.Problem()
    x = problem.variables(8, lower=-2.0, upper=2.0)
    problem.minimize(problem.network(net, x)[0])
    result = problem.solve(solver=BOXES, time_limit=0.3)
    assert result.status == "time_limit"
    assert not result.success
    assert "no feasible point is below" in result.message
