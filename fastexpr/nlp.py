"""A nonlinear program put together from blocks: what a solver asks for, and nothing about any solver.

    minimize f(x)   subject to   constraint_lower <= g(x) <= constraint_upper,   lower <= x <= upper

A block owns some rows of g and says where its derivatives are not zero; `fastexpr.blocks` has the two kinds, algebra
and
networks. The program adds the blocks' entries up in one coordinate list with a fixed structure: every index is
computed once,
before the first iteration.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fastexpr.errors import EvaluationError

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Structure = tuple[Indices, Indices]


class Objective(Protocol):
    """f: one number."""

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


@dataclass
class Evaluations:
    """How often something was computed, and how long that took together."""

    count: int = 0
    seconds: float = 0.0


def new_evaluations() -> dict[str, Evaluations]:
    """One entry per kind, at 0."""
    return {kind: Evaluations() for kind in ("objective", "gradient", "constraints", "jacobian", "hessian")}


@dataclass
class Nlp:
    """The nonlinear program; evaluates each quantity once per point, however often it is asked for.

    Parameters
    ----------
    start, lower, upper : (n,) arrays
        Where to start from, and the bounds of x; infinite where there is none.
    constraint_lower, constraint_upper : (m,) arrays
        The limits of g; equal ones make an equation.
    objective : Objective
        What is minimized.
    blocks : list of Block
        Whose rows together are 0..m-1.
    variable_name, row_name : callables from an index to a text
        What messages call components of x and rows of g.

    Raises
    ------
    fastexpr.errors.EvaluationError
        By every method that evaluates: a result is not finite. The solver can step back.
    """

    start: Vector
    lower: Vector
    upper: Vector
    constraint_lower: Vector
    constraint_upper: Vector
    objective_block: Objective
    blocks: list[Block]
    variable_name: Callable[[int], str] = "x[{}]".format
    row_name: Callable[[int], str] = "constraint {}".format
    evaluations: dict[str, Evaluations] = field(default_factory=new_evaluations)

    def __post_init__(self) -> None:
        self.n = self.start.size
        self.m = self.constraint_lower.size
        self.jacobian_pattern = Pattern(self.n, [block.jacobian_structure() for block in self.blocks])
        self._curved = [block for block in self.blocks if block.hessian_structure()[0].size > 0]
        structures = [self.objective_block.hessian_structure(), *(block.hessian_structure() for block in self._curved)]
        self._objective_is_curved = structures[0][0].size > 0
        self.hessian_pattern = Pattern(self.n, structures)
        self._point: bytes | None = None
        self._known: dict[str, Vector] = {}

    def reset_evaluations(self) -> None:
        """Counts and times start again from 0."""
        self.evaluations = new_evaluations()
        self._point = None

    # ---- what a solver asks for --------------------------------------------------------------------------------------

    def objective(self, x: Vector) -> float:
        """f(x)."""
        return float(self._evaluate("objective", x, lambda: np.array([self.objective_block.value(x)]))[0])

    def gradient(self, x: Vector) -> Vector:
        """(n,): the gradient of f."""
        return self._evaluate("gradient", x, lambda: self.objective_block.gradient(x))

    def constraints(self, x: Vector) -> Vector:
        """(m,): g(x)."""
        return self._evaluate("constraints", x, lambda: self._constraints(x))

    def jacobianstructure(self) -> Structure:
        """Rows and columns of the Jacobian of g, sorted, each place once."""
        return self.jacobian_pattern.rows, self.jacobian_pattern.columns

    def jacobian(self, x: Vector) -> Vector:
        """The Jacobian of g, in the order of its structure."""
        return self._evaluate(
            "jacobian", x, lambda: self.jacobian_pattern.add_up([block.jacobian(x) for block in self.blocks])
        )

    def hessianstructure(self) -> Structure:
        """Rows and columns of the lower triangle of the Hessian of the Lagrangian, sorted, each place once."""
        return self.hessian_pattern.rows, self.hessian_pattern.columns

    def hessian(self, x: Vector, multipliers: Vector, objective_factor: float = 1.0) -> Vector:
        """The second derivatives of objective_factor * f + multipliers @ g, in the order of their structure."""
        self._known.pop("hessian", None)  # the multipliers are others
        if not (math.isfinite(objective_factor) and np.isfinite(multipliers).all()):
            raise EvaluationError("[Problem] the solver's multipliers are not finite.")
        return self._evaluate("hessian", x, lambda: self._hessian(x, multipliers, objective_factor))

    # ---- how ---------------------------------------------------------------------------------------------------------

    def _constraints(self, x: Vector) -> Vector:
        result = np.empty(self.m)
        for block in self.blocks:
            result[block.rows] = block.value(x)
        return result

    def _hessian(self, x: Vector, multipliers: Vector, objective_factor: float) -> Vector:
        if not self._objective_is_curved or objective_factor == 0.0:
            first = np.zeros(self.objective_block.hessian_structure()[0].size)
        else:
            first = self.objective_block.hessian(x, objective_factor)
        return self.hessian_pattern.add_up(
            [first, *(block.hessian(x, multipliers[block.rows]) for block in self._curved)]
        )

    def _evaluate(self, kind: str, x: Vector, compute: Callable[[], Vector]) -> Vector:
        """Solvers ask for f, g and derivatives one by one and do not say whether x is new: x is compared."""
        point = x.tobytes()
        if point != self._point:
            self._require_finite("x", x)
            self._point = point
            self._known.clear()
        if kind not in self._known:
            begin = time.perf_counter()
            self._known[kind] = compute()
            self._known[kind].flags.writeable = False  # handed out more than once
            self.evaluations[kind].count += 1
            self.evaluations[kind].seconds += time.perf_counter() - begin
        values = self._known[kind]
        self._require_finite(kind, values)
        return values

    def _require_finite(self, kind: str, values: Vector) -> None:
        if math.isfinite(values.dot(values)) or np.isfinite(values).all():  # the first is the faster, the second knows
            return
        index = int(np.flatnonzero(~np.isfinite(values))[0])
        raise EvaluationError(f"[Problem] {self._describe(kind, index)} is not finite: got {values[index]}.")

    def _describe(self, kind: str, index: int) -> str:
        if kind == "x":
            return self.variable_name(index)
        if kind == "gradient":
            return f"the derivative of the objective with respect to {self.variable_name(index)}"
        if kind == "constraints":
            return self.row_name(index)
        if kind == "jacobian":
            row, column = int(self.jacobian_pattern.rows[index]), int(self.jacobian_pattern.columns[index])
            return f"the derivative of {self.row_name(row)} with respect to {self.variable_name(column)}"
        if kind == "hessian":
            row, column = int(self.hessian_pattern.rows[index]), int(self.hessian_pattern.columns[index])
            names = f"{self.variable_name(row)} and {self.variable_name(column)}"
            return f"the second derivative of the Lagrangian with respect to {names}"
        return "the objective"
