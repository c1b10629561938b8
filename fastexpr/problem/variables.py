"""`Problem.variables`: bounds and starts as the user gives them, the names that their labels give, bounds that move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr.expression import Expression, variables
from fastexpr.expression.node import with_component_names
from fastexpr.function.arguments import separated
from fastexpr.nlp import Vector
from fastexpr.problem.arguments import AskNames, as_sides, as_start, as_vector, names_from, require_order
from fastexpr.problem.parameters import as_bound, moving_bound

if TYPE_CHECKING:
    from fastexpr.problem.problem import Problem


def state_variables(
    problem: Problem,
    shape: int | Sequence[int],
    lower: Any,
    upper: Any,
    start: Any,
    name: str | None,
    bounds: Any,
    integer: bool,
) -> Expression:
    """New variables, with what their bounds and their start say."""
    leaf = variables(shape)
    if not isinstance(lower, Expression) and not isinstance(upper, Expression):
        lower, upper = as_sides(lower, upper, bounds, leaf.size)
    name = name or f"x{len(problem._statement.variables)}"
    lower, upper = as_bound(lower), as_bound(upper)
    moving = [
        moving_bound(problem._statement, side, leaf.shape, f"the {word} bound of {name!r}")
        if isinstance(side, Expression)
        else None
        for side, word in ((lower, "lower"), (upper, "upper"))
    ]
    lower, upper = (None if isinstance(side, Expression) else side for side in (lower, upper))
    if upper is None and leaf.ndim == 1 and moving == [None, None]:
        lower, upper = separated(lower, leaf.size)
    found = names_from(leaf.shape, lower, upper, start)
    if found is not None:
        with_component_names(leaf, found.names)
    names = None if found is None else lambda: found
    low = as_vector(lower, -np.inf, leaf.shape, f"the lower bound of {name!r}", names)
    high = as_vector(upper, np.inf, leaf.shape, f"the upper bound of {name!r}", names)
    add_variables(problem, leaf, name, low, high, start, names, integer)
    entry = problem._statement.variables[leaf]
    entry.moving_lower, entry.moving_upper = moving
    if moving != [None, None]:
        low, high = entry.bounds(problem._statement.parameter_values())
        entry.start = np.fmin(np.fmax(entry.start, low), high)
    return leaf


def add_variables(
    problem: Problem, leaf: Expression, name: str, lower: Vector, upper: Vector, start: Any, names: AskNames,
    is_integer: bool = False,
) -> Expression:  # fmt: skip
    require_order(lower, upper, name)
    begin = as_start(start, lower, upper, leaf.shape, name, names)
    problem._statement.add_variables(leaf, name, lower, upper, begin, start is not None, is_integer)
    problem._nlp = None
    return leaf
