"""Emitters: for each kind of operator a function that writes its units as algebra.

An emitter takes the builder, the node and its inputs as Affine, and returns its output as Affine. It may add columns
and rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastexpr._core import Operator
from fastexpr.formulations.affine import Affine, Array


@dataclass(frozen=True)
class BoundedNode:
    """A node of the network.

    Attributes
    ----------
    number : int
        Its place in the graph.
    operator : Operator
    inputs : list of int
        Places of its inputs.
    label : str
    lower, upper : (size,) arrays
        Bounds of its units.
    """

    number: int
    operator: Operator
    inputs: list[int]
    label: str
    lower: Array
    upper: Array

    def __str__(self) -> str:
        return f"[{self.operator.name} '{self.label}']"


Emitter = Callable[[Any, BoundedNode, list[Affine]], Affine]

_emitters: dict[str, Emitter] = {}


def emitter(*names: str) -> Callable[[Emitter], Emitter]:
    """Registers the function below for these operators."""

    def register(function: Emitter) -> Emitter:
        _emitters.update(dict.fromkeys(names, function))
        return function

    return register


def find_emitter(name: str) -> Emitter | None:
    """The emitter of an operator; None where there is none."""
    return _emitters.get(name)


def known_emitters() -> list[str]:
    """Operators that have one."""
    return sorted(_emitters)
