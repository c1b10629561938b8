"""Evaluates the arrays that a Pyomo model is compiled to, in plain Python: a reference that shares nothing with C++."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.numeric_types import value
from pyomo.environ import units

from fastexpr.nlp.arrays import OPCODES
from fastexpr.pyomo.compile.walker import Walker

FUNCTIONS: dict[str, Any] = {
    "sum": lambda *a: math.fsum(a),
    "product": operator.mul,
    "division": operator.truediv,
    "negation": operator.neg,
    "power": operator.pow,
    "abs": abs,
    "minimum": lambda *a: min(a),
    "maximum": lambda *a: max(a),
    "select": lambda condition, then, otherwise: then if condition else otherwise,
    "less": operator.lt,
    "less_equal": operator.le,
    "equal": operator.eq,
    "and": lambda a, b: bool(a) and bool(b),
    **{name: getattr(math, name) for name in ("exp", "log", "log10", "sqrt", "sin", "cos", "tan", "ceil", "floor")},
    **{name: getattr(math, name) for name in ("asin", "acos", "atan", "sinh", "cosh", "tanh")},
    **{name: getattr(math, name) for name in ("asinh", "acosh", "atanh")},
}
NAMES = {number: name for name, number in OPCODES.items()}


class NoTargets:
    """For expressions without external functions."""

    functions: tuple[Any, ...] = ()


class Flat:
    """Expressions as arrays.

    Parameters
    ----------
    *expressions : Pyomo expressions
    targets : optional
        Finds the functions that the expressions call.
    """

    def __init__(self, *expressions: Any, targets: Any = None, owner: Any = None) -> None:
        self.targets = targets or NoTargets()
        self.walker = Walker(self.targets)
        self.roots = [self.walker.add_expression(expression, owner) for expression in expressions]
        self.opcodes, self.counts, self.operands, self.constants, _ = self.walker.take_arrays()

    @property
    def names(self) -> list[str]:
        """The operations, in order."""
        return [NAMES[code] for code in self.opcodes.tolist()]

    def values(self) -> list[float]:
        """Of the expressions, where their variables and parameters are now."""
        tables: list[Any] = [
            [],
            [value(variable) for variable in self.walker.variables],
            [float(value(parameter)) for parameter in self.walker.parameters],
            self.constants.tolist(),
        ]
        position = 0
        for name, count in zip(self.names, self.counts.tolist(), strict=True):
            operands = self.operands[position : position + count].tolist()
            position += count
            tables[0].append(self._node(name, operands, tables))
        return [float(tables[root % 4][root // 4]) for root in self.roots]

    def _node(self, name: str, operands: list[int], tables: list[Any]) -> Any:
        if name == "output":
            return float(tables[0][operands[1] // 4][operands[0]])
        if name != "call":
            return FUNCTIONS[name](*(tables[operand % 4][operand // 4] for operand in operands))
        target, *inputs = operands
        x = np.array([tables[operand % 4][operand // 4] for operand in inputs], dtype=float)
        function = self.targets.functions[target]
        return function(x) if callable(function) else function.evaluate(x, 0)[0]


def mixed_model() -> Any:
    """One of everything that expressions are made of."""
    m = pyo.ConcreteModel("small")
    m.x, m.y, m.z = (pyo.Var(initialize=value) for value in (0.3, 0.7, 0.2))
    m.v = pyo.Var([0, 1, 2], initialize={0: 0.1, 1: 0.4, 2: 0.8})
    m.p = pyo.Param(initialize=2.5, mutable=True)
    m.q = pyo.Param([0, 1], initialize={0: 1.5, 1: -0.5}, mutable=True)
    m.k = pyo.Param([0, 1], initialize={0: 7.0, 1: 8.0})
    m.default = pyo.Param(default=3.5, mutable=True)
    m.f = pyo.Var(initialize=0.25)
    m.f.fix()
    m.flag = pyo.BooleanVar(initialize=True)
    m.flag.fix()
    m.e = pyo.Expression(expr=m.x * m.y)
    m.nested = pyo.Expression([0, 1], rule=lambda m, i: m.e**2 + m.q[i])
    m.kg = pyo.Var(initialize=2.0, units=units.kg)
    return m
