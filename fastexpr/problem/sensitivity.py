"""`Result.sensitivity`: derivatives of a solution with respect to parameters, in the user's terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr.errors import ShapeError
from fastexpr.expression import Expression
from fastexpr.nlp import Indices, Vector
from fastexpr.problem.parameters import as_values, places_of
from fastexpr.solve.sensitivity.conditions import Matrix
from fastexpr.solve.sensitivity.movement import Derivatives, Movement, derivatives
from fastexpr.solve.sensitivity.update import updated
from fastexpr.solvers import Multipliers

if TYPE_CHECKING:
    from fastexpr.problem.result import Result
    from fastexpr.problem.solved import Solved


@dataclass
class Start:
    """A point with multipliers: what `Problem.solve` can start from.

    ``start[x]`` is the value of variables, or of any expression of them.
    """

    x: Vector
    multipliers: Multipliers
    objective: float
    parameters: Vector
    _solved: Solved = field(repr=False)

    def __getitem__(self, expression: Expression) -> Any:
        return self._solved.statement.evaluate(expression, self.x, self.parameters)


class DualSensitivity:
    """Derivatives of multipliers: by what `subject_to` gave, or by y of `network`."""

    def __init__(self, values: Matrix, shape: tuple[int, ...], rows: Any) -> None:
        self._values, self._shape, self._rows = values, shape, rows

    def __getitem__(self, handle: object) -> Any:
        rows = self._rows(handle)
        return self._values[rows].reshape(rows.shape + self._shape)[()]

    def __repr__(self) -> str:
        return f"<derivatives of {len(self._values)} multipliers>"


class Sensitivity:
    """Derivatives of a solution with respect to parameters p, of any shape.

    ``s[x]`` has the shape of x, then that of p; x may be any expression of variables and parameters.

    Attributes
    ----------
    objective : array of the shape of p, or a number
        d objective / d p, of what is minimized or maximized.
    duals : by constraint handle
        d duals / d p.
    met : list of str
        Bounds and constraints that the solution is at, equations left out: derivatives hold while these are met.
    weak : list of str
        Those of them that the solution is not pressed against: with them the derivatives are of one side only.
    message : str
        What is degenerate; "regular" where nothing is.
    is_regular : bool
        Nothing is degenerate.
    """

    def __init__(self, solved: Solved, found: Derivatives, places: Indices, rows_of: Any) -> None:
        self._solved, self._found, self._places = solved, found, places
        self.objective: Any = (solved.sign * found.objective).reshape(places.shape)[()]
        self.duals = DualSensitivity(found.constraints, places.shape, rows_of)
        self.met, self.weak = found.met, found.weak
        parts = [found.problem] if found.problem else []
        if found.weak:
            parts.append(
                f"met, but without force: {', '.join(found.weak[:5])}{', ...' if len(found.weak) > 5 else ''}; on the "
                "other side of the parameters' values the derivatives are others"
            )
        self.is_regular, self.message = not parts, "; ".join(parts) or "regular"

    def __getitem__(self, expression: Expression) -> Any:
        statement, found, p = self._solved.statement, self._found, self._places
        function, used = statement.compile_open([expression])
        n = statement.n
        total = np.zeros((n + statement.n_parameters, p.size))
        total[: len(found.x)] = found.x
        total[n + p.ravel(), np.arange(p.size)] = 1.0
        point = np.append(found.point, np.zeros(n - found.point.size))
        jacobian = function.jacobian(np.append(point, self._solved.all_parameters())[used])
        return (jacobian @ total[used]).reshape(expression.shape + p.shape)[()]

    def at(self, values: Any) -> Start:
        """The first-order update for other values of the parameters: a point with multipliers, and a start.

        Bounds and limits that are crossed on the way are met, and what would pull is let go, so that it is a good start
        also where others are met then.

        Parameters
        ----------
        values : array_like
            Broadcast to the shape of p.

        Raises
        ------
        ValueError
            The derivatives are not unique.
        fastexpr.errors.ShapeError
            The values do not broadcast.
        """
        if self._found.problem:
            raise ValueError(f"[Sensitivity] there is no first-order update: {self._found.problem}.")
        solved, found, p = self._solved, self._found, self._places
        vector = solved.all_parameters()
        new = as_values(values, p.shape, "p")
        step = new - vector[p.ravel()]
        vector[p.ravel()] = new
        lower, upper = solved.moved_bounds(vector)
        x, multipliers = updated(found, step)
        x = np.fmin(np.fmax(x, lower), upper)
        objective = solved.then.objective(found.point) + float(found.objective @ step)
        return Start(x, multipliers, solved.sign * objective, vector, solved)

    def __repr__(self) -> str:
        return f"<Sensitivity to {self._places.size} parameters: {self.message}>"


def sensitivity_of(result: Result, solved: Solved, parameter: Any) -> Sensitivity:
    """See `Result.sensitivity`."""
    statement = solved.statement
    if parameter is None:
        if len(statement.parameters) != 1:
            raise ValueError(
                f"[Result] sensitivity to which of {len(statement.parameters)} parameters? What to do: "
                "sensitivity(price), or sensitivity(np.concatenate([...]))."
            )
        parameter = next(iter(statement.parameters))
    places, _ = places_of(statement, parameter)
    if not result.success:
        raise ValueError(f"[Result] sensitivities are those of a solution: got status {result.status!r}.")
    slots = places.ravel()
    integers = np.flatnonzero(statement.is_integer()[: result.x.size])
    movement = movement_of(solved, slots)
    found = derivatives(solved.then, result.x, result.multipliers, slots, solved.parameters, movement, integers)
    return Sensitivity(solved, found, places, result.duals._rows)


def movement_of(solved: Solved, slots: Indices) -> Movement:
    """Of bounds that are expressions of parameters."""
    n, vector = solved.lower.size, solved.parameters
    motions: list[Matrix | None] = [None, None]
    for entry in solved.statement.variables.values():
        for k, (bound, static) in enumerate(((entry.moving_lower, entry.lower), (entry.moving_upper, entry.upper))):
            if bound is None or entry.offset + entry.leaf.size > n:
                continue
            motion = motions[k]
            if motion is None:
                motion = motions[k] = np.zeros((n, slots.size))
            value = bound.at(vector)
            own = bound.jacobian(vector.size, vector)[:, slots]
            counts = (value > static) if k == 0 else (value < static)
            motion[entry.offset : entry.offset + entry.leaf.size] = np.where(counts[:, None], own, 0.0)
    return Movement(*motions)


def shifted(result: Result, solved: Solved, stages: tuple[Any, ...]) -> Start:
    """See `Result.shifted`."""
    statement, known = solved.statement, result.multipliers
    x, weights = result.x.copy(), known.constraints.copy()
    lower, upper = known.lower.copy(), known.upper.copy()
    outputs = {entry.y for entry in solved.networks}
    for entry in stages:
        parts = list(entry) if isinstance(entry, list | tuple) else [entry]
        variables = [part for part in parts if isinstance(part, Expression)]
        for places in [in_stages([statement.positions(part) for part in variables], entry)]:
            for values in (x, lower, upper):
                values[places] = np.vstack([values[places[1:]], values[places[-1:]]])
        handles = [part for part in parts if not isinstance(part, Expression) or part in outputs]
        rows = in_stages([result.duals._rows(handle) for handle in handles], entry)
        weights[rows] = np.vstack([weights[rows[1:]], weights[rows[-1:]]])
    multipliers = Multipliers(weights, lower, upper, known.found_with)
    return Start(x, multipliers, result.objective, solved.parameters, solved)


def in_stages(parts: list[Indices], given: Any) -> Indices:
    """(stages, size of one): of a list one each, else along the first axis."""
    if not parts:
        return np.zeros((0, 0), dtype=np.int64)
    if not isinstance(given, list | tuple):
        return parts[0].reshape(len(parts[0]) if parts[0].ndim else 1, -1)
    if len({part.shape for part in parts}) > 1:
        shapes = ", ".join(sorted({str(part.shape) for part in parts}))
        raise ShapeError(f"[Result] stages in a list must have one shape: got {shapes}.")
    return np.array([part.ravel() for part in parts])
