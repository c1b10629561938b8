"""Rules beside networks in models that SolverFactory("fastexpr") solves: box by box."""

import numpy as np
import pyomo.environ as pyo
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError
from fastexpr.pyomo.rules import cases as rule_cases
from fastexpr.rules import BooleanRuleClassifier


def learnt(form="dnf"):
    X = np.random.default_rng(0).uniform(0.0, 10.0, (600, 2))
    y = (X[:, 0] > 4) & (X[:, 1] <= 3) | (X[:, 0] <= 2) & (X[:, 1] > 6)
    return BooleanRuleClassifier(max_complexity=6, max_length=2, n_thresholds=19, form=form).fit(X, y)


def model(rules, require):
    """A network with one hill at (6, 6): its top is in no box."""
    x = fx.variables(2)
    net = fx.Function(x, np.exp(-((x - 6.0) ** 2).sum() / 20.0))
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(2), bounds=(0.0, 10.0), initialize=5.0)
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.r = fxp.RuleBlock(rules, inputs=m.x, require=require)
    m.o = pyo.Objective(expr=m.nn.outputs[0], sense=pyo.maximize)
    return m


def best_on_a_grid(rules, require):
    """The largest value of the network at a fine grid of points that are predicted as required."""
    axis = np.linspace(0.0, 10.0, 501)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    values = np.exp(-((points - 6.0) ** 2).sum(axis=1) / 20.0)
    return values[rules.predict(points) == require].max()


@pytest.mark.parametrize("form", ["dnf", "cnf"])
@pytest.mark.parametrize("require", [True, False])
def test_the_best_of_all_boxes(form, require):
    rules = learnt(form)
    m = model(rules, require)
    solver = pyo.SolverFactory("fastexpr")
    results = solver.solve(m)
    pyo.assert_optimal_termination(results)
    assert m.r.check() == require
    assert pyo.value(m.o) == pytest.approx(best_on_a_grid(rules, require), abs=2e-2)
    assert pyo.value(m.o) == pytest.approx(m.nn.net([m.x[0].value, m.x[1].value])[0], abs=1e-6)
    assert "boxes of the model's rules" in str(results.solver.message)
    assert not any(u.fixed for u in m.r.binaries())
    again = pyo.value(m.o)
    solver.solve(m)
    assert pyo.value(m.o) == pytest.approx(again, abs=1e-7)


def test_two_blocks_and_binaries_that_are_fixed():
    rules = learnt()
    m = model(rules, True)
    m.second = fxp.RuleBlock(rules, inputs=[m.x[1], m.x[0]], require=False)
    pyo.SolverFactory("fastexpr").solve(m)
    assert m.r.check() is True
    assert m.second.check() is False
    best = pyo.value(m.o)
    values = []
    for chosen in m.r.choice.values():
        for u in m.r.choice.values():
            u.fix(float(u is chosen))
        pyo.SolverFactory("fastexpr").solve(m)
        values.append(pyo.value(m.o))
        assert all(u.fixed for u in m.r.choice.values())
    assert max(values) == pytest.approx(best, abs=1e-7)
    assert min(values) < best - 1e-3


def test_no_box_is_feasible():
    m = model(learnt(), True)
    m.never = pyo.Constraint(expr=m.x[0] + m.x[1] >= 17.0)
    before = [u.value for u in m.r.binaries()]
    results = pyo.SolverFactory("fastexpr").solve(m, load_solutions=False)
    assert results.solver.termination_condition == pyo.TerminationCondition.infeasible
    assert len(before) == len(m.r.binaries())
    assert not any(u.fixed for u in m.r.binaries())


def test_free_predictions_and_too_many_boxes(monkeypatch):
    rules = learnt()
    m = model(rules, None)
    m.o.deactivate()
    m.reward = pyo.Objective(expr=m.nn.outputs[0] + 0.2 * m.r.outputs[True], sense=pyo.maximize)
    pyo.SolverFactory("fastexpr").solve(m)
    label = m.r.check()
    assert pyo.value(m.r.outputs[label]) == pytest.approx(1.0, abs=1e-6)
    expected = max(best_on_a_grid(rules, True) + 0.2, best_on_a_grid(rules, False))
    assert pyo.value(m.reward) == pytest.approx(expected, abs=2e-2)
    monkeypatch.setattr(rule_cases, "LARGEST", 3)
    with pytest.raises(ModelError, match=r"divide the inputs into .* boxes, expected at most 3"):
        pyo.SolverFactory("fastexpr").solve(m)
