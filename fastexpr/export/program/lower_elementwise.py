"""Operators that work number by number, of one input or of two that are broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.export.program.formulas import PAIRS, UNARY
from fastexpr.export.program.registry import LoweredNode, lowers
from fastexpr.export.program.statements import Array, Binary, Choice, Indices, Linear, Terms, Unary

STEPS = {"Sign", "Floor", "Ceil", "Round", "Less", "LessOrEqual", "Equal"}
OWN = {"Root"}


def broadcast(node: LoweredNode, k: int) -> Indices:
    """For each number of the output, that of input k which meets it."""
    shape = node.input_shapes[k]
    numbers = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    return np.broadcast_to(numbers, node.shape).ravel()


def apply(node: LoweredNode, name: str, u: Array, attributes: Any = None) -> Array:
    """A function of one number, on all of an array."""
    output = node.array(u.size, u, is_differentiated=name not in STEPS)
    return node.add(Unary(output, node.label, u, UNARY[name](attributes or {})))


@lowers(*(name for name in UNARY if name not in OWN))
def unary(node: LoweredNode) -> Array:
    return apply(node, node.name, node.inputs[0], node.attributes)


def combine(
    node: LoweredNode, name: str, a: Array, b: Array, of_a: Indices, of_b: Indices, attributes: Any = None
) -> Array:
    """A function of two numbers; index by index."""
    output = node.array(len(of_a), a, b, is_differentiated=name not in STEPS)
    return node.add(Binary(output, node.label, a, b, of_a, of_b, PAIRS[name](attributes or {})))


@lowers("Mul", "Div", "Pow", "Max", "Min", "PRelu", "Mod", "Less", "LessOrEqual", "Equal")
def binary(node: LoweredNode) -> Array:
    a, b = node.inputs
    constant = {"Mul": True, "Div": b.numbers is not None and name_of_factor(b)}.get(node.name, False)
    if constant and (a.numbers is not None or b.numbers is not None):
        return scale(node, a, b)
    if node.name == "Pow" and b.numbers is not None and np.all(b.numbers == 2.0) and a.size == node.size:
        return apply(node, "Square", a)
    return combine(node, node.name, a, b, broadcast(node, 0), broadcast(node, 1), node.attributes)


def name_of_factor(b: Array) -> bool:
    """Whether dividing by these numbers is multiplying by their reciprocals, exactly: powers of two."""
    mantissas, _ = np.frexp(b.numbers if b.numbers is not None else np.zeros(0))
    return bool(np.all(np.abs(mantissas) == 0.5))


def scale(node: LoweredNode, a: Array, b: Array) -> Array:
    """A product with, or a quotient by, numbers that stand in the code: linear."""
    factor, k = (a, 1) if a.numbers is not None else (b, 0)
    assert factor.numbers is not None
    numbers = factor.numbers[broadcast(node, 1 - k)]
    coefficients = 1.0 / numbers if node.name == "Div" else numbers
    u = node.inputs[k]
    output = node.array(node.size, u)
    return node.add(Linear(output, node.label, [Terms(u, np.arange(node.size), broadcast(node, k), coefficients)]))


@lowers("Add", "Sub")
def add(node: LoweredNode) -> Array:
    terms, bias = [], None
    for k, u in enumerate(node.inputs):
        sign = -1.0 if node.name == "Sub" and k == 1 else 1.0
        if u.numbers is not None:
            bias = sign * u.numbers[broadcast(node, k)]
        else:
            terms.append(Terms(u, np.arange(node.size), broadcast(node, k), np.array(sign)))
    return node.add(Linear(node.array(node.size, *node.inputs), node.label, terms, bias))


@lowers("Where")
def where(node: LoweredNode) -> Array:
    condition, a, b = node.inputs
    candidates = np.stack([broadcast(node, 1), a.size + broadcast(node, 2)], axis=1)
    output = node.array(node.size, a, b)
    return node.add(Choice(output, node.label, [a, b], candidates, condition, broadcast(node, 0)))
