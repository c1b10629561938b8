"""How a solution moves with parameters: by one system with the matrix of its conditions, at the exact solution.

    [ H   A' ] [dx]     [ d(grad L)/dp     ]
    [ A   0  ] [dw] = - [ d(g - limit)/dp  ]     A: the rows that are met;  variables at a bound move with that

(Fiacco, Introduction to sensitivity and stability analysis in nonlinear programming, 1983; Pirnay, Lopez-Negrete and
Biegler, Optimal sensitivity based on IPOPT, 2012.) It holds where what is met stays met: where multipliers are not 0,
gradients of what is met do not depend on each other, and the Lagrangian is curved on what they leave. Else it is said.
Kinks that hold the solution are rows like others (`fastexpr.solve.sensitivity.held`), and integers stay where they are.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr.nlp import Indices, Nlp, Vector
from fastexpr.nlp.arrays import PARAMETER, VARIABLE, Arrays
from fastexpr.solve.definitions import Nodes
from fastexpr.solve.sensitivity.conditions import Matrix, System
from fastexpr.solve.sensitivity.held import fixed, held, known
from fastexpr.solvers.interior_point import Multipliers
from fastexpr.solvers.verification import Measure

#: Gaps and forces relative to width and objective, below which what is met and pulls at nothing is weakly so.
WEAK = 1e-6

MOST_STEPS = 8


@dataclass
class Movement:
    """How bounds and limits move with k parameters; None: not at all.

    Attributes
    ----------
    lower, upper : (n, k) arrays
    constraint_lower, constraint_upper : (m, k) arrays
    """

    lower: Matrix | None = None
    upper: Matrix | None = None
    constraint_lower: Matrix | None = None
    constraint_upper: Matrix | None = None


@dataclass
class Derivatives:
    """Of the solution, with respect to k parameters.

    Attributes
    ----------
    x : (n, k) array
    constraints, lower, upper : (m, k), (n, k), (n, k) arrays
        Of the multipliers.
    objective : (k,) array
        Of the minimization.
    point, multipliers
        The solution to rounding.
    met, weak : list of str
        Bounds, rows and kinks that the solution is at, and those of them that it is not pressed against: derivatives
        are of one side only.
    problem : str
        What makes derivatives not unique; empty for none. Those are NaN.
    local : Local
        What they were found from.
    """

    x: Matrix
    constraints: Matrix
    lower: Matrix
    upper: Matrix
    objective: Vector
    point: Vector
    multipliers: Multipliers
    local: Local
    met: list[str] = field(default_factory=list)
    weak: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass
class Local:
    """The program near a solution: L_xp (n, k), g_p (m, k) are derivatives of the Lagrangian's gradient and of rows."""

    state: State
    L_xp: Matrix
    g_p: Matrix
    movement: Movement


def arrays_of(functions: Any) -> Arrays:
    """What a program was compiled from."""
    parts = functions.__reduce_ex__(4)[1]
    return replace(Arrays(*parts[:9]), parameters=parts[10])


def opened(nlp: Nlp, slots: Indices) -> Any:
    """The functions with some of the parameters as variables behind x; kept."""
    key = slots.tobytes()
    if key not in nlp.opened:
        arrays = arrays_of(nlp.functions)
        place = np.full(arrays.n_parameters, -1, dtype=np.int64)
        place[slots] = arrays.n + np.arange(slots.size)

        def moved(operands: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
            result = operands.copy()
            is_parameter = operands & 3 == PARAMETER
            new = place[operands[is_parameter] >> 2]
            result[is_parameter] = np.where(new >= 0, new * 4 + VARIABLE, operands[is_parameter])
            return result

        operands, is_number = arrays.operands.copy(), ~Nodes(arrays).is_raw
        operands[is_number] = moved(operands[is_number])
        nlp.opened[key] = replace(
            arrays,
            operands=operands,
            n=arrays.n + int(slots.size),
            objective=int(moved(np.array([arrays.objective], dtype=np.int32))[0]),
            rows=moved(arrays.rows),
        ).compile()
    return nlp.opened[key]


def derivatives(
    nlp: Nlp,
    x: Vector,
    multipliers: Multipliers,
    slots: Indices,
    parameters: Vector,
    movement: Movement,
    integers: Indices | None = None,
) -> Derivatives:
    """Of a solution of the program, with respect to parameters.

    Parameters
    ----------
    nlp : Nlp
        With the bounds and limits of the solution, and functions with its parameters.
    x, multipliers
        The solution.
    slots : (k,) array
        Which parameters of the functions; -1: of bounds and limits only.
    parameters : (all of them,) array
        Their values.
    movement : Movement
        Of bounds and limits.
    integers : array of indices, optional
        Of variables that stay where they are.

    Raises
    ------
    fastexpr.errors.EvaluationError
        Something is not finite there.
    fastexpr.errors.ModelError
        The solution is on kinks that do not hold it, or is none.
    """
    if integers is not None and integers.size:
        nlp = copy(nlp)
        x, multipliers = fixed(nlp, x, integers), replace(multipliers)
    on_kinks = held(nlp, x, multipliers)
    if on_kinks is not None:
        nlp, multipliers = on_kinks.nlp, on_kinks.multipliers
    else:
        multipliers = known(nlp, x, multipliers)
    state = State(nlp, x, multipliers, 0 if on_kinks is None else on_kinks.n_walls)
    state.settle()
    inside = np.flatnonzero(slots >= 0)
    functions = opened(nlp if on_kinks is None else on_kinks.program, slots[inside])
    functions.set_parameters(parameters)
    if on_kinks is not None:
        functions = on_kinks.frozen(functions)
    found = state.derivatives(functions, parameters[slots[inside]], inside, slots.size, movement)
    if on_kinks is not None:
        motion = np.vstack([found.x, np.eye(slots.size)[inside]])
        on_kinks.require_held(functions, np.append(found.point, parameters[slots[inside]]), motion)
    return found


class State:
    """A solution with what it meets, settled by Newton's method on that."""

    def __init__(self, nlp: Nlp, x: Vector, multipliers: Multipliers, n_walls: int = 0) -> None:
        self.nlp, self.x, self.w, self.m = nlp, x.copy(), multipliers.constraints.copy(), nlp.m - n_walls
        self.found_with = multipliers.found_with
        measure = Measure(nlp, x)
        self.width = np.where(measure.width > 0.0, measure.width, 1.0)
        self.size = measure.objective_size
        self.row_size = np.where(measure.row_size > 0.0, measure.row_size, 1.0)
        low, high = (x - nlp.lower) / self.width, (nlp.upper - x) / self.width
        forces = (side * self.width / self.size for side in (multipliers.lower, multipliers.upper))
        self.bound = chosen_sides(low, high, *forces)  # -1: at the lower, 1: at the upper bound, 2: fixed
        self.bound[nlp.lower == nlp.upper] = 2
        values = nlp.constraints(x)
        low, high = (values - nlp.constraint_lower) / self.row_size, (nlp.constraint_upper - values) / self.row_size
        force = self.w * self.row_size / self.size
        self.row = chosen_sides(low, high, np.maximum(-force, 0.0), np.maximum(force, 0.0))
        self.row[nlp.constraint_lower == nlp.constraint_upper] = 2
        has_slope = np.zeros(nlp.m, dtype=bool)
        has_slope[nlp.jacobian_rows] = True
        self.row[~has_slope] = 0

    # ---- the point ---------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Newton's method; the point stays where that leads away."""
        start = self.x.copy(), self.w.copy()
        x, w = self.onto_bounds(self.x), self.w
        for _ in range(MOST_STEPS):
            system = System.at(self, x, w)
            step = system.solve(np.concatenate([-system.slope[system.free], system.gap]))
            if step is None or not np.isfinite(step).all():
                self.x, self.w = start
                return
            n_free = system.free.size
            x = x.copy()
            x[system.free] += step[:n_free] * self.width[system.free]
            w = w.copy()
            w[system.met] += step[n_free:] * self.size / self.row_size[system.met]
            w[self.row == 0] = 0.0
            if abs(step).max(initial=0.0) < 1e-13:
                break
        if abs((x - start[0]) / self.width).max(initial=0.0) > 1e-3:  # another solution
            self.x, self.w = start
            return
        self.x, self.w = x, w

    def onto_bounds(self, x: Vector) -> Vector:
        x = np.where((self.bound == -1) | (self.bound == 2), self.nlp.lower, x)
        return np.where(self.bound == 1, self.nlp.upper, x)

    def pull(self) -> Vector:
        """(n,): the gradient of the Lagrangian without bounds."""
        nlp = self.nlp
        forces = nlp.jacobian(self.x) * self.w[nlp.jacobian_rows]
        return nlp.gradient(self.x) + np.bincount(nlp.jacobian_columns, weights=forces, minlength=nlp.n)

    def names(self) -> tuple[list[str], list[str]]:
        """What is met, and what of it presses against nothing; or is nearly met."""
        nlp, pull = self.nlp, self.pull()
        met, weak = [], []
        force = abs(pull) * self.width / self.size
        gap = np.minimum(self.x - nlp.lower, nlp.upper - self.x) / self.width
        for j in np.flatnonzero((abs(self.bound) == 1) | (gap < WEAK)).tolist():
            if self.bound[j] == 2:
                continue
            met.append(nlp.variable_name(j))
            if self.bound[j] == 0 or force[j] < WEAK:
                weak.append(nlp.variable_name(j))
        met += [nlp.row_name(i) for i in range(self.m, nlp.m)]
        values = nlp.constraints(self.x)
        gap = np.minimum(values - nlp.constraint_lower, nlp.constraint_upper - values) / self.row_size
        force = abs(self.w) * self.row_size / self.size
        for i in np.flatnonzero((abs(self.row) == 1) | (gap < WEAK)).tolist():
            if self.row[i] == 2 or not np.isfinite(gap[i]):
                continue
            met.append(nlp.row_name(i))
            if self.row[i] == 0 or force[i] < WEAK:
                weak.append(nlp.row_name(i))
        return met, weak

    # ---- derivatives -------------------------------------------------------------------------------------------------

    def derivatives(self, functions: Any, values: Vector, inside: Indices, k: int, movement: Movement) -> Derivatives:
        import scipy.sparse as sparse

        nlp, n = self.nlp, self.nlp.n
        pull = self.pull()
        lower = np.where((self.bound == -1) | (self.bound == 2), np.maximum(pull, 0.0), 0.0)
        upper = np.where((self.bound == 1) | (self.bound == 2), np.maximum(-pull, 0.0), 0.0)
        point = np.append(self.x, values)
        g_p, L_xp, objective = np.zeros((nlp.m, k)), np.zeros((n, k)), np.zeros(k)
        rows, columns = functions.jacobian_structure()
        shape = (nlp.m, n + values.size)
        g_p[:, inside] = sparse.csr_matrix((functions.jacobian(point), (rows, columns)), shape=shape)[:, n:].toarray()
        rows, columns = functions.hessian_structure()
        entries = functions.hessian(point, self.w, 1.0)
        is_mixed = (rows >= n) & (columns < n)
        np.add.at(L_xp, (columns[is_mixed], inside[rows[is_mixed] - n]), entries[is_mixed])
        objective[inside] = functions.gradient(point)[n:]
        objective += self.w @ g_p
        dx = np.zeros((n, k))
        for side, motion, force in ((-1, movement.lower, lower), (1, movement.upper, -upper)):
            if motion is not None:
                moves = (self.bound == side) | (self.bound == 2)
                dx[moves] = motion[moves]
                objective = objective + force @ motion
        limit = np.zeros((nlp.m, k))
        for side, motion in ((-1, movement.constraint_lower), (1, movement.constraint_upper)):
            if motion is not None:
                moves = (self.row == side) | (self.row == 2)
                moves[self.m :] = False
                limit[moves] = motion[moves[: self.m]]
        objective = objective - self.w @ limit
        system = System.at(self, self.x, self.w)
        dw = np.zeros((nlp.m, k))
        problem, is_missed = system.move(dx, dw, L_xp, limit - g_p)
        objective = np.where(is_missed, np.nan, objective)
        H, A = system.hessian, system.jacobian
        slope = L_xp + H @ dx + A.T @ dw
        d_lower = np.where((lower > 0.0)[:, None], slope, 0.0)
        d_upper = np.where((upper > 0.0)[:, None], -slope, 0.0)
        met, weak = self.names()
        multipliers = Multipliers(self.w[: self.m], lower, upper, self.found_with)
        local = Local(self, L_xp, g_p, movement)
        return Derivatives(
            dx, dw[: self.m], d_lower, d_upper, objective, self.x, multipliers, local, met, weak, problem
        )


def chosen_sides(low: Vector, high: Vector, force_low: Vector, force_high: Vector) -> npt.NDArray[np.int64]:
    """-1 or 1 where the point is at that side, which is where the force is more than the gap."""
    is_low, is_high = force_low > low, force_high > high
    return np.where(is_low & (low <= high), -1, np.where(is_high, 1, 0))
