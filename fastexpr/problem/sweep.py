"""`fastexpr.sweep`: a problem at one value of its parameters after the other, each solve from its neighbour."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastexpr.errors import EvaluationError, ShapeError
from fastexpr.expression import Expression
from fastexpr.nlp import Vector
from fastexpr.problem.parameters import as_values, at, places_of
from fastexpr.problem.problem import Problem
from fastexpr.problem.result import Result
from fastexpr.problem.sensitivity import sensitivity_of
from fastexpr.problem.statement import Statement, element_name
from fastexpr.solve.many.rows import Rows


@dataclass(repr=False)
class SweepResult(Rows):
    """What `fastexpr.sweep` found.

    ``s[x]`` are the values of variables, or of any expression of them and of parameters, at all points: of shape
    (points, *x.shape).

    Attributes
    ----------
    results : list of Result
        One for each point, in order.
    parameters : dict
        By name, the values that were swept: (points, *shape).
    table : list of dict
        A row for each point: parameters, "status", "success", "objective", "iterations", "seconds", and the variables,
        all by name. ``pandas.DataFrame(s.table)`` takes it.
    """

    results: list[Result]
    parameters: dict[str, Vector]
    table: list[dict[str, Any]] = field(default_factory=list)

    @property
    def success(self) -> bool:
        """Whether every solve succeeded."""
        return all(result.success for result in self.results)

    def __getitem__(self, expression: Expression) -> Any:
        return np.array([result[expression] for result in self.results])

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def plot(self, x: Any = None, y: Any = None, axes: Any = None) -> Any:
        """Curves over a parameter, or of one quantity against another (a Pareto front).

        Parameters
        ----------
        x : str or Expression, optional
            A column of the table, or an expression of one number. By default the parameter that was swept, or the
            number of the point where there are several.
        y : str, Expression, or list of these, optional
            Likewise; by default the objective.
        axes : matplotlib Axes, optional
            Where to draw; without it, in a new figure.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ModuleNotFoundError
            matplotlib is not installed.
        KeyError
            There is no such column.
        """
        from fastexpr.solve.results.plots import plot_sweep

        return plot_sweep(self, x, y, axes)

    def column(self, name: Any) -> tuple[str, Vector]:
        """What `plot` draws: its label, and the numbers, (points, any)."""
        if isinstance(name, Expression):
            return "", np.asarray(self[name], dtype=float).reshape(len(self), -1)
        columns = self.to_dict()
        if name not in columns:
            raise KeyError(f"[sweep] the table has no column {name!r}: it has {', '.join(map(repr, columns))}.")
        return name, np.asarray(columns[name], dtype=float).reshape(len(self), 1)

    def __repr__(self) -> str:
        n_failed = sum(not result.success for result in self.results)
        swept = ", ".join(self.parameters)
        iterations = sum(result.iterations for result in self.results)
        failed = f", {n_failed} of them without a solution" if n_failed else ""
        return f"<SweepResult over {swept}: {len(self)} points{failed}, {iterations} iterations>"


def sweep(
    problem: Problem,
    parameters: Mapping[Any, Any],
    *,
    start: Any = None,
    progress: Callable[[int, Result], object] | None = None,
    **settings: Any,
) -> SweepResult:
    """Solves a problem at one value of its parameters after the other, each from its neighbour.

    Each solve starts from the first-order update of the last one that succeeded, where that is known, else from its
    result. A solve that fails is a row like others; what follows starts from the last success. So the order matters:
    along a curve, and from where the problem is easy.

    Parameters
    ----------
    problem : Problem
    parameters : dict
        ``{price: values}``, by what `Problem.parameters` gave, a selection of it or its name, with as many values for
        each: they change together. A grid is `numpy.meshgrid`, flattened.
    start : optional
        Of the first solve, as of `Problem.solve`.
    progress : callable, optional
        Called with the number of the point and its result, after each; the sweep ends where it returns False.
    **settings
        Of each solve, as of `Problem.solve`: solver, effort, options, tol, ...

    Returns
    -------
    SweepResult
        ``s[x]``, ``s.table``, ``s.plot()``.

    Raises
    ------
    fastexpr.errors.NotFoundError
        There is no such parameter.
    fastexpr.errors.ShapeError
        There are no values, or not as many for each parameter; one does not fit.
    ValueError
        A value is NaN; a setting is wrong.

    Examples
    --------
    >>> import fastexpr as fx
    >>> p = fx.Problem()
    >>> weight = p.parameters((), value=0.5, name="weight")
    >>> x = p.variables((), lower=0.0, upper=1.0)
    >>> p.minimize(weight * x**2 + (1 - weight) * (x - 1) ** 2)
    >>> front = fx.sweep(p, {weight: [0.2, 0.5, 0.8]})
    >>> front[x].round(4).tolist(), front.success
    ([0.8, 0.5, 0.2], True)
    """
    statement = problem._statement
    swept = values_of(statement, parameters)
    count = len(next(iter(swept.values())))
    joined: Any = np.concatenate([part_of(statement, key).reshape(-1) for key in swept])
    found = SweepResult([], {place_name(statement, key): np.array(values) for key, values in swept.items()})
    last: Result | None = None
    for k in range(count):
        point = {key: values[k] for key, values in swept.items()}
        begin = start if last is None else predicted(last, joined, np.concatenate([v.ravel() for v in point.values()]))
        result = problem.solve(start=begin, parameters=point, **settings)
        found.results.append(result)
        found.table.append(row_of(statement, point, result))
        last = result if result.success else last
        if result.status in ("interrupted", "stopped") or (progress is not None and progress(k, result) is False):
            break
    return found


def values_of(statement: Statement, parameters: Any) -> dict[Any, Vector]:
    """By parameter, (points, *shape); all of them checked."""
    if not isinstance(parameters, Mapping) or not parameters:
        raise TypeError(f"[sweep] parameters must be a dict, {{price: values}}: got {parameters!r}.")
    swept: dict[Any, Vector] = {}
    for key, values in parameters.items():
        places, name = places_of(statement, key)
        rows = list(values) if isinstance(values, Sequence | np.ndarray) or hasattr(values, "__iter__") else None
        if not rows:
            raise ShapeError(f"[sweep] the parameter {name!r} needs a sequence of values: got {values!r}.")
        swept[key] = np.array([as_values(row, places.shape, name).reshape(places.shape) for row in rows])
    lengths = {place_name(statement, key): len(values) for key, values in swept.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{length} for {name!r}" for name, length in lengths.items())
        raise ShapeError(
            f"[sweep] all parameters need as many values: got {said}. Of a grid: numpy.meshgrid, flattened."
        )
    with at(statement, {key: values[0] for key, values in swept.items()}):
        pass
    return swept


def part_of(statement: Statement, key: Any) -> Any:
    """The expression that a name means."""
    if not isinstance(key, str):
        return key
    place = int(places_of(statement, key)[0].ravel()[0])
    entry = next(own for own in statement.parameters.values() if place < own.offset + own.leaf.size)
    return entry.leaf if entry.name == key else entry.leaf.reshape(-1)[place - entry.offset]


def place_name(statement: Statement, key: Any) -> str:
    """What a parameter is called, or a component of one."""
    places, name = places_of(statement, key)
    return name if places.size != 1 else statement.parameter_name(int(places.ravel()[0]))


def predicted(last: Result, joined: Expression, values: Vector) -> Any:
    """Where the next solve starts."""
    try:
        return sensitivity_of(last, last._problem(), joined).at(values)
    except (EvaluationError, ValueError):  # on kinks, or degenerate: the result will do
        return last


def row_of(statement: Statement, point: Mapping[Any, Vector], result: Result) -> dict[str, Any]:
    """Of the table."""
    row: dict[str, Any] = {}
    for key, values in point.items():
        places, _ = places_of(statement, key)
        names = [statement.parameter_name(int(place)) for place in places.ravel()]
        row.update(zip(names, values.ravel().tolist(), strict=True))
    row |= {"status": result.status, "success": result.success, "objective": float(result.objective)}
    row |= {"iterations": result.iterations, "seconds": result.timings["total"]}
    return row | values_by_name(statement, result, row)


def values_by_name(statement: Statement, result: Result, taken: Collection[str]) -> dict[str, float]:
    """The variables of a result, element by element; such as are called like something else say what they are."""
    values_of_all: dict[str, float] = {}
    own = {entry.variables for entry in statement.parameters.values()}
    for leaf, entry in statement.variables.items():
        if leaf not in own:
            values = result.x[entry.offset : entry.offset + leaf.size].tolist()
            names = [element_name(entry.name, leaf.shape, k) for k in range(leaf.size)]
            names = [f"{name} (variable)" if name in taken else name for name in names]
            values_of_all.update(zip(names, values, strict=True))
    return values_of_all
