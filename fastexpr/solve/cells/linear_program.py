"""Linear programs: by HiGHS, through highspy where that is installed, else through SciPy."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

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


#: A point is at what is nearer than this: for a basis to begin with, which need not be that of a solution.
NEAR = 1e-6


def solve_linear(
    cost: Vector,
    rows: Matrix,
    lower: Vector,
    upper: Vector,
    low: Vector,
    high: Vector,
    start: Vector | None = None,
) -> Optimum | None:
    """The least cost @ x with lower <= rows @ x <= upper and low <= x <= high.

    Parameters
    ----------
    cost : (n,) array
    rows : (m, n) array
    lower, upper : (m,) arrays
    low, high : (n,) arrays
    start : (n,) array, optional
        The solution of a program like this one; HiGHS begins with what it is pressed against.

    Returns
    -------
    Optimum or None
        None where HiGHS finds none.
    """
    if has_highspy():
        return by_highspy(cost, rows, lower, upper, low, high, start)
    return by_scipy(cost, rows, lower, upper, low, high)


@functools.cache
def has_highspy() -> bool:
    """Whether it is installed, and new enough."""
    from fastexpr.solvers.highs import highspy

    try:
        highspy()
    except NotFoundError:
        return False
    return True


def by_highspy(
    cost: Vector,
    rows: Matrix,
    lower: Vector,
    upper: Vector,
    low: Vector,
    high: Vector,
    start: Vector | None = None,
) -> Optimum | None:
    """A tenth of SciPy's time to import, and half of it for a small program."""
    from fastexpr.solvers.highs import LinearProgram

    program = LinearProgram(low, high, np.zeros(cost.size, dtype=bool), by_rows(rows), lower, upper, cost)
    options: dict[str, Any] = {"solver": "simplex", "presolve": "off", **TOLERANCES}
    basis = None if start is None else basis_at(start, rows, lower, upper, low, high)
    if basis is None:
        highs = program.highs(**options)
    else:  # the primal simplex method from a feasible point, the dual one from others
        highs = program.highs(simplex_strategy=0, **options)
        highs.setBasis(basis)
    highs.run()
    if basis is not None and not is_optimal(highs):
        highs = program.highs(**options)
        highs.run()
    if not is_optimal(highs):
        return None
    found = highs.getSolution()
    return Optimum(np.array(found.col_value), np.array(found.row_dual), np.array(found.col_dual))


def is_optimal(highs: Any) -> bool:
    """Whether it ended with a solution."""
    return bool(highs.modelStatusToString(highs.getModelStatus()) == "Optimal")


def by_rows(rows: Matrix) -> Any:
    """As a sparse matrix; most have no zeros at all, and are not searched for them."""
    import scipy.sparse as sparse

    m, n = rows.shape
    if not rows.all():
        return sparse.csr_matrix(rows)
    columns, starts = np.tile(np.arange(n, dtype=np.int32), m), np.arange(0, m * n + 1, max(n, 1), dtype=np.int32)
    return sparse.csr_matrix((rows.ravel(), columns, starts), shape=(m, n))


def basis_at(x: Vector, rows: Matrix, lower: Vector, upper: Vector, low: Vector, high: Vector) -> Any:
    """What holds x, as HiGHS has it; None where that is less than a basis."""
    from fastexpr.solvers.highs import highspy

    module = highspy()
    of_columns, of_rows = sides_of(x, low, high), sides_of(rows @ x, lower, upper)
    if (of_columns == 0).sum() > (of_rows != 0).sum():
        return None
    status = module.HighsBasisStatus
    names = np.array([status.kBasic, status.kLower, status.kUpper], dtype=object)
    basis = module.HighsBasis()
    basis.col_status, basis.row_status = names[of_columns].tolist(), names[of_rows].tolist()
    basis.valid = basis.alien = True  # alien: more may hold x than a basis has
    return basis


def sides_of(values: Vector, lower: Vector, upper: Vector) -> npt.NDArray[np.int64]:
    """1 at the lower limit, 2 at the upper one, 0 elsewhere."""
    sides: npt.NDArray[np.int64] = np.where(values - lower <= NEAR, 1, np.where(upper - values <= NEAR, 2, 0))
    return sides


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
