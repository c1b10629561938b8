"""What Pyomo finds out about models with networks: incidence, derivatives, solutions of square parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from networks import network
from pyomo.contrib.incidence_analysis import (
    IncidenceGraphInterface,
    IncidenceMethod,
    get_incident_variables,
    solve_strongly_connected_components,
)
from pyomo.core.expr.calculus.derivatives import Modes, differentiate
from pyomo.util.calc_var_value import calculate_variable_from_constraint
from pyomo.util.infeasible import find_infeasible_constraints
from pyomo.util.model_size import build_model_size_report

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import EvaluationError, ModelError

X = np.array([0.9, 0.5, 0.2])


@pytest.fixture(scope="module")
def net() -> fx.Function:
    return network(3, 2)


@pytest.fixture
def m(net: fx.Function) -> pyo.ConcreteModel:
    """A network fed by another's outputs and a Param, and one in plain algebra."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(3), initialize=dict(enumerate(X.tolist())), bounds=(-1, 1))
    model.p = pyo.Param(initialize=0.3, mutable=True)
    model.nn = fxp.NetworkBlock(net, inputs=model.x)
    model.second = fxp.NetworkBlock(network(3, 2, seed=1), inputs=[*model.nn.outputs.values(), model.p])
    model.net = fxp.ExternalNetwork(net)
    twice = model.net(model.x[0], model.x[0] * model.nn.outputs[0], 0.5)
    model.c = pyo.Constraint(expr=twice[0] + 2 * model.second.outputs[0] <= 9)
    return model


# ---- incidence


@pytest.mark.parametrize("method", list(IncidenceMethod))
def test_incident_variables(m: pyo.ConcreteModel, method: IncidenceMethod) -> None:
    def names(constraint: Any, **settings: Any) -> list[str]:
        return sorted(v.local_name for v in get_incident_variables(constraint.body, method=method, **settings))

    assert names(m.nn.equations["y[1]"]) == ["outputs['y[1]']", "x[0]", "x[1]", "x[2]"]
    assert names(m.second.equations["y[0]"]) == ["outputs['y[0]']"] * 2 + ["outputs['y[1]']"]
    assert names(m.c) == ["outputs['y[0]']", "outputs['y[0]']", "x[0]"]
    if method is not IncidenceMethod.identify_variables:
        assert names(m.c, linear_only=True) == ["outputs['y[0]']"]


def test_a_graph_of_variables_and_equations(m: pyo.ConcreteModel) -> None:
    m.x.fix()
    graph = IncidenceGraphInterface(m, include_inequality=False)
    assert graph.incidence_matrix.nnz == 2 + 6
    variables, equations = graph.block_triangularize()
    assert [[v.name for v in block] for block in variables] == [
        [f"{block}.outputs['y[{k}]']"] for block in ("nn", "second") for k in range(2)
    ]
    assert [block[0].parent_block().name for block in equations] == ["nn", "nn", "second", "second"]
    matching = graph.maximum_matching()
    assert matching[m.second.equations["y[1]"]] is m.second.outputs[1]


# ---- square parts


def test_networks_are_evaluated_block_by_block(m: pyo.ConcreteModel, net: fx.Function) -> None:
    m.x.fix()
    for variable in (*m.nn.outputs.values(), *m.second.outputs.values()):
        variable.set_value(0.0)
    solve_strongly_connected_components(m)
    y = net(X)
    assert [v.value for v in m.nn.outputs.values()] == pytest.approx(y.tolist(), abs=1e-8)
    expected = network(3, 2, seed=1)(np.array([*y, 0.3]))
    assert [v.value for v in m.second.outputs.values()] == pytest.approx(expected.tolist(), abs=1e-7)


def with_cyipopt() -> Any:
    return pyo.SolverFactory("cyipopt")


def with_pounce() -> Any:
    return fxp.find_solver("pounce")


def with_fsolve() -> Any:
    return pyo.SolverFactory("scipy.fsolve")


@pytest.mark.parametrize("solver", [with_pounce, with_cyipopt, with_fsolve])
def test_a_network_is_inverted(m: pyo.ConcreteModel, net: fx.Function, solver: Callable[[], Any]) -> None:
    """Two outputs are given, two inputs sought; and one of one, by Newton's method with derivatives of each point."""
    y = net(X)
    m.c.deactivate()
    m.second.deactivate()
    for variable, value in zip(m.nn.outputs.values(), y, strict=True):
        variable.fix(float(value))
    m.x[2].fix(X[2])
    m.x[0].set_value(0.3)
    m.x[1].set_value(0.3)
    solve_strongly_connected_components(m, solver=solver())
    assert [m.x[i].value for i in range(3)] == pytest.approx(X.tolist(), abs=1e-6)
    m.x[0].set_value(-0.9)
    calculate_variable_from_constraint(m.x[0], m.nn.equations["y[1]"])
    assert m.x[0].value == pytest.approx(X[0], abs=1e-6)


# ---- derivatives and values


def test_derivatives(m: pyo.ConcreteModel, net: fx.Function) -> None:
    y = m.nn.network.calls[0, "y[1]"]
    variables = list(m.x.values())
    gradient = differentiate(2 * y, wrt_list=variables, mode=Modes.reverse_numeric)
    np.testing.assert_allclose(gradient, 2 * net.jacobian(X)[1], rtol=1e-13)
    with pytest.raises(ModelError, match=r"no symbolic derivatives.*mode=Modes\.reverse_numeric"):
        differentiate(y, wrt_list=variables, mode=Modes.reverse_symbolic)
    with pytest.raises(TypeError, match="external functions are not convertible to sympy"):
        differentiate(y, wrt_list=variables, mode=Modes.sympy)


def test_values_that_do_not_exist_are_none_if_asked(m: pyo.ConcreteModel) -> None:
    x = fx.variables(1)
    m.log = fxp.ExternalNetwork(fx.Function(x, np.log(x)))
    y = m.log(m.x[0])[0]
    m.x[0].set_value(-1.0)
    with pytest.raises(EvaluationError, match="not finite"):
        pyo.value(y)
    assert pyo.value(y, exception=False) is None
    m.x[0].set_value(None)
    assert pyo.value(y, exception=False) is None


def test_a_line_search_steps_back_from_points_without_a_value() -> None:
    """A Newton step from 4 leads to 4 - 4 log 4 < 0."""
    x = fx.variables(1)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(initialize=4.0)
    m.net = fxp.ExternalNetwork(fx.Function(x, np.log(x)))
    m.c = pyo.Constraint(expr=m.net(m.x)[0] == 0)
    calculate_variable_from_constraint(m.x, m.c)
    assert m.x.value == pytest.approx(1.0, abs=1e-7)


def test_reports(m: pyo.ConcreteModel, capsys: pytest.CaptureFixture[str]) -> None:
    m.nn.outputs[0].set_value(5.0)
    infeasible = [constraint.name for constraint, *_ in find_infeasible_constraints(m)]
    assert infeasible == ["nn.equations['y[0]']", "second.equations['y[0]']", "second.equations['y[1]']"]
    assert build_model_size_report(m).activated.variables == 7
    m.pprint()
    assert m.net.path in capsys.readouterr().out
