"""The walk from cell to cell.

In a cell every kinked unit is on one branch, and the program is smooth. It is solved there; walls are rows of that
program, added only for units that the solution would cross. From the solution, the walk crosses the walls behind which
a way leads down, all of them at once, then each alone, and moves where that brings something. A cell in which the
program is linear is not entered twice, and others only from a better point.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Vector
from fastexpr.solve.budget import Budget
from fastexpr.solve.cells.cell_program import cell_program
from fastexpr.solve.cells.certificate import Examination, sampled_ways_down
from fastexpr.solve.cells.finding import NONE, Finding
from fastexpr.solve.cells.junction import MET, Branches, Junction
from fastexpr.solve.cells.linear_cell import linear_solution
from fastexpr.solve.cells.settling import newton_solution, settled
from fastexpr.solvers.interior_point import Solution
from fastexpr.solvers.verification import FEASIBILITY

#: Cells that one walk solves.
MOST_CELLS = 200

#: What a move must bring, relative to max(1, |f|); of two points that violate something, relative to the violation.
GAIN = 1e-8

#: The same of a cell in which the program is linear, where a way leads down and nothing brings more: they are not
#: entered twice, so that small moves come to an end, and where they end can be certified.
LINEAR_GAIN = 1e-10

#: Walls that every cell's program has from the beginning, the nearest ones: at most so many, and so many entries.
FIRST_WALLS, FIRST_ENTRIES = 160, 100_000

#: In widths: where walls pass nearer than this, the walk goes on from so many points around that are half as near.
CLOSE, MOST_BESIDE = 2e-3, 6

#: In a cell, of Ipopt: the program is smooth and starts near its solution.
CELL_OPTIONS: dict[str, Any] = {"mu_init": 1e-2, "bound_relax_factor": 1e-10, "tol": 1e-9}
CELL_ITERATIONS = 100


@dataclass
class Visit:
    """A cell, and the best point in it."""

    branches: Branches
    x: Vector
    objective: float
    violation: float  # relative
    solution: Solution  # of the cell's program, walls included
    size: float  # that differences of the objective are relative to
    is_exact: bool = False

    @property
    def is_solved(self) -> bool:
        return self.solution.success and self.violation <= FEASIBILITY

    def is_better_than(self, other: Visit, gain: float = GAIN) -> bool:
        """Whether a move from there pays."""
        excess, others = max(0.0, self.violation - FEASIBILITY), max(0.0, other.violation - FEASIBILITY)
        if excess > 0.0 or others > 0.0:
            return excess < 0.999 * others
        return self.objective < other.objective - gain * other.size


@dataclass
class Walk:
    """Walks from the cell of a point until no crossing brings anything.

    Parameters
    ----------
    program : Nlp
        With kinks.
    cells : _core.CellFunctions
        Of the same program.
    budget : Budget
        Of iterations and time.
    """

    program: Nlp
    cells: Any
    budget: Budget
    n_cells: int = 0
    here: Visit = field(init=False)
    failed: list[tuple[Branches, str]] = field(default_factory=list)
    _done: set[bytes] = field(default_factory=set)  # linear cells: their best points are known
    _tried: set[bytes] = field(default_factory=set)  # from this point
    _near: set[tuple[int, int]] = field(default_factory=set)

    @property
    def is_over(self) -> bool:
        return self.budget.is_over or self.n_cells >= MOST_CELLS

    def stay(self, x: Vector, solution: Solution) -> Finding | None:
        """What a solution is that was found without looking at kinks; None where a walk may bring something."""
        branches = self.cells.branches(x)
        self.here = self._visit(branches, x, solution)
        finding = self._examine()
        if finding.better or finding.ways or finding.certificate == NONE:
            return None
        return self._on(-np.inf) if self._beside(bool(finding.bent)) else finding

    def run(self, x: Vector, branches: Branches | None = None, enough: float = -np.inf) -> Finding | None:
        """What was found where the walk ended (`here`); None where it was cut short, or solved nothing.

        Parameters
        ----------
        x : (n,) array
            Where to start.
        branches : (n_units,) array, optional
            The cell to start in; without it, that of the point.
        enough : float
            An objective at which there is nothing more to want.
        """
        self.here = self._solve(self.cells.branches(x) if branches is None else branches, x)
        return self._on(enough)

    def _on(self, enough: float) -> Finding | None:
        """From where the walk is to where nothing brings anything."""
        while True:
            if not self.here.is_solved or self.here.objective <= enough:
                return None
            self.failed.clear()
            self._tried.clear()
            finding = self._examine()
            if not self._move(finding):
                return None if self.is_over and (finding.better or finding.ways) else finding

    def _examine(self) -> Finding:
        here = self.here
        rows = here.solution.multipliers.constraints[: self.program.m]
        if not here.is_exact:
            here.x = settled(self.program, self.cells, here.branches, here.x, rows)
            here.objective = self._objective(here.branches, here.x)
        examination = Examination(Junction(self.program, self.cells, here.x), here.branches, here.objective)
        cell = examination.unfolded()
        if not np.array_equal(cell, here.branches):
            here.branches = cell
            examination = Examination(Junction(self.program, self.cells, here.x), cell, here.objective)
        return examination.finding()

    def _move(self, finding: Finding) -> bool:
        """Into the first cell that is better; False: there is none."""
        slightly = None
        for branches in self._candidates(finding):
            if self.is_over:
                return False
            if self._is_known(branches):
                continue
            visit = self._solve(branches, self.here.x)
            if visit.is_better_than(self.here):
                self.here = visit
                return True
            if not visit.is_solved:
                self.failed.append((branches, visit.solution.message))
            elif branches.tobytes() in self._done and visit.is_better_than(slightly or self.here, LINEAR_GAIN):
                slightly = visit
        if slightly is not None and not self.failed:
            self.here = slightly
            return True
        return self._along(finding) or (not self.failed and self._beside(bool(finding.bent)))

    def _beside(self, is_bent: bool) -> bool:
        """From points around, where walls pass close by or have no slope: no slope may tell of a better point near."""
        here = self.here
        junction = Junction(self.program, self.cells, here.x)
        walls = junction.walls(here.branches, CLOSE)
        if not is_bent and not (abs(walls.arguments) > MET * walls.lengths).any():
            return False
        rng = np.random.default_rng(0)
        for _ in range(MOST_BESIDE):
            step = rng.uniform(-0.5, 0.5, here.x.size) * CLOSE * junction.width
            x = np.clip(here.x + step, self.program.lower, self.program.upper)
            branches = self.cells.branches(x)
            if self.is_over:
                return False
            if self._is_known(branches):
                continue
            visit = self._solve(branches, x)
            if visit.is_better_than(here):
                self.here = visit
                return True
        return False

    def _along(self, finding: Finding) -> bool:
        """Where the cell curves down at its solution: from a point beside it."""
        here = self.here
        width = Junction(self.program, self.cells, here.x).width
        for way in finding.ways:
            if self.is_over:
                return False
            largest = abs(way).max()
            x = np.clip(here.x + 0.01 / largest * way * width, self.program.lower, self.program.upper)
            visit = self._solve(here.branches, x)
            if visit.is_better_than(here):
                self.here = visit
                return True
        return False

    def _candidates(self, finding: Finding) -> list[Branches]:
        """Cells to try, the most promising first."""
        if finding.better or finding.certificate != NONE:
            return finding.better
        junction = Junction(self.program, self.cells, self.here.x)
        return sampled_ways_down(junction, self.here.objective)

    # ---- one cell ----------------------------------------------------------------------------------------------------

    def _solve(self, branches: Branches, start: Vector) -> Visit:
        """The best point of a cell. Walls that the solution would cross are added until it crosses none."""
        self._tried.add(branches.tobytes())
        self.n_cells += 1
        here: Visit | None = getattr(self, "here", None)
        x, near = start, start if here is None else here.x
        while True:
            self.cells.freeze(branches)
            chosen = self._chosen(start)
            self.cells.choose(*chosen)
            nlp = cell_program(self.program, self.cells, chosen[0].size, x)
            exact = best = linear_solution(nlp, near)
            if best is None:
                exact = newton_solution(self.program, nlp, self.cells, self._row_multipliers())
            solution = exact or self.budget.run(nlp, None, CELL_OPTIONS, CELL_ITERATIONS)
            if exact is not None:
                self.budget.count_step(exact)
            if self.budget.is_over or not self._cross(solution.x):
                break
            x = near = solution.x
        if best is not None:
            self._done.add(branches.tobytes())
        visit = self._visit(branches, solution.x, solution)
        visit.is_exact = solution is exact
        return visit

    def _is_known(self, branches: Branches) -> bool:
        """Whether the cell has nothing better. A curved one may have, from a point that has become better."""
        key = branches.tobytes()
        return key in self._tried or key in self._done

    def _row_multipliers(self) -> Vector:
        """Of the last cell."""
        here: Visit | None = getattr(self, "here", None)
        return np.zeros(self.program.m) if here is None else here.solution.multipliers.constraints[: self.program.m]

    def _visit(self, branches: Branches, x: Vector, solution: Solution) -> Visit:
        size = self.program.objective_size(solution.objective)
        return Visit(branches, x, solution.objective, solution.relative_violation, solution, size)

    def _chosen(self, x: Vector) -> tuple[Any, Any]:
        """The walls that become rows: all where they are few, else the nearest ones and those crossed before."""
        units, to, arguments = self.cells.walls(x)
        first = max(20, min(FIRST_WALLS, FIRST_ENTRIES // self.program.n))
        if units.size <= first:
            return units, to
        distances = Junction(self.program, self.cells, x).distances(arguments)
        is_near = np.zeros(units.size, dtype=bool)
        is_near[np.argsort(distances)[:first]] = True
        pairs = zip(units.tolist(), to.tolist(), strict=True)
        chosen = is_near | np.array([pair in self._near for pair in pairs])
        return units[chosen], to[chosen]

    def _cross(self, x: Vector) -> bool:
        """Whether the point has crossed walls that are no rows; from now on they are."""
        units, to, arguments = self.cells.walls(x)
        rows = set(zip(*(side.tolist() for side in self.cells.chosen), strict=True))
        crossed = [
            pair
            for pair in zip(units[arguments < 0.0].tolist(), to[arguments < 0.0].tolist(), strict=True)
            if pair not in rows
        ]
        if not crossed:
            return False
        self._near.update(crossed)
        return True

    def _objective(self, branches: Branches, x: Vector) -> float:
        self.cells.freeze(branches)
        try:
            return float(self.cells.objective(x))
        except EvaluationError:
            return np.inf
