"""fastexpr.Problem: published optima, and the KKT conditions."""

import numpy as np
import pytest
from problems import (
    each_solver,
    hs006,
    hs011,
    hs039,
    hs043,
    hs065,
    hs071,
    hs080,
    hs112,
)

import fastexpr as fx

OPTIMA = {hs006: 0.0, hs011: -8.498464223, hs039: -1.0, hs043: -44.0, hs065: 0.9535288567, hs071: 17.0140173}
OPTIMA |= {hs080: 0.0539498478, hs112: -47.76109086}


@each_solver
@pytest.mark.parametrize("state", OPTIMA, ids=lambda state: state.__name__)
def test_published_optima(state, solver):
    problem = fx.Problem()
    state(problem)
    result = problem.solve(solver)
    assert result.success
    assert result.status == "optimal"
    assert result.objective == pytest.approx(OPTIMA[state], rel=2e-7, abs=2e-7)
    assert result.violation < 1e-6


def kkt_problem(sign):
    p = fx.Problem()
    x = p.variables(3, lower=[0.5, -1, -1], upper=[2, 1, 0.2], start=[1, 0, 0])

    def f(x):
        return np.exp(x[0]) + (x[1] - 2) ** 2 + (x[2] - x[0]) ** 2

    def g(x):
        return np.stack([x[0] + x[1], x[0] * x[2] + x[1] ** 2])

    (p.minimize if sign > 0 else p.maximize)(sign * f(x))
    return p, x, f, p.subject_to(g(x), lower=[-9, 0.1], upper=[1.2, 0.4]), g


@each_solver
@pytest.mark.parametrize("sign", [1, -1], ids=["minimize", "maximize"])
def test_multipliers_satisfy_the_kkt_conditions(sign, solver):
    p, x, f, handle, g = kkt_problem(sign)
    result = p.solve(solver, tol=1e-10)
    assert result.success
    assert result.objective == pytest.approx(sign * f(result[x]))
    gradient = fx.Function(x, f(x)).gradient(result[x])
    jacobian = fx.Function(x, g(x)).jacobian(result[x])
    duals, lower, upper = result.duals[handle], result.lower_duals[x], result.upper_duals[x]
    np.testing.assert_allclose(gradient + duals @ jacobian - lower + upper, 0, atol=1e-7)
    assert (lower > -1e-12).all()
    assert (upper > -1e-12).all()
    assert duals[1] > 1e-3  # an upper limit that binds
    assert abs(duals[0]) < 1e-6
    assert lower[0] > 1e-3  # a lower bound that binds
    assert result.lower_duals[x[0]] == lower[0]
    np.testing.assert_array_equal(result.upper_duals[x[1:]], upper[1:])


@each_solver
def test_the_sign_of_a_dual_says_how_the_optimum_moves(solver):
    def optimum(limit):
        p = fx.Problem()
        x = p.variables(2, start=1.0)
        p.minimize((x**2).sum())
        handle = p.subject_to(x[0] * x[1], lower=limit)
        result = p.solve(solver, tol=1e-10)
        return result.objective, result.duals[handle]

    (low, dual), (high, _) = optimum(1.0), optimum(1.001)
    assert dual < 0
    assert (high - low) / 0.001 == pytest.approx(-dual, rel=1e-5)


@each_solver
@pytest.mark.parametrize("objective", [None, 0, 2.5])
def test_feasibility(solver, objective):
    p = fx.Problem()
    x = p.variables(2, lower=0.0, start=[1.0, 2.0])
    if objective is not None:
        p.minimize(objective)
        with pytest.raises(ValueError, match="an objective already"):
            p.minimize(0)
    p.subject_to((x**2).sum(), equal=2.0)
    result = p.solve(solver)
    assert result.success
    assert result.objective == (objective or 0.0)
    assert (result[x] ** 2).sum() == pytest.approx(2.0)


@each_solver
def test_problems_without_constraints_or_curvature(solver):
    p = fx.Problem()
    x = p.variables((2, 2), lower=[[0, 1], [2, 3]], upper=9)
    p.maximize(-(x @ np.array([1.0, 2.0])).sum())
    result = p.solve(solver)
    assert result.success
    np.testing.assert_allclose(result[x], [[0, 1], [2, 3]], atol=1e-6)
    assert p.nlp().hessian_rows.size == 0
    np.testing.assert_allclose(result.lower_duals[x], [[1, 2], [1, 2]], atol=1e-6)
