"""The kinds of statements, and where their numbers stand.

An array is a flat list of numbers; every statement sets one, from arrays that come before. Indices say what meets:

    Linear    v[o] = bias[o] + sum of coefficient * u[i]              over the terms of one or more inputs
    Product   v[o] = sum of a[i] * b[k]                               over all terms
    Unary     v[o] = phi(u[o])
    Binary    v[o] = phi(a[i(o)], b[k(o)])
    Choice    v[o] = one number of one input                          which one is decided at each point

and a Routine is a value without a derivative (a comparison is a Binary whose partial derivatives are zero).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Numbers = NDArray[Any]


@dataclass
class Array:
    """`size` numbers of one point.

    Attributes
    ----------
    number : int
        0 is x.
    is_differentiated : bool
        Whether derivatives with respect to x go through it.
    numbers : array, optional
        What stands in it, where that does not depend on x.
    """

    number: int
    size: int
    is_differentiated: bool
    numbers: Numbers | None = None


@dataclass(frozen=True)
class Loops:
    """Terms by nested loops instead of lists: expressions of the loops' variables that C and Python read alike.

    Attributes
    ----------
    extents : dict
        Variable: how far it counts, from the outermost loop to the innermost.
    outputs, inputs, others : str
        o, i, and k or the coefficient's number.
    guards : sequence of (str, int)
        An expression and a length: terms outside of 0 <= expression < length are left out.
    """

    extents: dict[str, int]
    outputs: str
    inputs: str
    others: str
    guards: Sequence[tuple[str, int]] = ()

    def terms(self) -> tuple[Indices, Indices, Indices]:
        """The same as three lists."""
        grid = np.indices(tuple(self.extents.values())).reshape(len(self.extents), -1)
        names = dict(zip(self.extents, grid, strict=True))

        def evaluate(expression: str) -> Indices:
            result: Indices = np.broadcast_to(eval(expression, {}, names), grid.shape[1])  # our own expressions
            return result

        keep = np.ones(grid.shape[1], dtype=bool)
        for expression, length in self.guards:
            position = evaluate(expression)
            keep &= (position >= 0) & (position < length)
        return evaluate(self.outputs)[keep], evaluate(self.inputs)[keep], evaluate(self.others)[keep]


@dataclass(frozen=True)
class Terms:
    """Of one input of a Linear: v[outputs[t]] += coefficients[t] * u[inputs[t]], as lists or as loops."""

    array: Array
    outputs: Indices | None
    inputs: Indices | None
    coefficients: Numbers  # one for each term, or for each number that loops give; or one for all
    loops: Loops | None = None
    is_matrix: bool = False  # coefficients (rows, columns): v += coefficients @ u, applied `repeats` times side by side
    repeats: int = 1

    def lists(self) -> tuple[Indices, Indices, Numbers]:
        """o, i and the coefficient of every term."""
        if self.loops is not None:
            outputs, inputs, numbers = self.loops.terms()
            return outputs, inputs, self.coefficients.ravel()[numbers]
        if self.is_matrix:
            rows, columns = self.coefficients.shape
            block, row, column = np.indices((self.repeats, rows, columns)).reshape(3, -1)
            return block * rows + row, block * columns + column, np.tile(self.coefficients.ravel(), self.repeats)
        assert self.outputs is not None
        assert self.inputs is not None
        return self.outputs, self.inputs, np.broadcast_to(self.coefficients, self.outputs.shape)


@dataclass(frozen=True)
class Formula:
    """A function of u, or of a and b: as C, with derivatives, and as a formula.

    C expressions may use u, v, and what `prepare` declares: names and expressions, in order. "@" stands for the prefix
    of functions that the code brings along.

    Attributes
    ----------
    value : str
    first, second : str
        Of u: the derivatives. "0.0" where there is none.
    symbolic : callable
        From SymPy's module and expressions to an expression.
    prepare : dict
    """

    value: str
    first: str
    second: str
    symbolic: Callable[..., Any]
    prepare: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PairFormula:
    """Of a and b: the value and the partial derivatives; "" where one is zero everywhere."""

    value: str
    a: str
    b: str
    symbolic: Callable[..., Any]
    aa: str = ""
    ab: str = ""
    bb: str = ""


@dataclass
class Assignment:
    """Sets `output`; `label` is the operator and the node it comes from."""

    output: Array
    label: str

    @property
    def inputs(self) -> list[Array]:
        """The arrays that are read."""
        raise NotImplementedError


@dataclass
class Linear(Assignment):
    """See the head of this file."""

    terms: list[Terms]
    bias: Numbers | None = None

    @property
    def inputs(self) -> list[Array]:
        return [part.array for part in self.terms]


@dataclass
class Product(Assignment):
    """See the head of this file."""

    a: Array
    b: Array
    loops: Loops

    @property
    def inputs(self) -> list[Array]:
        return [self.a, self.b]


@dataclass
class Unary(Assignment):
    """See the head of this file."""

    u: Array
    formula: Formula

    @property
    def inputs(self) -> list[Array]:
        return [self.u]


@dataclass
class Binary(Assignment):
    """See the head of this file."""

    a: Array
    b: Array
    of_a: Indices
    of_b: Indices
    formula: PairFormula

    @property
    def inputs(self) -> list[Array]:
        return [self.a, self.b]


@dataclass
class Choice(Assignment):
    """Where (`condition` is set: its number chooses between two inputs), or the largest of a group of one input.

    `candidates` (size, count) are numbers of the inputs, joined: the first input's, then the second's.
    """

    arrays: list[Array]
    candidates: Indices
    condition: Array | None = None
    of_condition: Indices | None = None

    @property
    def inputs(self) -> list[Array]:
        return [*self.arrays, *([] if self.condition is None else [self.condition])]


@dataclass
class Routine(Assignment):
    """A value without a derivative that takes code of its own: "Maximum" of groups, "Hardmax", "TreeEnsemble"."""

    u: Array
    kind: str
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> list[Array]:
        return [self.u]


@dataclass
class Program:
    """Statements in order; f(x) is `outputs`, joined."""

    n: int
    arrays: list[Array]
    statements: list[Assignment]
    outputs: list[Array]
