"""What a network in a Pyomo model can be applied to, and what it refuses."""

from __future__ import annotations

import numpy as np
import pyomo.dae as dae
import pyomo.environ as pyo
import pytest
from networks import network

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError, NotFoundError, ShapeError

X = [0.1, -0.2, 0.3]


@pytest.fixture(scope="module")
def net() -> fx.Function:
    return network(3, 2).with_names(inputs=["T", "p", "flow"], outputs=["CO2", "H2"])


@pytest.fixture
def m(net: fx.Function) -> pyo.ConcreteModel:
    model = pyo.ConcreteModel()
    model.net = fxp.ExternalNetwork(net)
    model.I = pyo.Set(initialize=[30, 10, 20])
    model.x = pyo.Var(model.I, initialize=dict(zip([30, 10, 20], X, strict=True)))
    model.named = pyo.Var(["flow", "T", "p"], initialize=dict(zip(["T", "p", "flow"], X, strict=True)))
    model.t = pyo.Set(initialize=[1, 2])
    model.at = pyo.Var(model.I, model.t, initialize=lambda _, i, t: X[[30, 10, 20].index(i)] * t)
    model.named_at = pyo.Var(model.named.index_set(), model.t, initialize=lambda b, i, t: b.named[i].value * t)
    return model


def values(outputs: fxp.NetworkOutputs) -> list[float]:
    return [pyo.value(output) for output in outputs]


def check(m: pyo.ConcreteModel, net: fx.Function, *args: object, x: list[float] = X) -> None:
    np.testing.assert_allclose(values(m.net(*args)), net(np.array(x)), rtol=1e-14)


def test_an_indexed_var_in_the_order_of_its_set(m: pyo.ConcreteModel, net: fx.Function) -> None:
    check(m, net, m.x)


def test_strings_are_matched_to_the_input_names(m: pyo.ConcreteModel, net: fx.Function) -> None:
    check(m, net, m.named)


def test_slices(m: pyo.ConcreteModel, net: fx.Function) -> None:
    check(m, net, m.x[:])
    check(m, net, m.at[:, 1])
    check(m, net, m.at[:, 2], x=[2 * number for number in X])
    check(m, net, m.named_at[:, 2], x=[2 * number for number in X])


def test_references(m: pyo.ConcreteModel, net: fx.Function) -> None:
    m.r_slice = pyo.Reference(m.at[:, 1])
    m.r_named = pyo.Reference(m.named_at[:, 1])
    m.r_list = pyo.Reference([m.x[30], m.x[10], m.x[20]])
    m.r_dict = pyo.Reference({"p": m.x[10], "T": m.x[30], "flow": m.x[20]})
    m.r_numbered = pyo.Reference({5: m.x[30], 3: m.x[10], 4: m.x[20]})
    for reference in (m.r_slice, m.r_named, m.r_list, m.r_dict, m.r_numbered):
        check(m, net, reference)


def test_slices_through_blocks(m: pyo.ConcreteModel, net: fx.Function) -> None:
    @m.Block(m.I)
    def unit(b: pyo.Block, i: int) -> None:
        b.z = pyo.Var(initialize=X[[30, 10, 20].index(i)])

    check(m, net, m.unit[:].z)
    m.r = pyo.Reference(m.unit[:].z)
    check(m, net, m.r)


def test_expressions_params_and_numbers(m: pyo.ConcreteModel, net: fx.Function) -> None:
    m.e = pyo.Expression(m.I, rule=lambda b, i: b.x[i] + 0)
    m.fixed = pyo.Param(m.I, initialize=dict(zip([30, 10, 20], X, strict=True)))
    m.mutable = pyo.Param(m.I, initialize=dict(zip([30, 10, 20], X, strict=True)), mutable=True)
    for component in (m.e, m.fixed, m.mutable):
        check(m, net, component)
    check(m, net, m.x[30], m.x[10] * 1.0, 0.3)
    check(m, net, [0.1, np.float64(-0.2), m.x[20]])
    check(m, net, np.array(X))


def test_sequences_and_arrays(m: pyo.ConcreteModel, net: fx.Function) -> None:
    check(m, net, list(m.x.values()))
    check(m, net, tuple(m.x.values()))
    check(m, net, (variable for variable in m.x.values()))
    check(m, net, np.array([[m.x[30], m.x[10], m.x[20]]], dtype=object))
    check(m, net, m.x[30], [m.x[10], m.x[20]])
    check(m, net, m.x[30], m.x[10], m.x[20])


def test_dicts(m: pyo.ConcreteModel, net: fx.Function) -> None:
    check(m, net, {"flow": m.x[20], "T": m.x[30], "p": -0.2})
    check(m, net, {1: m.x[10], 0: m.x[30], 2: m.x[20]})


def test_tuples_are_taken_in_set_order(m: pyo.ConcreteModel, net: fx.Function) -> None:
    m.pairs = pyo.Var([("b", 2), ("a", 1), ("c", 0)], initialize={("b", 2): 0.1, ("a", 1): -0.2, ("c", 0): 0.3})
    check(m, net, m.pairs)


def test_a_dict_by_port() -> None:
    x = fx.variables(3)
    net = fx.Function(x, x[0] + 10 * x[1] + 100 * x[2])
    port = next(iter(net.inputs))
    model = pyo.ConcreteModel()
    model.x = pyo.Var([0, 1, 2], initialize={0: 1, 1: 2, 2: 3})
    model.net = fxp.ExternalNetwork(net)
    assert values(model.net({port: model.x})) == [321]
    with pytest.raises(ShapeError, match=r"wrong size of input .*got 2, expected 3"):
        model.net({port: [model.x[0], model.x[1]]})


def test_the_same_arguments_give_the_same_expressions(m: pyo.ConcreteModel) -> None:
    first = m.net(m.x)
    assert list(m.net(m.x[30], m.x[10], m.x[20])) == list(first)
    assert m.net(m.x)[0] is first["CO2"]
    assert m.net(list(m.x.values()))[-1] is first["H2"]
    assert m.net(m.x[10], m.x[30], m.x[20])[0] is not first[0]
    assert m.net(0.1, 0.2, m.x[20])[0] is m.net(0.1, 0.2, m.x[20])[0]
    assert m.net(0.1, 0.2, m.x[20])[0] is not m.net(0.1, 0.3, m.x[20])[0]


def test_outputs_by_position_and_name(m: pyo.ConcreteModel) -> None:
    y = m.net(m.x)
    assert len(y) == 2
    assert y.names == ("CO2", "H2")
    assert y[0] is y["CO2"]
    assert y[-1] is y[np.int64(1)] is y["H2"]
    assert y[:1] == (y[0],)
    assert dict(y.items())["H2"] is y[1]
    for key in ("CO", 2, -3, 1.0):
        with pytest.raises(NotFoundError, match="There is no output"):
            y[key]


def test_a_wrong_number_of_inputs_is_refused(m: pyo.ConcreteModel) -> None:
    with pytest.raises(ShapeError, match=r"\[ExternalNetwork 'net'\].*got 2, expected 3: T, p, flow"):
        m.net(m.x[30], m.x[10])
    with pytest.raises(ShapeError, match="got 4, expected 3"):
        m.net(m.x, m.x[30])


def test_names_that_do_not_match_are_refused(m: pyo.ConcreteModel) -> None:
    m.other = pyo.Var(["T", "p", "flux"])
    with pytest.raises(ModelError, match=r"do not match.*missing 'flow', unexpected 'flux'.*with_names"):
        m.net(m.other)
    with pytest.raises(ModelError, match="do not match"):
        m.net({"T": 1, "p": 2})
    with pytest.raises(ModelError, match="names inside a list"):
        m.net([m.named])


def test_sets_without_order_are_refused(m: pyo.ConcreteModel) -> None:
    m.U = pyo.Set(initialize=[3, 1, 2], ordered=False)
    m.u = pyo.Var(m.U)
    m.ut = pyo.Var(m.U, m.t)
    with pytest.raises(ModelError, match="indexed by the set 'U', which has no order"):
        m.net(m.u)
    with pytest.raises(ModelError, match="indexed by the set 'U', which has no order"):
        m.net(m.ut[:, 1])
    m.S = pyo.Set(initialize=["flow", "T", "p"], ordered=False)
    m.s = pyo.Var(m.S, initialize=0.5)
    assert len(m.net(m.s)) == 2  # matched by name: order does not matter


def test_a_continuous_set_is_refused_before_its_discretisation(m: pyo.ConcreteModel, net: fx.Function) -> None:
    m.time = dae.ContinuousSet(bounds=(0, 1))
    m.z = pyo.Var(m.time, initialize=0.1)
    m.zi = pyo.Var(m.I, m.time, initialize=0.1)
    for argument in (m.z, m.z[:], pyo.Reference(m.z[:]), m.zi[30, :]):
        with pytest.raises(ModelError, match=r"continuous set 'time'.*m\.x\[:, t\].*after the discretisation"):
            m.net(argument)
    check(m, net, m.zi[:, 0], x=[0.1, 0.1, 0.1])
    pyo.TransformationFactory("dae.finite_difference").apply_to(m, nfe=2)
    check(m, net, m.z, x=[0.1, 0.1, 0.1])


@pytest.mark.parametrize("argument", [None, "T", b"T", object()])
def test_what_is_no_number_is_refused(m: pyo.ConcreteModel, argument: object) -> None:
    with pytest.raises(ModelError, match=r"expected a Var, an expression or a number|cannot take inputs from"):
        m.net(argument, 1.0, 2.0)


def test_an_abstract_component_is_refused_before_its_construction(net: fx.Function) -> None:
    model = pyo.AbstractModel()
    model.x = pyo.Var([1, 2, 3])
    model.net = fxp.ExternalNetwork(net)
    with pytest.raises(ModelError, match="inside a rule"):
        model.net(model.x)


@pytest.mark.parametrize("kind", [fxp.ExternalNetwork, lambda path: fxp.NetworkBlock(network=path)])
def test_a_path_is_no_network(kind):
    with pytest.raises(TypeError, match=r"takes a fastexpr.Function: got str 'net.onnx'. .* fastexpr.load_onnx"):
        kind("net.onnx")
