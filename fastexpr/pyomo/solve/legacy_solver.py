"""The solver 'fastexpr' for Pyomo's classic interface, ``pyomo.environ.SolverFactory``.

Pyomo's wrapper from its new solver interface to the classic one falls short of what models written for the classic one
rely on; what does is replaced here.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pyomo.common.collections import Bunch
from pyomo.contrib.solver.common.base import LegacySolverWrapper
from pyomo.contrib.solver.common.factory import SolverFactory
from pyomo.contrib.solver.common.results import (
    Results,
    SolutionStatus,
    TerminationCondition,
    legacy_solution_status_map,
    legacy_termination_condition_map,
)
from pyomo.contrib.solver.common.util import NoOptimalSolutionError
from pyomo.core.base.label import NumericLabeler
from pyomo.core.base.objective import minimize
from pyomo.core.base.suffix import active_import_suffix_generator
from pyomo.core.base.symbol_map import SymbolMap
from pyomo.opt.base.solvers import OptSolver
from pyomo.opt.results.results_ import SolverResults
from pyomo.opt.results.solution import Solution
from pyomo.opt.results.solution import SolutionStatus as ClassicSolutionStatus
from pyomo.opt.results.solver import SolverStatus
from pyomo.opt.results.solver import TerminationCondition as ClassicCondition

from fastexpr.pyomo.solve.log import logger
from fastexpr.pyomo.solve.solution_loader import FastexprSolutionLoader
from fastexpr.pyomo.solve.solver import Fastexpr, FastexprConfig

if TYPE_CHECKING:
    from fastexpr.pyomo.compile.compiled import CompiledModel

conditions = {
    **legacy_termination_condition_map,
    TerminationCondition.interrupted: ClassicCondition.userInterrupt,
    TerminationCondition.emptyModel: ClassicCondition.other,
}
#: As Pyomo reads the answers of Ipopt and other AMPL solvers: an error is only what leaves no answer.
statuses = {
    **dict.fromkeys(TerminationCondition, SolverStatus.warning),
    TerminationCondition.convergenceCriteriaSatisfied: SolverStatus.ok,
    TerminationCondition.interrupted: SolverStatus.aborted,
    TerminationCondition.error: SolverStatus.error,
}


class LegacyFastexpr(LegacySolverWrapper, Fastexpr):  # type: ignore[misc]
    """``pyomo.environ.SolverFactory("fastexpr")``."""

    #: As classic solvers have them; Pyomo's wrapper would put something here that cannot be copied.
    _capabilities = Bunch(
        linear=True, integer=False, quadratic_objective=True, quadratic_constraint=True, sos1=False, sos2=False
    )

    def __init__(
        self, *, solver_io: str | None = None, executable: str | None = None, validate: bool = True, **kwds: Any
    ) -> None:
        # validate: as other solvers take it, whether an executable is looked for; here is none
        if executable is not None or solver_io not in (None, "python"):  # the factory would swallow an error
            logger.warning(
                f"[Solver 'fastexpr'] runs in this process and takes no notice of executable={executable!r} and "
                f"solver_io={solver_io!r}; solver='cyipopt' or 'pounce' chooses what it runs with."
            )
        super().__init__(**kwds)

    def has_capability(self, cap: str) -> bool:
        """Whether models of this kind are solved: "linear", "quadratic_objective", "integer", ..."""
        return bool(self._capabilities.get(cap, False))

    def warm_start_capable(self) -> bool:
        """Always."""
        return True

    def set_options(self, options: Any) -> None:
        """Sets options for all solves, also from a text, "tol=1e-9 max_iter=100".

        Pyomo's factory hands the constructor's `solver` over in this way, too; the constructor has had it already.
        """
        if not isinstance(options, str):
            super().set_options(options)
            return
        given = OptSolver._options_string_to_dict(options)
        given.pop("solver", None)
        self.options.update(given)

    def solve(
        self,
        model: Any,
        tee: Any = None,
        load_solutions: bool = True,
        logfile: str | os.PathLike[str] | None = None,
        timelimit: float | None = None,
        report_timing: bool = False,
        suffixes: Sequence[str] | None = None,
        options: dict[str, Any] | str | None = None,
        options_string: str = "",
        solver_options: dict[str, Any] | None = None,
        warmstart: bool = False,
        keepfiles: bool = False,
        solnfile: str | None = None,
        solver_io: str | None = None,
        raise_exception_on_nonoptimal_result: bool = False,
        **settings: Any,
    ) -> SolverResults:
        """Solves the model.

        Parameters
        ----------
        model : Block
            A Pyomo model, or one of its blocks.
        tee : bool, stream, logger or list of these, optional
            Where the solver's log goes.
        load_solutions : bool, optional
            If False, the solution is left in the results; ``model.solutions.load_from(results)`` loads it.
        logfile : path, optional
            A file that the log is written to.
        timelimit : float, optional
            In seconds, also as `time_limit`.
        report_timing : bool, optional
            Prints where the time went.
        suffixes : sequence of str, optional
            What else the results hold if nothing is loaded: "dual", "rc", "ipopt_zL_out", "ipopt_zU_out", or regular
            expressions. They always hold what the model has Suffixes for.
        options, options_string, solver_options : optional
            Ipopt's options for this solve; those in ``solver.options`` count for all.
        warmstart : bool, optional
            Start from multipliers, too; see the setting `warm_start`.
        keepfiles, solnfile, solver_io : optional
            Without effect: there are no files.
        raise_exception_on_nonoptimal_result : bool, optional
            Raises NoOptimalSolutionError where there is no optimal solution.
        **settings
            Others of `CONFIG`.
        """
        if options and solver_options:
            raise ValueError("[Solver 'fastexpr'] options and solver_options are the same: give one of them, not both.")
        with opened(logfile) as streams:
            config = self.config(value=settings, preserve_implicit=True)
            if tee is not None:
                config.tee = tee
            config.tee = [*config.tee, *streams]
            if timelimit is not None:
                config.time_limit = timelimit
            config.warm_start = config.warm_start or warmstart
            given = options or solver_options or {}
            if isinstance(given, str):
                given = OptSolver._options_string_to_dict(given)
            config.solver_options.set_value({**OptSolver._options_string_to_dict(options_string), **given})
            without_prefix(config)
            results = self._run(model, config)
        has_solution = results.solution_status != SolutionStatus.noSolution
        if load_solutions and has_solution:
            self._load(results, config)
        if raise_exception_on_nonoptimal_result and results.solution_status != SolutionStatus.optimal:
            raise NoOptimalSolutionError(
                f"{NoOptimalSolutionError.default_message} {results.extra_info.solver_message}"
            )
        if report_timing:
            print(results.timing_info.timer)
        classic = classic_results(model, results, self._compiled)
        if not load_solutions and has_solution:
            names = [name for name, _ in active_import_suffix_generator(model)]
            add_solution(classic, results, [*map(re.escape, names), *(suffixes or ())])
        return classic


@contextlib.contextmanager
def opened(path: str | os.PathLike[str] | None) -> Iterator[list[TextIO]]:
    """The file as a list of streams, empty without one."""
    if path is None:
        yield []
        return
    with Path(path).open("w", encoding="utf-8") as file:
        yield [file]


def without_prefix(config: FastexprConfig) -> None:
    """The classic interface to Ipopt wants some options as OF_name: the name alone is meant."""
    for name in [name for name in config.solver_options if name.startswith("OF_")]:
        config.solver_options[name[3:]] = config.solver_options[name]
        del config.solver_options[name]


def classic_results(model: Any, results: Results, compiled: CompiledModel | None) -> SolverResults:
    """Everything but the solution."""
    classic, about = SolverResults(), results.extra_info
    solver, problem = classic.solver, classic.problem
    solver.name = results.solver_name
    solver.status = statuses[results.termination_condition]
    solver.termination_condition = conditions[results.termination_condition]
    solver.termination_message = str(results.termination_condition)
    solver.message = about.solver_message
    solver.time = solver.wallclock_time = results.timing_info.wall_time
    solver.return_code = 0
    solver.statistics.black_box.number_of_iterations = about.iteration_count
    problem.name = model.name
    problem.number_of_variables = problem.number_of_continuous_variables = about.number_of_variables
    problem.number_of_binary_variables = problem.number_of_integer_variables = 0
    problem.number_of_constraints = about.number_of_constraints
    problem.number_of_nonzeros = about.number_of_nonzeros
    objectives = [] if compiled is None or compiled.objective is None else [compiled.objective]
    problem.number_of_objectives = len(objectives)
    for objective in objectives:
        problem.sense = objective.sense
        bounds = [results.objective_bound, results.incumbent_objective]
        problem.lower_bound, problem.upper_bound = bounds if objective.sense == minimize else bounds[::-1]
    classic.timing_info = results.timing_info.value()
    loader = results.solution_loader
    if isinstance(loader, FastexprSolutionLoader):
        classic.report, classic.verify, classic.sensitivity = loader.report, loader.verify, loader.sensitivity
    if "multistart" in about:
        classic.multistart = about.multistart
    classic._smap_id = None
    return classic


def add_solution(classic: SolverResults, results: Results, suffixes: Iterable[str]) -> None:
    """Puts the solution into the results, for ``model.solutions.load_from``."""
    solution, symbols, loader = Solution(), SymbolMap(NumericLabeler("x")), results.solution_loader
    solution.status = (
        ClassicSolutionStatus.bestSoFar
        if results.termination_condition == TerminationCondition.interrupted
        else legacy_solution_status_map(results)
    )
    solution.message = results.extra_info.solver_message
    for variable, value in loader.get_vars().items():
        solution.variable[symbols.getSymbol(variable)] = {"Value": value}
    for name, values in loader.suffixes().items():
        if any(re.fullmatch(suffix, name) for suffix in suffixes):
            entries = solution.constraint if name == "dual" else solution.variable
            for component, value in values().items():
                entries.setdefault(symbols.getSymbol(component), {})[name[0].upper() + name[1:]] = value
    classic.solution.insert(solution)
    classic._smap_id, classic._smap = id(symbols), symbols


def register() -> None:
    """Makes both of Pyomo's factories know the solver, as 'fastexpr'."""
    factory = SolverFactory.register("fastexpr", doc="Models with networks, compiled and solved in process")
    factory(Fastexpr, LegacyFastexpr)
