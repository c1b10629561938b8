"""A nonlinear program: what a solver asks for, and nothing about any solver.

    minimize f(x)   subject to   constraint_lower <= g(x) <= constraint_upper,   lower <= x <= upper

Where f and g come from is another matter: the core's NlpFunctions evaluates them, whoever stated them.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from fastexpr.errors import EvaluationError

if TYPE_CHECKING:
    from fastexpr.nlp.arrays import Arrays

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Structure = tuple[Indices, Indices]


class Functions(Protocol):
    """Objective f and rows g with sparse derivatives; numbers that are not finite are results like others."""

    def objective(self, x: Vector) -> float:
        """f(x)."""
        ...

    def gradient(self, x: Vector) -> Vector:
        """(n,): the gradient of f."""
        ...

    def constraints(self, x: Vector) -> Vector:
        """(m,): g(x)."""
        ...

    def jacobian_structure(self) -> Structure:
        """Rows and columns of the Jacobian of g, each place once."""
        ...

    def jacobian(self, x: Vector) -> Vector:
        """In the order of the structure."""
        ...

    def hessian_structure(self) -> Structure:
        """Rows and columns of the lower triangle of the Hessian of the Lagrangian, each place once."""
        ...

    def hessian(self, x: Vector, multipliers: Vector, objective_factor: float) -> Vector:
        """The second derivatives of objective_factor * f + multipliers @ g, in the order of the structure."""
        ...

    def row_constants(self) -> Vector:
        """(m,): additive constants of g, which a solver may as well have in the limits."""
        ...

    def steps(self, lower: Vector, upper: Vector) -> list[str]:
        """For f, then for each row of g, what is constant piece by piece and moves it while x is between these bounds,
        such as "TreeEnsemble 'forest'"; "" where there is nothing; no entries where there is nothing at all.
        """
        ...


@dataclass
class Evaluations:
    """How often something was computed, and how long that took together."""

    count: int = 0
    seconds: float = 0.0


def new_evaluations() -> dict[str, Evaluations]:
    """One entry per kind, at 0."""
    return {kind: Evaluations() for kind in ("objective", "gradient", "constraints", "jacobian", "hessian")}


@dataclass
class Scale:
    """What is large and small in a program, in its own units.

    Attributes
    ----------
    objective : float
        How far the objective goes within the box, by its slopes.
    widths : (n,) array
        How far the variables go: between their bounds, or as the rows let them.
    rows : (m,) array
        How far the rows go within the box, by their slopes.
    """

    objective: float
    widths: Vector
    rows: Vector


@dataclass
class Nlp:
    """The nonlinear program; evaluates each quantity once per point, however often it is asked for.

    Parameters
    ----------
    start, lower, upper : (n,) arrays
        Where to start from, and the bounds of x; infinite where there is none.
    constraint_lower, constraint_upper : (m,) arrays
        The limits of g; equal ones make an equation.
    functions : Functions
        f, which is minimized, and g.
    variable_name, row_name : callables from an index to a text
        What messages call components of x and rows of g.
    owner : str
        What messages begin with.
    complete : callable from x to x
        Computes components anew that others define, the outputs of networks: at a point (n,), or points (count, n).
    constants : callable, optional
        Returns (m,): additive constants of g; without it, those that the functions know of count.
    arrays : Arrays, optional
        What the functions were compiled from, where networks are in it: other forms of the program are made from that.
    scale : Scale, optional
        What is large and small in it, where somebody has looked.

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
    functions: Functions
    variable_name: Callable[[int], str] = "x[{}]".format
    row_name: Callable[[int], str] = "constraint {}".format
    owner: str = "Problem"
    complete: Callable[[Vector], Vector] = np.array
    constants: Callable[[], Vector] | None = None
    arrays: Arrays | None = None
    scale: Scale | None = None
    evaluations: dict[str, Evaluations] = field(default_factory=new_evaluations)

    def __post_init__(self) -> None:
        self.n = self.start.size
        self.m = self.constraint_lower.size
        self.jacobian_rows, self.jacobian_columns = self.functions.jacobian_structure()
        self.hessian_rows, self.hessian_columns = self.functions.hessian_structure()
        self.form: Any = None  # of fastexpr.solve.form, kept for the next solve
        self.opened: dict[bytes, Any] = {}  # of fastexpr.solve.sensitivity.movement, likewise
        self._point: bytes | None = None
        self._known: dict[str, Vector] = {}

    def reset_evaluations(self) -> None:
        """Counts and times start again from 0."""
        self.evaluations = new_evaluations()
        self._point = None

    def objective_size(self, value: float) -> float:
        """What differences of the objective are relative to, where it has this value: max(1, |value|), or less in small
        units.
        """
        return max(abs(value), 1.0 if self.scale is None else min(1.0, self.scale.objective))

    # ---- what a solver asks for --------------------------------------------------------------------------------------

    def objective(self, x: Vector) -> float:
        """f(x)."""
        return float(self._evaluate("objective", x, lambda: np.array([self.functions.objective(x)]))[0])

    def gradient(self, x: Vector) -> Vector:
        """(n,): the gradient of f."""
        return self._evaluate("gradient", x, lambda: self.functions.gradient(x))

    def constraints(self, x: Vector) -> Vector:
        """(m,): g(x)."""
        return self._evaluate("constraints", x, lambda: self.functions.constraints(x))

    def jacobianstructure(self) -> Structure:
        """Rows and columns of the Jacobian of g, each place once."""
        return self.jacobian_rows, self.jacobian_columns

    def jacobian(self, x: Vector) -> Vector:
        """The Jacobian of g, in the order of its structure."""
        return self._evaluate("jacobian", x, lambda: self.functions.jacobian(x))

    def hessianstructure(self) -> Structure:
        """Rows and columns of the lower triangle of the Hessian of the Lagrangian, each place once."""
        return self.hessian_rows, self.hessian_columns

    def hessian(self, x: Vector, multipliers: Vector, objective_factor: float = 1.0) -> Vector:
        """The second derivatives of objective_factor * f + multipliers @ g, in the order of their structure."""
        self._known.pop("hessian", None)  # the multipliers are others
        if not (math.isfinite(objective_factor) and np.isfinite(multipliers).all()):
            raise EvaluationError(f"[{self.owner}] the solver's multipliers are not finite.")
        return self._evaluate("hessian", x, lambda: self.functions.hessian(x, multipliers, objective_factor))

    def row_constants(self) -> Vector:
        """(m,): additive constants of g."""
        return self.functions.row_constants() if self.constants is None else self.constants()

    def steps(self) -> list[str]:
        """For f, then for each row, what is constant piece by piece and moves it within the bounds; "" for nothing."""
        return self.functions.steps(self.lower, self.upper) or [""] * (1 + self.m)

    def violation(self, x: Vector) -> float:
        """The largest violation of a bound or limit; infinite where the constraints cannot be evaluated."""
        try:
            values = self.constraints(x)
        except EvaluationError:
            return math.inf
        gaps = [self.lower - x, x - self.upper, self.constraint_lower - values, values - self.constraint_upper]
        return float(max(0.0, *(gap.max(initial=0.0) for gap in gaps)))

    def values(self, points: npt.NDArray[np.float64]) -> tuple[Vector, npt.NDArray[np.float64]]:
        """Objectives (count,) and rows (count, m) at points (count, n), networks at all of them together.

        Numbers that are not finite are results here, too; where a function cannot be evaluated they are NaN.
        """
        together = getattr(self.functions, "values", None)
        if together is not None:
            with contextlib.suppress(EvaluationError):  # else one by one, for it is one of them that cannot
                found: tuple[Vector, npt.NDArray[np.float64]] = together(points)
                return found
        objectives, rows = np.full(len(points), np.nan), np.full((len(points), self.m), np.nan)
        for k, x in enumerate(points):
            with contextlib.suppress(EvaluationError):
                objectives[k], rows[k] = self.functions.objective(x), self.functions.constraints(x)
        return objectives, rows

    # ---- how ---------------------------------------------------------------------------------------------------------

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
        if np.isfinite(values).all():
            return
        index = int(np.flatnonzero(~np.isfinite(values))[0])
        raise EvaluationError(f"[{self.owner}] {self._describe(kind, index)} is not finite: got {values[index]}.")

    def _describe(self, kind: str, index: int) -> str:
        if kind == "x":
            return self.variable_name(index)
        if kind == "gradient":
            return f"the derivative of the objective with respect to {self.variable_name(index)}"
        if kind == "constraints":
            return self.row_name(index)
        if kind == "jacobian":
            row, column = int(self.jacobian_rows[index]), int(self.jacobian_columns[index])
            return f"the derivative of {self.row_name(row)} with respect to {self.variable_name(column)}"
        if kind == "hessian":
            row, column = int(self.hessian_rows[index]), int(self.hessian_columns[index])
            names = f"{self.variable_name(row)} and {self.variable_name(column)}"
            return f"the second derivative of the Lagrangian with respect to {names}"
        return "the objective"
