"""The program within one cell, as a solver sees it: smooth, with chosen walls as further rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastexpr.nlp import Functions, Nlp, Scale, Structure, Vector
from fastexpr.solve.cells.kinks import unit_name


def cell_program(program: Nlp, functions: Functions, n_walls: int, start: Vector) -> Nlp:
    """The program with these functions and so many further rows, which are at least 0."""
    none, scale = np.zeros(n_walls), program.scale
    return Nlp(
        start=np.clip(start, program.lower, program.upper),
        lower=program.lower,
        upper=program.upper,
        constraint_lower=np.concatenate([program.constraint_lower, none]),
        constraint_upper=np.concatenate([program.constraint_upper, none + np.inf]),
        functions=functions,
        variable_name=program.variable_name,
        row_name=lambda row: program.row_name(row) if row < program.m else wall_name(program, functions, row),
        owner=program.owner,
        evaluations=program.evaluations,
        scale=None if scale is None else Scale(scale.objective, scale.widths, np.append(scale.rows, none + np.inf)),
    )


def wall_name(program: Nlp, cells: Any, row: int) -> str:
    """What messages call the wall of this row."""
    unit = int(cells.chosen[0][row - program.m])
    return f"the kink of {unit_name(program, cells, unit)}"


def elastic_name(program: Nlp, column: int) -> str:
    """What messages call a variable of the elastic program."""
    if column < program.n:
        return program.variable_name(column)
    return f"the violation of {program.row_name((column - program.n) % program.m)}"


@dataclass
class Elastic:
    """Functions of a program whose rows may be violated: row + scale * (p - q), and a price for p and q, at least 0.

    The objective is the sum of p and q. Variables are x, p, q; walls keep their rows as they are.

    Parameters
    ----------
    inner : Functions or _core.CellFunctions
    n : int
        Variables of the program.
    scale : (m,) array
        Of its rows: the sizes that violations are relative to.
    """

    inner: Any
    n: int
    scale: Vector

    def objective(self, x: Vector) -> float:
        return float(x[self.n :].sum())

    def gradient(self, x: Vector) -> Vector:
        return np.append(np.zeros(self.n), np.ones(2 * self.scale.size))

    def constraints(self, x: Vector) -> Vector:
        values = np.array(self.inner.constraints(x[: self.n]))
        m = self.scale.size
        values[:m] += self.scale * (x[self.n : self.n + m] - x[self.n + m :])
        return values

    def jacobian_structure(self) -> Structure:
        rows, columns = self.inner.jacobian_structure()
        m = self.scale.size
        own = np.arange(m)
        return np.concatenate([rows, own, own]), np.concatenate([columns, self.n + own, self.n + m + own])

    def jacobian(self, x: Vector) -> Vector:
        return np.concatenate([self.inner.jacobian(x[: self.n]), self.scale, -self.scale])

    def hessian_structure(self) -> Structure:
        structure: Structure = self.inner.hessian_structure()
        return structure

    def hessian(self, x: Vector, multipliers: Vector, objective_factor: float) -> Vector:
        entries: Vector = self.inner.hessian(x[: self.n], multipliers, 0.0)
        return entries

    def row_constants(self) -> Vector:
        constants: Vector = self.inner.row_constants()
        return constants

    def steps(self, lower: Vector, upper: Vector) -> list[str]:
        return []

    # ---- what the walk asks of cells ---------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def branches(self, x: Vector) -> Any:
        return self.inner.branches(x[: self.n])

    def walls(self, x: Vector) -> Any:
        return self.inner.walls(x[: self.n])

    def wall_gradients(self, x: Vector, units: Any, to: Any) -> Any:
        return self.inner.wall_gradients(x[: self.n], units, to)


def elastic_program(program: Nlp, cells: Any, x: Vector, scale: Vector) -> tuple[Nlp, Elastic]:
    """The program with elastic rows, from x, with p and q such that they hold there."""
    elastic = Elastic(cells, program.n, scale)
    values = program.constraints(x)
    gap = np.maximum(program.constraint_lower - values, 0.0) / scale
    excess = np.maximum(values - program.constraint_upper, 0.0) / scale
    n_slacks = 2 * program.m
    whole = Nlp(
        start=np.concatenate([x, gap, excess]),
        lower=np.append(program.lower, np.zeros(n_slacks)),
        upper=np.append(program.upper, np.full(n_slacks, np.inf)),
        constraint_lower=program.constraint_lower,
        constraint_upper=program.constraint_upper,
        functions=Elastic(program.functions, program.n, scale),
        variable_name=lambda j: elastic_name(program, j),
        row_name=program.row_name,
        owner=program.owner,
        evaluations=program.evaluations,
    )
    return whole, elastic
