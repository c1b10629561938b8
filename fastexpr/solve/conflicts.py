"""Which limits a point violates, and by how much: in the user's names and units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Vector
from fastexpr.solvers.interior_point import Multipliers
from fastexpr.solvers.verification import FEASIBILITY, Measure, relative

#: So many are named in a message.
SHOWN = 5

#: Of the largest pull among limits that hold, what one must have to be named.
SHARE = 1e-3


class Conflict(NamedTuple):
    """A limit that cannot be met together with others.

    Attributes
    ----------
    name : str
        Of the constraint's row, or "the bound of x[0]".
    violation : float
        By how much it is violated, in its own unit; 0.0 where it holds, and others are violated for that.
    value : float
        Of the row or variable.
    limit : float
        The lower or upper one that is violated, or holds.
    """

    name: str
    violation: float
    value: float
    limit: float

    def __str__(self) -> str:
        if self.violation == 0.0:
            return f"{self.name} at its limit {self.limit:.6g}"
        side = "below" if self.value < self.limit else "above"
        return f"{self.name} by {self.violation:.3g} ({self.value:.6g} is {side} {self.limit:.6g})"


def violated(nlp: Nlp, x: Vector) -> list[Conflict]:
    """Rows and bounds that are violated by more than a solution may, the most violated one, relatively, first."""
    try:
        measure = Measure(nlp, x)
    except EvaluationError:
        return []
    rows = relative(measure.values, nlp.constraint_lower, nlp.constraint_upper, measure.row_size)
    bounds = relative(x, nlp.lower, nlp.upper, measure.width)
    found = [
        (share, conflict(name(k), float(values[k]), float(lower[k]), float(upper[k])))
        for shares, values, lower, upper, name in (
            (rows, measure.values, nlp.constraint_lower, nlp.constraint_upper, nlp.row_name),
            (bounds, x, nlp.lower, nlp.upper, bound_name(nlp)),
        )
        for k, share in zip(np.flatnonzero(shares > FEASIBILITY).tolist(), shares[shares > FEASIBILITY], strict=True)
    ]
    return [entry for _, entry in sorted(found, key=lambda pair: -pair[0])]


def holding(nlp: Nlp, x: Vector, multipliers: Multipliers) -> list[Conflict]:
    """Rows and bounds that stand against the others, by the multipliers at the least sum of violations."""
    try:
        measure = Measure(nlp, x)
    except EvaluationError:
        return []
    rows = multipliers.constraints * measure.row_size
    bounds = (multipliers.upper - multipliers.lower) * measure.width
    broken = relative(measure.values, nlp.constraint_lower, nlp.constraint_upper, measure.row_size) > FEASIBILITY
    pull = max(abs(rows).max(initial=0.0), abs(bounds).max(initial=0.0))
    found = []
    for forces, values, lower, upper, name in (
        (np.where(broken, 0.0, rows), measure.values, nlp.constraint_lower, nlp.constraint_upper, nlp.row_name),
        (bounds, x, nlp.lower, nlp.upper, bound_name(nlp)),
    ):
        for k in np.flatnonzero(abs(forces) > SHARE * pull).tolist():
            limit = float(upper[k] if forces[k] > 0.0 else lower[k])
            if np.isfinite(limit):
                found.append((abs(forces[k]), Conflict(name(k), 0.0, float(values[k]), limit)))
    return [entry for _, entry in sorted(found, key=lambda pair: -pair[0])]


def conflict(name: str, value: float, lower: float, upper: float) -> Conflict:
    """Of one that is violated."""
    limit = lower if value < lower else upper
    return Conflict(name, abs(value - limit), value, limit)


def bound_name(nlp: Nlp) -> Callable[[int], str]:
    """What messages call the bound of a variable."""
    return lambda column: f"the bound of {nlp.variable_name(column)}"


def listed(conflicts: Sequence[Conflict]) -> str:
    """The first of them in words."""
    shown = "; ".join(map(str, conflicts[:SHOWN]))
    return f"{shown}; and {len(conflicts) - SHOWN} more" if len(conflicts) > SHOWN else shown
