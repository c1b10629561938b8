"""Many models of many kinds: solvers find the same optimum, which is the published one where there is one."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pyomo.environ as pyo
import pyomo_pounce  # noqa: F401  # registers its solver
import pytest
from pyomo.contrib.pynumero.algorithms.solvers.cyipopt_solver import CyIpoptSolver
from pyomo.contrib.pynumero.interfaces.cyipopt_interface import CyIpoptNLP
from pyomo_models import MODELS, Example
from pyomo_models.oracles import objective_of, read_by_asl, sign_of

import fastexpr.pyomo  # noqa: F401  # registers its solver

SOLVERS = ["pounce", "fastexpr"]
OPTIONS = {"tol": 1e-10, "bound_relax_factor": 0.0, "max_iter": 500}


@dataclasses.dataclass
class Solution:
    """What a solver found, by the names of variables and constraints, with the signs of AMPL's solvers."""

    objective: float
    variables: dict[str, float]
    duals: dict[str, float]
    lower: dict[str, float]  # multipliers of the variables' bounds
    upper: dict[str, float]


@functools.cache
def reference(example: Example) -> Solution:
    """What Ipopt finds where the real ASL evaluates the model."""
    model = example.build()
    nlp = read_by_asl(model)
    options = {**OPTIONS, "print_level": 0, "sb": "yes"}
    x, info = CyIpoptSolver(CyIpoptNLP(nlp), options=options).solve()
    assert info["status"] == 0, info["status_msg"]
    nlp.set_primals(x)
    nlp.load_state_into_pyomo()
    sign = sign_of(model)
    names = nlp.primals_names()

    def by_name(names: list[str], numbers: np.ndarray) -> dict[str, float]:
        return dict(zip(names, map(float, numbers), strict=True))

    return Solution(
        pyo.value(objective_of(model)),
        by_name(names, x),
        by_name(nlp.constraint_names(), -sign * info["mult_g"]),
        by_name(names, sign * info["mult_x_L"]),
        by_name(names, -sign * info["mult_x_U"]),
    )


def solve(example: Example, solver: str) -> Solution:
    model = example.build()
    for suffix in ("dual", "ipopt_zL_out", "ipopt_zU_out"):
        model.add_component(suffix, pyo.Suffix(direction=pyo.Suffix.IMPORT))
    results = pyo.SolverFactory(solver).solve(model, options=OPTIONS)
    assert results.solver.termination_condition == pyo.TerminationCondition.optimal
    objective = objective_of(model)
    return Solution(
        0.0 if objective is None else pyo.value(objective),
        {variable.name: variable.value for variable in model.component_data_objects(pyo.Var)},
        *(
            {key.name: value for key, value in model.component(name).items()}
            for name in ("dual", "ipopt_zL_out", "ipopt_zU_out")
        ),
    )


def check_same(found: dict[str, float], expected: dict[str, float], what: str, tolerance: float = 1e-7) -> None:
    """max|a - b| <= tolerance * max(1, max|b|)"""
    scale = max(1.0, *map(abs, expected.values()), 0.0)
    for name, value in expected.items():
        assert abs(found[name] - value) <= tolerance * scale, f"{what} {name}: got {found[name]}, expected {value}"


@pytest.mark.parametrize(
    ("example", "solver"),
    [
        pytest.param(each, solver, id=f"{name}-{solver}")
        for name, each in MODELS.items()
        for solver in SOLVERS
        if solver not in each.not_for
    ],
)
def test_the_optimum_is_the_one_that_the_real_asl_leads_to(example: Example, solver: str) -> None:
    found = solve(example, solver)
    if not example.has_one_optimum:
        check_feasible(example, found)
        return
    expected = reference(example)
    check_same({"": found.objective}, {"": expected.objective}, "objective")
    check_same(found.variables, expected.variables, "variable")
    check_same(found.duals, expected.duals, "dual of")
    for side in ("lower", "upper"):
        multipliers = dict.fromkeys(expected.variables, 0.0) | getattr(found, side)
        check_same(multipliers, getattr(expected, side), f"multiplier of the {side} bound of")


def check_feasible(example: Example, found: Solution, tolerance: float = 1e-8) -> None:
    model = example.build()
    for variable in model.component_data_objects(pyo.Var):
        variable.set_value(found.variables[variable.name], skip_validation=True)
        assert variable.lb is None or variable.value >= variable.lb - tolerance, variable.name
        assert variable.ub is None or variable.value <= variable.ub + tolerance, variable.name
    for constraint in model.component_data_objects(pyo.Constraint, active=True):
        assert constraint.slack() >= -tolerance, constraint.name


@pytest.mark.parametrize(
    "example", [pytest.param(each, id=name) for name, each in MODELS.items() if each.optimum is not None]
)
def test_the_optimum_is_the_published_one(example: Example) -> None:
    assert reference(example).objective == pytest.approx(example.optimum, rel=1e-6, abs=1e-6)
