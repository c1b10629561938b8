"""What `global_minimum` and `verify` are asked: checked, and put into a statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.bounds.box_problem import FEASIBILITY, BoxProblem, statement_of_parts
from fastexpr.bounds.boxes import boxes_of
from fastexpr.errors import NotFoundError, ShapeError
from fastexpr.function.arguments import numbers_of, real_numbers

Array = npt.NDArray[np.float64]


def statement_of(
    net: Function,
    lower: Any,
    upper: Any,
    *,
    weights: Any = None,
    sign: float = 1.0,
    constraints: Any = (),
    output_lower: Any = None,
    output_upper: Any = None,
    integer: Any = (),
    one_of: Any = (),
) -> BoxProblem:
    """Checks everything and puts it together; `sign` is -1 where the largest value is wanted.

    Raises
    ------
    ValueError, TypeError, fastexpr.errors.ShapeError, fastexpr.errors.NotFoundError
        As `global_minimum`.
    """
    if not isinstance(net, Function):
        raise TypeError(f"[global_minimum] net: got {type(net).__name__}, expected a fastexpr.Function.")
    constraints, integer, one_of = (() if given is None else given for given in (constraints, integer, one_of))
    boxes = boxes_of(net, lower, upper)
    if boxes.is_batch:
        raise ShapeError("[global_minimum] lower and upper: got several boxes, expected one. Call it for each.")
    low, high = boxes.lower[0].copy(), boxes.upper[0].copy()
    require_finite(net, low, high)
    is_integer = np.zeros(net.n_inputs, dtype=bool)
    is_integer[components_of(net, integer, "integer")] = True
    rows, row_limits = rows_of(net, constraints)
    for group in groups_of(net, one_of):
        is_integer[group] = True
        low[group], high[group] = np.maximum(low[group], 0.0), np.minimum(high[group], 1.0)
        row = np.zeros(net.n_inputs)
        row[group] = 1.0
        rows, row_limits = [*rows, row, -row], [*row_limits, 1.0, -1.0]
    low[is_integer], high[is_integer] = np.ceil(low[is_integer]), np.floor(high[is_integer])
    empty = np.flatnonzero(low > high)
    if empty.size:
        raise ValueError(
            f"[global_minimum] no whole number lies within the bounds of input '{net.input_names[empty[0]]}'. "
            "Widen them, or leave it out of integer= and one_of=."
        )
    matrix, limits = outputs_of(net, sign * weights_of(net, weights), output_lower, output_upper)
    rows_ = np.array(rows, dtype=np.float64).reshape(len(row_limits), net.n_inputs)
    # As far as others' tolerances let them go: no start of theirs ends lower.
    allowance = 0.99 * FEASIBILITY
    return statement_of_parts(net, low, high, matrix, limits, rows_, np.array(row_limits), is_integer, allowance)


def require_finite(net: Function, lower: Array, upper: Array) -> None:
    with np.errstate(over="ignore"):
        wrong = np.flatnonzero(~np.isfinite(upper - lower))  # the width, too
    if wrong.size:
        names = ", ".join(f"'{net.input_names[i]}' [{lower[i]:g}, {upper[i]:g}]" for i in wrong[:5])
        more = f" and {wrong.size - 5} more" if wrong.size > 5 else ""
        raise ValueError(
            f"[global_minimum] boxes are split, so every input needs finite bounds: got {names}{more}. What to do: "
            "give lower= and upper=, or keep a range with the network (with_bounds); that of the training data is good."
        )


def weights_of(net: Function, weights: Any) -> Array:
    if weights is None:
        if net.n_outputs != 1:
            raise ShapeError(
                f"[global_minimum] weights are missing: this network has {net.n_outputs} outputs, so say which "
                f"combination of them, e.g. weights of shape ({net.n_outputs},), or net.select(...)."
            )
        return np.ones(1)
    numbers = numbers_of(net, "output", weights, "weights").reshape(-1)
    if numbers.size != net.n_outputs:
        raise ShapeError(
            f"[global_minimum] weights: got {numbers.size} numbers, expected {net.n_outputs}, one per output."
        )
    if not np.isfinite(numbers).all():
        raise ValueError("[global_minimum] weights must be finite.")
    return numbers


def components_of(net: Function, chosen: Any, what: str) -> list[int]:
    """Inputs by number or name; True for all, or a mask.

    Raises
    ------
    fastexpr.errors.NotFoundError
        There is no such input.
    """
    if isinstance(chosen, bool):
        return list(range(net.n_inputs)) if chosen else []
    if isinstance(chosen, str):
        chosen = [chosen]
    entries = (
        list(np.atleast_1d(np.asarray(chosen, dtype=object))) if not isinstance(chosen, list | tuple) else list(chosen)
    )
    if len(entries) == net.n_inputs and all(isinstance(entry, bool | np.bool_) for entry in entries):
        return [int(i) for i in np.flatnonzero(np.array(entries, dtype=bool))]
    names = {name: number for number, name in enumerate(net.input_names)}
    found = []
    for entry in entries:
        number = names.get(entry) if isinstance(entry, str) else entry
        if (
            not isinstance(number, int | np.integer)
            or isinstance(number, bool)
            or not -net.n_inputs <= number < net.n_inputs
        ):
            raise NotFoundError(
                f"[global_minimum] {what}: got {entry!r}, expected names of inputs or numbers below {net.n_inputs}. "
                f"The inputs are {', '.join(net.input_names[:10])}{', ...' if net.n_inputs > 10 else ''}."
            )
        found.append(int(number) % net.n_inputs)
    return found


def groups_of(net: Function, one_of: Any) -> list[list[int]]:
    if isinstance(one_of, str | Mapping) or any(isinstance(group, str | int | np.integer) for group in one_of):
        raise ValueError(f"[global_minimum] one_of: got {one_of!r}, expected groups of inputs: [[...], [...]].")
    groups = [components_of(net, group, "one_of") for group in one_of]
    members = [member for group in groups for member in group]
    if any(not group for group in groups) or len(set(members)) < len(members):
        raise ValueError(
            "[global_minimum] one_of: expected groups of inputs, of which one is 1 and the others are 0; none is "
            f"empty, and no input is in two: got {list(one_of)!r}."
        )
    return groups


def rows_of(net: Function, constraints: Any) -> tuple[list[Array], list[float]]:
    """Every constraint as rows that are at most a limit."""
    if hasattr(constraints, "A") or not isinstance(constraints, Iterable) or isinstance(constraints, Mapping):
        constraints = [constraints]
    rows: list[Array] = []
    limits: list[float] = []
    for constraint in constraints:
        if not all(hasattr(constraint, name) for name in ("A", "lb", "ub")):
            raise TypeError(
                f"[global_minimum] constraints: got {type(constraint).__name__}, expected "
                "scipy.optimize.LinearConstraint(A, lb, ub). Limits on outputs are output_lower= and output_upper=."
            )
        A = constraint.A.toarray() if hasattr(constraint.A, "toarray") else constraint.A
        A = np.atleast_2d(real_numbers(A, "A of a constraint"))
        if A.shape[1] != net.n_inputs:
            raise ShapeError(f"[global_minimum] A of a constraint: got {A.shape[1]} columns, expected {net.n_inputs}.")
        low, high = (
            np.broadcast_to(real_numbers(side, "limits"), (len(A),)) for side in (constraint.lb, constraint.ub)
        )
        if not np.isfinite(A).all() or np.isnan(low).any() or np.isnan(high).any():
            raise ValueError("[global_minimum] constraints: got NaN, or an infinite coefficient.")
        for row, least, most in zip(A, low, high, strict=True):
            if np.isfinite(most):
                rows, limits = [*rows, row], [*limits, float(most)]
            if np.isfinite(least):
                rows, limits = [*rows, -row], [*limits, -float(least)]
            if most == -np.inf or least == np.inf:
                raise ValueError(
                    "[global_minimum] constraints: a limit that nothing satisfies: lb is inf, or ub is -inf."
                )
    return rows, limits


def limits_of(net: Function, given: Any, what: str, absent: float) -> Array:
    """One number per output; those that a dict leaves out, None and NaN are no limits."""
    limits = np.full(net.n_outputs, absent)
    if given is None:
        return limits
    if isinstance(given, Mapping):
        for name, number in given.items():
            if name not in net.output_names:
                raise NotFoundError(
                    f"[global_minimum] {what}: got {name!r}. The outputs are {', '.join(net.output_names[:10])}."
                )
            limits[net.output_names.index(name)] = absent if number is None else float(number)
        return limits
    entries = [absent if entry is None else entry for entry in given] if isinstance(given, list | tuple) else given
    numbers = real_numbers(entries, what)
    if numbers.size not in (1, net.n_outputs) or numbers.ndim > 1:
        raise ShapeError(
            f"[global_minimum] {what}: got shape {numbers.shape}, expected one number or ({net.n_outputs},)."
        )
    limits[:] = numbers
    limits[np.isnan(limits)] = absent
    return limits


def outputs_of(net: Function, weights: Array, output_lower: Any, output_upper: Any) -> tuple[Array, Array]:
    """The matrix of objective and limited combinations (1 + limits, m), and the limits."""
    low = limits_of(net, output_lower, "output_lower", -np.inf)
    high = limits_of(net, output_upper, "output_upper", np.inf)
    wrong = np.flatnonzero(~(low <= high) | (low == np.inf) | (high == -np.inf))
    if wrong.size:
        k = wrong[0]
        raise ValueError(
            f"[global_minimum] no value of output '{net.output_names[k]}' is within its limits: "
            f"got [{low[k]:g}, {high[k]:g}]."
        )
    unit = np.eye(net.n_outputs)
    rows: list[Array] = [weights]
    limits: list[float] = []
    for k in range(net.n_outputs):
        if np.isfinite(high[k]):
            rows, limits = [*rows, unit[k]], [*limits, high[k]]
        if np.isfinite(low[k]):
            rows, limits = [*rows, -unit[k]], [*limits, -low[k]]
    return np.array(rows), np.array(limits, dtype=np.float64)
