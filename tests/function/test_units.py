"""Units that a function carries: texts, kept with it everywhere, and given to variables of Pyomo models."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import formulated
import numpy as np
import pandas as pd
import pyomo.environ as pyo
import pytest
from pyomo import mpec
from pyomo.util.check_units import assert_units_consistent

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError, ShapeError


def unitless() -> fx.Function:
    x = fx.variables(2)
    return fx.Function(x, [x[0] * x[1], x[0] + x[1], x[1]]).with_names(inputs=["T", "p"], outputs=["u", "v", "w"])


def net() -> fx.Function:
    return unitless().with_units(inputs=["K", "bar"], outputs={"u": "K*bar", "w": pyo.units.kg / pyo.units.s})


INPUTS, OUTPUTS = ("K", "bar"), ("K*bar", None, "kg/s")


def saved(function: fx.Function, folder: Path) -> fx.Function:
    function.save(folder / "net.fx")
    return fx.load(folder / "net.fx")


def exported(function: fx.Function, folder: Path) -> fx.Function:
    function.to_onnx(folder / "net.onnx")
    return fx.load_onnx(folder / "net.onnx")


KEPT: dict[str, Callable[[fx.Function, Path], fx.Function]] = {
    "itself": lambda f, _: f,
    "names": lambda f, _: f.with_names(inputs=["a", "b"]),
    "bounds": lambda f, _: f.with_bounds(0.0, 1.0),
    "scaled": lambda f, _: f.scaled(2.0, 3.0),
    "saved": saved,
    "pickled": lambda f, _: pickle.loads(pickle.dumps(f)),
    "ONNX": exported,
    "chain": lambda f, _: fx.chain(f, fx.Function(x := fx.variables(3), 2 * x).with_units(outputs=OUTPUTS)),
}


@pytest.mark.parametrize("how", KEPT)
def test_units_are_kept(how: str, tmp_path: Path) -> None:
    other = KEPT[how](net(), tmp_path)
    assert (other.input_units, other.output_units) == (INPUTS, OUTPUTS)
    assert (unitless().input_units, unitless().output_units) == (None, None)


def test_units_of_parts() -> None:
    assert net().with_fixed({"T": 300.0}).input_units == ("bar",)
    assert net().select(["w", "u"]).output_units == ("kg/s", "K*bar")
    assert fx.ensemble([net(), net()]).input_units == INPUTS
    assert net().with_units(inputs={"p": "Pa"}).input_units == (None, "Pa")
    assert net().with_units(inputs="").input_units is None
    assert net().with_units(outputs="W").output_units == ("W", "W", "W")
    assert net().with_units(inputs=pd.Series({"p": "Pa", "T": "K"})).input_units == ("K", "Pa")


@pytest.mark.parametrize(
    ("units", "error", "message"),
    [
        (["K"], ShapeError, "got 1 units, expected one, or one for each of 2 inputs"),
        ({"t": "K"}, ShapeError, "inputs: unexpected 't'"),
        (5.0, TypeError, "got the number 5.0, expected units"),
        (["K", 5], TypeError, "got the number 5, expected units"),
    ],
)
def test_what_is_no_unit(units: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"\[Function\] with_units: .*{message}"):
        net().with_units(inputs=units)


def test_pyomo_takes_them() -> None:
    u = pyo.units
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net())
    assert [str(u.get_units(variable)) for variable in m.nn.inputs.values()] == ["K", "bar"]
    assert str(u.get_units(m.nn.outputs["w"])) == "kg/s"
    m.T, m.p = pyo.Var(units=u.K, initialize=300.0), pyo.Var(units=u.bar, initialize=1.0)
    m.net = fxp.ExternalNetwork(net())
    m.limit = pyo.Constraint(expr=m.net(m.T, m.p)["w"] <= 3.0 * u.kg / u.s)
    assert_units_consistent(m)
    m.wrong = pyo.Constraint(expr=m.net(m.p, m.p)["w"] <= 3.0 * u.kg / u.s)
    with pytest.raises(Exception, match="kelvin not compatible with bar"):
        assert_units_consistent(m)
    m.other = fxp.NetworkBlock(net(), input_units={"T": "mK"}, output_units="W")  # what is said here counts
    assert str(u.get_units(m.other.inputs["T"])) == "mK"
    assert np.isclose(m.other.outputs["u"].value, 0.0)


@pytest.mark.parametrize("make", [fxp.NetworkBlock, fxp.ExternalNetwork])
@pytest.mark.parametrize("keyword", ["units", "arg_units", "inputs_units"])
def test_other_names_for_the_keyword(make: Any, keyword: str) -> None:
    with pytest.raises(ModelError, match=rf"got {keyword}=, expected input_units= and output_units=.*with_units"):
        make(net(), **{keyword: "K"})


def test_a_wrong_number_of_units_makes_no_function() -> None:
    f = net()
    for keyword, size in (("input_units", 2), ("output_units", 3)):
        with pytest.raises(ShapeError, match=f"wrong number of {keyword.replace('_', ' ')}: got 1, expected {size}"):
            fx.Function._from_nodes(
                2, f._nodes(), f._output_ids(), f.inputs.items(), f.outputs.items(), f.input_names, f.output_names,
                **{keyword: ["K"]},
            )  # fmt: skip


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    "formulation",
    ["external", "bigm", "epigraph", "partition", "full-space", "reduced-space", "sos1", "complementarity"],
)
def test_every_formulation_has_consistent_units(formulation: str, given: bool) -> None:
    net = formulated.relu_network((3, 5, 2), 1).with_bounds(-1, 1)
    net = net.with_units(inputs=["K", "m", None], outputs=["kg", None])
    m, settings = pyo.ConcreteModel(), {}
    if given:
        m.a, m.b = pyo.Var(bounds=(-1, 1), units=pyo.units.K), pyo.Var(bounds=(-0.5, 0.5), units=pyo.units.m)
        m.c, m.y, m.z = pyo.Var(bounds=(-1, 1)), pyo.Var(units=pyo.units.kg), pyo.Var()
        settings = {"inputs": [m.a, 2 * m.b, m.c], "outputs": [m.y, m.z]}
    m.nn = fxp.NetworkBlock(net, formulation=formulation, relax=True, **settings)
    m.is_first = fxp.ClassifiedAs(m.nn, 0)
    others = (pyo.SOSConstraint, mpec.Complementarity)  # of which Pyomo's check knows nothing, and says so
    for component in list(m.component_objects(others)):
        component.parent_block().del_component(component)
    assert_units_consistent(m)


def test_solutions_are_the_same_with_units() -> None:
    found = []
    for units in ({}, {"inputs": ["K", "m", None], "outputs": ["kg", None]}):
        net = formulated.relu_network((3, 6, 2), 1).with_bounds(-1, 1).with_units(**units)
        for formulation in ("bigm", "full-space", "partition"):
            m = pyo.ConcreteModel()
            m.nn = fxp.NetworkBlock(net, formulation=formulation)
            m.cost = pyo.Objective(expr=m.nn.outputs[1])
            pyo.SolverFactory("appsi_highs").solve(m)
            found.append(pyo.value(m.cost))
    assert found == pytest.approx([found[0]] * 6, abs=1e-6)
