"""Trees' thresholds beside inputs that are fixed, or whose bounds become tighter, after a block was built.

A margin keeps variables away from thresholds; a number that somebody fixes an input to stays what it is, and the trees
say something about every number. Bounds of the binaries, and limits of the rows, are looked up: they follow the input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyomo.core.base.var import VarData

from fastexpr.pyomo.looked_up import LookedUp

if TYPE_CHECKING:
    from fastexpr.formulations.cuts import Cuts

ROOM = 2.0  # times the margin


class CutBound(LookedUp):
    """A bound of the binary "x <= cut"; `side` 0 is the lower one."""

    def __init__(self, x: Any, cut: float, side: int) -> None:
        self.x, self.cut, self.side = x, cut, side

    def __call__(self, exception: Any = None) -> float:
        """0 or 1."""
        low, high = _range(self.x)
        if self.side == 0:
            return 1.0 if high is not None and high <= self.cut else 0.0
        return 0.0 if low is not None and low > self.cut else 1.0


class CutLimit(LookedUp):
    """The limit of a row that keeps x away from cuts: not where x is one number, which is on its side already."""

    def __init__(self, x: Any, number: float, room: float) -> None:
        self.x, self.number, self.room = x, number, room

    def __call__(self, exception: Any = None) -> float:
        """The limit."""
        low, high = _range(self.x)
        return self.number + self.room if low is not None and low == high else self.number


def _range(x: Any) -> tuple[float | None, float | None]:
    return (x.value, x.value) if x.fixed else x.bounds


def follow(block: Any, cuts: list[Cuts], columns: list[Any]) -> None:
    """Puts these into the block's rows and variables."""
    for found in cuts:
        single = found.x.single_columns()
        x = None if single is None else columns[int(single[0])]
        if not isinstance(x, VarData) or found.is_integer:
            continue
        for column, last in zip(found.columns.tolist(), found.last.tolist(), strict=True):
            columns[column].setlb(CutBound(x, last, 0))
            columns[column].setub(CutBound(x, last, 1))
        below, above = (block.rows[row] for row in found.rows)
        below.set_value((CutLimit(x, below.lb, -ROOM * found.margin), below.body, None))
        above.set_value((None, above.body, CutLimit(x, above.ub, ROOM * found.margin)))
