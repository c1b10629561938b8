"""Numbers in a Pyomo model that are looked up whenever a solver or a writer asks, so that they never go stale."""

from __future__ import annotations

from typing import Any

from pyomo.core.expr.numvalue import NumericValue


class LookedUp(NumericValue):  # type: ignore[misc]
    """What Pyomo takes for a mutable number: a bound, a limit. Subclasses say which one, in `__call__`."""

    def is_constant(self) -> bool:
        """Not: Pyomo keeps the object."""
        return False

    def is_fixed(self) -> bool:
        """To solvers it is a number."""
        return True

    def is_potentially_variable(self) -> bool:
        """Not: it holds no variables."""
        return False

    def to_string(self, *_: Any) -> str:
        """What Pyomo prints."""
        return str(self())

    def __str__(self) -> str:
        return self.to_string()
