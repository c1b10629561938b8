"""Estimators made of others."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.frameworks.sklearn.registry import Symbolic, expression_of, inverse, inverse_of, refuse, rule

NOTHING = (None, "passthrough")


def entrance(estimator: Any) -> Any:
    """What gets the table first and knows its columns: of a pipeline the first step that does something."""
    steps = [step for _, step in getattr(estimator, "steps", []) if step not in NOTHING]
    return entrance(steps[0]) if steps else estimator


def through_steps(estimator: Any, x: Symbolic) -> Symbolic:
    """What the last step of a pipeline gets."""
    for _, step in estimator.steps[:-1]:
        x = x if step in NOTHING else expression_of(step, x, "transform")
    return x


@rule("Pipeline", method="")
def pipeline(estimator: Any, x: Symbolic, method: str | None) -> Symbolic:
    """One step after the other."""
    last = estimator.steps[-1][1]
    if last in NOTHING:
        refuse(estimator, "last step", last, "an estimator")
    return expression_of(last, through_steps(estimator, x), method)


@inverse("Pipeline")
def pipeline_inverse(estimator: Any, y: Symbolic) -> Symbolic:
    """The inverse of one step after the other, backwards."""
    for _, step in reversed(estimator.steps):
        y = y if step in NOTHING else inverse_of(step, y)
    return y


@rule("GridSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "RandomizedSearchCV", method="")
def search(estimator: Any, x: Symbolic, method: str | None) -> Symbolic:
    """The best estimator."""
    return expression_of(estimator.best_estimator_, x, method)


@rule("FrozenEstimator", method="")
def frozen(estimator: Any, x: Symbolic, method: str | None) -> Symbolic:
    """The estimator that is frozen."""
    return expression_of(estimator.estimator, x, method)


@rule("ColumnTransformer", method="transform")
def column_transformer(estimator: Any, x: Symbolic) -> Symbolic:
    """Each transformer on its columns, joined."""
    parts = []
    for name, transformer, _ in estimator.transformers_:
        columns = estimator._transformer_to_input_indices.get(name, [])
        if transformer == "drop" or not len(columns):
            continue
        part = x[np.asarray(columns)]
        parts.append(part if transformer in NOTHING else expression_of(transformer, part, "transform"))
    return np.concatenate(parts)


@inverse("ColumnTransformer")
def column_transformer_inverse(estimator: Any, y: Symbolic) -> Symbolic:
    """Each transformer's inverse on its own part, where every column goes into one of them."""
    parts, columns = [], []
    for name, transformer, _ in estimator.transformers_:
        mine = list(estimator._transformer_to_input_indices.get(name, []))
        if not mine:
            continue
        if transformer == "drop":
            refuse(estimator, "a column to invert", "drop", "every column in one transformer")
        part = y[..., estimator.output_indices_[name]]
        parts.append(part if transformer in NOTHING else inverse_of(transformer, part))
        columns += mine
    if sorted(columns) != list(range(estimator.n_features_in_)):
        refuse(estimator, "columns to invert", columns, "every column in one transformer")
    return np.concatenate(parts, axis=-1)[..., np.argsort(columns)]


def categories_of(estimator: Any) -> dict[int, Any]:
    """The numbers that columns of the estimator's table may hold, where an encoder takes certain ones only."""
    if hasattr(estimator, "steps"):
        return next(filter(None, (categories_of(step) for _, step in estimator.steps)), {})
    if hasattr(estimator, "best_estimator_"):
        return categories_of(estimator.best_estimator_)
    if hasattr(estimator, "transformers_"):
        found: dict[int, Any] = {}
        for name, transformer, _ in estimator.transformers_:
            columns = list(estimator._transformer_to_input_indices.get(name, []))
            found.update({columns[k]: labels for k, labels in categories_of(transformer).items()})
        return found
    if not hasattr(estimator, "categories_") or not hasattr(estimator, "transform"):
        return {}
    labels = {k: np.asarray(column) for k, column in enumerate(estimator.categories_)}
    return {k: column[np.isfinite(column)] for k, column in labels.items() if column.dtype.kind in "fiu"}


@rule("FeatureUnion", method="transform")
def feature_union(estimator: Any, x: Symbolic) -> Symbolic:
    """All transformers on x, joined."""
    weights = estimator.transformer_weights or {}
    parts = [
        (x if transformer in NOTHING else expression_of(transformer, x, "transform")) * weights.get(name, 1.0)
        for name, transformer in estimator.transformer_list
        if transformer != "drop"
    ]
    return np.concatenate(parts)


@rule("TransformedTargetRegressor")
def transformed_target(estimator: Any, x: Symbolic) -> Symbolic:
    """The inverse transformation of what the regressor gives."""
    return inverse_of(estimator.transformer_, expression_of(estimator.regressor_, x))


@rule("RANSACRegressor")
def ransac(estimator: Any, x: Symbolic) -> Symbolic:
    """What was fitted to the inliers."""
    return expression_of(estimator.estimator_, x)


@rule("MultiOutputRegressor")
def multi_output(estimator: Any, x: Symbolic) -> Symbolic:
    """One estimator per target."""
    return np.concatenate([expression_of(member, x) for member in estimator.estimators_])


@rule("RegressorChain")
def chain(estimator: Any, x: Symbolic) -> Symbolic:
    """One estimator per target, each of which sees x and the targets before it."""
    found: list[Symbolic] = []
    for member in estimator.estimators_:
        found.append(expression_of(member, np.concatenate([x, *found])))
    return np.concatenate(found)[np.argsort(estimator.order_)]


@rule("VotingRegressor")
def voting(estimator: Any, x: Symbolic) -> Symbolic:
    """The weighted mean."""
    weights = estimator._weights_not_none
    values = np.stack([expression_of(member, x) for member in estimator.estimators_])
    weights = np.ones(len(estimator.estimators_)) if weights is None else np.asarray(weights, np.float64)
    return (weights / weights.sum()) @ values


@rule("StackingRegressor")
def stacking(estimator: Any, x: Symbolic) -> Symbolic:
    """The final estimator on what the others give, and on x with `passthrough`."""
    inputs = [expression_of(member, x) for member in estimator.estimators_]
    return expression_of(estimator.final_estimator_, np.concatenate([*inputs, *([x] if estimator.passthrough else [])]))


@rule("BaggingRegressor")
def bagging(estimator: Any, x: Symbolic) -> Symbolic:
    """The mean of members that see some of the features each."""
    pairs = zip(estimator.estimators_, estimator.estimators_features_, strict=True)
    return np.mean(np.stack([expression_of(member, x[np.asarray(columns)]) for member, columns in pairs]), axis=0)
