"""What systems with arrays of their own ask for: any leading axes, and NaN where a point is not finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fastexpr._core import Function
from fastexpr.errors import ShapeError

Array = NDArray[np.float64]


def check_last_axis(caller: str, name: str, shape: Sequence[int], size: int) -> None:
    """Refuses an array whose last axis is not one point.

    Raises
    ------
    fastexpr.errors.ShapeError
    """
    if len(shape) == 0 or shape[-1] != size:
        raise ShapeError(
            f"[{caller}] {name} has the wrong shape: got {tuple(shape)}, expected ({size},) for one point or "
            f"(..., {size}) for a batch."
        )


def at_points(evaluate: Callable[..., Array], tail: Sequence[int], *arrays: Array) -> Array:
    """`evaluate` at all points of arrays (..., size), which have the same leading axes: (..., *tail).

    A point that is not finite gives NaN: elsewhere that is how numbers of a failed step go through a computation, and
    it ends at the caller's own check.
    """
    leading = arrays[0].shape[:-1]
    flat = [np.ascontiguousarray(array, dtype=np.float64).reshape(-1, array.shape[-1]) for array in arrays]
    finite = np.logical_and.reduce([np.isfinite(array).all(axis=1) for array in flat])
    result = np.full((len(flat[0]), *tail), np.nan)
    if finite.all():
        result[...] = evaluate(*flat)
    elif finite.any():
        result[finite] = evaluate(*(array[finite] for array in flat))
    return result.reshape(*leading, *tail)


def hessians_of_all_outputs(net: Function, x: Array) -> Array:
    """The Hessian of each output at each point: x (points, n) -> (points, m, n, n)."""
    points, m, n = len(x), net.n_outputs, net.n_inputs
    weights = np.tile(np.eye(m), (points, 1))
    return net.hessian(np.repeat(x, m, axis=0), weights).reshape(points, m, n, n)  # type: ignore[no-any-return]
