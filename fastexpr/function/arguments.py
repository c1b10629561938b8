"""From what a caller passes to arrays of float64: the one way in for points, directions, weights and bounds.

The core reads plain arrays itself and asks here about everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.errors import ShapeError
from fastexpr.function.labels import UNLABELLED, Names, is_of_pyomo, labelled, names_of, order_of, taken

Array = npt.NDArray[np.float64]

FOR_PYOMO = (
    ": fastexpr.pyomo.ExternalNetwork(net), a component of the model, is called with variables; NetworkBlock has "
    "variables of its own"
)
NUMBERS = {float, np.float64}  # lists of nothing else need no further look


def numbers_of(function: Function, side: str, value: Any, what: str) -> Array:
    """An argument with a component per input or output as contiguous doubles; labels are matched with the names.

    Parameters
    ----------
    function : Function
    side : {"input", "output"}
    value : array_like, or labelled data
        A pandas or polars DataFrame, a Series, an xarray.DataArray or Dataset, a dict, a structured array, a list of
        such rows; of a dict also an array for each port.
    what : str
        Begins the messages.

    Raises
    ------
    TypeError
        No real numbers.
    fastexpr.errors.ShapeError
        Labels that do not match; lists of different lengths.
    """
    if type(value) is list and set(map(type, value)) <= NUMBERS:
        return np.array(value, np.float64)
    if isinstance(value, Mapping) and is_by_port(function, side, value):
        return np.asarray(function.pack(**value))
    return numbers_by_name(value, lambda: names_of(function, side), what)


def is_by_port(function: Function, side: str, value: Mapping[Any, Any]) -> bool:
    """Whether a dict has an array for each input tensor, and not a number for each component."""
    return side == "input" and set(value) == set(function.inputs) and set(value) != set(function.input_names)


def numbers_by_name(value: Any, names: Callable[[], Names] | None, what: str) -> Array:
    """The same for names that belong to no function; without any, position counts."""
    return real_numbers(in_order(value, names, what), what)


def in_order(value: Any, names: Callable[[], Names] | None, what: str) -> Any:
    """The value in the order of the names, which are asked for where it has labels, and without these."""
    found = labelled(value)
    if found is None and names is not None and is_transposed(value, names):
        found = labelled(value.T)
    if found is None:
        may_have_rows = isinstance(value, list | tuple) and not set(map(type, value)) <= UNLABELLED
        has_rows = may_have_rows and any(labelled(entry) is not None for entry in value)
        return [in_order(entry, names, what) for entry in value] if has_rows else value
    values = taken(found, None if names is None else order_of(found.labels, names(), what))
    return side_by_side(values, what) if isinstance(values, list) else values


def is_transposed(value: Any, names: Callable[[], Names]) -> bool:
    """Whether a DataFrame has the names in its index, and nothing but 0, 1, ... as columns."""
    index = getattr(value, "index", None) if hasattr(value, "columns") else None
    return index is not None and not callable(index) and set(index) == set(names().names)


def side_by_side(values: list[Any], what: str) -> Any:
    """Components as the last axis: one number each, or a column each."""
    from fastexpr.expression.node import Expression

    if any(isinstance(entry, Expression) for entry in values):
        return np.stack(values, axis=-1)
    require_same_rows(values, what)
    columns = [real_numbers(entry, what) for entry in values]
    lengths = {column.shape for column in columns if column.shape}
    if len(lengths) > 1:
        raise ShapeError(f"{what}: columns of different shapes: got {', '.join(map(str, sorted(lengths)))}.")
    return np.stack(np.broadcast_arrays(*columns), axis=-1) if columns else np.zeros(0)


def require_same_rows(columns: list[Any], what: str) -> None:
    """Refuses columns whose rows have other labels than the first one's: pandas would match them, an array cannot."""
    indices: list[Any] = [column.index for column in columns if hasattr(getattr(column, "index", None), "equals")]
    if any(not index.equals(indices[0]) for index in indices[1:]):
        raise ShapeError(
            f"{what}: columns whose rows have different labels, or the same in another order. Match them first "
            "(pandas.DataFrame(columns)), or pass arrays (.to_numpy()), whose order is taken as it is."
        )


def is_masked(part: Any) -> bool:
    """Whether it is an array with masked entries."""
    return isinstance(part, np.ma.MaskedArray) and bool(np.ma.is_masked(part))


def real_numbers(value: Any, what: str) -> Array:
    """Any array-like of real numbers as contiguous doubles.

    Raises
    ------
    TypeError
        Text, complex numbers, None, dates, objects that are no numbers; an array with masked entries.
    fastexpr.errors.ShapeError
        Lists of different lengths.
    """
    if type(value) is list and set(map(type, value)) <= NUMBERS:
        return np.array(value, np.float64)
    parts = value if isinstance(value, list | tuple) else [value]
    if any(map(is_of_pyomo, parts)):
        raise TypeError(f"{what} must hold real numbers, got components of a Pyomo model{FOR_PYOMO}")
    if any(hasattr(part, "mask") and is_masked(part) for part in parts):  # numpy.ma is imported where it is used
        raise TypeError(
            f"{what} must hold real numbers, got an array with masked entries. Fill them (.filled(number)), or leave "
            "these points out."
        )
    try:
        array = np.asarray(value)
    except ValueError:
        raise ShapeError(f"{what} has the wrong shape: got lists of different lengths.") from None
    if array.dtype.kind not in "fiub" and not (array.dtype.kind == "O" and all(map(is_real, array.flat))):
        raise TypeError(f"{what} must hold real numbers, got dtype {array.dtype}{hint(value)}")
    numbers = array.astype(np.float64, copy=False)
    flags = numbers.flags
    return numbers if flags.c_contiguous and flags.aligned else np.array(numbers, order="C")


def is_real(entry: Any) -> bool:
    """Whether an object stands for a real number: Decimal and Fraction do, text and pandas.NA do not."""
    if isinstance(entry, str | bytes | complex | np.complexfloating) or entry is None:
        return False
    try:
        float(entry)
    except (TypeError, ValueError):
        return False
    return True


def hint(value: Any) -> str:
    if isinstance(value, np.ndarray) and any(map(is_of_pyomo, value.flat)):
        return FOR_PYOMO
    if hasattr(value, "toarray"):
        return ": write .toarray() for a sparse matrix"
    return ": a scaler goes in as input= or output=" if hasattr(value, "inverse_transform") else ""


def one_point(function: Function, x: Any, what: str) -> Array:
    """x (n,), as the function itself takes it.

    Raises
    ------
    TypeError, ValueError, fastexpr.errors.ShapeError
        As `Function.__call__`; also for a batch.
    """
    point = function._points(x)
    if point.ndim != 1:
        raise ShapeError(f"[Function] {what}: x must be one point: got a batch of {len(point)}. Call it for each.")
    return point


def sides_of(function: Function, lower: Any, upper: Any) -> tuple[Array | None, Array | None]:
    """Lower and upper bounds of x, each a number or a vector: given apart, or as pairs where `upper` is left out."""
    if upper is None:
        lower, upper = separated(lower, function.n_inputs, function.input_names)
    return side_of(function, "lower", lower), side_of(function, "upper", upper)


def side_of(function: Function, name: str, side: Any) -> Array | None:
    if side is None:
        return None
    numbers = numbers_of(function, "input", side, name)
    is_row = hasattr(side, "columns") and numbers.ndim == 2 and len(numbers) == 1  # polars: data.min()
    return numbers[0] if is_row else numbers


def separated(bounds: Any, size: int, names: Sequence[str] = ()) -> tuple[Any, Any]:
    """Both sides of pairs, one for each component or under each name; anything else is lower bounds."""
    is_table = hasattr(bounds, "columns") and hasattr(bounds, "iloc") and bounds.shape == (size, 2)
    if is_table and not set(bounds.columns) & set(names):  # of pandas: its index has the names
        return bounds.iloc[:, 0], bounds.iloc[:, 1]
    found = labelled(bounds) if isinstance(bounds, Mapping) else None
    pairs = found.values if found is not None else list(bounds) if isinstance(bounds, list | tuple | np.ndarray) else []
    if not pairs or not all(map(is_pair, pairs)):
        return bounds, None
    low = [-np.inf if pair[0] is None else pair[0] for pair in pairs]
    high = [np.inf if pair[1] is None else pair[1] for pair in pairs]
    if found is None:
        return low, high
    return dict(zip(found.labels, low, strict=True)), dict(zip(found.labels, high, strict=True))


def is_pair(entry: Any) -> bool:
    if isinstance(entry, np.ndarray):
        return bool(entry.shape == (2,))
    return isinstance(entry, list | tuple) and len(entry) == 2
