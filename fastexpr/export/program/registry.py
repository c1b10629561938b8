"""A program under construction, and the registry of operators: each lower_* module has some of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastexpr.errors import GraphError
from fastexpr.export.program.statements import Array, Assignment

WAY_OUT = "What to do: call the C library (fastexpr.h), which has every operator, or replace the operator in the model."


class LoweredNode:
    """One node while it is put into statements."""

    def __init__(self, builder: Builder, operator: Any, inputs: list[Array], label: str) -> None:
        self.builder = builder
        self.name: str = operator.name
        self.attributes: dict[str, Any] = operator.attributes
        self.constants: list[np.ndarray[Any, Any]] = operator.constants
        self.shape: tuple[int, ...] = operator.shape
        self.input_shapes: tuple[tuple[int, ...], ...] = operator.input_shapes
        self.inputs = inputs
        self.label = f"{operator.name} '{label}'" if label else operator.name

    @property
    def size(self) -> int:
        """Numbers of the output."""
        return int(np.prod(self.shape, dtype=np.int64))

    def array(self, size: int, *sources: Array, is_differentiated: bool = True) -> Array:
        """A new array; derivatives go through it where they go through one of its sources."""
        return self.builder.array(size, is_differentiated and any(source.is_differentiated for source in sources))

    def add(self, statement: Assignment) -> Array:
        """The statement's output."""
        self.builder.statements.append(statement)
        return statement.output

    def refuse(self, what: str) -> GraphError:
        """The error for a setting that cannot be exported."""
        return GraphError(f"[{self.label}] {what} {WAY_OUT}")


Lowering = Callable[[LoweredNode], Array]
LOWERINGS: dict[str, Lowering] = {}


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Registers a function for operators of the core."""

    def register(function: Lowering) -> Lowering:
        for name in names:
            LOWERINGS[name] = function
        return function

    return register


class Builder:
    """The program so far."""

    def __init__(self, n: int) -> None:
        self.arrays: list[Array] = []
        self.statements: list[Assignment] = []
        self.n = n
        self.array(n, True)

    def array(self, size: int, is_differentiated: bool, numbers: Any = None) -> Array:
        """A new one."""
        array = Array(len(self.arrays), size, is_differentiated, numbers)
        self.arrays.append(array)
        return array

    def constant(self, numbers: Any) -> Array:
        """Numbers that stand in the code."""
        flat = np.asarray(numbers, dtype=np.float64).ravel()
        return self.array(flat.size, False, flat)
