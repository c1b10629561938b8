"""The stage for programs with kinks: from cell to cell, and what may be claimed where that ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Vector
from fastexpr.solve.budget import Budget, measured
from fastexpr.solve.cells.cell_program import elastic_program
from fastexpr.solve.cells.certificate import Examination
from fastexpr.solve.cells.finding import NONE, Finding
from fastexpr.solve.cells.junction import Branches, Junction
from fastexpr.solve.cells.kinks import message_of, met_kinks, unit_name
from fastexpr.solve.cells.walk import MOST_CELLS, Walk
from fastexpr.solvers.interior_point import Multipliers, Solution, return_codes
from fastexpr.solvers.verification import FEASIBILITY, Measure

#: Sum of relative violations at which a point counts as feasible.
NOTHING = 1e-9

#: Relative to max(1, |value|): where the sides of a wall differ by more, the program jumps there.
JUMP = 1e-7


def walk_from(program: Nlp, point: Solution, budget: Budget) -> Solution:
    """From the cell of the point to a solution of a program with kinks.

    Raises
    ------
    fastexpr.errors.EvaluationError
        The program cannot be evaluated at the point.
    """
    x = program.complete(np.clip(point.x, program.lower, program.upper))
    walk = Walk(program, program.functions.cells(), budget)  # type: ignore[attr-defined]
    finding = walk.stay(x, point) if point.success else None
    if finding is None:
        finding = walk.run(x)
    if finding is None and not walk.here.is_solved and not walk.is_over:
        nearest, branches, is_least = nearest_feasible(walk, x)
        finding = None if walk.budget.is_over else walk.run(nearest, branches)
        if is_least and not walk.here.is_solved and not walk.budget.is_over:
            return infeasible(program, nearest)
    return concluded(walk, finding)


def feasible_from(program: Nlp, points: Iterable[Vector], budget: Budget) -> Solution | None:
    """From the first of these points where crossing kinks leads to a feasible one, on to a solution; None: from none.

    Where rows have no slope, as behind units that are all off, other places are all that helps.
    """
    cells = program.functions.cells()  # type: ignore[attr-defined]
    for x in points:
        walk = Walk(program, cells, budget)
        try:
            nearest, branches, _ = nearest_feasible(walk, x)
            is_feasible = measured(program, nearest).relative_violation <= FEASIBILITY
        except EvaluationError:
            continue
        if budget.is_over:
            return None
        finding = walk.run(nearest, branches) if is_feasible else None
        if is_feasible and walk.here.is_solved:
            return concluded(walk, finding)
        budget.count(infeasible(program, nearest))
    return None


def infeasible(program: Nlp, x: Vector) -> Solution:
    """A point where the least violation is that crossing kinks leads to."""
    solution = measured(program, x)
    solution.status, solution.message = return_codes[2]
    return solution


def nearest_feasible(walk: Walk, x: Vector) -> tuple[Vector, Branches, bool]:
    """From x to the least violation that crossing kinks leads to; the cell of that point, and whether it is known that
    no less is near.
    """
    scale = 1.0 / Measure(walk.program, x).scaling().constraints
    whole, elastic = elastic_program(walk.program, walk.cells, x, scale)
    other = Walk(whole, elastic, walk.budget, walk.n_cells)
    finding = other.run(whole.start, None, NOTHING)
    walk.n_cells = other.n_cells
    is_least = finding is not None and finding.certificate != NONE and other.here.objective > FEASIBILITY
    return other.here.x[: walk.program.n], other.here.branches, is_least


def concluded(walk: Walk, finding: Finding | None) -> Solution:
    """The end of the walk as a solution of the program, with what may be claimed."""
    program, here, inner = walk.program, walk.here, walk.here.solution
    known = inner.multipliers
    multipliers = Multipliers(known.constraints[: program.m], known.lower, known.upper)
    solution = Solution(here.x, here.objective, multipliers, inner.status, inner.message, inner.iterations)
    if finding is not None:
        claim(walk, finding, solution)
    elif here.is_solved:
        solution.status, solution.message = "cell_limit", f"The limit of {MOST_CELLS} cells was reached."
        if walk.budget.is_over:
            solution.status, solution.message = return_codes[-5 if walk.budget.seconds_left <= 0.0 else -1]
    solution.x = program.complete(solution.x)
    with contextlib.suppress(EvaluationError):
        solution.objective = program.objective(solution.x)
        measure = Measure(program, solution.x)
        solution.relative_violation = measure.verdict(solution.multipliers).violation
    return solution


def claim(walk: Walk, finding: Finding, solution: Solution) -> None:
    """Certificate, kinks and message; multipliers from the point itself where there is no choice."""
    program, cells = walk.program, walk.cells
    if walk.failed:
        branches, said = walk.failed[0]
        unit = int(np.flatnonzero(branches != walk.here.branches)[0])
        finding.certificate = NONE
        finding.reason = f"behind {unit_name(program, cells, unit)} the solver failed ({said})"
    for unit in jumping_units(walk, finding)[:1]:
        finding.certificate, finding.reason = NONE, f"the program jumps at {unit_name(program, cells, unit)}"
        solution.is_at_jump = True
    solution.kinks, solution.certificate = met_kinks(program, cells, finding), finding.certificate
    solution.status, solution.message = "optimal", message_of(finding, solution.kinks)
    if finding.forces is not None:
        solution.multipliers = finding.forces
        if len(finding.walls):
            solution.inside = Junction(program, cells, solution.x).inside(finding.walls)


def multipliers_of_cell(nlp: Nlp, x: Vector, inside: Vector) -> Multipliers | None:
    """The multipliers at a point in the cell of another one next to it; None where there is a choice."""
    cells = nlp.functions.cells()  # type: ignore[attr-defined]
    examination = Examination(Junction(nlp, cells, x), cells.branches(inside), nlp.objective(x))
    return examination.multipliers()


def jumping_units(walk: Walk, finding: Finding) -> list[int]:
    """Units at their walls on whose branches the objective or a row differs."""
    cells, here, walls = walk.cells, walk.here, finding.walls
    found = []
    for unit in np.unique(walls.units[cells.unit_jumps[walls.units]]).tolist():
        values = []
        for branch in (here.branches[unit], walls.to[walls.units == unit][0]):
            branches = here.branches.copy()
            branches[unit] = branch
            cells.freeze(branches)
            values.append(np.append(cells.constraints(here.x)[: walk.program.m], cells.objective(here.x)))
        if not (abs(values[0] - values[1]) <= JUMP * np.maximum(1.0, abs(values[0]))).all():
            found.append(unit)
    return found
