"""Pyomo models as nonlinear programs: what becomes a column or a row, what can change afterwards, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.dae as dae
import pyomo.environ as pyo
import pyomo.kernel as pmo
import pytest
from networks import network
from pyomo.contrib.pynumero.interfaces.external_grey_box import ExternalGreyBoxBlock
from pyomo.core.base.external import AMPLExternalFunction
from pyomo.gdp import Disjunct, Disjunction
from pyomo.mpec import Complementarity, complements
from pyomo.network import Arc, Port

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import EvaluationError, ModelError
from fastexpr.pyomo.compiled import CompiledModel, compile_model
from fastexpr.pyomo.files import library_path

INF = math.inf


def small_model() -> Any:
    m = pyo.ConcreteModel("small")
    m.x = pyo.Var([0, 1, 2], bounds=(-1, 2), initialize=lambda m, i: 0.25 * i)
    m.y = pyo.Var(within=pyo.NonNegativeReals)
    m.f = pyo.Var(initialize=1.5)
    m.f.fix()
    m.p = pyo.Param(initialize=2.0, mutable=True)
    m.e = pyo.Expression(expr=m.x[0] * m.x[1])
    m.c = pyo.Constraint([0, 1], rule=lambda m, i: m.e + m.p * m.x[i] <= m.p + i)
    m.d = pyo.Constraint(expr=m.y**2 + m.f * m.x[2] == 1)
    m.goal = pyo.Objective(expr=m.e + pyo.exp(m.y) + m.f)
    return m


def rows_at(compiled: CompiledModel, x: Any) -> list[float]:
    found: list[float] = compiled.nlp.constraints(np.asarray(x, dtype=float)).tolist()
    return found


def assert_values_are_pyomos(compiled: CompiledModel, seed: int = 0) -> None:
    """At a random point near the start, objective and rows are what Pyomo says they are."""
    x = compiled.nlp.start + np.random.default_rng(seed).uniform(0.05, 0.15, compiled.nlp.n)
    for variable, number in zip(compiled.variables, x.tolist(), strict=True):
        variable.set_value(number, skip_validation=True)
    expected = [pyo.value(constraint.body) for constraint in compiled.constraints]
    assert rows_at(compiled, x) == pytest.approx(expected, rel=1e-13)
    if compiled.objective is not None:
        assert compiled.nlp.objective(x) == pytest.approx(compiled.sign * pyo.value(compiled.objective), rel=1e-13)


# ---- columns and rows


def test_a_model_has_the_columns_and_rows_that_pyomo_gives_it() -> None:
    m = small_model()
    compiled = compile_model(m)
    assert compiled.model is m
    assert compiled.objective is m.goal
    assert compiled.variables == [m.x[0], m.x[1], m.y, m.x[2]]
    assert compiled.constraints == [m.c[0], m.c[1], m.d]
    nlp = compiled.nlp
    assert (nlp.n, nlp.m) == (4, 3)
    assert nlp.start.tolist() == [0, 0.25, 0, 0.5]
    assert nlp.lower.tolist() == [-1, -1, 0, -1]
    assert nlp.upper.tolist() == [2, 2, INF, 2]
    assert nlp.constraint_lower.tolist() == [-INF, -INF, 1]
    assert nlp.constraint_upper.tolist() == [2, 3, 1]
    assert [nlp.variable_name(3), nlp.row_name(1)] == ["x[2]", "c[1]"]
    assert_values_are_pyomos(compiled)


def test_a_maximized_objective_is_minimized_with_the_other_sign() -> None:
    m = small_model()
    m.goal.sense = pyo.maximize
    compiled = compile_model(m)
    assert compiled.sign == -1.0
    assert_values_are_pyomos(compiled)


def test_a_model_without_objective_minimizes_zero() -> None:
    m = small_model()
    m.goal.deactivate()
    compiled = compile_model(m)
    assert compiled.objective is None
    assert compiled.nlp.objective(compiled.nlp.start) == 0.0
    assert compiled.nlp.gradient(compiled.nlp.start).tolist() == [0.0] * 4


def test_a_constant_objective_is_one() -> None:
    m = small_model()
    m.goal.set_value(m.p * 3)
    compiled = compile_model(m)
    assert compiled.nlp.objective(compiled.nlp.start) == 6.0


def test_a_model_of_nothing_is_compiled() -> None:
    compiled = compile_model(pyo.ConcreteModel())
    assert (compiled.nlp.n, compiled.nlp.m) == (0, 0)
    assert compiled.nlp.objective(np.zeros(0)) == 0.0


def test_a_variable_with_the_coefficient_zero_is_a_column() -> None:
    m = pyo.ConcreteModel()
    m.x, m.y, m.unused = pyo.Var(), pyo.Var(), pyo.Var()
    m.c = pyo.Constraint(expr=0 * m.x + m.y >= 1)
    assert compile_model(m).variables == [m.x, m.y]


@pytest.mark.parametrize(
    ("bounds", "domain", "value", "expected"),
    [
        ((None, None), pyo.Reals, None, (-INF, INF, 0.0)),
        ((1, 3), pyo.Reals, None, (1, 3, 1.0)),
        ((-3, -1), pyo.Reals, None, (-3, -1, -1.0)),
        ((-3, 3), pyo.NonNegativeReals, None, (0, 3, 0.0)),
        ((-3, 3), pyo.UnitInterval, 0.5, (0, 1, 0.5)),
        ((-INF, INF), pyo.Reals, 7, (-INF, INF, 7.0)),
        ((None, None), pyo.NegativeReals, 7, (-INF, 0, 7.0)),
        ((2, 1), pyo.Reals, None, (2, 1, 2.0)),
    ],
)
def test_a_variable_has_the_bounds_and_start_that_pyomo_gives_it(
    bounds: Any, domain: Any, value: Any, expected: tuple[float, ...]
) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=bounds, within=domain)
    m.x.set_value(value, skip_validation=True)
    m.goal = pyo.Objective(expr=m.x**2)
    nlp = compile_model(m).nlp
    assert (nlp.lower[0], nlp.upper[0], nlp.start[0]) == expected
    assert m.x.bounds == tuple(None if math.isinf(bound) else bound for bound in expected[:2])


def test_bounds_can_be_expressions_of_params() -> None:
    m = small_model()
    m.x[0].setub(m.p / 4)
    compiled = compile_model(m)
    assert compiled.nlp.upper[0] == 0.5
    m.p = 1.0
    compiled.refresh()
    assert compiled.nlp.upper[0] == 0.25


@pytest.mark.parametrize(("lower", "upper"), [(math.nan, 1), (INF, None), (None, -INF)])
def test_bounds_that_make_no_sense_are_refused(lower: Any, upper: Any) -> None:
    m = small_model()
    m.x[1].bounds = lower, upper
    with pytest.raises(ModelError, match=r"\[Var 'x\[1\]'\] has no sensible (lower|upper) bound: got (nan|-?inf)"):
        compile_model(m)


# ---- parts of models


def test_a_block_is_compiled_with_the_variables_and_expressions_of_others() -> None:
    m = small_model()
    m.b = pyo.Block([1, 2])
    for i in (1, 2):
        m.b[i].z = pyo.Var(initialize=0.1)
        m.b[i].c = pyo.Constraint(expr=m.b[i].z * m.x[0] + m.e == m.p)
    m.b[2].goal = pyo.Objective(expr=m.b[2].z ** 2)
    m.goal.deactivate()
    whole, part = compile_model(m), compile_model(m.b[2])
    assert [c.name for c in whole.constraints] == ["c[0]", "c[1]", "d", "b[1].c", "b[2].c"]
    assert part.variables == [m.b[2].z, m.x[0], m.x[1]]
    assert part.constraints == [m.b[2].c]
    assert_values_are_pyomos(part)


def test_what_is_deactivated_is_left_out() -> None:
    m = small_model()
    m.b = pyo.Block()
    m.b.z = pyo.Var()
    m.b.c = pyo.Constraint(expr=m.b.z >= 1)
    m.b.deactivate()
    m.c[0].deactivate()
    compiled = compile_model(m)
    assert compiled.constraints == [m.c[1], m.d]
    assert compiled.variables == [m.x[0], m.x[1], m.y, m.x[2]]


def test_references_count_once() -> None:
    m = small_model()
    m.b = pyo.Block([1, 2], rule=lambda b, i: b.add_component("z", pyo.Var(initialize=i)))
    m.z = pyo.Reference(m.b[:].z)
    m.r = pyo.Constraint([1, 2], rule=lambda m, i: m.z[i] ** 2 >= 0.5)
    m.same = pyo.Reference(m.r)
    compiled = compile_model(m)
    assert [c.name for c in compiled.constraints] == ["c[0]", "c[1]", "d", "r[1]", "r[2]"]
    assert compiled.variables[-2:] == [m.b[1].z, m.b[2].z]


def test_discretized_dynamics_are_algebra() -> None:
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.z = pyo.Var(m.t, initialize=0.5)
    m.dz = dae.DerivativeVar(m.z, wrt=m.t)
    m.ode = pyo.Constraint(m.t, rule=lambda m, t: m.dz[t] == -(m.z[t] ** 2))
    m.area = dae.Integral(m.t, wrt=m.t, rule=lambda m, t: m.z[t] ** 2)
    m.goal = pyo.Objective(expr=m.area)
    pyo.TransformationFactory("dae.collocation").apply_to(m, nfe=3, ncp=2)
    compiled = compile_model(m)
    assert (compiled.nlp.n, compiled.nlp.m) == (14, 13)
    assert_values_are_pyomos(compiled)


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


# ---- constraints in which nothing varies


def test_a_constraint_without_variables_has_limits_where_it_is_broken() -> None:
    m = small_model()
    m.fixed = pyo.Constraint(expr=m.f * m.p == 3)
    m.literal = pyo.Constraint(rule=pyo.Constraint.Feasible)
    m.undefined = pyo.Constraint(expr=pyo.log(m.f - 2) * 2 >= 1)
    compiled = compile_model(m)

    def limits() -> list[tuple[float, float]]:
        pairs = zip(compiled.nlp.constraint_lower.tolist(), compiled.nlp.constraint_upper.tolist(), strict=True)
        return list(pairs)[-3:]

    assert compiled.constraints[-3:] == [m.fixed, m.literal, m.undefined]
    assert limits() == [(-INF, INF), (-INF, INF), (1, INF)]
    m.p = 2.5
    m.f.fix(8)
    compiled.refresh()
    assert limits() == [(3, 3), (-INF, INF), (-INF, INF)]


# ---- what can change without compiling again


def test_values_bounds_starts_and_limits_are_read_again() -> None:
    m = small_model()
    compiled = compile_model(m)
    x = compiled.nlp.start
    before = [compiled.nlp.objective(x), *rows_at(compiled, x)]
    m.p = 5.0
    m.f.fix(-2.0)
    m.x[0].setlb(-7)
    m.y.value = 0.5
    m.x[1].value = None
    assert compiled.is_current()
    compiled.refresh()
    nlp = compiled.nlp
    assert before != [nlp.objective(x), *rows_at(compiled, x)]
    assert nlp.start.tolist() == [0, 0, 0.5, 0.5]
    assert nlp.lower.tolist() == [-7, -1, 0, -1]
    m.k = pyo.Param(initialize=4.0, mutable=True)
    m.d.set_value(m.y**2 <= m.k)
    again = compile_model(m)
    assert again.nlp.constraint_upper[2] == 4
    m.k = 9.0
    again.refresh()
    assert again.nlp.constraint_upper[2] == 9
    assert_values_are_pyomos(again)


@pytest.mark.parametrize("seed", range(3))
def test_a_program_that_was_refreshed_is_the_one_that_is_compiled_anew(seed: int) -> None:
    random = np.random.default_rng(seed)
    m = small_model()
    compiled = compile_model(m)
    m.p, m.x[0].ub = random.uniform(1, 2), random.uniform(1, 2)
    m.f.fix(random.uniform(1, 2))
    m.y.value = random.uniform(1, 2)
    compiled.refresh()
    anew = compile_model(m)
    for name in ("start", "lower", "upper", "constraint_lower", "constraint_upper"):
        assert getattr(compiled.nlp, name).tolist() == getattr(anew.nlp, name).tolist()
    x = random.uniform(0, 1, 4)
    assert rows_at(compiled, x) == rows_at(anew, x)
    assert compiled.nlp.objective(x) == anew.nlp.objective(x)
    assert compiled.nlp.jacobian(x).tolist() == anew.nlp.jacobian(x).tolist()


def test_a_missing_value_is_found_when_it_is_read_again() -> None:
    m = small_model()
    compiled = compile_model(m)
    m.f.value = None
    with pytest.raises(ModelError, match=r"\[Var 'f'\] the value is no real number: got f"):
        compiled.refresh()


def add_constraint(m: Any) -> None:
    m.new = pyo.Constraint(expr=m.y >= 1)


def add_objective(m: Any) -> None:
    m.other = pyo.Objective(expr=m.y)


def add_disjunct(m: Any) -> None:
    m.new = Disjunct()


def exchange_constraints(m: Any) -> None:
    m.c[0].deactivate()
    add_constraint(m)


CHANGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a new constraint": (add_constraint, "check_for_new_or_removed_constraints"),
    "a constraint less": (lambda m: m.c[0].deactivate(), "check_for_new_or_removed_constraints"),
    "another constraint": (exchange_constraints, "check_for_new_or_removed_constraints"),
    "an unsupported component": (add_disjunct, "check_for_new_or_removed_constraints"),
    "a constraint's expression": (lambda m: m.d.set_value(m.y == 1), "update_constraints"),
    "a named expression": (lambda m: m.e.set_value(m.x[0]), "update_named_expressions"),
    "a variable fixed": (lambda m: m.y.fix(1), "update_vars"),
    "a variable freed": (lambda m: m.f.unfix(), "update_vars"),
    "a domain": (lambda m: setattr(m.y, "domain", pyo.Integers), "update_vars"),
    "a new objective": (add_objective, "check_for_new_objective"),
    "no objective": (lambda m: m.goal.deactivate(), "check_for_new_objective"),
    "the objective's sense": (lambda m: m.goal.set_sense(pyo.maximize), "update_objective"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_structure_is_noticed_unless_it_need_not_be_looked_at(change: str) -> None:
    make, flag = CHANGES[change]
    m = small_model()
    compiled = compile_model(m)
    assert compiled.is_current()
    make(m)
    assert not compiled.is_current()
    assert compiled.is_current(**{flag: False})


def test_another_expression_of_the_objective_is_noticed() -> None:
    m = small_model()
    compiled = compile_model(m)
    m.goal.set_value(m.y)
    assert not compiled.is_current()
    assert not compiled.is_current(update_named_expressions=False)
    assert compiled.is_current(update_named_expressions=False, update_objective=False)


def test_all_of_pyomos_switches_are_known() -> None:
    from pyomo.contrib.solver.common.config import AutoUpdateConfig

    assert compile_model(small_model()).is_current(**AutoUpdateConfig().value())


# ---- networks


def test_a_networks_outputs_are_evaluated_by_the_network() -> None:
    net = network(3, 2)
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1, 2], initialize=0.3)
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.net = fxp.ExternalNetwork(net)
    first, second = m.net([m.x[0] * 2, m.x[1], 0.5])
    m.c = pyo.Constraint(expr=first * second <= m.nn.outputs[0])
    m.goal = pyo.Objective(expr=first**2 + m.nn.outputs[1])
    compiled = compile_model(m)
    assert compiled.nlp.n == 5
    assert_values_are_pyomos(compiled)


def test_a_network_belongs_to_the_parent_of_the_block_that_is_solved() -> None:
    m = pyo.ConcreteModel()
    m.net = fxp.ExternalNetwork(network(2, 1))
    m.b = pyo.Block()
    m.b.x = pyo.Var([0, 1], initialize=0.3)
    m.b.goal = pyo.Objective(expr=m.net(m.b.x)[0])
    assert_values_are_pyomos(compile_model(m.b))


def test_a_network_that_was_replaced_is_noticed() -> None:
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(network(2, 1))
    clone = m.clone()
    compiled, of_clone = compile_model(m), compile_model(clone)
    m.nn.update(network(2, 1, seed=5))
    assert not compiled.is_current()
    assert of_clone.is_current()
    assert_values_are_pyomos(compile_model(m))
    assert_values_are_pyomos(of_clone)


def test_a_scaled_model_keeps_its_networks() -> None:
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(network(2, 1))
    m.goal = pyo.Objective(expr=m.nn.outputs[0] ** 2)
    m.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    m.scaling_factor[m.goal] = 10
    scaled = pyo.TransformationFactory("core.scale_model").create_using(m)
    assert_values_are_pyomos(compile_model(scaled))


# ---- external functions of others


def with_callback(**functions: Any) -> Any:
    m = pyo.ConcreteModel()
    m.x, m.y = pyo.Var(initialize=0.5), pyo.Var(initialize=0.8)
    m.f = pyo.ExternalFunction(**functions)
    m.goal = pyo.Objective(expr=m.f(m.x, m.y) ** 2 + m.f(m.y, 2 * m.x))
    return m


def product(a: float, b: float) -> float:
    return a * b


def product_gradient(args: Any, fixed: Any) -> list[float]:
    a, b = args
    return [b, a]


def product_hessian(args: Any, fixed: Any) -> list[float]:
    return [0.0, 1.0, 0.0]


def test_a_python_function_is_called_through_pyomo() -> None:
    m = with_callback(function=product, gradient=product_gradient, hessian=product_hessian)
    with pytest.warns(UserWarning, match="slow: f"):
        compiled = compile_model(m)
    nlp = compiled.nlp
    x = np.array([0.5, 0.8])  # x²y² + 2xy
    assert nlp.objective(x) == pytest.approx(0.16 + 0.8)
    assert nlp.gradient(x) == pytest.approx([2 * 0.5 * 0.64 + 1.6, 2 * 0.25 * 0.8 + 1.0])
    rows, columns = nlp.hessianstructure()
    hessian = np.zeros((2, 2))
    np.add.at(hessian, (rows, columns), nlp.hessian(x, np.zeros(0), 1.0))
    assert hessian == pytest.approx(np.array([[2 * 0.64, 0], [4 * 0.4 + 2, 2 * 0.25]]))


def test_a_function_of_an_ampl_library_is_called_through_pyomo() -> None:
    net = network(2, 1)
    m = pyo.ConcreteModel()
    m.net = fxp.ExternalNetwork(net)
    m.net._file.ensure()
    m.x = pyo.Var([0, 1], initialize={0: 0.5, 1: -0.3})
    m.f = AMPLExternalFunction(library=library_path(), function="fastexpr")
    call = m.f(m.net.path, "0", "any", m.x[0], m.x[1])
    m.goal = pyo.Objective(expr=call)
    m.c = pyo.Constraint(expr=m.net(m.x)[0] <= 3)
    with pytest.warns(UserWarning, match="slow: f"):
        nlp = compile_model(m).nlp
    x = np.array([0.5, -0.3])
    assert nlp.objective(x) == pytest.approx(nlp.constraints(x)[0], rel=1e-14)
    assert nlp.gradient(x) == pytest.approx(nlp.jacobian(x), rel=1e-13)
    assert nlp.hessian(x, np.zeros(1), 1.0) == pytest.approx(nlp.hessian(x, np.ones(1), 0.0), rel=1e-13)


def test_one_warning_names_all_slow_functions() -> None:
    m = with_callback(function=product, gradient=product_gradient, hessian=product_hessian)
    m.g = pyo.ExternalFunction(product, product_gradient, product_hessian)
    m.c = pyo.Constraint(expr=m.g(m.x, 3) + m.f(m.x, 4) <= 3)
    with pytest.warns(UserWarning, match="slow: f, g") as found:
        compile_model(m)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("functions", "what"),
    [
        ({"function": product}, "has no gradient"),
        ({"function": product, "gradient": product_gradient}, "has no second"),
    ],
)
def test_a_python_function_without_derivatives_is_named(functions: dict[str, Any], what: str) -> None:
    with pytest.warns(UserWarning, match="slow"):
        nlp = compile_model(with_callback(**functions)).nlp
    assert nlp.objective(nlp.start) > 0
    with pytest.raises(ModelError, match=rf"\[ExternalFunction 'f'\] {what}"):
        (nlp.gradient(nlp.start), nlp.hessian(nlp.start, np.zeros(0), 1.0))


def test_an_error_of_a_python_function_is_one_of_evaluation() -> None:
    def root(a: float, b: float) -> float:
        return math.sqrt(a - 5) + b

    with pytest.warns(UserWarning, match="slow"):
        nlp = compile_model(with_callback(function=root)).nlp
    with pytest.raises(EvaluationError, match=r"\[ExternalFunction 'f'\] at \[0.5, 0.8\]: math domain error"):
        nlp.objective(nlp.start)


def test_models_with_the_same_network_share_nothing_that_changes() -> None:
    x = fx.variables(1)
    net = fx.Function(x, x**2)
    models = []
    for start in (2.0, 3.0):
        m = pyo.ConcreteModel()
        m.x = pyo.Var(initialize=start)
        m.net = fxp.ExternalNetwork(net)
        m.goal = pyo.Objective(expr=m.net(m.x)[0])
        models.append(compile_model(m))
    assert [compiled.nlp.objective(compiled.nlp.start) for compiled in models] == [4.0, 9.0]
