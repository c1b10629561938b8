"""Values of a program at many points in one batch are those of one point after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import EvaluationError, ShapeError
from fastexpr.nlp import Nlp
from fastexpr.pyomo.compile.compiled import compile_model
from fastexpr.solve.sampling import measured, ranked, sample

rng = np.random.default_rng(5)


def network(n: int, m: int, kind: Any = np.tanh) -> fx.Function:
    x = fx.variables(n)
    return fx.Function(x, rng.normal(size=(m, 8)) @ kind(rng.normal(size=(8, n)) @ x))


def chain() -> Nlp:
    """Networks whose inputs are others' outputs, in three epochs, an expression between them, and a parameter."""
    net, p = network(2, 2), fx.Problem()
    x = p.variables(2, lower=-1, upper=1)
    price = p.parameters(2, value=[1.0, 2.0])
    y = net(net(net(x)) * 0.5 + price)
    p.minimize(y.sum() * price[0])
    p.subject_to(np.sqrt(x[0] + 0.5) + y, upper=1.0)
    p.subject_to(p.network(net, x), lower=-9.0)
    return p.nlp()


def places() -> Nlp:
    """One network at several places, beside algebra."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(-1, 1), initialize=0.3)
    net = network(2, 3)
    m.nn = fxp.NetworkBlock(range(3), network=net, inputs=lambda m, k: [m.x[k], m.x[k + 1]])
    m.limit = pyo.Constraint(range(3), rule=lambda m, k: m.nn[k].outputs[0] + pyo.exp(m.x[k]) <= 3)
    m.cost = pyo.Objective(expr=sum(m.nn[k].outputs[1] ** 2 for k in range(3)) - m.x[0] * m.x[3])
    return compile_model(m).nlp


def algebra() -> Nlp:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), bounds=(-1, 1), initialize=0.3)
    m.limit = pyo.Constraint(expr=abs(m.x[0]) + pyo.log(m.x[1] + 0.5) * m.x[2] <= 3)
    m.cost = pyo.Objective(expr=sum(m.x[k] ** 3 for k in range(3)))
    return compile_model(m).nlp


def free() -> Nlp:
    """No rows at all, and kinks."""
    p = fx.Problem()
    x = p.variables(3, lower=-2, upper=2)
    p.minimize(abs(network(3, 1, lambda z: np.maximum(z, 0))(x)).sum())
    return p.nlp()


@pytest.mark.parametrize("make", [chain, places, algebra, free])
def test_they_are_the_same(make: Any) -> None:
    nlp = make()
    low, high = np.maximum(nlp.lower, -2.0), np.minimum(nlp.upper, 2.0)
    points = rng.uniform(low, high, size=(37, nlp.n))
    before = nlp.functions.constraints(nlp.start)
    objectives, rows = nlp.functions.values(points)
    assert (objectives.shape, rows.shape) == ((37,), (37, nlp.m))
    np.testing.assert_array_equal(nlp.functions.constraints(nlp.start), before)  # it still knows its own point
    np.testing.assert_allclose(objectives, [nlp.functions.objective(x) for x in points], rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(rows, [nlp.functions.constraints(x) for x in points], rtol=1e-13, atol=1e-13)
    assert nlp.functions.values(points[:0])[1].shape == (0, nlp.m)


def test_points_of_a_large_program_go_in_parts() -> None:
    """More numbers than are held at once: 200 points of some 100,000."""
    p = fx.Problem()
    x = p.variables(50_000, lower=-1, upper=1)
    p.minimize((np.tanh(x) ** 2).sum())
    functions = p.nlp().functions
    points = rng.uniform(-1, 1, size=(200, 50_000))
    objectives, _ = functions.values(points)
    np.testing.assert_allclose(objectives, (np.tanh(points) ** 2).sum(axis=1), rtol=1e-12)


def test_wrong_points_are_refused() -> None:
    for wrong in (np.zeros(3), np.zeros((2, 4)), np.zeros((1, 2, 3))):
        with pytest.raises(ShapeError, match=r"points have a wrong shape: got .*, expected \(count, 3\)"):
            free().functions.values(wrong)


def test_a_point_that_cannot_be_evaluated_stands_last() -> None:
    def value(x: float) -> float:
        if x > 0.5:
            raise EvaluationError("too far")
        return -x

    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1), initialize=0.2)
    m.f = pyo.ExternalFunction(value, gradient=lambda args, fixed: [-1.0], hessian=lambda args, fixed: [0.0])
    m.cost = pyo.Objective(expr=m.f(m.x))
    with pytest.warns(UserWarning, match="Evaluated through Pyomo"):
        nlp = compile_model(m).nlp
    points = np.array([[0.9], [0.4], [0.6], [0.1]])
    objectives, violations = measured(nlp, points)
    np.testing.assert_array_equal(objectives, [np.inf, -0.4, np.inf, -0.1])
    np.testing.assert_array_equal(violations, np.zeros(4))
    assert ranked(nlp, points).tolist() == [1, 3, 0, 2]


def test_what_points_define_is_computed_together() -> None:
    net, p = network(2, 2), fx.Problem()
    x = p.variables(2, lower=-1, upper=1)
    y = p.network(net, x)
    z = p.network(net, 2.0 * y + x[0])  # an input that is an expression
    p.minimize(z[0] ** 2)
    p.subject_to(y[1] + z[1] == 0.0)
    nlp = p.nlp()
    points = sample(np.maximum(nlp.lower, -3), np.minimum(nlp.upper, 3), nlp.start, 20)
    together = nlp.complete(points)
    np.testing.assert_allclose(together, [nlp.complete(point) for point in points], rtol=1e-13, atol=1e-14)
    assert abs(together - points).max() > 0.1
