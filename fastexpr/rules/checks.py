"""What BooleanRuleClassifier refuses before it learns anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from fastexpr.errors import RuleError

Array = npt.NDArray[np.float64]
OWNER = "[BooleanRuleClassifier]"
LARGEST_NUMBER = 1_000_000
MOST_CONDITIONS = 40_000  # which of them implies which is a square table


def check_parameters(estimator: Any) -> None:
    """Raises RuleError where a parameter is out of range."""

    def refuse(name: str, expected: str) -> None:
        raise RuleError(f"{OWNER} {name} is out of range: got {getattr(estimator, name)!r}, expected {expected}.")

    for name, least in (("max_complexity", 2), ("max_length", 1), ("n_thresholds", 1)):
        number = getattr(estimator, name)
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < least:
            refuse(name, f"a whole number of at least {least}")
        if number > LARGEST_NUMBER:
            refuse(name, f"at most {LARGEST_NUMBER}")
    for name, values in (("form", ("dnf", "cnf")), ("loss", ("zero_one", "hamming"))):
        if getattr(estimator, name) not in values:
            refuse(name, " or ".join(map(repr, values)))
    limit = estimator.time_limit
    if isinstance(limit, bool) or not isinstance(limit, (int, float, np.integer, np.floating)) or not limit > 0:
        refuse("time_limit", "a positive number of seconds")


def checked_target(y: Any, n_rows: int) -> npt.NDArray[Any]:
    """The classes as an array."""
    if y is None:
        raise RuleError(f"{OWNER} requires y to be passed, but the target y is None. Pass the classes.")
    if np.ma.is_masked(y):
        raise RuleError(f"{OWNER} y is masked in {int(np.sum(np.ma.getmaskarray(y)))} rows. Leave these rows out.")
    y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    if len(y) != n_rows:
        raise RuleError(f"{OWNER} y has a wrong length: got {len(y)}, expected {n_rows}, one a row.")
    return np.asarray(y)


def checked_weights(weights: Array, of_classes: Array) -> Array:
    """Of rows, times those of their classes."""
    with np.errstate(over="ignore"):  # is found here
        weights = weights * of_classes
        total = float(weights.sum())
    if not (np.isfinite(total) and (weights >= 0).all()):
        raise RuleError(
            f"{OWNER} the rows' weights, class_weight included, are out of range: got {weights.min():g} to "
            f"{weights.max():g}, expected numbers that are not negative and have a finite sum."
        )
    return weights


def check_conditions(n_conditions: int) -> None:
    """Raises RuleError where there are too many."""
    if n_conditions > MOST_CONDITIONS:
        raise RuleError(
            f"{OWNER} the columns give too many conditions: got {n_conditions}, expected at most {MOST_CONDITIONS}. "
            "What to do: a smaller n_thresholds, fewer columns, or fewer categories (names are none)."
        )


def checked_classes(y: npt.NDArray[Any], weights: Array, form: str) -> npt.NDArray[Any]:
    """The classes that there are."""
    classes = np.unique(y)
    present = np.unique(y[weights > 0])
    if len(present) < 2:
        raise RuleError(
            f"{OWNER} the rows with a positive weight have one class only: got {present.tolist()!r}, expected two "
            "classes or more. There is nothing to learn."
        )
    if len(classes) > 2 and form == "cnf":
        raise RuleError(
            f"{OWNER} Only binary classification is supported. The type of the target is multiclass: got "
            f"{len(classes)} classes for form='cnf', expected 2. What to do: form='dnf' learns one class against the "
            "rest."
        )
    return classes
