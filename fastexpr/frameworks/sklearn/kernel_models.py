"""Gaussian processes, support vector machines, kernel ridge regression."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import scipy.linalg

from fastexpr.frameworks.sklearn.kernels import diagonal_of, kernel_by_name, kernel_of
from fastexpr.frameworks.sklearn.registry import NO_RULE, Array, Symbolic, dense, refuse, rule
from fastexpr.frameworks.sklearn.steps import step

for _name in ("NuSVC", "SVC"):
    NO_RULE[f"{_name}.predict_proba"] = (
        ", or CalibratedClassifierCV(SVC(), ensemble=False), which scikit-learn has in place of probability=True: "
        "libsvm's probabilities come from an iteration that stops at 0.5 %, and jump where it does"
    )


@rule("GaussianProcessRegressor")
def gaussian_process(estimator: Any, x: Symbolic) -> Symbolic:
    """The posterior mean, k(x, X) alpha in the target's units."""
    if not hasattr(estimator, "X_train_"):
        refuse(estimator, "state", "not fitted", "a fitted process")
    alpha = dense(estimator.alpha_)
    alpha = alpha[:, np.newaxis] if alpha.ndim == 1 else alpha  # (points, targets)
    mean = alpha.T @ kernel_of(estimator.kernel_, x, dense(estimator.X_train_))
    return mean * dense(estimator._y_train_std) + dense(estimator._y_train_mean)


def standard_deviation(estimator: Any, x: Symbolic) -> Symbolic:
    """sqrt(k(x, x) - |L^-1 k(X, x)|^2) in the target's units; 0 where rounding makes the difference negative."""
    L: Array = dense(estimator.L_)
    inverted = scipy.linalg.solve_triangular(L, np.eye(len(L)), lower=True)
    v = inverted @ kernel_of(estimator.kernel_, x, dense(estimator.X_train_))
    variance = np.maximum(diagonal_of(estimator.kernel_, x) - v @ v, 0.0)
    return np.sqrt(variance).reshape(1) * np.atleast_1d(dense(estimator._y_train_std))


@rule("NuSVR", "SVR")
def support_vectors(estimator: Any, x: Symbolic) -> Symbolic:
    """sum_i a_i k(X_i, x) + b."""
    return dense(estimator.dual_coef_) @ kernel_at(estimator, x) + dense(estimator.intercept_)


def kernel_at(estimator: Any, x: Symbolic) -> Symbolic:
    """k(X_i, x) for the support vectors X_i."""
    X = dense(estimator.support_vectors_)
    settings = {"gamma": estimator._gamma, "coef0": estimator.coef0, "degree": estimator.degree}
    name = estimator.kernel if not callable(estimator.kernel) else "a function"
    return kernel_by_name(type(estimator).__name__, name, x, X, settings)


@rule("OneClassSVM", method="decision_function")
def one_class(estimator: Any, x: Symbolic) -> Symbolic:
    """The same, positive where x is like the training data."""
    return support_vectors(estimator, x)


@rule("NuSVC", "SVC", method="decision_function")
def support_vector_classifier(estimator: Any, x: Symbolic) -> Symbolic:
    """The same for two classes, positive for the second one; for several of each pair of them, and what the setting
    `decision_function_shape` makes of that.
    """
    n_classes = len(estimator.classes_)
    if n_classes == 2:
        return support_vectors(estimator, x)
    pairs = list(itertools.combinations(range(n_classes), 2))
    scores = pair_weights(estimator, pairs) @ kernel_at(estimator, x) + dense(estimator.intercept_)
    if estimator.decision_function_shape == "ovo":
        return scores
    firsts, seconds = (
        np.array([[pair[k] == label for pair in pairs] for label in range(n_classes)], float) for k in (0, 1)
    )
    is_second = step(-scores)
    confidence = (firsts - seconds) @ scores
    votes = firsts @ (1.0 - is_second) + seconds @ is_second
    return votes + confidence / (3.0 * (np.abs(confidence) + 1.0))


def pair_weights(estimator: Any, pairs: list[tuple[int, int]]) -> Array:
    """(pairs, support vectors): libsvm keeps one number per support vector for each class that is not its own."""
    coefficients = dense(estimator.dual_coef_)
    owner = np.repeat(np.arange(len(estimator.classes_)), estimator.n_support_)
    weights = [
        np.where(owner == first, coefficients[second - 1], np.where(owner == second, coefficients[first], 0.0))
        for first, second in pairs
    ]
    return np.array(weights)


@rule("KernelRidge")
def kernel_ridge(estimator: Any, x: Symbolic) -> Symbolic:
    """sum_i a_i k(X_i, x)."""
    a = dense(estimator.dual_coef_)
    a = a[:, np.newaxis] if a.ndim == 1 else a
    return a.T @ named_kernel(estimator, x, dense(estimator.X_fit_))


@rule("Nystroem", method="transform")
def nystroem(estimator: Any, x: Symbolic) -> Symbolic:
    """N k(X, x) for a few points X."""
    return dense(estimator.normalization_) @ named_kernel(estimator, x, dense(estimator.components_))


def named_kernel(estimator: Any, x: Symbolic, X: Array) -> Symbolic:
    """The estimator's kernel; settings that were left out have the defaults of `sklearn.metrics.pairwise`."""
    settings = {key: getattr(estimator, key) for key in ("gamma", "coef0", "degree")}
    settings = {key: value for key, value in settings.items() if value is not None}
    name = estimator.kernel if not callable(estimator.kernel) else "a function"
    return kernel_by_name(type(estimator).__name__, name, x, X, settings)
