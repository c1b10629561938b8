"""Whether a point is a local minimum, by values alone: derivatives by differences, curvature on the active constraints.

Whoever calls brings `values(x) -> (f, g)` of the minimization, computed apart from what the solver was given. Of the
solve only x and its multipliers are looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastexpr.solvers.verification import relative, widths, worst

if TYPE_CHECKING:
    from fastexpr.nlp import Vector
    from fastexpr.solvers.interior_point import Multipliers

Matrix = npt.NDArray[np.float64]
Values = Callable[["Vector"], "tuple[float, Vector]"]

FIRST_STEP = 6e-6  # of a variable's size: the cube root of the rounding unit
SECOND_STEP = 2e-4  # near its fourth root
FEASIBLE, STATIONARY = 1e-6, 1e-4
SAME = 1e-6  # values and the solve's, over max(1, |value|)
FLAT = 1e-6  # curvature over max(1, |f|), along a direction as long as the variables' sizes
KINK = 1e-2  # slopes of the two sides that differ by so much of themselves
ACTIVE = 1e-6  # a limit is met where it is as near as this, relative
LARGEST = 40  # dimensions up to which all second differences are taken
TRIALS, AGREEMENT = 12, 1e-3  # beyond, second differences along so many directions, and how far they may be off


@dataclass(repr=False)
class Verification:
    """What an independent check finds of a solution.

    Attributes
    ----------
    success : bool
        Feasible and stationary, no direction along which the objective falls, and values as the solve had them, to
        1e-6.
    feasible, stationary : bool
        `violation` is at most 1e-6, `residual` at most 1e-4. `stationary` is None where the solve has no multipliers,
        as one of a mixed-integer program.
    violation, violated : float, str
        The largest relative violation of a row or bound, and whose it is.
    residual, residual_at : float, str
        What is left of the conditions of Karush, Kuhn and Tucker, with the solve's multipliers: slope of the Lagrangian
        times the way that is left to the bound, a limit's multiplier times its gap, over max(1, |f|); and where.
    second_order : str
        "minimum": the Lagrangian is curved upwards in all directions that keep the limits with a multiplier; "saddle":
        it falls along one; "flat" where it is neither; "corner" where no direction is left; "unknown" at a kink, where
        something is not finite, or where the first order does not hold.
    least_curvature : float
        Of these directions, over max(1, |f|), variables measured by their sizes.
    n_directions : int
        How many are independent.
    kinks : list of str
        Variables along which the slopes on both sides differ.
    objective, difference : float
        The objective, and the largest difference of it and the rows to what the solve computed, relative.
    by : str
        Who evaluated.
    """

    success: bool
    feasible: bool
    stationary: bool | None
    violation: float
    violated: str
    residual: float
    residual_at: str
    second_order: str
    least_curvature: float
    n_directions: int
    kinks: list[str]
    objective: float
    difference: float
    by: str
    note: str = ""

    def __bool__(self) -> bool:
        return self.success

    def __repr__(self) -> str:
        least = f"{self.least_curvature:.2g}"
        what = {
            "minimum": f"a strict local minimum: least curvature {least}, {self.n_directions} directions",
            "saddle": f"NOT a minimum: the objective falls, curvature {least}",
            "flat": f"flat to second order: least curvature {least}, {self.n_directions} directions",
            "corner": "the active limits leave no direction",
            "unknown": "not known",
        }[self.second_order]
        lines = [
            f"verified by {self.by}: {'yes' if self.success else 'NO'}",
            f"  feasible    {said(self.feasible)}  largest violation {self.violation:.1e}{place(self.violated)}",
            f"  stationary  {said(self.stationary)}  residual {self.residual:.1e}{place(self.residual_at)}",
            f"  second order     {what}",
            f"  objective        {self.objective:.10g}, values differ from the solve's by {self.difference:.1e}",
        ]
        lines += [f"  note             {self.note}"] * bool(self.note)
        return "\n".join(lines)


def said(is_so: bool | None) -> str:
    return "?  " if is_so is None else "yes" if is_so else "NO "


def place(name: str) -> str:
    return f", {name}" if name else ""


@dataclass
class Claim:
    """A solution as the solve states it: the minimization's, in the variables as they were stated."""

    x: Vector
    multipliers: Multipliers
    lower: Vector
    upper: Vector
    constraint_lower: Vector
    constraint_upper: Vector
    objective: float
    rows: Vector
    variable_name: Callable[[int], str]
    row_name: Callable[[int], str]
    hessian: Callable[[], Matrix]  # of the Lagrangian, (n, n)
    is_integer: npt.NDArray[np.bool_]  # these variables stay where they are


def verify(values: Values, claim: Claim, by: str) -> Verification:
    """Checks the claim with these values."""
    x = claim.x
    size = np.minimum(widths(claim.lower, claim.upper, x), np.maximum(1.0, abs(x)))
    size = np.where(size > 0.0, size, 1.0)
    objective, rows = values(x)
    has_multipliers = bool(np.isfinite(claim.multipliers.constraints).all())
    slopes = Slopes(values, claim, size)
    scale = max(1.0, abs(objective))
    row_size = np.nan_to_num((abs(slopes.jacobian) * size).max(axis=1, initial=0.0))
    violation, violated = worst(*violations(claim, size, objective, rows, row_size))
    feasible = bool(violation <= FEASIBLE)
    kinks = [claim.variable_name(j) for j in np.flatnonzero(slopes.has_kink).tolist()]
    stationary, residual, residual_at = None, np.nan, ""
    verdict, curvature, n_directions, note = "unknown", np.nan, 0, ""
    if has_multipliers:
        ways, gaps = first_order(claim, slopes, rows, row_size)
        residual, residual_at = worst(
            (infinite_for_nan(ways) / scale, claim.variable_name), (infinite_for_nan(gaps) / scale, claim.row_name)
        )
        stationary = bool(residual <= STATIONARY)
    if not has_multipliers:
        note = "the solve has no multipliers: only feasibility and objective were looked at"
    elif kinks:
        shown = ", ".join(kinks[:5])
        note = f"a kink lies at the solution, along {shown}: slopes of both sides were looked at"
    elif feasible and stationary:
        verdict, curvature, n_directions, note = second_order(values, claim, slopes, rows, row_size, size, scale)
    both = np.append(rows - claim.rows, objective - claim.objective)
    largest = np.maximum(1.0, abs(np.append(claim.rows, claim.objective)))
    difference = float(infinite_for_nan(abs(both / largest)).max())
    return Verification(
        success=feasible and stationary is not False and verdict != "saddle" and difference <= SAME,
        feasible=feasible,
        stationary=stationary,
        violation=violation,
        violated=violated,
        residual=residual,
        residual_at=residual_at,
        second_order=verdict,
        least_curvature=float(curvature),
        n_directions=n_directions,
        kinks=kinks,
        objective=objective,
        difference=difference,
        by=by,
        note=note,
    )


def violations(
    claim: Claim, size: Vector, objective: float, rows: Vector, row_size: Vector
) -> list[tuple[Vector, Callable[[int], str]]]:
    """Of rows, bounds, whole numbers and of being finite, with names."""
    of_rows = np.where(
        np.isfinite(rows), relative(rows, claim.constraint_lower, claim.constraint_upper, row_size), np.inf
    )
    bounds = relative(claim.x, claim.lower, claim.upper, size)
    off = np.where(claim.is_integer, abs(claim.x - np.round(claim.x)), 0.0)
    return [
        (of_rows, claim.row_name),
        (bounds, lambda j: f"the bound of {claim.variable_name(j)}"),
        (off, lambda j: f"that {claim.variable_name(j)} is a whole number"),
        (np.array([0.0 if np.isfinite(objective) else np.inf]), lambda _: "the objective, which is not finite"),
    ]


def infinite_for_nan(values: Vector) -> Vector:
    """What cannot be computed is as bad as can be."""
    return np.where(np.isnan(values), np.inf, values)


class Slopes:
    """First derivatives by differences, within the bounds: of both sides where there is room for both."""

    def __init__(self, values: Values, claim: Claim, size: Vector) -> None:
        x, n, m = claim.x, claim.x.size, claim.rows.size
        weights = claim.multipliers.constraints
        self.gradient, self.jacobian = np.zeros(n), np.zeros((m, n))
        self.left, self.right = np.zeros(n), np.zeros(n)  # of the Lagrangian without bounds
        self.has_kink = np.zeros(n, dtype=bool)
        f0, g0 = values(x)
        for j in np.flatnonzero((claim.lower < claim.upper) & ~claim.is_integer).tolist():
            step = FIRST_STEP * size[j]
            sides = []
            for sign in (-1.0, 1.0):
                has_room = (claim.upper[j] - x[j] if sign > 0 else x[j] - claim.lower[j]) >= step
                if not has_room:
                    continue
                moved = x.copy()
                moved[j] += sign * step
                f, g = values(moved)
                way = moved[j] - x[j]
                sides.append((sign, (f - f0) / way, (g - g0) / way))
            if not sides:  # bounds nearer to each other than a step
                continue
            if len(sides) == 1:
                sides = [self._with_second_step(values, x, j, sides[0], step, f0, g0)]
            self.gradient[j] = np.mean([f for _, f, _ in sides])
            self.jacobian[:, j] = np.mean([g for _, _, g in sides], axis=0)
            slopes = [f + weights @ g for _, f, g in sides]
            self.left[j], self.right[j] = slopes[0], slopes[-1]
            if len(sides) == 2:
                self.has_kink[j] = self._has_kink(values, x, j, sides, weights, step, (f0, g0))

    def _with_second_step(
        self, values: Values, x: Vector, j: int, side: tuple[float, float, Vector], step: float, f0: float, g0: Vector
    ) -> tuple[float, float, Vector]:
        """A difference of second order where only one side has room."""
        sign, f_slope, g_slope = side
        moved = x.copy()
        moved[j] += 2.0 * sign * step
        f, g = values(moved)
        way = moved[j] - x[j]
        return sign, 2.0 * f_slope - (f - f0) / way, 2.0 * g_slope - (g - g0) / way

    def _has_kink(
        self,
        values: Values,
        x: Vector,
        j: int,
        sides: list[tuple[float, float, Vector]],
        weights: Vector,
        step: float,
        center: tuple[float, Vector],
    ) -> bool:
        """Whether slopes of both sides differ, and not less on a way four times as short: curvature's difference is."""
        (_, f_left, g_left), (_, f_right, g_right) = sides
        f0, g0 = center
        jump = abs(f_right - f_left) + abs(weights) @ abs(g_right - g_left)
        whole = abs(f_right) + abs(f_left) + abs(weights) @ (abs(g_right) + abs(g_left))
        rounding = 400.0 * np.finfo(float).eps * (abs(f0) + abs(weights) @ abs(g0)) / step
        if not jump > KINK * whole + rounding:
            return False
        shorter = x.copy(), x.copy()
        for sign, moved in zip((-1.0, 1.0), shorter, strict=True):
            moved[j] += 0.25 * sign * step
        (f_low, g_low), (f_high, g_high) = map(values, shorter)
        way = 0.25 * step
        near = abs(f_high - 2.0 * f0 + f_low) + abs(weights) @ abs(g_high - 2.0 * g0 + g_low)
        return bool(near / way > 0.5 * jump)


def first_order(claim: Claim, slopes: Slopes, rows: Vector, row_size: Vector) -> tuple[Vector, Vector]:
    """What each variable could still take from the Lagrangian, and multipliers of limits that are not met."""
    width = widths(claim.lower, claim.upper, claim.x)
    rooms = np.clip([claim.x - claim.lower, claim.upper - claim.x], 0.0, width)
    middle = 0.5 * (slopes.left + slopes.right)
    down = np.where(slopes.has_kink, np.maximum(slopes.left, 0.0), np.maximum(middle, 0.0))
    up = np.where(slopes.has_kink, np.maximum(-slopes.right, 0.0), np.maximum(-middle, 0.0))
    weights = claim.multipliers.constraints
    gap = np.where(weights > 0.0, claim.constraint_upper - rows, rows - claim.constraint_lower)
    gap = np.where(
        claim.constraint_lower == claim.constraint_upper, 0.0, np.clip(gap, 0.0, np.maximum(row_size, abs(rows)))
    )
    ways: Vector = np.where(claim.is_integer, 0.0, np.maximum(down * rooms[0], up * rooms[1]))
    gaps: Vector = abs(weights) * gap
    return ways, gaps


def second_order(
    values: Values, claim: Claim, slopes: Slopes, rows: Vector, row_size: Vector, size: Vector, scale: float
) -> tuple[str, float, int, str]:
    """Whether the Lagrangian is curved upwards along what the active limits leave."""
    weights = claim.multipliers.constraints
    room = np.minimum(claim.x - claim.lower, claim.upper - claim.x)
    held = (room <= ACTIVE * size) & (abs(0.5 * (slopes.left + slopes.right)) * size > ACTIVE * scale)
    held |= (claim.lower == claim.upper) | claim.is_integer
    is_equation = claim.constraint_lower == claim.constraint_upper
    active = is_equation | (abs(weights) * row_size > ACTIVE * scale)
    basis = null_space((slopes.jacobian[active] * size)[:, ~held])
    if basis.shape[1] == 0:
        return "corner", np.inf, 0, ""
    directions = np.zeros((claim.x.size, basis.shape[1]))
    directions[~held] = basis * size[~held, None]

    def lagrangian(x: Vector) -> float:
        f, g = values(x)
        return float(f + weights @ g)

    least, note = least_curvature(lagrangian, claim, directions)
    if not np.isfinite(least):
        return "unknown", np.nan, basis.shape[1], note
    least /= scale
    verdict = "minimum" if least > FLAT else "saddle" if least < -FLAT else "flat"
    return verdict, least, basis.shape[1], note


def null_space(matrix: Matrix) -> Matrix:
    """An orthonormal basis, (n, n - rank)."""
    n = matrix.shape[1]
    if not matrix.shape[0]:
        return np.eye(n)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    _, singular, rows = np.linalg.svd(matrix / np.where(norms > 0.0, norms, 1.0), full_matrices=True)
    rank = int((singular > 1e-8 * max(1.0, singular.max(initial=0.0))).sum())
    return np.ascontiguousarray(rows[rank:].T)


def least_curvature(value: Callable[[Vector], float], claim: Claim, directions: Matrix) -> tuple[float, str]:
    """The least eigenvalue of the Lagrangian's Hessian on these directions, and how it was found; nan if it was not."""
    d = directions.shape[1]

    def along(z: Vector) -> float:
        return value(claim.x + directions @ z)

    if d <= LARGEST:
        H = second_differences(along, d)
        return (float(np.linalg.eigvalsh(H)[0]), "") if np.isfinite(H).all() else (np.nan, "")
    H = directions.T @ (claim.hessian() @ directions)
    off = disagreement(along, H)
    if not off <= AGREEMENT:
        return np.nan, f"second differences along random directions differ from the solver's Hessian by {off:.1e} of it"
    note = f"curvature by the solver's Hessian, which {TRIALS} random second differences confirm to {off:.0e} of it"
    return float(np.linalg.eigvalsh(H)[0]), note


def disagreement(value: Callable[[Vector], float], H: Matrix) -> float:
    """Of a Hessian with second differences along random directions, of its size.

    A matrix that is wrong anywhere is wrong along almost all directions (Freivalds 1977), however many there are.
    """
    random, center, largest = np.random.default_rng(0), value(np.zeros(len(H))), 0.0
    size = float(np.linalg.norm(H)) / np.sqrt(len(H)) or 1.0
    for _ in range(TRIALS):
        z = random.standard_normal(len(H))
        z /= np.linalg.norm(z)
        found = (value(SECOND_STEP * z) - 2.0 * center + value(-SECOND_STEP * z)) / SECOND_STEP**2
        largest = max(largest, float(abs(found - z @ H @ z)) / size)
    return largest


def second_differences(value: Callable[[Vector], float], d: int) -> Matrix:
    """(d, d): of second order in the step, from the values at z + h (e_i + e_j) and z - h (e_i + e_j)."""
    h, center = SECOND_STEP, value(np.zeros(d))

    def curvature(direction: Vector) -> float:
        return (value(h * direction) - 2.0 * center + value(-h * direction)) / h**2

    unit = np.eye(d)
    own = [curvature(unit[i]) for i in range(d)]
    H = np.diag(own)
    for i in range(d):
        for j in range(i):
            H[i, j] = H[j, i] = 0.5 * (curvature(unit[i] + unit[j]) - own[i] - own[j])
    return H
