"""NetworkBlock: a network in a Pyomo model with variables and equations."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest
from networks import network
from pyomo.gdp import Disjunct, Disjunction

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import EvaluationError, ModelError, ShapeError
from fastexpr.pyomo.model.building import Memory

X = np.array([0.1, -0.2, 0.3])


@pytest.fixture(scope="module")
def net() -> fx.Function:
    return network(3, 2)


def test_a_block_has_variables_and_equations_of_its_own() -> None:
    net = network(3, 2).with_names(inputs=["T", "p", "flow"], outputs=["CO2", "H2"])
    net = net.with_bounds([0.0, -1.0, -np.inf], [1.0, 1.0, np.inf])
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net)
    assert list(m.nn.inputs) == ["T", "p", "flow"]
    assert list(m.nn.outputs) == ["CO2", "H2"]
    assert m.nn.inputs["p"] is m.nn.inputs[1]
    assert m.nn.outputs[-1] is m.nn.outputs["H2"]
    assert [variable.bounds for variable in m.nn.inputs.values()] == [(0.0, 1.0), (-1.0, 1.0), (None, None)]
    lower, upper = net.output_bounds(net.lower, net.upper)
    for k, variable in enumerate(m.nn.outputs.values()):
        assert variable.bounds == pytest.approx((lower[k], upper[k]))
    start = net(np.array([0.5, 0.0, 0.0]))
    assert [variable.value for variable in m.nn.inputs.values()] == [0.5, 0.0, 0.0]
    np.testing.assert_allclose([variable.value for variable in m.nn.outputs.values()], start, rtol=1e-14)
    assert len(m.nn.equations) == 2
    for equation in m.nn.equations.values():
        assert equation.equality
        assert pyo.value(equation.body) == pytest.approx(pyo.value(equation.lower), abs=1e-14)
    with pytest.raises(KeyError):
        m.nn.outputs[2]


def test_a_block_on_the_user_s_variables(net: fx.Function) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), initialize=0.25, bounds=(-2, 0.5))
    m.x[2].fix(4.0)
    m.out = pyo.Var(["y0", "y1"])
    ranged = net.with_bounds([-1.0] * 3, [1.0] * 3)
    m.nn = fxp.NetworkBlock(ranged, inputs=m.x, outputs=list(m.out.values()))
    assert m.nn.inputs[0] is m.x[0]
    assert m.nn.outputs[1] is m.out["y1"]
    assert m.nn.inputs.ctype is pyo.Var
    assert m.nn.inputs.is_reference()
    assert m.x[0].bounds == (-1, 0.5)  # the tighter ones
    assert m.x[2].bounds == (-2, 0.5)  # a fixed variable is left alone
    assert m.out["y0"].bounds == (None, None)
    m.outside = fxp.NetworkBlock(ranged, inputs=m.x)
    lower, upper = net.output_bounds([-1, -1, 4.0], [0.5, 0.5, 4.0])  # the fixed input is where it is
    assert m.outside.outputs[0].bounds == pytest.approx((lower[0], upper[0]))
    expected = net(np.array([0.25, 0.25, 4.0]))
    assert [m.out["y0"].value, m.out["y1"].value] == pytest.approx(expected.tolist(), rel=1e-14)
    m.x[1].setlb(-2)
    m.free = fxp.NetworkBlock(ranged, inputs=m.x, bounds=False)
    assert m.x[1].lb == -2
    assert m.free.outputs[0].bounds == (None, None)


def test_a_block_on_expressions(net: fx.Function) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(initialize=0.5)
    m.nn = fxp.NetworkBlock(net.with_bounds([-1] * 3, [1] * 3), inputs=[m.x, m.x**2, 0.25])
    assert m.x.bounds == (-1, 1)
    lower, upper = net.output_bounds([-1, -np.inf, 0.25], [1, np.inf, 0.25])  # x**2 is not kept in the network's range
    assert m.nn.outputs[0].bounds == pytest.approx((lower[0], upper[0]))
    assert pyo.value(m.nn.inputs[1]) == 0.25
    assert m.nn.outputs[1].value == pytest.approx(net(np.array([0.5, 0.25, 0.25]))[1], rel=1e-14)


def test_starts_keep_what_the_user_set(net: fx.Function) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), bounds=(0.5, 2))
    m.out = pyo.Var(range(2), initialize={1: 7.0})
    m.nn = fxp.NetworkBlock(net, inputs=m.x, outputs=m.out)
    assert m.x[0].value is None  # a solver starts at the bound
    assert m.out[0].value == pytest.approx(net(np.full(3, 0.5))[0], rel=1e-14)
    assert m.out[1].value == 7.0
    m.out[0].fix(1.0)
    m.nn.initialize()
    assert m.x[0].value == 1.25
    assert m.out[0].value == 1.0
    assert m.out[1].value == pytest.approx(net(np.full(3, 1.25))[1], rel=1e-14)


def test_indexed_blocks(net: fx.Function) -> None:
    m = pyo.ConcreteModel()
    m.t = pyo.Set(initialize=[1, 2])
    m.s = pyo.Set(initialize=["a", "b"])
    m.x = pyo.Var(range(3), m.t, initialize=lambda _, i, t: X[i] * t)
    m.nn = fxp.NetworkBlock(m.t, network=net, inputs=lambda b, t: b.x[:, t])
    m.grid = fxp.NetworkBlock(m.t, m.s, network=net)
    m.chosen = fxp.NetworkBlock(m.s, network=net, inputs={"a": m.x[:, 1], "b": [m.x[0, 2], 0.0, 0.0]})
    for t in m.t:
        assert m.nn[t].inputs[1] is m.x[1, t]
        assert m.nn[t].outputs[0].value == pytest.approx(net(X * t)[0], rel=1e-14)
    assert len(m.grid) == 4
    assert m.grid[2, "b"].outputs[1].value is not None
    assert m.chosen["a"].inputs[2] is m.x[2, 1]
    assert [variable.value for variable in m.nn[:].outputs[0]] == [m.nn[t].outputs[0].value for t in m.t]
    m.x[0, 1].set_value(0.7)
    m.nn.initialize()
    assert m.nn[1].outputs[0].value == pytest.approx(net(np.array([0.7, X[1], X[2]]))[0], rel=1e-14)
    other = network(3, 2, seed=5)
    m.nn.update(other)
    assert m.nn[2].net is other
    assert m.grid[1, "a"].net is net


def test_blocks_in_an_abstract_model(net: fx.Function) -> None:
    model = pyo.AbstractModel()
    model.T = pyo.Set()
    model.x = pyo.Var(range(3), initialize=0.1)
    model.nn = fxp.NetworkBlock(net, inputs=model.x)
    model.at = fxp.NetworkBlock(model.T, network=net)
    model.net = fxp.ExternalNetwork(net)
    model.c = pyo.Constraint(rule=lambda b: b.net(b.x)[1] <= 5)
    instance = model.create_instance({None: {"T": {None: [1, 2, 3]}}})
    assert instance.nn.inputs[0] is instance.x[0]
    assert len(instance.at) == 3
    assert pyo.value(instance.c.body) == pytest.approx(net(np.full(3, 0.1))[1], rel=1e-14)


def test_slices_given_to_a_block_are_no_part_of_it(net: fx.Function) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), initialize=0.1)
    m.nn = fxp.NetworkBlock(net, inputs=m.x[:], outputs=(number for number in (1.0, 2.0)))
    for copy in (m.clone(), pickle.loads(pickle.dumps(m))):
        assert copy.nn.inputs[0] is copy.x[0]


def test_blocks_that_make_no_sense(net: fx.Function) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), bounds=(5, 6))
    with pytest.raises(ModelError, match="got 0 networks, expected 1"):
        fxp.NetworkBlock()
    with pytest.raises(ModelError, match="got 2 networks, expected 1"):
        fxp.NetworkBlock(net, network=net)
    with pytest.raises(ModelError, match="rule="):
        fxp.NetworkBlock(net, rule=lambda b: None)
    with pytest.raises(ModelError, match=r"inputs=lambda m, i"):
        m.a = fxp.NetworkBlock([1, 2], network=net, inputs=m.x)
    with pytest.raises(ModelError, match="nothing in common"):
        m.b = fxp.NetworkBlock(net.with_bounds([-1] * 3, [1] * 3), inputs=m.x)
    with pytest.raises(ShapeError, match=r"\[NetworkBlock 'c'\] wrong number of outputs: got 3, expected 2"):
        m.c = fxp.NetworkBlock(net, outputs=m.x)


def test_initialize_says_where_a_network_is_not_finite() -> None:
    x = fx.variables(1)
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(fx.Function(x, np.log(x)))
    assert m.nn.outputs[0].value is None
    with pytest.raises(EvaluationError, match="not finite"):
        m.nn.initialize()


def test_an_updated_block_s_equations_are_of_the_other_network(net: fx.Function, tmp_path: Path) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), initialize=0.25)
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.o = pyo.Objective(expr=m.nn.outputs[0])
    equation = m.nn.equations["y[0]"].expr
    clone, other = m.clone(), network(3, 2, seed=5)
    m.nn.update(other)
    x = np.full(3, 0.25)
    assert m.nn.equations["y[0]"].expr is equation
    assert pyo.value(m.nn.equations["y[0]"].body) == pytest.approx(net(x)[0] - other(x)[0], rel=1e-13)
    assert pyo.value(clone.nn.equations["y[0]"].body) == pytest.approx(0.0, abs=1e-14)
    m.write(str(tmp_path / "model.nl"))
    text = (tmp_path / "model.nl").read_text()
    assert m.nn.network.path in text
    assert clone.nn.network.path not in text


def test_members_that_start_alike_cost_one_evaluation(net: fx.Function, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluations = []

    def value(self: Memory, what: str, key: object, compute: Callable[[], object]) -> object:
        known = self._known.get(what)
        result = recall(self, what, key, compute)
        if self._known[what] is not known:
            evaluations.append(what)
        return result

    recall = Memory._recall
    monkeypatch.setattr(Memory, "_recall", value)
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(range(5), network=net.with_bounds([-1] * 3, [1] * 3))
    assert all(None not in m.nn[k].outputs[j].bounds for k in range(5) for j in range(2))
    assert sorted(evaluations) == ["output_bounds", "value"]
    for k in range(5):
        assert [v.value for v in m.nn[k].outputs.values()] == pytest.approx(net(np.zeros(3)).tolist(), rel=1e-14)
    assert not pickle.loads(pickle.dumps(m)).nn._memory._known
    assert not m.clone().nn._memory._known


# ---- bounds that a block gives are its own


def wide_net() -> fx.Function:
    x = fx.variables(2)
    net = fx.Function(x, np.tanh(x[0] + 0.3 * x[1])).with_names(outputs=["z"])
    return net.with_bounds([0, 0], [1, 1])


def maximum(m: pyo.ConcreteModel, solver: str) -> float:
    m.best = pyo.Objective(expr=m.nn.outputs["z"], sense=pyo.maximize)
    pyo.assert_optimal_termination(pyo.SolverFactory(solver).solve(m))
    return float(pyo.value(m.best))


@pytest.mark.parametrize("solver", ["fastexpr", "pounce"])
def test_bounds_that_are_widened_after_the_build_count(solver: str) -> None:
    m = pyo.ConcreteModel()
    m.a, m.b = pyo.Var(bounds=(0, 0.5)), pyo.Var()
    m.nn = fxp.NetworkBlock(wide_net(), inputs=[m.a, m.b])
    assert m.b.bounds == (0, 1)
    m.a.setub(2)
    m.b.setub(5)
    assert maximum(m, solver) == pytest.approx(np.tanh(2 + 0.3 * 5), abs=1e-6)


@pytest.mark.parametrize("solver", ["fastexpr", "pounce"])
def test_an_input_that_is_fixed_after_the_build_counts_where_it_is(solver: str) -> None:
    m = pyo.ConcreteModel()
    m.a, m.b = pyo.Var(), pyo.Var()
    m.nn = fxp.NetworkBlock(wide_net(), inputs=[m.a, m.b])
    m.b.fix(7.0)
    assert m.b.bounds == (None, None)
    assert maximum(m, solver) == pytest.approx(np.tanh(1 + 0.3 * 7), abs=1e-6)
    m.b.unfix()
    assert m.b.bounds == (0, 1)


def test_bounds_by_mutable_params_are_followed() -> None:
    m = pyo.ConcreteModel()
    m.p = pyo.Param(initialize=0.25, mutable=True)
    m.a, m.b = pyo.Var(bounds=(0, m.p)), pyo.Var()
    m.nn = fxp.NetworkBlock(wide_net(), inputs=[m.a, m.b])
    assert m.nn.outputs["z"].ub == pytest.approx(np.tanh(0.25 + 0.3))
    m.p = 0.5
    assert m.nn.outputs["z"].ub == pytest.approx(np.tanh(0.5 + 0.3))
    solver = pyo.SolverFactory("fastexpr")
    m.best = pyo.Objective(expr=m.nn.outputs["z"], sense=pyo.maximize)
    solver.solve(m)
    m.p = 3.0  # wider than the range: that holds
    solver.solve(m)
    assert m.a.ub == 1
    assert pyo.value(m.best) == pytest.approx(np.tanh(1.3), abs=1e-6)


def test_a_deleted_or_deactivated_block_bounds_nothing() -> None:
    m = pyo.ConcreteModel()
    m.a, m.b = pyo.Var(bounds=(-3, 3)), pyo.Var()
    m.sub = pyo.Block()
    m.sub.nn = fxp.NetworkBlock(wide_net(), inputs=[m.a, m.b])
    m.other = fxp.NetworkBlock(wide_net().with_bounds([-1, -1], [2, 2]), inputs=[m.a, m.b])
    assert (m.a.bounds, m.b.bounds) == ((0, 1), (0, 1))
    m.sub.deactivate()
    assert (m.a.bounds, m.b.bounds) == ((-1, 2), (-1, 2))
    m.sub.activate()
    assert m.a.bounds == (0, 1)
    m.del_component(m.sub)
    assert (m.a.bounds, m.b.bounds) == ((-1, 2), (-1, 2))
    m.del_component(m.other)
    assert (m.a.bounds, m.b.bounds) == ((-3, 3), (None, None))


@pytest.mark.parametrize(
    "copy", [lambda m: m.clone(), lambda m: pickle.loads(pickle.dumps(m))], ids=["clone", "pickle"]
)
def test_bounds_of_copies_follow_the_copy(copy: Callable[[pyo.ConcreteModel], pyo.ConcreteModel]) -> None:
    m = pyo.ConcreteModel()
    m.a, m.b = pyo.Var(bounds=(-3, 3)), pyo.Var()
    m.nn = fxp.NetworkBlock(wide_net(), inputs=[m.a, m.b])
    copied = copy(m)
    m.a.setub(2)
    assert copied.a.bounds == (0, 1)
    assert copied.nn.outputs["z"].ub == pytest.approx(np.tanh(1.3))
    copied.del_component(copied.nn)
    assert (copied.a.bounds, m.a.bounds) == ((-3, 3), (0, 2))


def test_outputs_follow_another_network() -> None:
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(wide_net())
    x = fx.variables(2)
    m.nn.update(fx.Function(x, 5.0 + x[0]).with_names(outputs=["z"]).with_bounds([0, 0], [1, 1]))
    assert m.nn.outputs["z"].bounds == pytest.approx((5, 6))
    assert maximum(m, "fastexpr") == pytest.approx(6.0, abs=1e-6)


def test_bounds_that_the_user_gives_an_output_are_kept() -> None:
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(wide_net())
    m.nn.outputs["z"].setub(0.5)
    m.nn.inputs[0].setub(3.0)
    assert m.nn.outputs["z"].ub == 0.5
    assert maximum(m, "fastexpr") == pytest.approx(0.5, abs=1e-6)


def test_bounds_in_units() -> None:
    m = pyo.ConcreteModel()
    m.T = pyo.Var(units=pyo.units.K, bounds=(-5 * pyo.units.K, 5 * pyo.units.K))
    m.nn = fxp.NetworkBlock(wide_net(), inputs=[m.T, 0.0], output_units="mol/s")
    assert m.T.bounds == (0, 1)
    assert m.nn.outputs["z"].bounds == pytest.approx((0.0, np.tanh(1.0)))
    m.pprint()


def test_an_output_that_cannot_move_has_room() -> None:
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(wide_net())
    for variable in m.nn.inputs.values():
        variable.fix(0.5)
    assert m.nn.outputs["z"].bounds == (None, None)
    assert maximum(m, "fastexpr") == pytest.approx(np.tanh(0.65), abs=1e-7)


def test_transformations_take_the_bounds_for_numbers() -> None:
    m = pyo.ConcreteModel()
    m.a, m.b = pyo.Var(), pyo.Var()
    m.flag = Disjunct([0, 1])
    m.nn = fxp.NetworkBlock(wide_net(), inputs=[m.a, m.b])
    m.flag[0].c = pyo.Constraint(expr=m.nn.outputs["z"] >= 0.5)
    m.flag[1].c = pyo.Constraint(expr=m.a <= 0.1)
    m.either = Disjunction(expr=[m.flag[0], m.flag[1]])
    big_m = pyo.TransformationFactory("gdp.bigm").create_using(m)
    assert big_m.a.bounds == (0, 1)
    m.flag.deactivate()
    m.either.deactivate()
    m.best = pyo.Objective(expr=m.nn.outputs["z"], sense=pyo.maximize)
    scaled = pyo.TransformationFactory("core.scale_model").create_using(m)
    pyo.assert_optimal_termination(pyo.SolverFactory("fastexpr").solve(scaled))
    assert pyo.value(scaled.component("scaled_best")) == pytest.approx(np.tanh(1.3), abs=1e-6)
