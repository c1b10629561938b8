"""How far numbers keep away from thresholds, so that a solver's tolerance does not take them to the other side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastexpr.formulations.affine import Array

SHARE = 5e-6  # of the size of a column's numbers: solvers' tolerances are 1e-6 and less, of rows as of binaries


def usual_margin(numbers: Sequence[float]) -> float:
    """For numbers of this size."""
    finite = [abs(number) for number in numbers if np.isfinite(number)]
    return SHARE * max([1.0, *finite])


def margins_of(thresholds: Array, lower: float, upper: float) -> Array:
    """(k,): the usual margin, and at most a quarter of the distance to what is next, another threshold or a bound.

    Parameters
    ----------
    thresholds : (k,) array
        Ascending, all different.
    lower, upper : float
        Bounds of what is compared with them.
    """
    points = np.concatenate([[lower], thresholds, [upper]])
    gaps = np.diff(points)
    gaps = np.where(gaps > 0, gaps, np.inf)  # a bound at the threshold itself
    usual = usual_margin([*thresholds[[0, -1]], lower, upper]) if thresholds.size else 0.0
    return np.minimum(usual, np.minimum(gaps[:-1], gaps[1:]) / 4)
