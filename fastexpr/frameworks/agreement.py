"""The last check of every import: the function gives what the model gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastexpr.errors import FrameworkError

Array = npt.NDArray[np.float64]
SMALLEST = float(np.finfo(np.float32).tiny)  # of max|y|: what is below that is 0 to a model in single precision


def difference_of(got: Array, expected: Array) -> float:
    """max|got - expected| / max|expected| over the expected numbers that are finite; infinite for another shape."""
    if got.shape != expected.shape:
        return np.inf
    finite = np.isfinite(expected)
    scale = np.abs(expected[finite]).max(initial=SMALLEST)
    return float(np.abs(got - expected)[finite].max(initial=0.0) / scale)


def check_agreement(
    caller: str, what: str, got: Array, expected: Array, tolerance: float, advice: str = "Please report it."
) -> None:
    """Refuses a function that gives something else than its model.

    Raises
    ------
    fastexpr.errors.FrameworkError
        The difference is more than `tolerance` of max|y|, or the numbers are of another shape.
    """
    difference = difference_of(got, expected)
    if difference <= tolerance:
        return
    raise FrameworkError(
        f"[{caller}] f(x) differs from {what}: got {got.shape[-1]} numbers and a difference of {difference:.1e}, "
        f"expected {expected.shape[-1]} numbers and at most {tolerance:.0e} of max|y|. {advice}"
    )
