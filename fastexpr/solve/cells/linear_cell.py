"""A cell in which the program is linear, as those of ReLUs mostly are: one linear program, solved exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Vector
from fastexpr.solve.cells.linear_program import solve_linear
from fastexpr.solvers.interior_point import Multipliers, Solution, return_codes
from fastexpr.solvers.verification import FEASIBILITY, Measure

#: Derivatives that differ by less, relative to the largest of their row, are the same.
SAME = 1e-12

#: Relative to the objective's size: how well the objective at the solution must be what the linear program says.
AGREES = 1e-8


def linear_solution(nlp: Nlp, near: Vector) -> Solution | None:
    """The best point of a cell's program; None where it is not linear, or its linear program has no solution.

    Where nothing has second derivatives, every cell is linear. Elsewhere derivatives are looked at in two points, and
    values at the solution: what is linear here need not be so in other cells, as a hard swish is beyond its kinks.

    Parameters
    ----------
    nlp : Nlp
        The program in the cell, with walls.
    near : (n,) array
        The solution of another cell, or with fewer walls.
    """
    try:
        here = Measure(nlp, near)
        if not (is_piecewise_linear(nlp.functions) or is_linear(here)):
            return None
        return verified(nlp, here)
    except EvaluationError:
        return None


def is_piecewise_linear(functions: Any) -> bool:
    """Whether there are no second derivatives in any cell."""
    return bool(functions.has_hessian and functions.hessian_structure()[0].size == 0)


def is_linear(here: Measure) -> bool:
    """Whether the derivatives are the same in another point."""
    nlp, x = here.nlp, here.x
    step = np.random.default_rng(0).uniform(0.1, 0.4, x.size) * here.width
    other = np.clip(np.where(x - nlp.lower < nlp.upper - x, x + step, x - step), nlp.lower, nlp.upper)
    difference = abs(nlp.gradient(other) - here.gradient)
    if (difference > SAME * abs(here.gradient).max(initial=0.0)).any():
        return False
    largest = np.zeros(nlp.m)
    np.maximum.at(largest, here.rows, abs(here.slopes))
    return not (abs(nlp.jacobian(other) - here.slopes) > SAME * largest[here.rows]).any()


def verified(nlp: Nlp, here: Measure) -> Solution | None:
    """From the linear program in widths, with rows whose largest slope is 1."""
    width = np.where(here.width > 0.0, here.width, 1.0)
    slopes = np.zeros((nlp.m, nlp.n))
    np.add.at(slopes, (here.rows, here.columns), here.slopes)
    slopes *= width
    size = abs(slopes).max(axis=1, initial=0.0)
    size[size == 0.0] = 1.0
    pull = here.gradient * width
    force = abs(pull).max(initial=0.0) or 1.0
    found = solve_linear(
        pull / force,
        slopes / size[:, None],
        (nlp.constraint_lower - here.values) / size,
        (nlp.constraint_upper - here.values) / size,
        (nlp.lower - here.x) / width,
        (nlp.upper - here.x) / width,
        np.zeros(nlp.n),
    )
    if found is None:
        return None
    x = np.clip(here.x + found.x * width, nlp.lower, nlp.upper)
    bounds = found.column_duals * force / width
    multipliers = Multipliers(-found.row_duals * force / size, np.maximum(bounds, 0.0), np.maximum(-bounds, 0.0))
    objective = nlp.objective(x)
    if abs(objective - here.objective - pull @ found.x) > AGREES * nlp.objective_size(objective):
        return None
    violation = Measure(nlp, x).verdict(multipliers).violation
    if violation > FEASIBILITY:
        return None
    return Solution(x, objective, multipliers, *return_codes[0], 0, violation)
