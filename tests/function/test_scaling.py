"""Scalers of scikit-learn around networks, inverses, and functions one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from onnx_models import distance
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

import fastexpr as fx
from fastexpr.errors import FrameworkError, ShapeError

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(80, 3)) * [30.0, 0.2, 4.0] + [350.0, 1.0, -20.0]
Y = RANDOM.normal(size=(80, 2)) * [5.0, 900.0] + [1.0, 4000.0]
NAMES, TARGETS = ["T", "p", "flow"], ["CO2", "power"]
TABLE, TARGET_TABLE = pd.DataFrame(X, columns=NAMES), pd.DataFrame(Y, columns=TARGETS)

SCALERS: dict[str, Any] = {
    "StandardScaler": StandardScaler(),
    "StandardScaler without mean": StandardScaler(with_mean=False),
    "StandardScaler without deviation": StandardScaler(with_std=False),
    "MinMaxScaler": MinMaxScaler(),
    "MinMaxScaler, another range": MinMaxScaler((-1.0, 3.0)),
    "MaxAbsScaler": MaxAbsScaler(),
    "RobustScaler": RobustScaler(),
    "RobustScaler without centering": RobustScaler(with_centering=False, quantile_range=(10, 90)),
    "Pipeline": make_pipeline(MinMaxScaler(), StandardScaler()),
    "Pipeline with nothing in it": make_pipeline("passthrough", MaxAbsScaler()),
    "FunctionTransformer": FunctionTransformer(np.arcsinh, np.sinh),
    "PowerTransformer": PowerTransformer(),
    "PowerTransformer, not standardized": PowerTransformer(standardize=False),
}


def fitted(kind: str, table: Any) -> Any:
    return clone(SCALERS[kind]).fit(table)


def network() -> fx.Function:
    x = fx.variables(3)
    W = np.array([[0.3, -0.7, 0.2], [0.5, 0.1, -0.4]])
    return fx.Function(x, np.tanh(W @ x) + 0.1 * x[:2] ** 2)


@pytest.mark.parametrize("kind", SCALERS)
def test_scaled(kind: str) -> None:
    sx, sy = fitted(kind, X), StandardScaler().fit(Y)
    net = network()
    physical = net.scaled(input=sx, output=sy)
    assert distance(physical(X), sy.inverse_transform(net(sx.transform(X)))) < 1e-10
    physical.check_derivatives(X[0])
    sy = fitted(kind, Y)
    assert distance(net.scaled(output=sy)(X / 100), sy.inverse_transform(net(X / 100))) < 1e-10
    assert distance(net.scaled(input=sx)(X), net(sx.transform(X))) < 1e-10


@pytest.mark.parametrize("kind", SCALERS)
def test_the_range_is_scaled_back(kind: str) -> None:
    sx = fitted(kind, X)
    low, high = np.array([-1.0, 0.0, -0.5]), np.array([1.0, 0.25, 2.0])
    physical = network().with_bounds(low, high).scaled(input=sx)
    assert distance(physical.lower, sx.inverse_transform([low])[0]) < 1e-12
    assert distance(physical.upper, sx.inverse_transform([high])[0]) < 1e-12
    half = network().with_bounds(low).scaled(input=sx)
    assert np.isinf(half.upper).all()
    assert distance(half.lower, sx.inverse_transform([low])[0]) < 1e-12


def test_clipped_scalers_are_flat_outside() -> None:
    sx = MinMaxScaler(clip=True).fit(X)
    net = network().with_bounds(0.0, 1.0).scaled(input=sx)
    points = np.concatenate([X, 3 * X, -X])
    assert distance(net(points), network()(sx.transform(points))) < 1e-10
    assert not net.jacobian(3 * np.abs(X[0]) + 1e3).any()
    assert distance(net.lower, X.min(axis=0)) < 1e-12


def test_columns_are_matched_by_name() -> None:
    sx, sy = StandardScaler().fit(TABLE[["flow", "T", "p"]]), MinMaxScaler().fit(TARGET_TABLE[["power", "CO2"]])
    net = network().with_names(inputs=NAMES, outputs=TARGETS).with_bounds(-1.0, [1.0, 2.0, 3.0])
    expected_x = StandardScaler().fit(X).transform(X)
    expected = MinMaxScaler().fit(Y).inverse_transform(net(expected_x))
    physical = net.scaled(input=sx, output=sy)
    assert (physical.input_names, physical.output_names) == (tuple(NAMES), tuple(TARGETS))
    assert distance(physical(TABLE[["p", "T", "flow"]]), expected) < 1e-10
    assert distance(physical.upper, StandardScaler().fit(X).inverse_transform([[1.0, 2.0, 3.0]])[0]) < 1e-12
    with pytest.raises(ShapeError, match=r"scaled: columns of the StandardScaler.*missing 'p', unexpected 'pressure'"):
        net.scaled(input=StandardScaler().fit(TABLE.rename(columns={"p": "pressure"})))
    named = network().scaled(input=sx, output=sy)  # the network has no names: position counts, and it gets these
    assert (named.input_names, named.output_names) == (("flow", "T", "p"), ("power", "CO2"))
    assert distance(named(X[:, [2, 0, 1]]), sy.inverse_transform(network()(expected_x[:, [2, 0, 1]]))) < 1e-10


@pytest.mark.parametrize("has_names", [False, True])
def test_column_transformers(has_names: bool) -> None:
    """Its table has flow, T, p; what it gives has p, flow, T."""
    table = TABLE[["flow", "T", "p"]] if has_names else X[:, [2, 0, 1]]
    columns = (["p"], ["flow", "T"]) if has_names else ([2], [0, 1])
    sx = ColumnTransformer([("a", MinMaxScaler(), columns[0]), ("b", StandardScaler(), columns[1])]).fit(table)
    net = network().with_names(inputs=["p", "flow", "T"]).with_bounds([0.0, -1.0, -2.0], [1.0, 2.0, 3.0])
    physical = net.scaled(input=sx)
    if has_names:
        assert physical.input_names == ("p", "flow", "T")
        assert distance(physical(table), network()(sx.transform(table))) < 1e-10
    else:
        assert physical.input_names == ("flow", "T", "p")
        assert distance(physical(table), network()(sx.transform(table))) < 1e-10
    corners = pd.DataFrame([physical.lower, physical.upper], columns=list(physical.input_names))
    back = sx.transform(corners if has_names else corners.to_numpy())
    assert distance(back, np.array([[0.0, -1.0, -2.0], [1.0, 2.0, 3.0]])) < 1e-12
    sy = make_column_transformer((StandardScaler(), [1]), ("passthrough", [0])).fit(Y)
    scaled = np.column_stack([StandardScaler().fit(Y).transform(Y)[:, 1], Y[:, 0]])
    x = fx.variables(2)
    assert distance(fx.Function(x, 1.0 * x).scaled(output=sy)(scaled), Y) < 1e-10


@pytest.mark.parametrize(
    ("scaler", "error", "message"),
    [
        (StandardScaler(), FrameworkError, "StandardScaler is not fitted"),
        (make_pipeline(StandardScaler()), FrameworkError, "is not fitted"),
        (StandardScaler().fit(Y), ShapeError, "StandardScaler of 2 columns, expected one that was fitted on 3"),
        (PCA(3).fit(X), FrameworkError, "PCA mixes columns.*fastexpr.chain"),
        (Normalizer().fit(X), FrameworkError, "Normalizer mixes columns"),
        (PolynomialFeatures(2).fit(X), FrameworkError, "PolynomialFeatures mixes columns or changes their number"),
        (QuantileTransformer(n_quantiles=10).fit(X), FrameworkError, "QuantileTransformer is not supported"),
        (5.0, FrameworkError, "float is not fitted, or no estimator"),
    ],
)
def test_refused_scalers(scaler: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        network().with_bounds(0.0, 1.0).scaled(input=scaler)


def test_a_scaler_and_numbers() -> None:
    sx = StandardScaler().fit(X)
    both = network().scaled(input=sx, output_factor=2.0, output_offset=[1.0, 0.0])
    assert distance(both(X), 2.0 * network()(sx.transform(X)) + [1.0, 0.0]) < 1e-10
    with pytest.raises(TypeError, match="both input= and input_offset= or input_factor="):
        network().scaled(1.0, input=sx)
    with pytest.raises(TypeError, match="goes in as input= or output="):
        network().scaled(sx)


@pytest.mark.parametrize("kind", [*SCALERS, "PCA", "whitened PCA"])
def test_inverses(kind: str) -> None:
    table = pd.DataFrame(X / [100, 1, 10], columns=NAMES)
    scaler = clone({"PCA": PCA(2), "whitened PCA": PCA(2, whiten=True)}.get(kind) or SCALERS[kind]).fit(table)
    scaled = np.asarray(scaler.transform(table))
    back = fx.from_sklearn(scaler, inverse=True)
    assert back.output_names == tuple(NAMES)
    assert distance(back(scaled), np.asarray(scaler.inverse_transform(scaled))) < 1e-10
    back.check_derivatives(scaled[0])


@pytest.mark.parametrize("method", ["yeo-johnson", "box-cox"])
def test_inverses_of_powers(method: str) -> None:
    """On both sides of 0, with exponents of 0, 2 and others, and at the kink of the definition."""
    transformer = PowerTransformer(method, standardize=False).fit(np.exp(X / 100))
    for powers in ([0.0, 2.0, 0.7], [1.0, -0.5, 3.0], [2.0, 1.5, 0.0]):
        transformer.lambdas_ = np.array(powers)
        points = np.array([[0.5, 1.0, 0.2], [-0.3, -0.2, -0.1], [0.0, 0.0, 0.0], [0.1, -0.1, 0.3]])
        expected = transformer.inverse_transform(points)
        got = fx.from_sklearn(transformer, inverse=True)(points)
        assert np.array_equal(np.isnan(got), np.isnan(expected))
        assert distance(np.nan_to_num(got), np.nan_to_num(expected)) < 1e-12


def test_a_range_that_a_scaler_cannot_give_back() -> None:
    sx = PowerTransformer("box-cox", standardize=False).fit(np.exp(X / 100))
    sx.lambdas_ = np.array([2.0, 2.0, 2.0])
    with pytest.raises(FrameworkError, match="range reaches beyond what the PowerTransformer gives"):
        network().with_bounds(-1.0, 1.0).scaled(input=sx)


def test_inverses_that_there_are_not() -> None:
    with pytest.raises(FrameworkError, match="inverse of PolynomialFeatures is not supported"):
        fx.from_sklearn(PolynomialFeatures(2).fit(X), inverse=True)
    with pytest.raises(FrameworkError, match="to invert"):
        fx.from_sklearn(make_column_transformer((StandardScaler(), [0])).fit(X), inverse=True)


# ---- chains ----------------------------------------------------------------------------------------------------------


def test_chain() -> None:
    sx, sy = StandardScaler().fit(TABLE), MinMaxScaler().fit(TARGET_TABLE)
    net = network().with_bounds([-1.0, -2.0, -3.0], [1.0, 2.0, np.inf])
    whole = fx.chain(fx.from_sklearn(sx), net, fx.from_sklearn(sy, inverse=True))
    assert (whole.input_names, whole.output_names) == (tuple(NAMES), tuple(TARGETS))
    assert distance(whole(TABLE), sy.inverse_transform(net(sx.transform(TABLE)))) < 1e-10
    assert distance(whole.lower, sx.inverse_transform(pd.DataFrame([net.lower], columns=NAMES))[0]) < 1e-10
    assert np.isinf(whole.upper[2])
    whole.check_derivatives(X[0])
    assert fx.chain(net)(X[0]).tolist() == net(X[0]).tolist()


def test_the_range_of_a_chain() -> None:
    x = fx.variables(2)
    net = fx.Function(x, x.sum()).with_bounds([0.0, 1.0], [1.0, 3.0])
    swapped = fx.chain(fx.Function(x, np.stack([4.0 - 2.0 * x[1], x[0] / 3.0])), net)
    assert (swapped.lower.tolist(), swapped.upper.tolist()) == ([3.0, 1.5], [9.0, 2.0])
    own = fx.chain(fx.Function(x, 2 * x).with_bounds(5.0, 6.0), net)
    assert own.lower.tolist() == [5.0, 5.0]
    for front in (np.tanh(x), np.stack([x[0] + x[1], x[1]]), np.stack([x[0], x[0]]), x * x, np.maximum(x, 0.0)):
        assert fx.chain(fx.Function(x, front), net).lower is None


def test_chains_by_name() -> None:
    x = fx.variables(2)
    first = fx.Function(x, np.stack([x[0], 10 * x[1]]))
    last = fx.Function(x, x[0] - x[1])
    by_name = fx.chain(first.with_names(outputs=["p", "T"]), last.with_names(inputs=["T", "p"]))
    assert by_name([1.0, 2.0]) == 19.0
    by_position = fx.chain(first.with_names(outputs=["p", "T"]), last.with_names(inputs=["u", "v"]))
    assert by_position([1.0, 2.0]) == -19.0
    assert fx.chain(first.with_names(outputs=["p", "T"]), last)([1.0, 2.0]) == -19.0
    with pytest.raises(ShapeError, match=r"\[chain\].*function 1.*missing 't', unexpected 'T'"):
        fx.chain(first.with_names(outputs=["p", "T"]), last.with_names(inputs=["t", "p"]))


@pytest.mark.parametrize("transformer", [StandardScaler(), make_pipeline(MinMaxScaler(), PowerTransformer())])
def test_columns_keep_their_names_through_a_transformer(transformer: Any) -> None:
    """What was fitted on columns in another order than the network's is matched with them, in front and behind."""
    other = ["flow", "T", "p"]
    fitted = transformer.fit(TABLE[other])
    front, back = fx.from_sklearn(fitted), fx.from_sklearn(fitted, inverse=True)
    assert front.output_names == back.input_names == tuple(other)
    x = fx.variables(3)
    net = fx.Function(x, x * [0.1, 0.2, 0.3]).with_names(inputs=NAMES, outputs=NAMES)
    scaled = pd.DataFrame(fitted.transform(TABLE[other]), columns=other)
    assert distance(fx.chain(front, net)(TABLE), net(scaled[NAMES].to_numpy())) < 1e-12
    unscaled = fitted.inverse_transform(pd.DataFrame(net(X * 0.01), columns=NAMES)[other])
    assert distance(fx.chain(net, back)(X * 0.01), unscaled) < 1e-12


def test_selected_columns_keep_their_names() -> None:
    chosen = SelectKBest(f_regression, k=2).fit(TABLE, TABLE["flow"] + 0.1 * TABLE["T"])
    assert fx.from_sklearn(chosen).output_names == tuple(chosen.get_feature_names_out())
    assert fx.from_sklearn(PCA(2).fit(TABLE)).output_names == ("y[0]", "y[1]")
    assert fx.from_sklearn(StandardScaler().fit(X)).output_names == ("y[0]", "y[1]", "y[2]")


def test_chains_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"\[chain\] function 1 takes 3 numbers: got 2"):
        fx.chain(network(), network())
    with pytest.raises(ShapeError, match="there is no function"):
        fx.chain()
    with pytest.raises(TypeError, match=r"argument 0: got StandardScaler, expected.*from_sklearn"):
        fx.chain(StandardScaler().fit(X), network())
