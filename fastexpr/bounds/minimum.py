"""Certified global minima of networks over boxes, and verification: branch and bound on boxes."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastexpr._core import BoxSearch, Function
from fastexpr.bounds.descent import best_starts, polished, settled
from fastexpr.bounds.statement import Statement, statement_of
from fastexpr.errors import EvaluationError, SearchWarning

Array = npt.NDArray[np.float64]

FIRST_BOXES = 256  # bounded before better points are looked for again; twice as many each time
MANY_INPUTS = 10  # from here on, halving one side at a time leads nowhere soon
BOXES_WITHOUT_BOUNDS = 5000  # bounded before a network without bounds is refused
PROGRESS_SECONDS = 0.5


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


class Bracket(NamedTuple):
    """What a search knows so far: the minimum lies between `objective_bound` and `objective`."""

    seconds: float
    n_boxes: int
    n_open: int
    objective: float | None
    objective_bound: float

    def __str__(self) -> str:
        best = "none" if self.objective is None else f"{self.objective:.8g}"
        return (
            f"{self.seconds:8.1f} s  {self.n_boxes:10d} boxes  {self.n_open:8d} open  best {best:>14}  "
            f"bound {self.objective_bound:14.8g}"
        )


ProgressFunction = Callable[[Bracket], object]


class Reporter:
    """Says the bracket: lines now and then, or calls of the user's function."""

    def __init__(self, progress: bool | ProgressFunction | None, sign: float) -> None:
        self.call = progress if callable(progress) else None
        self.prints = progress is True
        self.sign = sign
        self.last = 0.0

    def report(self, search: BoxSearch, began: float, is_last: bool = False) -> None:
        if self.call is None and not self.prints:
            return
        now = time.monotonic()
        objective = None if search.best is None else self.sign * search.objective
        bracket = Bracket(now - began, search.n_boxes, search.n_open, objective, self.sign * search.bound)
        if self.call is not None:
            self.call(bracket)
        elif is_last or now - self.last >= PROGRESS_SECONDS:
            self.last = now
            print(bracket, file=sys.stderr, flush=True)

    def step(self, search: BoxSearch) -> int:
        """Boxes until something may be said again."""
        return search.n_boxes + (64 + search.n_boxes // 16 if self.call is not None else 1 << 60)


def global_minimum(
    net: Function,
    lower: Any = None,
    upper: Any = None,
    *,
    weights: Any = None,
    maximize: bool = False,
    constraints: Any = (),
    output_lower: Any = None,
    output_upper: Any = None,
    integer: Any = (),
    one_of: Any = (),
    tol: float = 1e-6,
    time_limit: float | None = None,
    progress: bool | ProgressFunction | None = None,
) -> GlobalMinimum:
    """The global minimum of weights @ net(x) over a box, with a proof: a bound that no feasible point is below.

    The box is split, side by side; linear bounds of many parts at once say which of them cannot hold the minimum. That
    is fast for the two to ten inputs that surrogates have, whatever their layers are: ReLU, smooth or trees.

    Parameters
    ----------
    net : Function
    lower, upper : array_like or dict, optional
        The box, as in `Function.output_bounds`. Without them the network's own range.
    weights : array_like, optional
        (m,): which combination of outputs. Needed where there are several.
    maximize : bool
        Look for the largest value; `objective_bound` is one that none is above.
    constraints : scipy.optimize.LinearConstraint or list of them
        On x.
    output_lower, output_upper : array_like or dict, optional
        Limits of outputs: a number, (m,) with None or NaN for none, or ``{name: limit}``.
    integer : list of names or numbers
        Inputs that are whole numbers; True for all.
    one_of : list of lists of names or numbers
        Groups of inputs of which one is 1 and the others are 0.
    tol : float
        Of the objective, relative to max(1, |objective|).
    time_limit : float, optional
        Seconds.
    progress : bool or callable, optional
        True prints a line every half second to standard error; a callable gets a `Bracket`: seconds, n_boxes, n_open,
        objective, objective_bound.

    Returns
    -------
    GlobalMinimum
        `success`, `status`, `message`, `objective`, `objective_bound`, `gap`, `x`, `n_boxes`. Limits hold at x to 1e-6
        relative to max(1, |limit|). Ctrl-C and the time limit end the search with what is known.

    Raises
    ------
    ValueError
        Bounds that are not finite, with their names; lower above upper; contradictory limits; tol not positive.
    TypeError
        Constraints of another kind.
    fastexpr.errors.ShapeError, fastexpr.errors.NotFoundError
        Wrong lengths; no such input or output.
    fastexpr.errors.EvaluationError
        The network has no bounds in the box (a logarithm of numbers that may be negative), with the node's name.

    Warns
    -----
    fastexpr.errors.SearchWarning
        More than ten inputs, where the search is not done at once: how many boxes a second, and the gap.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> f = fx.Function(x, np.maximum(x[0] + x[1], 0.0) - 0.5 * np.tanh(x[0]))
    >>> result = fx.global_minimum(f, -2.0, 2.0)
    >>> print(result.status, round(result.objective, 5), result.gap <= 1e-6)
    optimal -0.48201 True
    """
    require_positive("tol", tol)
    if time_limit is not None and not time_limit >= 0:
        raise ValueError(f"[global_minimum] time_limit: got {time_limit!r}, expected seconds, or None.")
    began = time.monotonic()
    sign = -1.0 if maximize else 1.0
    statement = statement_of(
        net, lower, upper, weights=weights, sign=sign, constraints=constraints, output_lower=output_lower,
        output_upper=output_upper, integer=integer, one_of=one_of,
    )  # fmt: skip
    search = statement.search(tol)
    ending = explore(statement, search, began, time_limit, Reporter(progress, sign))
    if search.best is not None and ending != "interrupted":
        offer(search, settled(statement, search.best))
    return result_of(statement, search, ending, sign, tol)


def verify(
    net: Function,
    lower: Any = None,
    upper: Any = None,
    weights: Any = None,
    *,
    at_least: float = 0.0,
    time_limit: float | None = None,
    progress: bool | ProgressFunction | None = None,
) -> Verification:
    """Whether weights @ net(x) >= at_least everywhere in the box: proved, refuted with a point, or undecided.

    Parameters
    ----------
    net, lower, upper, weights, time_limit, progress
        As in `global_minimum`.
    at_least : float
        The claim.

    Returns
    -------
    Verification
        `status` is "proved", "refuted" (then net is below at `x`) or "undecided" (then the least value is between
        `objective_bound` and `objective`). As a bool it is True where the claim is proved.

    Raises
    ------
    ValueError, TypeError, fastexpr.errors.ShapeError, fastexpr.errors.EvaluationError
        As `global_minimum`.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> f = fx.Function(x, np.maximum(x[0] + x[1], 0.0) - 0.5 * np.tanh(x[0]))
    >>> fx.verify(f, -2.0, 2.0, at_least=-0.5)
    <Verification proved: nothing in the box is below -0.5>
    >>> fx.verify(f, -2.0, 2.0, at_least=0.0).status
    'refuted'
    """
    if not np.isfinite(at_least):
        raise ValueError(f"[verify] at_least: got {at_least!r}, expected a finite number.")
    began = time.monotonic()
    statement = statement_of(net, lower, upper, weights=weights)
    search = statement.search(1e-9, float(at_least))
    ending = explore(statement, search, began, time_limit, Reporter(progress, 1.0))
    found = None if search.best is None else float(search.objective)
    if found is not None and found < at_least:
        status, message = "refuted", f"{found:.8g} is below {at_least:g}, at x"
    elif ending == "" and search.bound >= at_least:
        status, message = "proved", f"nothing in the box is below {at_least:g}"
    else:
        status = "undecided"
        low = "nothing" if found is None else f"{found:.8g}"
        message = f"{ENDINGS.get(ending, ENDINGS['stalled'])}: the least value is between {search.bound:.8g} and {low}"
    return Verification(status, message, found, float(search.bound), search.best, search.n_boxes)


ENDINGS = {
    "time_limit": "the time is up",
    "interrupted": "interrupted",
    "stalled": "boxes are as small as rounding, and the gap is still open",
}


def require_positive(name: str, number: float) -> None:
    if not (isinstance(number, int | float | np.number) and 0 < number < np.inf):
        raise ValueError(f"[global_minimum] {name}: got {number!r}, expected a positive number.")


def explore(statement: Statement, search: BoxSearch, began: float, time_limit: float | None, reporter: Reporter) -> str:
    """Runs the search to its end; why it ended, "" where there is nothing left to do.

    Points are looked for after numbers of boxes, never after times: the search is the same on every machine.
    """
    goal = FIRST_BOXES
    has_warned = False
    try:
        offer(search, best_starts(statement))
        while not search.is_done:
            elapsed = time.monotonic() - began
            if time_limit is not None and elapsed >= time_limit:
                return "time_limit"
            search.run(
                min(goal, reporter.step(search)),
                PROGRESS_SECONDS if time_limit is None else min(PROGRESS_SECONDS, time_limit - elapsed),
            )
            if search.n_boxes >= BOXES_WITHOUT_BOUNDS and search.bound == -np.inf:
                refuse_without_bounds(statement, search)
            if search.n_boxes >= goal and not search.is_done:
                goal *= 2
                offer(search, polished(statement, search.best, search.least_box))
            reporter.report(search, began)
            if not has_warned and time.monotonic() - began > 1.0:
                has_warned = warn_of_many_inputs(statement, search, time.monotonic() - began)
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        reporter.report(search, began, is_last=True)
    return ""


def offer(search: BoxSearch, points: Array) -> None:
    if points.size:
        search.offer(np.ascontiguousarray(points))


def warn_of_many_inputs(statement: Statement, search: BoxSearch, seconds: float) -> bool:
    n_free = int((statement.lower < statement.upper).sum())
    if n_free <= MANY_INPUTS or search.is_done:
        return False
    gap = search.objective - search.bound
    warnings.warn(
        f"[global_minimum] {n_free} inputs: boxes are halved one side at a time, {search.n_boxes / seconds:.0f} boxes "
        f"a second, and the gap is {gap:.3g}. It may never close: give a time_limit=, fix inputs (with_fixed), narrow "
        "the box, or use a formulation and an integer solver (fastexpr.pyomo.NetworkBlock(formulation=...)).",
        SearchWarning,
        stacklevel=4,
    )
    return True


def refuse_without_bounds(statement: Statement, search: BoxSearch) -> None:
    """Names the first node whose bounds are infinite in the box that is worst.

    Raises
    ------
    fastexpr.errors.EvaluationError
        Always.
    """
    n = statement.function.n_inputs
    box = search.least_box
    where = "the network"
    for layer in statement.function.bounds_by_layer(box[:n], box[n:], method="interval"):
        if np.isinf(layer.lower).any() and np.isinf(layer.upper).any():
            where = f"[{layer.operator} '{layer.node}']"
            break
    sides = ", ".join(f"[{low:.6g}, {high:.6g}]" for low, high in zip(box[:n][:5], box[n:][:5], strict=True))
    raise EvaluationError(
        f"{where} has no bounds: it may be infinite or not a number in the box {sides}, so that nothing can be "
        "proved there. What to do: keep the box (lower=, upper=) within the operator's domain."
    )


def result_of(statement: Statement, search: BoxSearch, ending: str, sign: float, tol: float) -> GlobalMinimum:
    bound, objective, x = float(search.bound), None, search.best
    if x is not None:
        objective = float(statement.function(x)[0])
        exact, _ = statement.function._output_bounds(x.reshape(1, -1), x.reshape(1, -1), "linear")
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
