"""Bounds, limits and starts as the user gives them, checked and broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr.errors import ShapeError
from fastexpr.function.arguments import numbers_by_name
from fastexpr.function.labels import Names, labelled
from fastexpr.nlp import Vector

AskNames = Callable[[], Names] | None


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
