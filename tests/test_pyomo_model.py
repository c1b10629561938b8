"""Networks as parts of Pyomo models: blocks, units, copies, updates, files, errors."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyomo.dae as dae
import pyomo.environ as pyo
import pytest
from networks import network
from pyomo.core.base.external import AMPLExternalFunction
from pyomo.util.check_units import assert_units_consistent

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import EvaluationError, FileError, ModelError, NotFoundError, ShapeError
from fastexpr.pyomo import external, function
from fastexpr.pyomo.files import cache_directory, library_path

X = np.array([0.1, -0.2, 0.3])
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def net() -> fx.Function:
    return network(3, 2)


@pytest.fixture
def m(net: fx.Function) -> pyo.ConcreteModel:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(3), initialize=dict(enumerate(X.tolist())), bounds=(-2, 2))
    model.net = fxp.ExternalNetwork(net)
    model.y = pyo.Expression(expr=model.net(model.x)[0] * 2)
    return model


# ---- blocks


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
    assert m.outside.outputs[0].bounds == (None, None)  # the fixed input is outside of the range
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
    assert m.nn.outputs[0].bounds == (None, None)  # x**2 and the number are not kept in the network's range
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


# ---- values and derivatives in Python


def test_value_is_the_function_s(m: pyo.ConcreteModel, net: fx.Function) -> None:
    assert pyo.value(m.y) == pytest.approx(2 * net(X)[0], rel=1e-15)


@pytest.mark.parametrize("evaluate", ["ours", "through the library"])
def test_evaluate_fgh(m: pyo.ConcreteModel, net: fx.Function, evaluate: str) -> None:
    expression = m.net(m.x)[1].expr
    function, arguments = expression._fcn, [pyo.value(argument) for argument in expression.args]
    if evaluate == "ours":
        value, gradient, hessian = function.evaluate_fgh(arguments)
    else:
        value, gradient, hessian = AMPLExternalFunction._evaluate(function, arguments, None, 2)
    assert value == pytest.approx(net(X)[1], rel=1e-14)
    np.testing.assert_allclose(gradient[3:], net.jacobian(X)[1], rtol=1e-13)
    full = np.zeros((6, 6))
    full[np.tril_indices(6)] = hessian
    np.testing.assert_allclose(full[3:, 3:], np.tril(net.hessian(X, np.array([0.0, 1.0]))), rtol=1e-12, atol=1e-14)


def test_derivatives_by_pyomo(m: pyo.ConcreteModel, net: fx.Function) -> None:
    from pyomo.core.expr.calculus.derivatives import Modes, differentiate

    variables = list(m.x.values())
    gradient = differentiate(m.y, wrt_list=variables, mode=Modes.reverse_numeric)
    np.testing.assert_allclose(gradient, 2 * net.jacobian(X)[0], rtol=1e-13)


def test_value_raises_where_the_network_is_not_finite() -> None:
    x = fx.variables(1)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(initialize=-1.0)
    m.net = fxp.ExternalNetwork(fx.Function(x, np.log(x)).with_names(inputs=["T"], outputs=["log T"]))
    y = m.net(m.x)[0]
    with pytest.raises(EvaluationError, match=r"the value of output 'log T' is not finite: got nan at T=-1"):
        pyo.value(y)
    m.x.set_value(None)
    with pytest.raises(ValueError, match="No value for uninitialized"):
        pyo.value(y)


def test_the_function_checks_its_arguments(m: pyo.ConcreteModel) -> None:
    with pytest.raises(ShapeError, match=r"got 3 strings and 2 numbers, expected 3 strings .* and 3 numbers"):
        m.net.function("file", "0", "a", m.x[0], m.x[1])
    with pytest.raises(ShapeError, match="got 1 strings"):
        m.net.function("file", m.x[0], m.x[1], m.x[2])
    with pytest.raises(NotFoundError, match="there is no output '2': the network has 2"):
        m.net.function("file", "2", "a", m.x[0], m.x[1], m.x[2])


# ---- units


def test_units_are_checked() -> None:
    u = pyo.units
    net = network(3, 2).with_names(inputs=["T", "p", "flow"], outputs=["duty", "CO2"])
    m = pyo.ConcreteModel()
    m.T = pyo.Var(units=u.K, initialize=300)
    m.p = pyo.Var(units=u.bar, initialize=1)
    m.flow = pyo.Var(units=u.mol / u.s, initialize=1)
    m.duty = pyo.Var(units=u.kW)
    m.net = fxp.ExternalNetwork(net, input_units=["K", u.bar, "mol/s"], output_units={"duty": u.kW})
    m.ok = pyo.Constraint(expr=m.duty == m.net(m.T, m.p, m.flow)["duty"])
    m.number = pyo.Constraint(expr=m.net(m.T, 1.5, m.flow)["CO2"] <= 0.5)
    assert_units_consistent(m)
    assert str(u.get_units(m.net(m.T, m.p, m.flow)["duty"])) == "kW"
    assert pyo.value(m.number.body) == pytest.approx(net(np.array([300, 1.5, 1]))[1], rel=1e-14)
    m.wrong_output = pyo.Constraint(expr=m.net(m.T, m.p, m.flow)["duty"] == m.T)
    with pytest.raises(Exception, match="not compatible with"):
        assert_units_consistent(m)
    del m.wrong_output
    m.wrong_input = pyo.Constraint(expr=m.net(m.p, m.p, m.flow)["CO2"] <= 1)
    with pytest.raises(Exception, match="ExternalFunction"):
        assert_units_consistent(m)


def test_units_of_a_block() -> None:
    u = pyo.units
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(network(3, 2), input_units=[u.K, u.bar, u.K], output_units=u.kW)
    m.cap = pyo.Constraint(expr=m.nn.outputs[0] <= 3 * u.kW)
    assert_units_consistent(m)
    assert list(map(str, map(u.get_units, m.nn.inputs.values()))) == ["K", "bar", "K"]
    assert str(u.get_units(m.nn.outputs[1])) == "kW"
    assert pickle.loads(pickle.dumps(m)).nn.inputs[1].value == 0.0


def test_units_that_make_no_sense(net: fx.Function) -> None:
    with pytest.raises(ShapeError, match=r"\[input_units\] got 2 units, expected one, or one for each"):
        fxp.ExternalNetwork(net, input_units=["K", "bar"])
    with pytest.raises(ModelError, match=r"\[output_units\] 'no unit' is no unit"):
        fxp.ExternalNetwork(net, output_units="no unit")
    with pytest.raises(ModelError, match="there is no entry 'z'"):
        fxp.ExternalNetwork(net, input_units={"z": "K"})


# ---- copies


def test_clones_and_pickles_stand_alone(m: pyo.ConcreteModel, net: fx.Function) -> None:
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    for copy in (m.clone(), pickle.loads(pickle.dumps(m))):
        assert copy.net(copy.x)[0] is copy.net.calls[0, net.output_names[0]]
        assert copy.net(copy.x)[0] is not m.net(m.x)[0]
        copy.x[0].set_value(0.9)
        moved = np.array([0.9, X[1], X[2]])
        assert pyo.value(copy.y) == pytest.approx(2 * net(moved)[0], rel=1e-14)
        assert pyo.value(m.y) == pytest.approx(2 * net(X)[0], rel=1e-14)
        copy.nn.initialize()
        assert copy.nn.outputs[1].value == pytest.approx(net(moved)[1], rel=1e-14)
        assert m.nn.outputs[1].value == pytest.approx(net(X)[1], rel=1e-14)
        copy.extra = pyo.Constraint(expr=copy.net(copy.x[2], copy.x[1], copy.x[0])[0] == 0)
        assert pyo.value(copy.extra.body) == pytest.approx(net(moved[::-1])[0], rel=1e-14)


def test_update_changes_one_model_and_no_clone(m: pyo.ConcreteModel, net: fx.Function, tmp_path: Path) -> None:
    m.c = pyo.Constraint(expr=m.y >= 0)
    clone, pickled = m.clone(), pickle.dumps(m)
    other = network(3, 2, seed=9)
    m.net.update(other)
    assert m.net.net is other
    assert pyo.value(m.c.body) == pytest.approx(2 * other(X)[0], rel=1e-14)
    for copy in (clone, pickle.loads(pickled)):
        assert pyo.value(copy.c.body) == pytest.approx(2 * net(X)[0], rel=1e-14)
        assert m.net(m.x)[0] is not copy.net(copy.x)[0]
    clone.net.update(network(3, 2, seed=10))
    assert pyo.value(m.c.body) == pytest.approx(2 * other(X)[0], rel=1e-14)
    m.o = pyo.Objective(expr=m.x[0])
    m.write(str(tmp_path / "updated.nl"))
    assert m.net.path in (tmp_path / "updated.nl").read_text()


def test_update_refuses_other_inputs_and_outputs(m: pyo.ConcreteModel, net: fx.Function) -> None:
    with pytest.raises(ModelError, match="has other inputs"):
        m.net.update(network(4, 2))
    with pytest.raises(ModelError, match=r"has other outputs.*with_names\(outputs="):
        m.net.update(net.with_names(outputs=["a", "b"]))


def test_discretisation_after_the_expressions_are_built(net: fx.Function) -> None:
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.x = pyo.Var(range(3), m.t, initialize=0.2)
    m.net = fxp.ExternalNetwork(net)
    m.nn = fxp.NetworkBlock(m.t, network=net, inputs=lambda b, t: b.x[:, t])
    m.rate = pyo.Constraint(m.t, rule=lambda b, t: b.net(b.x[:, t])[0] <= 4)
    m.linked = pyo.Constraint(m.t, rule=lambda b, t: b.nn[t].outputs[1] <= 4)
    pyo.TransformationFactory("dae.collocation").apply_to(m, nfe=2, ncp=2)
    assert len(m.t) == len(m.nn) == len(m.rate) == len(m.linked) == 5
    for t in m.t:
        assert m.nn[t].inputs[2] is m.x[2, t]
        assert len(m.nn[t].equations) == 2
        assert pyo.value(m.rate[t].body) == pytest.approx(net(np.full(3, 0.2))[0], rel=1e-14)
    for k in range(3):
        m.x[k, m.t.first()].set_value(0.6)
    assert pyo.value(m.rate[m.t.first()].body) == pytest.approx(net(np.full(3, 0.6))[0], rel=1e-14)
    assert pyo.value(m.rate[m.t.last()].body) == pytest.approx(net(np.full(3, 0.2))[0], rel=1e-14)


# ---- what else Pyomo does with components


def test_references_across_blocks(net: fx.Function) -> None:
    m = pyo.ConcreteModel()
    m.t = pyo.RangeSet(3)
    m.nn = fxp.NetworkBlock(m.t, network=net)
    m.by_name = pyo.Reference(m.nn[:].outputs["y[0]"])
    m.by_position = pyo.Reference(m.nn[:].outputs[0])
    for t in m.t:
        assert m.by_name[t] is m.by_position[t] is m.nn[t].outputs["y[0]"]


def test_incidence_sees_the_inputs(m: pyo.ConcreteModel, net: fx.Function) -> None:
    from pyomo.contrib.incidence_analysis import IncidenceGraphInterface

    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    graph = IncidenceGraphInterface(m)
    assert {variable.name for variable in graph.get_adjacent_to(m.nn.equations["y[1]"])} == {
        "x[0]", "x[1]", "x[2]", "nn.outputs['y[1]']"
    }  # fmt: skip


def test_disjunctive_models(net: fx.Function, tmp_path: Path) -> None:
    import pyomo.gdp as gdp

    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), bounds=(-1, 1), initialize=0.2)
    m.y = pyo.Var(bounds=(-9, 9))
    m.on, m.off = gdp.Disjunct(), gdp.Disjunct()
    m.on.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.on.link = pyo.Constraint(expr=m.y == m.on.nn.outputs[0])
    m.off.link = pyo.Constraint(expr=m.y == 0)
    m.choice = gdp.Disjunction(expr=[m.on, m.off])
    m.o = pyo.Objective(expr=m.y)
    m.on.indicator_var.fix(True)
    m.off.indicator_var.fix(False)
    pyo.TransformationFactory("gdp.fix_disjuncts").apply_to(m)
    m.write(str(tmp_path / "model.nl"))
    assert m.on.nn.network.path in (tmp_path / "model.nl").read_text()


def test_the_older_writer(m: pyo.ConcreteModel, tmp_path: Path) -> None:
    m.o = pyo.Objective(expr=m.y)
    Path(m.net.path).unlink(missing_ok=True)
    m.write(str(tmp_path / "model.nl"), format="nl_v1")
    assert m.net.path in (tmp_path / "model.nl").read_text()
    assert Path(m.net.path).exists()


# ---- files


def test_the_file_is_named_by_content_in_a_plain_place(m: pyo.ConcreteModel, tmp_path: Path) -> None:
    assert Path(m.net.path).parent == cache_directory()
    assert m.net.path.isascii()
    assert " " not in m.net.path
    same, other = fxp.ExternalNetwork(network(3, 2)), fxp.ExternalNetwork(network(3, 2, seed=3))
    assert same.path == m.net.path != other.path


def test_a_missing_file_is_written_again(m: pyo.ConcreteModel, net: fx.Function, tmp_path: Path) -> None:
    m.c = pyo.Constraint(expr=m.y >= 0)
    m.o = pyo.Objective(expr=m.x[0])
    m.write(str(tmp_path / "model.nl"))
    for model in (m, m.clone(), pickle.loads(pickle.dumps(m))):
        Path(m.net.path).unlink()
        model.write(str(tmp_path / "model.nl"))
        assert fx.load(m.net.path)(X) == pytest.approx(net(X), rel=1e-15)


def test_a_damaged_file_is_written_again(m: pyo.ConcreteModel, net: fx.Function, tmp_path: Path) -> None:
    m.o = pyo.Objective(expr=m.y)
    m.write(str(tmp_path / "model.nl"))
    file = Path(m.net.path)
    file.write_bytes(file.read_bytes()[:100])
    m.write(str(tmp_path / "model.nl"))
    assert fx.load(file)(X) == pytest.approx(net(X), rel=1e-15)


def test_a_path_of_the_user_s_own(net: fx.Function, tmp_path: Path) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3))
    m.net = fxp.ExternalNetwork(net, path=tmp_path / "kept.fx")
    m.o = pyo.Objective(expr=m.net(m.x)[0])
    m.write(str(tmp_path / "model.nl"))
    assert str(tmp_path / "kept.fx") in (tmp_path / "model.nl").read_text()
    assert fx.load(tmp_path / "kept.fx")(X) == pytest.approx(net(X), rel=1e-15)
    m.net.update(network(3, 2, seed=4))
    assert fx.load(tmp_path / "kept.fx")(X) == pytest.approx(net(X), rel=1e-15)  # clones still read it
    with pytest.raises(FileError, match="without blanks"):
        fxp.ExternalNetwork(net, path=tmp_path / "two words.fx")
    with pytest.raises(FileError, match="ASCII"):
        fxp.ExternalNetwork(net, path=tmp_path / "größe.fx")


def test_a_vanished_path_of_the_user_s_own_that_cannot_be_written_again(net: fx.Function, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3))
    m.net = fxp.ExternalNetwork(net, path=folder / "net.fx")
    m.o = pyo.Objective(expr=m.net(m.x)[0])
    shutil.rmtree(folder)
    folder.write_text("now a file")
    with pytest.raises(FileError, match="is gone and cannot be written again"):
        m.write(str(tmp_path / "model.nl"))


def test_on_another_machine_the_file_moves_to_its_cache_folder(
    m: pyo.ConcreteModel, net: fx.Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of before cannot be made there: the library finds the file by its name."""
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path / "before"))
    m.moving = fxp.ExternalNetwork(network(3, 2, seed=11))
    y = m.moving(m.x)[0]
    shutil.rmtree(tmp_path / "before")
    (tmp_path / "before").write_text("no folder can be made here")
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path / "here"))
    expected = network(3, 2, seed=11)(X)[0]
    function, arguments = y.expr._fcn, [pyo.value(argument) for argument in y.expr.args]
    value, _, _ = AMPLExternalFunction._evaluate(function, arguments, None, 0)
    assert value == pytest.approx(expected, rel=1e-14)
    assert (tmp_path / "here" / Path(m.moving.path).name).exists()


def test_a_cache_folder_with_a_blank_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTEXPR_CACHE_DIR", str(tmp_path / "two words"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "plain"))
    assert cache_directory() == tmp_path / "plain" / "fastexpr"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "größe"))
    monkeypatch.setenv("HOME", str(tmp_path / "a home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_directory() == tmp_path / f"fastexpr-{os.getuid()}"


def test_a_package_in_a_path_with_a_blank(tmp_path: Path) -> None:
    """The library is copied to a plain place, with what it needs; a solver's process loads it from there."""
    package = tmp_path / "a folder with blanks" / "fastexpr"
    shutil.copytree(
        ROOT / "fastexpr" if (ROOT / "fastexpr" / "__init__.py").exists() else Path(fx.__file__).parent, package
    )
    script = (
        "import fastexpr as fx, fastexpr.pyomo as fxp, numpy as np, pyomo.environ as pyo, pickle, sys\n"
        f"assert {str(package)!r} in fx.__file__\n"
        "from fastexpr.pyomo.files import library_path\n"
        "from pyomo.core.base.external import AMPLExternalFunction\n"
        "path = library_path()\n"
        "assert ' ' not in path and path.isascii()\n"
        "x = fx.variables(2)\n"
        "m = pyo.ConcreteModel()\n"
        "m.x = pyo.Var([0, 1], initialize=0.5)\n"
        "m.net = fxp.ExternalNetwork(fx.Function(x, np.tanh(x[0]) + x[1]))\n"
        "call = m.net(m.x)[0].expr\n"
        "arguments = [pyo.value(argument) for argument in call.args]\n"
        "value, _, _ = AMPLExternalFunction._evaluate(call._fcn, arguments, None, 0)\n"
        "assert abs(value - np.tanh(0.5) - 0.5) < 1e-15\n"
        "assert call._fcn._library == path == call._fcn._so._name\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "FASTEXPR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_missing_library(monkeypatch: pytest.MonkeyPatch, net: fx.Function, tmp_path: Path) -> None:
    monkeypatch.setattr("fastexpr.pyomo.files._PACKAGE", tmp_path)
    with pytest.raises(FileError, match=r"The AMPL library is missing.*pip install"):
        fxp.ExternalNetwork(net)


# ---- the rest


def test_of_wide_networks_one_is_warned_when_an_ampl_solver_gets_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(function, "_has_warned", False)
    x = fx.variables(201)
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(fx.Function(x, np.tanh(x).sum()))
    m.o = pyo.Objective(expr=m.nn.outputs[0])
    assert pyo.value(m.nn.network.calls[0, "y"]) == 0.0  # no solver is asked: a warning would be an error here
    with pytest.warns(UserWarning, match=r"201 inputs.*SolverFactory\('fastexpr'\)"):
        m.write(str(tmp_path / "model.nl"))
    m.write(str(tmp_path / "model.nl"))


def test_names_the_interface_cannot_transport(net: fx.Function, tmp_path: Path) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), initialize=0.0)
    m.add_component("größe mit Leerzeichen", fxp.NetworkBlock(net, inputs=m.x))
    m.add_component("n" * 300, fxp.NetworkBlock(net, inputs=m.x))
    m.o = pyo.Objective(expr=m.x[0])
    m.write(str(tmp_path / "model.nl"))
    strings = [line for line in (tmp_path / "model.nl").read_text().splitlines() if line.startswith("h")]
    instances = {line.partition(":")[2] for line in strings} - {"0", "1", m.component("n" * 300).network.path}
    assert len(instances) == 2
    for instance in instances:
        assert external.plain_name(instance) == instance


def test_a_solver_that_is_not_installed() -> None:
    with pytest.raises(NotFoundError, match=r"pip install pounce-solver pyomo-pounce"):
        fxp.find_solver("ipopt-that-nobody-has")


def test_importing_fastexpr_does_not_import_pyomo() -> None:
    script = "import sys, fastexpr; sys.exit(any(name.startswith('pyomo') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_library_s_path_is_found_by_pyomo() -> None:
    from pyomo.common.fileutils import find_library

    assert find_library(library_path()) == library_path()
