"""The bounds that a block's inputs had when its rows were made from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pyomo.contrib.fbbt.expression_bounds_walker import ExpressionBoundsVisitor
from pyomo.core.base.var import VarData
from pyomo.environ import value

from fastexpr.errors import ModelError

FAR = 1e20  # what solvers, and some people, call infinite


class InputBox:
    """The inputs of one block.

    Attributes
    ----------
    scalars : list of numbers, variables and expressions
    lower, upper : (n,) arrays
        Their bounds when the block was built; of a fixed variable without bounds, its value.
    """

    def __init__(self, scalars: Sequence[Any]) -> None:
        self.scalars = list(scalars)
        bounds = [interval(scalar) for scalar in self.scalars]
        for k, scalar in enumerate(self.scalars):
            if isinstance(scalar, VarData) and scalar.fixed and not np.isfinite(bounds[k]).all():
                bounds[k] = (float(scalar.value),) * 2
        self.lower, self.upper = np.array(bounds, dtype=np.float64).reshape(-1, 2).T

    def check(self, owner: str) -> None:
        """Raises where an input can be now what it could not be when the rows were made."""
        for k, scalar in enumerate(self.scalars):
            if isinstance(scalar, VarData) and scalar.fixed:
                low = high = float(scalar.value)
            else:
                low, high = interval(scalar)
            room = 1e-9 * max(1.0, abs(low)) if low == high else 0.0
            if low < self.lower[k] - room or high > self.upper[k] + room:
                raise ModelError(
                    f"{owner} the bounds of input '{scalar}' are wider than when the block was built: got "
                    f"({low}, {high}), expected them within ({self.lower[k]}, {self.upper[k]}), from which its rows "
                    "were made. Build the block anew."
                )

    def is_integer(self) -> Any:
        """(n,): which inputs take whole numbers only."""
        return np.array([isinstance(scalar, VarData) and scalar.is_integer() for scalar in self.scalars], dtype=bool)


def interval(scalar: Any) -> tuple[float, float]:
    """The least and the largest number that a scalar can be; that a variable is fixed does not count."""
    if isinstance(scalar, VarData):
        low, high = scalar.bounds
    elif not hasattr(scalar, "is_potentially_variable") or not scalar.is_potentially_variable():
        low = high = value(scalar)
    else:
        low, high = ExpressionBoundsVisitor(use_fixed_var_values_as_bounds=False).walk_expression(scalar)
    low = -np.inf if low is None or low <= -FAR else float(low)
    high = np.inf if high is None or high >= FAR else float(high)
    return low, high
