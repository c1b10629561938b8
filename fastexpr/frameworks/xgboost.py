"""XGBoost: trees, also with dropout, and its linear booster."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import expit, logit

from fastexpr._core import Function
from fastexpr.expression import variables
from fastexpr.expression.reductions import softmax
from fastexpr.frameworks.boosters import Array, compare, named_function, refuse, sample_points
from fastexpr.frameworks.libraries import library
from fastexpr.frameworks.trees import Forest, below_in_single

CALLER = "from_xgboost"


def unchanged(scores: Any) -> Any:
    """The identity."""
    return scores


#: By objective, what `predict` makes of the sum of the trees, and how the base score enters that sum.
OBJECTIVES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "binary:logistic": (expit, logit),
    "binary:logitraw": (unchanged, unchanged),
    "count:poisson": (np.exp, np.log),
    "multi:softmax": (softmax, unchanged),
    "multi:softprob": (softmax, unchanged),
    "reg:gamma": (np.exp, np.log),
    "reg:logistic": (expit, logit),
    "reg:tweedie": (np.exp, np.log),
    "survival:aft": (np.exp, np.log),
    "survival:cox": (np.exp, np.log),
}
IDENTITY = ("rank:", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror", "reg:squared")


def from_xgboost(
    model: Any, *, input_names: Sequence[str] | None = None, output_names: Sequence[str] | None = None
) -> Function:
    """A trained model of XGBoost as a Function.

    f(x) is what `predict` gives for one row x: of classifiers the probability of the second of two classes, or those of
    all. XGBoost compares in float32, and so does f: it goes to the same leaves for every x. It adds up in double, where
    XGBoost does in float32. Trees are piecewise constant: f has its value, and derivatives 0.

    Parameters
    ----------
    model : xgboost.Booster or xgboost.XGBModel
        With numerical features. After early stopping, an XGBModel is taken up to its best iteration.
    input_names, output_names : sequence of str, optional
        One name for each number of x and of f(x); by default the names of the features, and "y", or "y[label]" for the
        classes of an XGBClassifier.

    Returns
    -------
    Function
        n inputs, one port "x"; one port "y".

    Raises
    ------
    fastexpr.errors.NotFoundError
        XGBoost is not installed.
    fastexpr.errors.FrameworkError
        An objective or a setting that is not supported, or a result other than the model's.

    Examples
    --------
    >>> import numpy as np, xgboost, fastexpr as fx
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> model = xgboost.XGBRegressor(n_estimators=5).fit(X, X[:, 0] > 0.5)
    >>> net = fx.from_xgboost(model)
    >>> np.allclose(net([0.25]), model.predict([[0.25]]))
    True
    """
    xgboost = library(CALLER, "xgboost", ["xgboost"])
    booster = best_part(model) if isinstance(model, xgboost.XGBModel) else model
    if not isinstance(booster, xgboost.Booster):
        raise TypeError(f"[{CALLER}] model: got {type(model).__name__}, expected an xgboost.Booster or XGBModel.")
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    settings = learner["learner_model_param"]
    n, n_scores = int(settings["num_feature"]), max(int(settings["num_class"]), int(settings.get("num_target", 1)), 1)
    objective = learner["objective"]["name"]
    if objective not in OBJECTIVES and not objective.startswith(IDENTITY):
        refuse(CALLER, "objective", objective, f"one of {', '.join([*OBJECTIVES, *IDENTITY])}")
    link, inverse = OBJECTIVES.get(objective, (unchanged, unchanged))
    offset = inverse(base_score(settings, n_scores))

    x = variables(n)
    parts = learner["gradient_booster"]
    forest = None if parts["name"] == "gblinear" else forest_of(parts, n_scores)
    scores = linear(parts, n, n_scores, x) if forest is None else forest.of(x)
    y, features, classes = link(scores + offset), booster.feature_names or [], getattr(model, "classes_", ())
    function = named_function(CALLER, x, y, features, input_names, output_names, classes)
    points = sample_points(forest, n)
    table = xgboost.DMatrix(points, feature_names=booster.feature_names, feature_types=booster.feature_types)
    expected = booster.predict(table, output_margin=objective == "multi:softmax")
    compare(CALLER, function, points, np_softmax(expected) if objective == "multi:softmax" else expected)
    return function


def best_part(model: Any) -> Any:
    """The booster of an XGBModel, up to its best iteration where it stopped early, as its `predict` takes it."""
    booster = model.get_booster()
    best = booster.attr("best_iteration") if model.early_stopping_rounds is not None else None
    return booster if best is None or booster.num_boosted_rounds() == 0 else booster[: int(best) + 1]


def base_score(settings: dict[str, Any], n_scores: int) -> Array:
    """One float32 number for each score."""
    found = np.atleast_1d(np.array(json.loads(settings["base_score"]), np.float32)).astype(np.float64)
    return np.broadcast_to(found, (n_scores,))


def forest_of(parts: dict[str, Any], n_scores: int) -> Forest:
    """All trees; in a DART booster each has a weight."""
    tables = parts["gbtree"]["model"] if parts["name"] == "dart" else parts["model"]
    weights = parts.get("weight_drop") or [1.0] * len(tables["trees"])
    forest = Forest(n_scores)
    for tree, score, weight in zip(tables["trees"], tables["tree_info"], weights, strict=True):
        if int(tree["tree_param"]["size_leaf_vector"]) > 1:
            refuse(CALLER, "multi_strategy", "multi_output_tree", "'one_output_per_tree'")
        if any(tree["split_type"]):
            refuse(CALLER, "a tree with categories", "enable_categorical", "numerical features")
        children = list(zip(tree["left_children"], tree["right_children"], strict=True))
        numbers = np.array(tree["split_conditions"], np.float64).astype(np.float32).astype(np.float64)
        leaves = [[(score, weight * float(number))] for number in numbers]
        forest.add(tree["split_indices"], below_in_single(numbers), children, leaves)
    return forest


def linear(parts: dict[str, Any], n: int, n_scores: int, x: Any) -> Any:
    """W'x + b."""
    weights = np.array(parts["model"]["weights"], np.float64).astype(np.float32).reshape(n + 1, n_scores)
    return x @ weights[:n] + weights[n]


def np_softmax(scores: Any) -> Any:
    """The softmax of numbers."""
    powers = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
