"""Putting expressions and arrays together: concatenate, stack and their kin, where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastexpr.expression.indexing import Positions, reshape, select, source
from fastexpr.expression.node import Expression, apply, array_function, array_function_rules
from fastexpr.expression.operands import Operand, as_expression, as_operand, constant


def join(parts: Sequence[Operand]) -> Expression:
    """All parts flattened and joined to one vector; neighbours from the same expression become one Select."""
    pieces: list[Expression] = []
    group: list[Operand] = []
    for part in parts:
        if group and not is_of_same_source(group[-1], part):
            pieces.append(join_of_same_source(group))
            group = []
        group.append(part)
    pieces.append(join_of_same_source(group))
    return pieces[0] if len(pieces) == 1 else apply("Concat", pieces, {"axis": 0})


def is_of_same_source(a: Operand, b: Operand) -> bool:
    if isinstance(a, Expression) and isinstance(b, Expression):
        return source(a)[0] is source(b)[0]
    return not isinstance(a, Expression) and not isinstance(b, Expression)


def join_of_same_source(parts: Sequence[Operand]) -> Expression:
    arrays = [part for part in parts if not isinstance(part, Expression)]
    if arrays:
        return constant(np.concatenate([array.ravel() for array in arrays]))
    expressions = [part for part in parts if isinstance(part, Expression)]
    if len(expressions) == 1:
        return reshape(expressions[0], (expressions[0].size,))
    base = source(expressions[0])[0]
    whole = np.arange(base.size, dtype=np.int64)
    positions = [inner if (inner := source(expression)[1]) is not None else whole for expression in expressions]
    return select(base, np.concatenate(positions))


def by_joint_position(function: Callable[..., Any]) -> Callable[..., Expression]:
    """The rule for a NumPy function of a sequence of arrays that only moves elements: done to joint positions."""

    def rule(parts: Any, *args: Any, **settings: Any) -> Expression:
        operands = [as_operand(part) for part in parts]
        return select(join(operands), function(joint_positions(operands), *args, **settings))

    return rule


def joint_positions(operands: Sequence[Operand]) -> list[Positions]:
    ends = np.cumsum([operand.size for operand in operands])
    return [
        np.arange(end - operand.size, end, dtype=np.int64).reshape(operand.shape)
        for operand, end in zip(operands, ends, strict=True)
    ]


@array_function(np.concatenate)
def concatenate(parts: Any, axis: int | None = 0) -> Expression:
    operands = [as_operand(part) for part in parts]
    if axis is None or axis in (0, -operands[0].ndim):
        return by_joint_position(np.concatenate)(operands, axis=axis)
    if not -operands[0].ndim <= axis < operands[0].ndim:
        raise ValueError(f"axis {axis} is out of bounds for array of dimension {operands[0].ndim}")
    return apply("Concat", [as_expression(operand) for operand in operands], {"axis": axis % operands[0].ndim})


@array_function(np.append)
def append(expression: Any, values: Any, axis: int | None = None) -> Expression:
    return concatenate([expression, values], axis=axis)


@array_function(np.where)
def where(condition: Any, a: Any, b: Any) -> Expression:
    if isinstance(condition, Expression):
        raise TypeError("np.where of an Expression needs a constant condition: got an Expression.")
    operands = [as_operand(a), as_operand(b)]
    return select(join(operands), np.where(condition, *joint_positions(operands)))


@array_function(np.outer)
def outer(a: Any, b: Any) -> Expression:
    column, row = as_expression(a), as_expression(b)
    return reshape(column, (column.size, 1)) * reshape(row, (1, row.size))


for _function in (np.stack, np.hstack, np.vstack, np.dstack, np.column_stack):
    array_function_rules[_function] = by_joint_position(_function)
