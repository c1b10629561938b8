"""What a user should know about the derivatives of an imported model."""

from __future__ import annotations

import warnings

from fastexpr._core import Function
from fastexpr.errors import DerivativeWarning

NOTES = {
    "TreeEnsemble": (
        "has decision trees, whose value is constant piece by piece: their derivatives are 0, and a gradient-based "
        "solver will not move what only they depend on."
    ),
    "Quantize": (
        "rounds numbers that depend on x: its value is exactly that, and so a staircase, but its derivatives are those "
        "of the network without rounding. A solver may not reach its tolerances."
    ),
}


def warn_of_derivatives(function: Function, stacklevel: int = 3) -> None:
    """A DerivativeWarning for each kind of part whose derivatives are not what a solver hopes for; names the first."""
    seen: dict[str, str] = {}
    for operator, _, label in function._nodes():
        if operator.name in NOTES:
            seen.setdefault(operator.name, label)
    for name, label in seen.items():
        warnings.warn(f"The network {NOTES[name]} (First at {label!r}.)", DerivativeWarning, stacklevel)
