"""How many derivatives a program has where some variables are expressions of others, found on the structures alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastexpr.nlp import Indices, Nlp
from fastexpr.solve.definitions import Definitions, distinct

#: More pairs than this are not counted: a form that has so many is none to choose.
MOST_PAIRS = 5_000_000


class Lists:
    """Which columns stand for a column: those its definition depends on, or itself."""

    def __init__(self, nlp: Nlp, found: Definitions) -> None:
        own_row = np.full(nlp.n, -1)
        own_row[found.columns] = found.rows
        column_of = np.full(nlp.m, -1)
        column_of[found.rows] = found.columns
        rows, columns = nlp.jacobian_rows, nlp.jacobian_columns
        is_inside = (column_of[rows] >= 0) & (column_of[rows] != columns)
        owners, inner = column_of[rows[is_inside]], columns[is_inside]
        kept = np.flatnonzero(own_row < 0)
        owners, inner = np.concatenate([owners, kept]), np.concatenate([inner, kept])
        order = np.argsort(owners, kind="stable")
        self._columns = inner[order]
        self.sizes = np.bincount(owners, minlength=nlp.n)
        self._begins = np.cumsum(self.sizes) - self.sizes

    def expand(self, columns: Indices) -> tuple[Indices, Indices]:
        """(position in `columns`, column that stands there), for all of them."""
        sizes = self.sizes[columns]
        positions = np.repeat(np.arange(columns.size), sizes)
        inside = np.arange(positions.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return positions, self._columns[self._begins[columns][positions] + inside]


def n_derivatives(nlp: Nlp, found: Definitions) -> float:
    """Entries of J and H together, were the variables of these definitions their expressions; infinite for too many."""
    lists = Lists(nlp, found)
    rows, columns = nlp.jacobian_rows, nlp.jacobian_columns
    is_other = ~np.isin(rows, found.rows)
    first, second = nlp.hessian_rows, nlp.hessian_columns
    if max(lists.sizes[columns[is_other]].sum(), (lists.sizes[first] * lists.sizes[second]).sum()) > MOST_PAIRS:
        return np.inf
    positions, inner = lists.expand(columns[is_other])
    n_jacobian = count(rows[is_other][positions], inner, nlp.n)
    positions, left = lists.expand(first)
    again, right = lists.expand(second[positions])
    left = left[again]
    n_hessian = count(np.maximum(left, right), np.minimum(left, right), nlp.n)
    return n_jacobian + n_hessian


def count(rows: Indices, columns: Indices, n: int) -> int:
    """Different places."""
    keys: npt.NDArray[np.int64] = distinct(rows.astype(np.int64) * n + columns)
    return int(keys.size)
