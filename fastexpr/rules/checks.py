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


def check_parameters(estimator: Any) -> None:
    """Raises RuleError where a parameter is out of range."""

    def refuse(name: str, expected: str) -> None:
        raise RuleError(f"{OWNER} {name} is out of range: got {getattr(estimator, name)!r}, expected {expected}.")

    for name, least in (("max_complexity", 2), ("max_length", 1), ("n_thresholds", 1)):
        number = getattr(estimator, name)
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < least:
            refuse(name, f"a whole number of at least {least}")
    for name, values in (("form", ("dnf", "cnf")), ("loss", ("zero_one", "hamming"))):
        if getattr(estimator, name) not in values:
            refuse(name, " or ".join(map(repr, values)))
    limit = estimator.time_limit
    if isinstance(limit, bool) or not isinstance(limit, (int, float, np.number)) or not limit > 0:
        refuse("time_limit", "a positive number of seconds")


def checked_target(y: Any, n_rows: int) -> npt.NDArray[Any]:
    """The classes as an array."""
    if y is None:
        raise RuleError(f"{OWNER} requires y to be passed, but the target y is None. Pass the classes.")
    y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    if len(y) != n_rows:
        raise RuleError(f"{OWNER} y has a wrong length: got {len(y)}, expected {n_rows}, one a row.")
    return np.asarray(y)


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
