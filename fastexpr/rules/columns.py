"""The columns of what an estimator is given: numbers or categories, and where values are missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexpr.errors import RuleError


@dataclass(frozen=True)
class Column:
    """One column of data.

    Attributes
    ----------
    name : str
    values : (rows,) array
        float64 with NaN for what is missing, or objects.
    missing : (rows,) array of bool
    is_numeric : bool
    is_integer : bool
        Whether the numbers are whole by their type.
    """

    name: str
    values: NDArray[Any]
    missing: NDArray[np.bool_]
    is_numeric: bool
    is_integer: bool = False

    @property
    def kind(self) -> str:
        """The type of its values: "double", "string" or "bool"."""
        present = self.values[~self.missing]
        if not self.is_numeric and len(present) and isinstance(present[0], (bool, str, bytes)):
            return "bool" if isinstance(present[0], bool) else "string"
        return "double"

    def take(self, rows: NDArray[np.int64]) -> Column:
        """Some of its rows."""
        return Column(self.name, self.values[rows], self.missing[rows], self.is_numeric, self.is_integer)


def is_table(X: Any) -> bool:
    """Whether X is a table with columns of their own types: a DataFrame of pandas or polars.

    Raises
    ------
    RuleError
        Its values are not known yet.
    """
    if hasattr(X, "collect_schema") and not hasattr(X, "to_numpy"):
        raise RuleError(
            f"[BooleanRuleClassifier] got a {type(X).__name__}, which holds no values yet. What to do: pass "
            "X.collect()."
        )
    return hasattr(X, "columns") and hasattr(X, "dtypes") and not isinstance(X, np.ndarray)


def as_array(X: Any) -> Any:
    """X, where NumPy would turn numbers into text, or forget what is masked, as an array of objects."""
    if isinstance(X, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(X), np.nan, X.data.astype(object)) if np.ma.is_masked(X) else X.data
    if isinstance(X, (list, tuple)) and not isinstance(getattr(X, "dtype", None), np.dtype):
        try:
            is_text = np.asarray(X).dtype.kind in "US"
        except (ValueError, OverflowError):  # which scikit-learn says better
            return X
        return np.array(X, dtype=object) if is_text else X
    return X


def columns_of_table(X: Any) -> list[Column]:
    """The columns of a DataFrame."""
    names = list(X.columns)
    series = [X.iloc[:, k] if hasattr(X, "iloc") else X[name] for k, name in enumerate(names)]
    return [column_of_series(str(name), part) for name, part in zip(names, series, strict=True)]


def column_of_series(name: str, series: Any) -> Column:
    missing = series.isna() if hasattr(series, "isna") else series.is_null()
    kind = str(series.dtype).lower()
    return column_of(name, series.to_numpy(), np.asarray(missing, dtype=bool), kind.startswith(("category", "enum")))


def columns_of_array(X: NDArray[Any], names: list[str]) -> list[Column]:
    """The columns of an array, of numbers or of objects."""
    return [column_of(name, X[:, k], missing_in(X[:, k])) for k, name in enumerate(names)]


def missing_in(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "O":
        return np.array(
            [value is None or (isinstance(value, float) and value != value) for value in values], dtype=bool
        )
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)


def column_of(name: str, values: NDArray[Any], missing: NDArray[np.bool_], is_category: bool = False) -> Column:
    """A column from an array of whatever type.

    Raises
    ------
    RuleError
        Its values are neither all numbers nor all categories.
    """
    kind = values.dtype.kind
    if kind in "iuf" and not is_category:
        with np.errstate(over="ignore"):  # is found below
            numbers = values.astype(np.float64)
        return checked(Column(name, numbers, missing | np.isnan(numbers), True, kind in "iu"))
    if kind not in "iufbOUST":
        raise RuleError(
            f"[BooleanRuleClassifier] column '{name}' is neither of numbers nor of categories: got {values.dtype}. "
            "Turn it into numbers."
        )
    present = [value.item() if isinstance(value, np.generic) else value for value in values[~missing]]
    if present and not is_category and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present):
        numbers = np.full(len(values), np.nan)
        numbers[~missing] = [as_double(value) for value in present]
        return checked(
            Column(name, numbers, missing | np.isnan(numbers), True, all(isinstance(v, int) for v in present))
        )
    types = {type(value) for value in present}
    if len(types) > 1 or not types <= {str, bool, int, float, bytes}:
        raise RuleError(
            f"[BooleanRuleClassifier] column '{name}' has values of other kinds than numbers or categories: got "
            f"{', '.join(sorted(kind.__name__ for kind in types))}, expected numbers alone, or strings, or bools."
        )
    objects = np.full(len(values), None, dtype=object)
    objects[~missing] = present
    return Column(name, objects, missing, False)


def as_double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number without limits
        return np.inf if value > 0 else -np.inf


def checked(column: Column) -> Column:
    if np.isinf(column.values).any():
        raise RuleError(
            f"[BooleanRuleClassifier] column '{column.name}' contains infinity, or a number too large for a "
            "double, expected finite numbers. Replace it, by NaN where the value is not known."
        )
    return column
