"""Points where first derivatives vanish and the objective curves down are no end of a solve."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.factory import SolverFactory

import fastexpr as fx
import fastexpr.pyomo as fxp

SADDLES: dict[str, tuple[Callable[[Any], Any], float]] = {
    "product": (lambda x: x[0] * x[1], -4.0),
    "double well": (lambda x: x[0] ** 2 - x[1] ** 2 + 0.25 * x[1] ** 4, -1.0),
    "maximum": (lambda x: np.cos(x).sum(), 2 * np.cos(2.0)),
    "tiny units": (lambda x: 1e-8 * (x[0] ** 2 - x[1] ** 2), -4e-8),
}


@pytest.mark.parametrize("solver", ["cyipopt", "pounce"])
@pytest.mark.parametrize("name", SADDLES)
def test_a_saddle_is_left(name: str, solver: str) -> None:
    state, best = SADDLES[name]
    problem = fx.Problem()
    x = problem.variables(2, lower=-2.0, upper=2.0, start=0.0)
    problem.minimize(state(x))
    result = problem.solve(solver)
    assert result.success
    assert result.objective == pytest.approx(best, rel=1e-5)
    if solver == "cyipopt":  # POUNCE leaves them by itself
        assert [stage.name for stage in result.stages] == ["ipopt", "saddle"]


def test_a_saddle_on_a_curve_is_left() -> None:
    problem = fx.Problem()
    x = problem.variables(2, start=[1.0, 0.0])
    problem.minimize(x[0])
    problem.subject_to((x**2).sum(), equal=1.0)
    result = problem.solve()
    np.testing.assert_allclose(result[x], [-1.0, 0.0], atol=1e-5)
    assert result.iterations == sum(stage.iterations for stage in result.stages)


def test_a_network_block_at_its_saddle() -> None:
    x = fx.variables(2)
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(-1, 1), initialize=0.0)
    m.nn = fxp.NetworkBlock(fx.Function(x, (x[0] * x[1]).reshape((1,))), inputs=m.x)
    m.objective = pyo.Objective(expr=m.nn.outputs[0])
    results = SolverFactory("fastexpr").solve(m)
    assert results.incumbent_objective == pytest.approx(-1.0)


@pytest.mark.parametrize("held", ["by bounds", "by a row", "not at all"])
def test_minima_stay(held: str) -> None:
    """The objective curves down at the first two, but not along what is feasible."""
    problem = fx.Problem()
    x = problem.variables(2, lower=0.0, upper=2.0, start=[0.5, 0.5])
    if held == "by bounds":
        problem.minimize(x.sum() - 0.1 * (x**2).sum())
    elif held == "by a row":
        problem.minimize(x[0] - 0.1 * x[0] ** 2 + (x[1] - 1.0) ** 2)
        problem.subject_to(x[0], lower=0.5)
    else:
        problem.minimize(((x - 1.0) ** 2).sum())
    assert [stage.name for stage in problem.solve().stages] == ["ipopt"]
