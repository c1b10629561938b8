"""HiGHS: instances of it, and linear, integer and convex quadratic programs as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from fastexpr.errors import NotFoundError
from fastexpr.frameworks.libraries import library

Array = npt.NDArray[np.float64]

OLDEST = (1, 10)

#: Feasibility is asked for to the last digits that the simplex method has: a binary that is 1e-6 off opens a unit by
#: that times its bound.
TIGHT: dict[str, Any] = {
    "mip_feasibility_tolerance": 1e-9,
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
}
#: HiGHS's own, for a second look at what is said to be infeasible: presolve's rounding passes 1e-9 now and then.
USUAL: dict[str, Any] = {
    "mip_feasibility_tolerance": 1e-6,
    "primal_feasibility_tolerance": 1e-7,
    "dual_feasibility_tolerance": 1e-7,
}


def highspy(caller: str = "fastexpr.rules", extra: str = "rules") -> Any:
    """HiGHS's module.

    Raises
    ------
    fastexpr.errors.NotFoundError
        It is not installed, or too old.
    """
    module = library(caller, "highspy", [f"'fastexpr[{extra}]'"])
    version = tuple(getattr(module, f"HIGHS_VERSION_{part}", 0) for part in ("MAJOR", "MINOR"))
    if (0, 0) < version < OLDEST:
        raise NotFoundError(f"[{caller}] needs highspy 1.10 or newer: got {version}. pip install -U highspy")
    return module


def new_highs(caller: str = "fastexpr.rules", extra: str = "rules") -> Any:
    """A silent instance. Its number of threads stays at the default: HiGHS refuses instances that differ in it."""

    class SilentHighs(highspy(caller, extra).Highs):  # type: ignore[misc]
        def enableCallbacks(self) -> None:  # noqa: N802
            self.setOptionValue("output_flag", False)  # the constructor calls this, and it would print a banner
            super().enableCallbacks()

    return SilentHighs()


def run_interruptibly(highs: Any) -> None:
    """Run, so that Ctrl-C ends it: in a thread, since HiGHS itself does not listen."""
    highs.HandleUserInterrupt = True
    highs.startSolve()
    try:
        while not highs.wait(0.1)[0]:
            pass
    except BaseException:
        highs.cancelSolve()
        while not highs.wait(0.1)[0]:
            pass
        raise


@dataclass
class LinearProgram:
    """minimize cost @ x + x @ Q @ x / 2 + offset, s.t. row_lower <= A x <= row_upper, lower <= x <= upper.

    Attributes
    ----------
    lower, upper : (n,) arrays
    is_integer : (n,) array of bool
    A : (m, n) sparse array, by rows
    row_lower, row_upper : (m,) arrays
    cost : (n,) array
    offset : float
    Q : (n, n) sparse array, optional
        Symmetric and positive semidefinite.
    """

    lower: Array
    upper: Array
    is_integer: npt.NDArray[np.bool_]
    A: Any
    row_lower: Array
    row_upper: Array
    cost: Array
    offset: float = 0.0
    Q: Any = None

    def highs(self, caller: str = "solver='highs'", /, **options: Any) -> Any:
        """An instance of HiGHS that holds the program.

        Raises
        ------
        ValueError
            HiGHS knows no such option, or not this value.
        """
        module, highs = highspy(caller, "milp"), new_highs(caller, "milp")
        for name, number in options.items():
            if highs.setOptionValue(name, number) != module.HighsStatus.kOk:
                raise ValueError(f"[Solver 'highs'] HiGHS does not know this option, or its value: {name}={number!r}.")
        n = self.lower.size
        # arrays at once: as attributes of a HighsLp, their numbers are converted one by one
        highs.passModel(
            *(n, self.A.shape[0], self.A.nnz, int(module.MatrixFormat.kRowwise), int(module.ObjSense.kMinimize)),
            float(self.offset),
            *(np.asarray(part, dtype=np.float64) for part in (self.cost, self.lower, self.upper)),
            *(np.asarray(part, dtype=np.float64) for part in (self.row_lower, self.row_upper)),
            *(self.A.indptr.astype(np.int32), self.A.indices.astype(np.int32), np.asarray(self.A.data, np.float64)),
            np.where(self.is_integer, int(module.HighsVarType.kInteger), 0).astype(np.int32),
        )
        if self.Q is not None and self.Q.nnz:
            lower = scipy.sparse.tril(self.Q).tocsc()
            hessian = module.HighsHessian()
            hessian.dim_, hessian.format_ = n, module.HessianFormat.kTriangular
            hessian.start_, hessian.index_ = lower.indptr.astype(np.int32), lower.indices.astype(np.int32)
            hessian.value_ = lower.data
            highs.passHessian(hessian)
        return highs

    def solve(self, start: Array | None = None, time_limit: float | None = None, **options: Any) -> Outcome:
        """Solves it; options are HiGHS's."""
        if time_limit is not None:
            options["time_limit"] = float(time_limit)
        highs = self.highs(**{**TIGHT, **options})
        module = highspy()
        if start is not None and np.isfinite(start).all():
            solution = module.HighsSolution()
            solution.col_value = start.tolist()
            highs.setSolution(solution)
        try:
            run_interruptibly(highs)
            is_interrupted = False
        except KeyboardInterrupt:
            is_interrupted = True
        outcome = outcome_of(highs, module, self, is_interrupted)
        if start is not None and outcome.x is not None and not self.is_objective(outcome.objective, outcome.x):
            # HiGHS 1.16 gives the start back where its presolve alone finds the optimum, which it claims.
            return self.solve(None, time_limit, **options)
        if outcome.status == "infeasible" and self.is_integer.any() and not USUAL.keys() <= options.keys():
            return self.solve(start, time_limit, **{**USUAL, **options})
        return outcome

    def is_objective(self, objective: float, x: Array) -> bool:
        """Whether it is that of the point."""
        own = float(self.cost @ x) + self.offset + (0.0 if self.Q is None else 0.5 * float(x @ (self.Q @ x)))
        return abs(own - objective) <= 1e-6 * max(1.0, abs(own))


@dataclass
class Outcome:
    """What HiGHS found.

    Attributes
    ----------
    status : str
        "optimal", "infeasible", "unbounded", "time_limit", "iteration_limit", "interrupted", "other".
    message : str
        HiGHS's own word.
    x : (n,) array or None
    objective, bound : float
        NaN, or infinite, where there is none.
    row_duals, column_duals : arrays
        Of a program without integers; empty otherwise.
    """

    status: str
    message: str
    x: Array | None
    objective: float
    bound: float
    iterations: int
    row_duals: Array = field(default_factory=lambda: np.zeros(0))
    column_duals: Array = field(default_factory=lambda: np.zeros(0))


def outcome_of(highs: Any, module: Any, program: LinearProgram, is_interrupted: bool) -> Outcome:
    """Reads an instance that ran."""
    kinds, found, information = module.HighsModelStatus, highs.getModelStatus(), highs.getInfo()
    statuses = {
        kinds.kOptimal: "optimal",
        kinds.kInfeasible: "infeasible",
        kinds.kUnboundedOrInfeasible: "infeasible",
        kinds.kUnbounded: "unbounded",
        kinds.kTimeLimit: "time_limit",
        kinds.kIterationLimit: "iteration_limit",
        kinds.kSolutionLimit: "iteration_limit",
        kinds.kInterrupt: "interrupted",
        kinds.kModelEmpty: "optimal",
    }
    status = "interrupted" if is_interrupted else statuses.get(found, "other")
    solution = highs.getSolution()
    has_point = information.primal_solution_status == 2 and len(solution.col_value) == program.lower.size
    x = np.array(solution.col_value) if has_point else None
    if found == kinds.kModelEmpty:
        x = np.clip(0.0, program.lower, program.upper)
    objective = float(information.objective_function_value) if x is not None else np.nan
    is_mip = bool(program.is_integer.any())
    bound = float(information.mip_dual_bound) if is_mip else (objective if status == "optimal" else -np.inf)
    count = int(information.mip_node_count if is_mip else information.simplex_iteration_count)
    duals = (np.zeros(0), np.zeros(0))
    if solution.dual_valid and not is_mip:
        duals = np.array(solution.row_dual), np.array(solution.col_dual)
    return Outcome(status, highs.modelStatusToString(found), x, objective, bound, max(count, 0), *duals)
