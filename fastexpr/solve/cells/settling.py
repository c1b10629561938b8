"""The exact solution of a cell, from a solver's point or from where the last cell ended: sequential quadratic programs.

An interior-point method stops a little before what it is pressed against: 1e-9, or, of what it is hardly pressed
against, 1e-5. What passes through a point, and with which multipliers, can only be told where the point is exact. And a
new cell begins on the wall to the last one, where most of what the point is pressed against stays: an active-set method
is there in a few steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Vector
from fastexpr.solve.cells.junction import Branches, Junction, widths_of
from fastexpr.solve.cells.quadratic import Quadratic, identity, matrix_of
from fastexpr.solvers.interior_point import Multipliers, Solution, return_codes
from fastexpr.solvers.verification import FEASIBILITY, Measure

#: In widths: what is nearer is met at first. Tried one after another.
REACHES = (1e-4, 1e-6)

#: The objective may rise by so much, relative to max(1, |f|), and the point move so far, in reaches.
COST, FARTHEST = 1e-8, 100.0

#: Relative to the largest second derivative and slope, what is added to second derivatives; more where a cell curves
#: down.
DAMPING = (1e-8, 1e-4, 1.0)

#: Quadratic programs, how often a step is halved, and in widths: a step that is none.
MOST_STEPS, MOST_HALVES, NOTHING = 15, 5, 1e-10

#: Relative to the size of the merit: a rise that is rounding.
ROUNDING = 1e-12

#: Slopes less than this are none.
FLAT = 1e-100


def settled(program: Nlp, cells: Any, branches: Branches, x: Vector, multipliers: Vector) -> Vector:
    """The exact solution near this one; x itself where it is not found."""
    if not cells.has_hessian:
        return x
    cells.freeze(branches)
    objective = cells.objective(x)
    for reach in REACHES:
        walls = Junction(program, cells, x).walls(branches, reach)
        cells.choose(walls.units, walls.to)
        start = np.append(multipliers, np.zeros(len(walls)))
        try:
            found = Settling(program, cells, x, reach, start).run(FARTHEST * reach)
        except EvaluationError:
            continue
        if found is not None and cells.objective(found) <= objective + COST * program.objective_size(objective):
            return found
    return x


def newton_solution(program: Nlp, nlp: Nlp, cells: Any, multipliers: Vector) -> Solution | None:
    """The best point of a cell, from a point that is on its walls, or near; None where the method does not lead there.

    Parameters
    ----------
    program, cells
        The frozen cell, with chosen walls.
    nlp : Nlp
        The program in the cell, walls included, and where to start.
    multipliers : (m,) array
        Of the program's rows, to begin with.
    """
    if not cells.has_hessian:
        return None
    try:
        settling = Settling(program, cells, nlp.start, REACHES[-1], np.append(multipliers, np.zeros(nlp.m - program.m)))
        x = settling.run()
        if x is None:
            return None
        forces = settling.forces(x)
        before, after = Measure(nlp, nlp.start).verdict(forces).violation, Measure(nlp, x).verdict(forces).violation
    except EvaluationError:
        return None
    objective, rise = nlp.objective(x), COST * program.objective_size(nlp.objective(nlp.start))
    if after > FEASIBILITY or (before <= FEASIBILITY and objective > nlp.objective(nlp.start) + rise):
        return None
    return Solution(x, objective, forces, *return_codes[0], 0, after)


@dataclass
class System:
    """Everything at a point, in widths: rows are those of the program, then walls, over their largest slopes."""

    objective: float
    gradient: Vector
    slopes: Any
    values: Vector
    size: Vector
    hessian: Any
    steepest: float  # largest derivative


class Settling:
    """The method in the frozen cell, with the walls that are chosen.

    Parameters
    ----------
    program, cells
        The cell.
    x : (n,) array
        Where to begin.
    reach : float
        In widths: what is nearer is met at first.
    multipliers : (m + walls,) array
        Of the rows, to begin with; at the end, those of the solution.
    """

    def __init__(self, program: Nlp, cells: Any, x: Vector, reach: float, multipliers: Vector) -> None:
        self.program, self.cells, self.multipliers, self.reach = program, cells, multipliers, reach
        none = np.zeros(multipliers.size - program.m)
        self.lower = np.append(program.constraint_lower, none)
        self.upper = np.append(program.constraint_upper, none + np.inf)
        self.width = widths_of(program, x)
        near = reach * self.width
        self.bound = np.where(x - program.lower <= near, -1, np.where(program.upper - x <= near, 1, 0))
        self.bound[program.lower == program.upper] = 2
        self.start = np.where(self.bound == 1, program.upper, np.where(self.bound == 0, x, program.lower))

    def run(self, farthest: float = np.inf) -> Vector | None:
        """The solution, not farther than so many widths; None where the method does not lead to one."""
        x, system = self.start, self._system(self.start)
        low, high = (system.values - self.lower / system.size), (self.upper / system.size - system.values)
        self.side = np.where(low <= self.reach, -1, np.where(high <= self.reach, 1, 0))
        self.side[self.lower == self.upper] = 2
        for _ in range(MOST_STEPS):
            step = self._step(system, x)
            if step is None:
                return None
            found = self._go(system, x, step)
            if found is None or (abs(found[0] - self.start) > farthest * self.width).any():
                return None
            x, system = found
            if abs(step).max(initial=0.0) <= NOTHING:
                return x
        return None

    def forces(self, x: Vector) -> Multipliers:
        """At the solution."""
        cells = self.cells
        rows, columns = cells.jacobian_structure()
        entries = cells.jacobian(x) * self.multipliers[rows]
        slope = cells.gradient(x) + np.bincount(columns, weights=entries, minlength=x.size)
        at_lower, at_upper = np.isin(self.bound, (-1, 2)), np.isin(self.bound, (1, 2))
        lower, upper = np.where(at_lower, np.maximum(slope, 0.0), 0.0), np.where(at_upper, np.maximum(-slope, 0.0), 0.0)
        return Multipliers(self.multipliers, lower, upper)

    def _system(self, x: Vector) -> System:
        cells, n = self.cells, x.size
        rows, columns = cells.jacobian_structure()
        objective, values, gradient = cells.objective(x), cells.constraints(x), cells.gradient(x) * self.width
        entries = cells.jacobian(x) * self.width[columns]
        size = np.zeros(values.size)
        np.maximum.at(size, rows, abs(entries))
        size[size < FLAT] = 1.0  # of a row without slopes here, the factor is any
        slopes = matrix_of(rows, columns, entries / size[rows], (values.size, n))
        rows, columns = cells.hessian_structure()
        entries = cells.hessian(x, self.multipliers, 1.0) * self.width[rows] * self.width[columns]
        off = rows != columns
        places = np.append(rows, columns[off]), np.append(columns, rows[off])
        hessian = matrix_of(*places, np.append(entries, entries[off]), (n, n))
        steepest = max(abs(entries).max(initial=0.0), abs(gradient).max(initial=0.0), FLAT)
        system = System(objective, gradient, slopes, values / size, size, hessian, steepest)
        if not all(np.isfinite(part).all() for part in (objective, gradient, values, entries, size)):
            raise EvaluationError("[Cells] a derivative in the cell is not finite.")
        return system

    def _step(self, system: System, x: Vector) -> Vector | None:
        """Where the program would end if it were quadratic; sets the multipliers and the active set."""
        for damping in DAMPING:
            extra = damping * system.steepest
            program = Quadratic(
                system.gradient,
                system.hessian + extra * identity(x.size),
                system.slopes,
                system.values,
                self.lower / system.size,
                self.upper / system.size,
                (self.program.lower - x) / self.width,
                (self.program.upper - x) / self.width,
                self.side.copy(),
                self.bound.copy(),
            )
            step = program.solve()
            if step is not None:
                self.side, self.bound = program.side, program.bound
                self.multipliers = program.multipliers / system.size
                return step
        return None

    def _go(self, system: System, x: Vector, step: Vector) -> tuple[Vector, System] | None:
        """As far along the step as it brings something."""
        merit = self._merit(system)
        for half in range(MOST_HALVES):
            there = np.clip(x + 0.5**half * step * self.width, self.program.lower, self.program.upper)
            if half == 0:
                there = np.where(self.bound == -1, self.program.lower, there)
                there = np.where(self.bound == 1, self.program.upper, there)
            found = self._system(there)
            if self._merit(found) <= merit + ROUNDING * max(abs(merit), system.steepest):
                return there, found
        return None

    def _merit(self, system: System) -> float:
        """The objective, and what limits are violated by, at more than the price that multipliers set."""
        gap = np.maximum(self.lower / system.size - system.values, system.values - self.upper / system.size)
        price = 2.0 * abs(self.multipliers) * system.size + 0.1 * system.steepest
        return float(system.objective + (np.maximum(gap, 0.0) * price).sum())
