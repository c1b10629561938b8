"""A nonlinear program put together from blocks: ordinary algebra, and networks.

A block owns some rows of g and says where its derivatives are not zero. Every index is computed once, before the first
iteration.

Both kinds are Functions of the core. They differ in their structure: algebra is sparse, one Function of all its rows; a
network is dense in its inputs and evaluated as one batch for all its instances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from fastexpr._core import Function
from fastexpr.nlp import Indices, Structure, Vector


class Objective(Protocol):
    """f: one number."""

    def steps(self, lower: Vector, upper: Vector) -> list[str]:
        """What f depends on and is constant piece by piece while x is between these bounds, as the only entry."""
        ...

    def value(self, x: Vector) -> float:
        """f(x)."""
        ...

    def gradient(self, x: Vector) -> Vector:
        """(n,): the gradient of f."""
        ...

    def hessian_structure(self) -> Structure:
        """Rows and columns of the lower triangle of the second derivatives."""
        ...

    def hessian(self, x: Vector, weight: float) -> Vector:
        """The second derivatives of weight * f, in the order of the structure."""
        ...


class Block(Protocol):
    """Some rows of g."""

    def steps(self, lower: Vector, upper: Vector) -> list[str]:
        """For every row, what is constant piece by piece and moves it while x is between these bounds; "" for none."""
        ...

    @property
    def rows(self) -> Indices:
        """Which rows of g, in the order of `value`."""
        ...

    def value(self, x: Vector) -> Vector:
        """The rows' values."""
        ...

    def jacobian_structure(self) -> Structure:
        """Rows of g and columns (components of x) of the first derivatives; a place may come twice, then both count."""
        ...

    def jacobian(self, x: Vector) -> Vector:
        """The first derivatives in the order of the structure."""
        ...

    def hessian_structure(self) -> Structure:
        """Rows and columns of the lower triangle of the second derivatives; a place may come twice."""
        ...

    def hessian(self, x: Vector, weights: Vector) -> Vector:
        """The second derivatives of the rows' weighted sum, in the order of the structure; weights (len(rows),)."""
        ...


class Pattern:
    """One coordinate list for the entries of many blocks; entries at the same place are added.

    Parameters
    ----------
    n_columns : int
        Columns of the matrix.
    structures : sequence of (rows, columns)
        One pair of equally long index arrays per block.
    """

    def __init__(self, n_columns: int, structures: Sequence[Structure]) -> None:
        rows = np.concatenate(
            [np.asarray(rows, dtype=np.int64) for rows, _ in structures] or [np.zeros(0, dtype=np.int64)]
        )
        columns = np.concatenate(
            [np.asarray(columns, dtype=np.int64) for _, columns in structures] or [np.zeros(0, dtype=np.int64)]
        )
        places, position = np.unique(rows * n_columns + columns, return_inverse=True)
        self.rows, self.columns = np.divmod(places, n_columns)
        self.size = int(places.size)
        self._position = position
        self._is_one_to_one = places.size == rows.size

    def add_up(self, values: Sequence[Vector]) -> Vector:
        """(size,): the blocks' values, in the order of the structures given, at their places."""
        joined = np.concatenate(values) if values else np.zeros(0)
        if not self._is_one_to_one:
            sums = np.bincount(self._position, weights=joined, minlength=self.size)
            return sums.astype(np.float64, copy=False)
        result = np.empty(self.size)
        result[self._position] = joined
        return result


class BlockFunctions:
    """Objective and rows of a nonlinear program put together from blocks; entries at the same place are added.

    Parameters
    ----------
    n, m : int
        Numbers of variables and rows.
    objective : Objective
        What is minimized.
    blocks : list of Block
        Whose rows together are 0..m-1.
    row_constants : (m,) array, optional
        Additive constants of the rows; without it, none are known.
    """

    def __init__(
        self, n: int, m: int, objective: Objective, blocks: Sequence[Block], row_constants: Vector | None = None
    ) -> None:
        self.m, self.objective_block, self.blocks = m, objective, blocks
        self._row_constants = np.zeros(m) if row_constants is None else row_constants
        self._jacobian_pattern = Pattern(n, [block.jacobian_structure() for block in blocks])
        self._curved = [block for block in blocks if block.hessian_structure()[0].size > 0]
        structures = [objective.hessian_structure(), *(block.hessian_structure() for block in self._curved)]
        self._objective_is_curved = structures[0][0].size > 0
        self._hessian_pattern = Pattern(n, structures)

    def objective(self, x: Vector) -> float:
        """f(x)."""
        return self.objective_block.value(x)

    def gradient(self, x: Vector) -> Vector:
        """(n,): the gradient of f."""
        return self.objective_block.gradient(x)

    def constraints(self, x: Vector) -> Vector:
        """(m,): g(x)."""
        result = np.empty(self.m)
        for block in self.blocks:
            result[block.rows] = block.value(x)
        return result

    def row_constants(self) -> Vector:
        """(m,): additive constants of g."""
        return self._row_constants

    def steps(self, lower: Vector, upper: Vector) -> list[str]:
        """For f, then for each row, what is constant piece by piece and moves it while x is between these bounds."""
        result = [*self.objective_block.steps(lower, upper), *[""] * self.m]
        for block in self.blocks:
            for row, step in zip(block.rows.tolist(), block.steps(lower, upper), strict=True):
                result[1 + row] = step
        return result

    def jacobian_structure(self) -> Structure:
        """Rows and columns, sorted, each place once."""
        return self._jacobian_pattern.rows, self._jacobian_pattern.columns

    def jacobian(self, x: Vector) -> Vector:
        """The Jacobian of g, in the order of its structure."""
        return self._jacobian_pattern.add_up([block.jacobian(x) for block in self.blocks])

    def hessian_structure(self) -> Structure:
        """Rows and columns of the lower triangle, sorted, each place once."""
        return self._hessian_pattern.rows, self._hessian_pattern.columns

    def hessian(self, x: Vector, multipliers: Vector, objective_factor: float) -> Vector:
        """The second derivatives of objective_factor * f + multipliers @ g, in the order of their structure."""
        if not self._objective_is_curved or objective_factor == 0.0:
            first = np.zeros(self.objective_block.hessian_structure()[0].size)
        else:
            first = self.objective_block.hessian(x, objective_factor)
        return self._hessian_pattern.add_up(
            [first, *(block.hessian(x, multipliers[block.rows]) for block in self._curved)]
        )


def coordinates(pattern: tuple[Indices, Indices]) -> Structure:
    """Rows and columns of a pattern that is given by row starts and columns, in this order."""
    starts, columns = pattern
    rows = np.repeat(np.arange(starts.size - 1, dtype=np.int64), np.diff(starts))
    return rows, columns.astype(np.int64)


class AlgebraObjective:
    """factor * function(x[variables]), of one output.

    Parameters
    ----------
    function : Function
        Of one output.
    variables : (k,) int array, ascending
        Which components of x the function sees.
    n : int
        Length of x.
    factor : float
        -1 where the user maximizes.
    """

    def __init__(self, function: Function, variables: Indices, n: int, factor: float = 1.0) -> None:
        self.function, self.variables, self.n, self.factor = function, variables, n, factor
        rows, columns = coordinates(function._patterns()[1])
        self._lower_triangle = np.flatnonzero(rows >= columns)
        self._structure = variables[rows[self._lower_triangle]], variables[columns[self._lower_triangle]]

    def steps(self, lower: Vector, upper: Vector) -> list[str]:
        """What is constant piece by piece and moves the rows while x is between these bounds."""
        return self.function._steps(lower[self.variables], upper[self.variables])

    def value(self, x: Vector) -> float:
        """The rows (or the objective) at x."""
        return self.factor * float(self.function(x[self.variables])[0])

    def gradient(self, x: Vector) -> Vector:
        """(n,): the gradient."""
        result = np.zeros(self.n)
        result[self.variables] = self.factor * self.function.gradient(x[self.variables])
        return result

    def hessian_structure(self) -> Structure:
        """Rows and columns of the second derivatives in the lower triangle."""
        return self._structure

    def hessian(self, x: Vector, weight: float) -> Vector:
        """The weighted second derivatives in the order of their structure."""
        weights = np.array([self.factor * weight])
        return self.function._hessian_entries(x[self.variables], weights)[self._lower_triangle]


class AlgebraBlock:
    """g[rows] = function(x[variables]).

    Parameters
    ----------
    function : Function
        One output per row.
    variables : (k,) int array, ascending
        Which components of x the function sees.
    rows : int array, as long as the function has outputs
    """

    def __init__(self, function: Function, variables: Indices, rows: Indices) -> None:
        self.function, self.variables, self.rows = function, variables, rows
        jacobian_pattern, hessian_pattern = function._patterns()
        local_rows, columns = coordinates(jacobian_pattern)
        self._jacobian_structure = rows[local_rows], variables[columns]
        local_rows, columns = coordinates(hessian_pattern)
        self._lower_triangle = np.flatnonzero(local_rows >= columns)
        self._hessian_structure = variables[local_rows[self._lower_triangle]], variables[columns[self._lower_triangle]]

    def steps(self, lower: Vector, upper: Vector) -> list[str]:
        """What is constant piece by piece and moves the rows while x is between these bounds."""
        return self.function._steps(lower[self.variables], upper[self.variables])

    def value(self, x: Vector) -> Vector:
        """The rows (or the objective) at x."""
        return self.function(x[self.variables])

    def jacobian_structure(self) -> Structure:
        """Rows of g and components of x of the first derivatives."""
        return self._jacobian_structure

    def jacobian(self, x: Vector) -> Vector:
        """The first derivatives in the order of their structure."""
        return self.function._jacobian_entries(x[self.variables])

    def hessian_structure(self) -> Structure:
        """Rows and columns of the second derivatives in the lower triangle."""
        return self._hessian_structure

    def hessian(self, x: Vector, weights: Vector) -> Vector:
        """The weighted second derivatives in the order of their structure."""
        return self.function._hessian_entries(x[self.variables], weights)[self._lower_triangle]


class NetworkInstances:
    """g[rows[b]] = network(x[inputs[b]]) - x[outputs[b]] for all instances b, evaluated together.

    Parameters
    ----------
    network : Function
        Of n inputs and m outputs.
    inputs : (B, n) int array
        The components of x each instance reads; one may come several times.
    outputs : (B, m) int array
        The components of x that equal the outputs; not among the instance's inputs.
    rows : (B, m) int array
        The rows of g.
    """

    def __init__(self, network: Function, inputs: Indices, outputs: Indices, rows: Indices) -> None:
        self.network, self.inputs, self.outputs = network, inputs, outputs
        self.rows = rows.ravel()
        jacobian_pattern, hessian_pattern = network._patterns()
        self._make_jacobian_structure(coordinates(jacobian_pattern), rows)
        self._make_hessian_structure(coordinates(hessian_pattern))

    def _make_jacobian_structure(self, pattern: Structure, rows: Indices) -> None:
        output, component = pattern
        batch = rows.shape[0]
        self._jacobian_entries = output * self.network.n_inputs + component
        self._jacobian_structure = (
            np.concatenate([rows[:, output].ravel(), rows.ravel()]),
            np.concatenate([self.inputs[:, component].ravel(), self.outputs.ravel()]),
        )
        self._identity = np.full(batch * self.network.n_outputs, -1.0)

    def _make_hessian_structure(self, pattern: Structure) -> None:
        """Of the full n x n matrix, the entries that fall into the lower triangle of the program's Hessian.

        Which of the two mirrored entries that is depends on the instance; both count where an input comes twice.
        """
        row, column = pattern
        rows, columns = self.inputs[:, row], self.inputs[:, column]
        is_lower = (rows >= columns).ravel()
        n = self.network.n_inputs
        instance = np.arange(self.inputs.shape[0], dtype=np.int64)[:, None]
        self._hessian_entries = (instance * n * n + row * n + column).ravel()[is_lower]
        self._hessian_structure = rows.ravel()[is_lower], columns.ravel()[is_lower]

    def steps(self, lower: Vector, upper: Vector) -> list[str]:
        """What is constant piece by piece and moves the rows while x is between these bounds."""
        found: dict[bytes, list[str]] = {}
        result = []
        for low, high in zip(lower[self.inputs], upper[self.inputs], strict=True):
            box = low.tobytes() + high.tobytes()
            if box not in found:
                found[box] = self.network._steps(low, high)
            result += found[box]
        return result

    def value(self, x: Vector) -> Vector:
        """The rows (or the objective) at x."""
        difference: Vector = self.network(x[self.inputs]) - x[self.outputs]
        return difference.ravel()

    def jacobian_structure(self) -> Structure:
        """Rows of g and components of x of the first derivatives."""
        return self._jacobian_structure

    def jacobian(self, x: Vector) -> Vector:
        """The first derivatives in the order of their structure."""
        jacobian = self.network.jacobian(x[self.inputs]).reshape(self.inputs.shape[0], -1)
        return np.concatenate([jacobian[:, self._jacobian_entries].ravel(), self._identity])

    def hessian_structure(self) -> Structure:
        """Rows and columns of the second derivatives in the lower triangle."""
        return self._hessian_structure

    def hessian(self, x: Vector, weights: Vector) -> Vector:
        """The weighted second derivatives in the order of their structure."""
        hessian = self.network.hessian(x[self.inputs], weights.reshape(self.outputs.shape))
        entries: Vector = hessian.reshape(-1)[self._hessian_entries]
        return entries
