"""Encoders of categories. A category is a number of x, or text that is fixed; other numbers are unknown categories."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.expression.node import apply
from fastexpr.expression.operands import as_expression
from fastexpr.frameworks.sklearn.registry import Array, Symbolic, dense, refuse, rule
from fastexpr.frameworks.sklearn.rows import Row, table_of
from fastexpr.frameworks.sklearn.steps import choose, step


@rule("OneHotEncoder", "OrdinalEncoder", method="transform")
def encoder(estimator: Any, x: Any) -> Symbolic:
    """What the encoder gives for the first categories, plus what each column's category changes in that.

    These changes are asked of the encoder itself, which knows what it drops and groups. Unknown categories give what it
    gives for them; NaN where it raises an error.
    """
    categories = [labels_of(column) for column in estimator.categories_]
    first = [labels[0] for labels in categories]
    base = encoded(estimator, [first])[0]
    total: Any = base
    known: list[Any] = []
    for k, labels in enumerate(categories):
        is_fixed = isinstance(x, Row) and x.is_fixed[k]
        matches = matches_of(estimator, x.entries[k] if isinstance(x, Row) else x[k], labels, k, is_fixed)
        changes = encoded(estimator, [[*first[:k], label, *first[k + 1 :]] for label in labels]) - base
        total = total + matches @ changes
        known.append(np.sum(matches))
        if estimator.handle_unknown != "error":
            strange = "" if isinstance(labels[0], str) else float(np.nanmax(np.asarray(labels, float))) + 1.0
            change = encoded(estimator, [[*first[:k], strange, *first[k + 1 :]]])[0] - base
            total = total + (1.0 - known[-1]) * change
    if estimator.handle_unknown != "error":
        return total
    return choose(step(sum(known) - (len(known) - 0.5)), total, np.full(base.shape, np.nan))


def labels_of(categories: Any) -> list[Any]:
    """Without what is missing, which no number of x is."""
    return [label for label in categories.tolist() if label is not None and label == label]  # NaN is not itself


def matches_of(estimator: Any, entry: Any, labels: Any, column: int, is_fixed: bool) -> Any:
    """1 for the category that the entry is, 0 for the others."""
    if is_fixed:
        if estimator.handle_unknown == "error" and entry not in list(labels):
            refuse(estimator, "a fixed column of an unknown category", entry, f"one of {', '.join(map(repr, labels))}")
        return np.array([label == entry for label in labels], np.float64)
    if any(isinstance(label, str) for label in labels):
        names = getattr(estimator, "feature_names_in_", None)
        name = f"x[{column}]" if names is None else names[column]
        refuse(estimator, f"categories of {name!r}", labels[0], f"numbers, or fixed={{{name!r}: ...}}")
    return apply("Equal", [as_expression(entry), as_expression(np.asarray(labels, np.float64))])


def encoded(estimator: Any, rows: list[list[Any]]) -> Array:
    return dense(estimator.transform(table_of(estimator, rows)))
