"""What the passes have in common: where numbers stand, loops over the terms of a linear statement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastexpr.export.c.layout import Layout
from fastexpr.export.c.numbers import ConstantTables, real_of
from fastexpr.export.program.statements import (
    Array,
    Assignment,
    Choice,
    Loops,
    Terms,
)


class Places:
    """Pointers of one program; `tables` collects its constants."""

    def __init__(self, layout: Layout, tables: ConstantTables) -> None:
        self.layout = layout
        self.tables = tables

    def value(self, array: Array) -> str:
        """A pointer to an array's numbers."""
        if array.numbers is not None:
            return self.tables.reals(array.numbers)
        return f"work + {self.layout.values[array.number]}"

    def adjoint(self, array: Array) -> str:
        return f"work + {self.layout.adjoints[array.number]}"

    def tangent(self, array: Array) -> str:
        return f"work + {self.layout.tangents[array.number]}"

    def local(self, statement: Assignment, number: int = 0) -> str:
        return f"work + {self.layout.locals[statement.output.number] + number * statement.output.size}"

    def type_of(self, array: Array) -> str:
        return real_of(array.numbers) if array.numbers is not None else "double"

    def source(self, name: str, array: Array) -> str:
        """A pointer to numbers that are read."""
        return f"const {self.type_of(array)} *restrict {name} = {self.value(array)};"

    def matrix(self, part: Terms) -> tuple[str, str]:
        """The name of the table and its type: by columns; by rows, where these are few and long."""
        is_by_rows = is_flat(part)
        return self.tables.reals(part.coefficients if is_by_rows else part.coefficients.T), real_of(part.coefficients)

    def multiply(self, part: Terms, u: str, v: str, is_transposed: bool) -> list[str]:
        """v += W u for each block, or u += W'v: both functions read either layout, in which W is W' of the other."""
        (rows, depth), (table, real) = part.coefficients.shape, self.matrix(part)
        inner = f"{u} + b * {depth}"
        outer = f"{v} + b * {rows}"
        function = "apply_transposed" if is_flat(part) != is_transposed else "apply"
        arguments = f"{outer}, {inner}" if is_transposed else f"{inner}, {outer}"
        sizes = f"{depth}, {rows}" if is_flat(part) else f"{rows}, {depth}"
        return repeated(part, f"@_{function}_{real}({table}, {arguments}, {sizes});")

    def each_term(self, part: Terms, body: Any) -> list[str]:
        """Loops over all terms around body(o, i, coefficient)."""
        if part.loops is not None:
            table = self.tables.reals(part.coefficients)
            loops = part.loops
            return nest(loops, body(c_index(loops.outputs), c_index(loops.inputs), f"{table}[{c_index(loops.others)}]"))
        outputs, inputs, coefficients = part.lists()
        order = np.argsort(outputs, kind="stable")
        outputs, inputs, coefficients = outputs[order], inputs[order], coefficients[order]
        o, i = self.tables.index(outputs, "t"), self.tables.index(inputs, "t")
        c = self.tables.coefficient(coefficients, "t")
        return [f"for (int t = 0; t < {len(order)}; ++t) {{", *body(o, i, c), "}"]


def is_pointwise(part: Terms, size: int) -> bool:
    """One term for each number of the output, in order."""
    return part.outputs is not None and len(part.outputs) == size and np.array_equal(part.outputs, np.arange(size))


def is_flat(part: Terms) -> bool:
    """Few rows, each long."""
    rows, depth = part.coefficients.shape
    return bool(rows < 8 and rows < depth)


def product(coefficient: str, number: str) -> str:
    return f"{coefficient} * {number}" if coefficient else number


def repeated(part: Terms, call: str) -> list[str]:
    """A call for each block b of the input; without a loop where there is one block."""
    if part.repeats > 1:
        return [f"for (int b = 0; b < {part.repeats}; ++b)", call]
    return [re.sub(r" \+ b \* \d+", "", call)]


def c_index(expression: str) -> str:
    return expression.replace("//", "/")


def nest(loops: Loops, body: list[str]) -> list[str]:
    """Nested loops around lines."""
    heads = [f"for (int {name} = 0; {name} < {extent}; ++{name}) {{" for name, extent in loops.extents.items()]
    guards = [f"if ({c_index(text)} < 0 || {c_index(text)} >= {length}) continue;" for text, length in loops.guards]
    return [*heads, *guards, *body, *["}"] * len(heads)]


def declarations(prepare: Mapping[str, str], texts: list[str]) -> list[str]:
    """Those of the declarations that the expressions use, directly or through others."""
    used: set[str] = set()
    waiting = list(texts)
    while waiting:
        for word in re.findall(r"\b\w+\b", waiting.pop()):
            if word in prepare and word not in used:
                used.add(word)
                waiting.append(prepare[word])
    return [f"const double {name} = {expression};" for name, expression in prepare.items() if name in used]


def choices(statement: Choice) -> list[tuple[Array, str, str]]:
    """The inputs that derivatives go through: whether k is one of their numbers, and what to take off k."""
    found, first = [], 0
    for array in statement.arrays:
        test = "" if len(statement.arrays) == 1 else f"if (k >= {first} && k < {first + array.size}) "
        if array.is_differentiated:
            found.append((array, test, f" - {first}" if first else ""))
        first += array.size
    return found
