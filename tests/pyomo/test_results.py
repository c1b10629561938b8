"""report() and verify() of solved Pyomo models: in Pyomo's names and signs, and not to be fooled."""

import json

import numpy as np
import pyomo.environ as pyo
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp

random = np.random.default_rng(6)
W, b, V = random.normal(size=(12, 2)), random.normal(size=12), random.normal(size=(2, 12)) / 3.0


def network(shift=0.0):
    x = fx.variables(2)
    net = fx.Function(x, V @ np.tanh(W @ x + b) + shift).with_names(inputs=["T", "p"], outputs=["yield", "cost"])
    return net.with_bounds([-1.0, -1.0], [1.0, 1.0])


def model(sense=pyo.minimize):
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(network())
    m.price = pyo.Param(initialize=0.1, mutable=True)
    m.floor = pyo.Constraint(expr=m.nn.outputs["cost"] >= 0.02)
    m.sum = pyo.Constraint(expr=pyo.sin(m.nn.inputs["T"]) + m.nn.inputs["p"] <= 0.5)
    sign = 1.0 if sense == pyo.minimize else -1.0
    m.goal = pyo.Objective(
        expr=sign * (m.nn.outputs["yield"] + m.price * sum(m.nn.inputs[k] ** 2 for k in ("T", "p"))), sense=sense
    )
    return m


def solved(m, **settings):
    results = pyo.SolverFactory("fastexpr").solve(m, **settings)
    pyo.assert_optimal_termination(results)
    return results


@pytest.mark.parametrize("sense", [pyo.minimize, pyo.maximize])
def test_a_solution_is_verified(sense):
    m = model(sense)
    before = None
    results = solved(m)
    before = [variable.value for variable in m.component_data_objects(pyo.Var)]
    check = results.verify()
    assert check.success, check
    assert check.second_order in ("minimum", "corner")
    assert check.by == "Pyomo and ONNX Runtime"
    assert check.difference < 1e-12
    assert [variable.value for variable in m.component_data_objects(pyo.Var)] == before


def test_what_is_no_solution_is_refused():
    m = model()
    results = solved(m)
    m.price.set_value(3.0)  # the model as it is now has another minimum
    check = results.verify()
    assert not check.success
    assert not check.stationary
    assert check.difference > 1e-4


def test_rows_are_named_as_in_pyomo():
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2], bounds=(0.0, 4.0), initialize=1.0)
    m.p = pyo.Param(initialize=1.0, mutable=True)
    m.row = pyo.Constraint([1, 2], rule=lambda m, i: m.x[i] ** 2 >= m.p)
    m.goal = pyo.Objective(expr=m.x[1] + m.x[2])
    results = solved(m)
    assert results.verify().success
    m.p.set_value(1.5)
    assert "row" in results.verify().violated or not results.verify().success


def test_named_expressions_functions_and_fixed_variables_are_evaluated():
    m = pyo.ConcreteModel()
    m.T = pyo.Var([0, 1, 2], bounds=(-2.0, 2.0), initialize=0.3)
    m.T[0].fix(0.5)
    x = fx.variables(1)
    m.net = fxp.ExternalNetwork(fx.Function(x, np.tanh(2.0 * x) + 0.1 * x))
    m.next = pyo.Expression([0, 1], rule=lambda m, k: m.T[k] + 0.3 * m.net(m.T[k])[0])
    m.step = pyo.Constraint([0, 1], rule=lambda m, k: m.T[k + 1] == m.next[k])
    m.goal = pyo.Objective(expr=pyo.exp(m.next[1]) + m.T[1] ** 2)
    check = solved(m).verify()
    assert check.success, check
    assert check.second_order == "corner"  # two equations, two variables


def test_networks_fed_by_networks():
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-1.0, 1.0), initialize=0.2)
    x = fx.variables(1)
    m.net = fxp.ExternalNetwork(fx.Function(x, np.sin(2.0 * x)))
    m.goal = pyo.Objective(expr=m.net(m.net(m.x)[0])[0] + 0.3 * m.x**2)
    check = solved(m).verify()
    assert check.success, check
    assert check.second_order == "minimum"


@pytest.mark.parametrize("sense", [pyo.minimize, pyo.maximize])
def test_the_report_has_pyomos_names_and_signs(sense):
    m = model(sense)
    m.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    m.rc = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    results = solved(m)
    found = results.report().to_dict()
    json.dumps(found)
    assert found["status"] == "optimal"
    assert found["objective"] == pytest.approx(pyo.value(m.goal))
    shown = 0
    for row in found["active bounds and constraints"]:
        component = m.find_component(row["name"])
        suffix = m.dual if component.ctype is pyo.Constraint else m.rc
        assert row["multiplier"] == pytest.approx(suffix[component], rel=1e-6, abs=1e-9), row
        shown += 1
    assert shown > 0
    assert {row["constraint"] for row in found["largest multipliers"]} >= {"nn.equations[yield]"}
    assert "nn" in {row["input"].split(",")[0] for row in found.get("networks' ranges", [])} or "edge" in str(
        results.report()
    )
    assert "<table>" in results.report()._repr_html_()


def test_an_infeasible_model_reports_the_conflict():
    m = model()
    m.more = pyo.Constraint(expr=m.nn.inputs["T"] + m.nn.inputs["p"] >= 1.9)
    results = pyo.SolverFactory("fastexpr").solve(m, load_solutions=False)
    rows = results.report().to_dict()["limits in conflict"]
    assert {row["name"] for row in rows} & {"more", "sum"}


def test_the_new_interface_and_optima_have_both():
    m = model()
    results = fxp.Fastexpr().solve(m)
    assert results.solution_loader.verify().success
    assert "status" in str(results.solution_loader.report())
    found = pyo.SolverFactory("fastexpr").solve(model(), starts=8).multistart
    for optimum in found.optima:
        assert optimum.result.verify().success


def test_the_limits_are_those_of_the_solve():
    m = model()
    results = solved(m)
    m.nn.inputs["T"].setub(-0.9)
    pyo.SolverFactory("fastexpr").solve(m)
    assert results.verify().success
