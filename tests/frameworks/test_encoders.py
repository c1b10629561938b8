"""Encoders of categories: numbers as inputs, text where it is fixed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from onnx_models import distance
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import fastexpr as fx
from fastexpr.errors import FrameworkError, NotFoundError, ShapeError

RANDOM = np.random.default_rng(5)
CODES = np.column_stack([RANDOM.choice([1.0, 2.0, 5.0], 60), RANDOM.choice([-3.0, 0.0, 0.5, 7.0], 60)])
TABLE = pd.DataFrame(
    {
        "city": RANDOM.choice(["Paris", "Rome", "Oslo"], 60),
        "T": RANDOM.normal(300.0, 10.0, 60),
        "grade": RANDOM.choice([1, 2, 3], 60),
        "p": RANDOM.normal(1.0, 0.1, 60),
        "shift": RANDOM.choice(["day", "night"], 60),
    }
)
TARGET = TABLE["T"] / 10 + TABLE["grade"] + (TABLE["city"] == "Oslo") * TABLE["p"] - (TABLE["shift"] == "day")

ENCODERS: dict[str, Any] = {
    "one-hot": OneHotEncoder(),
    "one-hot, dense": OneHotEncoder(sparse_output=False),
    "one-hot, first dropped": OneHotEncoder(drop="first"),
    "one-hot, given ones dropped": OneHotEncoder(drop=[2.0, 7.0]),
    "one-hot, unknown ones ignored": OneHotEncoder(handle_unknown="ignore"),
    "one-hot, infrequent ones": OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3),
    "one-hot, infrequent ones and one dropped": OneHotEncoder(min_frequency=16, drop="first"),
    "ordinal": OrdinalEncoder(),
    "ordinal, unknown ones": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    "ordinal, categories given": OrdinalEncoder(categories=[[1.0, 2.0, 4.0, 5.0], [-3.0, 0.0, 0.5, 7.0]]),
}


def plain(result: Any) -> np.ndarray:
    return np.asarray(result.toarray() if hasattr(result, "toarray") else result, float)


@pytest.mark.filterwarnings("ignore:Found unknown categories")
@pytest.mark.parametrize("kind", ENCODERS)
def test_encoders_of_numbers(kind: str) -> None:
    encoder = ENCODERS[kind].fit(CODES)
    net = fx.from_sklearn(encoder)
    assert np.array_equal(net(CODES), plain(encoder.transform(CODES)))
    assert not net.jacobian(CODES[0]).any()
    strange = np.array([[1.5, 0.0], [2.0, 100.0], [9.0, 9.0]])
    if encoder.handle_unknown == "error":
        assert np.isnan(net(strange)).all()
    else:
        assert np.array_equal(net(strange), plain(encoder.transform(strange)))


def test_missing_categories_are_no_numbers() -> None:
    table = np.array([[1.0], [2.0], [np.nan], [2.0]])
    for encoder in (OneHotEncoder().fit(table), OrdinalEncoder().fit(table)):
        assert np.array_equal(fx.from_sklearn(encoder)(table[:2]), plain(encoder.transform(table[:2])))


def pipeline(model: Any) -> Any:
    columns = make_column_transformer(
        (StandardScaler(), ["T", "p"]),
        (OneHotEncoder(drop="if_binary"), ["city", "grade"]),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OrdinalEncoder()), ["shift"]),
    )
    return make_pipeline(columns, model).fit(TABLE, TARGET)


MLP = MLPRegressor(hidden_layer_sizes=(8,), activation="tanh", max_iter=50, random_state=0)


@pytest.mark.parametrize("model", [Ridge(), MLP, RandomForestRegressor(5)])
@pytest.mark.filterwarnings("ignore")  # of few iterations
def test_pipelines_with_text(model: Any) -> None:
    fitted = pipeline(model)
    for city in ("Paris", "Oslo"):
        net = fx.from_sklearn(fitted, fixed={"city": city, "shift": "night"})
        assert net.input_names == ("T", "grade", "p")
        rows = TABLE.assign(city=city, shift="night")
        assert distance(net(rows[["p", "T", "grade"]])[:, 0], fitted.predict(rows)) < 1e-10
    everything = fx.from_sklearn(fitted, fixed={"city": "Rome", "shift": "day", "grade": 2})
    rows = TABLE.assign(city="Rome", shift="day", grade=2)
    assert distance(everything(rows[["T", "p"]])[:, 0], fitted.predict(rows)) < 1e-10
    if not isinstance(model, RandomForestRegressor):
        everything.check_derivatives(rows[["T", "p"]].to_numpy()[0])


def test_fixed_numbers() -> None:
    table = TABLE[["T", "grade", "p"]]
    model = LogisticRegression().fit(StandardScaler().fit_transform(table), TABLE["shift"])
    net = fx.from_sklearn(model, fixed={"x[1]": 0.5})
    points = RANDOM.normal(size=(7, 2))
    assert net.input_names == ("x[0]", "x[2]")
    assert distance(net(points), model.predict_proba(np.insert(points, 1, 0.5, axis=1))) < 1e-10


def test_text_that_is_not_fixed() -> None:
    fitted = pipeline(Ridge())
    with pytest.raises(FrameworkError, match=r"categories of 'city'.*fixed=\{'city': \.\.\.\}"):
        fx.from_sklearn(fitted, fixed={"shift": "day"})
    with pytest.raises(NotFoundError, match=r"fixed: there is no column 'town'.*city, T, grade, p, shift"):
        fx.from_sklearn(fitted, fixed={"town": "Paris"})
    with pytest.raises(FrameworkError, match="unknown categor"):
        fx.from_sklearn(fitted, fixed={"city": "Bonn", "shift": "day"})
    with pytest.raises(FrameworkError, match="text beside inputs"):
        fx.from_sklearn(StandardScaler().fit(CODES), fixed={"x[0]": "a"})
    for nothing in (None, np.nan, [1.0, 2.0], 1j):
        with pytest.raises((TypeError, ValueError), match=r"fixed: 'x\[0\]'"):
            fx.from_sklearn(StandardScaler().fit(CODES), fixed={"x[0]": nothing})
    with pytest.raises(ShapeError, match="every column is fixed"):
        fx.from_sklearn(Ridge().fit(CODES, CODES[:, 0]), fixed={"x[0]": 1.0, "x[1]": 2.0})
