"""Bounds that a network gives to variables. They are looked up whenever somebody asks, so they never go stale.

A Pyomo variable takes for a bound whatever has a value and holds no variables. What stands here has the value that
follows from the model as it is at that moment: a bound that the user changes, an input that is fixed or a network that
is replaced counts at the next solve, whichever solver or writer asks; and a block that is deleted bounds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pyomo.common.numeric_types import native_numeric_types
from pyomo.core.base.var import VarData
from pyomo.environ import value

from fastexpr.errors import ModelError
from fastexpr.pyomo.bounds.looked_up import LookedUp

ROOM = 1e-6  # relative: an interval of numbers narrower than this bounds no output


class NetworkBound(LookedUp):
    """One bound of a variable, infinite where there is none.

    Attributes
    ----------
    variable : VarData
        Whose bound it is.
    side : {0, 1}
        The lower one or the upper one.
    """

    def __init__(self, variable: Any, side: int) -> None:
        self.variable = variable
        self.side = side

    def set(self) -> None:
        """Make it the variable's bound."""
        (self.variable.setlb, self.variable.setub)[self.side](self)

    def get_units(self) -> Any:
        """Those of the variable."""
        return self.variable.get_units()


class RangeBound(NetworkBound):
    """The range that a network is meant for, over the bound that the user's variable has otherwise.

    It holds while the network's block is an active part of the variable's model, and the variable is free.
    """

    def __init__(self, variable: Any, side: int, limit: float, block: Any) -> None:
        super().__init__(variable, side)
        self.limit = float(limit)
        self.block = block
        self.given = (variable.lower, variable.upper)[side]

    def __call__(self, exception: Any = None) -> float:
        """The tighter one of the two."""
        own = (-np.inf, np.inf)[self.side] if self.given is None else float(value(self.given))
        if self.variable.fixed or not self._is_in_force():
            return own
        return (max, min)[self.side](own, self.limit)

    def _is_in_force(self) -> bool:
        block = self.block
        while block.active and (parent := block.parent_block()) is not None:
            block = parent
        return bool(block.active and block is self.variable.model())


class EnclosureBound(NetworkBound):
    """A bound of one output: interval arithmetic over the bounds that the inputs have."""

    def __init__(self, variable: Any, side: int, enclosure: Enclosure, output: int) -> None:
        super().__init__(variable, side)
        self.enclosure = enclosure
        self.output = output

    def __call__(self, exception: Any = None) -> float:
        """Infinite where the enclosure has none."""
        return self.enclosure()[self.side][self.output]


class Enclosure:
    """The interval enclosure of a network's outputs, for the box that its inputs are in now.

    Parameters
    ----------
    holder
        Its `net` is the network.
    inputs : sequence of variables, expressions and numbers
    memory
        Its `output_bounds(net, lower, upper)` computes them, or knows them from another place of the network.
    """

    def __init__(self, holder: Any, inputs: Sequence[Any], memory: Any) -> None:
        self._holder = holder
        self._inputs = tuple(inputs)
        self._memory = memory
        self._known: tuple[Any, tuple[list[float], list[float]]] | None = None

    def __call__(self) -> tuple[list[float], list[float]]:
        """(lower, upper), each of all outputs."""
        net = self._holder.net
        key = (net, *map(_interval, self._inputs))
        if self._known is None or self._known[0] != key:
            box = np.array(key[1:], dtype=float).reshape(-1, 2)
            self._known = key, self._bounds(net, box[:, 0], box[:, 1])
        return self._known[1]

    def _bounds(self, net: Any, low: Any, high: Any) -> tuple[list[float], list[float]]:
        lower, upper = np.full(net.n_outputs, -np.inf), np.full(net.n_outputs, np.inf)
        if (low <= high).all():  # else the solver says so, and which variable it is
            enclosure = self._memory.output_bounds(net, low, high)
            # An output that cannot move is left without: an interior-point method needs room between two bounds.
            has_room = enclosure[1] - enclosure[0] > ROOM * np.maximum(1.0, np.abs(enclosure).max(axis=0))
            lower[has_room], upper[has_room] = enclosure[0][has_room], enclosure[1][has_room]
        return lower.tolist(), upper.tolist()


def keep_in_range(block: Any, scalars: Sequence[Any], lower: Any, upper: Any) -> None:
    """Keep the user's variables in the network's range, as long as the block is there.

    Raises
    ------
    ModelError
        A variable's own bounds and the range have nothing in common.
    """
    for scalar, low, high in zip(scalars, lower, upper, strict=True):
        if not isinstance(scalar, VarData):
            continue
        own = _interval(scalar)
        if not scalar.fixed and max(own[0], low) > min(own[1], high):
            raise ModelError(
                f"[NetworkBlock '{block.name}'] the bounds of '{scalar.name}', ({scalar.lb}, {scalar.ub}), and the "
                "network's range have nothing in common. Change them, or pass bounds=False."
            )
        for side, limit in enumerate((low, high)):
            given = (scalar.lower, scalar.upper)[side]
            is_kept = given.__class__ in native_numeric_types and (given >= limit, given <= limit)[side]
            if np.isfinite(limit) and not is_kept:
                RangeBound(scalar, side, limit, block).set()


def enclose(outputs: Sequence[Any], enclosure: Enclosure) -> None:
    """Give a block's own outputs the bounds that follow from those of its inputs."""
    for position, variable in enumerate(outputs):
        for side in (0, 1):
            EnclosureBound(variable, side, enclosure, position).set()


def _interval(scalar: Any) -> tuple[float, float]:
    """Where an input can be: between its bounds, at its value if it has one for good, else anywhere."""
    if isinstance(scalar, VarData) and not scalar.fixed:
        low, high = scalar.bounds
        return -np.inf if low is None else low, np.inf if high is None else high
    if isinstance(scalar, (int, float)) or scalar.is_fixed():
        number = value(scalar, exception=False)
        if number is not None and np.isfinite(number):
            return float(number), float(number)
    return -np.inf, np.inf
