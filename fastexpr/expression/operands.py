"""What stands beside an expression in NumPy code: numbers, arrays, lists, object arrays of single expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fastexpr.expression.node import Expression, Rule, apply, call, ufunc_rules
from fastexpr.function.arguments import in_order
from fastexpr.function.labels import Names

Array = npt.NDArray[Any]
Operand: TypeAlias = Expression | Array


def as_operand(value: Any) -> Operand:
    """An Expression, or an array of float32 or float64 where no expression is in `value`."""
    if isinstance(value, Expression):
        return value
    if isinstance(value, list | tuple) and any(isinstance(entry, Expression | list | tuple) for entry in value):
        return as_stack(value)
    if hasattr(value, "toarray"):  # a SciPy sparse matrix
        value = value.toarray()
    array = np.asarray(value)
    if array.dtype == object:
        return as_stack_of_single(array)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"An Expression combines with real numbers and other Expressions: got {type(value).__name__} "
            f"of dtype {array.dtype}."
        )
    return array if array.dtype == np.float32 else array.astype(np.float64, copy=False)


def as_expression(value: Any) -> Expression:
    """`as_operand`, with numbers as a Constant node."""
    operand = as_operand(value)
    return operand if isinstance(operand, Expression) else constant(operand)


def constant(array: Array) -> Expression:
    """A node without inputs."""
    return apply("Constant", [], {}, [own(array)])


def own(array: Array) -> Array:
    """The array in C order, copied unless it is read-only: changing it later must change no expression."""
    is_shared = not array.flags.writeable and array.flags.c_contiguous
    return array if is_shared else np.array(array, order="C")


def as_stack(entries: list[Any] | tuple[Any, ...]) -> Operand:
    """A list as NumPy would read it: one more dimension in front."""
    parts = [as_operand(entry) for entry in entries]
    if not any(isinstance(part, Expression) for part in parts):
        return np.asarray([np.asarray(part) for part in parts])
    return call(np.stack, parts)


def as_stack_of_single(array: Array) -> Operand:
    """An object array of expressions of one element each, and numbers."""
    parts = [as_operand(entry) if isinstance(entry, Expression) else as_number(entry) for entry in array.ravel()]
    if any(part.size != 1 for part in parts):
        raise TypeError(
            "An object array of Expressions must hold single numbers: join longer ones with np.stack or np.concatenate."
        )
    if not any(isinstance(part, Expression) for part in parts):
        return np.array([float(part) for part in parts]).reshape(array.shape)
    return call(np.reshape, call(np.concatenate, parts, axis=None), array.shape)


def as_number(entry: Any) -> Array:
    try:
        return np.asarray(float(entry))
    except (TypeError, ValueError):
        raise TypeError(
            f"An Expression combines with real numbers and other Expressions: got {type(entry).__name__}."
        ) from None


# ---- rules of two operands ----------------------------------------------


def ufunc(name: str) -> Callable[[Rule], Rule]:
    """Registers the rule of the ufunc of this name."""

    def register(rule: Rule) -> Rule:
        def by_name(*args: Any, **settings: Any) -> Expression:
            operands = matched(*args) if len(args) == 2 else args
            result: Expression = rule(*operands, **settings)
            return result

        ufunc_rules[name] = by_name
        return rule

    return register


def matched(a: Any, b: Any) -> tuple[Any, Any]:
    """Two operands; where one has names and the other is a vector with labels, these decide which number goes where."""
    return (in_order_of(b, a), b) if isinstance(b, Expression) else (a, in_order_of(a, b))


def in_order_of(expression: Any, value: Any) -> Any:
    """The numbers of a Series or dict in the order of the names that the expression has, if it has any."""
    names = getattr(expression, "names", None) if isinstance(expression, Expression) else None
    has_labels = not isinstance(value, Expression | np.ndarray | float | int | list | tuple)
    if names is None or not has_labels or getattr(value, "ndim", 1) != 1:
        return value
    return in_order(value, lambda: Names(names, "variable", False, "[Expression]"), "operand")
