"""XGBoost and LightGBM, against their own predict; trees to the last bit of their thresholds."""

from __future__ import annotations

import sys
from typing import Any

import lightgbm
import numpy as np
import pandas
import pytest
import xgboost
from onnx_models import distance

import fastexpr as fx
from fastexpr.errors import FrameworkError, NotFoundError
from fastexpr.frameworks.trees import Forest, at_most_in_single, below_in_single

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 3)) * [1.0, 100.0, 1e-3]
y = np.sin(X[:, 0]) + (X[:, 1] / 100) ** 2 + 300 * X[:, 2]
TWO, THREE = (y > 1).astype(int), np.digitize(y, [0.5, 1.5])
POINTS = (RANDOM.normal(size=(200, 3)) * [2.0, 200.0, 2e-3]).astype(np.float32).astype(np.float64)

# ---- XGBoost ----------------------------------------------


def xgb(objective: str, target: Any = y, **settings: Any) -> xgboost.Booster:
    data = xgboost.DMatrix(X, target, feature_names=["T", "p", "c"])
    return xgboost.train({"objective": objective, "nthread": 1, **settings}, data, 8)


XGBOOST = {
    "squared error": lambda: xgb("reg:squarederror"),
    "absolute error": lambda: xgb("reg:absoluteerror"),
    "Poisson": lambda: xgb("count:poisson", np.exp(y / 3)),
    "gamma": lambda: xgb("reg:gamma", np.exp(y / 3)),
    "logistic": lambda: xgb("binary:logistic", TWO),
    "logistic, raw": lambda: xgb("binary:logitraw", TWO),
    "softprob": lambda: xgb("multi:softprob", THREE, num_class=3),
    "softmax": lambda: xgb("multi:softmax", THREE, num_class=3),
    "forest": lambda: xgb("reg:squarederror", num_parallel_tree=3, subsample=0.5),
    "dart": lambda: xgb("reg:squarederror", booster="dart", rate_drop=0.5),
    "linear": lambda: xgb("reg:squarederror", booster="gblinear"),
    "two targets": lambda: xgb("reg:squarederror", np.column_stack([y, -y * y])),
    "base score": lambda: xgb("binary:logistic", TWO, base_score=0.2),
}


@pytest.mark.parametrize("name", XGBOOST)
def test_xgboost(name: str) -> None:
    booster = XGBOOST[name]()
    net = fx.from_xgboost(booster)
    expected = booster.predict(xgboost.DMatrix(POINTS, feature_names=booster.feature_names)).astype(np.float64)
    got = net(POINTS)
    if name == "softmax":
        np.testing.assert_array_equal(got.argmax(axis=1), expected)
    else:
        assert distance(got, expected.reshape(len(POINTS), -1)) < 1e-6
    assert net.input_names == ("T", "p", "c")
    if name != "linear":
        assert not net.jacobian(POINTS[0]).any()


def test_xgboost_goes_to_the_same_leaves() -> None:
    """At, and a bit beside, every threshold and every number that rounds to it."""
    booster = xgb("reg:squarederror")
    net = fx.from_xgboost(booster)
    table = booster.trees_to_dataframe()
    splits = table[table.Feature == "T"].Split.to_numpy(np.float32)
    single = np.concatenate([np.nextafter(splits, np.float32(k)) for k in (-np.inf, np.inf)] + [splits])
    middle = (splits.astype(np.float64) + np.nextafter(splits, np.float32(-np.inf)).astype(np.float64)) / 2
    double = np.concatenate([single.astype(np.float64), middle, np.nextafter(middle, 9e9), np.nextafter(middle, -9e9)])
    points = np.column_stack([double, np.zeros_like(double), np.zeros_like(double)])
    expected = booster.predict(xgboost.DMatrix(points.astype(np.float32), feature_names=booster.feature_names))
    assert distance(net(points)[:, 0], expected.astype(np.float64)) < 1e-6


def test_xgboost_wrappers_and_early_stopping() -> None:
    model = xgboost.XGBRegressor(n_estimators=60, learning_rate=0.9, early_stopping_rounds=2)
    model.fit(X[:150], y[:150], eval_set=[(X[150:], y[150:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    net = fx.from_xgboost(model, input_names=list("abc"), output_names=["y0"])
    assert distance(net(POINTS)[:, 0], model.predict(POINTS).astype(np.float64)) < 1e-6
    assert (net.input_names, net.output_names) == (tuple("abc"), ("y0",))
    classes = xgboost.XGBClassifier(n_estimators=5).fit(X, TWO)
    expected = classes.predict_proba(POINTS)[:, 1].astype(np.float64)
    assert distance(fx.from_xgboost(classes)(POINTS)[:, 0], expected) < 1e-6
    assert fx.from_xgboost(classes).output_names == ("y[1]",)


# ---- LightGBM ----------------------------------------------


def lgb(objective: str, target: Any = y, **settings: Any) -> lightgbm.Booster:
    data = lightgbm.Dataset(X, target, feature_name=["T", "p", "c"])
    return lightgbm.train(
        {"objective": objective, "verbose": -1, "num_threads": 1, "num_leaves": 8, **settings}, data, 8
    )


FOREST = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
LIGHTGBM = {
    "squared error": lambda: lgb("regression"),
    "absolute error": lambda: lgb("regression_l1"),
    "square root": lambda: lgb("regression", reg_sqrt=True),
    "quantile": lambda: lgb("quantile"),
    "Poisson": lambda: lgb("poisson", np.exp(y / 3)),
    "binary": lambda: lgb("binary", TWO, sigmoid=0.5),
    "multiclass": lambda: lgb("multiclass", THREE, num_class=3),
    "one against the rest": lambda: lgb("multiclassova", THREE, num_class=3),
    "cross entropy": lambda: lgb("cross_entropy", TWO / 2),
    "cross entropy, lambda": lambda: lgb("cross_entropy_lambda", TWO / 2),
    "forest": lambda: lgb("regression", **FOREST),
    "forest of classes": lambda: lgb("multiclass", THREE, num_class=3, **FOREST),
    "dart": lambda: lgb("regression", boosting="dart"),
    "linear trees": lambda: lgb("regression", linear_tree=True),
    "linear trees, classes": lambda: lgb("multiclass", THREE, linear_tree=True, num_class=3),
    "stump": lambda: lgb("regression", min_data_in_leaf=1000),
}


@pytest.mark.parametrize("name", LIGHTGBM)
def test_lightgbm(name: str) -> None:
    booster = LIGHTGBM[name]()
    net = fx.from_lightgbm(booster)
    points = np.concatenate([POINTS, X[:50]])  # double numbers, and at thresholds
    expected = booster.predict(points).reshape(len(points), -1)
    assert distance(net(points), expected) < 1e-12
    assert net.input_names == ("T", "p", "c")


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
def test_lightgbm_wrappers_and_early_stopping() -> None:
    stop = lightgbm.early_stopping(2, verbose=False)
    model = lightgbm.LGBMRegressor(n_estimators=60, learning_rate=0.9, verbose=-1)
    model.fit(X[:150], y[:150], eval_set=[(X[150:], y[150:])], callbacks=[stop])
    assert model.best_iteration_ < 60
    net = fx.from_lightgbm(model, input_names=list("abc"), output_names=["y0"])
    assert distance(net(X)[:, 0], model.predict(X)) < 1e-12
    assert (net.input_names, net.output_names) == (tuple("abc"), ("y0",))


def test_classes_of_lightgbm_by_label() -> None:
    labels = np.array(["low", "middle", "high"])[np.digitize(y, np.quantile(y, [0.3, 0.6]))]
    three = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(X, labels)
    net = fx.from_lightgbm(three)
    assert net.output_names == ("y[high]", "y[low]", "y[middle]")
    two = fx.from_lightgbm(lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(X, labels == "low"))
    assert two.output_names == ("y[True]",)
    table = pandas.DataFrame(X, columns=list("abc"))  # the booster's own names are Column_0, ...: position counts
    assert np.array_equal(net(table), net(X))


# ---- errors and thresholds ----------------------------------------------


def category(booster: str) -> Any:
    table = X.copy()
    table[:, 0] = np.arange(300) % 7
    values = np.where(np.isin(table[:, 0], [1, 4, 5]), 5.0, -5.0)
    if booster == "lightgbm":
        return lightgbm.train(
            {"verbose": -1, "min_data_per_group": 1}, lightgbm.Dataset(table, values, categorical_feature=[0]), 2
        )
    data = xgboost.DMatrix(table, values, feature_types=["c", "q", "q"], enable_categorical=True)
    return xgboost.train({"max_cat_to_onehot": 1}, data, 2)


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "xgboost, objective": (
        fx.from_xgboost,
        lambda: xgb("binary:hinge", TWO),
        r"objective: got 'binary:hinge', expected",
    ),
    "xgboost, vectors": (
        fx.from_xgboost,
        lambda: xgb("reg:squarederror", np.column_stack([y, y]), multi_strategy="multi_output_tree"),
        r"multi_strategy: got 'multi_output_tree'",
    ),
    "xgboost, categories": (fx.from_xgboost, lambda: category("xgboost"), r"a tree with categories"),
    "lightgbm, categories": (fx.from_lightgbm, lambda: category("lightgbm"), r"a split by categories: got '=='"),
    "lightgbm, zeros": (
        fx.from_lightgbm,
        lambda: lgb("regression", zero_as_missing=True),
        r"zero_as_missing: got True, expected False",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_said(name: str) -> None:
    read, make, message = REFUSED[name]
    with pytest.raises(FrameworkError, match=rf"\[from_(xgboost|lightgbm)\] {message}"):
        read(make())


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_other_errors(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = getattr(fx, f"from_{library}")
    with pytest.raises(TypeError, match=rf"\[from_{library}\] model: got int, expected an? {library}.Booster"):
        read(3)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(NotFoundError, match=rf"\[from_{library}\] needs .* pip install {library}"):
        read(3)


@pytest.mark.parametrize("test", [at_most_in_single, below_in_single])
def test_thresholds_split_doubles_as_their_float32_are_split(test: Any) -> None:
    thresholds = np.concatenate([RANDOM.normal(size=50) * 10.0 ** RANDOM.integers(-40, 30, 50), [0.0, 1.0, -1.0, 0.1]])
    single = thresholds.astype(np.float32)
    limits = thresholds if test is at_most_in_single else single
    near = [np.nextafter(single, np.float32(k)) for k in (-np.inf, np.inf)]
    doubles = [
        single,
        *near,
        *((single.astype(np.float64) + other) / 2 for other in near),
        thresholds,
        test(thresholds),
    ]
    for x in [np.nextafter(x.astype(np.float64), k) for x in doubles for k in (-np.inf, np.inf)] + doubles:
        rounded = x.astype(np.float32).astype(np.float64)
        expected = rounded <= limits if test is at_most_in_single else rounded < limits
        np.testing.assert_array_equal(x <= test(thresholds), expected)


def test_nodes_may_stand_in_any_order() -> None:
    """Parents behind children, and nodes that nothing leads to."""
    forest = Forest(2)
    leaves = [[(0, 1.0)], [(0, 2.0), (1, 3.0)], [], [(1, 4.0)], []]
    forest.add([1, 0, 0, 0, 0], [0.5, 0, 9, 0, 0.0], [(4, 1), (-1, -1), (-1, -1), (-1, -1), (3, 1)], leaves)
    x = fx.variables(2)
    net = fx.Function(x, forest.of(x))
    np.testing.assert_array_equal(net([[0.0, 0.0], [1.0, 0.5], [0.0, 1.0]]), [[0.0, 4.0], [2.0, 3.0], [2.0, 3.0]])
