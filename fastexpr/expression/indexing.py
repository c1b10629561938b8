"""Rearranging elements: Reshape and Select, and everything in NumPy that only moves elements.

Whatever moves elements is done to an array of positions by NumPy itself, and becomes one Select. A Select or Reshape
of another is composed on the spot, so no chain of them ever exists.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr.expression.node import Expression, Shape, apply, array_function, array_function_rules
from fastexpr.expression.operands import as_expression

Positions = npt.NDArray[np.int64]


def source(expression: Expression) -> tuple[Expression, Positions | None]:
    """The expression whose elements these are, and their positions there (None: all, in order)."""
    core = expression.operator
    if core is not None and core.name == "Select":
        return expression.inputs[0], core.constants[0]
    if core is not None and core.name == "Reshape":
        return expression.inputs[0], None
    return expression, None


def select(expression: Expression, positions: Positions) -> Expression:
    """out.flat[i] = expression.flat[positions.flat[i]], in the shape of `positions`."""
    base, inner = source(expression)
    flat = positions.ravel() if inner is None else inner[positions.ravel()]
    if flat.size == base.size and np.array_equal(flat, np.arange(base.size)):
        return reshape(base, positions.shape)
    return apply("Select", [base], {"shape": list(positions.shape)}, [np.ascontiguousarray(flat, dtype=np.int64)])


def reshape(expression: Expression, shape: Shape) -> Expression:
    """A literal shape of the same size."""
    if shape == expression.shape:
        return expression
    base, inner = source(expression)
    if inner is not None:
        return apply("Select", [base], {"shape": list(shape)}, [inner])
    return base if shape == base.shape else apply("Reshape", [base], {"shape": list(shape)})


def positions_of(expression: Expression) -> Positions:
    return np.arange(expression.size, dtype=np.int64).reshape(expression.shape)


@array_function(operator.getitem)
def index(expression: Expression, key: Any) -> Expression:
    """`expression[key]` for any key NumPy takes, as long as it is constant."""
    shape = expression.shape
    if isinstance(key, slice) and len(shape) == 1:
        return select(expression, np.arange(*key.indices(shape[0]), dtype=np.int64))
    if isinstance(key, int | np.integer) and not isinstance(key, bool) and shape:
        return select_row(expression, int(key))
    keys = key if isinstance(key, tuple) else (key,)
    if any(isinstance(entry, Expression) for entry in keys):
        raise TypeError("An Expression cannot be indexed with an Expression: indices must be constant.")
    return select(expression, np.asarray(positions_of(expression)[key], dtype=np.int64))


def select_row(expression: Expression, row: int) -> Expression:
    """`expression[row]`, without an array of all positions: iterating over n rows costs n, not n^2."""
    length, inner_shape = expression.shape[0], expression.shape[1:]
    if not -length <= row < length:
        raise IndexError(f"index {row} is out of bounds for axis 0 with size {length}")
    size = math.prod(inner_shape)
    start = (row + length if row < 0 else row) * size
    return select(expression, np.arange(start, start + size, dtype=np.int64).reshape(inner_shape))


@array_function(np.reshape)
def reshape_like_numpy(
    expression: Any,
    /,
    shape: int | Sequence[int] | None = None,
    order: str = "C",
    newshape: int | Sequence[int] | None = None,
) -> Expression:
    expression = as_expression(expression)
    wanted = shape if shape is not None else newshape
    if wanted is None:
        raise TypeError("reshape needs a shape.")
    if order != "C":
        return select(expression, positions_of(expression).reshape(wanted, order=order))  # type: ignore[call-overload]
    lengths = [operator.index(length) for length in (wanted if isinstance(wanted, Sequence) else (wanted,))]
    if lengths.count(-1) == 1:
        known = math.prod(length for length in lengths if length != -1)
        lengths[lengths.index(-1)] = expression.size // known if known else 0
    if any(length < 0 for length in lengths) or math.prod(lengths) != expression.size:
        raise ValueError(f"cannot reshape an Expression of shape {expression.shape} into shape {wanted}")
    return reshape(expression, tuple(lengths))


def by_position(function: Callable[..., Any]) -> Callable[..., Any]:
    """The rule for a NumPy function of one array that only moves elements: done to their positions."""

    def rule(expression: Any, *args: Any, **settings: Any) -> Any:
        expression = as_expression(expression)
        moved = function(positions_of(expression), *args, **settings)
        if isinstance(moved, list | tuple):
            return [select(expression, part) for part in moved]
        return select(expression, moved)

    return rule


moving_functions = (
    "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_to", "compress", "delete", "diagonal",
    "expand_dims", "flip", "fliplr", "flipud", "hsplit", "matrix_transpose", "moveaxis", "ravel", "repeat", "resize",
    "roll", "rollaxis", "rot90", "split", "squeeze", "swapaxes", "take", "take_along_axis", "tile", "transpose",
    "unstack", "vsplit",
)  # fmt: skip

for _name in moving_functions:
    if hasattr(np, _name):  # some came with NumPy 2
        array_function_rules[getattr(np, _name)] = by_position(getattr(np, _name))

array_function_rules[np.copy] = lambda expression, *args, **settings: expression
array_function_rules[np.shape] = lambda expression: expression.shape
array_function_rules[np.ndim] = lambda expression: expression.ndim
array_function_rules[np.size] = lambda expression, axis=None: (
    expression.size if axis is None else expression.shape[axis]
)
for _like in (np.zeros_like, np.ones_like, np.full_like):
    _fill = {np.zeros_like: np.zeros, np.ones_like: np.ones, np.full_like: np.full}[_like]
    array_function_rules[_like] = lambda expression, *args, _fill=_fill, **settings: _fill(
        expression.shape, *args, **settings
    )
