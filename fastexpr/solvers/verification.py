"""Whether a point is a solution, whatever the solver says: measured against the bounds and limits that the user stated.

Measures are relative, so that a limit of 1e9 and a range of 1e-6 are judged alike:

    of a row      violation / max(|limit|, its largest |slope| times that variable's width)
    of a bound    violation / max(|bound|, width)
    stationarity  |dL/dx_j| times the way that is left to x_j / size of f; a limit's multiplier times the gap likewise

The way that is left is that to the bound to which the slope points, so that what a bound's multiplier would hold counts
for nothing at the bound. A variable without a width has max(1, |x_j|), and the size of f is max(1, |f|); where the
program's scale is known, what it says of the variable and of f takes the place of this 1 if it is less: what is stated
in tiny units is judged as in others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastexpr.nlp import Nlp, Vector
from fastexpr.solvers.interior_point import Multipliers, Scaling

#: Largest relative violation and residual of a solution, and the residual up to which one is "acceptable".
FEASIBILITY, STATIONARITY, ACCEPTABLE = 1e-6, 1e-5, 1e-3

#: Of the objective's pull at a variable, what a row must hold to have a say in it.
SHARE = 0.1

#: Widths beyond so many times the number itself are no statement about its size.
LARGEST_WIDTH = 1e4


@dataclass
class Verdict:
    """How far a point is from a solution, and where that is most."""

    violation: float  # relative
    violated: str
    residual: float  # of stationarity
    residual_at: str
    row_violations: Vector
    bound_violations: Vector
    row_weights: Vector  # multiplier times scale of a row, over the size of f: what the row has to say

    @property
    def badness(self) -> float:
        """At most 1 for a solution."""
        return max(self.violation / FEASIBILITY, self.residual / STATIONARITY)

    def holds(self, feasibility: float, stationarity: float) -> bool:
        """Whether both are small enough."""
        return self.violation <= feasibility and self.residual <= stationarity

    def beyond(self, feasibility: float, stationarity: float) -> str:
        """What is larger than that, in words."""
        parts = []
        if self.violation > feasibility:
            parts.append(f"{self.violated} is violated by {self.violation:.1e} of its scale")
        if self.residual > stationarity:
            parts.append(f"{self.residual_at} could still lower the objective, by {self.residual:.1e} of its size")
        return ", and ".join(parts)


NOWHERE = Verdict(np.inf, "a row that cannot be evaluated", np.inf, "x", np.zeros(0), np.zeros(0), np.zeros(0))


class Measure:
    """Scales of a program's variables and rows at a point, and what they say of it.

    Raises
    ------
    fastexpr.errors.EvaluationError
        The rows or derivatives at the point are not finite.
    """

    def __init__(self, nlp: Nlp, x: Vector) -> None:
        self.nlp, self.x = nlp, x
        own = np.maximum(1.0, abs(x))
        known = own if nlp.scale is None else np.clip(nlp.scale.widths, abs(x), own)
        self.width = np.where(np.isfinite(nlp.upper - nlp.lower), widths(nlp.lower, nlp.upper, x), known)
        self._size = np.minimum(self.width, known)
        self.objective, self.gradient = nlp.objective(x), nlp.gradient(x)
        self.objective_size = nlp.objective_size(self.objective)
        self.values, self.slopes = nlp.constraints(x), nlp.jacobian(x)
        self.rows, self.columns = nlp.jacobianstructure()
        self.row_size = np.zeros(nlp.m)
        np.maximum.at(self.row_size, self.rows, abs(self.slopes) * self._size[self.columns])

    def verdict(self, multipliers: Multipliers) -> Verdict:
        """The two measures, and where they are largest."""
        nlp = self.nlp
        rows = relative(self.values, nlp.constraint_lower, nlp.constraint_upper, self.row_size)
        bounds = relative(self.x, nlp.lower, nlp.upper, self._size)
        ways = self._ways(multipliers)
        gaps = self._gaps(multipliers)
        size = self.objective_size
        return Verdict(
            *worst((rows, nlp.row_name), (bounds, lambda j: f"the bound of {nlp.variable_name(j)}")),
            *worst((ways / size, nlp.variable_name), (gaps / size, nlp.row_name)),
            rows,
            bounds,
            abs(multipliers.constraints) * self.row_size / size,
        )

    def slope(self, constraints: Vector) -> Vector:
        """(n,): the gradient of f + constraints @ g."""
        forces = self.slopes * constraints[self.rows]
        total: Vector = self.gradient + np.bincount(self.columns, weights=forces, minlength=self.nlp.n)
        return total

    def scaling(self) -> Scaling:
        """Under which a solver's tolerances are these measures."""
        limits = [abs(np.where(np.isfinite(side), side, 0.0)) for side in self._limits()]
        rows = np.maximum.reduce([self.row_size, *limits])
        return Scaling(
            1.0 / self.objective_size,
            1.0 / np.where(self.width > 0.0, self.width, 1.0),
            1.0 / np.where(rows > 0.0, rows, 1.0),
        )

    def _limits(self) -> tuple[Vector, Vector]:
        return self.nlp.constraint_lower, self.nlp.constraint_upper

    def _ways(self, multipliers: Multipliers) -> Vector:
        """What each variable could still take from the Lagrangian on its way to the bound."""
        slope = self.slope(multipliers.constraints)
        room = np.where(slope > 0.0, self.x - self.nlp.lower, self.nlp.upper - self.x)
        way: Vector = abs(slope) * np.clip(room, 0.0, self.width)
        return way

    def _gaps(self, multipliers: Multipliers) -> Vector:
        """Multipliers of limits that are not met."""
        force = multipliers.constraints
        lower, upper = self._limits()
        gap = np.where(force > 0.0, upper - self.values, self.values - lower)
        size = np.maximum(self.row_size, abs(self.values))
        gap = np.where(lower == upper, 0.0, np.clip(gap, 0.0, size))
        result: Vector = abs(force) * gap
        return result


def widths(lower: Vector, upper: Vector, x: Vector) -> Vector:
    """Between the bounds; max(1, |x|) where there is none, and at most 10,000 times that."""
    own, width = np.maximum(1.0, abs(x)), upper - lower
    result: Vector = np.where(np.isfinite(width), np.minimum(width, LARGEST_WIDTH * own), own)
    return result


def carry_objective(nlp: Nlp, x: Vector, multipliers: Multipliers) -> npt.NDArray[np.bool_]:
    """Which rows hold variables against what the objective pulls them with, however small its numbers are."""
    gradient = abs(nlp.gradient(x))
    pull = gradient * np.maximum(1.0, abs(x))
    is_pulled = pull > STATIONARITY * pull.max(initial=0.0)
    rows, columns = nlp.jacobianstructure()
    forces = abs(nlp.jacobian(x) * multipliers.constraints[rows])
    result = np.zeros(nlp.m, dtype=bool)
    result[rows[is_pulled[columns] & (forces > SHARE * gradient[columns])]] = True
    return result


def relative(values: Vector, lower: Vector, upper: Vector, size: Vector) -> Vector:
    """Violations of limits, relative to these and to the size."""
    result = np.zeros(values.size)
    for gap, limit in ((lower - values, lower), (values - upper, upper)):
        wrong = gap > 0.0
        scale = np.maximum(abs(limit[wrong]), size[wrong])
        with np.errstate(divide="ignore"):
            result[wrong] = gap[wrong] / scale
    return result


def worst(*parts: tuple[Vector, Callable[[int], str]]) -> tuple[float, str]:
    """The largest of all these numbers, and its name."""
    largest, name = 0.0, ""
    for values, name_of in parts:
        index = int(values.argmax()) if values.size else -1
        if index >= 0 and values[index] > largest:
            largest, name = float(values[index]), name_of(index)
    return largest, name
