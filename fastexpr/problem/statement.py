"""What a problem consists of: variables, networks, constraints, objective, and their places in x and g.

x holds the variables in the order they were made; g the constraints in order, then the networks' outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.errors import GraphError
from fastexpr.expression import Expression, flatten
from fastexpr.function.labels import Names, names_of
from fastexpr.nlp import Indices, Vector
from fastexpr.problem.parameters import MovingBound, Parameters

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
    has_start: bool  # the user gave one
    is_integer: bool = False
    moving_lower: MovingBound | None = None
    moving_upper: MovingBound | None = None

    def bounds(self, parameters: Vector) -> tuple[Vector, Vector]:
        """With the parameters at these values."""
        lower, upper = self.lower, self.upper
        if self.moving_lower is not None:
            lower = np.fmax(lower, self.moving_lower.at(parameters))
        if self.moving_upper is not None:
            upper = np.fmin(upper, self.moving_upper.at(parameters))
        return lower, upper


@dataclass(eq=False)
class NetworkRows:
    """y == function(x) for B instances: inputs (B, n) and outputs (B, m) are components of x."""

    function: Function
    inputs: Indices
    outputs: Indices
    y: Expression
    formulation: str | None = None
    has_start: bool = True  # the user gave y one


@dataclass(eq=False, repr=False)
class Constraint:
    """The handle that `Problem.subject_to` returns: `result.duals[handle]` are its multipliers."""

    expression: Expression
    lower: Vector
    upper: Vector
    name: str

    def __repr__(self) -> str:
        return f"<Constraint {self.name!r}, shape {self.expression.shape}>"


@dataclass(eq=False)
class Auxiliaries:
    """Components of x that are inputs of a network and equal an expression of others."""

    places: Indices
    expression: Expression
    constraint: Constraint
    compiled: tuple[Function, Indices, int] | None = None  # of variables and parameters, and how many variables

    def value(self, statement: Statement, x: Vector) -> Vector:
        """Of the expression, flat; x (n,), or points (count, n)."""
        if self.compiled is None:
            self.compiled = (*statement.compile_open([self.expression]), statement.n)
        function, used, n = self.compiled
        parameters = np.broadcast_to(statement.parameter_values(), (*x.shape[:-1], statement.n_parameters))
        point = np.concatenate([x[..., :n], parameters], axis=-1)
        result: Vector = function(point[..., used])
        return result


class Statement:
    """A problem as it was stated."""

    def __init__(self) -> None:
        self.variables: dict[Expression, Variables] = {}
        self.parameters: dict[Expression, Parameters] = {}
        self.networks: list[NetworkRows] = []
        self.definitions: list[NetworkRows | Auxiliaries] = []  # in the order in which they were stated
        self.constraints: list[Constraint] = []
        self.objective: Expression | None = None
        self.sign = 1.0  # -1: maximize
        self.n = 0

    def add_variables(
        self, leaf: Expression, name: str, lower: Vector, upper: Vector, start: Vector, has_start: bool,
        is_integer: bool = False,
    ) -> None:  # fmt: skip
        """Appends the components of a leaf to x."""
        self.variables[leaf] = Variables(leaf, self.n, name, lower, upper, start, has_start, is_integer)
        self.n += leaf.size

    def stated_start(self) -> Vector:
        """(n,): the starts of the variables as they were stated."""
        return np.concatenate([entry.start for entry in self.variables.values()] or [np.zeros(0)])

    def start(self) -> Vector:
        """(n,): where the solver starts; within bounds that parameters move, and with what these have a say in."""
        x = self.stated_start()
        if not self.parameters or not self.variables or not self.has_values():
            return x
        lower, upper = self.bounds()
        x = np.fmin(np.fmax(x, lower), upper)
        is_kept = np.ones(self.n, dtype=bool)
        for places in [entry.outputs for entry in self.networks if not entry.has_start]:
            is_kept[places] = False
        for entry in self.definitions:
            if isinstance(entry, Auxiliaries):
                is_kept[entry.places] = False
        found = self.completed(x, is_kept | (lower == upper))
        return np.where(np.isfinite(found), np.fmin(np.fmax(found, lower), upper), x)

    def add_parameters(self, leaf: Expression, name: str, values: Vector) -> None:
        """Appends the components of a leaf to the vector of parameters."""
        self.parameters[leaf] = Parameters(leaf, self.n_parameters, name, values)

    @property
    def n_parameters(self) -> int:
        """Length of the vector of all parameters."""
        return sum(leaf.size for leaf in self.parameters)

    def has_values(self) -> bool:
        """Whether all parameters have a value."""
        return not any(np.isnan(entry.values).any() for entry in self.parameters.values())

    def parameter_values(self) -> Vector:
        """(n_parameters,): now."""
        return np.concatenate([np.zeros(0), *(entry.values for entry in self.parameters.values())])

    # ---- expressions of the variables --------------------------------------------------------------------------------

    def require_own(self, expression: Expression, is_variable: bool = True) -> None:
        """All variables of the expression are this problem's, and there are some, or parameters that will do.

        Iterative: it may be of any size.

        Raises
        ------
        fastexpr.errors.GraphError
            They are not, or there are none.
        """
        stack, seen, has_variables = [expression], {expression}, False
        while stack:
            entry = stack.pop()
            if entry.operator is None:
                has_variables = has_variables or entry in self.variables or not is_variable
                if entry not in self.variables and entry not in self.parameters:
                    raise GraphError(
                        f"[Problem] the expression depends on variables of shape {entry.shape} "
                        "that are not this problem's: make them with its methods variables and parameters."
                    )
            for child in entry.inputs:
                if child not in seen:
                    seen.add(child)
                    stack.append(child)
        if not has_variables:
            raise GraphError("[Problem] the expression depends on no variables.")

    def compile(self, outputs: list[Expression], parameters: Vector | None = None) -> tuple[Function, Indices]:
        """The function of the components of x that the outputs use, and which these are.

        Parameters are numbers in it: those of now, or these.
        """
        vector = self.parameter_values() if parameters is None else parameters
        numbers = {
            leaf: vector[entry.offset : entry.offset + leaf.size].reshape(leaf.shape)
            for leaf, entry in self.parameters.items()
        }
        return flatten(list(self.variables), outputs, compress=True, numbers=numbers)

    def compile_open(self, outputs: list[Expression]) -> tuple[Function, Indices]:
        """The same as a function of x and, behind that, of the vector of parameters."""
        return flatten([*self.variables, *self.parameters], outputs, compress=True)

    def _require_expression(self, expression: object) -> None:
        if not isinstance(expression, Expression):
            raise TypeError(
                f"[Problem] values belong to variables and expressions of them: got {expression!r}. Use what variables "
                "or network returned, result[x]."
            )

    def evaluate(self, expression: Expression, x: Vector, parameters: Vector | None = None) -> Any:
        """The expression's value at x, in its shape."""
        self._require_expression(expression)
        if expression in self.variables:
            function, used = None, self.positions(expression)
        elif expression in self.parameters:
            offset = self.parameters[expression].offset
            function, used = None, np.arange(offset, offset + expression.size)
            x = self.parameter_values() if parameters is None else parameters
        else:
            self.require_own(expression, is_variable=False)
            function, used = self.compile([expression], parameters)
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
        places = self.places(expression)
        if (places >= self.n).any():
            raise GraphError(
                "[Problem] this must be variables or a selection of them, such as x[3] or x[:, 0]: got parameters, "
                f"{self.parameter_name(int(places.max()) - self.n)}."
            )
        return places

    def places(self, expression: Expression) -> Indices:
        """The same of variables and parameters; these count behind x."""
        self._require_expression(expression)
        if expression in self.variables:
            offset = self.variables[expression].offset
            return np.arange(offset, offset + expression.size).reshape(expression.shape)
        if expression in self.parameters:
            offset = self.n + self.parameters[expression].offset
            return np.arange(offset, offset + expression.size).reshape(expression.shape)
        self.require_own(expression, is_variable=False)
        function, used = self.compile_open([expression])
        if not {operator.name for operator, _, _ in function._nodes()} <= MOVING_OPERATORS:
            raise GraphError(
                "[Problem] this must be variables or a selection of them, such as x[3] or x[:, 0]: "
                "got an expression of them."
            )
        chosen = function(np.arange(used.size, dtype=np.float64))
        positions: Indices = used[chosen.astype(np.int64)].reshape(expression.shape)
        return positions

    def __getstate__(self) -> dict[str, Any]:
        """Expressions of any depth pickle: each comes after its inputs."""
        roots = [*self.variables, *self.parameters, *(constraint.expression for constraint in self.constraints)]
        roots += [] if self.objective is None else [self.objective]
        roots += [entry.expression for entry in self.definitions if isinstance(entry, Auxiliaries)]
        return {"expressions": in_order(roots), **self.__dict__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state.pop("expressions")
        self.__dict__.update(state)

    def defined(self) -> list[Indices]:
        """The components of x that `completed` computes."""
        return [
            (entry.outputs if isinstance(entry, NetworkRows) else entry.places).ravel() for entry in self.definitions
        ]

    def completed(self, x: Vector, is_kept: npt.NDArray[np.bool_]) -> Vector:
        """x with what it defines: inputs of networks that are expressions, and outputs; but for components to keep.

        x is one point (n,), or points (count, n) that are evaluated together.
        """
        result = np.array(x)
        for entry in self.definitions:
            if isinstance(entry, NetworkRows):
                places, inputs = entry.outputs.ravel(), result[..., entry.inputs]
                values = entry.function(inputs.reshape(-1, inputs.shape[-1])).reshape(*x.shape[:-1], places.size)
            else:
                places, values = entry.places.ravel(), entry.value(self, result)
            is_open = ~is_kept[places]
            result[..., places[is_open]] = values[..., is_open]
        return result

    def names_of(self, expression: Expression) -> Callable[[], Names] | None:
        """How to ask what the components are called, of variables with labels and of networks' outputs."""
        own = getattr(expression, "names", None)
        if own is not None:
            return lambda: Names(own, "variable", are_default=False, owner="[Problem]")
        function = next((network.function for network in self.networks if network.y is expression), None)
        return None if function is None else lambda: names_of(function, "output")._replace(owner="[Problem]")

    # ---- rows and names ----------------------------------------------------------------------------------------------

    def rows(self) -> dict[Constraint | Expression, Indices]:
        """The rows of g of every constraint, and of every network by its y, in their shapes."""
        return rows_of(self.handles())

    def handles(self) -> list[tuple[Constraint | Expression, Expression]]:
        """What has rows, in order, and the expression whose elements these are."""
        handles: list[tuple[Constraint | Expression, Expression]]
        handles = [(constraint, constraint.expression) for constraint in self.constraints]
        return handles + [(network.y, network.y) for network in self.networks]

    def limits(self) -> tuple[Vector, Vector]:
        """(m,) each: of the constraints, and 0 of the networks' equations."""
        zeros = np.zeros(self.n_rows() - self.n_algebra_rows())
        lower = np.concatenate([*(constraint.lower for constraint in self.constraints), zeros])
        upper = np.concatenate([*(constraint.upper for constraint in self.constraints), zeros])
        return lower, upper

    def bounds(self) -> tuple[Vector, Vector]:
        """(n,) each: of x."""
        parameters = self.parameter_values()
        sides = [entry.bounds(parameters) for entry in self.variables.values()]
        return np.concatenate([lower for lower, _ in sides]), np.concatenate([upper for _, upper in sides])

    def is_integer(self) -> npt.NDArray[np.bool_]:
        """(n,): which components of x are whole numbers."""
        return np.concatenate(
            [np.full(entry.leaf.size, entry.is_integer) for entry in self.variables.values()] or [np.zeros(0, bool)]
        )

    def row_constants(self) -> Vector:
        """(m,): the numbers that stand in the sums at the top of the constraints."""
        result = np.zeros(self.n_rows())
        rows = self.rows()
        for constraint in self.constraints:
            result[rows[constraint].ravel()] = additive_constant(constraint.expression, self.parameters).ravel()
        return result

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

    def parameter_name(self, component: int) -> str:
        """What messages call a component of the vector of parameters."""
        entry = next(own for own in self.parameters.values() if component < own.offset + own.leaf.size)
        return element_name(entry.name, entry.leaf.shape, component - entry.offset)

    def row_name(self, row: int) -> str:
        """What messages call a row of g."""
        handle, rows = next((handle, rows) for handle, rows in self.rows().items() if row <= rows.max(initial=-1))
        if isinstance(handle, Constraint):
            return element_name(handle.name, rows.shape, row - rows.min())
        return f"the network's {element_name(self.variables[handle].name, rows.shape, row - rows.min())}"


def rows_of(handles: list[tuple[Constraint | Expression, Expression]]) -> dict[Constraint | Expression, Indices]:
    """The rows of each, in the shape of its expression."""
    everything = np.arange(sum(expression.size for _, expression in handles))
    rows: dict[Constraint | Expression, Indices] = {}
    begin = 0
    for handle, expression in handles:
        end = begin + expression.size
        rows[handle] = everything[begin:end].reshape(expression.shape)
        begin = end
    return rows


def in_order(roots: list[Expression]) -> list[Expression]:
    """All expressions that these consist of, each after its inputs. Iterative."""
    order: dict[Expression, None] = {}
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        entry, is_open = stack.pop()
        if entry in order:
            continue
        if is_open:
            order[entry] = None
            continue
        stack.append((entry, True))
        stack.extend((child, False) for child in entry.inputs if child not in order)
    return list(order)


#: So many parts of a sum are looked at for its constants: one that shares parts with itself can have any number.
MOST_TERMS = 10_000


def additive_constant(expression: Expression, parameters: Mapping[Expression, Parameters]) -> Vector:
    """The constants among the terms of the sum that the expression is, together, in its shape."""
    total = np.zeros(expression.shape)
    stack = [(expression, 1.0)]
    for _ in range(MOST_TERMS):
        if not stack:
            break
        entry, sign = stack.pop()
        name = None if entry.operator is None else entry.operator.name
        if name == "Constant" and entry.operator is not None:
            total += sign * np.asarray(entry.operator.constants[0], dtype=np.float64).reshape(entry.shape)
        elif entry in parameters:
            total += sign * parameters[entry].values.reshape(entry.shape)
        elif name in ("Add", "Sub"):
            first, second = entry.inputs
            stack += [(first, sign), (second, sign if name == "Add" else -sign)]
        elif name == "Neg":
            stack.append((entry.inputs[0], -sign))
    return total


def element_name(name: str, shape: tuple[int, ...], element: int) -> str:
    """`name[2,3]`, or the bare name of a single number."""
    return f"{name}[{','.join(map(str, np.unravel_index(element, shape)))}]" if shape else name
