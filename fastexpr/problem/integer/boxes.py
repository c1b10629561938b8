"""`Problem.solve(solver="branch-and-bound")`: problems that are one function of few variables, certified."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from fastexpr._core import Function
from fastexpr.bounds.box_problem import statement_of_parts
from fastexpr.bounds.progress import ProgressFunction, Reporter
from fastexpr.bounds.searching import certified_minimum
from fastexpr.errors import ModelError
from fastexpr.expression import Expression, variables
from fastexpr.expression.joining import join
from fastexpr.expression.operands import constant
from fastexpr.nlp import Indices, Nlp, Vector
from fastexpr.problem.statement import Auxiliaries, NetworkRows, Statement
from fastexpr.solvers import Multipliers, Solution
from fastexpr.solvers.verification import Measure

MOST_VARIABLES = 12  # that are free: boxes are halved one side at a time


@dataclass
class Flattened:
    """The problem as one function of the variables that nothing defines."""

    free: Indices  # components of x
    function: Function  # objective, then limited quantities
    lower: Vector  # limits of these
    upper: Vector


def solve_by_boxes(
    statement: Statement, nlp: Nlp, tol: float, time_limit: float | None, progress: bool | ProgressFunction | None
) -> Solution:
    """The certified solution; `message` says the bound.

    Raises
    ------
    fastexpr.errors.ModelError
        Too many variables, with their number; equations between variables; bounds that are not finite.
    """
    began = time.monotonic()
    flattened = flatten_problem(statement)
    is_integer = statement.is_integer()[flattened.free]
    low, high = nlp.lower[flattened.free], nlp.upper[flattened.free]
    low, high = np.where(is_integer, np.ceil(low), low), np.where(is_integer, np.floor(high), high)
    require_few(statement, flattened.free, low, high)
    unit = np.eye(len(flattened.lower) + 1)
    rows: list[Vector] = [statement.sign * unit[0]]
    limits: list[float] = []
    for k, (least, most) in enumerate(zip(flattened.lower, flattened.upper, strict=True), start=1):
        if np.isfinite(most):
            rows, limits = [*rows, unit[k]], [*limits, most]
        if np.isfinite(least):
            rows, limits = [*rows, -unit[k]], [*limits, -least]
    nothing = np.zeros((0, low.size)), np.zeros(0)
    boxes = statement_of_parts(flattened.function, low, high, np.array(rows), np.array(limits), *nothing, is_integer)
    found = certified_minimum(boxes, began, tol, time_limit, Reporter(progress, statement.sign), 1.0)
    x = np.array(nlp.start)
    if found.x is not None:
        x[flattened.free] = found.x
        is_kept = np.ones(x.size, dtype=bool)
        for places in statement.defined():
            is_kept[places] = False
        x = statement.completed(x, is_kept)
    zeros = Multipliers(np.zeros(nlp.m), np.zeros(nlp.n), np.zeros(nlp.n))
    bound = statement.sign * found.objective_bound
    message = f"{found.message}; no feasible point is {'above' if statement.sign < 0 else 'below'} {bound:.10g}"
    status = {"stalled": "inexact"}.get(found.status, found.status)
    solution = Solution(x, nlp.objective(x), zeros, status, message, found.n_boxes)
    solution.relative_violation = Measure(nlp, x).verdict(zeros).violation
    return solution


def require_few(statement: Statement, free: Indices, low: Vector, high: Vector) -> None:
    count = int((low < high).sum())
    if count > MOST_VARIABLES:
        raise ModelError(
            f"[Problem] branch-and-bound splits boxes of few variables: got {count} that nothing defines, expected "
            f"at most {MOST_VARIABLES}. Fix some, use another solver, or a network's formulation and an integer one."
        )
    wrong = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
    if wrong.size:
        names = ", ".join(f"{statement.variable_name(int(free[i]))!r}" for i in wrong[:5])
        raise ModelError(
            f"[Problem] branch-and-bound splits boxes, so every variable needs finite bounds: got none for {names}. "
            "Give lower= and upper= to Problem.variables."
        )


def flatten_problem(statement: Statement) -> Flattened:
    """Outputs of networks, and their inputs where these are expressions, put in their places.

    Raises
    ------
    fastexpr.errors.ModelError
        There are equations besides.
    """
    defined = np.concatenate([*statement.defined(), np.zeros(0, dtype=np.int64)]).astype(np.int64)
    free = np.setdiff1d(np.arange(statement.n), defined)
    if free.size == 0:
        raise ModelError("[Problem] branch-and-bound: there are no variables that nothing defines.")
    place = np.full(statement.n, -1)
    place[free] = np.arange(free.size)
    z = variables(free.size)
    known: Expression = z
    for entry in statement.definitions:
        if isinstance(entry, NetworkRows):
            parts = [entry.function(known[place[row]]) for row in entry.inputs]
            targets = entry.outputs.ravel()
        else:
            function, used = statement.compile([entry.expression])
            parts, targets = [function(known[place[used]])], entry.places.ravel()
        place[targets] = known.size + np.arange(targets.size)
        known = join([known, *parts])
    own = [entry.constraint for entry in statement.definitions if isinstance(entry, Auxiliaries)]
    constraints = [constraint for constraint in statement.constraints if all(constraint is not other for other in own)]
    lower = np.concatenate([*(constraint.lower for constraint in constraints), np.zeros(0)])
    upper = np.concatenate([*(constraint.upper for constraint in constraints), np.zeros(0)])
    equations = [c.name for c in constraints if np.any((c.lower == c.upper) & np.isfinite(c.lower))]
    if equations:
        raise ModelError(
            f"[Problem] branch-and-bound takes no equations between variables: got "
            f"{', '.join(map(repr, equations[:5]))}. Substitute what they define, or state two inequalities with "
            "the room that is allowed."
        )
    x_lower, x_upper = statement.bounds()
    limited = defined[np.isfinite(x_lower[defined]) | np.isfinite(x_upper[defined])]
    objective = statement.objective if statement.objective is not None else constant(np.asarray(0.0))
    function, used = statement.compile([objective, *(constraint.expression for constraint in constraints)])
    values = function(known[place[used]]) if used.size else constant(function(np.zeros(0)))
    outputs = join([values, known[place[limited]]]) if limited.size else values
    return Flattened(
        free,
        Function(z, outputs),
        np.concatenate([lower, x_lower[limited]]),
        np.concatenate([upper, x_upper[limited]]),
    )
