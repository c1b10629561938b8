"""Pyomo's own algorithms, MindtPy and PyROS, on models with networks, checked against enumerations of their answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.contrib.pyros as pyros
import pyomo.environ as pyo
import pytest
from pyomo.contrib.pynumero.interfaces.external_grey_box import ExternalGreyBoxBlock

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError

WEIGHTS = np.array([[1.0, -0.5], [0.3, 0.8], [-0.7, 0.6]])


def tanh_network() -> fx.Function:
    """Two inputs, three units, two outputs: the second one is there for a name with brackets."""
    x = fx.variables(2)
    hidden = np.tanh(WEIGHTS @ x + [0.1, -0.2, 0.3])
    return fx.Function(x, [(hidden * [1.0, -1.5, 0.8]).sum(), hidden[0]]).with_bounds(-2, 2)


def cost(y: Any, x: Any, on: Any) -> Any:
    return y + 0.4 * on + 0.1 * (x[0] ** 2 + x[1] ** 2)


def with_a_choice() -> pyo.ConcreteModel:
    """Off: x0 <= 0; on, at a price: x0 >= 0.5."""
    m = pyo.ConcreteModel()
    m.on = pyo.Var(within=pyo.Binary, initialize=0)
    m.x = pyo.Var(range(2), bounds=(-2, 2), initialize=0.3)
    m.y = pyo.Var(initialize=0.0)
    m.most = pyo.Constraint(expr=m.x[0] <= 2 * m.on)
    m.least = pyo.Constraint(expr=m.x[0] >= 0.5 * m.on - 2 * (1 - m.on))
    m.objective = pyo.Objective(expr=cost(m.y, m.x, m.on))
    return m


def add_grey_box(m: pyo.ConcreteModel, instances: int | None, names: dict[str, list[str]]) -> None:
    """The last instance is what counts; those before are at the same point."""
    m.egb = ExternalGreyBoxBlock(external_model=fxp.GreyBox(tanh_network().with_names(**names), instances=instances))
    m.links = pyo.ConstraintList()
    for instance in m.egb.get_external_model().instances(m.egb):
        for x, variable in zip(m.x.values(), instance.inputs.values(), strict=True):
            m.links.add(x == variable)
    m.links.add(m.y == next(iter(instance.outputs.values())))


def solve_with_mindtpy(m: pyo.ConcreteModel) -> None:
    pyo.SolverFactory("mindtpy").solve(
        m,
        strategy="OA",
        init_strategy="rNLP",
        mip_solver="appsi_highs",
        nlp_solver="cyipopt",
        differentiate_mode="sympy",
        calculate_dual_at_solution=True,
        iteration_limit=20,
    )


def check_least_of_all(m: pyo.ConcreteModel) -> None:
    """Against a grid of x for either choice; the network itself says what the model's point is worth."""
    X = np.stack(np.meshgrid(np.linspace(-2, 2, 201), np.linspace(-2, 2, 201)), axis=-1).reshape(-1, 2)
    of_choices = []
    for on, there in ((0, X[:, 0] <= 0), (1, X[:, 0] >= 0.5)):
        of_choices.append(cost(tanh_network()(X[there])[:, 0], list(X[there].T), on).min())
    on, x = round(m.on.value), [m.x[0].value, m.x[1].value]
    assert on == np.argmin(of_choices)
    found = cost(tanh_network()(x)[0], x, on)
    assert min(of_choices) - 1e-3 < found < min(of_choices) + 1e-7
    assert pyo.value(m.objective) == pytest.approx(found, abs=1e-6)


quiet = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning", "ignore:.*:DeprecationWarning")


@quiet
@pytest.mark.parametrize("formulation", ["full-space", "reduced-space"])
def test_mindtpy_with_a_block_of_algebra(formulation: str) -> None:
    m = with_a_choice()
    m.nn = fxp.NetworkBlock(tanh_network(), inputs=m.x, formulation=formulation)
    m.link = pyo.Constraint(expr=m.y == m.nn.outputs[0])
    solve_with_mindtpy(m)
    check_least_of_all(m)


@quiet
@pytest.mark.parametrize("instances", [None, 2])
@pytest.mark.parametrize(
    "names",
    [
        {},
        {"inputs": ["a b", "c.d"], "outputs": ["e,f", "3"]},
        {"outputs": ["it's", 'say "x"']},
        {"outputs": ["p", "q"]},
    ],
    ids=["default", "odd", "quotes", "plain"],
)
def test_mindtpy_with_a_grey_box_s_own_variables(instances: int | None, names: dict[str, list[str]]) -> None:
    m = with_a_choice()
    add_grey_box(m, instances, names)
    solve_with_mindtpy(m)
    check_least_of_all(m)


def test_mindtpy_with_an_external_function_says_what_to_take() -> None:
    m = with_a_choice()
    m.nn = fxp.NetworkBlock(tanh_network(), inputs=m.x, formulation="external")
    m.link = pyo.Constraint(expr=m.y == m.nn.outputs[0])
    with pytest.raises(ModelError, match=r"no symbolic derivatives.*In MindtPy take a GreyBox"):
        pyo.SolverFactory("mindtpy").solve(m, mip_solver="appsi_highs", nlp_solver="cyipopt")


@pytest.mark.parametrize("formulation", ["reduced-space", "full-space", "external"])
def test_pyros_finds_the_robust_optimum(formulation: str) -> None:
    low, high = -0.5, 0.8
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(-1, 1), initialize=0.0)
    m.q = pyo.Var(bounds=(low, high), initialize=0.2)
    m.q.fix()
    m.t = pyo.Var(initialize=1.0)
    m.nn = fxp.NetworkBlock(tanh_network(), inputs=[m.u, m.q], formulation=formulation, bounds=False)
    m.worst = pyo.Constraint(expr=m.nn.outputs[0] + 0.5 * m.u**2 <= m.t)
    m.objective = pyo.Objective(expr=m.t)
    solver = pyo.SolverFactory("fastexpr")
    result = pyo.SolverFactory("pyros").solve(
        m,
        first_stage_variables=[m.u, m.t],
        second_stage_variables=[],
        uncertain_params=[m.q],
        uncertainty_set=pyros.BoxSet(bounds=[(low, high)]),
        local_solver=solver,
        global_solver=solver,
        objective_focus=pyros.ObjectiveType.worst_case,
    )
    assert result.pyros_termination_condition is pyros.pyrosTerminationCondition.robust_feasible
    Q = np.linspace(low, high, 261)

    def worst(u: float) -> float:
        return float((tanh_network()(np.stack([np.full(len(Q), u), Q], axis=1))[:, 0] + 0.5 * u**2).max())

    least = min(worst(u) for u in np.linspace(-1, 1, 401))
    assert least - 1e-4 < worst(m.u.value) < least + 1e-6
    assert m.t.value == pytest.approx(worst(m.u.value), abs=1e-5)
