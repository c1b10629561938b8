"""What an examination of the cells around a point finds."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastexpr.nlp import Vector
from fastexpr.solve.cells.junction import Branches, Walls
from fastexpr.solvers.interior_point import Multipliers

FIRST_ORDER, LOCAL_MINIMUM, NONE = "first-order", "local minimum", "none"


@dataclass
class Finding:
    """What was found at a point.

    Attributes
    ----------
    certificate : str
        "first-order", "local minimum", "none".
    reason : str
        Why it is not more.
    better : list of branches
        Cells into which a way leads down, to first order, the steepest first.
    ways : list of (n,) arrays
        Directions in which the program curves down within the cell.
    walls : Walls
        Of the cell, parallel ones included.
    multipliers : (k,) array
        Of these, at least 0; of parallel ones, the first has it.
    forces : Multipliers or None
        Of rows and bounds, as a solver has them; None where there is a choice.
    bent : list of int
        Units whose argument is 0, without a slope, and not 0 nearby: their sides differ to second order only.
    weak : list of int
        Units at walls that nothing presses against from one of their sides; of walls that are independent.
    """

    certificate: str
    reason: str
    walls: Walls
    multipliers: Vector
    better: list[Branches] = field(default_factory=list)
    ways: list[Vector] = field(default_factory=list)
    forces: Multipliers | None = None
    bent: list[int] = field(default_factory=list)
    weak: list[int] = field(default_factory=list)
