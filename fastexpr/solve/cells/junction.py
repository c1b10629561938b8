"""A point and the cells that meet there: which walls pass through it, and what each cell looks like to first order.

A wall passes through x where its argument is 0 within 1e-7 of its largest slope times that variable's width. One
without a slope in the cell is none there: on both sides of it the program is the same to first order. It may have one
in another cell, so cells are looked at one by one. Where its argument curves away from 0, as that of max(x^2, 0), the
sides differ to second order, and nothing is claimed beyond the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr.nlp import Nlp, Vector
from fastexpr.solve.cells.linear_program import Matrix
from fastexpr.solve.cells.linearization import DEPENDENT, Flags, Linearization, of_length_one
from fastexpr.solvers.verification import LARGEST_WIDTH

Branches = npt.NDArray[np.int32]
Integers = npt.NDArray[np.int32]
Sides = tuple[Integers, Integers]  # walls: units, and the branches beyond

#: How near, relative to the largest slope times width, a wall, a row's limit or a bound counts as met.
MET = 1e-7

#: In widths: a step along which arguments show whether they have a slope.
PROBE = 1e-4

#: Relative to what moves most within a probe: what moves less is constant but for rounding.
BENT = 1e-10


@dataclass(frozen=True)
class Walls:
    """Walls that pass through the point, of one cell: unit, the branch beyond, and the slope to the inside."""

    units: Integers
    to: Integers
    slopes: Matrix  # (k, n) in widths, of length 1
    lengths: Vector
    arguments: Vector

    def __len__(self) -> int:
        return int(self.units.size)

    def only(self, chosen: npt.ArrayLike) -> Walls:
        """Some of them."""
        k = np.asarray(chosen, dtype=np.int64)
        return Walls(self.units[k], self.to[k], self.slopes[k], self.lengths[k], self.arguments[k])


def widths_of(program: Nlp, x: Vector) -> Vector:
    """(n,): what a variable can change by, as in `fastexpr.solvers.verification`; 1 where nothing can."""
    own = np.maximum(1.0, abs(x))
    width = program.upper - program.lower
    result: Vector = np.where(np.isfinite(width), np.minimum(width, LARGEST_WIDTH * own), own)
    return np.where(result > 0.0, result, 1.0)


class Junction:
    """The cells around a point.

    Parameters
    ----------
    program : Nlp
        Without walls.
    cells : _core.CellFunctions
        Of the same program. What is frozen there changes.
    x : (n,) array
    """

    def __init__(self, program: Nlp, cells: Any, x: Vector) -> None:
        self.program, self.cells, self.x = program, cells, x
        self.width = widths_of(program, x)
        toward_middle = np.where(x - program.lower < program.upper - x, 1.0, -1.0)
        size = np.random.default_rng(0).uniform(0.5, 1.0, x.size)
        self._probe = np.clip(x + PROBE * self.width * toward_middle * size, program.lower, program.upper)
        self.at_lower = x - program.lower <= MET * self.width
        self.at_upper = program.upper - x <= MET * self.width
        # walls met so far whose argument is 0, without a slope, and not 0 nearby: (unit, to), and the cell
        self.bent: dict[tuple[int, int, bytes], Branches] = {}

    # ---- one cell ----------------------------------------------------------------------------------------------------

    def walls(self, branches: Branches, reach: float = MET) -> Walls:
        """The walls of this cell that pass through the point, in the order of their units."""
        cells = self.cells
        cells.freeze(branches)
        units, to, arguments = cells.walls(self.x)
        moved = abs(cells.walls(self._probe)[2] - arguments)
        # a probe may cross the direction of a slope, so that it moves less than the slope would let it
        has_slope = moved > 1e-12 * moved.max(initial=0.0)
        near = np.flatnonzero(has_slope & (abs(arguments) <= max(1e3 * reach / PROBE, 1.0) * moved))
        slopes = self.slopes(units[near], to[near])
        largest = abs(slopes).max(axis=1, initial=0.0)
        floor = 1e-9 * moved.max(initial=0.0) / PROBE
        is_flat = (
            (largest <= floor)
            & (moved[near] > BENT * moved.max(initial=0.0))
            & (abs(arguments[near]) <= MET * moved[near])
        )
        for k in near[is_flat].tolist():
            self.bent[int(units[k]), int(to[k]), branches.tobytes()] = branches
        is_met = (abs(arguments[near]) <= reach * largest) & (largest > floor) & ~self._is_implied(slopes, largest)
        order = near[is_met][np.argsort(self._ranks(units[near[is_met]]), kind="stable")]
        place = np.searchsorted(near, order)
        rows = slopes[place]
        lengths = np.sqrt((rows * rows).sum(axis=1))
        return Walls(units[order], to[order], of_length_one(rows), lengths, arguments[order])

    def _is_implied(self, slopes: Matrix, largest: Vector) -> Flags:
        """Whether the bounds leave nothing behind a wall: it is where variables are at theirs, and points inside."""
        is_free = ~(self.at_lower | self.at_upper)
        result: Flags = abs(slopes[:, is_free]).max(axis=1, initial=0.0) <= 1e-12 * largest
        result &= (slopes[:, self.at_lower & ~self.at_upper] >= 0.0).all(axis=1)
        result &= (slopes[:, self.at_upper & ~self.at_lower] <= 0.0).all(axis=1)
        return result

    def inside(self, walls: Walls) -> Vector:
        """A point next to this one on the inside of the walls."""
        way = np.linalg.lstsq(walls.slopes, np.ones(len(walls)), rcond=1e-12)[0]
        step = PROBE / max(1.0, float(abs(way).max(initial=0.0))) * way * self.width
        return np.clip(self.x + 0.01 * step, self.program.lower, self.program.upper)

    def distances(self, arguments: Vector) -> Vector:
        """About how far away each wall of the frozen cell is, by how much a probe in some direction moves it."""
        moved = abs(self.cells.walls(self._probe)[2] - arguments)
        distances: Vector = abs(arguments) / np.maximum(moved, 1e-3 * moved.mean() + 1e-300)
        return distances

    def slopes(self, units: Integers, to: Integers) -> Matrix:
        """(k, n): of walls of the frozen cell, in widths."""
        starts, columns, entries = self.cells.wall_gradients(self.x, units, to)
        dense = np.zeros((units.size, self.x.size))
        dense[np.repeat(np.arange(units.size), np.diff(starts)), columns] = entries
        result: Matrix = dense * self.width
        return result

    def linearize(self, branches: Branches, walls: Walls) -> Linearization:
        """The program in this cell, with these of its walls."""
        program, cells = self.program, self.cells
        if not np.array_equal(cells.frozen, branches):
            cells.freeze(branches)
        else:
            cells.choose(walls.units[:0], walls.to[:0])
        rows, columns = cells.jacobian_structure()
        dense = np.zeros((program.m, self.x.size))
        np.add.at(dense, (rows, columns), cells.jacobian(self.x))
        dense *= self.width
        values = cells.constraints(self.x)
        size = np.maximum(abs(dense).max(axis=1, initial=0.0), 1e-300)
        lower, upper = program.constraint_lower, program.constraint_upper
        is_equation = lower == upper
        near = MET * np.maximum(size, [abs_of(lower), abs_of(upper)])
        at_low = ~is_equation & (values - lower <= near[0])
        at_high = ~is_equation & (upper - values <= near[1])
        places = np.concatenate([np.flatnonzero(which) for which in (is_equation, at_low, at_high)])
        inward = np.concatenate([np.ones(is_equation.sum() + at_low.sum()), -np.ones(at_high.sum())])
        lengths = np.sqrt((dense[places] ** 2).sum(axis=1))
        active = of_length_one(dense[places]) * inward[:, None]
        n_equations = int(is_equation.sum())
        return Linearization(
            cells.gradient(self.x) * self.width,
            active[:n_equations],
            active[n_equations:],
            walls.slopes,
            self.at_lower,
            self.at_upper,
            places,
            -inward / np.where(lengths > 0.0, lengths, 1.0),
        )

    def _ranks(self, units: Integers) -> Integers:
        ranks: Integers = self.cells.unit_ranks[units]
        return ranks


def abs_of(limits: Vector) -> Vector:
    """Sizes of limits; 0 of none."""
    size: Vector = abs(np.where(np.isfinite(limits), limits, 0.0))
    return size


def is_parallel(first: Matrix, second: Matrix) -> npt.NDArray[np.bool_]:
    """(a, b): whether rows of length 1 are the same up to their sign."""
    cosines = first @ second.T
    # 1 - |cosine| is as the square of the angle: too coarse a measure for nearly parallel rows
    result = abs(abs(cosines) - 1.0) < 1e-6
    for i, j in zip(*np.nonzero(result), strict=True):
        result[i, j] = np.abs(first[i] - np.sign(cosines[i, j]) * second[j]).max() < DEPENDENT
    return result
