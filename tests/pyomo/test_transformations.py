"""Models with networks under Pyomo's transformations, solved against the networks written out."""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.dae as dae
import pyomo.environ as pyo
import pyomo.gdp as gdp
import pytest
from ampl_solvers import N, Solve, all_doors, check_same, example, outputs_of
from networks import algebra, network
from pyomo.repn.plugins.nl_writer import NLWriter

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import FileError
from fastexpr.pyomo.external.files import library_path

routes = pytest.mark.parametrize("route", ["block", "external"])


# ---- differential equations


def reactor(route: str, discretisation: str, **settings: Any) -> pyo.ConcreteModel:
    """A differential equation whose right side is a network, discretised after it was built."""
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.x = pyo.Var(range(N), m.t, initialize=0.1, bounds=(-5, 5))
    m.u = pyo.Var(m.t, initialize=0.0, bounds=(-1, 1))
    m.rate = dae.DerivativeVar(m.x, wrt=m.t)
    net = network(N, N, seed=3)
    if route == "block":
        m.nn = fxp.NetworkBlock(m.t, network=net, inputs=lambda b, t: b.x[:, t])
    if route == "external":
        m.net = fxp.ExternalNetwork(net)

    def right_side(b: pyo.ConcreteModel, i: int, t: float) -> Any:
        if route == "block":
            return b.nn[t].outputs[i]
        if route == "external":
            return b.net(b.x[:, t])[i]
        return algebra(N, N, [b.x[k, t] for k in range(N)], seed=3)[i]

    m.ode = pyo.Constraint(range(N), m.t, rule=lambda b, i, t: b.rate[i, t] == right_side(b, i, t) + b.u[t])
    m.start = pyo.Constraint(range(N), rule=lambda b, i: b.x[i, 0] == 0.1 * i)
    pyo.TransformationFactory(discretisation).apply_to(m, **settings)
    m.objective = pyo.Objective(expr=sum((m.x[0, t] - 0.5) ** 2 + 0.1 * m.u[t] ** 2 for t in m.t))
    return m


@all_doors
@routes
@pytest.mark.parametrize(
    ("discretisation", "settings"),
    [
        ("dae.collocation", {"nfe": 3, "ncp": 2}),
        ("dae.finite_difference", {"nfe": 4, "scheme": "BACKWARD"}),
        ("dae.finite_difference", {"nfe": 4, "scheme": "CENTRAL"}),
    ],
)
def test_a_discretisation_after_the_build(
    solve: Solve, route: str, discretisation: str, settings: dict[str, Any]
) -> None:
    check_same(reactor(route, discretisation, **settings), reactor("algebra", discretisation, **settings), solve)


# ---- scaling


def scalable(route: str) -> pyo.ConcreteModel:
    m = example(route)
    del m.dual
    m.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    m.scaling_factor[m.c] = 10.0
    for i in m.x:
        m.scaling_factor[m.x[i]] = 0.5 + i
    if route == "block":
        for variable in m.nn.outputs.values():
            m.scaling_factor[variable] = 3.0
        for equation in m.nn.equations.values():
            m.scaling_factor[equation] = 7.0
    return m


@all_doors
@routes
@pytest.mark.parametrize("in_place", [True, False])
def test_scaled_models(solve: Solve, route: str, in_place: bool) -> None:
    models, explicit = [scalable(route), scalable("algebra")], []
    for model in models:
        scale = pyo.TransformationFactory("core.scale_model")
        scaled = scale.apply_to(model) or model if in_place else scale.create_using(model)
        assert solve(scaled).solver.termination_condition == pyo.TerminationCondition.optimal
        explicit.append([scaled.scaled_x[i].value for i in range(N)])
        if not in_place:
            scale.propagate_solution(scaled, model)
            assert [model.x[i].value for i in range(N)] == pytest.approx(
                [explicit[-1][i] / (0.5 + i) for i in range(N)], rel=1e-12
            )
    assert explicit[0] == pytest.approx(explicit[1], rel=1e-6, abs=1e-7)


def test_a_scaled_model_starts_by_forward_evaluation() -> None:
    model = scalable("block")
    expected = [3.0 * variable.value for variable in model.nn.outputs.values()]
    scaled = pyo.TransformationFactory("core.scale_model").create_using(model)
    for variable in scaled.nn.scaled_outputs.values():
        variable.set_value(None)
    assert fxp.initialize(scaled) == 3
    assert [variable.value for variable in scaled.nn.scaled_outputs.values()] == pytest.approx(expected, rel=1e-13)


def test_a_network_replaced_after_scaling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scaled equations call the one of before, which is there as long as something has it."""
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path))  # nobody else has written it
    model = scalable("external")
    scaled = pyo.TransformationFactory("core.scale_model").create_using(model)
    before = pyo.value(scaled.scaled_c.body)
    scaled.nn.update(network(N, 3, seed=5))
    assert pyo.value(scaled.scaled_c.body) == before
    pyo.value(scaled.nn(scaled.scaled_x)[0])  # the last value known is not of the one before
    del model
    gc.collect()
    with pytest.raises(FileError, match="a transformation copied an expression"):
        pyo.value(scaled.scaled_c.body)


# ---- disjunctions


def disjunctive(route: str) -> pyo.ConcreteModel:
    """y is a network's output or 0; whichever disjunct holds is fixed, since these solvers know no integers."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(N), bounds=(-1, 1), initialize=0.2)
    m.y = pyo.Var(bounds=(-9, 9), initialize=0.0)
    m.on, m.off = gdp.Disjunct(), gdp.Disjunct()
    if route in ("block", "beside"):  # whose output variables have bounds
        home = m.on if route == "block" else m
        home.nn = fxp.NetworkBlock(network(N, 3).with_bounds([-1] * N, [1] * N), inputs=m.x)
        y = home.nn.outputs[0]
    else:
        y = outputs_of(m.on, "nn", m.x, route)[0]
    m.on.link = pyo.Constraint(expr=m.y == y)
    m.off.link = pyo.Constraint(expr=m.y == 0.0)
    m.choice = gdp.Disjunction(expr=[m.on, m.off])
    m.objective = pyo.Objective(
        expr=(m.y - 1) ** 2 + sum((m.x[i] - 0.3) ** 2 for i in m.x) + 2 * m.off.binary_indicator_var
    )
    return m


@all_doors
@pytest.mark.parametrize("route", ["block", "external", "beside"])
@pytest.mark.parametrize("is_on", [True, False])
@pytest.mark.parametrize(
    ("transformation", "settings"), [("gdp.bigm", {"bigM": 100}), ("gdp.hull", {}), ("gdp.fix_disjuncts", {})]
)
def test_a_network_in_a_disjunct(
    solve: Solve, route: str, is_on: bool, transformation: str, settings: dict[str, Any]
) -> None:
    found = []
    for each, name, options in ((route, transformation, settings), ("algebra", "gdp.fix_disjuncts", {})):
        m = disjunctive(each)
        if name == "gdp.fix_disjuncts":
            m.on.indicator_var.fix(is_on)
            m.off.indicator_var.fix(not is_on)
        pyo.TransformationFactory(name).apply_to(m, **options)
        m.on.binary_indicator_var.fix(int(is_on))
        m.off.binary_indicator_var.fix(int(not is_on))
        assert solve(m).solver.status == pyo.SolverStatus.ok
        found.append([pyo.value(m.objective), m.y.value, *(m.x[i].value for i in m.x)])
    assert found[0] == pytest.approx(found[1], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("route", ["block", "beside"])
def test_big_m_has_the_networks_own_bounds(route: str) -> None:
    """Pyomo knows no bounds of an external function; the block states them."""
    m = disjunctive(route)
    pyo.TransformationFactory("gdp.bigm").apply_to(m)
    assert not m.choice.active


def sum_of(n: int) -> fx.Function:
    x = fx.variables(n)
    return fx.Function(x, x.sum())


def test_big_m_of_a_network_without_bounds_is_still_asked_for() -> None:
    m = disjunctive("block")
    m.x[0].setub(None)
    m.on.del_component("nn")
    m.on.nn = fxp.NetworkBlock(sum_of(N), inputs=m.x)
    with pytest.raises(gdp.GDP_Error, match=r"Cannot estimate M .*\n.*'on.nn.equations\[y"):
        pyo.TransformationFactory("gdp.bigm").apply_to(m)


# ---- presolve of Pyomo's writer


def test_inputs_that_the_writer_s_presolve_finds_to_be_constant(tmp_path: Path) -> None:
    """Linear equations determine all inputs: the .nl file calls two networks at numbers, in no defined variable."""
    m = pyo.ConcreteModel()
    m.x, m.z = pyo.Var(range(N), initialize=0.0), pyo.Var(range(N), initialize=0.0)
    m.a, m.b = fxp.NetworkBlock(network(N, 1), inputs=m.x), fxp.NetworkBlock(network(N, 1, seed=1), inputs=m.z)
    m.fixed = pyo.Constraint(range(N), rule=lambda b, i: b.x[i] == 0.25 * i)
    m.also = pyo.Constraint(range(N), rule=lambda b, i: b.z[i] == b.x[i] + 1)
    m.o = pyo.Objective(expr=m.a.outputs[0] + m.b.outputs[0])
    for block in (m.a, m.b):
        block.outputs[0].set_value(0.0)
    texts = [io.StringIO() for _ in range(3)]
    NLWriter().write(m, *texts, linear_presolve=True, symbolic_solver_labels=True)
    for name, text in zip(("nl", "row", "col"), texts, strict=True):
        (tmp_path / f"model.{name}").write_text(text.getvalue())
    environment = {**os.environ, "AMPLFUNC": library_path()}
    command = ["gjh_asl_json", "model.nl", "rows=model.row", "cols=model.col"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    found = json.loads((tmp_path / "model.json").read_text())["initial evaluations"]["constraints"]
    x = 0.25 * np.arange(N)
    expected = [-network(N, 1)(x)[0], -network(N, 1, seed=1)(x + 1)[0]]
    assert [found["a.equations[y]"], found["b.equations[y]"]] == pytest.approx(expected, rel=1e-13)
