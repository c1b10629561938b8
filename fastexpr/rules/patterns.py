"""The distinct rows of a table of conditions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Patterns:
    """The distinct rows of a table of conditions, without conditions that say nothing new.

    Attributes
    ----------
    holds : (conditions, patterns) array of uint8
    conditions : (conditions,) array of int
        Their positions in the whole table.
    """

    def __init__(self, table: npt.NDArray[np.uint8]) -> None:
        n_rows = table.shape[1]
        packed = np.packbits(table, axis=0) if len(table) else np.zeros((1, n_rows), dtype=np.uint8)
        keys = np.ascontiguousarray(packed.T)
        keys = keys.view(f"V{keys.shape[1]}").ravel()
        _, first, self._place = np.unique(keys, return_index=True, return_inverse=True)
        holds = table[:, first]
        is_constant = holds.all(axis=1) | ~holds.any(axis=1)
        known: dict[bytes, int] = {}
        for k in np.flatnonzero(~is_constant).tolist():
            known.setdefault(np.packbits(holds[k]).tobytes(), k)
        self.conditions = np.array(sorted(known.values()), dtype=np.int64)
        self.holds = np.ascontiguousarray(holds[self.conditions])

    def sums(self, weights: Array) -> Array:
        """(patterns,): the weight of the rows of each."""
        return np.asarray(np.bincount(self._place, weights, self.holds.shape[1]), dtype=np.float64)
