"""What a problem consists of: variables, networks, constraints, objective, and their places in x and g.

x holds the variables in the order they were made; g the constraints in order, then the networks' outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import GraphError
from fastexpr.expression import Expression, flatten
from fastexpr.nlp import Indices, Vector

#: Operators that only move elements: an expression of nothing else is a selection of variables.
MOVING_OPERATORS = {"Select", "Reshape", "Concat"}


@dataclass(eq=False)
class Variables:
    """Components offset .. offset + leaf.size - 1 of x."""

    leaf: Expression
    offset: int
    name: str
    lower: Vector
    upper: Vector
    start: Vector


@dataclass(eq=False)
class Network:
    """y == function(x) for B instances: inputs (B, n) and outputs (B, m) are components of x."""

    function: Function
    inputs: Indices
    outputs: Indices
    y: Expression


@dataclass(eq=False, repr=False)
class Constraint:
    """The handle that `Problem.subject_to` returns: `result.duals[handle]` are its multipliers."""

    expression: Expression
    lower: Vector
    upper: Vector
    name: str

    def __repr__(self) -> str:
        return f"<Constraint {self.name!r}, shape {self.expression.shape}>"


class Statement:
    """A problem as it was stated."""

    def __init__(self) -> None:
        self.variables: dict[Expression, Variables] = {}
        self.networks: list[Network] = []
        self.constraints: list[Constraint] = []
        self.objective: Expression | None = None
        self.sign = 1.0  # -1: maximize
        self.n = 0

    def add_variables(self, leaf: Expression, name: str, lower: Vector, upper: Vector, start: Vector) -> None:
        """Appends the components of a leaf to x."""
        self.variables[leaf] = Variables(leaf, self.n, name, lower, upper, start)
        self.n += leaf.size

    def start(self) -> Vector:
        """(n,): where the solver starts."""
        return np.concatenate([entry.start for entry in self.variables.values()] or [np.zeros(0)])

    # ---- expressions of the variables --------------------------------------------------------------------------------

    def require_own(self, expression: Expression) -> None:
        """All variables of the expression are this problem's, and there are some. Iterative: it may be of any size.

        Raises
        ------
        fastexpr.errors.GraphError
            They are not, or there are none.
        """
        stack, seen, has_variables = [expression], {expression}, False
        while stack:
            entry = stack.pop()
            if entry.operator is None:
                has_variables = True
                if entry not in self.variables:
                    raise GraphError(
                        f"[Problem] the expression depends on variables of shape {entry.shape} "
                        "that are not this problem's: make them with its method variables."
                    )
            for child in entry.inputs:
                if child not in seen:
                    seen.add(child)
                    stack.append(child)
        if not has_variables:
            raise GraphError("[Problem] the expression depends on no variables.")

    def compile(self, outputs: list[Expression]) -> tuple[Function, Indices]:
        """The function of the components of x that the outputs use, and which these are."""
        return flatten(list(self.variables), outputs, compress=True)

    def _require_expression(self, expression: object) -> None:
        if not isinstance(expression, Expression):
            raise TypeError(
                f"[Problem] values belong to variables and expressions of them: got {expression!r}. Use what variables "
                "or network returned, result[x]."
            )

    def evaluate(self, expression: Expression, x: Vector) -> Any:
        """The expression's value at x, in its shape."""
        self._require_expression(expression)
        if expression in self.variables:
            function, used = None, self.positions(expression)
        else:
            self.require_own(expression)
            function, used = self.compile([expression])
        if used.size and used.max() >= x.size:
            raise GraphError("[Problem] the expression depends on variables that were made after this result.")
        value = x[used] if function is None else function(x[used])
        return value.reshape(expression.shape)[()]

    def positions(self, expression: Expression) -> Indices:
        """Which components of x the expression is, in its shape.

        Raises
        ------
        fastexpr.errors.GraphError
            It is more than a selection of this problem's variables.
        """
        self._require_expression(expression)
        if expression in self.variables:
            offset = self.variables[expression].offset
            return np.arange(offset, offset + expression.size).reshape(expression.shape)
        self.require_own(expression)
        function, used = self.compile([expression])
        if not {operator.name for operator, _, _ in function._nodes()} <= MOVING_OPERATORS:
            raise GraphError(
                "[Problem] this must be variables or a selection of them, such as x[3] or x[:, 0]: "
                "got an expression of them."
            )
        chosen = function(np.arange(used.size, dtype=np.float64))
        positions: Indices = used[chosen.astype(np.int64)].reshape(expression.shape)
        return positions

    # ---- rows and names ----------------------------------------------------------------------------------------------

    def rows(self) -> dict[Constraint | Expression, Indices]:
        """The rows of g of every constraint, and of every network by its y, in their shapes."""
        shapes: list[tuple[Constraint | Expression, tuple[int, ...]]]
        shapes = [(constraint, constraint.expression.shape) for constraint in self.constraints]
        shapes += [(network.y, network.y.shape) for network in self.networks]
        rows: dict[Constraint | Expression, Indices] = {}
        begin = 0
        for handle, shape in shapes:
            size = int(np.prod(shape))
            rows[handle] = np.arange(begin, begin + size).reshape(shape)
            begin += size
        return rows

    def n_algebra_rows(self) -> int:
        """Rows of g that are not of networks."""
        return sum(constraint.expression.size for constraint in self.constraints)

    def n_rows(self) -> int:
        """Rows of g."""
        return self.n_algebra_rows() + sum(network.outputs.size for network in self.networks)

    def variable_name(self, component: int) -> str:
        """What messages call a component of x."""
        entry = next(entry for entry in self.variables.values() if component < entry.offset + entry.leaf.size)
        return element_name(entry.name, entry.leaf.shape, component - entry.offset)

    def row_name(self, row: int) -> str:
        """What messages call a row of g."""
        handle, rows = next((handle, rows) for handle, rows in self.rows().items() if row <= rows.max(initial=-1))
        if isinstance(handle, Constraint):
            return element_name(handle.name, rows.shape, row - rows.min())
        return f"the network's {element_name(self.variables[handle].name, rows.shape, row - rows.min())}"


def element_name(name: str, shape: tuple[int, ...], element: int) -> str:
    """`name[2,3]`, or the bare name of a single number."""
    return f"{name}[{','.join(map(str, np.unravel_index(element, shape)))}]" if shape else name
