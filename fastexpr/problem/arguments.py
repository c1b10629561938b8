"""Bounds, limits and starts as the user gives them, checked and broadcast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr.errors import ShapeError
from fastexpr.expression.node import Expression
from fastexpr.expression.operands import as_operand, in_order_of
from fastexpr.expression.relation import Relation
from fastexpr.function.arguments import numbers_by_name, separated
from fastexpr.function.labels import Names, labelled
from fastexpr.nlp import Vector

AskNames = Callable[[], Names] | None

SIDES = {"<=": "upper", ">=": "lower", "==": "equal"}
MIRRORED = {"<=": ">=", ">=": "<=", "==": "=="}


def names_from(shape: tuple[int, ...], *arguments: Any) -> Names | None:
    """What variables, which have no names themselves, are called by the first argument that has labels."""
    for argument in arguments:
        found = labelled(argument)
        if found is not None and shape and len(found.labels) == shape[-1]:
            return Names([str(label) for label in found.labels], "variable", are_default=False, owner="[Problem]")
    return None


def as_vector(values: Any, default: float, shape: tuple[int, ...], what: str, names: AskNames = None) -> Vector:
    """The numbers broadcast to the shape, flat; labels are matched with the names."""
    numbers = np.asarray(default) if values is None else numbers_by_name(values, names, what)
    try:
        result: npt.NDArray[np.float64] = np.broadcast_to(numbers, shape).flatten()
    except ValueError:
        raise ShapeError(
            f"[Problem] wrong shape of {what}: got {numbers.shape}, expected {shape} or what broadcasts to it."
        ) from None
    if np.isnan(result).any():
        raise ValueError(f"[Problem] {what} contains NaN.")
    return result


def as_start(
    start: Any, lower: Vector, upper: Vector, shape: tuple[int, ...], name: str, names: AskNames = None
) -> Vector:
    """The start within the bounds, flat."""
    if start is not None:
        numbers = as_vector(start, 0.0, shape, f"the start of {name!r}", names)
        if not np.isfinite(numbers).all():
            raise ValueError(f"[Problem] the start of {name!r} is not finite.")
        return np.clip(numbers, lower, upper)
    has_both = np.isfinite(lower) & np.isfinite(upper)
    middle = np.where(has_both, lower, 0.0) / 2 + np.where(has_both, upper, 0.0) / 2
    return np.where(has_both, middle, np.clip(0.0, lower, upper))


def require_order(lower: Vector, upper: Vector, name: str) -> None:
    """Lower limits must not be above upper ones."""
    wrong = np.flatnonzero((lower > upper) | (lower == np.inf) | (upper == -np.inf))
    if wrong.size:
        raise ValueError(
            f"[Problem] the lower limit of {name!r} is above the upper limit, or infinite on the wrong side: "
            f"got {lower[wrong[0]]} and {upper[wrong[0]]} at element {wrong[0]}."
        )


def as_sides(lower: Any, upper: Any, bounds: Any, size: int) -> tuple[Any, Any]:
    """lower and upper, which may come as bounds=(lower, upper), or as pairs like SciPy's, a dict of them included."""
    if bounds is None:
        return lower, upper
    if lower is not None or upper is not None:
        raise ValueError("[Problem] bounds=(lower, upper) goes with neither lower= nor upper=: they are the same.")
    if isinstance(bounds, tuple) and len(bounds) == 2:
        if size == 2 and all(isinstance(side, tuple) and len(side) == 2 for side in bounds):
            raise ValueError(
                f"[Problem] bounds={bounds} may mean lower and upper bounds, or a pair for each variable as in SciPy. "
                f"What to do: lower={bounds[0]}, upper={bounds[1]}, or a list of pairs, {list(bounds)}."
            )
        return bounds
    low, high = separated(bounds, size)
    if high is None:
        raise ValueError(f"[Problem] bounds must be a pair (lower, upper), or pairs of each component: got {bounds!r}.")
    return low, high


def given(limits: dict[str, Any]) -> dict[str, Any]:
    """Those that are not None."""
    return {side: limit for side, limit in limits.items() if limit is not None}


def require_limits(limits: dict[str, Any]) -> None:
    """Some, and `equal` with no other."""
    if not limits or ("equal" in limits and len(limits) > 1):
        raise ValueError(
            f"[Problem] a constraint needs lower=, upper= or both, or equal= alone: got {', '.join(limits) or 'none'}."
        )


def limit_of(relation: Relation) -> tuple[Expression, dict[str, Any]]:
    """The expression, and its limit by the side it is on."""
    sides = (relation.right, relation.left), (relation.left, relation.right)
    left, right = (as_operand(in_order_of(*pair)) for pair in sides)
    if isinstance(left, Expression):
        return left, {SIDES[relation.sign]: right}
    assert isinstance(right, Expression)
    return right, {SIDES[MIRRORED[relation.sign]]: left}


def as_limits(
    limits: dict[str, Any], shape: tuple[int, ...], name: str, names: AskNames = None
) -> tuple[Vector, Vector]:
    """Lower and upper limits, broadcast to the shape, flat; labels are matched with the names."""
    low = as_vector(limits.get("lower", limits.get("equal")), -np.inf, shape, f"the lower limit of {name!r}", names)
    high = as_vector(limits.get("upper", limits.get("equal")), np.inf, shape, f"the upper limit of {name!r}", names)
    require_order(low, high, name)
    return low, high


def joined(options: Mapping[str, Any] | None, others: dict[str, Any]) -> dict[str, Any]:
    """A solver's options, some as a dict, some as keywords."""
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(
            f"[Problem] options must be a dict of Ipopt's options by name: got {type(options).__name__}, "
            "expected {'tol': 1e-6}, say."
        )
    twice = sorted({*(options or {})} & {*others})
    if twice:
        raise ValueError(f"[Problem] options are given twice, in options= and as keywords: {', '.join(twice)}.")
    return {**(options or {}), **others}
