"""A program at a point, to first order in one cell: which way is down, and which multipliers say that there is none.

    minimize gradient @ d   subject to   equations @ d = 0,   limits @ d >= 0,   walls @ d >= 0,
                                         d_j >= 0 at a lower bound,   d_j <= 0 at an upper one

d is in widths of the variables, so that rows of length 1 can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fastexpr.nlp import Indices, Vector
from fastexpr.solve.cells.linear_program import Matrix, solve_linear

Flags = npt.NDArray[np.bool_]

#: Rows of length 1 are independent where no combination of length 1 is shorter than this.
DEPENDENT = 1e-7

#: So many rows are examined for dependence; more take longer than a solve.
MOST_ROWS = 2000


@dataclass(frozen=True)
class Forces:
    """Multipliers of the rows of a linearization, and what they leave of the gradient."""

    equations: Vector
    limits: Vector
    walls: Vector
    lower: Vector
    upper: Vector
    residual: float  # largest part of the gradient that nothing holds

    @property
    def weakest(self) -> float:
        """The least multiplier of what can push one way only; infinite where there is nothing of the kind."""
        return float(min((side.min(initial=np.inf) for side in (self.limits, self.walls)), default=np.inf))


@dataclass(frozen=True)
class Linearization:
    """The program to first order; rows have length 1, but for those without a slope.

    Attributes
    ----------
    gradient : (n,) array
    equations, limits, walls : (rows, n) arrays
        Of equations, of rows at a limit, of walls: positive to the inside.
    at_lower, at_upper : (n,) arrays of bool
        Variables at a bound; at both where it is fixed.
    rows, factors : (equations and limits,) arrays
        Which row of the program each is, and what makes its multiplier there of that of the row of length 1.
    """

    gradient: Vector
    equations: Matrix
    limits: Matrix
    walls: Matrix
    at_lower: Flags
    at_upper: Flags
    rows: Indices
    factors: Vector

    def is_independent(self) -> bool:
        """Whether the gradients of equations, limits, walls and bounds are linearly independent."""
        rows = self._free_rows()
        if not len(rows):
            return True
        if len(rows) > min(rows.shape[1], MOST_ROWS):
            return False
        return bool(smallest_singular_value(rows) > DEPENDENT)

    def forces(self, of_rows: Vector | None = None) -> Forces:
        """The multipliers that leave least of the gradient; there is no choice where all is independent.

        Those of equations and limits are the same in all cells that meet at a point, where all is independent: with
        `of_rows` (m,), known from one of them, only those of walls are looked for.
        """
        is_free = self._is_free()
        rows = np.concatenate([self.equations, self.limits, self.walls])
        if of_rows is None:
            multipliers = least_squares(rows[:, is_free], self.gradient[is_free])
        else:
            known = of_rows[self.rows] / self.factors
            rest = self.gradient - rows[: known.size].T @ known
            multipliers = np.append(known, least_squares(self.walls[:, is_free], rest[is_free]))
        rest = self.gradient - rows.T @ multipliers
        lower = np.where(self.at_lower, np.maximum(rest, 0.0), 0.0)
        upper = np.where(self.at_upper, np.maximum(-rest, 0.0), 0.0)
        first, second = len(self.equations), len(self.equations) + len(self.limits)
        parts = multipliers[:first], multipliers[first:second], multipliers[second:]
        residual = float(abs(rest - lower + upper).max(initial=0.0))
        return Forces(*parts, lower, upper, residual)

    def held_by_equations(self) -> Indices:
        """Variables at a bound that equations alone have there, as those of a state which is a unit that is off."""
        open_ones = (abs(self.equations) > DEPENDENT) & ~(self.at_lower & self.at_upper)
        held = np.zeros(self.gradient.size, dtype=bool)
        while True:  # what one equation says of a variable may leave one other in the next
            last = open_ones[open_ones.sum(axis=1) == 1].any(axis=0)
            if not last.any():
                break
            held |= last
            open_ones &= ~last
        found: Indices = np.flatnonzero(held & ~self._is_free())
        return found

    def without_bounds(self, columns: Indices) -> Linearization:
        """The same, in which these variables have no bounds."""
        kept = np.ones(self.gradient.size, dtype=bool)
        kept[columns] = False
        return replace(self, at_lower=self.at_lower & kept, at_upper=self.at_upper & kept)

    def way_down(self) -> tuple[float, Vector]:
        """The direction within one width of each variable that goes down most, and how far (0 or below)."""
        low = np.where(self.at_lower, 0.0, -1.0)
        high = np.where(self.at_upper, 0.0, 1.0)
        inward = np.concatenate([self.limits, self.walls])
        solution = minimize_linear(self.gradient, self.equations, inward, low, high)
        return float(self.gradient @ solution), solution

    def is_sharp(self, least: float) -> bool:
        """Whether every direction goes up: the gradient is in the inside of the cone of what holds it, and that holds
        all directions. Then it is a minimum whatever the curvature is.
        """
        is_fixed = self.at_lower & self.at_upper
        unit = np.eye(self.gradient.size)
        inward = np.concatenate([
            self.limits, self.walls, unit[self.at_lower & ~is_fixed], -unit[self.at_upper & ~is_fixed]
        ])[:, ~is_fixed]  # fmt: skip
        equations, gradient = self.equations[:, ~is_fixed], self.gradient[~is_fixed]
        rows = np.concatenate([equations, inward])
        if np.linalg.matrix_rank(rows, tol=DEPENDENT) < gradient.size:
            return False
        # gradient = equations.T @ free + inward.T @ (multipliers + t), multipliers at least 0, t as large as can be
        columns = np.column_stack([equations.T, inward.T, inward.sum(axis=0)])
        low = np.append(np.full(len(equations), -np.inf), np.zeros(len(inward) + 1))
        cost = np.append(np.zeros(len(rows)), -1.0)
        found = solve_linear(cost, columns, gradient, gradient, low, np.full(cost.size, np.inf))
        return found is not None and bool(found.x[-1] > least)

    def _is_free(self) -> Flags:
        is_free: Flags = ~(self.at_lower | self.at_upper)
        return is_free

    def _free_rows(self) -> Matrix:
        rows: Matrix = np.concatenate([self.equations, self.limits, self.walls])[:, self._is_free()]
        return rows


def has_inside(walls: Matrix) -> bool:
    """Whether a direction leads off all walls at once; a cell without one is none. Rows play no part."""
    k = len(walls)
    if k <= 1:
        return True
    facing = np.argwhere(np.triu(walls @ walls.T < 1e-6 - 1.0))
    if any(abs(walls[i] + walls[j]).max() < DEPENDENT for i, j in facing):
        return False
    if k == 2:
        return True
    guess = np.linalg.lstsq(walls, np.ones(k), rcond=1e-12)[0]
    if float((walls @ guess).min()) > DEPENDENT * float(abs(guess).max()):
        return True
    _, sizes, directions = np.linalg.svd(walls, full_matrices=False)  # few walls, perhaps of many variables
    own = walls @ directions[sizes > DEPENDENT].T
    n = own.shape[1]
    rows = np.column_stack([own, -np.ones(k)])  # own @ d >= t, and t is made large
    cost = np.append(np.zeros(n), -1.0)
    low, high = np.append(np.full(n, -1.0), 0.0), np.append(np.ones(n), 1.0)
    return bool(minimize_linear(cost, np.zeros((0, n + 1)), rows, low, high)[-1] > DEPENDENT)


def of_length_one(rows: Matrix) -> Matrix:
    """Each row over its length; those of 0 stay."""
    lengths = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    scaled: Matrix = rows / np.where(lengths > 0.0, lengths, 1.0)
    return scaled


def smallest_singular_value(rows: Matrix) -> float:
    """Of a matrix with no more rows than columns."""
    triangle = np.linalg.qr(rows.T, mode="r")
    return float(np.linalg.svd(triangle, compute_uv=False)[-1])


def least_squares(rows: Matrix, right: Vector) -> Vector:
    """The shortest multipliers for which rows.T @ multipliers is nearest to the right-hand side."""
    if not rows.size:
        return np.zeros(len(rows))
    if len(rows) <= rows.shape[1]:
        basis, triangle = np.linalg.qr(rows.T)
        sizes = abs(np.diagonal(triangle))
        if sizes.min() > DEPENDENT * sizes.max():
            return np.asarray(np.linalg.solve(triangle, basis.T @ right), dtype=np.float64)
    return np.asarray(np.linalg.lstsq(rows.T, right, rcond=1e-12)[0], dtype=np.float64)


def minimize_linear(cost: Vector, equations: Matrix, inward: Matrix, low: Vector, high: Vector) -> Vector:
    """The least cost @ d with equations @ d = 0, inward @ d >= 0 and low <= d <= high; 0 where HiGHS finds none."""
    size = abs(cost).max(initial=0.0)
    if size == 0.0:
        return np.zeros(cost.size)
    lower = np.zeros(len(equations) + len(inward))
    upper = np.append(np.zeros(len(equations)), np.full(len(inward), np.inf))
    found = solve_linear(cost / size, np.concatenate([equations, inward]), lower, upper, low, high)
    return np.zeros(cost.size) if found is None else found.x
