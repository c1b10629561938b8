"""The search for a certified minimum: boxes in the core, points from descents, and what is found out."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastexpr._core import BoxSearch
from fastexpr.bounds.box_problem import BoxProblem
from fastexpr.bounds.descent import best_starts, polished, settled
from fastexpr.bounds.progress import PROGRESS_SECONDS, Reporter
from fastexpr.errors import EvaluationError, SearchWarning

Array = npt.NDArray[np.float64]

FIRST_BOXES = 256  # bounded before better points are looked for again; twice as many each time
MANY_INPUTS = 10  # from here on, halving one side at a time leads nowhere soon
BOXES_WITHOUT_BOUNDS = 5000  # bounded before a network without bounds is refused
ENDINGS = {
    "time_limit": "the time is up",
    "interrupted": "interrupted",
    "stalled": "boxes are as small as rounding, and the gap is still open",
}


@dataclass(frozen=True)
class GlobalMinimum:
    """What `fastexpr.global_minimum` found out."""

    success: bool  # the gap is closed
    status: str  # "optimal", "infeasible", "time_limit", "interrupted" or "stalled"
    message: str
    objective: float | None  # at x; None where no feasible point was found
    objective_bound: float  # no feasible point has a lower objective (a higher one, where the maximum was looked for)
    gap: float  # |objective - objective_bound| / max(1, |objective|)
    x: Array | None
    n_boxes: int  # whose bounds were found

    def __repr__(self) -> str:
        found = "no point" if self.objective is None else f"objective {self.objective:.8g}"
        return f"<GlobalMinimum {self.status}: {found}, bound {self.objective_bound:.8g}, {self.n_boxes} boxes>"


@dataclass(frozen=True)
class Verification:
    """What `fastexpr.verify` found out; true only where the claim is proved."""

    status: str  # "proved", "refuted" or "undecided"
    message: str
    objective: float | None  # the lowest value found
    objective_bound: float  # no point of the box has a lower one
    x: Array | None  # where it is; a counterexample where the claim is refuted
    n_boxes: int

    def __bool__(self) -> bool:
        return self.status == "proved"

    def __repr__(self) -> str:
        return f"<Verification {self.status}: {self.message}>"


def certified_minimum(
    problem: BoxProblem, began: float, tol: float, time_limit: float | None, reporter: Reporter, sign: float
) -> GlobalMinimum:
    """The whole search; `sign` is -1 where what is minimised is minus what was asked for."""
    search = problem.search(tol)
    ending = explore(problem, search, began, time_limit, reporter)
    best = search.best
    if best is not None and ending != "interrupted":
        offer(search, lambda: settled(problem, best))
    return result_of(problem, search, ending, sign, tol)


def explore(
    problem: BoxProblem,
    search: BoxSearch,
    began: float,
    time_limit: float | None,
    reporter: Reporter,
    enough: float = np.inf,
) -> str:
    """Runs the search to its end, or to a bound that is enough; why it ended, "" where there is nothing left to do.

    Points are looked for after numbers of boxes, never after times: the search is the same on every machine.
    """
    goal = FIRST_BOXES
    has_warned = False
    try:
        offer(search, lambda: best_starts(problem))
        while not search.is_done and search.bound < enough:
            elapsed = time.monotonic() - began
            if time_limit is not None and elapsed >= time_limit:
                return "time_limit"
            search.run(
                min(goal, reporter.step(search)),
                PROGRESS_SECONDS if time_limit is None else min(PROGRESS_SECONDS, time_limit - elapsed),
            )
            if search.n_boxes >= BOXES_WITHOUT_BOUNDS and search.bound == -np.inf:
                refuse_without_bounds(problem, search)
            if search.n_boxes >= goal and not search.is_done:
                goal *= 2
                offer(search, lambda: polished(problem, search.best, search.least_box))
            reporter.report(search, began)
            if not has_warned and time.monotonic() - began > 1.0:
                has_warned = warn_of_many_inputs(problem, search, time.monotonic() - began)
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        reporter.report(search, began, is_last=True)
    return ""


def offer(search: BoxSearch, look: Callable[[], Array]) -> None:
    """Points that may be better; on the way to them, numbers may overflow."""
    with np.errstate(all="ignore"):
        points = look()
    if points.size:
        search.offer(np.ascontiguousarray(points))


def warn_of_many_inputs(problem: BoxProblem, search: BoxSearch, seconds: float) -> bool:
    n_free = int((problem.lower < problem.upper).sum())
    if n_free <= MANY_INPUTS or search.is_done:
        return False
    gap = search.objective - search.bound
    warnings.warn(
        f"[global_minimum] {n_free} inputs: boxes are halved one side at a time, {search.n_boxes / seconds:.0f} boxes "
        f"a second, and the gap is {gap:.3g}. It may never close: give a time_limit=, fix inputs (with_fixed), narrow "
        "the box, or use a formulation and an integer solver (fastexpr.pyomo.NetworkBlock(formulation=...)).",
        SearchWarning,
        stacklevel=5,
    )
    return True


def refuse_without_bounds(problem: BoxProblem, search: BoxSearch) -> None:
    """Names the first node whose bounds are infinite in the box that is worst.

    Raises
    ------
    fastexpr.errors.EvaluationError
        Always.
    """
    n = problem.function.n_inputs
    box = search.least_box
    where = "the network"
    for layer in problem.function.bounds_by_layer(box[:n], box[n:], method="interval"):
        if np.isinf(layer.lower).any() and np.isinf(layer.upper).any():
            where = f"[{layer.operator} '{layer.node}']"
            break
    sides = ", ".join(f"[{low:.6g}, {high:.6g}]" for low, high in zip(box[:n][:5], box[n:][:5], strict=True))
    raise EvaluationError(
        f"{where} has no bounds: it may be infinite or not a number in the box {sides}, so that nothing can be "
        "proved there. What to do: keep the box (lower=, upper=) within the operator's domain."
    )


def result_of(problem: BoxProblem, search: BoxSearch, ending: str, sign: float, tol: float) -> GlobalMinimum:
    bound, objective, x = float(search.bound), None, search.best
    if x is not None:
        objective = float(problem.function(x)[0])
        exact, _ = problem.function._output_bounds(x.reshape(1, -1), x.reshape(1, -1), "linear")
        bound = min(bound, float(exact[0, 0]))  # the value is rounded, too
    gap = np.inf if objective is None else max(0.0, objective - bound) / max(1.0, abs(objective))
    if objective is None and ending == "":
        status, message = "infeasible", "proved: no point of the box satisfies the limits"
        if bound < np.inf:
            status, message = "stalled", "no feasible point was found, and boxes are as small as rounding"
    elif gap <= tol:
        status, message = "optimal", f"the gap is closed to {tol:g}"
    else:
        status = ending or "stalled"
        message = (
            f"{ENDINGS[status]}: the gap is {gap:.3g}"
            if objective is not None
            else f"{ENDINGS[status]}: no feasible point yet"
        )
    return GlobalMinimum(
        status == "optimal",
        status,
        message,
        None if objective is None else sign * objective,
        sign * bound,
        float(gap),
        x,
        search.n_boxes,
    )
