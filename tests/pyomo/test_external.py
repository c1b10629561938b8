"""ExternalNetwork: values and derivatives in Python, units, copies and updates."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyomo.dae as dae
import pyomo.environ as pyo
import pytest
from networks import model_with_external_network, network
from pyomo.core.base.external import AMPLExternalFunction
from pyomo.util.check_units import assert_units_consistent

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import EvaluationError, ModelError, NotFoundError, ShapeError

X = np.array([0.1, -0.2, 0.3])


@pytest.fixture(scope="module")
def net() -> fx.Function:
    return network(3, 2)


@pytest.fixture
def m(net: fx.Function) -> pyo.ConcreteModel:
    return model_with_external_network(net, X)


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


def test_references_across_blocks(net: fx.Function) -> None:
    m = pyo.ConcreteModel()
    m.t = pyo.RangeSet(3)
    m.nn = fxp.NetworkBlock(m.t, network=net)
    m.by_name = pyo.Reference(m.nn[:].outputs["y[0]"])
    m.by_position = pyo.Reference(m.nn[:].outputs[0])
    for t in m.t:
        assert m.by_name[t] is m.by_position[t] is m.nn[t].outputs["y[0]"]


def test_the_older_writer(m: pyo.ConcreteModel, tmp_path: Path) -> None:
    m.o = pyo.Objective(expr=m.y)
    Path(m.net.path).unlink(missing_ok=True)
    m.write(str(tmp_path / "model.nl"), format="nl_v1")
    assert m.net.path in (tmp_path / "model.nl").read_text()
    assert Path(m.net.path).exists()
