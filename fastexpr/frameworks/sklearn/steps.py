"""Conditions on expressions (numbers that are 1 or 0, with derivative 0), and the softmax."""

from __future__ import annotations

from typing import Any

from fastexpr.expression.node import apply
from fastexpr.frameworks.sklearn.registry import Symbolic
from fastexpr.onnx.converters.comparisons import STEEPEST


def step(x: Symbolic) -> Symbolic:
    """1 where x > 0, else 0."""
    return apply("HardSigmoid", [x], {"alpha": STEEPEST, "beta": 0.0})


def choose(condition: Symbolic, a: Any, b: Any) -> Symbolic:
    """Picks a where the condition is 1, b where it is 0; both must be finite."""
    return condition * a + (1.0 - condition) * b


def softmax(x: Symbolic) -> Symbolic:
    """exp(x) / sum exp(x)."""
    return apply("Softmax", [x], {"axis": 0, "n_axes": 1})
