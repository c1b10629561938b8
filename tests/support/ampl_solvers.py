"""Models with networks, written out as algebra, too, and the solvers that reach networks through AMPL's interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo
import pytest
from networks import algebra, network
from pyomo.common.fileutils import find_library

import fastexpr.pyomo as fxp

N, M = 4, 3
Solve = Callable[[pyo.ConcreteModel], Any]


def solve_with_pounce(model: pyo.ConcreteModel) -> Any:
    return fxp.find_solver("pounce").solve(model, options={"tol": 1e-10})


def solve_with_cyipopt(model: pyo.ConcreteModel) -> Any:
    """PyNumero: the real ASL reads the .nl and calls the library."""
    assert find_library("pynumero_ASL"), "libpynumero_ASL is missing: ./run test builds it"
    solver = pyo.SolverFactory("cyipopt")
    solver.config.options["tol"] = 1e-10
    return solver.solve(model)


def solve_in_process(model: pyo.ConcreteModel) -> Any:
    return pyo.SolverFactory("fastexpr").solve(model, options={"tol": 1e-10})


both = pytest.mark.parametrize("solve", [solve_with_pounce, solve_with_cyipopt])
all_doors = pytest.mark.parametrize("solve", [solve_with_pounce, solve_with_cyipopt, solve_in_process])


def outputs_of(model: pyo.ConcreteModel, name: str, x: Any, route: str, seed: int = 0) -> list[Any]:
    """The outputs of the same network by one of three routes."""
    if route == "algebra":
        return algebra(N, M, [x[i] for i in x], seed=seed)
    net = network(N, M, seed=seed)
    if route == "block":
        model.add_component(name, fxp.NetworkBlock(net, inputs=x))
        return list(model.component(name).outputs.values())
    model.add_component(name, fxp.ExternalNetwork(net))
    return list(model.component(name)(x))


def example(route: str) -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(N), bounds=(-2, 2), initialize=0.3)
    y = outputs_of(m, "nn", m.x, route)
    m.objective = pyo.Objective(expr=sum((m.x[i] - 1) ** 2 for i in m.x) + y[0] ** 2 * y[1])
    m.c = pyo.Constraint(expr=y[2] <= 0.1)
    m.d = pyo.Constraint(expr=y[0] * m.x[1] + y[1] >= -0.5)
    m.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    return m


def check_same(model: pyo.ConcreteModel, explicit: pyo.ConcreteModel, solve: Solve, tolerance: float = 1e-7) -> None:
    """Both models solved: the same x, objective and multipliers."""
    for each in (model, explicit):
        assert solve(each).solver.termination_condition == pyo.TerminationCondition.optimal
    for name, variable in ((v.name, v) for v in explicit.component_data_objects(pyo.Var)):
        assert model.find_component(name).value == pytest.approx(variable.value, rel=tolerance, abs=tolerance), name
    assert pyo.value(model.objective) == pytest.approx(pyo.value(explicit.objective), rel=tolerance, abs=tolerance)
    for constraint, dual in getattr(explicit, "dual", {}).items():
        assert model.dual[model.find_component(constraint.name)] == pytest.approx(dual, rel=1e-6, abs=1e-6)
