"""The formulations that there are."""

from __future__ import annotations

from typing import Any

from fastexpr.errors import ModelError

FORMULATIONS = (
    "external", "bigm", "sos1", "epigraph", "partition", "complementarity", "full-space", "reduced-space",
)  # fmt: skip
LINEAR = ("bigm", "sos1", "epigraph", "partition", "complementarity")


def formulation_named(name: Any, owner: str = "NetworkBlock", known: tuple[str, ...] = FORMULATIONS) -> str | None:
    """The formulation of this name, whatever its case and hyphens.

    Raises
    ------
    fastexpr.errors.ModelError
        There is none.
    """
    if name is None:
        return None
    plain = str(name).casefold().translate(str.maketrans("", "", "-_ "))
    for candidate in known:
        if plain == candidate.replace("-", ""):
            return candidate
    raise ModelError(f"[{owner}] unknown formulation: got {name!r}, expected None or one of {', '.join(known)}.")
