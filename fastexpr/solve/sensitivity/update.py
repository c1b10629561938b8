"""A solution for other values of its parameters, to first order: with the bounds and limits that are met then.

What is crossed on the way is met, and what would pull is let go, until neither happens (a primal-dual active-set
method, as in `fastexpr.solve.cells.settling`): the quadratic program that the conditions of the solution are to second
order.
"""

from __future__ import annotations

from copy import copy

import numpy as np

from fastexpr.nlp import Vector
from fastexpr.solve.sensitivity.conditions import Matrix, System
from fastexpr.solve.sensitivity.movement import Derivatives, State
from fastexpr.solvers.interior_point import Multipliers

MOST_CHANGES = 12

#: In widths and sizes of rows and objective: what is crossed, or pulls, by less than this is neither.
SMALL = 1e-9

SOFTNESS = 1e-10


def updated(found: Derivatives, step: Vector) -> tuple[Vector, Multipliers]:
    """The point and the multipliers after this step of the parameters; by the derivatives alone where that fails."""
    update = Update(found, step)
    for _ in range(MOST_CHANGES):
        if not update.solve():
            break
        if not update.change():
            return update.x, update.multipliers()
    known = found.multipliers
    return found.point + found.x @ step, Multipliers(
        known.constraints + found.constraints @ step,
        np.maximum(known.lower + found.lower @ step, 0.0),
        np.maximum(known.upper + found.upper @ step, 0.0),
        known.found_with,
    )


class Update:
    """The quadratic program."""

    def __init__(self, found: Derivatives, step: Vector) -> None:
        local = found.local
        self.state: State = copy(local.state)
        self.state.bound, self.state.row = self.state.bound.copy(), self.state.row.copy()
        nlp, move = self.state.nlp, local.movement

        def moved(values: Vector, motion: Matrix | None) -> Vector:
            return values if motion is None else values + motion @ step

        self.lower, self.upper = moved(nlp.lower, move.lower), moved(nlp.upper, move.upper)
        self.low, self.high = (
            moved(nlp.constraint_lower, self.of_all(move.constraint_lower)),
            moved(nlp.constraint_upper, self.of_all(move.constraint_upper)),
        )
        x = self.state.x
        self.gradient = nlp.gradient(x) + local.L_xp @ step
        self.values = nlp.constraints(x) + local.g_p @ step
        self.found_with = found.multipliers.found_with
        self.x, self.w, self.pull = x, self.state.w, self.gradient

    def of_all(self, motion: Matrix | None) -> Matrix | None:
        """Limits of kinks do not move."""
        n_walls = self.state.nlp.m - self.state.m
        return None if motion is None else np.vstack([motion, np.zeros((n_walls, motion.shape[1]))])

    def solve(self) -> bool:
        """Where the bounds and limits at hand are met; False: there is no such point."""
        import scipy.sparse as sparse
        from scipy.sparse.linalg import splu

        state, nlp = self.state, self.state.nlp
        system = System.at(state, state.x, state.w)
        free, met = system.free, system.met
        d = np.where(state.bound == 1, self.upper, self.lower) - state.x
        d[free] = 0.0
        target = np.where(state.row == 1, self.high, self.low)
        top = -(self.gradient + system.hessian @ d)[free] * state.width[free] / state.size
        bottom = (target - self.values - system.jacobian @ d)[met] / state.row_size[met]
        right = np.concatenate([top, bottom])
        solved = system.solve(right)
        if solved is None:  # rows that nothing is free to meet: softened, they let go of something
            soft = np.append(np.full(free.size, SOFTNESS), np.full(met.size, -SOFTNESS))
            try:
                solved = splu((system.matrix + sparse.diags(soft)).tocsc()).solve(right)
            except RuntimeError:
                return False
        if not np.isfinite(solved).all():
            return False
        d[free] = solved[: free.size] * state.width[free]
        self.w = np.zeros(nlp.m)
        self.w[met] = solved[free.size :] * state.size / state.row_size[met]
        self.x = state.x + d
        self.pull = self.gradient + system.hessian @ d + system.jacobian.T @ self.w
        self.reached = self.values + system.jacobian @ d
        return True

    def change(self) -> bool:
        """Meets what is crossed and lets go what pulls; whether there was anything."""
        state = self.state
        bound, row = state.bound, state.row
        near, gap = SMALL * state.width, SMALL * state.row_size
        below, above = (bound == 0) & (self.x < self.lower - near), (bound == 0) & (self.x > self.upper + near)
        force, weight = self.pull * state.width / state.size, self.w * state.row_size / state.size
        loose = ((bound == -1) & (force < -SMALL)) | ((bound == 1) & (force > SMALL))
        under, over = (row == 0) & (self.reached < self.low - gap), (row == 0) & (self.reached > self.high + gap)
        free = ((row == -1) & (weight > SMALL)) | ((row == 1) & (weight < -SMALL))
        bound[below], bound[above], bound[loose] = -1, 1, 0
        row[under], row[over], row[free] = -1, 1, 0
        return bool(np.any([part.any() for part in (below, above, loose, under, over, free)]))

    def multipliers(self) -> Multipliers:
        """Of the rows and the bounds."""
        bound = self.state.bound
        lower = np.where((bound == -1) | (bound == 2), np.maximum(self.pull, 0.0), 0.0)
        upper = np.where((bound == 1) | (bound == 2), np.maximum(-self.pull, 0.0), 0.0)
        return Multipliers(self.w[: self.state.m], lower, upper, self.found_with)
