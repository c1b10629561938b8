"""What a user should know about the derivatives of an imported model."""

from __future__ import annotations

import warnings

from fastexpr._core import Function
from fastexpr.errors import DerivativeWarning


def warn_of_derivatives(function: Function, stacklevel: int = 3) -> None:
    """A DerivativeWarning for each kind of part whose derivatives are not what a solver hopes for; names the first."""
    seen: dict[str, tuple[str, str]] = {}
    for operator, _, label in function._nodes():
        if note := operator.note:
            seen.setdefault(operator.name, (note, label))
    for note, label in seen.values():
        warnings.warn(f"The network {note} (First at {label!r}.)", DerivativeWarning, stacklevel)
