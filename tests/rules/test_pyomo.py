"""RuleBlock: rules in Pyomo models, solved by HiGHS."""

import pickle

import numpy as np
import pandas as pd
import pyomo.environ as pyo
import pytest
from pyomo.opt import TerminationCondition
from rule_data import noisy
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError, RuleError, ShapeError
from fastexpr.rules import BooleanRuleClassifier


def solve(model):
    results = pyo.SolverFactory("appsi_highs").solve(model, load_solutions=False)
    if results.solver.termination_condition == TerminationCondition.optimal:
        model.solutions.load_from(results)
        return pyo.value(next(model.component_data_objects(pyo.Objective, active=True)))
    assert results.solver.termination_condition == TerminationCondition.infeasible
    return None


def near(x, lower, upper, scale, integer=()):
    """Variables with the scaled 1-norm distance from x as the objective."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(len(x)), bounds=lambda m, k: (float(lower[k]), float(upper[k])))
    for k in integer:
        m.x[k].domain = pyo.Integers
    m.d = pyo.Var(range(len(x)), bounds=(0, None))
    m.up = pyo.Constraint(range(len(x)), rule=lambda m, k: m.d[k] >= (m.x[k] - float(x[k])) / scale[k])
    m.down = pyo.Constraint(range(len(x)), rule=lambda m, k: m.d[k] >= (float(x[k]) - m.x[k]) / scale[k])
    m.distance = pyo.Objective(expr=pyo.quicksum(m.d.values()))
    return m


def nearest_by_hand(rules, x, lower, upper, scale, label):
    """Of a union of boxes: the least distance, without margins."""
    best = np.inf
    for rule in rules.rules_:
        low, high = lower.copy(), upper.copy()
        for c in rule.conditions:
            if c.operator == "<=":
                high[c.column] = min(high[c.column], c.value)
            else:
                low[c.column] = max(low[c.column], c.value)
        if (low <= high).all():
            best = min(best, (np.abs(np.clip(x, low, high) - x) / scale).sum())
    return best


def many_data():
    cancer, iris, wine = load_breast_cancer(), load_iris(), load_wine()
    yield "cancer", cancer.data, cancer.target
    yield "iris", iris.data, (iris.target == 1).astype(int)
    yield "wine", wine.data, (wine.target == 0).astype(int)
    random = np.random.default_rng(0)
    X = np.round(random.normal(size=(400, 5)) * [1e-3, 1.0, 30.0, 1e4, 5.0], 4)
    X[:, 4] = np.round(X[:, 4])
    yield "scales", X, ((X[:, 0] > 0) & (X[:, 2] < 10) | (X[:, 3] > 9e3) | (X[:, 4] > 7)).astype(int)


@pytest.mark.parametrize("form", ["dnf", "cnf"])
@pytest.mark.parametrize("name", ["cancer", "iris", "wine", "scales"])
def test_the_nearest_points_with_another_prediction(name, form):
    """Eight points of each: the solver's point is classified as asked, whichever way the rules are written."""
    X, y = next((X, y) for key, X, y in many_data() if key == name)
    rules = BooleanRuleClassifier(max_complexity=12, max_length=3, form=form).fit(X, y)
    lower, upper, scale = X.min(axis=0), X.max(axis=0), X.std(axis=0)
    predicted = rules.predict(X)
    for row in [*np.flatnonzero(predicted == 0)[::7][:4], *np.flatnonzero(predicted == 1)[::7][:4]]:
        other = 1 - predicted[row]
        objectives = []
        for require in (other, None):
            m = near(X[row], lower, upper, scale)
            m.r = fxp.RuleBlock(rules, inputs=m.x, require=require)
            if require is None:
                m.asked = pyo.Constraint(expr=m.r.outputs[other] == 1)
            objectives.append(solve(m))
            assert m.r.check() == other
            point = np.array([m.x[k].value for k in m.x])
            assert rules.predict(point[None])[0] == other
        assert objectives[0] == pytest.approx(objectives[1], rel=1e-5, abs=1e-6)
        if other != rules.default_:
            by_hand = nearest_by_hand(rules, X[row], lower, upper, scale, other)
            assert by_hand - 1e-7 <= objectives[0] <= by_hand + 0.01 + 1e-3 * by_hand


def test_integers_need_no_margin():
    random = np.random.default_rng(0)
    X = random.integers(0, 20, (400, 2)).astype(float)
    rules = BooleanRuleClassifier(max_complexity=3, n_thresholds=19).fit(X, (X[:, 0] > 7) & (X[:, 1] <= 5))
    for require, x, distance in ((True, [7, 6], 2.0), (True, [0, 0], 8.0), (False, [8, 5], 1.0), (False, [19, 0], 6.0)):
        m = near(x, [0, 0], [19, 19], [1.0, 1.0], integer=[0, 1])
        m.r = fxp.RuleBlock(rules, inputs=m.x, require=require)
        assert solve(m) == pytest.approx(distance, abs=1e-9)
        assert m.r.check() == require


def test_margins():
    X = np.linspace(0.0, 1.0, 101)[:, None]
    rules = BooleanRuleClassifier(max_complexity=2).fit(X, X[:, 0] > 0.4)
    threshold = rules.rules_[0].conditions[0].value
    for margin in (0.0, 0.05, {"x[0]": 0.05}):
        m = near([0.0], [0.0], [1.0], [1.0])
        m.r = fxp.RuleBlock(rules, inputs=m.x, require=True, margin=margin)
        assert solve(m) == pytest.approx(threshold + (0.05 if margin else 0.0), abs=1e-7)
    m.x[0].set_value(threshold - 1e-9)
    with pytest.raises(RuleError, match="the rules predict False at the values of the inputs, the model says True"):
        m.r.check()
    m = near([1.0], [0.0], [1.0], [1.0])
    m.r = fxp.RuleBlock(rules, inputs=m.x, require=False, margin=0.05)
    assert solve(m) == pytest.approx(1.0 - (threshold - 0.05), abs=1e-7)
    m = near([1.0], [0.0], [1.0], [1.0])
    with pytest.raises(RuleError, match=r"margin for 'x\[0\]' is out of range: got -1"):
        m.r = fxp.RuleBlock(rules, inputs=m.x, require=False, margin=-1)
    for margin, message in (
        (np.nan, "out of range: got nan"),
        ("wide", "out of range: got 'wide'"),
        ([0.1], r"out of range: got \[0.1\]"),
        ({"x[0]": "wide"}, "out of range: got 'wide'"),
        ({"heat": 0.1}, r"margin has unknown names: got \['heat'\]"),
    ):
        m = near([1.0], [0.0], [1.0], [1.0])
        with pytest.raises(RuleError, match=message):
            m.r = fxp.RuleBlock(rules, inputs=m.x, require=False, margin=margin)


def test_free_predictions_agree_with_the_rules():
    """With the inputs fixed anywhere off the thresholds, the model says what the rules say."""
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    rules = BooleanRuleClassifier(max_complexity=8, random_state=1).fit(X, names)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(4), bounds=(0.0, 9.0))
    m.r = fxp.RuleBlock(rules, inputs=m.x)
    assert list(m.r.outputs) == rules.classes_.tolist()
    m.o = pyo.Objective(expr=sum(m.x.values()))
    random = np.random.default_rng(0)
    for x in random.uniform(0.5, 8.5, (25, 4)):
        for k in range(4):
            m.x[k].fix(x[k])
        solve(m)
        expected = rules.predict(x[None])[0]
        shares = {label: pyo.value(share) for label, share in m.r.outputs.items()}
        assert shares == pytest.approx({label: float(label == expected) for label in shares}, abs=1e-6)
        assert m.r.check() == expected
    m.x.unfix()
    m.asked = pyo.Objective(expr=m.r.outputs["virginica"] - 0.01 * m.x[0], sense=pyo.maximize)
    m.o.deactivate()
    solve(m)
    assert m.r.check() == "virginica"


@pytest.mark.parametrize("label", ["setosa", "versicolor", "virginica"])
def test_one_of_more_classes_is_required(label):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    rules = BooleanRuleClassifier(max_complexity=8).fit(X, names)
    for x in X[::30]:
        m = near(x, X.min(axis=0), X.max(axis=0), X.std(axis=0))
        m.r = fxp.RuleBlock(rules, inputs=m.x, require=label)
        assert solve(m) is not None
        assert m.r.check() == label


def test_categories_are_binaries_or_constants():
    X, y = noisy()
    X = X.assign(temperature=X.temperature.fillna(50.0))
    rules = BooleanRuleClassifier(max_complexity=6, max_length=2, loss="hamming", n_thresholds=19).fit(X, y)
    assert "material == zinc" in str(rules)

    def model(material, coated, **settings):
        m = pyo.ConcreteModel()
        m.cycles = pyo.Var(domain=pyo.Integers, bounds=(0, 19))
        m.temperature = pyo.Var(bounds=(20, 80))
        m.kind = pyo.Var(["steel", "brass", "zinc"], domain=pyo.Binary)
        m.one = pyo.Constraint(expr=sum(m.kind.values()) == 1)
        m.coat = pyo.Var(domain=pyo.Binary)
        inputs = {"temperature": m.temperature, "cycles": m.cycles, "material": material or m.kind}
        inputs["coated"] = m.coat if coated is None else coated
        m.r = fxp.RuleBlock(rules, inputs=inputs, **settings)
        m.cost = pyo.Objective(expr=m.temperature - m.cycles + 3 * m.kind["zinc"] + m.coat)
        return m

    objectives = {}
    for settings in ({"require": 1}, {"require": 0}, {}):
        for material in (None, "zinc", "steel"):
            for coated in (None, True, False):
                if settings == {"require": 1} and (material, coated) == ("steel", False):
                    with pytest.raises(RuleError, match="no rule for 1 can hold"):
                        model(material, coated, **settings)
                    continue
                m = model(material, coated, **settings)
                if material:
                    m.kind.fix(0)
                    m.kind[material].fix(1)
                if coated is not None:
                    m.coat.fix(int(coated))
                objectives[str(settings), material, coated] = solve(m)
                assert m.r.check() == settings.get("require", m.r.check())
    # A free category is as good as the best of the fixed ones.
    for settings in ("{'require': 1}", "{'require': 0}"):
        alone = [
            value
            for (key, material, coated), value in objectives.items()
            if key == settings and material and coated is not None
        ]
        assert objectives[settings, None, None] <= min(alone) + 1e-6


def test_blocks_over_an_index():
    X = np.random.default_rng(0).uniform(0, 10, (300, 2))
    frame = pd.DataFrame(X, columns=["flow", "heat"])
    rules = BooleanRuleClassifier(max_complexity=6).fit(frame, (frame.flow > 4) & (frame.heat <= 7) | (frame.heat <= 2))
    m = pyo.ConcreteModel()
    m.t = pyo.Set(initialize=[1, 2, 3])
    m.x = pyo.Var(m.t, ["heat", "flow"], bounds=(0, 10))
    m.r = fxp.RuleBlock(m.t, rules=rules, inputs=lambda m, t: m.x[t, :], require=True)
    m.rise = pyo.Constraint([2, 3], rule=lambda m, t: m.x[t, "heat"] >= m.x[t - 1, "heat"] + 2.0)
    m.o = pyo.Objective(expr=sum(m.x[t, "flow"] for t in m.t) - 0.1 * sum(m.x[t, "heat"] for t in m.t))
    solve(m)
    assert m.r.check() == {1: True, 2: True, 3: True}
    copy = m.clone()
    copy.x[2, "flow"].set_value(0.0)
    copy.x[2, "heat"].set_value(9.0)
    with pytest.raises(RuleError, match=r"RuleBlock 'r\[2\]'"):
        copy.r.check()
    assert m.r.check()[2]
    by_dict = pyo.ConcreteModel()
    by_dict.x = pyo.Var([0, 1], bounds=(0, 10))
    by_dict.r = fxp.RuleBlock(
        [7, 8], rules=rules, inputs={7: [by_dict.x[0], 5.0], 8: [8.0, by_dict.x[1]]}, require=True
    )
    by_dict.one = fxp.RuleBlock(rules, inputs=[by_dict.x[0], by_dict.x[1]])
    by_dict.o = pyo.Objective(expr=by_dict.x[0] - by_dict.x[1])
    solve(by_dict)
    assert by_dict.r.check() == {7: True, 8: True}
    again = pickle.loads(pickle.dumps(by_dict))
    assert again.r.check() == {7: True, 8: True}
    assert again.one.check() == by_dict.one.check()


def test_inputs_may_be_expressions():
    X = np.random.default_rng(0).uniform(0, 10, (300, 2))
    rules = BooleanRuleClassifier(max_complexity=3).fit(X, (X[:, 0] > 4) & (X[:, 1] <= 7))
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), bounds=(0, 3))
    m.p = pyo.Param(initialize=2.0, mutable=True)
    m.r = fxp.RuleBlock(rules, inputs=[m.x[0] + m.x[1], m.p * m.x[2]], require=True)
    m.o = pyo.Objective(expr=m.x[0] + 2 * m.x[1])
    assert solve(m) > 4
    assert m.r.check()
    m.p.set_value(3.0)
    with pytest.raises(RuleError, match=r"are wider than when the block was built: got \(0.0, 9.0\)"):
        m.r.check()
    with pytest.raises(RuleError, match="are wider than when the block was built"):
        solve(m)


@pytest.mark.parametrize("require", [True, False, None])
@pytest.mark.parametrize("way", ["appsi_highs", "highs", "fastexpr", "lp", "nl"])
def test_rows_that_leave_something_out_are_refused(require, way, tmp_path):
    """Bounds that are widened after the build: what lies there would be cut off without a word."""
    X = np.random.default_rng(0).uniform(0, 10, (300, 2))
    rules = BooleanRuleClassifier(max_complexity=3).fit(X, (X[:, 0] > 4) & (X[:, 1] <= 7))
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(2), bounds=(0, 8), initialize=5.0)
    m.r = fxp.RuleBlock(rules, inputs=m.x, require=require)
    m.o = pyo.Objective(
        expr=m.x[0] + m.x[1] ** (2 if way == "fastexpr" else 1) - (m.r.outputs[True] if require is None else 0)
    )

    def go(model):
        if way in ("lp", "nl"):
            model.write(str(tmp_path / f"model.{way}"))
        else:
            pyo.SolverFactory(way).solve(model)

    m.x[0].setub(7)  # tighter
    go(m)
    m.x[0].setub(20)
    for model in (m, m.clone()):
        with pytest.raises(
            RuleError, match=r"\[RuleBlock 'r'\] the bounds of .* are wider than when the block was built"
        ):
            go(model)
    m.x[0].setub(8)
    go(m)


def test_columns_without_conditions_take_anything():
    X = pd.DataFrame({"site": ["north"] * 40, "batch": [1.0] * 40, "flow": np.linspace(0.0, 9.0, 40)})
    rules = BooleanRuleClassifier(max_complexity=2).fit(X, X.flow > 4)
    for inputs in (["north", 1.0, 7.0], ["south", None, 7.0], {"site": "south", "flow": 7.0}, {"flow": 7.0}):
        m = pyo.ConcreteModel()
        m.x = pyo.Var(bounds=(0, 9))
        m.r = fxp.RuleBlock(rules, inputs={**inputs, "flow": m.x} if isinstance(inputs, dict) else [*inputs[:2], m.x])
        m.o = pyo.Objective(expr=m.x - 10 * m.r.outputs[True])
        solve(m)
        assert m.r.check() is True


def test_rules_that_always_or_never_hold():
    X = np.zeros((10, 1))
    always = BooleanRuleClassifier().fit(X, [1] * 8 + [0] * 2)
    never = BooleanRuleClassifier().fit(X, [0] * 8 + [1] * 2)
    for rules, label in ((always, 1), (never, 0)):
        for require in (label, None):
            m = pyo.ConcreteModel()
            m.x = pyo.Var([0])  # without bounds: no rule looks at it
            m.r = fxp.RuleBlock(rules, inputs=m.x, require=require)
            m.o = pyo.Objective(expr=(m.x[0] - 1.0))
            m.x[0].setlb(0.0)
            solve(m)
            assert m.r.check() == label
        m = pyo.ConcreteModel()
        m.x = pyo.Var([0])
        with pytest.raises(RuleError, match=r"cannot be required|no rule for 1 can hold"):
            m.r = fxp.RuleBlock(rules, inputs=m.x, require=1 - label)


def refused(rules, x, **settings):
    m = pyo.ConcreteModel()
    m.x = x
    m.r = fxp.RuleBlock(rules, **{"inputs": m.x, **settings})


def test_refusals():
    X = np.random.default_rng(0).uniform(0, 10, (300, 2))
    frame = pd.DataFrame(X, columns=["flow", "heat"])
    rules = BooleanRuleClassifier(max_complexity=6).fit(frame, (frame.flow > 4) & (frame.heat <= 7) | (frame.heat <= 2))
    with pytest.raises(RuleError, match="not fitted"):
        refused(BooleanRuleClassifier(), pyo.Var([0, 1], bounds=(0, 10)))
    with pytest.raises(RuleError, match="require is none of the classes: got 'yes'"):
        refused(rules, pyo.Var([0, 1], bounds=(0, 10)), require="yes")
    with pytest.raises(RuleError, match=r"input 'flow' has no finite bounds.*got \(-inf, 10.0\)"):
        refused(rules, pyo.Var([0, 1], bounds=(None, 10)), require=False)
    with pytest.raises(RuleError, match="input 'flow' has no finite bounds"):
        refused(rules, pyo.Var([0, 1]), require=True)
    with pytest.raises(RuleError, match="no rule for True can hold within the bounds"):
        refused(rules, pyo.Var([0, 1], bounds={0: (0, 3), 1: (8, 10)}), require=True)
    with pytest.raises(ShapeError, match="wrong number of inputs: got 3, expected 2"):
        refused(rules, pyo.Var([0, 1, 2], bounds=(0, 10)))
    with pytest.raises(ModelError, match=r"does not match|do not match"):
        refused(rules, pyo.Var(["flow", "cold"], bounds=(0, 10)))
    with pytest.raises(ModelError, match=r"unknown are \['cold'\], missing are \['heat'\]"):
        refused(rules, pyo.Var([0, 1], bounds=(0, 10)), inputs={"flow": 3.0, "cold": 1.0})
    for number, message in (
        (np.nan, "got nan"),
        (-np.inf, "got -inf"),
        (None, "'heat'.*, which rules look at, are None"),
    ):
        with pytest.raises(ModelError, match=message):
            refused(rules, pyo.Var([0, 1], bounds=(0, 10)), inputs=[3.0, number])
    with pytest.raises(ModelError, match="has no inputs"):
        refused(rules, pyo.Var([0, 1], bounds=(0, 10)), inputs=None)
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(0, 10))
    m.r = fxp.RuleBlock(rules, inputs=m.x)
    with pytest.raises(RuleError, match="has no solution yet: its inputs have no values"):
        m.r.check()
    m.x[:].set_value(1.0)
    with pytest.raises(RuleError, match="has no solution yet"):
        m.r.check()
    m.x[0].setub(11)
    with pytest.raises(RuleError, match="the bounds of 'flow' are wider than when the block was built"):
        m.r.check()
    data, y = noisy()
    kinds = BooleanRuleClassifier(max_complexity=6, loss="hamming").fit(data, y)
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1, 2, 3], bounds=(0, 10))
    with pytest.raises(ModelError, match="column 'material' has categories: got a VarData"):
        m.r = fxp.RuleBlock(kinds, inputs=[m.x[k] for k in m.x])
