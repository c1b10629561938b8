"""Inputs fixed at thresholds after the build: the model says what the network says there, whatever it compares."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError
from fastexpr.expression.node import apply
from fastexpr.expression.operands import constant
from fastexpr.frameworks.trees import Forest

Points = list[list[float]]


def number(value: float) -> Any:
    return constant(np.asarray(value))


def stump(x: Any, cut: float, yes: float, no: float) -> Any:
    """yes where x[0] <= cut, else no."""
    forest = Forest(1)
    forest.add([0, 0, 0], [cut, 0.0, 0.0], [(1, 2), (-1, -1), (-1, -1)], [[], [(0, yes)], [(0, no)]])
    return forest.of(x)


def scaled_trees() -> tuple[fx.Function, Points]:
    random = np.random.default_rng(0)
    X = np.round(random.uniform(-1, 1, (300, 2)), 1)
    model = make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=6, max_depth=3, random_state=0))
    model.fit(X, np.sin(3 * X[:, 0]) + X[:, 1])
    cuts = [np.unique(tree[0].tree_.threshold[tree[0].tree_.feature >= 0]) for tree in model[-1].estimators_]
    points = random.choice(np.concatenate(cuts), (8, 2)) * model[0].scale_ + model[0].mean_
    return fx.from_sklearn(model), points.tolist()


def trees_behind_units() -> tuple[fx.Function, Points]:
    x = fx.variables(2)
    hidden = np.maximum(np.array([[1.0, 1.0], [1.0, -1.0]]) @ x, 0.0)
    return fx.Function(x, stump(hidden, 0.5, 3.0, -1.0)), [[0.25, 0.25], [0.5, 0.0], [0.5, 1e-7], [0.1, 0.1]]


def strict() -> tuple[fx.Function, Points]:
    x = fx.variables(2)
    chosen = apply("Where", [apply("Less", [number(0.25), x[0]]), x[1], 2.0 - x[0]])
    return fx.Function(x, chosen), [[0.25, 0.3], [0.25 + 1e-9, 0.3], [0.25 - 1e-9, -0.2], [1.0, 1.0]]


def at_most() -> tuple[fx.Function, Points]:
    x = fx.variables(2)
    is_above = apply("LessOrEqual", [number(0.0), x[0] + x[1]])
    return fx.Function(x, apply("Where", [is_above, number(1.0), number(-1.0)])), [[0.3, -0.3], [0.0, 0.0], [0.1, -0.2]]


def largest() -> tuple[fx.Function, Points]:
    x = fx.variables(2)
    z = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]) @ x
    y = (apply("Hardmax", [z], {"axis": 0, "n_axes": 1}) * np.array([1.0, 2.0, 3.0])).sum()
    return fx.Function(x, y), [[0.1, 0.1], [0.0, 0.0], [1.0, 1.0], [-0.5, 0.5], [0.5, 0.5 + 1e-8]]


CASES: list[Callable[[], tuple[fx.Function, Points]]] = [scaled_trees, trees_behind_units, strict, at_most, largest]


@pytest.mark.parametrize("solver", ["appsi_highs", "scip_direct"])
@pytest.mark.parametrize("case", CASES)
def test_the_model_says_what_the_network_says(case: Any, solver: str) -> None:
    net, points = case()
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net.with_bounds(-1, 1), formulation="bigm")
    m.cost = pyo.Objective(expr=m.nn.outputs[0])
    for x in points:
        for k in range(2):
            m.nn.inputs[k].fix(x[k])
        for sense in (pyo.minimize, pyo.maximize):
            m.cost.sense = sense
            pyo.SolverFactory(solver).solve(m)
            assert pyo.value(m.cost) == pytest.approx(net(x)[0], abs=1e-6)
    for other in (m.clone(), pickle.loads(pickle.dumps(m))):
        pyo.SolverFactory(solver).solve(other)
        assert pyo.value(other.cost) == pytest.approx(net(points[-1])[0], abs=1e-6)
    for k in range(2):  # free again: the margin is back, and the least value is the network's
        m.nn.inputs[k].unfix()
    m.cost.sense = pyo.minimize
    pyo.SolverFactory(solver).solve(m)
    samples = net(np.random.default_rng(0).uniform(-1, 1, (5000, 2)))
    assert pyo.value(m.cost) <= samples.min() + 1e-3


def test_inputs_that_are_expressions_of_what_is_fixed() -> None:
    x = fx.variables(2)
    net = fx.Function(x, stump(x, 0.5, 1.0, 0.0))
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-1, 1))
    m.nn = fxp.NetworkBlock(net, inputs=[2 * m.x, 0.3], formulation="bigm")
    m.cost = pyo.Objective(expr=m.nn.outputs[0])
    for value, expected in ((0.25, 1.0), (0.25 + 1e-9, 0.0), (0.1, 1.0)):
        m.x.fix(value)
        for sense in (pyo.minimize, pyo.maximize):
            m.cost.sense = sense
            pyo.SolverFactory("appsi_highs").solve(m)
            assert pyo.value(m.cost) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_bounds_that_are_widened_are_refused_by_thresholds_too(case: Any) -> None:
    net, _ = case()
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net.with_bounds(-1, 1), formulation="bigm")
    m.cost = pyo.Objective(expr=m.nn.outputs[0])
    m.nn.inputs[0].setub(2.0)
    with pytest.raises(ModelError, match="are wider than when the block was built"):
        pyo.SolverFactory("appsi_highs").solve(m)


def test_networks_of_problems_whose_inputs_are_fixed() -> None:
    for case in CASES:
        net, points = case()
        for x in points[:3]:
            p = fx.Problem()
            v = p.variables(2, lower=np.array(x), upper=np.array(x))
            p.minimize(p.network(net, v)[0])
            result = p.solve(solver="highs")
            assert result.success
            assert result.objective == pytest.approx(net(x)[0], abs=1e-9)


def test_absolute_values_are_read_by_scip() -> None:
    x = fx.variables(2)
    net = fx.Function(x, np.maximum(np.array([[1.0, -2.0], [0.5, 1.0]]) @ x, 0.0).sum() - np.abs(x[0]))
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net.with_bounds(-1, 1), formulation="reduced-space")
    m.cost = pyo.Objective(expr=m.nn.outputs[0])
    pyo.SolverFactory("scip_direct").solve(m)
    assert pyo.value(m.cost) == pytest.approx(net(np.random.default_rng(0).uniform(-1, 1, (50_000, 2))).min(), abs=2e-3)
    assert pyo.value(m.cost) == pytest.approx(net([v.value for v in m.nn.inputs.values()])[0], abs=1e-6)
