"""Labels of what callers pass (a DataFrame's columns, a Series' index, a dict's keys) against the names of components.

Where a user or a model gave the names, the labels have to be the same ones, and decide. Where the names are defaults
(x[0], x[1], ...) and labels do not happen to be these, and where the labels are defaults (0, 1, ...), position counts.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import FastexprError, ShapeError

LISTED = 10  # names in a message
UNLABELLED = {bool, float, int, list, np.float64, str}


class Names(NamedTuple):
    """What the components of a vector are called."""

    names: Sequence[str]
    side: str  # "input" or "output"
    are_default: bool  # nobody gave them
    owner: str = "[Function]"  # begins messages


class Labelled(NamedTuple):
    """Something with a label per component."""

    labels: list[Hashable]
    values: Any  # a list with an entry per label, or an array with one along its last axis


def names_of(function: Function, side: str) -> Names:
    """The names of a function's inputs or outputs."""
    names, ports = (
        (function.input_names, function.inputs) if side == "input" else (function.output_names, function.outputs)
    )
    return Names(names, side, are_default(names, side, ports))


def are_default(names: Sequence[str], side: str, ports: Mapping[str, Sequence[int]]) -> bool:
    """Whether the names only count, as x[3] and Column_3 do, or are what fastexpr calls single tensors (x, y)."""
    if only_count(names):
        return True
    stem, begin = "x" if side == "input" else "y", 0
    for k, (port, shape) in enumerate(ports.items()):
        end = begin + math.prod(shape)
        made = port == (stem if len(ports) == 1 else f"{stem}{k}")
        for name in names[begin:end]:
            index = name[len(port) + 1 : -1] if name.startswith(f"{port}[") and name.endswith("]") else ""
            if not index.replace(",", "").isdecimal() and not (made and name == port):
                return False
        begin = end
    return True


def labelled(value: Any) -> Labelled | None:
    """The labels of a value and what stands under them; None where it has none, or default ones."""
    if type(value) in UNLABELLED or is_of_pyomo(value):
        return None
    if isinstance(value, Mapping):
        return Labelled(*in_counted_order(value))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return Labelled(list(value._fields), list(value))
    if isinstance(value, np.ndarray):
        names = value.dtype.names
        return None if names is None else Labelled(list(names), [value[name] for name in names])
    if hasattr(value, "operator") and hasattr(value, "inputs"):  # an Expression
        names = getattr(value, "names", None)
        return None if names is None else Labelled(list(names), value)
    if hasattr(value, "dims") and hasattr(value, "coords"):  # xarray
        return of_data_array(value)
    if hasattr(value, "column_names") and hasattr(value, "columns"):  # pyarrow
        return Labelled(list(value.column_names), list(value.columns))
    if not hasattr(value, "to_numpy"):
        if hasattr(value, "collect_schema"):  # polars: whoever asked for its columns would have them computed
            raise TypeError(
                "[Function] got a LazyFrame, which holds no numbers yet. What to do: give frame.collect(), or "
                "frame.collect().row(0) for one row."
            )
        return None
    labels = getattr(value, "columns", getattr(value, "index", None))  # of a DataFrame, or else of a pandas Series
    if labels is None or callable(labels):
        return None
    listed = list(labels)
    return None if only_count(listed) else Labelled(listed, value.to_numpy())


def is_of_pyomo(value: Any) -> bool:
    """Whether it belongs to a Pyomo model. Asked of the type: a slice answers yes to every name."""
    return type(value).__module__.startswith("pyomo.")


def in_counted_order(value: Mapping[Any, Any]) -> tuple[list[Hashable], list[Any]]:
    """Keys and values of a dict; keys 0, 1, ... are positions, in whatever order they come."""
    is_counted = all(type(key) is int for key in value)
    keys = sorted(value) if is_counted else list(value)
    return keys, [value[key] for key in keys]


def of_data_array(value: Any) -> Labelled | None:
    """An xarray.DataArray: along the dimension that has texts as coordinates, else along its last one."""
    coordinates = {axis: value.coords[axis].values.tolist() for axis in value.dims if axis in value.coords}
    named = [axis for axis, labels in coordinates.items() if labels and isinstance(labels[0], str)]
    axis = named[-1] if named else value.dims[-1] if value.dims else None
    if axis not in coordinates or (not named and value.ndim > 1) or only_count(coordinates[axis]):
        return None
    return Labelled(coordinates[axis], value.transpose(..., axis).values)


def only_count(labels: Sequence[Hashable]) -> bool:
    """Whether the labels are what a library makes up: 0, 1, ..., or column_0, Column_1, ..."""
    return all(
        label.lower() == f"column_{k}" if isinstance(label, str) else isinstance(label, int | np.integer) and label == k
        for k, label in enumerate(labels)
    )


def order_of(
    labels: Sequence[Hashable], names: Names, what: str, error: type[FastexprError] = ShapeError
) -> list[int] | None:
    """Where each name stands among the labels; None where position counts.

    Raises
    ------
    fastexpr.errors.ShapeError, or the other error given
        The labels are not the names.
    """
    if only_count(labels) or list(labels) == list(names.names):
        return None
    place = {label: k for k, label in enumerate(labels)}
    expected = dict.fromkeys(names.names)
    if len(place) == len(labels) == len(names.names) and place.keys() == expected.keys():
        return [place[name] for name in names.names]
    if names.are_default and len(labels) == len(names.names):
        return None
    twice = next((label for label in labels if list(labels).count(label) > 1), None)
    said = [
        listed("missing", [name for name in expected if name not in place]),
        listed("unexpected", [label for label in place if label not in expected]),
        "" if twice is None else f"{twice!r} occurs twice",
    ]
    renaming = "" if names.side == "variable" else f" (net.with_names({names.side}s=[...]) renames)"
    raise error(
        f"{names.owner} {what}: the labels do not match the {names.side} names: "
        f"{', '.join(filter(None, said)) or 'wrong number'}. Use the same ones{renaming}, or pass a list or an array "
        "(.to_numpy()), whose order is taken as it is."
    )


def listed(kind: str, labels: Sequence[Hashable]) -> str:
    """missing 'T', 'p'"""
    shown = ", ".join(repr(label) for label in labels[:LISTED])
    return f"{kind} {shown}{', ...' if len(labels) > LISTED else ''}" if labels else ""


def taken(found: Labelled, order: list[int] | None) -> Any:
    """The values in this order: a list with one for each component, or an array."""
    if order is None:
        return found.values
    return [found.values[k] for k in order] if isinstance(found.values, list) else found.values[..., order]
