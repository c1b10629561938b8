"""Rules as ONNX models, run by ONNX Runtime."""

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from rule_data import noisy
from sklearn.datasets import load_breast_cancer, load_iris

from fastexpr.errors import RuleError
from fastexpr.rules import BooleanRuleClassifier


def run(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(["label"], feeds)[0]


def feeds_of(rules, X):
    """A table, as the model takes it."""
    types = {"double": np.float64, "bool": np.bool_, "string": object}
    feeds = {}
    for name, kind in zip(X.columns, rules.column_kinds_, strict=True):
        column = X[name].fillna("") if kind == "string" else X[name]
        feeds[name] = column.to_numpy(dtype=types[kind]).reshape(-1, 1)
    return feeds


@pytest.mark.parametrize("form", ["dnf", "cnf"])
@pytest.mark.parametrize(
    "labels", [np.array([0, 1]), np.array(["no", "yes"]), np.array([False, True]), np.array([-1.0, 2.0])]
)
def test_numbers(form, labels):
    data = load_breast_cancer()
    y = labels[data.target]
    X = data.data.copy()
    X[::7, 3] = np.nan
    rules = BooleanRuleClassifier(max_complexity=9, max_length=2, form=form).fit(X, y)
    got = run(rules.to_onnx(), {"x": X})
    assert got.tolist() == rules.predict(X).tolist()
    assert got.shape == (569,)
    on_threshold = X.copy()
    for rule in rules.rules_:
        for k, condition in enumerate(rule.conditions):
            if condition.value is not None:
                on_threshold[k::5, condition.column] = condition.value
    assert run(rules.to_onnx(), {"x": on_threshold}).tolist() == rules.predict(on_threshold).tolist()


@pytest.mark.parametrize("form", ["dnf", "cnf"])
def test_categories(form, tmp_path):
    X, y = noisy()
    X.loc[::9, "material"] = None
    rules = BooleanRuleClassifier(max_complexity=25, form=form).fit(X, y)
    used = {condition.operator for rule in rules.rules_ for condition in rule.conditions}
    assert used >= {"<=", ">", "==", "!="}
    rules.to_onnx(tmp_path / "rules.onnx")
    model = onnx.load(tmp_path / "rules.onnx")
    assert run(model, feeds_of(rules, X)).tolist() == rules.predict(X).tolist()
    assert model.doc_string == str(rules)
    unseen = X.assign(material="gold")
    assert run(model, feeds_of(rules, unseen)).tolist() == rules.predict(unseen).tolist()


def test_more_classes_and_missing_values():
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.iloc[::4, 2] = np.nan
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    rules = BooleanRuleClassifier(max_complexity=8).fit(X, names)
    assert run(rules.to_onnx(), {"x": X.to_numpy()}).tolist() == rules.predict(X).tolist()
    numbered = X.assign(size=pd.Series(np.arange(150) % 3).astype("category"), dark=np.arange(150) % 2 == 0)
    rules = BooleanRuleClassifier(max_complexity=8).fit(numbered, np.arange(150) % 6)
    assert run(rules.to_onnx(), feeds_of(rules, numbered)).tolist() == rules.predict(numbered).tolist()


def test_no_rules_at_all():
    X = np.zeros((6, 2))
    for y in ([0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1]):
        rules = BooleanRuleClassifier().fit(X, y)
        assert run(rules.to_onnx(), {"x": X}).tolist() == rules.predict(X).tolist()


def test_names_that_are_taken():
    X = pd.DataFrame({"label": list("ab") * 10, "x": [1.0, 2.0, 3.0, 4.0] * 5, "Where_3": [True, False] * 10})
    y = (X.label == "a") & (X.x > 1.5)
    rules = BooleanRuleClassifier(max_complexity=5).fit(X, y)
    with pytest.raises(RuleError, match="a column is called 'label'"):
        rules.to_onnx()
    with pytest.raises(RuleError, match="a column has an empty name"):
        BooleanRuleClassifier(max_complexity=5).fit(X.rename(columns={"label": ""}), y).to_onnx()
    encoded = X[["x"]].assign(kind=X.label.str.encode("utf8"))
    with pytest.raises(RuleError, match="categories are bytes"):
        BooleanRuleClassifier(max_complexity=5).fit(encoded, y).to_onnx()
    X = X.rename(columns={"label": "Equal_2"})
    rules = BooleanRuleClassifier(max_complexity=5).fit(X, y)
    assert run(rules.to_onnx(), feeds_of(rules, X)).tolist() == rules.predict(X).tolist()
