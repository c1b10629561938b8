"""Thresholds beside inputs that are fixed, or whose bounds become tighter, after a block was built.

A margin keeps variables away from thresholds; a number that somebody fixes an input to stays what it is, and trees and
comparisons say something about every number. Bounds of binaries, and limits of rows, are looked up: they follow the
input of trees, or, of what is compared with a threshold later in the network, all inputs where all are fixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from pyomo.core.base.var import VarData
from pyomo.environ import value

from fastexpr.errors import ModelError
from fastexpr.function.kink import values_of_nodes
from fastexpr.pyomo.bounds.looked_up import LookedUp

if TYPE_CHECKING:
    from fastexpr.formulations.affine import Array
    from fastexpr.formulations.algebra import Algebra, Decision
    from fastexpr.formulations.cuts import Cuts

ROOM = 2.0  # times the margin


class CutBound(LookedUp):
    """A bound of the binary "x <= cut"; `side` 0 is the lower one."""

    def __init__(self, x: Any, cut: float, side: int, hole: tuple[float, float]) -> None:
        self.x, self.cut, self.side, self.hole = x, cut, side, hole

    def __call__(self, exception: Any = None) -> float:
        """0 or 1.

        Raises
        ------
        ModelError
            x is a number that was left out.
        """
        low, high = _range(self.x)
        if low is not None and low == high and self.hole[0] < low <= self.hole[1]:
            refuse(f"'{self.x.name}'", low)
        if self.side == 0:
            return 1.0 if high is not None and high <= self.cut else 0.0
        return 0.0 if low is not None and low > self.cut else 1.0


def refuse(what: str, number: float) -> NoReturn:
    """Raises for an input that is fixed where no interval is."""
    raise ModelError(
        f"[NetworkBlock] {what} is fixed at {number!r}, in an interval between thresholds that was left out: it is "
        "narrower than the margin, or than solvers can tell. What to do: the number itself in inputs= when the block "
        "is built, or bounds of the variable that are this number, which makes the block say what the network says."
    )


class CutLimit(LookedUp):
    """The limit of a row that keeps x away from cuts: not where x is one number, which is on its side already."""

    def __init__(self, x: Any, number: float, room: float) -> None:
        self.x, self.number, self.room = x, number, room

    def __call__(self, exception: Any = None) -> float:
        """The limit."""
        low, high = _range(self.x)
        number = _number(self.number)
        return number + self.room if low is not None and low == high else number


def _number(limit: Any) -> float:
    """Of a limit that is looked up itself."""
    return float(limit() if isinstance(limit, LookedUp) else limit)


def _range(x: Any) -> tuple[float | None, float | None]:
    return (x.value, x.value) if x.fixed else x.bounds


class FixedInputs:
    """What a network decides where all its inputs are fixed."""

    def __init__(self, net: Any, scalars: list[Any], decisions: list[Decision]) -> None:
        self.scalars, self.decisions = scalars, decisions
        ids = sorted({node for decision in decisions for node in decision.nodes})
        self.nodes = values_of_nodes(net, ids)
        sizes = [int(np.prod(shape)) for shape in self.nodes.outputs.values()]
        self.places = dict(zip(ids, np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]), strict=True))
        self.known: tuple[Any, list[Array]] = (None, [])

    def decided(self, number: int) -> Array | None:
        """The binaries of a decision; None where some input can be several numbers."""
        x = []
        for scalar in self.scalars:
            if isinstance(scalar, VarData):
                low, high = _range(scalar)
                if low is None or low != high:
                    return None
                x.append(float(low))
            elif getattr(scalar, "is_fixed", lambda: True)():
                x.append(float(value(scalar)))
            else:
                return None
        if self.known[0] != x:
            values = np.asarray(self.nodes(np.array(x)))
            self.known = (
                x,
                [entry.of_values(*(values[self.places[node]] for node in entry.nodes)) for entry in self.decisions],
            )
        return self.known[1][number]


class DecidedBound(LookedUp):
    """A bound of a binary: what the network decides, or what it was."""

    def __init__(self, inputs: FixedInputs, place: tuple[int, int], bound: float) -> None:
        self.inputs, self.place, self.bound = inputs, place, bound

    def __call__(self, exception: Any = None) -> float:
        """0 or 1."""
        found = self.inputs.decided(self.place[0])
        return self.bound if found is None else float(found[self.place[1]])


class DecidedLimit(LookedUp):
    """The limit of a row that keeps a margin: not where the network decides."""

    def __init__(self, inputs: FixedInputs, number: int, limit: float, room: float) -> None:
        self.inputs, self.number, self.limit, self.room = inputs, number, limit, room

    def __call__(self, exception: Any = None) -> float:
        """The limit."""
        limit = _number(self.limit)
        return limit if self.inputs.decided(self.number) is None else limit - self.room


def follow(block: Any, net: Any, scalars: list[Any], algebra: Algebra, columns: list[Any]) -> None:
    """Puts these into the block's rows and variables."""
    decisions = list(algebra.decisions)
    for found in algebra.cuts:
        single = found.x.single_columns()
        place = len(scalars) if single is None else int(single[0])
        x = scalars[place] if place < len(scalars) else None
        if found.is_integer:
            continue
        if isinstance(x, VarData):
            follow_feature(block, found, x, columns)
        else:
            decisions.append(decision_of(found))
    if not decisions:
        return
    inputs = FixedInputs(net, scalars, decisions)
    for number, decision in enumerate(decisions):
        for unit, column in enumerate(decision.columns.tolist()):
            variable = columns[column]
            low, high = variable.bounds
            variable.setlb(DecidedBound(inputs, (number, unit), low))
            variable.setub(DecidedBound(inputs, (number, unit), high))
        for row, room in zip(range(*decision.rows), decision.room.tolist(), strict=True):
            below, body, above = block.rows[row].to_bounded_expression()
            if room > 0:
                below = DecidedLimit(inputs, number, below, room)
            elif room < 0:
                above = DecidedLimit(inputs, number, above, room)
            block.rows[row].set_value((below, body, above))


def decision_of(cuts: Cuts) -> Decision:
    """The binaries of a feature that is no input by itself, as the network decides them."""
    from fastexpr.formulations.algebra import Decision  # brings SciPy along

    node, unit = cuts.source
    room = ROOM * cuts.margin
    return Decision(
        (node,),
        _AtMost(unit, cuts.last, cuts.holes),
        cuts.columns,
        (cuts.rows[0], cuts.rows[1] + 1),
        np.array([room, -room]),
    )


class _AtMost:
    """Whether a unit is at most each cut."""

    def __init__(self, unit: int, cuts: Array, holes: Array) -> None:
        self.unit, self.cuts, self.holes = unit, cuts, holes

    def __call__(self, values: Array) -> Array:
        number = values[self.unit]
        if ((self.holes[:, 0] < number) & (number <= self.holes[:, 1])).any():
            refuse("what trees read", float(number))
        return np.asarray(values[self.unit] <= self.cuts)


def follow_feature(block: Any, found: Cuts, x: Any, columns: list[Any]) -> None:
    """Bounds and limits that look at this input alone."""
    for column, last, hole in zip(found.columns.tolist(), found.last.tolist(), found.holes.tolist(), strict=True):
        columns[column].setlb(CutBound(x, last, 0, hole))
        columns[column].setub(CutBound(x, last, 1, hole))
    for row, side, room in zip(found.rows, (0, 2), (-ROOM * found.margin, ROOM * found.margin), strict=True):
        parts: list[Any] = list(block.rows[row].to_bounded_expression())
        parts[side] = CutLimit(x, parts[side], room)
        block.rows[row].set_value(tuple(parts))
