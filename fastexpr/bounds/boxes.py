"""From what a caller passes to boxes of x: lower and upper, each (boxes, n)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.errors import ShapeError
from fastexpr.function.arguments import sides_of

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Boxes:
    """Boxes of x, and whether the caller gave one or several."""

    lower: Array  # (boxes, n)
    upper: Array
    is_batch: bool

    @property
    def are_finite(self) -> bool:
        return bool(np.isfinite(self.lower).all() and np.isfinite(self.upper).all())

    def as_given(self, bounds: Array) -> Array:
        """(boxes, size) in the caller's dimensions."""
        return bounds if self.is_batch else bounds[0]


def boxes_of(function: Function, lower: Any, upper: Any) -> Boxes:
    """Both sides as arrays; the network's own range where none is given.

    Raises
    ------
    ValueError
        No range at all; a bound that is not a number; lower above upper.
    fastexpr.errors.ShapeError
        A wrong length.
    """
    if lower is not None or upper is not None:
        lower, upper = sides_of(function, lower, upper)
    sides = [
        side_of(function, lower, function.lower, "lower"),
        side_of(function, upper, function.upper, "upper"),
    ]
    is_batch = any(side.ndim == 2 for side in sides)
    low, high = np.broadcast_arrays(*(np.atleast_2d(side) for side in sides)) if matching(sides) else refuse(sides)
    wrong = np.flatnonzero(~(low <= high).all(axis=0))
    if wrong.size:
        raise ValueError(
            f"lower must not be above upper: component {wrong[0]} ('{function.input_names[wrong[0]]}') got "
            f"[{low[~(low <= high)][0]:g}, {high[~(low <= high)][0]:g}]"
        )
    return Boxes(np.ascontiguousarray(low), np.ascontiguousarray(high), is_batch)


def matching(sides: list[Array]) -> bool:
    return len({len(side) for side in sides if side.ndim == 2}) <= 1


def refuse(sides: list[Array]) -> tuple[Array, Array]:
    raise ShapeError(f"lower and upper have different numbers of boxes: got {len(sides[0])} and {len(sides[1])}.")


def side_of(function: Function, given: Any, own: Array | None, what: str) -> Array:
    """One side, (n,) or (boxes, n)."""
    n = function.n_inputs
    if given is None:
        if own is None:
            raise ValueError(
                f"{what} is missing: the network states no range; give lower and upper, or use with_bounds"
            )
        return np.asarray(own)
    side = np.asarray(given, dtype=np.float64)
    if side.ndim > 2:
        raise ShapeError(
            f"{what} has the wrong shape: got {side.ndim} dimensions, expected one number, ({n},) or (boxes, {n})"
        )
    if side.ndim == 2 and side.shape[1] != n:
        raise ShapeError(f"{what} has the wrong shape: got {side.shape}, expected ({n},) or (boxes, {n})")
    if side.ndim < 2:
        if side.size not in (1, n):
            raise ShapeError(f"{what} has the wrong length: got {side.size}, expected {n}")
        side = np.broadcast_to(side.reshape(-1), (n,))
    wrong = np.flatnonzero(np.isnan(side).reshape(-1, n).any(axis=0))
    if wrong.size:
        raise ValueError(f"{what} is not a number: component {wrong[0]} ('{function.input_names[wrong[0]]}') is nan")
    return side
