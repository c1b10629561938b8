"""The linear and the integer program over the rules found so far, solved by HiGHS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from fastexpr.errors import RuleError
from fastexpr.solvers.highs import highspy, new_highs, run_interruptibly

Array = NDArray[np.float64]
Cover = NDArray[np.bool_]


@dataclass(frozen=True)
class Multipliers:
    """A solution of the master problem.

    Attributes
    ----------
    objective : float
        The least Hamming loss of a fractional selection of the known rules.
    rows : (rows,) array
        mu, 0 <= mu <= p: what covering a row is worth.
    price : float
        lambda >= 0: what a unit of complexity costs.
    shares : (rules,) array
        How much of each rule is taken.
    """

    objective: float
    rows: Array
    price: float
    shares: Array


class Master:
    """The linear program that selects rules, in its dual form: a rule is a row, and new ones restart the dual simplex.

        max  sum_i mu_i - C lambda
        s.t. sum_{i covered by k} mu_i - c_k lambda <= h_k   for every rule k
             0 <= mu_i <= p_i,  lambda >= 0

    p_i is the weight of row i that should be covered, c_k the complexity of rule k, h_k the weight of what it covers
    and should not (Dash, Günlük and Wei, "Boolean Decision Rules via Column Generation", NeurIPS 2018).
    """

    def __init__(self, p: Array, max_complexity: int) -> None:
        self._p = p
        self._rows = np.flatnonzero(p)
        self._n = len(self._rows)
        self._highs = new_highs()
        columns = self._n + 1
        self._infinity = highspy().kHighsInf
        self._highs.addVars(columns, np.zeros(columns), np.append(p[self._rows], self._infinity))
        cost = np.append(np.full(self._n, -1.0), float(max_complexity))
        self._highs.changeColsCost(columns, np.arange(columns, dtype=np.int32), cost)

    def add(self, covers: Sequence[Cover], complexities: Sequence[int], losses: Sequence[float]) -> None:
        """More rules: the rows that each covers, c, h."""
        members = [np.append(np.flatnonzero(cover[self._rows]), self._n) for cover in covers]
        values = [np.append(np.ones(len(m) - 1), -float(c)) for m, c in zip(members, complexities, strict=True)]
        starts = np.cumsum([0, *map(len, members)])[:-1].astype(np.int32)
        lower = np.full(len(members), -self._infinity)
        indices, coefficients = np.concatenate(members).astype(np.int32), np.concatenate(values)
        upper = np.array(losses, dtype=np.float64)
        self._highs.addRows(len(members), lower, upper, len(indices), starts, indices, coefficients)

    def solve(self, seconds: float) -> Multipliers | None:
        """None where the time did not suffice."""
        # HiGHS counts the time of an instance over all its runs.
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + max(0.0, float(seconds)))
        self._highs.run()
        status = self._highs.modelStatusToString(self._highs.getModelStatus())
        if status != "Optimal":
            if "imit" in status:
                return None
            raise RuleError(
                f"[BooleanRuleClassifier] HiGHS did not solve the master problem: got the status '{status}'. What to "
                "do: report it, with the data."
            )
        solution = self._highs.getSolution()
        x = np.array(solution.col_value)
        rows = np.zeros(len(self._p))
        rows[self._rows] = np.clip(x[:-1], 0.0, self._p[self._rows])
        shares = np.abs(np.array(solution.row_dual))
        return Multipliers(-self._highs.getInfo().objective_function_value, rows, max(0.0, x[-1]), shares)


def select(
    covers: Cover,
    p: Array,
    losses: Array,
    complexities: NDArray[np.int64],
    max_complexity: int,
    start: Sequence[int],
    n_nodes: int,
    seconds: float,
) -> tuple[list[int], bool]:
    """The selection of least Hamming loss among the rules, as far as HiGHS gets.

    Parameters
    ----------
    covers : (rules, rows) array of bool
    p : (rows,) array
        Weights of the rows that should be covered.
    losses, complexities : (rules,) arrays
    start
        A selection to begin with.
    n_nodes : int
        After so many nodes the best selection so far is taken.

    Returns
    -------
    list of int, bool
        The selection, and whether time ran out.
    """
    rows = np.flatnonzero(p)
    covers, p = covers[:, rows], p[rows]
    k, m = covers.shape
    highs = new_highs()
    highs.setOptionValue("time_limit", max(0.0, float(seconds)))
    highs.setOptionValue("mip_max_nodes", n_nodes)
    pass_selection(highs, covers, np.append(losses, p), complexities, max_complexity)
    first = np.zeros(k + m)
    first[list(start)] = 1.0
    first[k:] = ~covers[list(start)].any(axis=0) if len(start) else 1.0
    solution = highspy().HighsSolution()
    solution.col_value = first.tolist()
    highs.setSolution(solution)
    run_interruptibly(highs)
    is_late = "ime limit" in highs.modelStatusToString(highs.getModelStatus())
    found = highs.getSolution().col_value
    chosen = [j for j in range(k) if found[j] > 0.5] if len(found) else list(start)
    return (chosen if complexities[chosen].sum() <= max_complexity else list(start)), is_late


def pass_selection(
    highs: Any, covers: Cover, cost: Array, complexities: NDArray[np.int64], max_complexity: int
) -> None:
    """The integer program: a binary for each rule, and for each row whether it is lost; a row is covered or lost."""
    k, m = covers.shape
    infinity, integer = highspy().kHighsInf, int(highspy().HighsVarType.kInteger)
    highs.addVars(k + m, np.zeros(k + m), np.ones(k + m))
    highs.changeColsCost(k + m, np.arange(k + m, dtype=np.int32), cost)
    highs.changeColsIntegrality(k, np.arange(k, dtype=np.int32), np.full(k, integer, dtype=np.uint8))
    is_covered = scipy.sparse.hstack([covers.T.astype(np.float64), scipy.sparse.eye_array(m)])
    complexity = scipy.sparse.hstack([complexities[None].astype(np.float64), scipy.sparse.csr_array((1, m))])
    matrix = scipy.sparse.vstack([is_covered, complexity]).tocsr()
    lower = np.append(np.ones(m), -infinity)
    upper = np.append(np.full(m, infinity), float(max_complexity))
    starts, indices = matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32)
    highs.addRows(m + 1, lower, upper, matrix.nnz, starts, indices, matrix.data)
