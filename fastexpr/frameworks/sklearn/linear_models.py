"""Linear models, and what is one number times another behind a link function."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from fastexpr.expression.reductions import softmax
from fastexpr.frameworks.sklearn.registry import Symbolic, dense, refuse, rule
from fastexpr.frameworks.sklearn.steps import choose, step


def linear_predictor(estimator: Any, x: Symbolic) -> Symbolic:
    """W x + b, one number per target or class."""
    W = np.atleast_2d(dense(estimator.coef_))
    return W @ x + dense(estimator.intercept_)


@rule(
    "ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor", "Lars", "LarsCV", "Lasso",
    "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "LinearRegression", "LinearSVR", "MultiTaskElasticNet",
    "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV", "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV", "QuantileRegressor", "Ridge", "RidgeCV", "SGDRegressor", "TheilSenRegressor",
)  # fmt: skip
def linear(estimator: Any, x: Symbolic) -> Symbolic:
    """W x + b."""
    return linear_predictor(estimator, x)


@rule("PoissonRegressor", "GammaRegressor")
def log_link(estimator: Any, x: Symbolic) -> Symbolic:
    """exp(w x + b)."""
    return np.exp(linear_predictor(estimator, x))


@rule("TweedieRegressor")
def tweedie(estimator: Any, x: Symbolic) -> Symbolic:
    """exp(w x + b), or w x + b with the identity as link."""
    is_identity = estimator.link == "identity" or (estimator.link == "auto" and estimator.power <= 0)
    return linear_predictor(estimator, x) if is_identity else np.exp(linear_predictor(estimator, x))


@rule("PLSRegression", "PLSCanonical")
def partial_least_squares(estimator: Any, x: Symbolic) -> Symbolic:
    """W (x - mean) + b."""
    return dense(estimator.coef_) @ (x - dense(estimator._x_mean)) + dense(estimator.intercept_)


@rule("LogisticRegression", "LogisticRegressionCV", method="predict_proba")
def logistic(estimator: Any, x: Symbolic) -> Symbolic:
    """The probabilities of the classes: softmax(W x + b), or the logistic function of it where there are two."""
    scores = linear_predictor(estimator, x)
    if len(estimator.classes_) == 2:
        return expit(np.concatenate([-scores, scores]))
    if estimator.solver == "liblinear" or getattr(estimator, "multi_class", "auto") == "ovr":
        refuse(estimator, "one class against the rest", estimator.solver, "a multinomial model")
    return softmax(scores)


@rule(
    "LinearSVC", "LogisticRegression", "LogisticRegressionCV", "RidgeClassifier", "RidgeClassifierCV", "SGDClassifier",
    method="decision_function",
)  # fmt: skip
def scores_of_classes(estimator: Any, x: Symbolic) -> Symbolic:
    """W x + b, whose sign or largest number decides."""
    return linear_predictor(estimator, x)


@rule("SGDClassifier", method="predict_proba")
def against_the_rest(estimator: Any, x: Symbolic) -> Symbolic:
    """Of each class against the rest, over their sum where there are more than two: the logistic function of the score,
    or with "modified_huber" the score between -1 and 1, moved to [0, 1]; all alike where each is 0.
    """
    if estimator.loss not in ("log_loss", "modified_huber"):
        refuse(estimator, "probabilities with loss", estimator.loss, "'log_loss' or 'modified_huber'")
    scores = linear_predictor(estimator, x)
    n = len(estimator.classes_)
    if n == 2:
        scores = np.concatenate([-scores, scores])
    if estimator.loss == "log_loss":
        chances = expit(scores)
        return chances if n == 2 else chances / chances.sum()
    chances = (np.clip(scores, -1.0, 1.0) + 1.0) / 2.0
    return chances if n == 2 else choose(step(chances.sum()), chances / chances.sum(), 1.0 / n)
