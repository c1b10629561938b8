"""From statements to SymPy's expressions, entry by entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import GraphError
from fastexpr.export.program.lowering import lower
from fastexpr.export.program.registry import WAY_OUT
from fastexpr.export.program.statements import (
    Array,
    Assignment,
    Binary,
    Choice,
    Linear,
    Product,
    Program,
    Routine,
    Unary,
)
from fastexpr.frameworks.libraries import library

LARGEST = 20_000  # operations in the formulas of all outputs


def unwrapped(net: Function, caller: str, x: Sequence[Any] | None) -> Any:
    """The formulas of all outputs, as a column."""
    sp = library(caller, "sympy", ["sympy"])
    if x is None:
        x = [sp.Symbol(name, real=True) for name in net.input_names]
    if len(x) != net.n_inputs:
        raise ValueError(f"[{caller}] x has the wrong length: got {len(x)} expressions, expected {net.n_inputs}.")
    program = lower(net, caller)
    check_size(program, caller)
    values: dict[int, list[Any]] = {0: [sp.sympify(entry) for entry in x]}

    def of(array: Array) -> list[Any]:
        if array.number not in values:
            assert array.numbers is not None
            values[array.number] = [number(sp, entry) for entry in array.numbers]
        return values[array.number]

    for statement in program.statements:
        values[statement.output.number] = formulas(sp, statement, of, caller)
    return sp.Matrix([entry for array in program.outputs for entry in of(array)])


def number(sp: Any, value: Any) -> Any:
    """Whole numbers as such: x**2, not x**2.0."""
    value = float(value)
    return sp.Integer(int(value)) if value.is_integer() and abs(value) < 1e6 else sp.Float(value)


def formulas(sp: Any, statement: Assignment, of: Any, caller: str) -> list[Any]:
    """The output of one statement, entry by entry."""
    size = statement.output.size
    if isinstance(statement, Linear):
        sums: list[list[Any]] = [[] for _ in range(size)]
        for part in statement.terms:
            entries = of(part.array)
            for o, i, c in zip(*part.lists(), strict=True):
                sums[o].append(number(sp, c) * entries[i])
        if statement.bias is not None:
            for entry, constant in zip(sums, statement.bias, strict=True):
                entry.append(number(sp, constant))
        return [sp.Add(*entry) for entry in sums]
    if isinstance(statement, Product):
        a, b = of(statement.a), of(statement.b)
        products: list[list[Any]] = [[] for _ in range(size)]
        for o, i, k in zip(*statement.loops.terms(), strict=True):
            products[o].append(a[i] * b[k])
        return [sp.Add(*entry) for entry in products]
    if isinstance(statement, Unary):
        return [statement.formula.symbolic(sp, u) for u in of(statement.u)]
    if isinstance(statement, Binary):
        a, b = of(statement.a), of(statement.b)
        return [statement.formula.symbolic(sp, a[i], b[k]) for i, k in zip(statement.of_a, statement.of_b, strict=True)]
    if isinstance(statement, Choice):
        joined = [entry for array in statement.arrays for entry in of(array)]
        if statement.condition is None:
            return [sp.Max(*(joined[k] for k in candidates)) for candidates in statement.candidates]
        assert statement.of_condition is not None
        conditions = [of(statement.condition)[k] for k in statement.of_condition]
        return [
            sp.Piecewise((joined[yes], is_true(sp, condition)), (joined[no], True))
            for condition, (yes, no) in zip(conditions, statement.candidates, strict=True)
        ]
    assert isinstance(statement, Routine)
    if statement.kind == "Maximum":  # what it is taken off from is the same for any number: for 0, too
        return [sp.Integer(0)] * size
    raise GraphError(f"[{caller}] has no formula for these operators: got {statement.label}. {WAY_OUT}")


def is_true(sp: Any, condition: Any) -> Any:
    """The comparison that a truth value was made from."""
    if isinstance(condition, sp.Piecewise) and [value for value, _ in condition.args] == [1, 0]:
        return condition.args[0][1]
    return sp.Ne(condition, 0)


def check_size(program: Program, caller: str) -> None:
    """Refuses formulas that nobody could read, before they are made."""
    operations: dict[int, Any] = {array.number: np.zeros(array.size) for array in program.arrays}
    for statement in program.statements:
        counts = np.ones(statement.output.size)
        if isinstance(statement, Linear):
            for part in statement.terms:
                outputs, inputs, _ = part.lists()
                np.add.at(counts, outputs, 1 + operations[part.array.number][inputs])
        elif isinstance(statement, Product):
            o, i, k = statement.loops.terms()
            np.add.at(counts, o, 1 + operations[statement.a.number][i] + operations[statement.b.number][k])
        elif isinstance(statement, Unary):
            counts += operations[statement.u.number]
        elif isinstance(statement, Binary):
            counts += operations[statement.a.number][statement.of_a] + operations[statement.b.number][statement.of_b]
        elif isinstance(statement, Choice):
            joined = np.concatenate([operations[array.number] for array in statement.arrays])
            counts += joined[statement.candidates].sum(axis=1)
        operations[statement.output.number] = counts
    total = sum(float(operations[array.number].sum()) for array in program.outputs)
    if total > LARGEST:
        raise GraphError(
            f"[{caller}] formulas of this network are too long to read: got {total:,.0f} operations, expected at most "
            f"{LARGEST:,}. What to do: select outputs, or export code by to_c()."
        )
