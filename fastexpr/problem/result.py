"""What `fastexpr.Problem.solve` returns."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr.expression import Expression
from fastexpr.nlp import Evaluations, Vector
from fastexpr.solvers import MetKink, Multipliers, Progress, Stage

if TYPE_CHECKING:
    from fastexpr.problem.sensitivity import Sensitivity, Start
    from fastexpr.problem.solved import Solved
    from fastexpr.solve.results.report import Report
    from fastexpr.solve.results.verify import Verification


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
    conflicts : list of Conflict
        Where no feasible point was found, the rows and bounds that are violated, most violated first: name, violation,
        value, limit. With effort="high" those that cannot be met together where the violations are least, and behind
        them, with violation 0, what stands against them.
    certificate : str
        Of problems with kinks, what is known of the point: "local minimum", "first-order" (no direction leads down to
        first order), "none" (the message says why). Empty where nothing was claimed.
    kinks : list of MetKink
        The kinks that the point is on: unit, argument, multiplier.
    x : (n,) array
        All variables in the order they were made.
    multipliers : Multipliers
        All multipliers, in the order of `Problem.nlp`; NaN of a problem with integers, by HiGHS.
    history : list of Progress
        Every iteration of every stage, as the progress function sees it.
    objective_bound : float or None
        What no point is better than, by ``solver="highs"``.
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
    conflicts: list[Any]
    certificate: str
    kinks: list[MetKink]
    x: Vector
    multipliers: Multipliers
    history: list[Progress]
    _value: Callable[[Expression, Vector], Any]
    _solved: Solved | None
    objective_bound: float | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_value": _left_behind, "_solved": None}

    def value(self, expression: Expression) -> Any:
        """The value of an expression of the problem's variables: an array of its shape, or a number.

        Raises
        ------
        fastexpr.errors.GraphError
            It depends on variables of another problem.
        """
        return self._value(expression, self.x)

    __getitem__ = value

    # ---- whether to believe it ---------------------------------------------------------------------------------------

    def verify(self, onnx: Any = None) -> Verification:
        """Checks the solution by a path that shares nothing with the solve.

        Objective, constraints and networks are written as ONNX models and evaluated by ONNX Runtime, or by ONNX's
        reference evaluator where that is not installed; derivatives are differences of these values. Checked are
        feasibility, the conditions of Karush, Kuhn and Tucker with the multipliers of the solve, and the curvature of
        the Lagrangian along all directions that the active limits leave. The problem counts as it was at the solve.

        Parameters
        ----------
        onnx : path, or dict of paths by network, optional
            The files that networks of `Problem.network` were read from; then these are evaluated instead, so that the
            import is checked, too. Their arithmetic is widened to double.

        Returns
        -------
        Verification
            True where the check succeeds; its text says what was found. At a kink slopes of both sides are looked at,
            and nothing is said about the second order.

        Raises
        ------
        KeyError
            The result was pickled: the problem did not travel with it.
        fastexpr.errors.GraphError, ValueError, TypeError, fastexpr.errors.OnnxError
            `onnx` fits no network of the problem.

        Examples
        --------
        >>> import fastexpr as fx
        >>> p = fx.Problem()
        >>> x = p.variables(2, lower=0.0, upper=[1.0, 3.0])
        >>> p.minimize((x[0] - 2) ** 2 + (x[1] - 1) ** 2)
        >>> check = p.solve().verify()
        >>> check.success, check.second_order
        (True, 'minimum')
        """
        return self._problem().verify(self, onnx)

    def report(self) -> Report:
        """What can be said of the solution at one sight.

        Stages; active bounds and constraints; the largest multipliers; units of networks near their kinks; how far
        inputs of networks are from the edge of the range that these were made for.

        Returns
        -------
        Report
            Its text is the report, a notebook shows tables, and `to_dict()` is for other programs.

        Raises
        ------
        KeyError
            The result was pickled: the problem did not travel with it.
        """
        return self._problem().report(self)

    def shifted(self, *stages: Any) -> Start:
        """A start for the next solve of a moving horizon: each stage takes what the one behind it has; the last stays.

        Parameters
        ----------
        *stages : Expression, constraint, or list of these
            Variables, or outputs of networks, with the stages along their first axis; or a list with one entry for each
            stage. Constraints likewise, for their multipliers; those of a network are moved with its outputs.

        Returns
        -------
        Start
            With multipliers, for ``solve(start=...)``.

        Raises
        ------
        fastexpr.errors.GraphError
            An entry is more than variables.
        fastexpr.errors.ShapeError
            The entries of a list differ in shape.
        KeyError
            A constraint is none of this problem; the result was pickled.

        Examples
        --------
        >>> import fastexpr as fx
        >>> p = fx.Problem()
        >>> u = p.variables((3, 1), lower=0.0)
        >>> p.minimize(((u.ravel() - [1.0, 2.0, 3.0]) ** 2).sum())
        >>> p.solve().shifted(u)[u].round(4).ravel().tolist()
        [2.0, 3.0, 3.0]
        """
        from fastexpr.problem.sensitivity import shifted

        return shifted(self, self._problem(), stages)

    def sensitivity(self, parameter: Expression | str | None = None) -> Sensitivity:
        """How the solution moves with parameters: derivatives of variables, multipliers and objective.

        One system with the matrix of the conditions of Karush, Kuhn and Tucker is solved, at the point that Newton's
        method on them finds near the solution (Fiacco, 1983; Pirnay, Lopez-Negrete and Biegler, 2012). The derivatives
        hold while the same bounds, constraints and kinks are met; integers are fixed at the solution.

        Parameters
        ----------
        parameter : Expression or str, optional
            What `Problem.parameters` gave, a selection, ``np.concatenate([price, state])``, or a name. Without it the
            problem's only parameters.

        Returns
        -------
        Sensitivity
            ``s[x]``, ``s.objective``, ``s.duals[handle]``; ``s.at(values)`` is the first-order update, and a start.
            What is degenerate is said by ``s.message``.

        Raises
        ------
        ValueError
            The result is no solution, or on kinks that do not hold it; `parameter` is left out, and there are several.
        fastexpr.errors.NotFoundError
            There is no such parameter.
        KeyError
            The result was pickled: the problem did not travel with it.

        Examples
        --------
        >>> import fastexpr as fx
        >>> p = fx.Problem()
        >>> a = p.parameters((), value=1.0, name="a")
        >>> x = p.variables(2)
        >>> p.minimize((x**2).sum())
        >>> _ = p.subject_to(x.sum(), equal=a)
        >>> s = p.solve().sensitivity(a)
        >>> s[x].round(6).tolist(), round(float(s.objective), 6)
        ([0.5, 0.5], 1.0)
        """
        from fastexpr.problem.sensitivity import sensitivity_of

        return sensitivity_of(self, self._problem(), parameter)

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, texts, lists and dicts, as JSON takes it: values and multipliers by name, too.

        Raises
        ------
        KeyError
            The result was pickled: the problem did not travel with it.
        """
        from fastexpr.solve.results.report import plain

        solved = self._problem()
        about = {name: getattr(self, name) for name in ("success", "status", "message", "objective", "iterations")}
        about |= {name: getattr(self, name) for name in ("solver", "violation", "relative_violation", "timings")}
        about |= {} if self.objective_bound is None else {"objective_bound": self.objective_bound}
        about |= {"stages": [stage._asdict() for stage in self.stages]}
        about |= {"variables": solved.values_by_name(self), "duals": solved.duals_by_name(self)}
        about |= {"parameters": parameters} if (parameters := solved.parameters_by_name()) else {}
        result: dict[str, Any] = plain(about)
        return result

    def plot(self, figure: Any = None) -> Any:
        """The iterations, and how each network answers to each of its inputs around the solution.

        First objective and infeasibilities over the iterations of all stages. Then, for each network of
        `Problem.network` (the first instances of it), its outputs along each input, the others staying at the solution,
        which is marked; over the network's range or the bounds.

        Parameters
        ----------
        figure : matplotlib Figure, optional
            Where to draw; without it, a new one.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from fastexpr.solve.results.plots import plot_result

        return plot_result(self.history, self._problem().responses(self), figure)

    def _problem(self) -> Solved:
        if self._solved is None:
            _left_behind()
        assert self._solved is not None
        return self._solved

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>" if self._solved is None else self.report()._repr_html_()

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
        if self.objective_bound is not None:
            shown["objective bound"] = self.objective_bound
        width = max(map(len, shown))
        return "\n".join(f"{name:>{width}}: {value}" for name, value in shown.items())


def timings(build: float, solve: float, evaluations: dict[str, Evaluations]) -> dict[str, Any]:
    """The attribute of this name: `solve` is the time of the solver with its evaluations."""
    kinds = {kind: {"count": entry.count, "seconds": entry.seconds} for kind, entry in evaluations.items()}
    evaluating = sum(entry.seconds for entry in evaluations.values())
    return {"build": build, "evaluations": kinds, "solver": max(solve - evaluating, 0.0), "total": build + solve}
