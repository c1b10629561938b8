"""Numbers with their gradient and Hessian, in plain NumPy: derivatives forward, which share nothing with the core's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Jet:
    """A number that depends on x."""

    value: float
    gradient: np.ndarray
    hessian: np.ndarray

    @staticmethod
    def constant(value: float, n: int) -> Jet:
        return Jet(float(value), np.zeros(n), np.zeros((n, n)))

    @staticmethod
    def variables(x: np.ndarray) -> list[Jet]:
        n = len(x)
        return [Jet(float(value), np.eye(n)[i], np.zeros((n, n))) for i, value in enumerate(x)]

    def apply(self, value: float, first: float, second: float) -> Jet:
        """A function of one number, from its derivatives here."""
        curved = second * np.outer(self.gradient, self.gradient)
        return Jet(value, first * self.gradient, first * self.hessian + curved)

    def __add__(self, other: Jet) -> Jet:
        return Jet(self.value + other.value, self.gradient + other.gradient, self.hessian + other.hessian)

    def __neg__(self) -> Jet:
        return Jet(-self.value, -self.gradient, -self.hessian)

    def __mul__(self, other: Jet) -> Jet:
        mixed = np.outer(self.gradient, other.gradient)
        return Jet(
            self.value * other.value,
            self.value * other.gradient + other.value * self.gradient,
            self.value * other.hessian + other.value * self.hessian + mixed + mixed.T,
        )

    def reciprocal(self) -> Jet:
        a = self.value
        return self.apply(1 / a, -1 / a**2, 2 / a**3)


def _sum(*terms: Jet) -> Jet:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _power(a: Jet, b: Jet) -> Jet:
    p = b.value  # of constant exponents only
    return a.apply(a.value**p, p * a.value ** (p - 1), p * (p - 1) * a.value ** (p - 2))


def _truth(is_true: bool, like: Jet) -> Jet:
    return Jet.constant(float(is_true), len(like.gradient))


UNARY: dict[str, Callable[[float], tuple[float, float, float]]] = {
    "exp": lambda a: (np.exp(a),) * 3,
    "log": lambda a: (np.log(a), 1 / a, -1 / a**2),
    "sqrt": lambda a: (np.sqrt(a), 0.5 / np.sqrt(a), -0.25 * a**-1.5),
    "sin": lambda a: (np.sin(a), np.cos(a), -np.sin(a)),
    "cos": lambda a: (np.cos(a), -np.sin(a), -np.cos(a)),
    "tanh": lambda a: (np.tanh(a), 1 / np.cosh(a) ** 2, -2 * np.tanh(a) / np.cosh(a) ** 2),
    "atan": lambda a: (np.arctan(a), 1 / (1 + a * a), -2 * a / (1 + a * a) ** 2),
    "abs": lambda a: (abs(a), np.sign(a), 0.0),
}
OTHER: dict[str, Callable[..., Jet]] = {
    "sum": _sum,
    "product": lambda a, b: a * b,
    "division": lambda a, b: a * b.reciprocal(),
    "negation": lambda a: -a,
    "power": _power,
    "minimum": lambda *a: min(a, key=lambda jet: jet.value),
    "maximum": lambda *a: max(a, key=lambda jet: jet.value),
    "select": lambda condition, a, b: a if condition.value != 0 else b,
    "less": lambda a, b: _truth(a.value < b.value, a),
    "less_equal": lambda a, b: _truth(a.value <= b.value, a),
    "equal": lambda a, b: _truth(a.value == b.value, a),
    "and": lambda a, b: _truth(a.value != 0 and b.value != 0, a),
}


def layer(A: np.ndarray, B: np.ndarray, inputs: Sequence[Jet]) -> list[Jet]:
    """B tanh(A x)."""
    n = len(inputs[0].gradient)

    def combined(row: np.ndarray, jets: Sequence[Jet]) -> Jet:
        return _sum(*(Jet.constant(w, n) * jet for w, jet in zip(row, jets, strict=True)))

    hidden = [combined(row, inputs) for row in A]
    return [combined(row, [u.apply(*UNARY["tanh"](u.value)) for u in hidden]) for row in B]


def evaluate(
    stream: Any, outputs: Sequence[int], x: np.ndarray, parameters: Sequence[float], call: Callable[..., Any]
) -> list[Jet]:
    """The outputs of a `tape_streams.Stream`; external functions are `call(inputs)`."""
    n = len(x)
    nodes: list[Any] = []  # of a call, the list of its outputs
    tables = [
        nodes,
        Jet.variables(x),
        [Jet.constant(p, n) for p in parameters],
        [Jet.constant(c, n) for c in stream.constants],
    ]

    def number(operand: int) -> Any:
        return tables[operand % 4][operand // 4]

    with np.errstate(all="ignore"):  # branches that are not taken
        for name, operands in stream.nodes:
            if name == "call":
                nodes.append(call([number(o) for o in operands[1:]]))
            elif name == "output":
                nodes.append(number(operands[1])[operands[0]])
            elif name in UNARY:
                (a,) = map(number, operands)
                nodes.append(a.apply(*map(float, UNARY[name](np.float64(a.value)))))
            else:
                nodes.append(OTHER[name](*map(number, operands)))
    return [number(o) for o in outputs]
