"""NetworkBlock as algebra: what solvers of mixed-integer programs make of it, and what the block says."""

from __future__ import annotations

import pickle
from typing import Any

import formulated
import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.core import TransformationFactory

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import FormulationError, ModelError


def relu_model(formulation: str, seed: int = 0, **settings: Any) -> Any:
    net = formulated.relu_network((3, 6, 6, 2), seed).with_bounds(-1, 1)
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net, formulation=formulation, **settings)
    m.cost = pyo.Objective(expr=m.nn.outputs[0] - m.nn.outputs[1])
    return m


def inputs_of(m: Any) -> np.ndarray:
    return np.array([v.value for v in m.nn.inputs.values()])


def outputs_of(m: Any) -> np.ndarray:
    return np.array([v.value for v in m.nn.outputs.values()])


SOLVERS = [
    ("bigm", "appsi_highs"), ("bigm", "highs"), ("bigm", "scip_direct"), ("sos1", "scip_direct"),
    ("full-space", "appsi_highs"), ("full-space", "scip_direct"), ("partition", "appsi_highs"),
]  # fmt: skip


@pytest.mark.parametrize(("formulation", "solver"), SOLVERS)
def test_the_minimum_is_the_networks_own(formulation: str, solver: str) -> None:
    found = []
    for seed in range(3):
        m = relu_model(formulation, seed)
        pyo.SolverFactory(solver).solve(m)
        assert outputs_of(m) == pytest.approx(m.nn.net(inputs_of(m)), abs=1e-6)
        samples = m.nn.net(np.random.default_rng(0).uniform(-1, 1, (20_000, 3)))
        assert pyo.value(m.cost) <= (samples[:, 0] - samples[:, 1]).min() + 1e-6
        found.append(pyo.value(m.cost))
    if formulation != "bigm":
        for seed, number in enumerate(found):
            m = relu_model("bigm", seed)
            pyo.SolverFactory("appsi_highs").solve(m)
            assert number == pytest.approx(pyo.value(m.cost), abs=1e-5)


@pytest.mark.parametrize(("formulation", "solver"), SOLVERS)
def test_fixed_inputs_leave_one_value(formulation: str, solver: str) -> None:
    m = relu_model(formulation)
    for x in np.random.default_rng(1).uniform(-1, 1, (8, 3)):
        for variable, number in zip(m.nn.inputs.values(), x, strict=True):
            variable.fix(number)
        for sense in (pyo.minimize, pyo.maximize):
            m.cost.sense = sense
            pyo.SolverFactory(solver).solve(m)
            assert pyo.value(m.cost) == pytest.approx(np.diff(m.nn.net(x))[0] * -1, abs=2e-6)


@pytest.mark.parametrize("formulation", ["full-space", "reduced-space"])
def test_smooth_networks_as_algebra(formulation: str) -> None:
    x = fx.variables(2)
    z = np.array([[1.0, -0.5], [0.3, 0.8]]) @ x + 0.1
    net = fx.Function(x, [np.tanh(z).sum() * np.exp(-z[0]), np.logaddexp(0.0, z[1]) / (1.5 + z[0])])
    net = net.with_bounds(-0.7, 0.7)
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net, formulation=formulation)
    m.cost = pyo.Objective(expr=(m.nn.outputs[0] - 0.2) ** 2 + m.nn.inputs[0] ** 2)
    pyo.SolverFactory("fastexpr").solve(m)
    assert outputs_of(m) == pytest.approx(net(inputs_of(m)), abs=1e-7)
    reference = pyo.ConcreteModel()
    reference.nn = fxp.NetworkBlock(net)
    reference.cost = pyo.Objective(expr=(reference.nn.outputs[0] - 0.2) ** 2 + reference.nn.inputs[0] ** 2)
    pyo.SolverFactory("fastexpr").solve(reference)
    assert pyo.value(m.cost) == pytest.approx(pyo.value(reference.cost), abs=1e-7)


def test_full_space_starts_forward_with_bounds_on_all_units() -> None:
    net = formulated.relu_network((3, 5, 5, 1), 0, np.tanh).with_bounds(-1, 1)
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net, formulation="full-space")
    for constraint in m.nn.component_data_objects(pyo.Constraint):
        assert pyo.value(constraint.body) == pytest.approx(pyo.value(constraint.upper), abs=1e-9)
    assert all(None not in variable.bounds for variable in m.nn.component_data_objects(pyo.Var))
    m.nn.inputs[0].set_value(0.7)
    m.nn.initialize()
    assert outputs_of(m) == pytest.approx(net(inputs_of(m)))
    for constraint in m.nn.component_data_objects(pyo.Constraint):
        assert pyo.value(constraint.body) == pytest.approx(pyo.value(constraint.upper), abs=1e-9)


def test_the_summary_says_what_was_taken() -> None:
    m = relu_model("BigM")
    summary = m.nn.summary()
    assert summary.formulation == "bigm"
    assert summary.units == 12
    assert summary.binaries == 12 - summary.stable
    assert summary.binaries == sum(v.is_binary() for v in m.component_data_objects(pyo.Var))
    assert summary.rows == sum(1 for _ in m.component_data_objects(pyo.Constraint))
    assert summary.columns == sum(1 for _ in m.component_data_objects(pyo.Var))
    assert 0 < summary.widths[0] <= summary.widths[1] <= summary.widths[2]
    assert "12 units" in str(summary)
    external = relu_model("External").nn.summary()
    assert (external.formulation, external.units, external.rows) == ("external", 12, 0)
    assert relu_model("SOS1").nn.summary().pairs == summary.binaries


def test_no_formulation_leaves_networks_functions() -> None:
    assert relu_model(None).nn.summary().formulation == "external"  # type: ignore[arg-type]


def test_bounds_of_the_users_variables_count_and_expressions_may_be_inputs() -> None:
    net = formulated.relu_network((3, 6, 1), 1)
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(-0.5, 0.25))
    m.nn = fxp.NetworkBlock(net, inputs=[m.x[0], 2 * m.x[0] + m.x[1], 0.3], formulation="bigm")
    m.cost = pyo.Objective(expr=m.nn.outputs[0])
    pyo.SolverFactory("appsi_highs").solve(m)
    x = [m.x[0].value, 2 * m.x[0].value + m.x[1].value, 0.3]
    assert m.nn.outputs[0].value == pytest.approx(net(x)[0], abs=1e-6)
    tight = fxp.NetworkBlock(net.with_bounds(-0.01, 0.01), formulation="bigm")
    wide = fxp.NetworkBlock(net.with_bounds(-1.0, 1.0), formulation="bigm")
    m.tight, m.wide = tight, wide
    assert m.tight.summary().binaries < m.wide.summary().binaries


@pytest.mark.parametrize("solver", ["appsi_highs", "highs", "scip_direct"])
def test_bounds_that_are_widened_after_the_build_are_refused(solver: str) -> None:
    net = formulated.relu_network((2, 4, 1), 1)
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(-0.5, 0.5), initialize=0.0)
    m.nn = fxp.NetworkBlock(net, inputs=m.x, formulation="bigm")
    m.cost = pyo.Objective(expr=m.nn.outputs[0])
    m.x[1].setub(2.0)
    with pytest.raises(ModelError, match=r"\[NetworkBlock 'nn'\] the bounds of input 'x\[1\]' are wider"):
        pyo.SolverFactory(solver).solve(m)
    m.x[1].setub(0.4)
    pyo.SolverFactory(solver).solve(m)


def test_copies_and_pickles() -> None:
    m = relu_model("bigm")
    pyo.SolverFactory("appsi_highs").solve(m)
    for other in (m.clone(), pickle.loads(pickle.dumps(m))):
        other.nn.inputs[0].set_value(0.1)
        other.nn.initialize()
        assert outputs_of(other) == pytest.approx(other.nn.net(inputs_of(other)))
        pyo.SolverFactory("appsi_highs").solve(other)
        assert pyo.value(other.cost) == pytest.approx(pyo.value(m.cost))
        assert other.nn.summary() == m.nn.summary()


@pytest.mark.parametrize(
    "formulation", ["sos1", "partition", "complementarity", "full-space", "reduced-space", "external"]
)
def test_copies_and_pickles_of_every_formulation(formulation: str) -> None:
    m = relu_model(formulation)
    for other in (m.clone(), pickle.loads(pickle.dumps(m))):
        assert len(list(other.component_data_objects())) == len(list(m.component_data_objects()))
        other.nn.inputs[0].set_value(0.1)
        other.nn.initialize()
        assert outputs_of(other) == pytest.approx(other.nn.net(inputs_of(other)))


def test_indexed_blocks() -> None:
    net = formulated.relu_network((2, 4, 1), 2).with_bounds(-1, 1)
    m = pyo.ConcreteModel()
    m.t = pyo.RangeSet(3)
    m.x = pyo.Var(m.t, [0, 1], bounds=(-1, 1))
    m.nn = fxp.NetworkBlock(m.t, network=net, inputs=lambda m, t: m.x[t, :], formulation="bigm")
    m.link = pyo.Constraint([1, 2], rule=lambda m, t: m.x[t + 1, 0] == m.nn[t].outputs[0] / 8)
    m.cost = pyo.Objective(expr=sum(m.nn[t].outputs[0] for t in m.t))
    pyo.SolverFactory("appsi_highs").solve(m)
    for t in m.t:
        assert m.nn[t].outputs[0].value == pytest.approx(net([m.x[t, 0].value, m.x[t, 1].value])[0], abs=1e-6)


@pytest.mark.parametrize("transformation", ["gdp.bigm", "gdp.hull"])
@pytest.mark.parametrize("formulation", ["bigm", "epigraph"])
def test_inside_of_disjuncts(transformation: str, formulation: str) -> None:
    nets = [formulated.relu_network((2, 4, 1), seed).with_bounds(-1, 1) for seed in (3, 4)]
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(-1, 1))
    m.y = pyo.Var(bounds=(-20, 20))

    def choose(d: Any, k: int) -> None:
        d.nn = fxp.NetworkBlock(nets[k], inputs=d.model().x, formulation=formulation, relax=formulation == "epigraph")
        d.same = pyo.Constraint(expr=d.model().y == d.nn.outputs[0])

    from pyomo.gdp import Disjunct, Disjunction

    m.d = Disjunct([0, 1], rule=choose)
    m.either = Disjunction(expr=[m.d[0], m.d[1]])
    m.cost = pyo.Objective(expr=m.y + 0.1 * m.x[0])
    TransformationFactory(transformation).apply_to(m)
    pyo.SolverFactory("appsi_highs").solve(m)
    best = []
    for net in nets:
        alone = pyo.ConcreteModel()
        alone.nn = fxp.NetworkBlock(net, formulation=formulation, relax=formulation == "epigraph")
        alone.cost = pyo.Objective(expr=alone.nn.outputs[0] + 0.1 * alone.nn.inputs[0])
        pyo.SolverFactory("appsi_highs").solve(alone)
        best.append(pyo.value(alone.cost))
    assert pyo.value(m.cost) == pytest.approx(min(best), abs=1e-5)


@pytest.mark.parametrize("transformation", ["gdp.bigm", "gdp.hull"])
@pytest.mark.parametrize("activation", [np.tanh, None])
def test_functions_inside_of_disjuncts(transformation: str, activation: Any) -> None:
    """The chosen disjunct's network holds, and the other one is out of force: M is large enough."""
    from pyomo.gdp import Disjunct, Disjunction

    nets = [formulated.relu_network((2, 4, 1), seed, activation).with_bounds(-1, 1) for seed in (3, 4)]
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(-1, 1), initialize=0.2)
    m.y = pyo.Var(bounds=(-20, 20), initialize=0.0)

    def choose(d: Any, k: int) -> None:
        d.nn = fxp.NetworkBlock(nets[k], inputs=d.model().x)
        d.same = pyo.Constraint(expr=d.model().y == d.nn.outputs[0])

    m.d = Disjunct([0, 1], rule=choose)
    m.either = Disjunction(expr=[m.d[0], m.d[1]])
    m.cost = pyo.Objective(expr=(m.x[0] - 0.3) ** 2 + (m.x[1] + 0.4) ** 2)
    TransformationFactory(transformation).apply_to(m)
    for chosen in (0, 1):
        for k in (0, 1):
            m.d[k].binary_indicator_var.fix(float(k == chosen))
        pyo.SolverFactory("fastexpr").solve(m)
        assert [m.x[0].value, m.x[1].value] == pytest.approx([0.3, -0.4], abs=1e-4)
        assert m.y.value == pytest.approx(nets[chosen]([m.x[0].value, m.x[1].value])[0], abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_relaxations_of_partitions_are_never_looser(seed: int) -> None:
    found = {}
    for formulation in ("bigm", "partition"):
        m = relu_model(formulation, seed)
        TransformationFactory("core.relax_integer_vars").apply_to(m)
        pyo.SolverFactory("appsi_highs").solve(m)
        found[formulation] = pyo.value(m.cost)
    assert found["partition"] >= found["bigm"] - 1e-7


def leaky(z: Any) -> Any:
    return np.maximum(z, 0.1 * z)


def clipped(z: Any) -> Any:
    return np.clip(z, -0.3, 0.4)


@pytest.mark.parametrize("activation", [None, leaky, np.abs, clipped])
def test_complementarities_are_transformed_by_pyomo(activation: Any) -> None:
    """Into products that are zero, and, for fixed inputs, what those leave is the network's own value."""
    net = formulated.relu_network((3, 4, 4, 1), 2, activation).with_bounds(-1, 1)
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net, formulation="complementarity")
    m.cost = pyo.Objective(expr=m.nn.outputs[0])
    assert not any(v.is_binary() for v in m.component_data_objects(pyo.Var))
    assert m.nn.summary().pairs > 0
    with pytest.raises(ModelError, match="Complementarity"):
        pyo.SolverFactory("fastexpr").solve(m)
    TransformationFactory("mpec.simple_nonlinear").apply_to(m)
    for x in np.random.default_rng(0).uniform(-1, 1, (3, 3)):
        for variable, number in zip(m.nn.inputs.values(), x, strict=True):
            variable.fix(number)
        for sense in (pyo.minimize, pyo.maximize):
            m.cost.sense = sense
            pyo.SolverFactory("fastexpr").solve(m, options={"tol": 1e-9})
            assert pyo.value(m.cost) == pytest.approx(net(x)[0], abs=1e-4)


def test_complementarities_are_disjunctions_for_mixed_integer_solvers() -> None:
    m = relu_model("complementarity")
    TransformationFactory("mpec.simple_disjunction").apply_to(m)
    TransformationFactory("gdp.bigm").apply_to(m)
    pyo.SolverFactory("appsi_highs").solve(m)
    reference = relu_model("bigm")
    pyo.SolverFactory("appsi_highs").solve(reference)
    assert pyo.value(m.cost) == pytest.approx(pyo.value(reference.cost), abs=1e-5)
    assert outputs_of(m) == pytest.approx(m.nn.net(inputs_of(m)), abs=1e-5)


def convex_network(seed: int, smooth: bool = False) -> fx.Function:
    """Input-convex: weights behind the first layer are not negative; the input enters every layer."""
    generator = np.random.default_rng(seed)
    x = fx.variables(3)
    act = (lambda z: np.logaddexp(0.0, z)) if smooth else (lambda z: np.maximum(z, 0.0))
    h = act(generator.normal(size=(6, 3)) @ x + generator.normal(size=6))
    h = act(abs(generator.normal(size=(5, 6))) @ h / 3 + generator.normal(size=(5, 3)) @ x - 1.0)
    y = abs(generator.normal(size=(1, 5))) @ h
    return fx.Function(x, np.concatenate([y, -1.0 * y + generator.normal(size=3) @ x]))


@pytest.mark.parametrize("seed", range(3))
def test_input_convex_networks_are_linear_programs(seed: int) -> None:
    net = convex_network(seed)
    found = []
    for formulation in ("epigraph", "bigm"):
        m = pyo.ConcreteModel()
        m.x = pyo.Var(range(3), bounds=(-2, 2))
        m.nn = fxp.NetworkBlock(net, inputs=m.x, formulation=formulation)
        m.limit = pyo.Constraint(expr=m.nn.outputs[1] >= -6)
        m.cost = pyo.Objective(expr=m.nn.outputs[0] + 0.3 * m.x[0] - 0.2 * m.x[1])
        pyo.SolverFactory("appsi_highs").solve(m)
        x = [m.x[k].value for k in range(3)]
        assert m.nn.outputs[0].value == pytest.approx(net(x)[0], abs=1e-6)
        assert net(x)[1] >= -6 - 1e-6
        found.append(pyo.value(m.cost))
        if formulation == "epigraph":
            assert m.nn.summary().binaries == 0
            assert all(v.is_continuous() for v in m.component_data_objects(pyo.Var))
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_input_convex_networks_need_no_bounds_and_smooth_ones_are_convex_programs() -> None:
    net = convex_network(1, smooth=True)
    found = []
    for formulation in ("epigraph", "external"):
        m = pyo.ConcreteModel()
        m.x = pyo.Var(range(3), initialize=0.1)
        m.nn = fxp.NetworkBlock(net, inputs=m.x, formulation=formulation)
        m.cost = pyo.Objective(expr=m.nn.outputs[0] + sum((m.x[k] - 1) ** 2 for k in range(3)))
        results = pyo.SolverFactory("fastexpr").solve(m)
        assert results.solver.termination_condition == pyo.TerminationCondition.optimal
        assert m.nn.outputs[0].value == pytest.approx(net([m.x[k].value for k in range(3)])[0], abs=1e-6)
        found.append(pyo.value(m.cost))
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_an_epigraph_that_is_pushed_the_wrong_way_is_refused() -> None:
    def model(relax: bool = False) -> Any:
        m = pyo.ConcreteModel()
        m.x = pyo.Var(range(3), bounds=(-1, 1))
        m.nn = fxp.NetworkBlock(convex_network(0), inputs=m.x, formulation="epigraph", relax=relax)
        return m

    wrong: dict[str, Any] = {
        "maximized": lambda m: pyo.Objective(expr=m.nn.outputs[0], sense=pyo.maximize),
        "negative": lambda m: pyo.Objective(expr=m.x[0] - m.nn.outputs[0]),
        "concave": lambda m: pyo.Objective(expr=m.nn.outputs[1]),
        "squared": lambda m: pyo.Objective(expr=m.nn.outputs[0] ** 2),
        "at least": lambda m: pyo.Constraint(expr=m.nn.outputs[0] >= 3),
        "equal": lambda m: pyo.Constraint(expr=m.nn.outputs[0] == m.x[0]),
    }
    for name, part in wrong.items():
        m = model()
        m.part = part(m)
        if m.part.ctype is pyo.Constraint:
            m.cost = pyo.Objective(expr=m.x[0])
        with pytest.raises(FormulationError, match="from one side only"):
            pyo.SolverFactory("highs").solve(m)
        assert name
    m = model(relax=True)
    m.cost = wrong["maximized"](m)
    pyo.SolverFactory("highs").solve(m)
    exact = pyo.ConcreteModel()
    exact.x = pyo.Var(range(3), bounds=(-1, 1))
    exact.nn = fxp.NetworkBlock(convex_network(0), inputs=exact.x, formulation="bigm")
    exact.cost = wrong["maximized"](exact)
    pyo.SolverFactory("highs").solve(exact)
    assert pyo.value(m.cost) >= pyo.value(exact.cost) - 1e-6


def test_other_networks_have_no_exact_epigraph() -> None:
    with pytest.raises(FormulationError, match=r"exact for outputs that are convex or concave.*relax=True"):
        relu_model("epigraph")
    relaxed = relu_model("epigraph", relax=True)
    pyo.SolverFactory("appsi_highs").solve(relaxed)
    exact = relu_model("bigm")
    pyo.SolverFactory("appsi_highs").solve(exact)
    assert pyo.value(relaxed.cost) <= pyo.value(exact.cost) + 1e-6


def test_bad_input() -> None:
    net = formulated.relu_network((2, 4, 1), 1)
    with pytest.raises(ModelError, match="unknown formulation: got 'big-em', expected None or one of external, bigm"):
        fxp.NetworkBlock(net, formulation="big-em")
    m = pyo.ConcreteModel()
    with pytest.raises(FormulationError, match=r"\[NetworkBlock 'nn'\].*finite bounds.*with_bounds"):
        m.nn = fxp.NetworkBlock(net, formulation="bigm")
    m.smooth = pyo.Block()
    with pytest.raises(FormulationError, match="has no linear formulation"):
        m.smooth.nn = fxp.NetworkBlock(
            formulated.relu_network((2, 4, 1), 1, np.tanh).with_bounds(-1, 1), formulation="bigm"
        )
    m.other = pyo.Block()
    wide = formulated.relu_network((40, 60, 60, 60, 1), 1).with_bounds(-1, 1)
    with pytest.raises(FormulationError, match="'reduced-space' is for small networks: got some"):
        m.other.nn = fxp.NetworkBlock(wide, formulation="reduced-space")
    m.last = fxp.NetworkBlock(net.with_bounds(-1, 1), formulation="bigm")
    with pytest.raises(ModelError, match="another network needs another block"):
        m.last.update(net)
