"""Classifiers in models: a label that has to be given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError, NotFoundError
from fastexpr.formulations.labels import classes_of

IRIS = load_iris()
NAMES = IRIS.target_names[IRIS.target]


def mlp(labels: Any = NAMES) -> Any:
    return MLPClassifier([6], max_iter=3000, random_state=0, learning_rate_init=0.02).fit(IRIS.data, labels)


def distance_to(m: Any, point: np.ndarray) -> None:
    """The sum of absolute differences, linear."""
    m.up, m.down = pyo.Var(range(4), bounds=(0, None)), pyo.Var(range(4), bounds=(0, None))
    m.parts = pyo.Constraint(range(4), rule=lambda m, k: m.x[k] - point[k] == m.up[k] - m.down[k])
    m.cost = pyo.Objective(expr=sum(m.up[k] + m.down[k] for k in range(4)))


@pytest.mark.parametrize("label", ["setosa", "versicolor", "virginica"])
def test_the_nearest_input_with_a_label(label: str) -> None:
    model = mlp()
    net = fx.from_sklearn(model)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(0, 8))
    m.nn = fxp.NetworkBlock(net, inputs=m.x, formulation="bigm")
    m.is_it = fxp.ClassifiedAs(m.nn, label, margin=0.2)
    distance_to(m, IRIS.data[75])
    pyo.SolverFactory("appsi_highs").solve(m)
    x = np.array([m.x[k].value for k in range(4)])
    assert model.predict([x])[0] == label
    p = np.sort(model.predict_proba([x])[0])
    assert np.log(p[-1] / p[-2]) >= 0.2 - 1e-6
    if label == model.predict(IRIS.data[75:76])[0]:
        assert pyo.value(m.cost) == pytest.approx(0, abs=1e-6)


def test_the_external_form_has_the_same_rows() -> None:
    model = MLPClassifier([6], activation="tanh", max_iter=3000, random_state=0).fit(IRIS.data, NAMES)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(0, 8), initialize=lambda _, k: IRIS.data[75, k])
    m.nn = fxp.NetworkBlock(fx.from_sklearn(model), inputs=m.x)
    m.is_it = fxp.ClassifiedAs(m.nn, "virginica", margin=0.2)
    m.cost = pyo.Objective(expr=sum((m.x[k] - IRIS.data[75, k]) ** 2 for k in range(4)))
    results = pyo.SolverFactory("fastexpr").solve(m)
    assert results.solver.termination_condition == pyo.TerminationCondition.optimal
    x = np.array([m.x[k].value for k in range(4)])
    p = dict(zip(model.classes_, model.predict_proba([x])[0], strict=True))
    assert np.log(p["virginica"] / p["versicolor"]) == pytest.approx(0.2, abs=1e-5)


@pytest.mark.parametrize("label", ["versicolor", "virginica"])
@pytest.mark.parametrize("form", ["both", "one", "complement"])
def test_two_classes(label: str, form: str) -> None:
    is_here = IRIS.target > 0
    model = MLPClassifier([4], max_iter=3000, random_state=1).fit(IRIS.data[is_here], NAMES[is_here])
    net = fx.from_sklearn(model)
    if form == "one":
        net = net.select(["y[virginica]"])
    elif form == "complement":
        x = fx.variables(4)
        p = net.select(["y[virginica]"])(x)
        net = fx.Function(x, np.concatenate([1.0 - p, p])).with_names(outputs=["versicolor", "virginica"])
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(0, 8))
    m.nn = fxp.NetworkBlock(net, inputs=m.x, formulation="bigm")
    if form == "one":
        with pytest.raises(NotFoundError, match=r"which of two classes 'versicolor'.*classes=\[first, second\]"):
            fxp.ClassifiedAs(m.nn, "versicolor")
    m.is_it = fxp.ClassifiedAs(m.nn, label, classes=model.classes_, margin=0.1)
    distance_to(m, IRIS.data[75])
    pyo.SolverFactory("appsi_highs").solve(m)
    x = np.array([m.x[k].value for k in range(4)])
    assert model.predict([x])[0] == label
    logit = np.log(model.predict_proba([x])[0])
    assert abs(logit[1] - logit[0]) >= 0.1 - 1e-6
    if label != "versicolor":  # which the point of departure is
        assert abs(logit[1] - logit[0]) == pytest.approx(0.1, abs=1e-5)


def test_forests_compare_probabilities() -> None:
    is_here = IRIS.target > 0
    model = RandomForestClassifier(n_estimators=5, max_depth=3, random_state=0)
    model.fit(IRIS.data[is_here], IRIS.target[is_here])
    net = fx.from_sklearn(model)
    for label in (1, 2):
        m = pyo.ConcreteModel()
        m.x = pyo.Var(range(4), bounds=(0, 8))
        m.nn = fxp.NetworkBlock(net, inputs=m.x)
        m.is_it = fxp.ClassifiedAs(m.nn, label, classes=[1, 2], margin=0.05)
        distance_to(m, IRIS.data[120 if label == 1 else 60])
        pyo.SolverFactory("appsi_highs").solve(m)
        assert m.nn.repair()
        assert model.predict([[m.x[k].value for k in range(4)]])[0] == label


def test_labels_are_classes_where_they_are_known_else_positions() -> None:
    net = fx.from_sklearn(mlp())
    assert classes_of(net, "virginica").position == 2
    numbers = fx.from_sklearn(mlp(IRIS.target + 1))
    assert [classes_of(numbers, label).position for label in (1, 2, 3)] == [0, 1, 2]
    with pytest.raises(NotFoundError, match="there is no label 0: the network's are 1, 2, 3"):
        classes_of(numbers, 0)
    with pytest.raises(NotFoundError, match="there is no label 'rosa'"):
        classes_of(net, "rosa")
    x = fx.variables(3)
    plain = fx.Function(x, x)
    assert [classes_of(plain, k).position for k in range(3)] == [0, 1, 2]
    named = plain.with_names(outputs=["a", "b", "c"])
    assert (classes_of(named, "b").position, classes_of(named, 2).position) == (1, 2)
    with pytest.raises(NotFoundError, match="there is no label 3"):
        classes_of(plain, 3)
    with pytest.raises(NotFoundError, match="got 2 classes, expected 3"):
        classes_of(plain, 0, classes=[0, 1])


def test_decision_functions_and_probabilities_have_their_thresholds() -> None:
    is_here = IRIS.target > 0
    model = LogisticRegression(max_iter=1000).fit(IRIS.data[is_here], IRIS.target[is_here] - 1)
    assert classes_of(fx.from_sklearn(model), 1).threshold == 0.0  # of the logit: sigmoid is dropped
    assert classes_of(fx.from_sklearn(model), 1).logits is not None
    assert classes_of(fx.from_sklearn(model, method="decision_function"), 1).threshold == 0.0
    forest = RandomForestClassifier(n_estimators=3).fit(IRIS.data[is_here], IRIS.target[is_here] - 1)
    assert classes_of(fx.from_sklearn(forest), 0) == (None, 0, 0.0, 1.0)
    assert classes_of(fx.from_sklearn(forest).select(["y[1]"]), 0) == (None, 0, 0.5, 1.0)


def test_bad_input() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(0, 8))
    with pytest.raises(ModelError, match="needs a NetworkBlock, or a member of one: got IndexedVar"):
        fxp.ClassifiedAs(m.x, 1)
    m.nn = fxp.NetworkBlock(fx.from_sklearn(mlp()), inputs=m.x, formulation="bigm")
    with pytest.raises(ModelError, match="margin must be a number, not negative: got -1"):
        fxp.ClassifiedAs(m.nn, "setosa", margin=-1)
