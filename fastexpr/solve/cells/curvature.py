"""The second-order check: whether the Lagrangian curves up along what a point leaves free to first order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastexpr.nlp import Vector
from fastexpr.solve.cells.junction import Branches, Junction, Sides, Walls
from fastexpr.solve.cells.linear_program import Matrix
from fastexpr.solve.cells.linearization import Flags, Forces, Linearization

#: Relative to the largest second derivative, less is none.
FLAT = 1e-8

#: Dense matrices of second derivatives are made up to this many variables.
MOST_VARIABLES = 3000


class Curvature:
    """Of one cell at a point.

    Rows, bounds and walls without a multiplier do not count: what they leave free is more than the directions that are
    critical, so that the check can fail at a minimum, and never passes where there is none.

    Attributes
    ----------
    is_passed : bool
    reason : str
        Why not.
    ways : list of (n,) arrays
        Directions, in widths, in which the Lagrangian curves down.
    """

    def __init__(
        self,
        junction: Junction,
        cell: Branches,
        linear: Linearization,
        walls: Walls,
        forces: Forces,
        is_weak: Flags,
        least: float,
    ) -> None:
        self.is_passed, self.reason, self.ways = False, "", []
        if junction.x.size > MOST_VARIABLES:
            self.reason = f"second derivatives of more than {MOST_VARIABLES} variables are not looked at"
            return
        is_held = (linear.at_lower & linear.at_upper) | (np.maximum(forces.lower, forces.upper) > least)
        rows = np.concatenate([
            linear.equations, linear.limits[forces.limits > least], linear.walls[~is_weak]
        ])[:, ~is_held]  # fmt: skip
        free = null_space(rows)
        if free.shape[1] == 0:
            self.is_passed = True
            return
        multipliers = multipliers_of(junction, linear, walls, forces)
        hessian = dense_hessian(junction, cell, (walls.units, walls.to), junction.x, multipliers, 1.0)
        reduced = free.T @ hessian[np.ix_(~is_held, ~is_held)] @ free
        flat = FLAT * max(abs(hessian).max(), least)
        if is_definite(reduced - flat * np.eye(len(reduced))):
            self.is_passed = True
            return
        values, vectors = np.linalg.eigh(reduced)
        if values[0] >= -flat:
            self.is_passed = is_quadratic(junction, cell, walls, hessian)
            self.reason = "" if self.is_passed else "there are directions without curvature"
        else:
            self.reason = "the cell curves down"
            way = np.zeros(junction.x.size)
            way[~is_held] = free @ vectors[:, 0]
            self.ways = [way, -way]


def is_definite(symmetric: Matrix) -> bool:
    """Whether all eigenvalues are positive."""
    try:
        np.linalg.cholesky(symmetric)
    except np.linalg.LinAlgError:
        return False
    return True


def null_space(rows: Matrix) -> Matrix:
    """(n, free): an orthonormal basis of what these rows do not see."""
    n = rows.shape[1]
    if not rows.size:
        return np.eye(n)
    _, sizes, directions = np.linalg.svd(rows, full_matrices=True)
    rank = int((sizes > 1e-10).sum())
    basis: Matrix = directions[rank:].T
    return basis


def multipliers_of(junction: Junction, linear: Linearization, walls: Walls, forces: Forces) -> Vector:
    """(m + walls,): as a solver has them."""
    m = junction.program.m
    result = np.zeros(m + len(walls))
    np.add.at(result, linear.rows, linear.factors * np.concatenate([forces.equations, forces.limits]))
    result[m:] = -forces.walls / walls.lengths
    return result


def dense_hessian(
    junction: Junction, cell: Branches, walls: Sides, x: Vector, multipliers: Vector, factor: float
) -> Matrix:
    """(n, n): of the Lagrangian in this cell, in widths."""
    cells = junction.cells
    cells.freeze(cell)
    cells.choose(*walls)
    rows, columns = cells.hessian_structure()
    dense = np.zeros((x.size, x.size))
    entries = cells.hessian(x, multipliers, factor)
    np.add.at(dense, (rows, columns), entries)
    is_off = rows != columns
    np.add.at(dense, (columns[is_off], rows[is_off]), entries[is_off])
    dense *= junction.width
    dense *= junction.width[:, None]
    return dense


def stays_inside(junction: Junction, cell: Branches, unit: int, to: int, sign: float = 1.0) -> bool:
    """Whether the cell has all points around one on this wall, whose argument has no slope there: whether the argument
    curves up, as that of abs(x^2). Then the kink is none. With sign -1: whether the cell behind the wall has them.
    """
    if not junction.cells.has_hessian or junction.x.size > MOST_VARIABLES:
        return False
    sides = np.array([unit], dtype=np.int32), np.array([to], dtype=np.int32)
    multipliers = np.append(np.zeros(junction.program.m), sign)
    junction.cells.freeze(cell)
    columns = np.unique(junction.cells.wall_gradients(junction.x, *sides)[1])  # that the argument depends on

    def curvature(x: Vector) -> Matrix:
        own: Matrix = dense_hessian(junction, cell, sides, x, multipliers, 0.0)[np.ix_(columns, columns)]
        return own

    here = curvature(junction.x)
    least, flat = float(np.linalg.eigvalsh(here)[0]), FLAT * float(abs(here).max())
    if not least >= -flat:
        return False
    return least > flat or is_constant(junction, here, curvature)


def is_constant(junction: Junction, here: Matrix, curvature: Callable[[Vector], Matrix]) -> bool:
    """Whether second derivatives are these elsewhere, too."""
    program = junction.program
    step = 0.1 * junction.width * np.random.default_rng(0).uniform(-1, 1, junction.x.size)
    other = curvature(np.clip(junction.x + step, program.lower, program.upper))
    return bool(np.isfinite(other).all() and abs(other - here).max() <= 1e-9 * abs(here).max())


def is_quadratic(junction: Junction, cell: Branches, walls: Walls, hessian: Matrix) -> bool:
    """Whether the cell is a quadratic objective between linear rows: its second derivatives are the same elsewhere,
    whatever the multipliers. Then none in a direction means none at all.
    """
    multipliers = np.random.default_rng(1).uniform(-1, 1, junction.program.m + len(walls))
    sides = walls.units, walls.to
    return is_constant(junction, hessian, lambda x: dense_hessian(junction, cell, sides, x, multipliers, 1.0))
