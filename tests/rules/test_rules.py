"""BooleanRuleClassifier: an estimator of scikit-learn that learns short rules."""

import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from rule_data import noisy
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import fastexpr as fx
from fastexpr.errors import RuleError
from fastexpr.rules import BooleanRuleClassifier, Condition, Rule, generation

ARRAY_API = "check_array_api_input"  # scikit-learn's own: it needs an environment variable


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(
    "settings", [{}, {"form": "cnf", "max_complexity": 6}, {"loss": "hamming", "max_length": 2}], ids=str
)
def test_scikit_learn_is_content(settings):
    results = check_estimator(BooleanRuleClassifier(**settings), on_fail=None)
    assert len(results) > 50
    assert [r for r in results if r["status"] != "passed" and r["check_name"] != ARRAY_API] == []


def nines(n=9):
    """Tic-tac-toe, from both players' moves: boards at the end of a game, and whether x has won."""
    lines = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]
    found = {}

    def play(board, player):
        for who in "xo":
            if any(all(board[k] == who for k in line) for line in lines):
                found[board] = int(who == "x")
                return
        if "b" not in board:
            found[board] = 0
            return
        for k in range(n):
            if board[k] == "b":
                play(board[:k] + player + board[k + 1 :], "xo"[player == "x"])

    play("b" * n, "x")
    boards = sorted(found)
    frame = pd.DataFrame([list(board) for board in boards], columns=[f"{r}{c}" for r in "tmb" for c in "lmr"])
    return frame, np.array([found[board] for board in boards])


def test_tic_tac_toe_is_found_and_proved():
    """Lines of three, which a beam alone does not find."""
    X, y = nines()
    assert len(y) == 958
    for loss in ("zero_one", "hamming"):
        rules = BooleanRuleClassifier(max_complexity=32, loss=loss, time_limit=600).fit(X, y)
        assert rules.score(X, y) == 1.0
        assert (rules.complexity_, rules.hamming_loss_, rules.gap_, rules.proved_length_) == (32, 0.0, 0.0, 4)
        assert len(rules.rules_) == 8
    assert BooleanRuleClassifier(max_complexity=28, time_limit=600).fit(X, y).lower_bound_ > 0


def test_breast_cancer_is_proved():
    """540 conditions, rules of up to four: 3.5 billion."""
    data = load_breast_cancer(as_frame=True)
    rules = BooleanRuleClassifier(max_complexity=15, loss="hamming", time_limit=600).fit(data.data, 1 - data.target)
    assert len(rules.conditions_) == 540
    assert rules.proved_length_ == 4
    assert rules.lower_bound_ == rules.hamming_loss_ == 4.0
    assert list(rules.bounds_by_length_) == sorted(rules.bounds_by_length_, reverse=True)


# ---- what is read


def test_the_rules_behind_the_data_are_found():
    X, y = noisy()
    rules = BooleanRuleClassifier(max_complexity=6, max_length=2, loss="hamming", n_thresholds=19).fit(X, y)
    text = str(rules)
    assert "coated == True" in text
    assert "material == zinc" in text
    assert "cycles <= 8" in text
    assert rules.score(X, y) > 0.9
    assert rules.complexity_ == sum(1 + len(rule.conditions) for rule in rules.rules_) == 6


def test_sentences():
    X = pd.DataFrame({"recency": [1, 2, 3, 4, 5, 6] * 5, "kind": list("abcabc") * 5})
    rules = BooleanRuleClassifier(max_complexity=4).fit(X, (X.recency <= 4) & (X.kind != "b"))
    assert str(rules) == "IF recency <= 4 AND kind != b\nTHEN True\nELSE False"
    assert [str(rule) for rule in rules.rules_] == ["IF recency <= 4 AND kind != b THEN True"]
    cnf = BooleanRuleClassifier(max_complexity=6, form="cnf").fit(X, (X.recency <= 4) & (X.kind != "b"))
    assert str(cnf).endswith("\nTHEN True\nELSE False")
    assert set(str(cnf).removeprefix("IF ").split("\nTHEN")[0].split("\nAND ")) == {"(recency <= 4)", "(kind != b)"}
    assert str(BooleanRuleClassifier(max_complexity=7)) == "BooleanRuleClassifier(max_complexity=7)"


def test_thresholds_lie_between_values():
    rules = BooleanRuleClassifier().fit(np.array([[0.1], [0.25], [1000.0], [1e-3]] * 4), [0, 0, 1, 0] * 4)
    values = [c.value for c in rules.conditions_ if c.operator == "<="]
    assert len(values) == 3
    assert 1e-3 < values[0] < 0.1 < values[1] < 0.25 < values[2] < 1000.0
    assert all(len(repr(value)) <= 5 for value in values)
    whole = BooleanRuleClassifier().fit(np.array([[1], [5], [9]] * 4), [0, 1, 1] * 4)
    assert [c.value for c in whole.conditions_ if c.operator == ">"] == [1, 5]
    close = np.array([[1.0], [np.nextafter(1.0, 2.0)]] * 4)
    assert BooleanRuleClassifier().fit(close, [0, 1] * 4).score(close, [0, 1] * 4) == 1.0
    huge = np.array([[-1.7e308], [1.7e308]] * 4)
    assert BooleanRuleClassifier().fit(huge, [0, 1] * 4).score(huge, [0, 1] * 4) == 1.0


def test_quantiles():
    X = np.arange(1000.0)[:, None]
    rules = BooleanRuleClassifier(n_thresholds=3).fit(X, X[:, 0] > 700)
    assert [c.value for c in rules.conditions_ if c.operator == "<="] == pytest.approx([250, 500, 750], abs=1.0)


@pytest.mark.parametrize("common", [[0.0], [0.0, 50.5], [0.0, 99.5, 1000.0]])
def test_common_values_leave_thresholds_to_the_others(common):
    """Columns that are mostly one value, or a few: none of them uses up more than a share of the thresholds."""
    values = np.concatenate([np.repeat(common, 900), np.arange(1.0, 101.0)])
    is_high = values > 80
    for weights in (None, np.where(np.isin(values, common), 1.0, 3.0)):
        rules = BooleanRuleClassifier(n_thresholds=9).fit(values[:, None], is_high, sample_weight=weights)
        cuts = [c.value for c in rules.conditions_ if c.operator == "<="]
        assert len(cuts) == 9 == len(set(cuts))
        assert sum(1 <= cut <= 100 for cut in cuts) >= 9 - len(common)
    alike = np.concatenate([np.repeat(7.0, 50), np.arange(100.0, 103.0)])
    few = BooleanRuleClassifier(n_thresholds=9).fit(alike[:, None], alike > 100)
    assert [c.value for c in few.conditions_ if c.operator == "<="] == pytest.approx([50, 100.5, 101.5], abs=25)


def test_two_valued_columns_have_one_pair():
    X = pd.DataFrame(
        {"a": [0, 1] * 10, "b": [True, False] * 10, "c": ["u", "v"] * 10, "d": [0.0, 1.0] * 10, "e": [5] * 20}
    )
    rules = BooleanRuleClassifier().fit(X, [0, 1] * 10)
    by_name = [c.name for c in rules.conditions_]
    assert {name: by_name.count(name) for name in X.columns} == {"a": 2, "b": 2, "c": 2, "d": 2, "e": 0}


@pytest.mark.parametrize("missing", [np.nan, None])
def test_missing_values(missing):
    """A missing value fulfils "is missing", and no comparison."""
    X = pd.DataFrame({"v": [1.0, 2.0, 3.0, missing] * 6, "w": ["p", missing, "q", "r"] * 6})
    y = np.array([0, 0, 0, 1] * 6)
    rules = BooleanRuleClassifier(max_complexity=2, max_length=1).fit(X[["v"]], y)
    assert str(rules) == "IF v is missing\nTHEN 1\nELSE 0"
    assert rules.score(X[["v"]], y) == 1.0
    texts = {str(c) for c in BooleanRuleClassifier().fit(X, y).conditions_}
    assert {"w is missing", "w is present", "w != p", "v <= 1.5", "v is present"} <= texts
    columns = BooleanRuleClassifier().fit(X, y)._columns(X, reset=False)[0]
    for condition in BooleanRuleClassifier().fit(X, y).conditions_:
        holds = condition.holds(columns[condition.column])
        if condition.operator not in ("is missing",):
            assert not holds[X.iloc[:, condition.column].isna().to_numpy()].any()
    # of two opposites one holds, where the value is there
    cnf = BooleanRuleClassifier(max_complexity=4, form="cnf").fit(X[["v"]], np.array([1, 0, 0, 1] * 6))
    assert cnf.score(X[["v"]], np.array([1, 0, 0, 1] * 6)) == 1.0
    assert "v <= 1.5 OR v is missing" in str(cnf)


def test_tables_of_all_kinds_agree():
    X, y = noisy()
    settings = {"max_complexity": 8, "max_length": 2}
    expected = BooleanRuleClassifier(**settings).fit(X, y)
    kinds = X.astype({"material": "category", "cycles": "Int64", "coated": "boolean", "temperature": "Float64"})
    assert str(BooleanRuleClassifier(**settings).fit(kinds, y)) == str(expected)
    assert (expected.predict(kinds) == expected.predict(X)).all()
    objects = X.to_numpy(dtype=object)
    by_object = BooleanRuleClassifier(**settings).fit(objects, y)
    assert (by_object.predict(objects) == expected.predict(X)).all()
    assert str(by_object).replace("x[0]", "temperature").replace("x[1]", "cycles").replace("x[2]", "material").replace(
        "x[3]", "coated"
    ) == str(expected)
    coded = X.assign(material=X.material.map({"steel": 3, "brass": 7, "zinc": 9}).astype("category"))
    assert any(c.operator == "==" and c.value == 9 for c in BooleanRuleClassifier().fit(coded, y).conditions_)


def test_a_category_that_was_never_seen():
    X = pd.DataFrame({"k": list("abc") * 8})
    rules = BooleanRuleClassifier(max_complexity=2).fit(X, X.k != "a")
    assert str(rules) == "IF k != a\nTHEN True\nELSE False"
    assert rules.predict(pd.DataFrame({"k": ["z", "a"]})).tolist() == [True, False]


# ---- what is learnt


def test_weights_are_repetitions():
    X, y = noisy(1, 120)
    counts = np.random.default_rng(0).integers(0, 4, len(y))
    counts[:2] = 1
    repeated = BooleanRuleClassifier(max_complexity=7, max_length=2).fit(
        X.loc[X.index.repeat(counts)], y.repeat(counts)
    )
    weighted = BooleanRuleClassifier(max_complexity=7, max_length=2).fit(X, y, sample_weight=counts)
    assert str(weighted) == str(repeated)
    assert weighted.hamming_loss_ == repeated.hamming_loss_
    assert weighted.lower_bound_ == repeated.lower_bound_
    scaled = BooleanRuleClassifier(max_complexity=7, max_length=2).fit(X, y, sample_weight=0.3 * counts)
    assert scaled.hamming_loss_ == pytest.approx(0.3 * weighted.hamming_loss_, rel=0.2)
    assert scaled.lower_bound_ <= 0.3 * weighted.hamming_loss_


def test_class_weights():
    X, y = noisy(2)
    never = BooleanRuleClassifier(max_complexity=3, class_weight={0: 1000.0, 1: 1.0}).fit(X, y).predict(X)
    always = BooleanRuleClassifier(max_complexity=3, class_weight={0: 1.0, 1: 1000.0}).fit(X, y).predict(X)
    balanced = BooleanRuleClassifier(max_complexity=3, class_weight="balanced").fit(X, y).predict(X)
    assert (never & (1 - y)).sum() == 0
    assert ((1 - always) & y).sum() == 0
    assert never.sum() < balanced.sum() < always.sum()


def test_the_majority_where_nothing_can_be_learnt():
    """Also with nothing to compare: the rule without conditions."""
    X = np.zeros((10, 2))
    for majority in (0, 1):
        y = np.array([majority] * 7 + [1 - majority] * 3)
        for form in ("dnf", "cnf"):
            rules = BooleanRuleClassifier(form=form).fit(X, y)
            assert rules.predict(X).tolist() == [majority] * 10
            assert str(rules)
            assert rules.lower_bound_ <= rules.hamming_loss_ == 3.0


def test_cnf_is_the_negated_dnf_of_negated_labels():
    X, y = noisy(3)
    cnf = BooleanRuleClassifier(max_complexity=8, form="cnf").fit(X, y)
    dnf = BooleanRuleClassifier(max_complexity=8).fit(X, 1 - y)
    assert (cnf.predict(X) == 1 - dnf.predict(X)).all()
    assert cnf.default_ == 1
    assert cnf.complexity_ == dnf.complexity_
    assert cnf.lower_bound_ == dnf.lower_bound_


def test_more_classes():
    X, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    rules = BooleanRuleClassifier(max_complexity=6).fit(X, names)
    assert rules.score(X, names) > 0.95
    holds = rules.decision_path(X).toarray()
    assert holds.shape == (150, len(rules.rules_))
    expected = [
        next((rule.label for rule, held in zip(rules.rules_, row, strict=True) if held), rules.default_)
        for row in holds
    ]
    assert rules.predict(X).tolist() == expected
    text = str(rules)
    assert text.startswith("IF ")
    assert "\nELSE IF " in text
    assert text.endswith(f"\nELSE {rules.default_}")
    assert rules.predict(X).dtype == names.dtype
    labels = [rule.label for rule in rules.rules_]
    assert all(
        labels[k] == labels[k - 1] or labels[k] not in labels[:k] for k in range(1, len(labels))
    )  # class by class
    assert rules.complexity_ <= 18


def test_the_classes_are_asked_by_precision():
    """Where rules of two classes hold, the class whose rules are right more often is predicted."""
    X = pd.DataFrame({"a": ([1] * 10 + [0] * 10) * 2, "b": [1] * 5 + [0] * 10 + [1] * 5 + [1] * 5 + [0] * 10 + [1] * 5})
    y = np.array((["p"] * 10 + ["q"] * 5 + ["r"] * 5) * 2)
    rules = BooleanRuleClassifier(max_complexity=3).fit(X, y)
    weights = {label: [] for label in rules.classes_}
    for rule, held in zip(rules.rules_, rules.decision_path(X).toarray().T, strict=True):
        weights[rule.label].append(held)
    precision = {label: np.mean(y[np.any(held, axis=0)] == label) for label, held in weights.items() if held}
    order = list(dict.fromkeys(rule.label for rule in rules.rules_))
    assert [precision[label] for label in order] == sorted(precision.values(), reverse=True)


def test_fits_that_finish_are_deterministic():
    X, y = noisy(4, 500)
    order = np.random.default_rng(0).permutation(len(y))
    first = BooleanRuleClassifier(max_complexity=15).fit(X, y)
    again = BooleanRuleClassifier(max_complexity=15, time_limit=300).fit(X.iloc[order], y[order])
    assert str(first) == str(again)
    assert first.lower_bound_ == again.lower_bound_
    seeded = [str(BooleanRuleClassifier(random_state=np.random.RandomState(5)).fit(X, y)) for _ in range(2)]
    assert seeded[0] == seeded[1]


def test_the_time_limit_warns():
    X, y = noisy(5)
    rules = BooleanRuleClassifier(time_limit=1e-6)
    with pytest.warns(ConvergenceWarning, match="stopped by the time limit of 1e-06 s"):
        rules.fit(X, y)
    assert rules.timed_out_
    assert rules.proved_length_ == 0
    assert rules.lower_bound_ == 0.0
    assert rules.predict(X).shape == (300,)
    assert not BooleanRuleClassifier().fit(X, y).timed_out_


def test_attributes(capfd):
    X, y = noisy()
    rules = BooleanRuleClassifier(max_complexity=5, verbose=True).fit(X, y)
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == rules.n_iter_
    assert lines[0].startswith("iteration 1: 1 rules, Hamming loss at least ")
    BooleanRuleClassifier(max_complexity=5).fit(X, y)
    assert capfd.readouterr().out == ""
    assert rules.n_features_in_ == 4
    assert rules.feature_names_in_.tolist() == list(X.columns)
    assert rules.classes_.tolist() == [0, 1]
    assert {"binarize", "master", "beam", "exact", "search", "total"} <= set(rules.timings_)
    assert isinstance(rules.rules_[0], Rule)
    assert isinstance(rules.rules_[0].conditions[0], Condition)
    covered = rules.decision_path(X).toarray().astype(int)
    expected = y[covered.sum(axis=1) == 0].sum() + ((1 - y) @ covered).sum()
    assert rules.hamming_loss_ == expected
    assert rules.gap_ == pytest.approx((rules.hamming_loss_ - rules.lower_bound_) / max(1, rules.hamming_loss_))


def test_among_other_estimators():
    X, y = noisy()
    rules = BooleanRuleClassifier(max_complexity=6).fit(X, y)
    again = pickle.loads(pickle.dumps(rules))
    assert str(again) == str(rules)
    assert (again.predict(X) == rules.predict(X)).all()
    copy = clone(rules)
    assert not hasattr(copy, "rules_")
    assert copy.get_params() == rules.get_params()
    numbers = load_breast_cancer()
    pipeline = make_pipeline(StandardScaler(), BooleanRuleClassifier(max_complexity=4, max_length=2))
    assert cross_val_score(pipeline, numbers.data, numbers.target, cv=3).mean() > 0.85
    search = GridSearchCV(BooleanRuleClassifier(max_length=2), {"max_complexity": [2, 6]}, cv=3).fit(X, y)
    assert search.best_params_ == {"max_complexity": 6}


# ---- what is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_complexity": 1}, "max_complexity is out of range: got 1, expected a whole number of at least 2"),
        ({"max_complexity": 2.5}, "max_complexity is out of range: got 2.5"),
        ({"max_length": 0}, "max_length is out of range: got 0"),
        ({"n_thresholds": True}, "n_thresholds is out of range: got True"),
        ({"form": "xor"}, "form is out of range: got 'xor', expected 'dnf' or 'cnf'"),
        ({"loss": "log"}, "loss is out of range: got 'log'"),
        ({"time_limit": 0}, "time_limit is out of range: got 0"),
        ({"time_limit": np.nan}, "time_limit is out of range: got nan"),
        ({"time_limit": 1j}, "time_limit is out of range: got 1j"),
        (
            {"max_complexity": 2**70},
            "max_complexity is out of range: got 1180591620717411303424, expected at most 1000000",
        ),
        ({"max_length": 10**7}, "max_length is out of range: got 10000000, expected at most 1000000"),
        ({"n_thresholds": 10**12}, "n_thresholds is out of range: got 1000000000000, expected at most 1000000"),
        ({"form": "cnf"}, "got 3 classes for form='cnf', expected 2"),
    ],
)
def test_settings_are_refused(settings, message):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(RuleError) as refusal:
        BooleanRuleClassifier(**settings).fit(X, y)
    assert message in str(refusal.value)
    assert isinstance(refusal.value, ValueError)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((4, 1)), [1, 1, 1, 1], "one class only"),
        (pd.DataFrame({"d": pd.to_datetime(["2020-01-01"] * 4)}), [0, 1, 0, 1], "column 'd' is neither of numbers nor"),
        (pd.DataFrame({"m": [1, "a", 2, "b"]}), [0, 1, 0, 1], "column 'm' has values of other kinds"),
        (pd.DataFrame({"m": [(1,), (2,), (1,), (3,)]}), [0, 1, 0, 1], "got tuple"),
        (pd.DataFrame([[1, 2], [3, 4]] * 2, columns=["k", "k"]), [0, 1, 0, 1], "two columns have one name"),
        (pd.DataFrame({"i": [1.0, np.inf, 2.0, 3.0]}), [0, 1, 0, 1], "contains infinity"),
        (pd.DataFrame({"a": []}), [], "0 sample"),
        (pd.DataFrame({"a": [1.0, 2.0]}), [0, 1, 1], "y has a wrong length: got 3, expected 2"),
        (np.zeros((4, 1)), np.ma.masked_array([0, 1, 0, 1], [0, 0, 0, 1]), "y is masked in 1 rows"),
        (np.array([[10**400], [1]] * 2, dtype=object), [0, 1, 0, 1], "a number too large for a double"),
        (np.array([["1e4000"], ["1"]] * 2, dtype=np.longdouble), [0, 1, 0, 1], "a number too large for a double"),
        (np.arange(45_000.0).reshape(2, -1)[[0, 1]], [0, 1], "too many conditions: got 45000, expected at most 40000"),
    ],
)
def test_data_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        BooleanRuleClassifier().fit(X, y)


@pytest.mark.parametrize(
    ("class_weight", "sample_weight", "message"),
    [
        ({0: -1, 1: 1}, None, "out of range: got -1 to 1"),
        ({0: np.nan, 1: 1}, None, "out of range: got nan"),
        ({0: np.inf, 1: 1}, None, "out of range: got 1 to inf"),
        ({0: 0, 1: 1}, None, "one class only: got \\[1\\]"),
        (None, np.full(300, 1e308), "out of range: got 1e\\+308 to 1e\\+308"),
        ({0: 1e200, 1: 1e200}, np.full(300, 1e200), "out of range: got inf to inf"),
    ],
)
def test_weights_are_refused(class_weight, sample_weight, message):
    with pytest.raises(RuleError, match=message):
        BooleanRuleClassifier(class_weight=class_weight).fit(*noisy(), sample_weight)


def test_a_table_that_is_not_computed_yet():
    class LazyFrame:
        columns = ("a",)
        dtypes = (float,)

        def collect_schema(self):
            return {"a": float}

    with pytest.raises(RuleError, match=r"got a LazyFrame, which holds no values yet.* X\.collect"):
        BooleanRuleClassifier().fit(LazyFrame(), [0, 1])


def test_limits_that_are_none():
    """No rule is longer than the complexity allows, and no time is too long to count."""
    X, y = noisy()
    usual = BooleanRuleClassifier(max_complexity=4, max_length=3).fit(X, y)
    for settings in ({"time_limit": np.inf}, {"time_limit": 10**400}, {"max_length": 1000}):
        rules = BooleanRuleClassifier(**{"max_complexity": 4, "max_length": 3, **settings}).fit(X, y)
        assert not rules.timed_out_
        assert str(rules) == str(usual)
        assert rules.lower_bound_ == usual.lower_bound_
        assert rules.proved_length_ == rules.max_length == len(rules.bounds_by_length_)


def test_lists_and_masks_keep_their_values():
    """NumPy turns numbers beside text into text, and forgets what is masked."""
    X, y = noisy()
    X = X.fillna(0.0)
    settings = {"max_complexity": 6, "max_length": 2}
    expected = BooleanRuleClassifier(**settings).fit(X.to_numpy(dtype=object), y)
    for kind in (X.to_numpy(dtype=object).tolist(), list(map(tuple, X.to_numpy(dtype=object).tolist()))):
        by_list = BooleanRuleClassifier(**settings).fit(kind, y)
        assert str(by_list) == str(expected)
        assert by_list.column_kinds_ == ["double", "double", "string", "bool"]
        assert (by_list.predict(kind) == expected.predict(X.to_numpy(dtype=object))).all()
    values = np.arange(40.0)[:, None]
    masked = np.ma.masked_array(values, values > 25)
    rules = BooleanRuleClassifier(max_complexity=2).fit(masked, values[:, 0] > 25)
    assert str(rules) == "IF x[0] is missing\nTHEN True\nELSE False"
    assert rules.score(masked, values[:, 0] > 25) == 1.0
    assert not rules.predict(np.ma.masked_array(values, False)).any()


def test_columns_of_another_kind_than_before():
    """Bools are numbers, 0 and 1; numbers are no text, also where only a != is asked; nothing there fulfils nothing."""
    numbers = pd.DataFrame({"b": [0, 1] * 10})
    by_number = BooleanRuleClassifier(max_complexity=2).fit(numbers, numbers.b)
    by_bool = BooleanRuleClassifier(max_complexity=2).fit(numbers.astype(bool), numbers.b)
    for rules in (by_number, by_bool):
        for kind in (int, bool, float, object, "Int64", "boolean"):
            assert (rules.predict(numbers.astype(kind)) == numbers.b).all()
        assert rules.predict(pd.DataFrame({"b": [None, None]})).tolist() == [0, 0]
        assert rules.predict(pd.DataFrame({"b": [True, None]}, dtype=object)).tolist() == [1, 0]
        with pytest.raises(RuleError, match="column 'b' has categories: got '0', expected numbers"):
            rules.predict(numbers.astype(str))
    text = pd.DataFrame({"k": list("ab") * 10})
    by_text = BooleanRuleClassifier(max_complexity=2).fit(text, text.k != "a")
    assert not by_text.predict(pd.DataFrame({"k": [None, None]})).any()
    for frame in (text.assign(k=1.5), text.assign(k=True), text.assign(k=b"a")):
        with pytest.raises(RuleError, match=r"column 'k' has .*: got (1.5|True|b'a'), expected categories such as 'b'"):
            by_text.predict(frame)


def test_predictions_are_refused():
    X, y = noisy()
    with pytest.raises(NotFittedError):
        BooleanRuleClassifier().to_onnx()
    with pytest.raises(NotFittedError):
        BooleanRuleClassifier().predict(X)
    rules = BooleanRuleClassifier(max_complexity=6, n_thresholds=19).fit(X, y)
    with pytest.raises(RuleError, match="column 'temperature' has categories: got 'hot', expected numbers"):
        rules.predict(X.assign(temperature="hot"))
    with pytest.raises(ValueError, match="feature names"):
        rules.predict(X.rename(columns={"cycles": "rounds"}))
    with pytest.raises(RuleError, match="one class only"):
        BooleanRuleClassifier().fit(X, y, sample_weight=y.astype(float))


def test_importing_fastexpr_needs_no_extras():
    """Neither scikit-learn nor highspy; and what is missing is said by name."""
    code = """
import sys
sys.modules["sklearn"] = sys.modules["highspy"] = None
import fastexpr, fastexpr.pyomo
try:
    fastexpr.rules
except fastexpr.errors.NotFoundError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'fastexpr[rules]'" in run.stdout


@pytest.mark.parametrize("delay", [0.3, 1.0])
def test_control_c(delay):
    """Ends a fit at once, wherever it is, and leaves the estimator without rules."""
    random = np.random.default_rng(0)
    X = random.normal(size=(3000, 40))
    y = (random.random(3000) < 0.5).astype(int)
    rules = BooleanRuleClassifier(max_complexity=30, max_length=6, time_limit=1000)
    main = threading.main_thread()
    timer = threading.Timer(delay, lambda: signal.pthread_kill(main.ident, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        rules.fit(X, y)
    assert not hasattr(rules, "rules_")
    X, y = noisy()
    assert rules.set_params(max_length=2, max_complexity=6).fit(X, y).score(X, y) > 0.8


def test_control_c_while_highs_runs(monkeypatch):
    """HiGHS itself does not listen."""
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 6))
    y = (random.random(400) < 0.4).astype(int)
    select, ended = generation.select, []

    def select_and_be_interrupted(*arguments):
        main = threading.main_thread().ident
        threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
        try:
            return select(*arguments)
        except KeyboardInterrupt:
            ended.append("by Ctrl-C")
            raise

    monkeypatch.setattr(generation, "select", select_and_be_interrupted)
    monkeypatch.setattr(generation, "INTEGER_NODES", 10**7)
    rules = BooleanRuleClassifier(max_complexity=30, loss="hamming", time_limit=600)
    with pytest.raises(KeyboardInterrupt):
        rules.fit(X, y)
    assert ended == ["by Ctrl-C"]


def test_other_threads_run_meanwhile():
    X, y = noisy()
    results = [None] * 3

    def fit(k):
        results[k] = str(BooleanRuleClassifier(max_complexity=10).fit(X, y))

    threads = [threading.Thread(target=fit, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1
    assert fx.rules.BooleanRuleClassifier is BooleanRuleClassifier
