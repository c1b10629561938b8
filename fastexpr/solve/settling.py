"""From a solver's point to the exact one: onto the walls, limits and bounds that it is pressed against.

An interior-point method stops a little before what it is pressed against: 1e-9, or, of what it is hardly pressed
against, 1e-5. What passes through a point, and with which multipliers, can only be told where the point is exact. So
Newton's method is applied to the conditions of a solution, with a guess of what is met; what turns out to pull is let
go, what is crossed is met (a primal-dual active-set method: Hintermueller, Ito and Kunisch, 2002).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import splu

from fastexpr.nlp import Nlp, Vector
from fastexpr.solve.junction import Branches, Junction, Walls, widths_of
from fastexpr.solve.linearization import Flags

#: In widths: what is nearer than this is met at first. Tried one after another.
REACHES = (1e-4, 1e-6)

#: The objective may rise by so much, relative to max(1, |f|), and the point move so far, in reaches.
COST, FARTHEST = 1e-8, 100.0

#: Beside the largest second derivative and slope, and of rows that depend on each other: what makes systems regular.
DAMPING, SOFTNESS = 1e-5, 1e-13

MOST_STEPS = 12

#: Slopes less than this are none.
FLAT = 1e-100


def settled(program: Nlp, cells: Any, branches: Branches, x: Vector, multipliers: Vector) -> Vector:
    """The exact solution near this one; x itself where it is not found."""
    if not cells.has_hessian:
        return x
    cells.freeze(branches)
    objective = cells.objective(x)
    for reach in REACHES:
        found = Settling(program, cells, branches, x, reach, multipliers).run()
        if found is None or not np.isfinite(found).all():
            continue
        cells.freeze(branches)
        if cells.objective(found) <= objective + COST * program.objective_size(objective):
            return found
    return x


@dataclass
class System:
    """Everything at a point, in widths: rows are those of the program, then walls."""

    gradient: Vector
    slopes: Any  # CSR
    values: Vector
    size: Vector  # largest slope of each row
    hessian: Any


class Settling:
    """Newton's method in one cell.

    Parameters
    ----------
    program, cells, branches
        The cell.
    x : (n,) array
        Near its solution.
    reach : float
        In widths: what is nearer is met at first.
    multipliers : (m,) array
        Of the rows, to begin with.
    """

    def __init__(
        self, program: Nlp, cells: Any, branches: Branches, x: Vector, reach: float, multipliers: Vector
    ) -> None:
        self.program, self.cells, self.branches, self.start, self.reach = program, cells, branches, x, reach
        self.width = widths_of(program, x)
        self.walls: Walls = Junction(program, cells, x).walls(branches, reach)
        none = np.zeros(len(self.walls))
        self.lower = np.append(program.constraint_lower, none)
        self.upper = np.append(program.constraint_upper, none + np.inf)
        self.is_equation = self.lower == self.upper
        self.multipliers = np.append(multipliers, none)
        near = reach * self.width
        self.bound = np.where(x - program.lower <= near, -1, np.where(program.upper - x <= near, 1, 0))
        self.bound[program.lower == program.upper] = 2

    def run(self) -> Vector | None:
        x = self._onto_bounds(self.start)
        system = self._system(x)
        low, high = self._gaps(system)
        self.side = np.where(low <= self.reach, -1, np.where(high <= self.reach, 1, 0))
        self.side[self.is_equation] = 2
        for _ in range(MOST_STEPS):
            step = self._step(system)
            if step is None or abs(step).max(initial=0.0) > FARTHEST * self.reach:
                return None
            x = np.clip(x + step * self.width, self.program.lower, self.program.upper)
            has_changed = self._change(system, x)
            x = self._onto_bounds(x)
            system = self._system(x)
            if not has_changed and abs(step).max(initial=0.0) < 1e-11:
                return x
        return None

    def _onto_bounds(self, x: Vector) -> Vector:
        x = np.where(self.bound == -1, self.program.lower, x)
        return np.where(self.bound == 1, self.program.upper, x)

    def _system(self, x: Vector) -> System:
        cells, n = self.cells, x.size
        cells.freeze(self.branches)
        cells.choose(self.walls.units, self.walls.to)
        rows, columns = cells.jacobian_structure()
        values = cells.constraints(x)
        entries = cells.jacobian(x) * self.width[columns]
        slopes = sparse.csr_matrix((entries, (rows, columns)), shape=(values.size, n))
        size = np.zeros(values.size)
        np.maximum.at(size, rows, abs(entries))
        size[size < FLAT] = 1.0  # of a row without slopes here, the factor is any
        rows, columns = cells.hessian_structure()
        entries = cells.hessian(x, self.multipliers, 1.0) * self.width[rows] * self.width[columns]
        lower = sparse.coo_matrix((entries, (rows, columns)), shape=(n, n))
        hessian = lower + sparse.coo_matrix((np.where(rows == columns, 0.0, entries), (columns, rows)), shape=(n, n))
        return System(cells.gradient(x) * self.width, slopes, values, size, hessian.tocsr())

    def _gaps(self, system: System) -> tuple[Vector, Vector]:
        return (system.values - self.lower) / system.size, (self.upper - system.values) / system.size

    def _step(self, system: System) -> Vector | None:
        """In widths; sets the multipliers."""
        free, met = np.flatnonzero(self.bound == 0), np.flatnonzero(self.side)
        scale = 1.0 / system.size[met]
        slopes = sparse.diags(scale) @ system.slopes[met][:, free]
        target = np.where(self.side[met] == 1, self.upper[met], self.lower[met])
        gap = (target - system.values[met]) * scale
        hessian = system.hessian[free][:, free]
        damping = DAMPING * max(abs(hessian.data).max(initial=0.0), abs(system.gradient).max(initial=0.0), 1e-8)
        matrix = sparse.bmat(
            [[hessian + damping * sparse.eye(free.size), slopes.T], [slopes, -SOFTNESS * sparse.eye(met.size)]],
            format="csc",
        )
        try:
            found = splu(matrix).solve(np.concatenate([-system.gradient[free], gap]))
        except RuntimeError:  # singular
            return None
        self.multipliers = np.zeros(system.values.size)
        self.multipliers[met] = found[free.size :] * scale
        step = np.zeros(system.gradient.size)
        step[free] = found[: free.size]
        return step if np.isfinite(found).all() else None

    def _change(self, system: System, x: Vector) -> bool:
        """Lets go what pulls, and meets what is crossed; whether there was anything."""
        least = 1e-9 * max(abs(system.gradient).max(initial=0.0), 1e-8)
        pull = self.multipliers * system.size
        wrong = ((self.side == -1) & (pull > least)) | ((self.side == 1) & (pull < -least))
        slope = system.gradient + system.slopes.T @ self.multipliers
        pulling = ((self.bound == -1) & (slope < -least)) | ((self.bound == 1) & (slope > least))
        low = (self.bound == 0) & (x <= self.program.lower) & (self.program.lower < self.program.upper)
        high = (self.bound == 0) & (x >= self.program.upper) & (self.program.lower < self.program.upper)
        values = self._values(x)
        below = (self.side == 0) & (values < self.lower - 1e-12 * system.size)
        above = (self.side == 0) & (values > self.upper + 1e-12 * system.size)
        self.side[wrong] = 0
        self.side[below], self.side[above] = -1, 1
        self.bound[pulling] = 0
        self.bound[low], self.bound[high] = -1, 1
        parts: tuple[Flags, ...] = (wrong, pulling, low, high, below, above)
        return any(bool(part.any()) for part in parts)

    def _values(self, x: Vector) -> Vector:
        values: Vector = self.cells.constraints(x)
        return values
