"""From columns to conditions: thresholds at quantiles, categories, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastexpr.rules.columns import Column
from fastexpr.rules.conditions import Condition

Array = NDArray[np.float64]


def conditions_of(columns: Sequence[Column], weights: Array, n_thresholds: int) -> list[Condition]:
    """The conditions that rules may consist of, in pairs of opposites.

    Parameters
    ----------
    columns
        The data.
    weights : (rows,) array
        Positive.
    n_thresholds : int
        Of each column of numbers: at so many quantiles, or between all its values where these are few.
    """
    result: list[Condition] = []
    for position, column in enumerate(columns):
        present = ~column.missing
        has_missing = not bool(present.all())
        pairs: list[tuple[str, str, object]] = []
        if has_missing and present.any():
            pairs.append(("is missing", "is present", None))
        if column.is_numeric:
            found = thresholds(column.values[present], weights[present], n_thresholds, column.is_integer)
            pairs += [("<=", ">", threshold) for threshold in found]
        else:
            categories = sorted(set(column.values[present].tolist()))
            pairs += [("==", "!=", category) for category in (categories[1:] if len(categories) <= 2 else categories)]
        for first, second, value in pairs:
            for operator in (first, second):
                result.append(Condition(position, column.name, operator, value, has_missing))
    return result


def thresholds(values: Array, weights: Array, count: int, is_integer: bool) -> list[float] | list[int]:
    """At most `count`, each between two neighbouring values: where the share of the weight reaches k / (count + 1).

    A value with more weight than one of these parts counts as one part, and the others share the rest: a column that is
    mostly 0 is cut where it is not.
    """
    distinct, place = np.unique(values, return_inverse=True)
    last = len(distinct) - 1
    if last <= count:
        cuts = np.arange(last)
    else:
        by_value: Array = np.bincount(place, weights).astype(np.float64)
        reached = np.cumsum(np.minimum(by_value, largest_part(by_value, count + 1)))
        goals = reached[-1] * np.arange(1, count + 1) / (count + 1)
        cuts = np.unique(np.searchsorted(reached, goals))
        cuts = cuts[cuts < last]
    if is_integer:
        return [int(distinct[k]) for k in cuts]
    return [between(float(distinct[k]), float(distinct[k + 1])) for k in cuts]


def largest_part(weights: Array, parts: int) -> float:
    """The weight of a part where nothing counts for more than one: the root of sum min(weight, part) = parts * part."""
    rest = float(weights.sum())
    for n_heavy, weight in enumerate(np.sort(weights)[::-1][: parts - 1].tolist()):
        if weight <= rest / (parts - n_heavy):
            return rest / (parts - n_heavy)
        rest -= weight
    return rest


def between(low: float, high: float) -> float:
    """A short number near the middle of two, low <= number < high."""
    middle, quarter = low / 2 + high / 2, high / 4 - low / 4
    for digits in range(1, 17):
        number = float(f"{middle:.{digits}g}")
        if abs(number - middle) <= quarter and low <= number < high:
            return number
    return middle if low <= middle < high else low


def table_of(conditions: Sequence[Condition], columns: Sequence[Column], n_rows: int) -> NDArray[np.uint8]:
    """(conditions, rows): 1 where a condition holds."""
    result = np.empty((len(conditions), n_rows), dtype=np.uint8)
    for k, condition in enumerate(conditions):
        result[k] = condition.holds(columns[condition.column])
    return result
