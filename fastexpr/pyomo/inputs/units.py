"""Units of a network's inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyomo.environ import units as unit_registry

from fastexpr.errors import ModelError, ShapeError


def one_per_entry(units: Any, names: Sequence[str], keyword: str) -> list[Any] | None:
    """Units as a list with one per entry, None for no unit; None where none are given at all.

    Parameters
    ----------
    units : unit, str, None, sequence of these, or mapping from entry names
    names : sequence of str
        The entries.
    keyword : str
        The parameter's name, for messages.

    Raises
    ------
    ShapeError
        The number of units is wrong.
    ModelError
        A name that does not exist, or a unit that is none.
    """
    if units is None:
        return None
    if isinstance(units, Mapping):
        unknown = [name for name in units if name not in names]
        if unknown:
            raise ModelError(f"[{keyword}] there is no entry {unknown[0]!r}: expected some of {', '.join(names)}.")
        listed = [units.get(name) for name in names]
    elif isinstance(units, str) or hasattr(units, "is_numeric_type"):
        listed = [units] * len(names)
    elif isinstance(units, set | frozenset):
        raise ModelError(f"[{keyword}] a {type(units).__name__} has no order: pass a list of units.")
    else:
        listed = list(units)
    if len(listed) != len(names):
        raise ShapeError(f"[{keyword}] got {len(listed)} units, expected one, or one for each of {', '.join(names)}.")
    return [_unit(unit, keyword) for unit in listed]


def units_of(net: Any, kind: str, units: Any) -> list[Any] | None:
    """`one_per_entry` of the units given, or of those that the network has itself."""
    own = net.input_units if kind == "input" else net.output_units
    names = net.input_names if kind == "input" else net.output_names
    return one_per_entry(own if units is None else units, names, f"{kind}_units")


def refuse_units(owner: str, keywords: Mapping[str, Any]) -> None:
    """Raises ModelError where a keyword means units and is not called as these are."""
    wrong = [keyword for keyword in keywords if "unit" in keyword]
    if wrong:
        raise ModelError(
            f"[{owner}] got {wrong[0]}=, expected input_units= and output_units=: one unit for all, one per entry, or "
            "a dict by name; or net.with_units(inputs=..., outputs=...)."
        )


def _unit(unit: Any, keyword: str) -> Any:
    if unit is None:
        return None
    try:
        # Pyomo takes a string for a quantity without unit, silently; as an attribute's name it is parsed.
        return unit_registry.get_units(getattr(unit_registry, unit) if isinstance(unit, str) else unit)
    except Exception as error:
        raise ModelError(f"[{keyword}] {unit!r} is no unit: {error}") from error


def groups(units: Sequence[Any] | None, count: int) -> list[tuple[Any, list[int]]]:
    """The entries by unit: (unit, positions), in the order of first use."""
    if units is None:
        return [(None, list(range(count)))]
    found: dict[str, tuple[Any, list[int]]] = {}
    for position, unit in enumerate(units):
        found.setdefault(str(unit), (unit, []))[1].append(position)
    return list(found.values())
