"""Calibrated classifiers and isotonic regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from fastexpr.expression.reductions import softmax
from fastexpr.frameworks.sklearn.registry import Array, Symbolic, dense, expression_of, refuse, rule
from fastexpr.frameworks.sklearn.splines import indicators
from fastexpr.frameworks.sklearn.steps import choose, step


@rule("IsotonicRegression")
@rule("IsotonicRegression", method="transform")
def isotonic(estimator: Any, x: Symbolic) -> Symbolic:
    """Linear between thresholds, constant beyond the outermost ones; NaN there unless it was told to clip.

    At a threshold the derivative is that from above.
    """
    return interpolated(estimator, x)


def interpolated(estimator: Any, x: Symbolic) -> Symbolic:
    """The same for every number of x, a vector."""
    t, y = dense(estimator.X_thresholds_), dense(estimator.y_thresholds_)
    if len(t) == 1:
        return y[0] + 0.0 * x
    parts = [line(t, y, x[k]) for k in range(x.shape[0])]
    values = np.concatenate(parts)
    if estimator.out_of_bounds == "clip":
        return values
    is_outside = step(np.maximum(t[0] - x, x - t[-1]))
    return choose(is_outside, np.full(x.shape, np.nan), values)


def line(t: Array, y: Array, x: Symbolic) -> Symbolic:
    """Through the points (t, y), at one number x."""
    inside = indicators(x, t, closes_last=True)  # below t[0], between neighbours, above t[-1]
    slopes = np.concatenate([[0.0], np.diff(y) / np.diff(t), [0.0]])
    origins, values = np.concatenate([t[:1], t]), np.concatenate([y[:1], y])
    return (inside @ values + inside @ (slopes * (x - origins))).reshape(1)


@rule("CalibratedClassifierCV", method="predict_proba")
def calibrated_classifier(estimator: Any, x: Symbolic) -> Symbolic:
    """The mean over the classifiers that cross-validation fitted, each with its calibrators."""
    members = [calibrated(estimator, member, x) for member in estimator.calibrated_classifiers_]
    return np.mean(np.stack(members), axis=0)


def calibrated(estimator: Any, member: Any, x: Symbolic) -> Symbolic:
    """The probabilities of one classifier with its calibrators."""
    n_classes = len(member.classes)
    has_scores = hasattr(member.estimator, "decision_function")
    scores = expression_of(member.estimator, x, "decision_function" if has_scores else "predict_proba")
    if member.method == "temperature":
        return tempered(member.calibrators[0], scores, has_scores)
    if n_classes == 2:
        positive = calibrate(estimator, member.calibrators[0], scores[-1:])
        return np.concatenate([1.0 - positive, positive])
    where = np.searchsorted(member.classes, member.estimator.classes_)
    found = [calibrate(estimator, one, scores[k : k + 1]) for k, one in enumerate(member.calibrators)]
    parts: list[Any] = [np.zeros(1)] * n_classes
    for label, probability in zip(where, found, strict=True):
        parts[label] = probability
    joined = np.concatenate(parts)
    total = np.sum(joined)
    is_positive = step(total)  # else all are equally likely
    return choose(is_positive, joined / choose(is_positive, total, 1.0), np.full(n_classes, 1.0 / n_classes))


def calibrate(estimator: Any, calibrator: Any, scores: Symbolic) -> Symbolic:
    """By Platt's logistic function, or by isotonic regression."""
    if hasattr(calibrator, "X_thresholds_"):
        return interpolated(calibrator, scores)
    if not hasattr(calibrator, "a_"):
        refuse(estimator, "method", estimator.method, "'sigmoid', 'isotonic' or 'temperature'")
    return expit(-(float(calibrator.a_) * scores + float(calibrator.b_)))


def tempered(calibrator: Any, scores: Symbolic, has_scores: bool) -> Symbolic:
    """softmax(beta logits)."""
    if not has_scores:
        scores = np.log(scores + np.finfo(np.float64).eps)
    elif scores.shape[0] == 1:
        scores = np.concatenate([-scores, scores])
    return softmax(float(calibrator.beta_) * scores)
