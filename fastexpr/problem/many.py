"""`fastexpr.solve_many`: a problem for every row of a table, here or by the processes of an executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import fastexpr
from fastexpr.errors import NotFoundError
from fastexpr.expression import Expression
from fastexpr.problem.parameters import places_of
from fastexpr.problem.problem import Problem
from fastexpr.problem.sweep import values_by_name
from fastexpr.solve.many.calls import How, ManyResult, Record, Values, rows_of, said, solve_rows


def solve_many(
    build: Callable[[], Any] | Problem,
    table: Any,
    executor: Any = None,
    workers: int | None = None,
    checkpoint: Any = None,
    *,
    chunk: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    time_limit: float | None = None,
    threads: int = 1,
    **settings: Any,
) -> ManyResult:
    """Solves a problem for each row of a table, in this process, in several, or by a cluster.

    Every solve starts from the problem's own start, so rows do not depend on each other: the table is the same, bit for
    bit, whoever solves it on machines of one kind. (One after another, each from its neighbour, is `fastexpr.sweep`.)

    Parameters
    ----------
    build : callable or Problem
        Called once in each worker: returns the problem, or the problem and its parameters, by column as a dict or in
        the order of the columns. Alone, columns are names of parameters (``price``, ``state[2]``). A Problem travels
        as it is.
    table : DataFrame, dict of columns, or list of dicts
        A row for each solve: the values of the parameters.
    executor : concurrent.futures.Executor or the like, optional
        Where solves run: anything with ``submit(function, *arguments)`` whose futures have `add_done_callback`, such as
        Dask's ``client.get_executor()``. Without it, and without `workers`: this process.
    workers : int, optional
        Another way: so many processes of our own. One that dies or hangs is replaced.
    checkpoint : path, optional
        A file to which finished solves are written. With the same file the next call makes only those that are not in
        it, and those without a result.
    chunk : int, optional
        Rows that travel together.
    progress : callable, optional
        Called with the numbers of solves that are done and of all, now and then; False stops.
    time_limit : float, optional
        Seconds of each solve. A process of `workers` that takes far longer is ended, and the row says "timed_out".
    threads : int, default 1
        Of each worker.
    **settings
        Of each solve, as of `Problem.solve`: solver, effort, options, tol, ...

    Returns
    -------
    ManyResult
        `table`, `to_dict()`, `to_pandas()`, `failed`.

    Raises
    ------
    TypeError, ValueError
        The table or a setting is wrong; `build` returns something else; the checkpoint is of other solves.
    fastexpr.errors.NotFoundError
        A column is no parameter.

    Notes
    -----
    A solve that raises is a row with the status "error". Where a worker dies, what it was doing is done again by
    another one; a row that kills them twice is "crashed".

    Examples
    --------
    >>> import fastexpr as fx
    >>> def build():
    ...     p = fx.Problem()
    ...     price = p.parameters((), name="price")
    ...     x = p.variables((), lower=0.0, name="x")
    ...     p.minimize(price * x + 1.0 / (1.0 + x))
    ...     return p
    >>> found = fx.solve_many(build, {"price": [0.25, 0.04]})
    >>> [round(x, 3) for x in found.to_dict()["x"]], found.success
    ([1.0, 4.0], True)
    """
    if not callable(build) and not isinstance(build, Problem):
        raise TypeError(f"[solve_many] build must be a function, or a Problem: got {type(build).__name__}.")
    for name in ("parameters", "start"):
        if name in settings:
            raise ValueError(
                f"[solve_many] {name} is no setting here: the table has the parameters, the problem starts."
            )
    how = How(executor, workers, checkpoint, chunk, progress, time_limit, threads)
    names, rows = rows_of(table)
    if time_limit is not None:
        settings["time_limit"] = time_limit
    task = ProblemRows(build, names, settings, threads)
    if isinstance(build, Problem):
        task.prepare()  # what is wrong is said before anything travels
    identity = {"build": name_of(build), "columns": names, "settings": {k: repr(v) for k, v in settings.items()}}
    return solve_rows(task, rows, how, identity, names)


def name_of(build: Any) -> str:
    """What a checkpoint calls the problem."""
    if isinstance(build, Problem):
        return repr(build)
    inner = getattr(build, "func", build)
    return f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', type(inner).__name__)}"


class ProblemRows:
    """Solves for values of the parameters; the problem is built at the first one."""

    def __init__(self, build: Any, columns: list[str], settings: dict[str, Any], threads: int) -> None:
        self._build, self._columns, self._settings, self._threads = build, columns, settings, threads
        self._problem: Problem | None = None
        self._keys: list[Any] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_problem": None, "_keys": []}

    def __call__(self, values: Values) -> Record:
        """The record of one solve."""
        if self._problem is None:
            self.prepare()
        assert self._problem is not None
        if fastexpr.num_threads() != self._threads:
            fastexpr.set_num_threads(self._threads)
        try:
            result = self._problem.solve(parameters=dict(zip(self._keys, values, strict=True)), **self._settings)
        except Exception as error:
            return said("error", f"{type(error).__name__}: {error}")
        record = said(str(result.status), result.message) | {"success": bool(result.success)}
        record |= {"objective": float(result.objective), "iterations": int(result.iterations)}
        record["seconds"] = float(result.timings["total"])
        return record | values_by_name(self._problem._statement, result, [*self._columns, *record])

    def prepare(self) -> None:
        """Builds.

        Raises
        ------
        TypeError
            What was built is no problem with parameters.
        fastexpr.errors.NotFoundError
            A column is no parameter.
        """
        built = self._build if isinstance(self._build, Problem) else self._build()
        problem, parameters = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
        if not isinstance(problem, Problem):
            raise TypeError(
                "[solve_many] build must return a Problem, or a Problem and its parameters: got "
                f"{type(built).__name__}."
            )
        if isinstance(parameters, Expression):
            parameters = [parameters]
        if parameters is not None and not isinstance(parameters, Mapping):
            parameters = list(parameters)
            if len(parameters) != len(self._columns):
                raise TypeError(
                    f"[solve_many] build returned {len(parameters)} parameters: expected one for each column, "
                    f"{', '.join(self._columns)}."
                )
            parameters = dict(zip(self._columns, parameters, strict=True))
        keys = []
        for name in self._columns:
            key = name if parameters is None else parameters.get(name)
            if key is None:
                raise NotFoundError(f"[solve_many] build returned no parameter for the column {name!r}.")
            places_of(problem._statement, key)
            keys.append(key)
        self._problem, self._keys = problem, keys
