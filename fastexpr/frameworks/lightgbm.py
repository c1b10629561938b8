"""LightGBM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from fastexpr._core import Function
from fastexpr.expression import variables
from fastexpr.expression.reductions import softmax
from fastexpr.frameworks.boosters import Array, compare, named_function, refuse, sample_points
from fastexpr.frameworks.libraries import library
from fastexpr.frameworks.trees import Forest

CALLER = "from_lightgbm"
ZERO = 1e-35  # what LightGBM takes for a zero, as a float32 number
IDENTITY = (
    "regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "custom",
)  # fmt: skip
EXPONENTIAL = ("poisson", "gamma", "tweedie")


def from_lightgbm(
    model: Any, *, input_names: Sequence[str] | None = None, output_names: Sequence[str] | None = None
) -> Function:
    """A trained model of LightGBM as a Function.

    f(x) is what the booster's `predict` gives for one row x, up to rounding: of classifiers the probability of the
    second of two classes, or those of all. Trees are piecewise constant: f has its value, and derivatives 0;
    those of linear trees (``linear_tree=True``) are piecewise linear.

    Parameters
    ----------
    model : lightgbm.Booster or lightgbm.LGBMModel
        With numerical features. After early stopping it is taken up to its best iteration, as `predict` does.
    input_names, output_names : sequence of str, optional
        One name for each number of x and of f(x); by default the names of the features, and "y", or "y[label]" for the
        classes of an LGBMClassifier.

    Returns
    -------
    Function
        n inputs, one port "x"; one port "y".

    Raises
    ------
    fastexpr.errors.NotFoundError
        LightGBM is not installed.
    fastexpr.errors.FrameworkError
        An objective or a setting that is not supported, or a result other than the model's.

    Examples
    --------
    >>> import numpy as np, lightgbm, fastexpr as fx
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(X, X[:, 0] > 0.5)
    >>> net = fx.from_lightgbm(model)
    >>> np.allclose(net([0.25]), model.booster_.predict([[0.25]]))
    True
    """
    lightgbm = library(CALLER, "lightgbm", ["lightgbm"])
    booster = model.booster_ if isinstance(model, lightgbm.LGBMModel) else model
    if not isinstance(booster, lightgbm.Booster):
        raise TypeError(f"[{CALLER}] model: got {type(model).__name__}, expected a lightgbm.Booster or LGBMModel.")
    contents = booster.dump_model()
    n = contents["max_feature_idx"] + 1
    x = variables(n)
    forest, lines = forest_of(contents)
    objective = contents.get("objective", "custom").split()
    y, classes = linked(objective, scores_of(forest, lines, x)), getattr(model, "classes_", ())
    function = named_function(CALLER, x, y, contents["feature_names"], input_names, output_names, classes)
    points = sample_points(forest, n)
    compare(CALLER, function, points, booster.predict(points))
    return function


def scores_of(forest: Forest, lines: Sequence[Line], x: Any) -> Any:
    """What the trees add up to. A leaf with a line says 1 about it, and adds its number."""
    said = forest.of(x)
    if not lines:
        return said
    n_scores = forest.n_targets - len(lines)
    W, belongs = np.zeros((len(lines), x.size)), np.zeros((n_scores, len(lines)))
    for k, line in enumerate(lines):
        W[k, line.features] = line.coefficients
        belongs[line.score, k] = 1.0
    return said[:n_scores] + belongs @ (said[n_scores:] * (W @ x))


def linked(objective: Sequence[str], scores: Any) -> Any:
    """What `predict` makes of the sum of the trees."""
    name, settings = objective[0], dict(part.partition(":")[::2] for part in objective[1:])
    if name in ("binary", "multiclassova"):
        return expit(scores * float(settings.get("sigmoid", "1")))
    if name == "multiclass":
        return softmax(scores)
    if name == "cross_entropy":
        return expit(scores)
    if name == "cross_entropy_lambda":
        return np.logaddexp(0.0, scores)
    if name in EXPONENTIAL:
        return np.exp(scores)
    if name not in IDENTITY:
        known = ["binary", "multiclass", "multiclassova", "cross_entropy", "cross_entropy_lambda"]
        refuse(CALLER, "objective", name, f"one of {', '.join([*known, *EXPONENTIAL, *IDENTITY])}")
    return scores * np.abs(scores) if "sqrt" in settings else scores


class Line(NamedTuple):
    """What a leaf of a linear tree adds to a score besides its number."""

    score: int
    features: list[int]
    coefficients: Array


def forest_of(contents: dict[str, Any]) -> tuple[Forest, list[Line]]:
    """All trees, and the lines of their leaves, which are targets behind the scores; a random forest is their mean."""
    n_scores, trees = contents["num_tree_per_iteration"], contents["tree_info"]
    factor = n_scores / len(trees) if contents["average_output"] else 1.0
    forest, lines = Forest(n_scores), list[Line]()
    for k, tree in enumerate(trees):
        features: list[int] = []
        thresholds: list[float] = []
        children: list[tuple[int, int]] = []
        leaves: list[list[tuple[int, float]]] = []
        waiting = [(tree["tree_structure"], -1, 0)]  # a node, its parent, and which child it is
        while waiting:
            node, parent, side = waiting.pop()
            place = len(children)
            if parent >= 0:
                children[parent] = (children[parent][0], place) if side else (place, children[parent][1])
            children.append((-1, -1))
            is_leaf = "split_index" not in node
            check(node, is_leaf)
            features.append(0 if is_leaf else node["split_feature"])
            thresholds.append(0.0 if is_leaf else node["threshold"])
            leaves.append([(k % n_scores, factor * node.get("leaf_const", node["leaf_value"]))] if is_leaf else [])
            if is_leaf and node.get("leaf_coeff"):
                leaves[-1].append((n_scores + len(lines), 1.0))
                lines.append(Line(k % n_scores, node["leaf_features"], factor * np.array(node["leaf_coeff"])))
            if not is_leaf:
                waiting += [(node["right_child"], place, 1), (node["left_child"], place, 0)]
        forest.add(features, thresholds, children, leaves)
    forest.n_targets += len(lines)
    return forest, lines


def check(node: dict[str, Any], is_leaf: bool) -> None:
    """Refuses what is not one comparison and a number in each leaf."""
    if not is_leaf and node["decision_type"] != "<=":
        refuse(CALLER, "a split by categories", node["decision_type"], "'<='")
    if not is_leaf and node["missing_type"] == "Zero" and node["default_left"] != (node["threshold"] >= ZERO):
        refuse(CALLER, "zero_as_missing", True, "False")
