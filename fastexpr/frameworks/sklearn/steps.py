"""Conditions on expressions: numbers that are 1 or 0, with derivative 0."""

from __future__ import annotations

from typing import Any

from fastexpr.expression.node import apply
from fastexpr.expression.operands import as_expression
from fastexpr.frameworks.sklearn.registry import Symbolic


def step(x: Symbolic) -> Symbolic:
    """1 where x > 0, else 0."""
    return apply("Less", [as_expression(0.0), x])


def choose(condition: Symbolic, a: Any, b: Any) -> Symbolic:
    """Picks a where the condition is 1, b where it is 0."""
    return apply("Where", [condition, as_expression(a), as_expression(b)])
