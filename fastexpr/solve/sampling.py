"""Where to start when nobody knows: points spread over a box, and which of them look best."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fastexpr.nlp import Indices, Nlp, Vector

#: A bound farther away than so many times max(1, |start|) says nothing about where solutions are.
FARTHEST = 1e4

#: Sobol sequences have no more dimensions; further variables are drawn at random.
DIMENSIONS = 21_201


def box(lower: Vector, upper: Vector, start: Vector) -> tuple[Vector, Vector]:
    """The bounds; where one is missing or says nothing, as far from the start, or the other one, as that is large."""
    size = np.maximum(1.0, abs(start))
    is_low, is_high = (abs(side - start) <= FARTHEST * size for side in (lower, upper))
    low = np.where(
        is_low, lower, np.maximum(lower, np.where(is_high, upper, start) - np.where(is_high, 2.0, 1.0) * size)
    )
    high = np.where(
        is_high, upper, np.minimum(upper, np.where(is_low, lower, start) + np.where(is_low, 2.0, 1.0) * size)
    )
    return low, high


def sample(
    lower: Vector, upper: Vector, start: Vector, count: int, seed: int | np.random.Generator = 0
) -> npt.NDArray[np.float64]:
    """(count, n) points of a scrambled Sobol sequence in the `box`; the same ones for the same seed.

    Sobol, I. M. (1967), Distribution of points in a cube and approximate evaluation of integrals; scrambled as Owen
    (1998).
    """
    try:
        from scipy.stats import qmc
    except ImportError as error:  # SciPy is there: what keeps the system from mapping it is a limit on memory
        raise MemoryError(str(error)) from error

    low, high = box(lower, upper, start)
    points = np.empty((count, start.size))
    random = np.random.default_rng(seed)
    is_open = np.flatnonzero(low < high)
    points[:] = low
    spread, rest = is_open[:DIMENSIONS], is_open[DIMENSIONS:]
    if spread.size:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that a count is no power of 2
            unit = qmc.Sobol(spread.size, seed=random).random(count)
        points[:, spread] = low[spread] + unit * (high[spread] - low[spread])
    points[:, rest] = random.uniform(low[rest], high[rest], (count, rest.size))
    return points


def measured(nlp: Nlp, points: npt.NDArray[np.float64]) -> tuple[Vector, Vector]:
    """(count,) each: objectives, and the largest violations of bounds and limits; infinite where not finite.

    Violations are relative to what rows and variables can do, where the program's scale is known.
    """
    objectives, rows = nlp.values(points)
    widths, sizes = (
        (1.0, 1.0) if nlp.scale is None else (nlp.scale.widths, np.where(nlp.scale.rows > 0.0, nlp.scale.rows, 1.0))
    )
    gaps = (
        (nlp.lower - points) / widths,
        (points - nlp.upper) / widths,
        (nlp.constraint_lower - rows) / sizes,
        (rows - nlp.constraint_upper) / sizes,
    )
    violations = np.maximum(0.0, np.max([gap.max(axis=1, initial=0.0) for gap in gaps], axis=0))
    first, second = (np.where(np.isfinite(values), values, np.inf) for values in (objectives, violations))
    return first, second


def ranked(nlp: Nlp, points: npt.NDArray[np.float64]) -> Indices:
    """The points' numbers, the most promising first: feasible ones by objective, then by violation plus objective.

    Both are measured by their spread among the points, which are evaluated together. Points at which something is not
    finite come last.
    """
    objectives, violations = measured(nlp, points)
    is_usable = np.isfinite(objectives) & np.isfinite(violations)
    if not is_usable.any():
        return np.arange(len(points))
    worth = np.where(is_usable, scaled(violations, is_usable) + scaled(objectives, is_usable), np.inf)
    is_feasible = is_usable & (violations <= 0.0)
    worth[is_feasible] = scaled(objectives, is_usable)[is_feasible]
    return np.lexsort((worth, ~is_feasible))


def scaled(values: Vector, is_usable: npt.NDArray[np.bool_]) -> Vector:
    """From 0 for the least to some 1 for the median."""
    own = values[is_usable]
    least = own.min()
    spread = float(np.median(own) - least) or float(np.ptp(own)) or 1.0
    with np.errstate(invalid="ignore"):
        result: Vector = (values - least) / spread
    return result
