"""A solve whose success is checked: see `fastexpr.solvers.verification` for the measures.

Where the solver says that it succeeded and the check does not, it runs once more from where it stopped, under a scaling
that makes its tolerances ours, with bounds that it does not relax. What is off after that is said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Vector
from fastexpr.solvers.interior_point import Multipliers, Scaling, Solution, Supervision
from fastexpr.solvers.options import Option, number_of
from fastexpr.solvers.verification import (
    ACCEPTABLE,
    FEASIBILITY,
    NOWHERE,
    STATIONARITY,
    Measure,
    Verdict,
    carry_objective,
)
from fastexpr.solvers.view import View

#: What makes Ipopt stay near a point that is nearly a solution already. The barrier parameter is the one that it ends
#: with: with 1e-6 there was an iteration more at each of 50 prices, and where other bounds are met no less.
warm_start_options: dict[str, Option] = {
    "warm_start_init_point": "yes",
    "warm_start_bound_push": 1e-9,
    "warm_start_bound_frac": 1e-9,
    "warm_start_slack_bound_push": 1e-9,
    "warm_start_slack_bound_frac": 1e-9,
    "warm_start_mult_bound_push": 1e-9,
    "mu_init": 1e-9,
}

#: Where a solve runs once more, to be more exact: what has failed once may be further off than it seems.
BARRIER_AGAIN = 1e-6

#: Rows' multipliers start at 0. Those that Ipopt estimates by least squares cost a factorization, and where states are
#: variables second derivatives weighed with them lead astray as often as not: a tenth more iterations.
cold_start_options: dict[str, Option] = {"constr_mult_init_max": 0.0}

#: Ipopt's own.
TOLERANCE = 1e-8

#: Ipopt's own bound_relax_factor.
RELAXATION = 1e-8

#: How far a row without variables may be from its limits, as in Pyomo's NLWriter.
CONSTANT_TOLERANCE = 1e-8

#: A solve that ends so has found no point that holds the constraints; where a row has no derivative, that says little.
LOST = ("infeasible", "restoration_failed", "small_step", "step_failed")


class Adapter(Protocol):
    """A solver."""

    def run(
        self,
        nlp: View,
        options: dict[str, Option],
        multipliers: Multipliers | None,
        supervision: Supervision,
        scaling: Scaling | None,
    ) -> Solution:
        """Runs it once."""
        ...


def solve(
    adapter: Adapter,
    nlp: Nlp,
    options: dict[str, Option],
    multipliers: Multipliers | None,
    supervision: Supervision,
    scaling: Scaling | None,
    before_again: Callable[[], None] | None,
) -> Solution:
    """Solves the program, checks, and solves once more where that is needed; see `fastexpr.solvers.run`."""
    with contextlib.suppress(EvaluationError):  # the solver will say so
        broken = broken_constant(nlp)
        if broken is not None:
            return answer(nlp, "infeasible", broken)
    feasibility, stationarity, acceptable = tolerances(options)
    first = {**cold_start_options, **relaxation(nlp), **options}
    solution, verdict = attempt(adapter, View(nlp), nlp, first, multipliers, supervision, scaling)
    if solution.status == "too_few_degrees_of_freedom":
        second, its_verdict = again(adapter, nlp, options, solution, verdict, supervision, scaling, before_again)
        if its_verdict.holds(feasibility, stationarity):
            solution, verdict = second, its_verdict  # some of the equations say the same
    named = without_derivative(nlp, solution, verdict, feasibility)
    if named is not None:
        said = solution.message
        return replace(solution, status="no_derivative", message=f"{named} (The solver said: {said})")
    if not solution.success:
        return solution
    limit = stationarity if solution.status == "optimal" else max(stationarity, acceptable)
    if not verdict.holds(feasibility, limit) and not supervision.is_out_of_time:
        solution, verdict = again(adapter, nlp, options, solution, verdict, supervision, scaling, before_again)
    return concluded(solution, verdict, feasibility, stationarity, acceptable)


def relaxation(nlp: Nlp) -> dict[str, Option]:
    """Ipopt relaxes bounds and limits by a share of max(1, |bound|), which can be all of the width between bounds, or
    of what a row does within them: not by more than that share of these, where they are known.
    """
    if nlp.scale is None:
        return {}
    largest = 1.0
    for sides, sizes in (
        ((nlp.lower, nlp.upper), nlp.scale.widths),
        ((nlp.constraint_lower, nlp.constraint_upper), nlp.scale.rows),
    ):
        for side in sides:
            counts = np.isfinite(side) & (sizes > 0.0)
            largest = max(largest, (np.maximum(1.0, abs(side[counts])) / sizes[counts]).max(initial=1.0))
    return {"bound_relax_factor": RELAXATION / largest} if largest > 1.0 else {}


def attempt(
    adapter: Adapter,
    view: View,
    nlp: Nlp,
    options: dict[str, Option],
    multipliers: Multipliers | None,
    supervision: Supervision,
    scaling: Scaling | None,
) -> tuple[Solution, Verdict]:
    """One run of the solver; x within its bounds, what x defines computed anew, multipliers of bounds that fit."""
    if scaling is not None:
        options = {"nlp_scaling_method": "user-scaling", **options}
    solution = adapter.run(
        view,
        options,
        view.multipliers(multipliers) if multipliers else None,
        supervision,
        view.scaling(scaling) if scaling else None,
    )
    solution.x, solution.multipliers = view.point(solution.x, solution.multipliers)
    solution.iterations += supervision.n_before
    solution.x = completed(nlp, solution.x)
    with contextlib.suppress(EvaluationError):  # else the solver's own
        solution.objective = nlp.objective(solution.x)
    try:
        measure = Measure(nlp, solution.x)
    except EvaluationError:
        return solution, NOWHERE
    verdict = measure.verdict(solution.multipliers)
    solution.relative_violation = verdict.violation
    if solution.success:
        settle_bound_multipliers(measure, solution)
    return solution, verdict


def completed(nlp: Nlp, x: Vector) -> Vector:
    """The point within the bounds, with what it defines; Ipopt relaxes bounds, and POUNCE leaves x outside of them."""
    inside = np.clip(x, nlp.lower, nlp.upper)
    if not np.isfinite(inside).all():
        return inside
    result = nlp.complete(inside)
    return result if np.isfinite(result).all() else inside


def settle_bound_multipliers(measure: Measure, solution: Solution) -> None:
    """Bounds' multipliers that do not fit the point to which x was moved are taken from the slope there."""
    nlp, known = measure.nlp, solution.multipliers
    slope = measure.slope(known.constraints)
    rest = abs(slope - known.lower + known.upper) * measure.width
    for multiplier, gap in ((known.lower, measure.x - nlp.lower), (known.upper, nlp.upper - measure.x)):
        rest = np.maximum(rest, multiplier * np.where(np.isfinite(gap), gap, 0.0))
    is_off = rest > STATIONARITY * measure.objective_size
    if not is_off.any():
        return
    lower = np.where(np.isfinite(nlp.lower), np.maximum(slope, 0.0), 0.0)
    upper = np.where(np.isfinite(nlp.upper), np.maximum(-slope, 0.0), 0.0)
    solution.multipliers = Multipliers(
        known.constraints, np.where(is_off, lower, known.lower), np.where(is_off, upper, known.upper)
    )


def again(
    adapter: Adapter,
    nlp: Nlp,
    options: dict[str, Option],
    first: Solution,
    verdict: Verdict,
    supervision: Supervision,
    scaling: Scaling | None,
    before_again: Callable[[], None] | None,
) -> tuple[Solution, Verdict]:
    """Once more from the solution, to our measures; the better one of the two."""
    settings: dict[str, Option] = {
        **warm_start_options,
        "mu_init": BARRIER_AGAIN,
        "bound_relax_factor": 0.0,
        "acceptable_constr_viol_tol": FEASIBILITY,
        **options,
    }
    settings["tol"] = min(number(options, "tol", TOLERANCE), TOLERANCE)  # a looser one has led here
    if "nlp_scaling_method" not in options:
        try:
            scaling = Measure(nlp, first.x).scaling()
        except EvaluationError:
            return first, verdict
    if before_again is not None:
        before_again()
    start, nlp.start = nlp.start, first.x
    supervision.n_before = first.iterations
    try:
        view, multipliers = View(nlp, n_companions(nlp)), first.multipliers
        if view.n > nlp.n:  # those of a solver that has forgotten the objective mean nothing, and can be of any size
            multipliers = Multipliers(np.zeros(nlp.m), np.ones(nlp.n), np.ones(nlp.n))
            settings = {"perturb_always_cd": "yes", **settings}  # equations that depend on each other
        second, its_verdict = attempt(adapter, view, nlp, settings, multipliers, supervision, scaling)
    finally:
        nlp.start = start
    if second.success and its_verdict.badness <= max(verdict.badness, 1.0):
        return second, its_verdict
    return replace(first, iterations=second.iterations), verdict


def n_companions(nlp: Nlp) -> int:
    """So many further variables leave more variables than equations."""
    n_equations = np.count_nonzero(nlp.constraint_lower == nlp.constraint_upper)
    return max(0, int(n_equations - np.count_nonzero(nlp.lower < nlp.upper)) + 1)


def concluded(
    solution: Solution, verdict: Verdict, feasibility: float, stationarity: float, acceptable: float
) -> Solution:
    """The solution with the status that the check gives it."""
    if verdict.holds(feasibility, stationarity):
        return solution
    said = verdict.beyond(feasibility, stationarity)
    if verdict.holds(feasibility, acceptable):
        if solution.status == "acceptable":
            return solution
        return replace(solution, status="acceptable", message=f"Solved, but not as exactly as asked for: {said}.")
    return replace(
        solution, status="inexact", message=f"The solver reports success, but the point is no solution: {said}."
    )


def tolerances(options: dict[str, Option]) -> tuple[float, float, float]:
    """Of feasibility, stationarity, and what is acceptable: ours, or the user's own."""
    feasibility = number(options, "constr_viol_tol", FEASIBILITY)
    stationarity = max(STATIONARITY, number(options, "tol", 0.0))
    return feasibility, stationarity, max(ACCEPTABLE, stationarity, number(options, "acceptable_tol", 0.0))


def number(options: dict[str, Option], name: str, otherwise: float) -> float:
    """An option's value, which may be a text."""
    value = options.get(name)
    found = number_of(value) if isinstance(value, str) else value
    return otherwise if found is None else float(found)


def without_derivative(nlp: Nlp, solution: Solution, verdict: Verdict, feasibility: float) -> str | None:
    """What the answer depends on and is constant piece by piece, and what to do then; None where there is nothing.

    A row counts where it has a say in the solution, by its multiplier, or is violated. Where it has none the point
    solves the problem without this row, and holds it: no other point is better for it.
    """
    if not (solution.success or solution.status in LOST):
        return None
    steps = nlp.steps()
    if not any(steps):
        return None
    objective, rows = "", []
    is_broken = in_broken_rows(nlp, verdict, feasibility)
    if solution.success:
        objective = steps[0]
        is_broken |= verdict.row_weights > STATIONARITY
        is_broken |= carry_objective(nlp, solution.x, solution.multipliers)
    rows = [row for row in np.flatnonzero(is_broken).tolist() if steps[1 + row]]
    if not objective and not rows:
        return None
    what = "The objective" if objective else f"{nlp.row_name(rows[0])}"
    step = objective or steps[1 + rows[0]]
    return (
        f"{what} depends on the variables through {step}, which is constant piece by piece: its derivative is 0 and "
        "says nothing about where better points are, so this is where the solver stopped, no optimum. What to do: "
        "search with values alone, which the Function gives in batches (scipy.optimize.differential_evolution with "
        "vectorized=True, say), or put a smooth model in its place."
    )


def in_broken_rows(nlp: Nlp, verdict: Verdict, feasibility: float) -> npt.NDArray[np.bool_]:
    """Which rows are violated, or share a variable with what is: y == net(x) holds itself, y being computed anew."""
    if not verdict.row_violations.size:
        return np.ones(nlp.m, dtype=bool)
    result = verdict.row_violations > feasibility
    is_concerned = verdict.bound_violations > feasibility
    is_concerned[nlp.jacobian_columns[result[nlp.jacobian_rows]]] = True
    result[nlp.jacobian_rows[is_concerned[nlp.jacobian_columns]]] = True
    return result


def broken_constant(nlp: Nlp) -> str | None:
    """Says which row that depends on no variable does not hold.

    Raises
    ------
    fastexpr.errors.EvaluationError
        One is not finite.
    """
    is_constant = np.ones(nlp.m, dtype=bool)
    is_constant[nlp.jacobian_rows] = False
    if not is_constant.any():
        return None
    steps = nlp.steps()
    rows = np.array([row for row in np.flatnonzero(is_constant).tolist() if not steps[1 + row]], dtype=np.int64)
    if not rows.size:
        return None
    values = nlp.constraints(nlp.start)[rows]
    lower, upper = nlp.constraint_lower[rows], nlp.constraint_upper[rows]
    gaps = np.maximum(lower - values, values - upper)
    for k in np.flatnonzero(~(gaps <= CONSTANT_TOLERANCE))[:1].tolist():
        name = nlp.row_name(int(rows[k]))
        return f"{name} depends on no variable and does not hold: {values[k]} is not within [{lower[k]}, {upper[k]}]."
    return None


def contradicting_bounds(nlp: Nlp) -> str | None:
    """Says which variable's bounds, or which constraint's limits, leave nothing between them."""
    for lower, upper, name in (
        (nlp.lower, nlp.upper, nlp.variable_name),
        (nlp.constraint_lower, nlp.constraint_upper, nlp.row_name),
    ):
        for i in np.flatnonzero(lower > upper)[:1].tolist():
            return f"The limits of {name(i)} contradict each other: {lower[i]} > {upper[i]}."
    return None


def answer(nlp: Nlp, status: str, message: str, objective: float = np.nan) -> Solution:
    """At the starting point, without a solver."""
    multipliers = Multipliers(np.zeros(nlp.m), np.zeros(nlp.n), np.zeros(nlp.n))
    return Solution(nlp.start, objective, multipliers, status, message, 0)
