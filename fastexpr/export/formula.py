"""A small function as formulas: SymPy's, and LaTeX to read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastexpr._core import Function
from fastexpr.frameworks.libraries import library


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
    from fastexpr.export.unwrapping import unwrapped

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
    from fastexpr.export.unwrapping import unwrapped

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
