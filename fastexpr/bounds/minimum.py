"""Certified global minima of networks over boxes, and verification: branch and bound on boxes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.bounds.arguments import statement_of
from fastexpr.bounds.box_problem import BoxProblem
from fastexpr.bounds.progress import Bracket, ProgressFunction, Reporter
from fastexpr.bounds.searching import ENDINGS, GlobalMinimum, Verification, certified_minimum, explore

__all__ = ["Bracket", "GlobalMinimum", "Verification", "global_minimum", "verify"]


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
    require("global_minimum", "tol", tol, is_number(tol) and 0 < tol < np.inf, "a positive number")
    is_time = time_limit is None or (is_number(time_limit) and time_limit >= 0)
    require("global_minimum", "time_limit", time_limit, is_time, "seconds, or None")
    began = time.monotonic()
    sign = -1.0 if maximize else 1.0
    problem = statement_of(
        net, lower, upper, weights=weights, sign=sign, constraints=constraints, output_lower=output_lower,
        output_upper=output_upper, integer=integer, one_of=one_of,
    )  # fmt: skip
    return certified_minimum(problem, began, tol, time_limit, Reporter(progress, sign), sign)


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
    require("verify", "at_least", at_least, is_number(at_least) and np.isfinite(at_least), "a finite number")
    is_time = time_limit is None or (is_number(time_limit) and time_limit >= 0)
    require("verify", "time_limit", time_limit, is_time, "seconds, or None")
    began = time.monotonic()
    problem = statement_of(net, lower, upper, weights=weights)
    search = problem.search(1e-9, float(at_least))
    ending = explore(
        problem, search, began, time_limit, Reporter(progress, 1.0), at_least - rounding(problem, at_least)
    )
    # One point may round differently from a batch of them: what refutes is what the caller sees.
    found = None if search.best is None else float(problem.function(search.best)[0])
    if found is not None and found < at_least:
        status, message = "refuted", f"{found:.8g} is below {at_least:g}, at x"
    elif ending == "" and search.bound >= at_least:
        status, message = "proved", f"nothing in the box is below {at_least:g}"
    else:
        status = "undecided"
        low = "nothing" if found is None else f"{found:.8g}"
        message = f"{ENDINGS.get(ending, ENDINGS['stalled'])}: the least value is between {search.bound:.8g} and {low}"
    return Verification(status, message, found, float(search.bound), search.best, search.n_boxes)


def rounding(problem: BoxProblem, claim: float) -> float:
    """Within so much of the claim, boxes would be split until they are as small as rounding, and tell no more."""
    low, high = problem.function.output_bounds(problem.lower, problem.upper)
    width = float(high[0]) - float(low[0])
    return 1e-11 * max(abs(claim), width if np.isfinite(width) else 0.0)


def is_number(given: Any) -> bool:
    return isinstance(given, int | float | np.number) and not isinstance(given, bool) and not np.isnan(given)


def require(where: str, name: str, given: Any, is_right: bool, expected: str) -> None:
    if not is_right:
        raise ValueError(f"[{where}] {name}: got {given!r}, expected {expected}.")
