"""A problem as a linear, mixed-integer or convex quadratic program for HiGHS: networks and expressions as algebra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from fastexpr.errors import FormulationError
from fastexpr.expression.operands import constant
from fastexpr.formulations.affine import Affine, Array, Indices, entries, widened
from fastexpr.formulations.building import Builder
from fastexpr.formulations.choices import spread
from fastexpr.formulations.heads import without_head
from fastexpr.formulations.products import Products
from fastexpr.problem.statement import Auxiliaries, NetworkRows, Statement
from fastexpr.solvers.highs import LinearProgram

#: Of the largest eigenvalue: so much below zero the smallest one may be, by rounding.
CONVEX = 1e-9


@dataclass
class Quadratic:
    """weights @ (first * second): the part of an objective that is not linear, of the minimization.

    Attributes
    ----------
    first, second : Affine
    weights : (size,) array
    columns : (size,) array
        Columns that stand for the products; nothing else reads them.
    """

    first: Affine
    second: Affine
    weights: Array
    columns: Indices

    def matrices(self, n: int) -> tuple[Any, Array, float]:
        """Q, c, and a constant: x @ Q @ x / 2 + c @ x + constant."""
        A, B = widened(self.first.matrix, n), widened(self.second.matrix, n)
        a, b, W = self.first.constant, self.second.constant, scipy.sparse.diags_array(self.weights)
        half = A.T @ W @ B
        linear = A.T @ (self.weights * b) + B.T @ (self.weights * a)
        return (half + half.T).tocsr(), np.asarray(linear), float(self.weights @ (a * b))

    def are_squares(self) -> bool:
        """Whether each product is a square with a weight that is not negative."""
        return bool((self.weights >= 0).all()) and self.first is self.second


@dataclass
class MixedInteger:
    """The program, and where its parts came from.

    Attributes
    ----------
    builder : Builder
        The problem's components are its first columns.
    program : LinearProgram
        Without the quadratic part.
    quadratic : Quadratic or None
    rows : dict
        By constraint, its rows of the program.
    dropped : list of NetworkRows
        Whose outputs nothing reads: they are computed afterwards.
    """

    builder: Builder
    program: LinearProgram
    quadratic: Quadratic | None
    rows: dict[Any, Indices]
    dropped: list[NetworkRows]


def mixed_integer(statement: Statement) -> MixedInteger:
    """The program of a problem.

    Raises
    ------
    fastexpr.errors.FormulationError
        A part is no algebra that HiGHS reads, or bounds are missing that it needs.
    """
    read = components_read(statement)
    dropped = [entry for entry in statement.networks if is_unread(entry, read, statement)]
    lower, upper = tightened(statement, *statement.bounds(), dropped)
    builder = Builder("bigm")
    builder.n_inputs = statement.n
    x = builder.algebra.add_columns(lower, upper, statement.is_integer())
    columns = builder.algebra.n_columns
    inputs = entries(statement.n, columns, np.arange(statement.n), x)  # of networks: components of x, or what these are
    for definition in statement.definitions:
        if isinstance(definition, Auxiliaries):
            places = definition.places.ravel()
            what = f"the inputs {definition.constraint.name!r}"
            own = written(builder, statement, definition.expression, x, lower, upper, what)
            is_other = np.ones(statement.n, bool)
            is_other[places] = False
            inputs = inputs.kept(is_other) + spread(own, places, statement.n)
        elif not any(definition is other for other in dropped):
            add_network(builder, definition, inputs, x, lower, upper)
    rows = {}
    for constraint in statement.constraints:
        body = written(builder, statement, constraint.expression, x, lower, upper, f"constraint {constraint.name!r}")
        first = builder.algebra.n_rows
        builder.algebra.add_rows(constraint.lower, body, constraint.upper)
        rows[constraint] = np.arange(first, builder.algebra.n_rows)
    builder.products = Products()
    objective = statement.objective if statement.objective is not None else constant(np.asarray(0.0))
    value = written(builder, statement, objective, x, lower, upper, "the objective").scaled(statement.sign)
    return finished(builder, value, rows, dropped)


def components_read(statement: Statement) -> Any:
    """(n,): which components of x the objective, constraints, and inputs of networks read."""
    read = np.zeros(statement.n, bool)
    parts = [constraint.expression for constraint in statement.constraints]
    parts += [] if statement.objective is None else [statement.objective]
    for expression in parts:
        read[statement.compile([expression])[1]] = True
    for entry in statement.networks:
        read[entry.inputs] = True
    return read


def is_unread(entry: NetworkRows, read: Any, statement: Statement) -> bool:
    """Whether a network's outputs are in no row, objective or bound."""
    places = entry.outputs.ravel()
    lower, upper = (side[places] for side in statement.bounds())
    return not read[places].any() and not (np.isfinite(lower) | np.isfinite(upper)).any()


def tightened(
    statement: Statement, low: Array, high: Array, dropped: Sequence[NetworkRows] = ()
) -> tuple[Array, Array]:
    """Bounds of all components: those of networks' outputs, and of their inputs that are expressions, follow."""
    lower, upper = low.copy(), high.copy()
    for entry in statement.definitions:
        if isinstance(entry, Auxiliaries):
            function, used = statement.compile([entry.expression])
            places = entry.places.ravel()
            least, most = function.output_bounds(lower[used], upper[used])
            lower[places] = np.maximum(lower[places], np.where(np.isnan(least), -np.inf, least))
            upper[places] = np.minimum(upper[places], np.where(np.isnan(most), np.inf, most))
        elif not any(entry is other for other in dropped):
            for inputs, outputs in zip(entry.inputs, entry.outputs, strict=True):
                least, most = entry.function.output_bounds(lower[inputs], upper[inputs])
                lower[outputs] = np.maximum(lower[outputs], np.where(np.isnan(least), -np.inf, least))
                upper[outputs] = np.minimum(upper[outputs], np.where(np.isnan(most), np.inf, most))
        crossed = np.flatnonzero(lower > upper)  # by rounding, or nothing is possible: the solver says so
        lower[crossed], upper[crossed] = low[crossed], high[crossed]
    return lower, upper


def add_network(builder: Builder, entry: NetworkRows, inputs: Affine, x: Indices, lower: Array, upper: Array) -> None:
    """Rows that make a network's outputs what it says, place by place."""
    name = entry.formulation or "bigm"
    if name != "bigm":
        raise FormulationError(
            f"[Problem] solver='highs' takes networks as 'bigm': got formulation={name!r}. What to do: leave it out."
        )
    head = without_head(entry.function)
    if head is not None:
        raise FormulationError(
            f"[Problem] the network ends with {head.operator}, which is not linear, and something reads its outputs. "
            "What to do: classified_as(y, label), or a network without it."
        )
    for places, outputs in zip(entry.inputs, entry.outputs, strict=True):
        y = builder.apply(entry.function, inputs.taken(places), lower[places], upper[places])
        own = entries(outputs.size, builder.algebra.n_columns, np.arange(outputs.size), x[outputs])
        builder.algebra.add_rows(0.0, y - own, 0.0)


def written(
    builder: Builder, statement: Statement, expression: Any, x: Indices, lower: Array, upper: Array, what: str
) -> Affine:
    """An expression of the problem's variables, as algebra."""
    function, used = statement.compile([expression])
    z = entries(used.size, builder.algebra.n_columns, np.arange(used.size), x[used])
    try:
        return builder.apply(function, z, lower[used], upper[used])
    except FormulationError as error:
        raise FormulationError(f"[Problem] {what} is not for HiGHS: {error}") from None


def finished(builder: Builder, value: Affine, rows: dict[Any, Indices], dropped: list[NetworkRows]) -> MixedInteger:
    """The program, its objective split into what is linear and what is not."""
    algebra, products = builder.algebra, builder.products.joined() if builder.products is not None else None
    n = algebra.n_columns
    A, row_lower, row_upper = algebra.rows()
    cost = np.zeros(n)
    cost[value.matrix.indices] = value.matrix.data
    quadratic = None
    if products is not None:
        first, second, columns = products
        is_read = np.zeros(n, bool)
        is_read[A.indices] = True
        for part in (first, second):
            is_read[part.matrix.indices] = True
        if is_read[columns].any():
            raise FormulationError(
                "[Problem] the objective is not for HiGHS: products are multiplied once more, or stand in a function "
                "with kinks. What to do: a quadratic objective, or a solver of nonlinear programs."
            )
        weights = cost[columns]
        cost[columns] = 0.0
        is_used = np.flatnonzero(weights != 0.0)
        is_square = first.matrix is second.matrix or same(first, second)
        one = first.taken(is_used)
        other = one if is_square else second.taken(is_used)
        quadratic = Quadratic(one, other, weights[is_used], columns[is_used])
        require_convex(quadratic, n)
    program = LinearProgram(
        algebra.lower, algebra.upper, algebra.is_integer, A, row_lower, row_upper, cost, float(value.constant[0])
    )
    if products is not None:
        program.lower[products[2]], program.upper[products[2]] = 0.0, 0.0  # their values are computed, not looked for
    return MixedInteger(
        builder, program, quadratic if quadratic is None or quadratic.weights.size else None, rows, dropped
    )


def same(first: Affine, second: Affine) -> bool:
    """Whether two are equal, number by number."""
    if first.matrix.nnz != second.matrix.nnz or (first.constant != second.constant).any():
        return False
    return bool(abs(widened(first.matrix, second.matrix.shape[1]) - second.matrix).sum() == 0)


def require_convex(quadratic: Quadratic, n: int) -> None:
    """Raises where the minimization would not be convex."""
    if quadratic.are_squares():
        return
    Q, _, _ = quadratic.matrices(n)
    used = np.unique(Q.indices)
    if not used.size:
        return
    eigenvalues = np.linalg.eigvalsh(Q[used][:, used].toarray())
    if eigenvalues[0] < -CONVEX * max(1.0, abs(eigenvalues).max()):
        raise FormulationError(
            f"[Problem] the objective is not for HiGHS: it is not convex (eigenvalue {eigenvalues[0]:.3g}). What to "
            "do: a convex one, or a solver of nonlinear programs."
        )
