"""A quadratic program from a point that holds its rows, by a primal active-set method.

    minimize gradient @ d + d @ hessian @ d / 2   subject to   lower <= values + slopes @ d <= upper,   low <= d <= high

What d is pressed against is guessed, and changed one by one (Nocedal and Wright, 2006, section 16.5): a step ends where
something new is met, and where none is left, what pulls is let go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
from scipy.sparse.linalg import splu

from fastexpr.nlp import Vector

Sides = npt.NDArray[np.int64]

#: What makes systems regular where rows depend on each other.
SOFTNESS = 1e-13

#: Relative to the gradient: a multiplier of the wrong sign that is less is none.
WRONG = 1e-9

#: Steps that are none, and slopes along a step.
NOTHING, FLAT = 1e-12, 1e-14

#: Changes of the active set.
MOST_CHANGES = 150

#: Matrices of so many columns are dense.
MOST_DENSE = 200


@dataclass
class Quadratic:
    """The program, and how far its solution has come.

    Attributes
    ----------
    gradient, hessian, slopes, values, lower, upper, low, high : arrays
        Rows have slopes of about 1. Matrices are dense, or sparse by rows.
    side : (m,) array
        -1 and 1: the row is at its lower or upper limit, 0: at neither, 2: it is an equation. Those at a limit are
        moved onto it.
    bound : (n,) array
        Likewise of d; 2: it is fixed.
    multipliers : (m,) array
        Of the rows, at the end.
    """

    gradient: Vector
    hessian: Any
    slopes: Any
    values: Vector
    lower: Vector
    upper: Vector
    low: Vector
    high: Vector
    side: Sides
    bound: Sides
    multipliers: Vector = field(init=False)

    def solve(self) -> Vector | None:
        """The solution; None where the program is not convex, or changes of the active set come to no end."""
        least = WRONG * abs(self.gradient).max(initial=0.0)
        d = np.zeros(self.gradient.size)
        for _ in range(MOST_CHANGES):
            slope = self.gradient + self.hessian @ d
            values = self.values + self.slopes @ d
            way = self._way(slope, values)
            if way is None:
                return None
            if abs(way).max(initial=0.0) > NOTHING:
                if way @ (self.hessian @ way) <= 0.0:
                    return None
                length, index = self._length(d, values, way)
                d = d + length * way
                if length < 1.0:
                    self._meet(index, way)
                    continue
            if not self._let_go(self.gradient + self.hessian @ d, least):
                return d
        return None

    def _way(self, slope: Vector, values: Vector) -> Vector | None:
        """To the solution with this active set; sets the multipliers."""
        free, met = np.flatnonzero(self.bound == 0), np.flatnonzero(self.side)
        target = np.where(self.side[met] == 1, self.upper[met], self.lower[met]) - values[met]
        hessian, slopes = self.hessian[free][:, free], self.slopes[met][:, free]
        right = np.concatenate([-slope[free], target])
        try:
            found = solve_system(hessian, slopes, right)
        except (RuntimeError, np.linalg.LinAlgError):  # singular
            return None
        if not np.isfinite(found).all():
            return None
        self.multipliers = np.zeros(self.values.size)
        self.multipliers[met] = found[free.size :]
        way = np.zeros(slope.size)
        way[free] = found[: free.size]
        return way

    def _length(self, d: Vector, values: Vector, way: Vector) -> tuple[float, int]:
        """How much of the way there is to the next row or bound, at most 1, and to which: rows come first."""
        along = self.slopes @ way
        rows = room(self.lower - values, self.upper - values, np.where(self.side == 0, along, 0.0))
        bounds = room(self.low - d, self.high - d, np.where(self.bound == 0, way, 0.0))
        share = np.concatenate([rows, bounds])
        index = int(np.argmin(share)) if share.size else 0
        return (min(1.0, float(share[index])) if share.size else 1.0), index

    def _meet(self, index: int, way: Vector) -> None:
        m = self.values.size
        if index < m:
            self.side[index] = 1 if (self.slopes[[index]] @ way)[0] > 0.0 else -1
        else:
            self.bound[index - m] = 1 if way[index - m] > 0.0 else -1

    def _let_go(self, slope: Vector, least: float) -> bool:
        """The row or bound that pulls most; False: none does."""
        slope = slope + self.slopes.T @ self.multipliers
        rows = np.where(self.side == -1, self.multipliers, np.where(self.side == 1, -self.multipliers, 0.0))
        bounds = np.where(self.bound == -1, -slope, np.where(self.bound == 1, slope, 0.0))
        row, bound = rows.max(initial=0.0), bounds.max(initial=0.0)
        if max(row, bound) <= least:
            return False
        if row >= bound:
            self.side[int(rows.argmax())] = 0
        else:
            self.bound[int(bounds.argmax())] = 0
        return True


def room(down: Vector, up: Vector, along: Vector) -> Vector:
    """The share of a step after which each is at a limit that is so far down and up; infinite where it never is."""
    result = np.full(along.size, np.inf)
    for falls, limit in ((along < -FLAT, down), (along > FLAT, up)):
        result[falls] = np.maximum(limit[falls] / along[falls], 0.0)
    return result


def solve_system(hessian: Any, slopes: Any, right: Vector) -> Vector:
    """hessian @ d + slopes.T @ multipliers and slopes @ d are the right-hand side."""
    n, m = hessian.shape[0], slopes.shape[0]
    if isinstance(hessian, np.ndarray):
        matrix = np.zeros((n + m, n + m))
        matrix[:n, :n], matrix[:n, n:], matrix[n:, :n] = hessian, slopes.T, slopes
        matrix[range(n, n + m), range(n, n + m)] = -SOFTNESS
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    blocks = [[hessian, slopes.T], [slopes, -SOFTNESS * sparse.eye(m)]]
    found: Vector = splu(sparse.bmat(blocks, format="csc")).solve(right)
    return found


def identity(n: int) -> Any:
    """As `matrix_of` would have it."""
    return np.eye(n) if n <= MOST_DENSE else sparse.eye(n, format="csr")


def matrix_of(rows: Any, columns: Any, entries: Vector, shape: tuple[int, int]) -> Any:
    """Dense where there are few columns."""
    if shape[1] <= MOST_DENSE:
        dense = np.zeros(shape)
        np.add.at(dense, (rows, columns), entries)
        return dense
    return sparse.csr_matrix((entries, (rows, columns)), shape=shape)
