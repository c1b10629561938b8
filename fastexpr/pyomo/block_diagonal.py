"""The sparse derivatives of many instances of one network: the same block again and again along a diagonal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix

Array = npt.NDArray[np.float64]
SMALL = 10_000  # entries of a block; up to here a batch of dense blocks is the faster way, whatever their pattern


class BlockDiagonal:
    """A matrix with a block per instance on its diagonal, all of one fixed pattern.

    Parameters
    ----------
    pattern : (r, c) SciPy sparse array
        Of one block, as of :meth:`fastexpr.Function.sparsity`.
    count : int
        How many blocks.
    is_lower : bool
        Whether only the lower triangle is wanted. It then has one entry at least, a zero: PyNumero cannot add up
        Hessians of which none has any.
    """

    def __init__(self, pattern: Any, count: int, is_lower: bool = False) -> None:
        coordinates = pattern.tocoo()
        rows, columns = coordinates.row.astype(np.int64), coordinates.col.astype(np.int64)
        self._taken = np.flatnonzero(rows >= columns) if is_lower else np.arange(rows.size)
        self.block_shape, self.count = pattern.shape, count
        self.rows, self.columns = rows[self._taken], columns[self._taken]  # of one block
        self.is_zero = self._taken.size == 0
        size = pattern.shape[0] * pattern.shape[1]
        self._is_thin = size > SMALL and 8 * rows.size < size
        instance = np.arange(count)[:, None]
        self._places = (
            (instance * pattern.shape[0] + self.rows).ravel(),
            (instance * pattern.shape[1] + self.columns).ravel(),
        )
        if self.is_zero and is_lower:
            self._places = (np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))

    def entries(self, batch: Callable[[], Array], sparse: Callable[[int], Any]) -> Array:
        """(count, entries of a block): all blocks' entries.

        Parameters
        ----------
        batch : callable
            Returns all blocks, dense: (count, r, c).
        sparse : callable
            Returns one block with the pattern's entries; it is asked for large blocks with few of them.
        """
        if self._is_thin:
            return np.stack([sparse(instance).data[self._taken] for instance in range(self.count)])
        flat = batch().reshape(self.count, -1)
        return flat[:, self.rows * self.block_shape[1] + self.columns]

    def matrix(self, entries: Array) -> Any:
        """The SciPy coo_matrix of these entries, as :meth:`entries` has them."""
        shape = (self.count * self.block_shape[0], self.count * self.block_shape[1])
        data = entries.ravel() if entries.size else np.zeros(self._places[0].size)
        return coo_matrix((data, self._places), shape=shape)
