"""A row's limit that looks, whenever it is looked up, whether its block's rows still say what they were made for."""

from __future__ import annotations

from typing import Any

from fastexpr.pyomo.bounds.looked_up import LookedUp


class Limit(LookedUp):
    """A number; the block's `check_bounds` is asked first, by whoever solves or writes the model."""

    def __init__(self, number: float, block: Any) -> None:
        self.number = number
        self.block = block

    def __call__(self, exception: Any = None) -> float:
        """The number.

        Raises
        ------
        ModelError, RuleError
            An input can now be what the rows leave out.
        """
        self.block.check_bounds()
        return self.number
