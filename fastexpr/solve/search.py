"""The stages of effort="high": what is tried beyond one solve from one start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Functions, Indices, Nlp, Structure, Vector
from fastexpr.solve.budget import Budget
from fastexpr.solve.cells.cell_program import elastic_program
from fastexpr.solve.conflicts import holding, violated
from fastexpr.solve.sampling import measured, ranked, sample
from fastexpr.solve.stages import cells, cold, has_kinks, ipopt, is_better
from fastexpr.solvers.interior_point import Multipliers, Scaling, Solution
from fastexpr.solvers.verification import FEASIBILITY, Measure

Points = npt.NDArray[np.float64]

#: Points of the sample, of which the best is where a solve starts.
N_SAMPLED = 128

#: Where nothing was feasible: the points of least violation, and from how many of them the solver starts. All of these
#: are points from which cells are looked at, where there are kinks.
N_NEAREST, N_TRIED = 8, 3

#: Starts from anywhere in the box.
N_RANDOM = 3


def solve_from(program: Nlp, x: Vector, budget: Budget) -> Solution:
    """Solver and cells from another start."""
    start, program.start = program.start, np.clip(x, program.lower, program.upper)
    try:
        found = ipopt(program, None, budget, options=cold(budget))
        crossed = None if budget.is_over else cells(program, found, budget)
    finally:
        program.start = start
    best = found if crossed is None or not is_better(crossed, found) else crossed
    budget.count(best)
    return best


def sampled(program: Nlp, point: Solution, budget: Budget) -> Solution:
    """From the most promising one of a sample of the box; where nothing was feasible, from those nearest to that."""
    budget.count(point)  # what has come of the first start
    points = program.complete(sample(program.lower, program.upper, program.start, N_SAMPLED, seed=0))
    if point.relative_violation <= FEASIBILITY:
        return solve_from(program, points[ranked(program, points)[0]], budget)
    objectives, violations = measured(program, points)
    nearest = points[np.lexsort((objectives, violations))[:N_NEAREST]]
    is_kinked = has_kinks(program, budget)
    best: Solution | None = None
    for x in spread(program, nearest)[: 1 if is_kinked else N_TRIED]:
        found = solve_from(program, x, budget)
        best = found if best is None or is_better(found, best) else best
        if best.success or budget.is_over:
            return best
    assert best is not None
    if not is_kinked:
        return best
    from fastexpr.solve.cells.stage import feasible_from

    other = feasible_from(program, nearest, budget)
    return best if other is None else other


def spread(program: Nlp, points: Points) -> Points:
    """The points in another order: the first one, then always the one farthest from those before, in widths."""
    width = np.ones(program.n) if program.scale is None else program.scale.widths
    places, order = points / width, [0]
    distances = np.full(len(points), np.inf)
    for _ in points[1:]:
        distances = np.minimum(distances, np.linalg.norm(places - places[order[-1]], axis=1))
        order.append(int(distances.argmax()))
    return points[order]


def elastic(program: Nlp, point: Solution, budget: Budget) -> Solution | None:
    """Where nothing was feasible: the least sum of violations, and a solve from there."""
    if point.success or program.m == 0:
        return None
    try:
        sizes = 1.0 / Measure(program, point.x).scaling().constraints
        whole, _ = elastic_program(program, program.functions, point.x, sizes)
    except EvaluationError:
        return None
    least = budget.run(whole, None, cold(budget))
    n, known = program.n, least.multipliers
    x = program.complete(np.clip(least.x[:n], program.lower, program.upper))
    conflicts = violated(program, x)
    if conflicts and least.success:
        forces = Multipliers(known.constraints, known.lower[:n], known.upper[:n])
        budget.elastic = conflicts + holding(program, x, forces)
    return solve_from(program, x, budget)


def projection(program: Nlp, point: Solution, budget: Budget) -> Solution | None:
    """Where nothing was feasible: the feasible point nearest to the best one, in widths, and a solve from there."""
    if point.success or program.m == 0:
        return None
    width = np.ones(program.n) if program.scale is None else program.scale.widths
    functions = Distance(program.functions, point.x, width)
    nearest = Nlp(
        start=np.clip(point.x, program.lower, program.upper),
        lower=program.lower,
        upper=program.upper,
        constraint_lower=program.constraint_lower,
        constraint_upper=program.constraint_upper,
        functions=functions,
        variable_name=program.variable_name,
        row_name=program.row_name,
        owner=program.owner,
        complete=program.complete,
        constants=program.constants,
        evaluations=program.evaluations,
    )
    known = budget.scaling
    own = None if known is None else Scaling(1.0, known.variables, known.constraints)
    return solve_from(program, budget.run(nearest, None, cold(budget), scaling=own).x, budget)


def random_starts(program: Nlp, point: Solution, budget: Budget) -> Solution | None:
    """From anywhere in the box, a few times."""
    del point
    best = None
    for x in sample(program.lower, program.upper, program.start, N_RANDOM, seed=1):
        if budget.is_over:
            break
        found = solve_from(program, program.complete(x), budget)
        best = found if best is None or is_better(found, best) else best
    return best


STAGES: list[tuple[str, Callable[[Nlp, Solution, Budget], Solution | None]]] = [
    ("sample", sampled),
    ("elastic", elastic),
    ("projection", projection),
    ("random starts", random_starts),
]


@dataclass
class Distance:
    """A program's rows, and half the squared distance to a point as the objective.

    Parameters
    ----------
    inner : Functions
        Of the program.
    center, width : (n,) arrays
        The point, and what distances are measured in.
    """

    inner: Functions
    center: Vector
    width: Vector

    def __post_init__(self) -> None:
        rows, columns = self.inner.hessian_structure()
        self._n_inner, n = rows.size, self.center.size
        is_diagonal = rows == columns
        places = np.full(n, -1, dtype=np.int64)
        places[rows[is_diagonal]] = np.flatnonzero(is_diagonal)
        missing: Indices = np.flatnonzero(places < 0)
        places[missing] = rows.size + np.arange(missing.size)
        self._places = places
        self._structure = np.append(rows, missing), np.append(columns, missing)

    def objective(self, x: Vector) -> float:
        return float((((x - self.center) / self.width) ** 2).sum()) / 2.0

    def gradient(self, x: Vector) -> Vector:
        gradient: Vector = (x - self.center) / self.width**2
        return gradient

    def constraints(self, x: Vector) -> Vector:
        return self.inner.constraints(x)

    def jacobian_structure(self) -> Structure:
        return self.inner.jacobian_structure()

    def jacobian(self, x: Vector) -> Vector:
        return self.inner.jacobian(x)

    def hessian_structure(self) -> Structure:
        return self._structure

    def hessian(self, x: Vector, multipliers: Vector, objective_factor: float) -> Vector:
        entries = np.zeros(self._structure[0].size)
        entries[: self._n_inner] = self.inner.hessian(x, multipliers, 0.0)
        entries[self._places] += objective_factor / self.width**2
        return entries

    def row_constants(self) -> Vector:
        return self.inner.row_constants()

    def steps(self, lower: Vector, upper: Vector) -> list[str]:
        return []
