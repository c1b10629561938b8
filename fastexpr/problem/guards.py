"""`Problem.within_data`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import ShapeError
from fastexpr.expression import Expression
from fastexpr.function.data import data_of, guard_function
from fastexpr.problem.statement import Constraint

if TYPE_CHECKING:
    from fastexpr.problem.problem import Problem


def within_data(problem: Problem, x: Expression, net: Function, method: str, name: str | None) -> Constraint:
    """Limits that keep x near the network's data."""
    data = data_of(net, method)
    n = net.n_inputs
    if not isinstance(x, Expression):
        raise TypeError(f"[Problem] x must be an Expression of this problem's variables: got {type(x).__name__}.")
    if x.shape != (n,) and (x.ndim != 2 or x.shape[1] != n):
        raise ShapeError(
            f"[Problem] wrong shape of x for the data: got {x.shape}, expected ({n},), or (T, {n}) for T points."
        )
    name = name or "within data"
    if method == "hull":
        corners = data.standard(data.vertices)
        shape = (*x.shape[:-1], len(corners))
        start = np.full(shape, 1.0 / len(corners))
        shares: Any = problem.variables(shape, lower=0.0, upper=1.0, start=start, name=f"weights of {name}")
        problem.subject_to(shares.sum(axis=-1) - 1.0, equal=0.0, name=f"sum of weights of {name}")
        return problem.subject_to((x - data.mean) * (1.0 / data.scale) - shares @ corners, equal=0.0, name=name)
    guard, lower, upper = guard_function(data, method)
    return problem.subject_to(guard(x), lower=lower, upper=upper, name=name)
