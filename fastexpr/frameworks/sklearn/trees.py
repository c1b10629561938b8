"""Trees, forests and boosting. All but the histogram-based kind round x to float32 before they compare it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from fastexpr.expression.reductions import softmax
from fastexpr.frameworks.sklearn.registry import Symbolic, dense, refuse, rule
from fastexpr.frameworks.trees import Forest, at_most_in_single

# ---- trees and forests ----------------------------------------------


def add_tree(forest: Forest, tree: Any, values: Any, first_target: int = 0) -> None:
    """A fitted tree with values (nodes, k) for the targets from the first one on."""
    children = list(zip(tree.children_left.tolist(), tree.children_right.tolist(), strict=True))
    leaves = [[(first_target + k, float(number)) for k, number in enumerate(row)] for row in values]
    forest.add(tree.feature, at_most_in_single(tree.threshold), children, leaves)


def probabilities(tree: Any) -> Any:
    """Shares of the classes in every node."""
    values = tree.value[:, 0, :]
    return values / values.sum(axis=1, keepdims=True)


@rule("DecisionTreeRegressor", "ExtraTreeRegressor")
def tree_regressor(estimator: Any, x: Symbolic) -> Symbolic:
    """The number in the leaf of x."""
    return forest_mean([estimator], x)


@rule("ExtraTreesRegressor", "RandomForestRegressor")
def forest_regressor(estimator: Any, x: Symbolic) -> Symbolic:
    """The mean over trees."""
    return forest_mean(estimator.estimators_, x)


def forest_mean(members: Any, x: Symbolic) -> Symbolic:
    forest = Forest(members[0].tree_.value.shape[1])
    for member in members:
        add_tree(forest, member.tree_, member.tree_.value[:, :, 0] / len(members))
    return forest.of(x)


@rule("DecisionTreeClassifier", "ExtraTreeClassifier", method="predict_proba")
def tree_classifier(estimator: Any, x: Symbolic) -> Symbolic:
    """The shares of the classes in the leaf of x."""
    return forest_of_shares(estimator, [estimator], x)


@rule("ExtraTreesClassifier", "RandomForestClassifier", method="predict_proba")
def forest_classifier(estimator: Any, x: Symbolic) -> Symbolic:
    """The mean of these over trees."""
    return forest_of_shares(estimator, estimator.estimators_, x)


def forest_of_shares(estimator: Any, members: Any, x: Symbolic) -> Symbolic:
    if estimator.n_outputs_ != 1:
        refuse(estimator, "number of targets", estimator.n_outputs_, "1")
    forest = Forest(len(estimator.classes_))
    for member in members:
        add_tree(forest, member.tree_, probabilities(member.tree_) / len(members))
    return forest.of(x)


# ---- boosting ----------------------------------------------


@rule("GradientBoostingRegressor")
def gradient_boosting(estimator: Any, x: Symbolic) -> Symbolic:
    """What the first guess is, plus all trees times the learning rate."""
    return boosted(estimator, x)


@rule("GradientBoostingClassifier", method="decision_function")
def gradient_boosting_scores(estimator: Any, x: Symbolic) -> Symbolic:
    """The same for each class."""
    return boosted(estimator, x)


@rule("GradientBoostingClassifier", method="predict_proba")
def gradient_boosting_classifier(estimator: Any, x: Symbolic) -> Symbolic:
    """What the loss makes of that."""
    if estimator.loss != "log_loss":
        refuse(estimator, "loss", estimator.loss, "'log_loss'")
    return as_probabilities(boosted(estimator, x))


def boosted(estimator: Any, x: Symbolic) -> Symbolic:
    """The first guess must be a constant, which it is but for an estimator of one's own."""
    if estimator.init not in (None, "zero"):
        refuse(estimator, "init", estimator.init, "None or 'zero'")
    stages = estimator.estimators_  # (stages, targets)
    forest = Forest(stages.shape[1])
    for stage in stages:
        for target, member in enumerate(stage):
            add_tree(forest, member.tree_, member.tree_.value[:, :, 0] * estimator.learning_rate, target)
    anywhere = np.zeros((1, estimator.n_features_in_), np.float32)
    return forest.of(x) + dense(estimator._raw_predict_init(anywhere)).reshape(-1)


def as_probabilities(scores: Symbolic) -> Symbolic:
    """Of the classes: by the logistic function where there is one score, else by the softmax."""
    return expit(np.concatenate([-scores, scores])) if scores.size == 1 else softmax(scores)


@rule("HistGradientBoostingRegressor")
def histogram_boosting(estimator: Any, x: Symbolic) -> Symbolic:
    """The baseline plus all trees; its exponential where the loss has a logarithm as link."""
    scores = histogram_scores(estimator, x)
    return np.exp(scores) if estimator.loss in ("gamma", "poisson") else scores


@rule("HistGradientBoostingClassifier", method="decision_function")
def histogram_boosting_scores(estimator: Any, x: Symbolic) -> Symbolic:
    """The same for each class."""
    return histogram_scores(estimator, x)


@rule("HistGradientBoostingClassifier", method="predict_proba")
def histogram_boosting_classifier(estimator: Any, x: Symbolic) -> Symbolic:
    """That as probabilities."""
    return as_probabilities(histogram_scores(estimator, x))


def histogram_scores(estimator: Any, x: Symbolic) -> Symbolic:
    if estimator.is_categorical_ is not None and np.any(estimator.is_categorical_):
        refuse(estimator, "categorical_features", "some", "none")
    forest = Forest(len(estimator._predictors[0]))
    for stage in estimator._predictors:
        for target, predictor in enumerate(stage):
            nodes = predictor.nodes
            children = [(-1, -1) if node["is_leaf"] else (int(node["left"]), int(node["right"])) for node in nodes]
            leaves = [[(target, float(node["value"]))] for node in nodes]
            forest.add(nodes["feature_idx"], nodes["num_threshold"], children, leaves)
    return forest.of(x) + dense(estimator._baseline_prediction).reshape(-1)
