"""Estimators through `from_sklearn` against their own predict; derivatives against differences."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas
import pytest
import sklearn_models as models
from onnx_models import distance
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import SGDClassifier
from sklearn_models import CASES, X, Y, fitted, y

import fastexpr as fx
from fastexpr.errors import FrameworkError, NotFoundError, ShapeError
from fastexpr.frameworks.sklearn.registry import RULES, method_of


def points_of(name: str) -> np.ndarray:
    """Some of the data, and points around and beyond them."""
    table = models.table_of(name)
    spread = table.std(axis=0)
    random = np.random.default_rng(1)
    beyond = table.mean(axis=0) + 1.5 * spread * random.normal(size=(8, table.shape[1]))
    if "Box-Cox" in name:
        beyond = np.abs(beyond)
    return np.concatenate([table[:8], beyond]).astype(np.float32).astype(np.float64)


@pytest.mark.filterwarnings("ignore")  # of names of columns, and of few iterations
@pytest.mark.parametrize("name", CASES)
def test_estimator(name: str) -> None:
    estimator = fitted(name)
    net = fx.from_sklearn(estimator)
    points = points_of(name)
    expected = np.asarray(getattr(estimator, method_of(estimator))(points), np.float64).reshape(len(points), -1)
    assert distance(net(points), expected) < 1e-10
    smooth = [x for x in points[8:] if all(kink.distance > 1e-3 for kink in net.kinks(x, 1))]
    assert smooth
    for x in smooth[:3]:
        net.check_derivatives(x)


def test_every_rule_has_a_row() -> None:
    seen: set[str] = set()

    def look(thing: Any) -> None:
        names = [kind.__name__ for kind in type(thing).__mro__ if kind.__module__.startswith("sklearn")]
        seen.update(name for name in names[:1] if name in RULES)
        calibrated = [member.estimator for member in getattr(thing, "calibrated_classifiers_", [])]
        parts = [
            calibrated,
            getattr(thing, "steps", []),
            getattr(thing, "estimators_", []),
            getattr(thing, "transformers_", []),
        ]
        for member in [member for part in parts for member in part]:
            look(member[1] if isinstance(member, tuple) else member)

    for name in CASES:
        look(fitted(name))
    same_formula = {  # other ways to fit what has a row
        "ARDRegression", "ElasticNetCV", "Lars", "LarsCV", "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC",
        "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLassoCV", "OrthogonalMatchingPursuit",
        "OrthogonalMatchingPursuitCV", "QuantileRegressor", "RidgeCV", "TheilSenRegressor", "GammaRegressor",
        "PLSCanonical", "LogisticRegressionCV", "LinearSVC", "RidgeClassifierCV", "NuSVC", "IncrementalPCA",
        "GenericUnivariateSelect", "RFE", "RFECV", "SelectFdr", "SelectFpr", "SelectFromModel", "SelectFwe",
        "SelectPercentile", "SequentialFeatureSelector", "HalvingGridSearchCV", "HalvingRandomSearchCV",
        "RandomizedSearchCV",
        "OneHotEncoder", "OrdinalEncoder",  # tests/frameworks/test_encoders.py
    }  # fmt: skip
    assert set(RULES) == seen | same_formula


def test_names() -> None:
    table = pandas.DataFrame(X, columns=["flow", "T", "p"])
    ridge = models.Ridge().fit(table, Y)
    net = fx.from_sklearn(ridge)
    assert net.input_names == ("flow", "T", "p")
    assert net.output_names == ("y[0]", "y[1]")
    assert (net.inputs, net.outputs) == ({"x": (3,)}, {"y": (2,)})
    assert fx.from_sklearn(models.Ridge().fit(X, y)).input_names == ("x[0]", "x[1]", "x[2]")
    assert fx.from_sklearn(models.Ridge().fit(X, y)).output_names == ("y",)
    labels = fx.from_sklearn(models.linear.LogisticRegression().fit(X, models.TWO))
    assert labels.output_names == ("y[high]", "y[low]")
    named = fx.from_sklearn(ridge, input_names=list("abc"), output_names=["u", "v"])
    assert (named.input_names, named.output_names) == (tuple("abc"), ("u", "v"))
    with pytest.raises(ShapeError, match=r"\[from_sklearn\] output_names has the wrong number of names: got 1"):
        fx.from_sklearn(ridge, output_names=["u"])


def test_columns_by_name() -> None:
    table = pandas.DataFrame(X, columns=["flow", "T", "p"])
    transformer = models.compose.make_column_transformer(
        (models.Scaler(), ["p", "flow"]), (models.pre.PolynomialFeatures(2), ["T"])
    ).fit(table)
    assert distance(fx.from_sklearn(transformer)(X), transformer.transform(table)) < 1e-14


@pytest.mark.filterwarnings("ignore")  # of names of columns
@pytest.mark.parametrize("name", [name for name in CASES if hasattr(fitted(name), "decision_function")])
def test_scores_of_classifiers(name: str) -> None:
    estimator, points = fitted(name), points_of(name)
    net = fx.from_sklearn(estimator, method="decision_function")
    expected = np.asarray(estimator.decision_function(points)).reshape(len(points), -1)
    assert distance(net(points), expected) < 1e-10
    classes = list(getattr(estimator, "classes_", []))
    if len(classes) == net.n_outputs:
        assert net.output_names == tuple(f"y[{label}]" for label in classes)
    elif net.n_outputs == 1:
        assert net.output_names == ("y[low]" if classes else "y",)


def test_probabilities_of_one_class_against_the_rest() -> None:
    """With modified_huber no class may have a chance; then scikit-learn gives all the same one."""
    machine = SGDClassifier(loss="modified_huber", random_state=0).fit(np.eye(3).repeat(5, axis=0), np.arange(15) // 5)
    machine.coef_, machine.intercept_ = np.eye(3), np.full(3, -0.5)
    points = np.array([[-5.0, -4.0, -3.0], [0.3, -0.2, 0.9], [5.0, -4.0, 0.5]])
    net = fx.from_sklearn(machine)
    assert np.allclose(net(points), machine.predict_proba(points), rtol=1e-12)
    assert np.allclose(net(points[0]), 1 / 3)
    assert np.isfinite(net.jacobian(points[0])).all()
    assert np.allclose(fx.from_sklearn(machine, method="decision_function")(points), machine.decision_function(points))
    with pytest.raises(FrameworkError, match="SGDClassifier: probabilities with loss: got 'hinge', expected"):
        fx.from_sklearn(SGDClassifier().fit(np.eye(3), [0, 1, 2]), method="predict_proba")


def test_methods_that_there_are_not() -> None:
    ridge = models.Ridge().fit(X, y)
    with pytest.raises(FrameworkError, match=r"Ridge: method: got 'predict_proba', expected 'predict'\."):
        fx.from_sklearn(ridge, method="predict_proba")
    with pytest.raises(FrameworkError, match=r"LogisticRegression: method: got 'predict', expected 'predict_proba' or"):
        fx.from_sklearn(models.linear.LogisticRegression().fit(X, models.TWO), method="predict")
    with pytest.raises(FrameworkError, match=r"StandardScaler: method: got 'predict', expected 'transform'"):
        fx.from_sklearn(models.make_pipeline(models.Pca(2), models.Scaler()).fit(X), method="predict")


@pytest.mark.filterwarnings("ignore:The `probability` parameter was deprecated")
def test_probabilities_of_support_vector_machines() -> None:
    """Its own come from an iteration that stops at 0.5 %: refused; those of CalibratedClassifierCV are read."""
    machine = models.svm.SVC(probability=True, random_state=0).fit(X, models.TWO)
    with pytest.raises(FrameworkError, match=r"SVC: method: got 'predict_proba', expected.*CalibratedClassifierCV"):
        fx.from_sklearn(machine, method="predict_proba")
    assert distance(fx.from_sklearn(machine)(X)[:, 0], machine.decision_function(X)) < 1e-10


def test_isotonic_regression_beyond_its_data() -> None:
    for settings in ({}, {"out_of_bounds": "raise"}):
        line = IsotonicRegression(**settings).fit(X[:, 0], X[:, 0] + y)
        net = fx.from_sklearn(line)
        assert distance(net(X[:, :1])[:, 0], line.predict(X[:, 0])) < 1e-12
        assert np.isnan(net([[line.X_min_ - 1e-6], [line.X_max_ + 1.0]])).all()
    constant = IsotonicRegression(out_of_bounds="clip").fit([1.0, 1.0], [2.0, 4.0])
    assert fx.from_sklearn(constant)([7.0]) == 3.0
    three = IsotonicRegression(out_of_bounds="clip", increasing=False).fit([0.0, 1.0, 3.0], [4.0, 2.0, 1.0])
    assert fx.from_sklearn(three).jacobian([[0.5], [1.0], [2.0], [9.0]]).ravel().tolist() == [-2.0, -0.5, -0.5, 0.0]


@pytest.mark.parametrize("has_pipeline", [False, True])
def test_standard_deviation(has_pipeline: bool) -> None:
    kernel = models.kernels.Matern(1.5, nu=2.5) * 2.0 + models.kernels.DotProduct() + models.kernels.WhiteKernel(0.01)
    process = models.Gaussian(kernel, optimizer=None, normalize_y=True)
    estimator = models.make_pipeline(models.Scaler(), process) if has_pipeline else process
    estimator.fit(X, Y)
    net = fx.from_sklearn(estimator, return_std=True)
    assert net.outputs == {"y": (2,), "y_std": (2,)}
    assert net.output_names == ("y[0]", "y[1]", "y_std[0]", "y_std[1]")
    points = np.concatenate([X[:5], 4 * X[5:10]])
    mean, deviation = estimator.predict(points, return_std=True)
    got = net(points)
    assert distance(got[:, :2], mean) < 1e-10
    assert distance(got[:, 2:], deviation) < 1e-10
    net.check_derivatives(points[7])


@pytest.mark.parametrize("nu", [1.5, 2.5])
def test_matern_is_smooth_at_the_data(nu: float) -> None:
    """Its distance is not; the derivatives there are the limits of those nearby."""
    process = models.Gaussian(models.kernels.Matern(1.5, nu=nu), optimizer=None, alpha=1e-4).fit(X, y)
    net = fx.from_sklearn(process)
    at, near = net.evaluate(X[0]), net.evaluate(X[0] + 1e-12)
    for got, expected in zip(at, near, strict=True):
        assert distance(got, expected) < 1e-9
    if nu == 2.5:
        net.check_derivatives(X[0])


def test_splines_at_knots() -> None:
    """Cubic splines are twice differentiable there, and the first derivative of linear ones is that from above."""
    spline = models.pre.SplineTransformer(4, 3, extrapolation="continue").fit(X[:, :1])
    net, basis = fx.from_sklearn(spline), spline.bsplines_[0]
    for knot in np.unique(basis.t)[3:-3]:
        assert distance(net([knot]), basis(knot)) < 1e-12
        assert distance(net.jacobian([knot])[:, 0], basis(knot, nu=1)) < 1e-12
        for k in range(net.n_outputs):
            expected = basis(knot, nu=2)[k]
            assert net.hessian([knot], np.eye(net.n_outputs)[k])[0, 0] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    "name", ["RandomForestRegressor", "GradientBoostingRegressor", "HistGradientBoostingRegressor"]
)
def test_trees_go_to_the_same_leaves(name: str) -> None:
    """At thresholds and the doubles beside them, also where rounding to float32 changes sides."""
    estimator = fitted(name)
    net = fx.from_sklearn(estimator)
    [forest] = [core for core, _, _ in net._nodes() if core.name == "TreeEnsemble"]
    nodes, thresholds = forest.constants[:2]
    points = []
    for (kind, feature, *_), threshold in zip(nodes, thresholds, strict=True):
        for number in (threshold, np.nextafter(threshold, np.inf), float(np.float32(threshold))) if kind else ():
            points.append(X[len(points) % len(X)].copy())
            points[-1][feature] = number
    assert len(points) > 50
    expected = estimator.predict(np.array(points)).reshape(len(points), -1)
    assert distance(net(points), expected) < 1e-12


class Twice(models.Ridge):
    """Derives from what has a rule, and predicts something else."""

    def predict(self, X: Any) -> Any:
        return 2 * super().predict(X)


class Thrice(models.Ridge):
    """Derives from what has a rule, and predicts the same."""


REFUSED: dict[str, tuple[Any, str]] = {
    "unknown": (
        models.pre.QuantileTransformer(n_quantiles=5),
        r"QuantileTransformer is not supported; nearest by name: FunctionTransformer, ",
    ),
    "unknown in a pipeline": (
        models.make_pipeline(models.pre.KBinsDiscretizer(quantile_method="linear"), models.Ridge()),
        r"KBinsDiscretizer is not supported",
    ),
    "another predict": (Twice(), r"f\(x\) differs from Twice.predict: got 1 numbers and a difference of \d"),
    "smoothness": (models.Gaussian(models.kernels.Matern(nu=0.7), optimizer=None), r"Matern: nu: got 0.7, expected"),
    "kernel": (
        models.KernelRidge(kernel="chi2", gamma=1.0),
        r"KernelRidge: kernel: got 'chi2', expected one of linear",
    ),
    "bounded splines": (
        models.pre.SplineTransformer(5, extrapolation="error"),
        r"SplineTransformer: extrapolation: got 'error', expected 'constant', 'continue', 'linear' or 'periodic'",
    ),
    "linear splines": (
        models.pre.SplineTransformer(5, 1, extrapolation="linear"),
        r"SplineTransformer: degree of a linear extrapolation: got 1, expected 2 or more",
    ),
    "function": (models.pre.FunctionTransformer(np.log1p), r"FunctionTransformer: log1p is not available .* np.log\(1"),
    "inverse": (
        models.compose.TransformedTargetRegressor(models.Ridge(), transformer=models.sklearn.decomposition.FastICA(1)),
        r"the inverse of FastICA is not supported",
    ),
    "imputer": (models.SimpleImputer(missing_values=-1.0), r"SimpleImputer: missing_values: got -1.0, expected NaN"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_said(name: str) -> None:
    estimator, message = REFUSED[name]
    estimator.fit(np.exp(X / 9), models.THREE)
    with pytest.raises(FrameworkError, match=rf"\[from_sklearn\] {message}"):
        fx.from_sklearn(estimator)


def test_other_errors() -> None:
    with pytest.raises(FrameworkError, match=r"\[from_sklearn\] Ridge is not fitted"):
        fx.from_sklearn(models.Ridge())
    with pytest.raises(FrameworkError, match=r"Ridge: return_std: got True, expected False: only a Gaussian"):
        fx.from_sklearn(models.Ridge().fit(X, y), return_std=True)


def test_classes_of_ones_own() -> None:
    assert fx.from_sklearn(Thrice().fit(X, y))(X[0]) == pytest.approx(models.Ridge().fit(X, y).predict(X[:1]))


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(NotFoundError, match=r"\[from_sklearn\] needs .* 'sklearn', .*: pip install scikit-learn"):
        fx.from_sklearn(None)
