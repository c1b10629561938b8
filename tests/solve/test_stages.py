"""The stages of a solve, which both doors share: what they report, and that limits count for all of them together."""

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.factory import SolverFactory

import fastexpr as fx
import fastexpr.pyomo  # registers the solver


def disk(solver_door: str) -> Any:
    """Maximizes x0 + x1 in the unit disk by one of the doors; returns (stages, iterations, objective)."""
    if solver_door == "Problem":
        p = fx.Problem()
        x = p.variables(2, start=[0.3, 0.2])
        p.maximize(x.sum())
        p.subject_to((x**2).sum(), upper=1.0)
        r = p.solve()
        return r.stages, r.iterations, r.objective
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], initialize=0.3)
    m.objective = pyo.Objective(expr=m.x[0] + m.x[1], sense=pyo.maximize)
    m.disk = pyo.Constraint(expr=m.x[0] ** 2 + m.x[1] ** 2 <= 1)
    results = SolverFactory("fastexpr").solve(m)
    return results.extra_info.stages, results.extra_info.iteration_count, results.incumbent_objective


@pytest.mark.parametrize("door", ["Problem", "Pyomo"])
def test_each_stage_has_a_line(door: str) -> None:
    stages, iterations, objective = disk(door)
    assert [stage.name for stage in stages] == ["ipopt"]
    (stage,) = stages
    assert stage.iterations == iterations > 0
    assert stage.seconds > 0.0
    assert stage.objective == objective == pytest.approx(np.sqrt(2.0))
    assert 0.0 <= stage.violation < 1e-7


def test_progress_says_which_stage_runs() -> None:
    p = fx.Problem()
    x = p.variables(2)
    p.minimize((x**4).sum() - x[0])
    seen: list[str] = []
    p.solve(progress=lambda state: seen.append(state.stage))
    assert set(seen) == {"ipopt"}
