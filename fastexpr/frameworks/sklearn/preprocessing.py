"""Transformers: scalers, polynomials, projections, selections."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.errors import FrameworkError
from fastexpr.frameworks.sklearn.registry import Symbolic, dense, inverse, refuse, rule
from fastexpr.frameworks.sklearn.steps import choose, step

# ---- scalers ----------------------------------------------


def offset_and_scale(estimator: Any) -> tuple[Any, Any]:
    """What is subtracted, and what then divides; None where nothing is."""
    offset = getattr(estimator, "mean_", None) if hasattr(estimator, "with_mean") else None
    if hasattr(estimator, "with_mean") and not estimator.with_mean:
        offset = None
    offset = getattr(estimator, "center_", offset)
    return offset, estimator.scale_


@rule("MaxAbsScaler", "RobustScaler", "StandardScaler", method="transform")
def scaler(estimator: Any, x: Symbolic) -> Symbolic:
    """(x - offset) / scale."""
    offset, scale = offset_and_scale(estimator)
    x = x if offset is None else x - dense(offset)
    return x if scale is None else x / dense(scale)


@inverse("MaxAbsScaler", "RobustScaler", "StandardScaler")
def scaler_inverse(estimator: Any, y: Symbolic) -> Symbolic:
    """Scale y + offset."""
    offset, scale = offset_and_scale(estimator)
    y = y if scale is None else y * dense(scale)
    return y if offset is None else y + dense(offset)


@rule("MinMaxScaler", method="transform")
def min_max_scaler(estimator: Any, x: Symbolic) -> Symbolic:
    """Scale x + min, clipped to the range where `clip` is set."""
    y = x * dense(estimator.scale_) + dense(estimator.min_)
    lower, upper = estimator.feature_range
    return np.clip(y, float(lower), float(upper)) if estimator.clip else y


@inverse("MinMaxScaler")
def min_max_scaler_inverse(estimator: Any, y: Symbolic) -> Symbolic:
    """(y - min) / scale."""
    return (y - dense(estimator.min_)) / dense(estimator.scale_)


@rule("Normalizer", method="transform")
def normalizer(estimator: Any, x: Symbolic) -> Symbolic:
    """x / |x|."""
    if estimator.norm == "max":
        return x / np.max(np.abs(x))
    return x / np.linalg.norm(x, 1 if estimator.norm == "l1" else 2)


@rule("PowerTransformer", method="transform")
def power_transformer(estimator: Any, x: Symbolic) -> Symbolic:
    """Yeo and Johnson's or Box and Cox's power of each number, standardized."""
    power = yeo_johnson if estimator.method == "yeo-johnson" else box_cox
    y = np.stack([power(x[k], float(exponent)) for k, exponent in enumerate(estimator.lambdas_)])
    return scaler(estimator._scaler, y) if estimator.standardize else y


def box_cox(x: Any, exponent: float) -> Any:
    """(x^p - 1) / p, or log x."""
    return (x**exponent - 1.0) / exponent if exponent else np.log(x)


def yeo_johnson(x: Any, exponent: float) -> Any:
    """Box and Cox's of 1 + x with p for x >= 0, minus that of 1 - x with 2 - p for x < 0. Each side is clipped only
    where the other one holds, so that the derivative at 0 is right.
    """
    is_negative = step(-x)
    return choose(
        is_negative,
        -box_cox(1.0 - np.minimum(x, 0.5), 2.0 - exponent),
        box_cox(1.0 + np.maximum(x, -0.5), exponent),
    )


@inverse("PowerTransformer")
def power_transformer_inverse(estimator: Any, y: Symbolic) -> Symbolic:
    """The inverse of the standardization, then of each power; NaN beyond what a power gives."""
    y = scaler_inverse(estimator._scaler, y) if estimator.standardize else y
    back = yeo_johnson_inverse if estimator.method == "yeo-johnson" else box_cox_inverse
    return np.stack([back(y[k], float(exponent)) for k, exponent in enumerate(estimator.lambdas_)])


def box_cox_inverse(y: Any, exponent: float) -> Any:
    """(1 + p y)^(1/p), or exp y."""
    return (1.0 + exponent * y) ** (1.0 / exponent) if exponent else np.exp(y)


def yeo_johnson_inverse(y: Any, exponent: float) -> Any:
    """Of each side; at what the other side's numbers are clipped to, this one is within its domain."""
    above, below = (0.5 / max(1.0, abs(power)) for power in (exponent, 2.0 - exponent))
    return choose(
        step(-y),
        1.0 - box_cox_inverse(-np.minimum(y, below), 2.0 - exponent),
        box_cox_inverse(np.maximum(y, -above), exponent) - 1.0,
    )


@rule("FunctionTransformer", method="transform")
def function_transformer(estimator: Any, x: Symbolic) -> Symbolic:
    """The function, which must be made of what NumPy's functions are for an Expression."""
    return called(estimator, estimator.func, estimator.kw_args, x)


@inverse("FunctionTransformer")
def function_transformer_inverse(estimator: Any, y: Symbolic) -> Symbolic:
    """The inverse function."""
    return called(estimator, estimator.inverse_func, estimator.inv_kw_args, y)


def called(estimator: Any, function: Any, settings: Any, x: Symbolic) -> Symbolic:
    """`function` of x as a table with one row."""
    if function is None:
        return x
    try:
        result: Symbolic = function(x.reshape(1, -1), **(settings or {}))
        return result.reshape(-1)
    except (TypeError, ValueError, AttributeError) as error:
        raise FrameworkError(f"[from_sklearn] {type(estimator).__name__}: {error}") from error


@rule("SimpleImputer", method="transform")
def imputer(estimator: Any, x: Symbolic) -> Symbolic:
    """x: a Function takes numbers only, so nothing is missing."""
    if estimator.add_indicator:
        refuse(estimator, "add_indicator", True, "False")
    if not (isinstance(estimator.missing_values, float) and np.isnan(estimator.missing_values)):
        refuse(estimator, "missing_values", estimator.missing_values, "NaN")
    empty = np.isnan(dense(estimator.statistics_))
    return x if estimator.keep_empty_features else x[np.flatnonzero(~empty)]


# ---- polynomials ----------------------------------------------


@rule("PolynomialFeatures", method="transform")
def polynomial_features(estimator: Any, x: Symbolic) -> Symbolic:
    """All monomials: those of degree d are those of degree d - 1 times one more variable."""
    wanted = [tuple(int(power) for power in row) for row in estimator.powers_]
    known: dict[tuple[int, ...], int] = {}  # where each monomial stands among all
    levels: list[Any] = []
    for monomials in by_degree(wanted):
        if not any(monomials[0]):
            levels.append(np.ones(1))
        elif sum(monomials[0]) == 1:
            levels.append(x[[row.index(1) for row in monomials]])
        else:
            everything = np.concatenate(levels)
            factors = [first_variable(row) for row in monomials]
            parents = [known[without(row, k)] for row, k in zip(monomials, factors, strict=True)]
            levels.append(everything[parents] * x[factors])
        known.update({row: len(known) + k for k, row in enumerate(monomials)})
    return np.concatenate(levels)[[known[row] for row in wanted]]


def by_degree(wanted: list[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """The monomials and all that they are made of, by degree."""
    needed = {row for row in wanted if not any(row)}
    for row in wanted:
        while any(row) and row not in needed:
            needed.add(row)
            row = without(row, first_variable(row)) if sum(row) > 1 else row
    degrees = sorted({sum(row) for row in needed})
    return [sorted(row for row in needed if sum(row) == degree) for degree in degrees]


def first_variable(row: tuple[int, ...]) -> int:
    return next(k for k, power in enumerate(row) if power)


def without(row: tuple[int, ...], k: int) -> tuple[int, ...]:
    """The monomial divided by variable k."""
    return (*row[:k], row[k] - 1, *row[k + 1 :])


# ---- projections and selections ----------------------------------------------


@rule("IncrementalPCA", "PCA", method="transform")
def principal_components(estimator: Any, x: Symbolic) -> Symbolic:
    """V (x - mean), divided by the standard deviations where whitened."""
    V = dense(estimator.components_)
    if estimator.whiten:
        deviations = np.sqrt(dense(estimator.explained_variance_))
        V = V / np.maximum(deviations, np.finfo(np.float64).eps)[:, np.newaxis]
    return V @ (x - dense(estimator.mean_))


@inverse("IncrementalPCA", "PCA")
def principal_components_inverse(estimator: Any, y: Symbolic) -> Symbolic:
    """V' y + mean, with y times the standard deviations where whitened."""
    if estimator.whiten:
        y = y * np.sqrt(dense(estimator.explained_variance_))
    return y @ dense(estimator.components_) + dense(estimator.mean_)


@rule("FastICA", "TruncatedSVD", method="transform")
def projection(estimator: Any, x: Symbolic) -> Symbolic:
    """V (x - mean)."""
    mean = getattr(estimator, "mean_", None)
    return dense(estimator.components_) @ (x if mean is None else x - dense(mean))


@rule("RBFSampler", method="transform")
def random_fourier_features(estimator: Any, x: Symbolic) -> Symbolic:
    """sqrt(2 / m) cos(W x + b)."""
    W, b = dense(estimator.random_weights_), dense(estimator.random_offset_)
    return np.cos(x @ W + b) * float(np.sqrt(2.0 / W.shape[1]))


@rule(
    "GenericUnivariateSelect", "RFE", "RFECV", "SelectFdr", "SelectFpr", "SelectFromModel", "SelectFwe", "SelectKBest",
    "SelectPercentile", "SequentialFeatureSelector", "VarianceThreshold",
    method="transform",
)  # fmt: skip
def selection(estimator: Any, x: Symbolic) -> Symbolic:
    """The numbers that were selected."""
    return x[np.flatnonzero(estimator.get_support())]
