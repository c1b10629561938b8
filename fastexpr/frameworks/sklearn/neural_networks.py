"""scikit-learn's own multilayer perceptrons."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from fastexpr.expression.reductions import softmax
from fastexpr.frameworks.sklearn.registry import Symbolic, refuse, rule

ACTIVATIONS = {
    "exp": np.exp,
    "identity": lambda x: x,
    "logistic": expit,
    "relu": lambda x: np.maximum(x, 0.0),
    "softmax": softmax,
    "tanh": np.tanh,
}


def output(estimator: Any, x: Symbolic) -> tuple[Symbolic, Symbolic]:
    """The last layer before its activation, and after it. Weights keep their precision."""
    for number, (W, b) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        is_last = number == len(estimator.coefs_) - 1
        name = estimator.out_activation_ if is_last else estimator.activation
        if name not in ACTIVATIONS:
            refuse(estimator, "activation", name, f"one of {', '.join(ACTIVATIONS)}")
        before = x @ W + b
        x = ACTIVATIONS[name](before)
    return before, x


@rule("MLPRegressor")
def regressor(estimator: Any, x: Symbolic) -> Symbolic:
    """W_L a(... a(W_1 x + b_1) ...) + b_L."""
    return output(estimator, x)[1]


@rule("MLPClassifier", method="predict_proba")
def classifier(estimator: Any, x: Symbolic) -> Symbolic:
    """The probabilities of the classes."""
    scores, probabilities = output(estimator, x)
    is_binary = estimator.out_activation_ == "logistic" and scores.size == 1
    return expit(np.concatenate([-scores, scores])) if is_binary else probabilities
