"""Pyomo models that are no nonlinear program: what is in the way is named, and what is not does not matter."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyomo.dae as dae
import pyomo.environ as pyo
import pyomo.kernel as pmo
import pytest
from compiled_models import INF, small_model
from networks import network
from pyomo.contrib.pynumero.interfaces.external_grey_box import ExternalGreyBoxBlock
from pyomo.gdp import Disjunct, Disjunction
from pyomo.mpec import Complementarity, complements
from pyomo.network import Arc, Port

import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError
from fastexpr.pyomo.compile.compiled import compile_model


def test_harmless_components_do_not_matter() -> None:
    m = small_model()
    m.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    m.port = Port(initialize=[m.y])
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.flag = pyo.BooleanVar()
    m.integer = pyo.Var(within=pyo.Integers)
    m.check = pyo.BuildCheck(rule=lambda m: True)
    m.set = pyo.Set(initialize=[1, 2])
    assert compile_model(m).nlp.n == 4


def unsupported(kind: str) -> Any:
    m = small_model()
    if kind == "SOSConstraint":
        m.part = pyo.SOSConstraint(var=m.x, sos=1)
    elif kind == "Disjunction":
        m.left, m.right = Disjunct(), Disjunct()
        m.part = Disjunction(expr=[m.left, m.right])
    elif kind == "Disjunct":
        m.part = Disjunct()
    elif kind == "LogicalConstraint":
        m.flag = pyo.BooleanVar()
        m.part = pyo.LogicalConstraint(expr=m.flag)
    elif kind == "Complementarity":
        m.part = Complementarity(expr=complements(m.x[0] >= 0, m.y >= 0))
    elif kind == "ExternalGreyBoxBlock":
        m.part = ExternalGreyBoxBlock()
    elif kind == "Arc":
        m.one, m.two = Port(), Port()
        m.part = Arc(source=m.one, destination=m.two)
    return m


@pytest.mark.parametrize(
    "kind",
    ["SOSConstraint", "Disjunction", "Disjunct", "LogicalConstraint", "Complementarity", "ExternalGreyBoxBlock", "Arc"],
)
def test_components_that_are_no_part_of_a_nonlinear_program_are_named(kind: str) -> None:
    m = unsupported(kind)
    with pytest.raises(ModelError, match=rf"\[Model 'small'\] has active components that are no part.*{kind} 'part'"):
        compile_model(m)
    for component in m.component_objects(active=True, descend_into=False):
        if component.local_name in ("part", "left", "right"):
            component.deactivate()
    assert compile_model(m).nlp.n == 4


def test_discrete_variables_are_named_unless_they_are_fixed() -> None:
    m = small_model()
    m.i = pyo.Var(within=pyo.Integers, initialize=1)
    m.b = pyo.Var([1, 2], within=pyo.Binary, initialize=0)
    m.mixed = pyo.Constraint(expr=m.i + m.b[1] + m.b[2] * m.x[0] <= 2)
    m.b[1].fix()
    with pytest.raises(ModelError, match=r"not continuous: Var 'i', Var 'b\[2\]'\. What to do"):
        compile_model(m)
    m.i.fix()
    m.b.fix()
    assert compile_model(m).nlp.n == 4


def test_several_objectives_are_named() -> None:
    m = small_model()
    m.other = pyo.Objective(expr=m.y)
    with pytest.raises(ModelError, match="several active objectives: Objective 'goal', Objective 'other'"):
        compile_model(m)


def test_many_names_are_cut_short() -> None:
    m = pyo.ConcreteModel()
    m.b = pyo.Var(range(30), within=pyo.Binary)
    m.goal = pyo.Objective(expr=sum(m.b.values()))
    with pytest.raises(ModelError, match=r"Var 'b\[9\]' and 20 more"):
        compile_model(m)


def deactivated() -> Any:
    m = small_model()
    m.deactivate()
    return m


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: pyo.AbstractModel(), "is abstract"),
        (lambda: small_model().x, "got an object of class IndexedVar"),
        (lambda: pmo.block(), "got an object of class block"),
        (deactivated, "is deactivated"),
    ],
)
def test_what_is_no_model_is_refused(model: Callable[[], Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        compile_model(model())


def test_derivatives_that_nothing_ties_to_their_states_are_refused() -> None:
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.z = pyo.Var(m.t, initialize=0.5)
    m.dz = dae.DerivativeVar(m.z, wrt=m.t)
    m.ode = pyo.Constraint(m.t, rule=lambda m, t: m.dz[t] == 1 - m.z[t] ** 2)
    with pytest.raises(ModelError, match=r"derivatives that are not discretized: DerivativeVar 'dz'"):
        compile_model(m)
    for derivative in m.dz.values():
        derivative.fix(0)
    assert compile_model(m).variables == list(m.z.values())


@pytest.mark.parametrize(("lower", "upper"), [(math.nan, 1), (INF, None), (None, -INF)])
def test_bounds_that_make_no_sense_are_refused(lower: Any, upper: Any) -> None:
    m = small_model()
    m.x[1].bounds = lower, upper
    with pytest.raises(ModelError, match=r"\[Var 'x\[1\]'\] has no sensible (lower|upper) bound: got (nan|-?inf)"):
        compile_model(m)


@pytest.mark.parametrize(("language", "ending"), [("GAMS", "gms"), ("BARON", "bar")])
def test_files_that_cannot_hold_a_network(language: str, ending: str, tmp_path: Path) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), initialize=0.1)
    m.net = fxp.ExternalNetwork(network(3, 2))
    m.o = pyo.Objective(expr=m.x[0] + m.net(m.x)[1] ** 2)
    with pytest.raises(ModelError, match=f"a {language} file cannot hold a network"):
        m.write(str(tmp_path / f"model.{ending}"))
    m.o.set_value(m.x[0] + pyo.log(m.x[1] + 1))
    m.write(str(tmp_path / f"model.{ending}"))
    assert "log(" in (tmp_path / f"model.{ending}").read_text()
