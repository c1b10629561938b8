"""Boolean rules in a Problem, solved by HiGHS: the solver's point is classified as asked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastexpr as fx
from fastexpr.errors import RuleError
from fastexpr.rules.function import as_function

X = np.random.default_rng(0).uniform(0, 10, (400, 3))
LABELS = np.where((X[:, 0] > 4) & (X[:, 1] <= 7), "good", np.where(X[:, 2] > 8, "odd", "bad"))


@pytest.fixture(scope="module", params=["two", "two negated", "three"])
def rules(request: pytest.FixtureRequest) -> fx.rules.BooleanRuleClassifier:
    if request.param == "three":
        return fx.rules.BooleanRuleClassifier(max_complexity=12).fit(X, LABELS)
    form = "cnf" if request.param == "two negated" else "dnf"
    return fx.rules.BooleanRuleClassifier(max_complexity=8, form=form).fit(X, LABELS == "good")


def test_the_function_predicts_what_the_rules_do(rules: fx.rules.BooleanRuleClassifier) -> None:
    net = as_function(rules)
    predicted = net(X)
    assert (predicted.sum(axis=1) == 1).all()
    assert (rules.classes_[predicted.argmax(axis=1)] == rules.predict(X)).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_nearest_point_of_each_class(rules: fx.rules.BooleanRuleClassifier, seed: int) -> None:
    start = np.random.default_rng(seed).uniform(0, 10, 3)
    for label in rules.classes_.tolist():
        p = fx.Problem()
        x = p.variables(3, lower=0, upper=10)
        p.rules(rules, x, require=label)
        p.minimize(np.abs(x - start).sum())
        result = p.solve()
        assert result.success, result.message
        assert result.solver == "highs"
        assert rules.predict([result[x]])[0] == label
        samples = np.random.default_rng(1).uniform(0, 10, (20_000, 3))
        fits = samples[rules.predict(samples) == label]
        assert result.objective <= abs(fits - start).sum(axis=1).min() + 1e-4


def test_free_predictions_and_integers() -> None:
    rules = fx.rules.BooleanRuleClassifier(max_complexity=8).fit(X, LABELS == "good")
    p = fx.Problem()
    x = p.variables(3, lower=0, upper=10, integer=True)
    y = p.rules(rules, x)
    p.maximize(5 * y[1] - x[0] + x[1])
    result = p.solve()
    grid = np.stack(np.meshgrid(*[np.arange(11.0)] * 3), -1).reshape(-1, 3)
    best = (5 * (rules.predict(grid) == rules.classes_[1]) - grid[:, 0] + grid[:, 1]).max()
    assert result.objective == pytest.approx(best)
    assert result[y][1] == (rules.predict([result[x]])[0] == rules.classes_[1])


def test_bools_are_numbers_and_categories_are_refused() -> None:
    table = pd.DataFrame({"a": X[:, 0], "open": X[:, 1] > 5, "kind": np.where(X[:, 2] > 5, "u", "v")})
    bools = fx.rules.BooleanRuleClassifier(max_complexity=6).fit(table[["a", "open"]], (X[:, 0] > 4) & table["open"])
    p = fx.Problem()
    a, is_open = p.variables(1, lower=0, upper=10), p.variables(1, lower=0, upper=1, integer=True)
    p.rules(bools, np.concatenate([a, is_open]), require=True)
    p.minimize(a[0] + 3 * is_open[0])
    result = p.solve()
    point = pd.DataFrame({"a": result[a], "open": result[is_open] > 0.5})
    assert bools.predict(point)[0]
    kinds = fx.rules.BooleanRuleClassifier(max_complexity=6).fit(table[["a", "kind"]], table["kind"] == "u")
    with pytest.raises(RuleError, match=r"is about a category: expected numbers and bools.*RuleBlock"):
        fx.Problem().rules(kinds, fx.Problem().variables(2))
    p = fx.Problem()
    x = p.variables(2, lower=0, upper=1)
    with pytest.raises(RuleError, match="require is none of the classes: got 'x'"):
        p.rules(bools, x, require="x")
    with pytest.raises(RuleError, match="not fitted"):
        p.rules(fx.rules.BooleanRuleClassifier(), x)
