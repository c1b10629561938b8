"""A network as algebra: columns, rows, pairs of which one is zero, and functions that stay functions; all as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from fastexpr._core import Operator
from fastexpr.formulations.affine import Affine, Array, Indices, widened

if TYPE_CHECKING:
    from fastexpr.formulations.cuts import Cuts


@dataclass
class OperatorCall:
    """Columns that an operator defines which is no linear algebra: `columns` are its output, entry by entry.

    Attributes
    ----------
    operator : Operator
    inputs : list of Affine
        One for each input; where a unit is no constant, it is a single column.
    columns : (size,) array
    sense : {"==", ">=", "<="}
        The columns are equal to the operator's output, at least, or at most that.
    """

    operator: Operator
    inputs: list[Affine]
    columns: Indices
    label: str
    sense: str = "=="


@dataclass(frozen=True)
class Decision:
    """Binaries with margins, which the network itself decides where all its inputs are fixed, at thresholds, too.

    Attributes
    ----------
    nodes : tuple of int
        Nodes of the network.
    of_values : function
        From their values to those of the binaries.
    columns : (k,) array
        The binaries.
    rows : (first, stop)
        What keeps the margin.
    room : (stop - first,) array
        So much less of it, above zero: of the lower limit; below zero: of the upper one.
    """

    nodes: tuple[int, ...]
    of_values: Callable[..., Array]
    columns: Indices
    rows: tuple[int, int]
    room: Array


@dataclass
class Algebra:
    """Columns and rows under construction.

    Attributes
    ----------
    n_columns, n_rows : int
    pairs : list of (k, 2) arrays
        Columns, not negative, of which at most one is not zero: SOS constraints of type 1.
    calls : list of OperatorCall
    cuts : list of Cuts
        Features of trees, with the binaries that say between which thresholds they are.
    decisions : list of Decision
    fillers : list of functions
        Each takes values of all columns, and fills in those of some from those before: a network's forward pass.
    """

    n_columns: int = 0
    n_rows: int = 0
    pairs: list[Indices] = field(default_factory=list)
    calls: list[OperatorCall] = field(default_factory=list)
    cuts: list[Cuts] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    fillers: list[Callable[[Array], None]] = field(default_factory=list)
    _bounds: list[tuple[Array, Array, npt.NDArray[np.bool_]]] = field(default_factory=list)
    _rows: list[tuple[Any, Array, Array]] = field(default_factory=list)

    def add_columns(self, lower: Any, upper: Any, is_integer: Any = False) -> Indices:
        """New columns; which ones they are.

        Parameters
        ----------
        lower, upper : (k,) array
        is_integer : bool or (k,) array of bool
        """
        lower, upper = np.array(lower, np.float64), np.array(upper, np.float64)
        first, stop = self.n_columns, self.n_columns + lower.size
        self._bounds.append((lower, upper, np.broadcast_to(np.asarray(is_integer, bool), lower.shape)))
        self.n_columns = stop
        return np.arange(first, stop)

    def add_rows(self, lower: Any, body: Affine, upper: Any) -> None:
        """lower <= body <= upper, one row for each unit."""
        if not body.size:
            return
        low = np.broadcast_to(np.asarray(lower, np.float64), (body.size,)) - body.constant
        high = np.broadcast_to(np.asarray(upper, np.float64), (body.size,)) - body.constant
        self._rows.append((body.matrix, low, high))
        self.n_rows += body.size

    def tighten(self, columns: Indices, lower: float = -np.inf, upper: float = np.inf) -> None:
        """Other bounds for some of the columns that were added last."""
        low, high, _ = self._bounds[-1]
        places = columns - (self.n_columns - high.size)
        np.maximum.at(low, places, lower)
        np.minimum.at(high, places, upper)

    # ---- reading

    @property
    def lower(self) -> Array:
        """(n_columns,)"""
        return np.concatenate([part[0] for part in self._bounds] or [np.zeros(0)])

    @property
    def upper(self) -> Array:
        """(n_columns,)"""
        return np.concatenate([part[1] for part in self._bounds] or [np.zeros(0)])

    @property
    def is_integer(self) -> npt.NDArray[np.bool_]:
        """(n_columns,)"""
        return np.concatenate([part[2] for part in self._bounds] or [np.zeros(0, bool)])

    def rows(self) -> tuple[Any, Array, Array]:
        """The sparse matrix of all rows, and their limits."""
        if not self._rows:
            return scipy.sparse.csr_array((0, self.n_columns)), np.zeros(0), np.zeros(0)
        matrices, lower, upper = zip(*self._rows, strict=True)
        matrix = scipy.sparse.vstack([widened(part, self.n_columns) for part in matrices], format="csr")
        return matrix, np.concatenate(lower), np.concatenate(upper)

    def completed(self, values: Array) -> Array:
        """(n_columns,): the first columns as given, and all that networks make of them."""
        result = np.zeros(self.n_columns)
        result[: values.size] = values
        for fill in self.fillers:
            fill(result)
        return result
