"""Starting values by forward evaluation: fastexpr.pyomo.initialize."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyomo.dae as dae
import pyomo.environ as pyo
import pytest
from networks import network

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import EvaluationError

X = np.array([0.1, -0.2, 0.3])


@pytest.fixture(scope="module")
def net() -> fx.Function:
    return network(3, 2)


@pytest.fixture
def m() -> pyo.ConcreteModel:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(3), initialize=dict(enumerate(X.tolist())))
    model.y = pyo.Var(range(2))
    model.z = pyo.Var(range(2))
    model.p = pyo.Param(initialize=2.0, mutable=True)
    return model


class Counter:
    """Counts a network's evaluations and points: stands in for it in the model."""

    def __init__(self, net: fx.Function) -> None:
        self.net = net
        self.points: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.net, name)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.points.append(1 if x.ndim == 1 else len(x))
        return self.net(x)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes an ExternalNetwork whose evaluations are counted."""

    def make(net: fx.Function) -> tuple[fxp.ExternalNetwork, Counter]:
        external, counter = fxp.ExternalNetwork(net), Counter(net)
        external._file.net = counter
        return external, counter

    return make


# ---- what is a definition


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        (lambda m, f: m.y[0] == f, lambda f: f),
        (lambda m, f: f == m.y[0], lambda f: f),
        (lambda m, f: m.y[0] - f == 0, lambda f: f),
        (lambda m, f: (0, f - m.y[0], 0), lambda f: f),
        (lambda m, f: (3, m.y[0] + f, 3), lambda f: 3 - f),
        (lambda m, f: m.y[0] == m.p * f + 1, lambda f: 2 * f + 1),
        (lambda m, f: m.p * m.y[0] - 3 * f / 4 == m.x[1] * 0.5, None),  # x[1] could be meant as well
        (lambda m, f: m.y[0] == m.p * m.x[1] + f, lambda f: 2 * X[1] + f),
        (lambda m, f: 4 * m.y[0] == -f, lambda f: -f / 4),
        (lambda m, f: m.y[0] / m.p == 2 * (f - m.p), lambda f: 4 * (f - 2)),
        (lambda m, f: m.y[0] == m.x[1] * pyo.exp(f) + f**2, lambda f: X[1] * np.exp(f) + f**2),
        (lambda m, f: m.named_y == -m.named_f, lambda f: -2 * f / 3),
        (lambda m, f: m.y[0] == m.y[0] * f, None),
        (lambda m, f: m.y[0] ** 2 == f, None),
        (lambda m, f: m.y[0] == m.x[0] ** 2, None),
        (lambda m, f: m.y[0] <= f, None),
        (lambda m, f: m.y[0] == f - m.y[0], lambda f: f / 2),
        (lambda m, f: m.y[0] * m.x[0] == f, None),
    ],
)
def test_what_defines_a_variable(m: pyo.ConcreteModel, net: fx.Function, equation: Any, expected: Any) -> None:
    m.net = fxp.ExternalNetwork(net)
    f = m.net(m.x)[1]
    m.named_y = pyo.Expression(expr=3 * m.y[0])
    m.named_f = pyo.Expression(expr=2 * f)
    m.c = pyo.Constraint(expr=equation(m, f))
    set_variables = fxp.initialize(m)
    assert [m.x[i].value for i in range(3)] == X.tolist()
    if expected is None:
        assert (set_variables, m.y[0].value) == (0, None)
    else:
        assert set_variables == 1
        assert m.y[0].value == pytest.approx(expected(net(X)[1]), rel=1e-14)


def test_blocks_and_all_inputs_given_as_numbers(m: pyo.ConcreteModel, net: fx.Function) -> None:
    m.nn = fxp.NetworkBlock(net, inputs=m.x, outputs=m.y)
    m.fixed = fxp.NetworkBlock(net, inputs=[0.5, m.p, m.p], outputs=m.z)
    m.y[0].set_value(7.0)
    m.x[0].set_value(0.9)
    assert fxp.initialize(m) == 4
    assert [m.y[k].value for k in range(2)] == pytest.approx(net(np.array([0.9, X[1], X[2]])).tolist(), rel=1e-14)
    assert [m.z[k].value for k in range(2)] == pytest.approx(net(np.array([0.5, 2.0, 2.0])).tolist(), rel=1e-14)


def test_values_that_are_there_stay_if_asked(m: pyo.ConcreteModel, net: fx.Function) -> None:
    m.net = fxp.ExternalNetwork(net)
    m.c = pyo.Constraint(range(2), rule=lambda b, k: b.y[k] == b.net(b.x)[k])
    m.y[0].set_value(7.0)
    assert fxp.initialize(m, overwrite=False) == 1
    assert m.y[0].value == 7.0
    assert m.y[1].value == pytest.approx(net(X)[1], rel=1e-14)
    assert fxp.initialize(m) == 2
    assert m.y[0].value == pytest.approx(net(X)[0], rel=1e-14)


def test_fixed_variables_and_inactive_equations_are_left_alone(m: pyo.ConcreteModel, net: fx.Function) -> None:
    m.net = fxp.ExternalNetwork(net)
    m.c = pyo.Constraint(range(2), rule=lambda b, k: b.y[k] == b.net(b.x)[k])
    m.sub = pyo.Block()
    m.sub.c = pyo.Constraint(range(2), rule=lambda _, k: m.z[k] == m.net(m.x)[k])
    m.y[0].fix(7.0)
    m.c[1].deactivate()
    m.sub.deactivate()
    assert fxp.initialize(m) == 0
    assert (m.y[0].value, m.y[1].value, m.z[0].value) == (7.0, None, None)
    m.sub.activate()
    assert fxp.initialize(m.sub) == 2  # the network is on its parent
    assert m.z[1].value == pytest.approx(net(X)[1], rel=1e-14)


def test_inputs_without_values_start_first(net: fx.Function) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3))
    m.x[0].setlb(1)
    m.x[0].setub(2)
    m.x[1].setlb(0.25)
    m.y = pyo.Var(range(2))
    m.w = pyo.Var(initialize=1.0)
    m.net = fxp.ExternalNetwork(net)
    m.c = pyo.Constraint(range(2), rule=lambda b, k: b.y[k] == b.net(b.x[0], b.x[1] ** 2, b.x[2] + b.w)[k])
    assert fxp.initialize(m, overwrite=False) == 5
    assert [m.x[i].value for i in range(3)] == [1.5, 0.25, 0.0]
    assert [m.y[k].value for k in range(2)] == pytest.approx(net(np.array([1.5, 0.0625, 1.0])).tolist(), rel=1e-14)


def test_the_clearer_of_two_equations_counts(m: pyo.ConcreteModel, net: fx.Function) -> None:
    m.net = fxp.ExternalNetwork(net)
    m.balance = pyo.Constraint(expr=m.net(m.x)[0] + 2 * m.y[1] == 0)
    m.c = pyo.Constraint(expr=m.y[1] == m.net(m.x)[1])
    m.again = pyo.Constraint(expr=m.y[1] == m.net(m.x)[0])
    assert fxp.initialize(m) == 1
    assert m.y[1].value == pytest.approx(net(X)[1], rel=1e-14)


# ---- order


def test_networks_fed_by_networks_in_any_order(net: fx.Function) -> None:
    """The equations are there in the reverse order of their dependence."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(6), range(3))
    m.net = fxp.ExternalNetwork(network(3, 3))
    m.c = pyo.Constraint(
        list(range(5, 0, -1)), range(3), rule=lambda b, k, i: b.x[k, i] == b.net([b.x[k - 1, j] for j in range(3)])[i]
    )
    for i in range(3):
        m.x[0, i].fix(X[i])
    assert fxp.initialize(m) == 15
    x = X
    for k in range(1, 6):
        x = network(3, 3)(x)
        assert [m.x[k, i].value for i in range(3)] == pytest.approx(x.tolist(), rel=1e-13)


def test_calls_within_calls_are_evaluated_once(net: fx.Function, counted: Any) -> None:
    """Ten networks within one another, whose expression has 3**10 paths; one of them behind a named expression."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), initialize=dict(enumerate(X.tolist())))
    m.net, counter = counted(network(3, 3))
    m.shifted = pyo.Expression(range(3), initialize=lambda b, i: b.net(b.x)[i] + 0.125)
    inputs: Any = m.shifted
    for _ in range(9):
        inputs = list(m.net(inputs))
    m.y = pyo.Var()
    m.c = pyo.Constraint(expr=m.y == inputs[0])
    assert fxp.initialize(m) == 1
    expected = network(3, 3)(X) + 0.125
    for _ in range(9):
        expected = network(3, 3)(expected)
    assert m.y.value == pytest.approx(expected[0], rel=1e-12)
    assert counter.points == [1] * 10


def test_one_batch_for_all_places_and_one_point_for_equal_ones(net: fx.Function, counted: Any) -> None:
    m = pyo.ConcreteModel()
    m.k = pyo.RangeSet(0, 19)
    m.x = pyo.Var(m.k, range(3), initialize=lambda _, k, i: X[i] * (k % 15))
    m.y = pyo.Var(m.k, range(2))
    m.net, counter = counted(net)
    m.c = pyo.Constraint(m.k, range(2), rule=lambda b, k, i: b.y[k, i] == b.net(b.x[k, :])[i])
    assert fxp.initialize(m) == 40
    assert counter.points == [15]
    for k in m.k:
        assert [m.y[k, i].value for i in range(2)] == pytest.approx(net(X * (k % 15)).tolist(), rel=1e-13)


def test_cycles_are_left_alone_and_what_follows_them_is_not(m: pyo.ConcreteModel, net: fx.Function) -> None:
    m.net = fxp.ExternalNetwork(net)
    m.y[1].set_value(0.4)
    m.around = pyo.Constraint(range(2), rule=lambda b, k: b.y[k] == b.net(b.x[0], b.x[1], b.y[1 - k])[k])
    m.after = pyo.Constraint(range(2), rule=lambda b, k: b.z[k] == b.net(b.x[0], b.x[1], b.y[1])[k])
    assert fxp.initialize(m) == 2
    assert (m.y[0].value, m.y[1].value) == (None, 0.4)
    assert [m.z[k].value for k in range(2)] == pytest.approx(net(np.array([X[0], X[1], 0.4])).tolist(), rel=1e-14)


def test_explicit_steps_are_followed_and_implicit_ones_left_alone() -> None:
    def march(is_implicit: bool) -> pyo.ConcreteModel:
        m = pyo.ConcreteModel()
        m.x = pyo.Var(range(5))
        m.net = fxp.ExternalNetwork(network(1, 1))
        m.c = pyo.Constraint(
            range(4), rule=lambda b, k: b.x[k + 1] == b.x[k] + 0.1 * b.net(b.x[k + 1 if is_implicit else k])[0]
        )
        m.x[0].fix(0.5)
        return m

    explicit, implicit = march(is_implicit=False), march(is_implicit=True)
    assert fxp.initialize(explicit) == 4
    x = 0.5
    for _ in range(4):
        x += 0.1 * network(1, 1)(np.array([x]))[0]
    assert explicit.x[4].value == pytest.approx(x, rel=1e-14)
    assert fxp.initialize(implicit) == 0
    assert implicit.x[4].value is None


def test_derivatives_after_a_discretisation(net: fx.Function) -> None:
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.x = pyo.Var(m.t, initialize=0.2)
    m.u = pyo.Var(m.t, bounds=(0, 1))
    m.rate = dae.DerivativeVar(m.x, wrt=m.t)
    m.net = fxp.ExternalNetwork(network(2, 1))
    m.ode = pyo.Constraint(m.t, rule=lambda b, t: b.rate[t] == b.net(b.x[t], b.u[t])[0])
    pyo.TransformationFactory("dae.collocation").apply_to(m, nfe=4, ncp=2)
    fxp.initialize(m)
    expected = network(2, 1)(np.array([0.2, 0.5]))[0]
    assert [m.rate[t].value for t in m.t] == pytest.approx([expected] * 9, rel=1e-13)


# ---- what goes wrong


@pytest.mark.parametrize("inputs", [lambda m: m.y[0], lambda m: 1 / m.y[1], lambda m: m.y[0] ** 0.5])
def test_a_value_that_is_not_finite_names_the_equation(m: pyo.ConcreteModel, inputs: Any) -> None:
    x = fx.variables(1)
    m.y[0].set_value(-1.0)
    m.y[1].set_value(0.0)
    m.log = fxp.ExternalNetwork(fx.Function(x, np.log(x)))
    m.fine = pyo.Constraint(expr=m.z[1] == m.log(m.p)[0])
    m.kinetics = pyo.Constraint(expr=m.z[0] == m.log(inputs(m))[0])
    with pytest.raises(EvaluationError, match=r"\[initialize\] the equation 'kinetics' gives 'z\[0\]' no finite value"):
        fxp.initialize(m)


def test_models_without_networks() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(2))
    m.c = pyo.Constraint(expr=m.x[0] == pyo.exp(m.x[1]))
    assert fxp.initialize(m) == 0
    assert m.x[0].value is None
