"""A small function as formulas: SymPy's, and LaTeX to read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import GraphError
from fastexpr.export.program.lowering import WAY_OUT, lower
from fastexpr.export.program.statements import (
    Array,
    Binary,
    Choice,
    Linear,
    Product,
    Program,
    Statement,
    Step,
    Unary,
)
from fastexpr.frameworks.libraries import library

LARGEST = 20_000  # operations in the formulas of all outputs


def to_sympy(self: Function, x: Sequence[Any] | None = None) -> Any:
    """The function as formulas, one for each output: the network unwrapped, to read or to check by hand.

    Parameters
    ----------
    x : sequence of n expressions, optional
        What stands for the inputs. By default real symbols with the inputs' names.

    Returns
    -------
    sympy.Matrix
        (m, 1). Its `jacobian` takes the symbols; `free_symbols` has them.

    Raises
    ------
    fastexpr.errors.GraphError
        Formulas of more than 20,000 operations, or an operator that has none.
    fastexpr.errors.NotFoundError
        SymPy is not installed.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, [np.tanh(2 * x[0] + x[1]), x[0] * x[1]]).with_names(inputs=["T", "p"])
    >>> net.to_sympy()
    Matrix([
    [tanh(2*T + p)],
    [          T*p]])
    """
    return unwrapped(self, "Function.to_sympy", x)


def to_latex(self: Function, digits: int = 4) -> str:
    r"""The function as LaTeX, an equation for each output, for a small network.

    Parameters
    ----------
    digits : int
        Significant digits of the numbers.

    Returns
    -------
    str
        An ``aligned`` environment, which stands in math mode.

    Raises
    ------
    fastexpr.errors.GraphError
        As `to_sympy` does.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, np.tanh(x[0] * (1 / 3) + x[1])).with_names(inputs=["T", "p"], outputs=["rate"])
    >>> print(net.to_latex(digits=3))
    \begin{aligned}
    \mathrm{rate} &= \tanh{\left(0.333 T + p \right)}
    \end{aligned}
    """
    if not 1 <= digits <= 17:
        raise ValueError(f"[Function.to_latex] digits: got {digits}, expected 1 to 17 significant ones.")
    sp = library("Function.to_latex", "sympy", ["sympy"])
    symbols = [sp.Dummy(name, real=True) for name in self.input_names]
    names = {symbol: tex_name(symbol.name) for symbol in symbols}
    lines = []
    for output, formula in zip(self.output_names, unwrapped(self, "Function.to_latex", symbols), strict=True):
        rounded = formula.xreplace(
            {number: sp.Float(f"{float(number):.{digits}g}") for number in formula.atoms(sp.Float)}
        )
        lines.append(f"{tex_name(output)} &= {sp.latex(rounded, symbol_names=names)}")
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def tex_name(name: str) -> str:
    """A name in math mode: T, x_{3} for x[3] and x3, else upright."""
    if re.fullmatch(r"[A-Za-z]", name):
        return name
    if found := re.fullmatch(r"([A-Za-z])_?(?:\[([\d, ]+)\]|(\d+))", name):
        return f"{found[1]}_{{{found[2] or found[3]}}}"
    escaped = "".join(
        {"\\": r"\backslash{}", "^": r"\hat{}", "~": r"\sim{}"}.get(c, "\\" + c if c in "_#$%&{}" else c) for c in name
    )
    return f"\\mathrm{{{escaped}}}"


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


def formulas(sp: Any, statement: Statement, of: Any, caller: str) -> list[Any]:
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
    assert isinstance(statement, Step)
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
