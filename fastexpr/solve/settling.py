"""Onto the walls, limits and bounds that a point nearly meets.

An interior-point method stops a little before what it is pressed against: 1e-9, or, of what it is hardly pressed
against, 1e-5. What passes through a point can only be told where the point is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.nlp import Nlp, Vector
from fastexpr.solve.junction import Branches, Junction

#: In widths: what is nearer than this is met where that costs nothing. Tried one after another.
REACHES = (1e-4, 1e-5, 1e-6, 1e-7)

#: Relative to max(1, |f|).
COST = 1e-9


def settled(program: Nlp, cells: Any, branches: Branches, x: Vector) -> Vector:
    """The point moved onto all that is near it, if that makes the objective no worse; else onto what is nearer."""
    cells.freeze(branches)
    objective = cells.objective(x)
    for reach in REACHES:
        moved = onto(program, cells, branches, x, reach)
        if moved is None:
            continue
        cells.freeze(branches)
        if cells.objective(moved) <= objective + COST * max(1.0, abs(objective)):
            return moved
    return x


def onto(program: Nlp, cells: Any, branches: Branches, x: Vector, reach: float) -> Vector | None:
    """The nearest point at which everything within reach is met; None where that is not one point nearby."""
    start = x
    junction = Junction(program, cells, x)
    x = np.where(x - program.lower <= reach * junction.width, program.lower, x)
    x = np.where(program.upper - x <= reach * junction.width, program.upper, x)
    is_fixed = (x == program.lower) | (x == program.upper)
    walls = junction.walls(branches, reach)
    for _ in range(4):
        junction = Junction(program, cells, x)
        cells.freeze(branches)
        cells.choose(walls.units, walls.to)
        rows, columns = cells.jacobian_structure()
        values = cells.constraints(x)
        dense = np.zeros((values.size, x.size))
        np.add.at(dense, (rows, columns), cells.jacobian(x))
        dense *= junction.width
        size = np.maximum(abs(dense).max(axis=1, initial=0.0), 1e-300)
        lower = np.append(program.constraint_lower, np.zeros(len(walls)))
        upper = np.append(program.constraint_upper, np.zeros(len(walls)))
        low, high = (values - lower) / size, (upper - values) / size
        gap = np.where(low <= reach, values - lower, np.where(high <= reach, values - upper, 0.0)) / size
        is_met = (low <= reach) | (high <= reach)
        if not is_met.any():
            return x
        step = np.zeros(x.size)
        slopes = dense[is_met][:, ~is_fixed] / size[is_met, None]
        step[~is_fixed] = np.linalg.lstsq(slopes, -gap[is_met], rcond=1e-9)[0]
        x = np.clip(x + step * junction.width, program.lower, program.upper)
        if abs(x - start).max(initial=0.0) > 10 * reach * junction.width.max(initial=0.0):
            return None
        if abs(gap[is_met]).max() < 1e-13:
            return x
    return x if abs(gap[is_met]).max() < 1e-11 else None
