"""The matrix of the conditions of a solution, and systems with it: what is unique, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastexpr.nlp import Vector

if TYPE_CHECKING:
    from fastexpr.solve.sensitivity.movement import State

Matrix = npt.NDArray[np.float64]

#: Systems worse conditioned than this have no unique solution.
SINGULAR = 1e13

#: Up to this size it is looked at what of a singular system is unique.
LARGEST_DENSE = 2000

#: What does not change by this, relative to its size, is the same.
CLOSE = 1e-8


class System:
    """The matrix of the conditions at a point, in widths of variables and sizes of rows and objective."""

    def __init__(self, state: State, hessian: Any, jacobian: Any, slope: Vector, gap: Vector) -> None:
        import scipy.sparse as sparse

        self.state, self.hessian, self.jacobian = state, hessian, jacobian
        self.free, self.met = np.flatnonzero(state.bound == 0), np.flatnonzero(state.row)
        width, size = state.width[self.free], state.size
        H = sparse.diags(width) @ hessian[self.free][:, self.free] @ sparse.diags(width) / size
        self.A = sparse.diags(1.0 / state.row_size[self.met]) @ jacobian[self.met][:, self.free] @ sparse.diags(width)
        self.matrix = sparse.bmat([[H, self.A.T], [self.A, None]], format="csc")
        if not self.met.size:
            self.matrix = H.tocsc()
        self.slope, self.gap = slope * state.width / size, gap[self.met] / state.row_size[self.met]

    @classmethod
    def at(cls, state: State, x: Vector, w: Vector) -> System:
        import scipy.sparse as sparse

        nlp = state.nlp
        jacobian = sparse.csr_matrix((nlp.jacobian(x), (nlp.jacobian_rows, nlp.jacobian_columns)), shape=(nlp.m, nlp.n))
        rows, columns = nlp.hessian_rows, nlp.hessian_columns
        entries = nlp.hessian(x, w, 1.0)
        below = sparse.csr_matrix((entries, (rows, columns)), shape=(nlp.n, nlp.n))
        hessian = below + sparse.tril(below, -1).T
        values = nlp.constraints(x)
        target = np.where(state.row == 1, nlp.constraint_upper, nlp.constraint_lower)
        gap = np.where(state.row != 0, np.where(np.isfinite(target), target, 0.0) - values, 0.0)
        return cls(state, hessian.tocsr(), jacobian, nlp.gradient(x) + jacobian.T @ w, gap)

    def solve(self, right: Matrix) -> Matrix | None:
        """None where the matrix is singular."""
        from scipy.sparse.linalg import LinearOperator, onenormest, splu

        if not self.matrix.shape[0]:
            return right
        try:
            factors = splu(self.matrix)
            found: Matrix = factors.solve(right)
        except RuntimeError:
            return None
        inverse = LinearOperator(self.matrix.shape, factors.solve, rmatvec=lambda v: factors.solve(v, "T"))
        if abs(self.matrix).sum(axis=0).max() * onenormest(inverse) > SINGULAR:
            return None
        better: Matrix = found + factors.solve(right - self.matrix @ found)
        return better

    def move(self, dx: Matrix, dw: Matrix, L_xp: Matrix, rows: Matrix) -> tuple[str, Any]:
        """Fills in what moves; returns what is not unique, and for which parameters there is no solution."""
        state, free, met = self.state, self.free, self.met
        width, size, row_size = state.width[free][:, None], state.size, state.row_size[met][:, None]
        top = -(L_xp + self.hessian @ dx)[free] * width / size
        bottom = (rows - self.jacobian @ dx)[met] / row_size
        right = np.vstack([top, bottom])
        found, problem, is_missed = self.solve(right), "", np.zeros(right.shape[1], dtype=bool)
        if found is None:
            found, problem, is_missed = self.unique_part(right)
        dx[free] = found[: free.size] * width
        dw[met] = found[free.size :] * size / row_size
        return problem, is_missed

    def unique_part(self, right: Matrix) -> tuple[Matrix, str, Any]:
        """What of the solution is unique; NaN elsewhere, and why."""
        n, total = self.free.size, self.matrix.shape[0]
        if total > LARGEST_DENSE:
            nowhere = np.full(right.shape, np.nan)
            return nowhere, "the conditions of the solution are singular", np.ones(right.shape[1], dtype=bool)
        U, s, V = np.linalg.svd(self.matrix.toarray())
        is_null = s <= s.max(initial=0.0) / SINGULAR * 10.0
        inverse = np.where(is_null, 0.0, 1.0 / np.where(is_null, 1.0, s))
        found: Matrix = V.T @ (inverse[:, None] * (U.T @ right))
        is_missed = abs(self.matrix @ found - right).max(axis=0) > CLOSE * np.maximum(1.0, abs(right).max(axis=0))
        is_open = (abs(V[is_null]) > CLOSE).any(axis=0)
        found[is_open] = np.nan
        found[:, is_missed] = np.nan
        reasons = []
        if is_open[:n].any():
            reasons.append("the solution is not the only one near it: the Lagrangian is not curved in some direction")
        if is_open[n:].any():
            reasons.append("gradients of what is met depend on each other, so that multipliers are not unique")
        if is_missed.any():
            reasons.append("what is met cannot stay met to first order")
        return found, "; ".join(reasons), is_missed
