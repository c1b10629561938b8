"""A nonlinear program as a solver gets it, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.nlp import Nlp, Structure, Vector
from fastexpr.solvers.interior_point import Multipliers, Scaling


class View:
    """A program without what a solver stumbles over; its multipliers and bodies stay the program's own.

    - Additive constants of the rows are moved into the limits, as Pyomo's writer does it: Ipopt relaxes limits, and
      keeps away from them, by shares of their size.
    - Rows without any derivative (a constant, a decision forest) are left out: who moves along derivatives can do
      nothing about them. So are rows without any limit.
    - `n_companions` adds variables t of its own, and t**2 to the objective. Ipopt takes a program with as many
      equations as variables for a system of equations and forgets the objective, and refuses one with more, which is
      wrong where the equations depend on each other.

    Parameters
    ----------
    nlp : Nlp
        The program.
    n_companions : int
        Further variables.
    """

    def __init__(self, nlp: Nlp, n_companions: int = 0) -> None:
        self._nlp, self._n_companions = nlp, n_companions
        self.n = nlp.n + n_companions
        has_derivative = np.zeros(nlp.m, dtype=bool)
        has_derivative[nlp.jacobian_rows] = True
        is_kept = has_derivative & (np.isfinite(nlp.constraint_lower) | np.isfinite(nlp.constraint_upper))
        self._rows = None if is_kept.all() else np.flatnonzero(is_kept)
        self.m = int(is_kept.sum())
        entries = is_kept[nlp.jacobian_rows]
        self._entries = None if entries.all() else np.flatnonzero(entries)
        is_equation = nlp.constraint_lower == nlp.constraint_upper  # there it is the same, but for rounding
        self._constants = self._of_rows(np.where(is_equation, 0.0, nlp.row_constants()))
        self._has_constants = bool(self._constants.any())
        self.constraint_lower = self._of_rows(nlp.constraint_lower) - self._constants
        self.constraint_upper = self._of_rows(nlp.constraint_upper) - self._constants
        self.start = self._with_companions(nlp.start, 0.0)
        self.lower, self.upper = self._with_companions(nlp.lower, -np.inf), self._with_companions(nlp.upper, np.inf)
        number = np.cumsum(is_kept) - 1
        self.jacobian_rows = self._of_entries(number[nlp.jacobian_rows])
        self.jacobian_columns = self._of_entries(nlp.jacobian_columns)
        extra = np.arange(nlp.n, self.n)
        self.hessian_rows = np.concatenate([nlp.hessian_rows, extra])
        self.hessian_columns = np.concatenate([nlp.hessian_columns, extra])

    # ---- what a solver asks for --------------------------------------------------------------------------------------

    def objective(self, x: Vector) -> float:
        """f(x)."""
        own = self._nlp.objective(self._own(x))
        return own + float((x[self._nlp.n :] ** 2).sum()) if self._n_companions else own

    def gradient(self, x: Vector) -> Vector:
        """(n,): the gradient of f."""
        own = self._nlp.gradient(self._own(x))
        return np.append(own, 2.0 * x[self._nlp.n :]) if self._n_companions else own

    def constraints(self, x: Vector) -> Vector:
        """(m,): g(x) without additive constants."""
        values = self._of_rows(self._nlp.constraints(self._own(x)))
        return values - self._constants if self._has_constants else values

    def jacobianstructure(self) -> Structure:
        """Rows and columns of the Jacobian of g."""
        return self.jacobian_rows, self.jacobian_columns

    def jacobian(self, x: Vector) -> Vector:
        """In the order of the structure."""
        entries: Vector = self._of_entries(self._nlp.jacobian(self._own(x)))
        return entries

    def hessianstructure(self) -> Structure:
        """Rows and columns of the lower triangle of the Hessian of the Lagrangian."""
        return self.hessian_rows, self.hessian_columns

    def hessian(self, x: Vector, multipliers: Vector, objective_factor: float) -> Vector:
        """In the order of the structure."""
        if self._rows is not None:
            kept, multipliers = multipliers, np.zeros(self._nlp.m)
            multipliers[self._rows] = kept
        own = self._nlp.hessian(self._own(x), multipliers, objective_factor)
        return self._with_companions(own, 2.0 * objective_factor)

    # ---- there and back ----------------------------------------------------------------------------------------------

    def multipliers(self, given: Multipliers) -> Multipliers:
        """Those of the program, in the solver's terms."""
        lower, upper = (self._with_companions(side, 0.0) for side in (given.lower, given.upper))
        return Multipliers(self._of_rows(given.constraints), lower, upper)

    def scaling(self, given: Scaling) -> Scaling:
        """Factors of the program, in the solver's terms."""
        return Scaling(given.objective, self._with_companions(given.variables, 1.0), self._of_rows(given.constraints))

    def point(self, x: Vector, multipliers: Multipliers) -> tuple[Vector, Multipliers]:
        """A solver's x and multipliers in the program's terms."""
        constraints = multipliers.constraints
        if self._rows is not None:
            constraints = np.zeros(self._nlp.m)
            constraints[self._rows] = multipliers.constraints
        n = self._nlp.n
        return np.array(x[:n]), Multipliers(constraints, multipliers.lower[:n], multipliers.upper[:n])

    def _own(self, x: Vector) -> Vector:
        return x[: self._nlp.n] if self._n_companions else x

    def _with_companions(self, values: Vector, value: float) -> Vector:
        return np.append(values, np.full(self._n_companions, value)) if self._n_companions else values

    def _of_entries(self, values: Any) -> Any:
        return values if self._entries is None else values[self._entries]

    def _of_rows(self, values: Vector) -> Vector:
        return values if self._rows is None else values[self._rows]
