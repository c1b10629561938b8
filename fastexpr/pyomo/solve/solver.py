"""The solver 'fastexpr': a whole Pyomo model, networks included, compiled and solved in this process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pyomo.common.config import ADVANCED_OPTION, Bool, ConfigValue, In, document_class_CONFIG, document_configdict
from pyomo.common.gc_manager import PauseGC
from pyomo.common.timing import HierarchicalTimer
from pyomo.contrib.solver.common.base import Availability, PersistentSolverBase
from pyomo.contrib.solver.common.config import PersistentSolverConfig
from pyomo.contrib.solver.common.results import Results, SolutionStatus, TerminationCondition
from pyomo.contrib.solver.common.util import NoOptimalSolutionError, NoSolutionError
from pyomo.core.staleflag import StaleFlagManager

import fastexpr
from fastexpr import solvers
from fastexpr.errors import EvaluationError
from fastexpr.pyomo.rules.cases import best_of, cases_of
from fastexpr.pyomo.solve.log import Log, ProgressLine, Watch
from fastexpr.pyomo.solve.results import fill, without_solver
from fastexpr.pyomo.solve.suffixes import cold_multipliers, first_multipliers, scaling_factors
from fastexpr.solve import Settings, solve
from fastexpr.solvers import Multipliers, Option, Solution
from fastexpr.solvers.checked import warm_start_options

if TYPE_CHECKING:
    from fastexpr.pyomo.compile.compiled import CompiledModel


@document_configdict()
class FastexprConfig(PersistentSolverConfig):  # type: ignore[misc]
    """Pyomo's settings for persistent solvers, and a few more."""

    def __init__(self, **kwds: Any) -> None:
        super().__init__(**kwds)
        self.declare(
            "solver",
            ConfigValue(
                default=None,
                description="'cyipopt' (Ipopt) or 'pounce'. Without it cyipopt where it is installed, else pounce.",
            ),
        )
        self.declare(
            "warm_start",
            ConfigValue(
                domain=Bool,
                default=False,
                description="Start from multipliers, too: those of the Suffixes dual, ipopt_zL_in and ipopt_zU_in, or "
                "else those of the last solve of the same model; and stay near the starting point.",
            ),
        )
        self.declare(
            "initialize",
            ConfigValue(
                domain=Bool,
                default=True,
                description="Where outputs of networks have no values, give them the networks' values at their inputs.",
            ),
        )
        self.declare(
            "presolve",
            ConfigValue(
                domain=Bool,
                default=True,
                description="Whether outputs of networks that only the objective and inequalities use may be put in "
                "their places as expressions, which leads to better minima. What is said, multipliers and warm starts "
                "included, stays in terms of the model.",
            ),
        )
        self.declare(
            "effort",
            ConfigValue(
                domain=In(["low", "normal", "high"]),
                default="normal",
                description="'low' starts once. 'normal' starts again, from the best of 128 points of the bounds' box, "
                "only where the first start has led to no feasible point. 'high' does so in any case and goes on: from "
                "the least sum of violations and the nearest feasible point where none was feasible, and from three "
                "random points; the best counts.",
            ),
        )
        self.declare(
            "kinks",
            ConfigValue(
                domain=In(["cells", "ignore"]),
                default="cells",
                description="What is done about kinks (of ReLU, max, abs, ...): 'cells' solves the model within cells "
                "that have none, from cell to cell, after the solver's first 80 iterations, and says in "
                "extra_info.certificate what is known of the point; 'ignore' leaves the solver alone with them.",
            ),
        )
        self.declare(
            "scaling",
            ConfigValue(
                default="range",
                domain=In(["range", "none"]),
                description="'range': the solver multiplies variables, constraints and the objective, itself, with "
                "factors that make them of size 1 within the variables' bounds or the networks' ranges; entries of a "
                "Suffix scaling_factor count before that, and the option nlp_scaling_method is another way. 'none'.",
            ),
        )
        self.declare(
            "starts",
            ConfigValue(
                default=1,
                description="At most so many solves, from points spread over the bounds, the first one from the "
                "model's values; the best is loaded, and extra_info.multistart, a fastexpr.MultistartResult, has the "
                "distinct optima. Fewer where no further optima are expected.",
            ),
        )
        self.declare(
            "seed",
            ConfigValue(default=0, domain=int, description="Of the points: the same seed gives the same optima."),
        )
        self.declare(
            "executor",
            ConfigValue(
                default=None,
                description="Where the solves from several starts run: any pool with submit(function, *arguments), as "
                "those of concurrent.futures. Without it they run here, one after another.",
            ),
        )
        self.declare(
            "progress",
            ConfigValue(
                default=True,
                description="Whether a solve that takes longer shows a line of progress: on the terminal, else as "
                "messages of the logger 'fastexpr.pyomo'. Or a function that is called with a "
                "fastexpr.solvers.Progress after every iteration and stops the solver by returning False.",
            ),
        )


@document_class_CONFIG(methods=["solve"])
class Fastexpr(PersistentSolverBase):  # type: ignore[misc]
    """Compiles a Pyomo model into a nonlinear program and solves it with Ipopt or pounce, in this process.

    The compiled model is kept: solving the same model again with other values of mutable Params and fixed variables,
    other bounds and starting values compiles nothing. What is looked at before a solve is up to
    ``config.auto_updates``.
    """

    CONFIG = FastexprConfig()

    def __init__(self, **kwds: Any) -> None:
        super().__init__(**kwds)
        self._compiled: CompiledModel | None = None
        self._is_stale = False  # told so by add_constraints and the like
        self._last: Multipliers | None = None

    def __getstate__(self) -> dict[str, Any]:
        """For copies, also those that a model's clone makes of its attributes: what was compiled stays behind."""
        return {**self.__dict__, "_compiled": None, "_is_stale": False, "_last": None}

    # ---- about the solver --------------------------------------------------------------------------------------------

    def available(self) -> Availability:
        """Whether Ipopt (through cyipopt) or pounce is installed."""
        return Availability.FullLicense if solvers.available() else Availability.NotFound

    def version(self) -> tuple[int, ...] | None:
        """Of Ipopt, or of pounce where that is what is used."""
        return solvers.version(solvers.choose(self.config.solver)) if solvers.available() else None

    # ---- changes of the model ----------------------------------------------------------------------------------------

    def set_instance(self, model: Any) -> None:
        """Compiles the model, which `solve` otherwise does at its first call."""
        self._compile(model, has_hessian(self.config))

    def _compile(self, model: Any, has_hessian: bool) -> CompiledModel:
        from fastexpr.pyomo.compile.compiled import compile_model

        self._compiled, self._is_stale, self._last = compile_model(model, has_hessian), False, None
        return self._compiled

    def set_objective(self, obj: Any) -> None:
        """Tells that the objective is another one; the next solve compiles the model again."""
        self._is_stale = True

    def add_constraints(self, cons: Any) -> None:
        """Tells that the model has further constraints; the next solve compiles it again."""
        self._is_stale = True

    def remove_constraints(self, cons: Any) -> None:
        """Tells that the model has fewer constraints; the next solve compiles it again."""
        self._is_stale = True

    def add_block(self, block: Any) -> None:
        """Tells that the model has a further block; the next solve compiles it again."""
        self._is_stale = True

    def remove_block(self, block: Any) -> None:
        """Tells that the model has a block less; the next solve compiles it again."""
        self._is_stale = True

    def update_variables(self, variables: Any) -> None:
        """Reads bounds, starting values and the values of fixed variables again."""
        self.update_parameters()

    def update_parameters(self) -> None:
        """Reads the values of mutable Params again."""
        if self._compiled is not None:
            self._compiled.refresh()

    # ---- solving -----------------------------------------------------------------------------------------------------

    def solve(self, model: Any, **kwds: Any) -> Results:
        """Solves the model.

        Parameters
        ----------
        model : Block
            A Pyomo model, or one of its blocks.
        **kwds
            Settings of this solve alone: see `CONFIG`. `solver_options` are Ipopt's.

        Raises
        ------
        fastexpr.errors.ModelError
            The model has parts that cannot be solved; all are named.
        ValueError
            The solver does not know an option.
        pyomo.contrib.solver.common.util.NoOptimalSolutionError
            There is no optimal solution, and raise_exception_on_nonoptimal_result is on, as it is unless set.
        pyomo.contrib.solver.common.util.NoSolutionError
            There is nothing to load, and load_solutions is on.
        """
        config = self.config(value=kwds, preserve_implicit=True)
        results = self._run(model, config)
        status, condition = results.solution_status, results.termination_condition
        if config.load_solutions and condition == TerminationCondition.interrupted:
            self._load(results, config)
        message = results.extra_info.solver_message
        if config.raise_exception_on_nonoptimal_result and status != SolutionStatus.optimal:
            raise NoOptimalSolutionError(f"{NoOptimalSolutionError.default_message} {message}")
        if config.load_solutions and condition != TerminationCondition.interrupted:
            if status == SolutionStatus.noSolution:
                raise NoSolutionError(f"{NoSolutionError.default_message} {message}")
            self._load(results, config)
        return results

    def _run(self, model: Any, config: FastexprConfig) -> Results:
        """Everything but loading; where the model has rules, for each of their boxes."""
        cases = cases_of(model)
        if cases:
            return best_of(model, cases, config, lambda: self._run_once(model, config))
        return self._run_once(model, config)

    def _run_once(self, model: Any, config: FastexprConfig) -> Results:
        begin = time.perf_counter()
        results = Results()
        results.timing_info.start_timestamp = datetime.now(timezone.utc)
        if config.timer is None:
            config.timer = HierarchicalTimer()
        results.timing_info.timer = config.timer
        results.solver_config = config
        results.solver_name = self.name
        StaleFlagManager.mark_all_as_stale()
        name = solvers.choose(config.solver)
        results.solver_version = solvers.version(name)
        with number_of_threads(config.threads):
            with section(results, "compile"):
                compiled = self._current(model, config)
            if config.initialize:
                with section(results, "initialize"):
                    give_values(compiled)
            compiled.nlp.reset_evaluations()
            solution = without_solver(compiled)
            if solution is None:
                with section(results, "solver"):
                    solution = self._call(name, compiled, config, results)
            with section(results, "results"):
                fill(results, compiled, solution)
        results.timing_info.evaluations = {
            kind: {"count": spent.count, "seconds": spent.seconds} for kind, spent in compiled.nlp.evaluations.items()
        }
        results.timing_info.wall_time = time.perf_counter() - begin
        return results

    def _current(self, model: Any, config: FastexprConfig) -> CompiledModel:
        """The compiled model, with the values that the model has now."""
        compiled = self._compiled
        is_known = compiled is not None and compiled.model is model and not self._is_stale
        is_enough = compiled is not None and (compiled.has_hessian or not has_hessian(config))
        if compiled is None or not (is_known and is_enough and compiled.is_current(**config.auto_updates.value())):
            return self._compile(model, has_hessian(config))
        compiled.refresh()
        return compiled

    def _call(self, name: str, compiled: CompiledModel, config: FastexprConfig, results: Results) -> Solution:
        options, multipliers = self._start(compiled, config)
        method = options.get("nlp_scaling_method")
        is_users = method == "user-scaling"
        factors = scaling_factors(compiled, is_users) if is_users or method is None else None
        callback = config.progress if callable(config.progress) else None
        line = ProgressLine() if config.progress is True and not config.tee else None
        with Log(name, options, config.tee) as log:
            with Watch(log, line, callback) as watch:
                settings = Settings(
                    name,
                    log.options,
                    watch,
                    config.time_limit,
                    factors,
                    log.restart,
                    config.presolve,
                    config.scaling,
                    config.kinks,
                    config.effort,
                )
                if config.starts == 1:
                    solution = solve(compiled.nlp, settings, multipliers)
                else:
                    from fastexpr.pyomo.solve.multistart import from_many_starts

                    solution, found = from_many_starts(compiled, config, settings, multipliers, log.restart)
                    results.extra_info.add("multistart", ConfigValue(found, visibility=ADVANCED_OPTION))
            log.end(solution.message)
            results.solver_log = log.text
        if solution.success:
            self._last = solution.multipliers
        return solution

    def _start(self, compiled: CompiledModel, config: FastexprConfig) -> tuple[dict[str, Option], Multipliers | None]:
        """The solver's options, and the multipliers to start from."""
        options: dict[str, Option] = config.solver_options.value()
        is_warm = options.get("warm_start_init_point", "no") in ("yes", True)
        if not (config.warm_start or is_warm):
            return options, None
        cold, last = cold_multipliers(compiled), self._last if config.warm_start else None
        multipliers = first_multipliers(compiled, last or cold) or last
        if multipliers is None:
            return options, cold if is_warm else None
        return {**warm_start_options, **options} if config.warm_start else options, multipliers

    def _load(self, results: Results, config: FastexprConfig) -> None:
        with section(results, "load"), PauseGC():  # a collector would go through the whole model
            results.solution_loader.load_solution()
        results.timing_info.wall_time += results.timing_info.load


def has_hessian(config: FastexprConfig) -> bool:
    """Whether the solver asks for second derivatives."""
    return bool(config.solver_options.value().get("hessian_approximation") != "limited-memory")


def give_values(compiled: CompiledModel) -> None:
    """Where outputs of networks have no values, the solver starts from the networks'; the model stays as it is."""
    missing = [variable for variable in compiled.variables if variable.value is None]
    if not missing:
        return
    from fastexpr.pyomo.model.initialization import initialize

    with contextlib.suppress(EvaluationError):  # the solver will say so, where it matters
        initialize(compiled.model, overwrite=False)
    compiled.refresh()
    for variable in missing:
        variable.set_value(None)


@contextlib.contextmanager
def section(results: Results, name: str) -> Iterator[None]:
    """A part of the solve; its seconds go into the results and into Pyomo's timer."""
    timer = results.timing_info.timer
    timer.start(name)
    begin = time.perf_counter()
    try:
        yield
    finally:
        results.timing_info[name] = time.perf_counter() - begin
        timer.stop(name)


@contextlib.contextmanager
def number_of_threads(count: int | None) -> Iterator[None]:
    """While this runs, networks are evaluated by so many threads."""
    before = fastexpr.num_threads()
    if count:
        fastexpr.set_num_threads(count)
    try:
        yield
    finally:
        if count:
            fastexpr.set_num_threads(before)
