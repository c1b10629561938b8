"""Linear programs: by HiGHS, through highspy where that is installed, else through SciPy."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastexpr.errors import NotFoundError
from fastexpr.nlp import Vector

Matrix = npt.NDArray[np.float64]

TOLERANCES = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True)
class Optimum:
    """Of a linear program; duals are what the least cost rises by with each unit of a limit or bound."""

    x: Vector
    row_duals: Vector
    column_duals: Vector


def solve_linear(cost: Vector, rows: Matrix, lower: Vector, upper: Vector, low: Vector, high: Vector) -> Optimum | None:
    """The least cost @ x with lower <= rows @ x <= upper and low <= x <= high.

    Parameters
    ----------
    cost : (n,) array
    rows : (m, n) array
    lower, upper : (m,) arrays
    low, high : (n,) arrays

    Returns
    -------
    Optimum or None
        None where HiGHS finds none.
    """
    solver = by_highspy if has_highspy() else by_scipy
    return solver(cost, rows, lower, upper, low, high)


@functools.cache
def has_highspy() -> bool:
    """Whether it is installed, and new enough."""
    from fastexpr.solvers.highs import highspy

    try:
        highspy()
    except NotFoundError:
        return False
    return True


def by_highspy(cost: Vector, rows: Matrix, lower: Vector, upper: Vector, low: Vector, high: Vector) -> Optimum | None:
    """A tenth of SciPy's time to import, and half of it for a small program."""
    import scipy.sparse as sparse

    from fastexpr.solvers.highs import LinearProgram

    program = LinearProgram(low, high, np.zeros(cost.size, dtype=bool), sparse.csr_matrix(rows), lower, upper, cost)
    highs = program.highs(solver="simplex", presolve="off", **TOLERANCES)
    highs.run()
    if highs.modelStatusToString(highs.getModelStatus()) != "Optimal":
        return None
    found = highs.getSolution()
    return Optimum(np.array(found.col_value), np.array(found.row_dual), np.array(found.col_dual))


def by_scipy(cost: Vector, rows: Matrix, lower: Vector, upper: Vector, low: Vector, high: Vector) -> Optimum | None:
    """Needs no further package, but some 0.1 s for the first one."""
    from scipy.optimize import linprog

    is_equation = lower == upper
    is_low, is_high = np.isfinite(lower) & ~is_equation, np.isfinite(upper) & ~is_equation
    n_low = int(is_low.sum())
    found = linprog(
        cost,
        A_ub=np.concatenate([-rows[is_low], rows[is_high]]),
        b_ub=np.concatenate([-lower[is_low], upper[is_high]]),
        A_eq=rows[is_equation],
        b_eq=lower[is_equation],
        bounds=np.column_stack([low, high]),
        method="highs-ds",
        options={"presolve": False, **TOLERANCES},
    )
    if found.status != 0:
        return None
    row_duals = np.zeros(lower.size)
    row_duals[is_equation] = found.eqlin.marginals
    row_duals[is_low] -= found.ineqlin.marginals[:n_low]
    row_duals[is_high] += found.ineqlin.marginals[n_low:]
    return Optimum(np.asarray(found.x), row_duals, found.lower.marginals + found.upper.marginals)
