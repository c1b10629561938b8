"""Weights and multipliers as whole numbers, so that what is claimed about all rules does not hang on rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastexpr.rules.master import Multipliers

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

LARGEST_TOTAL = 2.0**40
FINEST = 2**16  # parts of a weight
LARGEST_ROUNDING = 0.01  # what rounding multipliers may take from a bound
COARSE = 120  # multipliers of small programs are fractions with small denominators: these are tried first


@dataclass(frozen=True)
class DataGrid:
    """The unit of the rows' weights: 1 where all are whole numbers, else a small fraction of their mean.

    Attributes
    ----------
    unit : float
        Weights are rounded down to multiples of it: losses never grow, and bounds stay bounds.
    is_exact : bool
    """

    unit: float
    is_exact: bool

    def weights(self, original: Array) -> Array:
        """In units."""
        return np.floor(original / self.unit)

    def original(self, loss: float) -> float:
        return loss * self.unit

    def loss_at_least(self, bound: float) -> float:
        """A bound in units, rounded up: losses are whole numbers of units."""
        whole = float(math.ceil(bound - 1e-9)) if self.is_exact else bound
        return max(0.0, whole * self.unit * (1.0 if self.is_exact else 1.0 - 1e-12))


def grid_of_data(p: Array, q: Array) -> DataGrid:
    weights = np.concatenate([p, q])
    if np.all(weights == np.floor(weights)) and weights.sum() < LARGEST_TOTAL:
        return DataGrid(1.0, True)
    positive = weights[weights > 0]
    return DataGrid(2.0 ** math.floor(math.log2(max(positive.mean() / FINEST, positive.sum() / LARGEST_TOTAL))), False)


@dataclass(frozen=True)
class Grid:
    """Multipliers in whole numbers.

    Attributes
    ----------
    scale : int
        So many to a unit of weight.
    gains : (rows,) array of int64
        mu, rounded down, 0 <= gain <= scale p.
    price : int
        lambda, rounded up.
    """

    scale: int
    gains: Integers
    price: int

    def losses(self, q: Array) -> Integers:
        """Weights of what should not be covered."""
        return q.astype(np.int64) * self.scale


def grid_for(multipliers: Multipliers, data: DataGrid, p: Array, max_complexity: int) -> Grid:
    """A grid that is fine enough for these multipliers.

    Rounding mu down and lambda up keeps the known rules from pricing out again. What differs from a whole number by
    less than the solver's tolerance is taken for one: then, too, each value is off by less than one in all.
    """
    mu, price = multipliers.rows, multipliers.price
    scale = scale_for(mu, price, max_complexity) if data.is_exact else 1
    tolerance = min(1e-5, 0.1 / (len(mu) + 1))
    gains = np.minimum(np.floor(mu * scale + tolerance), p * scale)
    return Grid(scale, gains.astype(np.int64), math.ceil(price * scale - tolerance))


def scale_for(mu: Array, price: float, max_complexity: int) -> int:
    numbers = np.unique(np.append(mu, price))
    for scale in range(1, COARSE):
        if np.abs(numbers * scale - np.round(numbers * scale)).max() < 1e-6 * scale:
            return scale
    n_rounded = np.count_nonzero(np.abs(mu - np.round(mu)) > 1e-6) + max_complexity
    return int(min(FINEST, 2 ** math.ceil(math.log2(n_rounded / LARGEST_ROUNDING))))
