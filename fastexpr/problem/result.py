"""What `fastexpr.Problem.solve` returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastexpr.expression import Expression
from fastexpr.nlp import Evaluations, Vector
from fastexpr.solvers import MetKink, Multipliers, Stage


def _left_behind(*_: object) -> Any:
    raise KeyError(
        "[Result] the problem does not travel with a pickled result. What to do: read result.x and result.multipliers, "
        "or take result[x] before pickling."
    )


class ByVariable:
    """Numbers of the variables: `values[x]` has the shape of x, which may be a selection such as x[3] or x[:, 0]."""

    def __init__(self, values: Vector, positions: Callable[[Expression], Any]) -> None:
        self._values, self._positions = values, positions

    def __getitem__(self, x: Expression) -> Any:
        return self._values[self._positions(x)]

    def __getstate__(self) -> dict[str, Any]:
        return {"_values": self._values, "_positions": _left_behind}

    def __repr__(self) -> str:
        return f"<multipliers of {self._values.size} bounds>"


class ByConstraint:
    """Numbers that belong to the constraints: `values[handle]` has the shape of the constraint's expression."""

    def __init__(self, values: Vector, rows: Callable[[object], Any]) -> None:
        self._values, self._rows = values, rows

    def __getitem__(self, handle: object) -> Any:
        return self._values[self._rows(handle)]

    def __getstate__(self) -> dict[str, Any]:
        return {"_values": self._values, "_rows": _left_behind}

    def __repr__(self) -> str:
        return f"<multipliers of {self._values.size} rows>"


@dataclass(repr=False)
class Result:
    """The solution, or the last iterate where the solver did not succeed.

    `result[x]` is the value of variables, or of any expression of them, in its shape.

    Attributes
    ----------
    success : bool
        The status is "optimal" or "acceptable".
    status : str
        "optimal", "acceptable" (to looser tolerances only), "inexact" (the solver reports success, and the point is no
        solution), "no_derivative" (a part that is constant piece by piece has a say), "infeasible", "iteration_limit",
        "time_limit", "interrupted" (Ctrl-C), "stopped" (by the progress function), "invalid_number", "diverging" and
        others.
    message : str
        The same in words.
    objective : float
        Value of what is minimized or maximized.
    iterations : int
        Of the solver, in all stages together.
    duals : by constraint handle
        The multipliers w of the Lagrangian f + w @ g of the minimization; of a maximization, f is minus the
        objective. By the new variables y of `Problem.network` the multipliers of network(x) - y = 0.
    lower_duals, upper_duals : by variables
        The bounds' multipliers, not negative: grad f + w @ J - lower_duals + upper_duals = 0 at a solution.
    timings : dict
        Seconds: "build" (compiling the problem), "solver" (inside the solver, without evaluations), "evaluations"
        (per kind a dict of "count" and "seconds"), "total".
    solver : str
        The solver that ran.
    violation : float
        Largest violation of a constraint or bound at the solution.
    relative_violation : float
        The same relative to the size of what is violated: of a constraint over its limit, or its largest slope times
        that variable's width, of a bound over the bound, or the width, whichever is larger. At most 1e-6 where
        `success` (or the option constr_viol_tol).
    stages : list of Stage
        What ran, in order: name, iterations, seconds, and the objective and violation of the point that it found.
    certificate : str
        Of problems with kinks, what is known of the point: "local minimum", "first-order" (no direction leads down to
        first order), "none" (the message says why). Empty where nothing was claimed.
    kinks : list of MetKink
        The kinks that the point is on: unit, argument, multiplier.
    x : (n,) array
        All variables in the order they were made.
    multipliers : Multipliers
        All multipliers, in the order of `Problem.nlp`.
    """

    success: bool
    status: str
    message: str
    objective: float
    iterations: int
    duals: ByConstraint
    lower_duals: ByVariable
    upper_duals: ByVariable
    timings: dict[str, Any]
    solver: str
    violation: float
    relative_violation: float
    stages: list[Stage]
    certificate: str
    kinks: list[MetKink]
    x: Vector
    multipliers: Multipliers
    _value: Callable[[Expression, Vector], Any]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_value": _left_behind}

    def value(self, expression: Expression) -> Any:
        """The value of an expression of the problem's variables: an array of its shape, or a number.

        Raises
        ------
        fastexpr.errors.GraphError
            It depends on variables of another problem.
        """
        return self._value(expression, self.x)

    __getitem__ = value

    def __repr__(self) -> str:
        shown = {
            "message": self.message,
            "success": self.success,
            "status": self.status,
            "objective": self.objective,
            "iterations": self.iterations,
            "violation": self.violation,
            "relative violation": self.relative_violation,
            "x": np.array2string(self.x, threshold=8, edgeitems=3, precision=4),
            "solver": self.solver,
            "timings": ", ".join(f"{name} {self.timings[name]:.3g} s" for name in ("build", "solver", "total")),
        }
        for kind, evaluations in self.timings["evaluations"].items():
            shown[f"{kind} evaluations"] = f"{evaluations['count']} in {evaluations['seconds']:.3g} s"
        width = max(map(len, shown))
        return "\n".join(f"{name:>{width}}: {value}" for name, value in shown.items())


def timings(build: float, solve: float, evaluations: dict[str, Evaluations]) -> dict[str, Any]:
    """The attribute of this name: `solve` is the time of the solver with its evaluations."""
    kinds = {kind: {"count": entry.count, "seconds": entry.seconds} for kind, entry in evaluations.items()}
    evaluating = sum(entry.seconds for entry in evaluations.values())
    return {"build": build, "evaluations": kinds, "solver": max(solve - evaluating, 0.0), "total": build + solve}
