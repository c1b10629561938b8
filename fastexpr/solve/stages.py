"""The stages: functions (program, point, budget) -> point, of which each has a line in `result.stages`."""

from __future__ import annotations

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp
from fastexpr.solve.budget import Budget, measured
from fastexpr.solvers.checked import LOST, warm_start_options
from fastexpr.solvers.interior_point import Multipliers, Solution
from fastexpr.solvers.options import Option
from fastexpr.solvers.verification import FEASIBILITY

#: Iterations of the first stage where there are kinks: what it has not found by then, it mostly does not find.
KINKED_ITERATIONS = 80

#: The same from an earlier solution: what is near it is found soon, and the next stage takes it where it is on kinks.
WARM_KINKED_ITERATIONS = 20

#: What a solve may end with where it could have gone better.
POOR = (*LOST, "acceptable", "inexact", "diverging")

#: Ipopt's own barrier parameter at the start.
COLD_BARRIER = 0.1

#: Relative to max(1, |f|): of points as good as each other, the one of which more is known counts.
TIE = 1e-8


def ipopt(
    program: Nlp,
    point: Solution | None,
    budget: Budget,
    multipliers: Multipliers | None = None,
    options: dict[str, Option] | None = None,
) -> Solution:
    """The solver from where the program starts."""
    del point  # it is the program's start
    most = None
    if has_kinks(program, budget):
        most = KINKED_ITERATIONS if multipliers is None else WARM_KINKED_ITERATIONS
    return budget.run(program, multipliers, options, most, budget.scaling)


def ipopt_unless_solved(
    program: Nlp, point: Solution, budget: Budget, multipliers: Multipliers | None = None
) -> Solution | None:
    """The solver, where the stage before has not led to a solution."""
    return None if point.success else ipopt(program, point, budget, multipliers)


def cold_start(program: Nlp, point: Solution, budget: Budget) -> Solution | None:
    """From the same start without multipliers, where a warm start has led to no solution.

    Kinks are for the next stage, unless nothing is feasible.
    """
    if point.success or point.status == "no_derivative":
        return None
    is_kinked = has_kinks(program, budget)
    if is_kinked and point.relative_violation <= FEASIBILITY:
        return None
    return budget.run(program, None, cold(budget), KINKED_ITERATIONS if is_kinked else None, budget.scaling)


def unscaled(program: Nlp, point: Solution, budget: Budget, multipliers: Multipliers | None = None) -> Solution | None:
    """Where factors and settings of ours have led to no optimum, Ipopt's own; kinks are for cells."""
    if point.status not in POOR or not budget.settings.has_own_scaling or has_kinks(program, budget):
        return None
    options: dict[str, Option] = {"constr_mult_init_max": 1e3, **budget.settings.options}  # a user's own counts
    found = budget.run(program, multipliers, {**options, "nlp_scaling_method": "gradient-based"})
    return found if found.status == "optimal" else point


def cells(program: Nlp, point: Solution, budget: Budget, is_warm: bool = False) -> Solution | None:
    """From the solver's point across kinks; see `fastexpr.solve.cells.stage`. Smooth programs pass by.

    From the start where that is an earlier result, and better: the solver leaves a point on kinks for others.
    """
    if not has_kinks(program, budget) or point.status == "no_derivative" or point.certificate:
        return None
    from fastexpr.solve.cells.stage import walk_from

    try:
        if is_warm:
            start = measured(program, program.start)
            point = start if start.relative_violation <= FEASIBILITY and is_lower(start, point, program) else point
        return walk_from(program, point, budget)
    except EvaluationError:  # nothing can be said at this point
        return None


def cells_nearby(program: Nlp, point: Solution, budget: Budget) -> Solution | None:
    """From an earlier solution on kinks at once across them: the solver would leave it, and look for it again."""
    if not has_kinks(program, budget):
        return None
    from fastexpr.solve.cells.finding import NONE
    from fastexpr.solve.cells.stage import walk_from

    try:
        found = walk_from(program, point, budget)
    except EvaluationError:
        return None
    return found if found.success and found.certificate != NONE else None


def smoothing(program: Nlp, point: Solution, budget: Budget) -> Solution | None:
    """Where the walk has reached its limit, or a jump; see `fastexpr.solve.cells.continuation`."""
    if point.status != "cell_limit" and not point.is_at_jump:
        return None
    from fastexpr.solve.cells.continuation import continued

    try:
        return continued(program, point, budget)
    except EvaluationError:
        return None


def is_lower(new: Solution, old: Solution, program: Nlp) -> bool:
    """Of a feasible point: whether the other is not, or is higher."""
    margin = TIE * program.objective_size(old.objective)
    return old.relative_violation > FEASIBILITY or new.objective < old.objective - margin


def has_kinks(program: Nlp, budget: Budget) -> bool:
    """Whether there are kinks, and they are to be crossed."""
    return budget.settings.kinks == "cells" and bool(getattr(program.functions, "has_kinks", False))


def is_better(new: Solution, old: Solution) -> bool:
    """Success counts first, then feasibility, then the objective."""
    if new.success != old.success:
        return new.success
    if new.certificate and new.success and new.objective <= old.objective + TIE * max(1.0, abs(old.objective)):
        return True
    if {new.status, old.status} == {"infeasible", "iteration_limit"}:  # an end says more than where a limit was met
        cut_short = new if new.status == "iteration_limit" else old
        return (cut_short.relative_violation <= FEASIBILITY) == (cut_short is new)
    excesses = [max(0.0, point.relative_violation - FEASIBILITY) for point in (new, old)]
    return excesses[0] < excesses[1] or (excesses[0] == excesses[1] and new.objective < old.objective)


def cold(budget: Budget) -> dict[str, Option]:
    """Options for other starts than the user's: these bring no multipliers, and are not near a solution."""
    given = budget.settings.options
    starts: dict[str, Option] = {"warm_start_init_point": "no"}
    if given.get("mu_init") == warm_start_options["mu_init"]:
        starts["mu_init"] = COLD_BARRIER
    return starts
