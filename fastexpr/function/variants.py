"""The same network with other names, bounds, or units; operators, and with them the weights, are shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.errors import GraphError, ShapeError
from fastexpr.function.arguments import numbers_of, sides_of
from fastexpr.function.labels import labelled, listed

Array = npt.NDArray[np.float64]


def rebuild(function: Function, **changes: Any) -> Function:
    """The function with some arguments of `_from_nodes` replaced."""
    parts: dict[str, Any] = {
        "nodes": function._nodes(),
        "output_ids": function._output_ids(),
        "inputs": list(function.inputs.items()),
        "outputs": list(function.outputs.items()),
        "input_names": list(function.input_names),
        "output_names": list(function.output_names),
        "lower": function.lower,
        "upper": function.upper,
        "input_units": blanks(function.input_units),
        "output_units": blanks(function.output_units),
    }
    return Function._from_nodes(function.n_inputs, *(parts | changes).values())


def blanks(units: Sequence[str | None] | None) -> list[str] | None:
    """Units as the core keeps them: an empty text for none."""
    return None if units is None else [unit or "" for unit in units]


def with_names(
    self: Function,
    inputs: Sequence[str] | Mapping[str, str] | None = None,
    outputs: Sequence[str] | Mapping[str, str] | None = None,
) -> Function:
    """The same function with names for the components of x and y.

    Parameters
    ----------
    inputs : sequence of str, or dict, optional
        n names, or ``{old: new}`` for some; unchanged where left out.
    outputs : sequence of str, or dict, optional
        m names, likewise.

    Returns
    -------
    Function

    Raises
    ------
    TypeError
        Names that are no texts, or in a set, which has no order.
    fastexpr.errors.ShapeError
        Not as many names as components, or none of an old name.
    fastexpr.errors.GraphError
        A name is empty or stands twice.

    Examples
    --------
    >>> import fastexpr as fx
    >>> x = fx.variables(2)
    >>> fx.Function(x, x[0] * x[1]).with_names(inputs=["flow", "T"], outputs=["power"]).input_names
    ('flow', 'T')
    """
    return rebuild(
        self,
        input_names=checked_names("[Function] with_names: inputs", inputs, self.input_names),
        output_names=checked_names("[Function] with_names: outputs", outputs, self.output_names),
    )


def refuse_set(what: str, entries: object) -> None:
    """Raises TypeError where entries come without an order."""
    if isinstance(entries, set | frozenset):
        raise TypeError(f"{what} has no order: got a {type(entries).__name__}, expected a list.")


def checked_names(what: str, names: Sequence[str] | Mapping[str, str] | None, default: Sequence[str]) -> list[str]:
    """The names, as many as the default has and all different; the default where there are none."""
    if names is None:
        return list(default)
    if isinstance(names, str):
        raise TypeError(f"{what} is a list of names: got the text {names!r}. Write [{names!r}].")
    refuse_set(what, names)
    if isinstance(names, Mapping):
        unknown = [old for old in names if old not in default]
        if unknown:
            raise ShapeError(f"{what} renames what there is not: {listed('unexpected', unknown)}.")
        names = [names.get(old, old) for old in default]
    checked = list(names)
    if any(not isinstance(name, str) for name in checked):
        raise TypeError(f"{what} must be text: got {checked}.")
    if len(checked) != len(default):
        raise ShapeError(f"{what} has the wrong number of names: got {len(checked)}, expected {len(default)}.")
    if "" in checked:
        raise GraphError(f"{what} has an empty name: got {checked}.")
    twice = [name for name, count in Counter(checked).items() if count > 1]
    if twice:
        raise GraphError(f"{what} must differ: got {twice[0]!r} more than once.")
    return checked


def with_units(self: Function, inputs: Any = None, outputs: Any = None) -> Function:
    """The same function with the units of x and y, kept with it when saved; `fastexpr.pyomo` gives them to variables.

    Nothing is converted, and evaluation does not look at them.

    Parameters
    ----------
    inputs, outputs : unit, sequence of units, or mapping from names to units, optional
        One for all, one each, or some by name; a unit is a text such as "kg/s", or whatever has one as its text
        (``pyomo.environ.units.K``). None or "" within them is no unit; unchanged where left out.

    Returns
    -------
    Function

    Raises
    ------
    fastexpr.errors.ShapeError
        Not as many units as components, or none of that name.
    TypeError
        Something that is no unit: a number, say.

    Examples
    --------
    >>> import fastexpr as fx
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, x[0] * x[1]).with_names(inputs=["flow", "T"])
    >>> net.with_units(inputs={"T": "K", "flow": "kg/s"}).input_units
    ('kg/s', 'K')
    """
    return rebuild(
        self,
        input_units=checked_units(self, "input", inputs, self.input_units),
        output_units=checked_units(self, "output", outputs, self.output_units),
    )


def checked_units(function: Function, side: str, units: Any, default: Sequence[str | None] | None) -> list[str] | None:
    """Texts, one for each component; None where no unit is left."""
    if units is None:
        return blanks(default)
    refuse_set(f"[Function] with_units: {side}s", units)
    names = function.input_names if side == "input" else function.output_names
    found = labelled(units)
    if found is not None:
        unknown = [label for label in found.labels if label not in names]
        if unknown:
            raise ShapeError(
                f"[Function] with_units: {side}s: {listed('unexpected', unknown)}, expected names of {side}s."
            )
        given = dict(zip(found.labels, found.values, strict=True))
        units = [given.get(name) for name in names]
    elif isinstance(units, str) or not isinstance(units, Iterable):
        units = [units] * len(names)
    texts = ["" if unit is None else str(unit) for unit in units]
    if len(texts) != len(names):
        raise ShapeError(
            f"[Function] with_units: got {len(texts)} units, expected one, or one for each of {len(names)} {side}s."
        )
    numbers = [unit for unit in units if isinstance(unit, int | float)]
    if numbers:
        raise TypeError(f"[Function] with_units: {side}s: got the number {numbers[0]}, expected units such as 'kg/s'.")
    return texts if any(texts) else None


def with_bounds(self: Function, lower: Any = None, upper: Any = None) -> Function:
    """The same function with the range of x that it is meant for, kept with it when saved and used by the doors to
    solvers.

    Parameters
    ----------
    lower, upper : float, array_like or dict, optional
        One number for all, or shape (n,); infinite or left out where there is no limit. Labels (of a Series such as
        ``df.min()``, or of a dict) are matched with the input names. `lower` alone may also hold both sides: a list of
        n pairs, or a dict ``{name: (low, high)}``, with None where there is no limit.

    Returns
    -------
    Function

    Raises
    ------
    fastexpr.errors.ShapeError
        Another length than n; labels that are not the input names.
    TypeError
        No real numbers.
    ValueError
        NaN, or lower above upper.

    Examples
    --------
    >>> import fastexpr as fx
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, x.sum()).with_names(inputs=["T", "p"])
    >>> net.with_bounds(0.0, [1.0, 2.0]).upper
    array([1., 2.])
    >>> net.with_bounds({"p": (1.0, 5.0), "T": (300.0, None)}).lower
    array([300.,   1.])
    """
    if lower is None and upper is None:
        return rebuild(self, lower=None, upper=None)
    lower, upper = sides_of(self, lower, upper)
    low = vector(self, "input", "with_bounds: lower", -np.inf if lower is None else lower)
    high = vector(self, "input", "with_bounds: upper", np.inf if upper is None else upper)
    for name, bound in (("lower", low), ("upper", high)):
        if np.isnan(bound).any():
            raise ValueError(
                f"[Function] with_bounds: {name} is NaN at {self.input_names[int(np.isnan(bound).argmax())]!r}. "
                "Use an infinite bound where there is none."
            )
    if (low > high).any():
        k = int((low > high).argmax())
        raise ValueError(
            f"[Function] with_bounds: lower is above upper at {self.input_names[k]!r}: got {low[k]} and {high[k]}."
        )
    return rebuild(self, lower=low, upper=high)


def vector(function: Function, side: str, what: str, value: Any) -> Array:
    """One number for all, or one for each input or output, as a new vector."""
    array = numbers_of(function, side, value, what)
    size = function.n_inputs if side == "input" else function.n_outputs
    if array.shape not in ((), (size,)):
        raise ShapeError(f"[Function] {what} has the wrong shape: got {array.shape}, expected one number or ({size},).")
    return np.array(np.broadcast_to(array, (size,)))
