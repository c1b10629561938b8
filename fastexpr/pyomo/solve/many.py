"""`fastexpr.pyomo.solve_many`: a Pyomo model for every row of a table, here or by the processes of an executor."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from pyomo.environ import Objective, SolverFactory, Var, check_optimal_termination, value

import fastexpr
from fastexpr.errors import NotFoundError
from fastexpr.problem.many import name_of
from fastexpr.pyomo.solve.solver import Fastexpr
from fastexpr.solve.many.calls import How, ManyResult, Record, Values, rows_of, said, solve_rows


def solve_many(
    build_model: Callable[[], Any],
    table: Any,
    executor: Any = None,
    workers: int | None = None,
    checkpoint: Any = None,
    *,
    solver: str = "fastexpr",
    chunk: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    time_limit: float | None = None,
    threads: int = 1,
    **settings: Any,
) -> ManyResult:
    """Solves a Pyomo model for each row of a table, in this process, in several, or by a cluster.

    Parameters
    ----------
    build_model : callable
        Called once in each worker: returns the model, or the model and its parameters, by column as a dict. These are
        mutable Params, or variables, which are fixed. Alone, columns are names of such (``price``, ``state[2]``).
    table, executor, workers, checkpoint, chunk, progress, threads
        As of `fastexpr.solve_many`.
    solver : str, default "fastexpr"
        A name that ``pyomo.environ.SolverFactory`` knows.
    time_limit : float, optional
        Seconds of each solve. A process of `workers` that takes far longer is ended. Other solvers than "fastexpr"
        have an option of their own.
    **settings
        Of each solve, as of the solver's `solve`.

    Returns
    -------
    ManyResult
        The variables are those of active blocks, by name.

    Raises
    ------
    TypeError, ValueError
        The table or a setting is wrong; the checkpoint is of other solves.
    fastexpr.errors.NotFoundError
        A column is neither a mutable Param nor a variable.

    Examples
    --------
    >>> import pyomo.environ as pyo, fastexpr.pyomo as fxp
    >>> def build():
    ...     m = pyo.ConcreteModel()
    ...     m.price = pyo.Param(mutable=True, initialize=1.0)
    ...     m.x = pyo.Var(bounds=(0, None), initialize=1.0)
    ...     m.cost = pyo.Objective(expr=m.price * m.x + 1 / (1 + m.x))
    ...     return m
    >>> found = fxp.solve_many(build, {"price": [0.25, 0.04]})
    >>> [round(x, 3) for x in found.to_dict()["x"]], found.success
    ([1.0, 4.0], True)
    """
    if not callable(build_model):
        raise TypeError(f"[solve_many] build_model must be a function: got {type(build_model).__name__}.")
    how = How(executor, workers, checkpoint, chunk, progress, time_limit, threads)
    names, rows = rows_of(table)
    if time_limit is not None and solver == "fastexpr":
        settings["time_limit"] = time_limit
    task = ModelRows(build_model, names, solver, settings, threads)
    said_settings = {"solver": solver, **{name: repr(setting) for name, setting in settings.items()}}
    identity = {"build": name_of(build_model), "columns": names, "settings": said_settings}
    return solve_rows(task, rows, how, identity, names)


class ModelRows:
    """Solves for values of Params and fixed variables; the model is built at the first one."""

    def __init__(
        self, build: Callable[[], Any], columns: list[str], solver: str, settings: dict[str, Any], threads: int
    ) -> None:
        self._build, self._columns, self._threads = build, columns, threads
        self._solver, self._settings = solver, settings
        self._model: Any = None

    def __getstate__(self) -> dict[str, Any]:
        names = ("_build", "_columns", "_threads", "_solver", "_settings")
        return {name: self.__dict__[name] for name in names} | {"_model": None}

    def __call__(self, values: Values) -> Record:
        """The record of one solve."""
        if self._model is None:
            self._prepare()
        if fastexpr.num_threads() != self._threads:
            fastexpr.set_num_threads(self._threads)
        for variable, number in self._starts:
            variable.set_value(number, skip_validation=True)
        begin = time.perf_counter()
        try:
            for part, number in zip(self._parts, values, strict=True):
                if part.is_variable_type():
                    part.fix(number)
                else:
                    part.set_value(number)
            record = self._by_fastexpr() if isinstance(self._own, Fastexpr) else self._by_others()
        except Exception as error:
            return said("error", f"{type(error).__name__}: {error}")
        return {**record, "seconds": time.perf_counter() - begin} | self._variables(record)

    def _prepare(self) -> None:
        built = self._build()
        model, parts = built if isinstance(built, tuple) and len(built) == 2 else (built, {})
        if not hasattr(model, "find_component") or not isinstance(parts, Mapping):
            raise TypeError(
                "[solve_many] build_model must return a model, or a model and a dict of its parameters by column: got "
                f"{type(built).__name__}."
            )
        self._parts = [part_of(model, name, parts.get(name)) for name in self._columns]
        self._starts = [(v, v.value) for v in model.component_data_objects(Var, descend_into=True)]
        self._own: Any = Fastexpr() if self._solver == "fastexpr" else SolverFactory(self._solver)
        self._objective = next(model.component_data_objects(Objective, active=True), None)
        self._model = model

    def _by_fastexpr(self) -> Record:
        results = self._own.solve(
            self._model,
            **{
                "raise_exception_on_nonoptimal_result": False, "load_solutions": False, "progress": False,
                **self._settings,
            },
        )  # fmt: skip
        record = said(results.termination_condition.name, results.extra_info.solver_message)
        is_optimal = results.solution_status.name == "optimal"
        record["iterations"] = int(results.extra_info.iteration_count)
        if results.solution_status.name != "noSolution":
            results.solution_loader.load_vars()
            record["objective"] = self._value()
        return record | {"success": is_optimal, "status": "optimal" if is_optimal else record["status"]}

    def _by_others(self) -> Record:
        results = self._own.solve(self._model, load_solutions=False, **self._settings)
        condition = str(results.solver.termination_condition)
        record = said(condition, str(results.solver.message or condition))
        if check_optimal_termination(results):
            self._model.solutions.load_from(results)
            record |= {"success": True, "objective": self._value()}
        return record

    def _value(self) -> float:
        return 0.0 if self._objective is None else float(value(self._objective))

    def _variables(self, record: Record) -> Record:
        if math.isnan(record["objective"]):
            return {}
        found: Record = {}
        for variable in self._model.component_data_objects(Var, active=True, descend_into=True):
            is_taken = variable.name in record or variable.name in self._columns
            number = math.nan if variable.value is None else float(variable.value)
            found[f"{variable.name} (variable)" if is_taken else variable.name] = number
        return found


def part_of(model: Any, name: str, given: Any) -> Any:
    """The mutable Param or variable that a column means."""
    part = model.find_component(name) if given is None else given
    is_one = part is not None and not (hasattr(part, "is_indexed") and part.is_indexed())
    if not is_one or not (part.is_variable_type() or (part.is_parameter_type() and not part.is_constant())):
        what = "nothing of this name" if part is None else f"{type(part).__name__} {part.name!r}"
        raise NotFoundError(
            f"[solve_many] the column {name!r} is neither a mutable Param nor a variable of the model: got {what}. "
            "Columns are called like single ones: 'price', or 'price[2]'."
        )
    return part
