"""Rows of a table in which some columns are fixed, to text perhaps: what encoders of categories get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastexpr.errors import FrameworkError


class Row:
    """The columns of one row: an Expression of shape () where a column is an input, else what it is fixed to.

    Indexing with positions gives another Row, or an Expression where no text is left.
    """

    def __init__(self, entries: Sequence[Any], is_fixed: Sequence[bool]) -> None:
        self.entries, self.is_fixed = list(entries), list(is_fixed)

    def __getitem__(self, columns: Any) -> Any:
        chosen = np.atleast_1d(columns).tolist()
        row = Row([self.entries[k] for k in chosen], [self.is_fixed[k] for k in chosen])
        return row.plain()

    def plain(self) -> Any:
        """The row as an Expression, or as numbers, where no text is in it; else the row itself."""
        if any(isinstance(entry, str) for entry in self.entries):
            return self
        if all(self.is_fixed):
            return np.array(self.entries, np.float64)
        pairs = zip(self.entries, self.is_fixed, strict=True)
        return np.stack([np.asarray(entry, np.float64) if is_fixed else entry for entry, is_fixed in pairs])

    @property
    def is_constant(self) -> bool:
        """Whether every column is fixed."""
        return all(self.is_fixed)

    def through(self, estimator: Any, method: str) -> Any:
        """What the estimator gives for a constant row: numbers."""
        try:
            result = getattr(estimator, method)(table_of(estimator, [self.entries]))
        except (TypeError, ValueError) as error:
            raise FrameworkError(
                f"[from_sklearn] {type(estimator).__name__}.{method} refuses the fixed columns "
                f"{', '.join(map(repr, self.entries))}: {error}"
            ) from error
        return np.asarray(result.toarray() if hasattr(result, "toarray") else result, np.float64).reshape(-1)


def table_of(estimator: Any, rows: list[list[Any]]) -> Any:
    """Rows as the estimator takes them: with names of columns where it was fitted on a table that has them."""
    names = getattr(estimator, "feature_names_in_", None)
    has_text = any(isinstance(entry, str) for row in rows for entry in row)
    array = np.array(rows, object if has_text else np.float64)
    if names is None:
        return array
    try:
        import pandas
    except ModuleNotFoundError:
        return array
    return pandas.DataFrame(array, columns=list(names)).infer_objects()
