"""Where a walk reaches its limit of cells, or a jump: the program with kinks and jumps of networks rounded, less and
less, and a walk from there.
"""

from __future__ import annotations

from dataclasses import replace

from fastexpr._core import Function
from fastexpr.function.smoothing import ROUNDED_STEPS, STEPS, is_kinked, rounded
from fastexpr.nlp import Nlp
from fastexpr.solve.budget import Budget
from fastexpr.solve.cells.stage import walk_from
from fastexpr.solvers.interior_point import Solution

#: Over which kinks of networks are rounded, one after the other.
WIDTHS = (0.3, 0.03, 0.003)

#: Iterations for each width.
ITERATIONS = 100


def continued(program: Nlp, point: Solution, budget: Budget) -> Solution | None:
    """From the point, by programs with rounded networks, to where a walk ends; None where no network can be rounded.

    Kinks of a Pyomo model's own algebra stay as they are, and so do networks with trees, rounding and other steps.
    """
    arrays = program.arrays
    if arrays is None or not any(can_be_rounded(target) for target in arrays.targets):
        return None
    here = point
    for width in WIDTHS:
        if budget.is_over:
            return None
        targets = [rounded(target, width, True) if can_be_rounded(target) else target for target in arrays.targets]
        functions = replace(arrays, targets=targets).compile(getattr(program.functions, "has_hessian", True))
        if arrays.n_parameters:
            functions.set_parameters(arrays.parameters)
        here = budget.run(smooth_program(program, functions, here), max_iter=ITERATIONS)
    return walk_from(program, replace(here, status="smoothed"), budget)


def can_be_rounded(target: object) -> bool:
    """A network with kinks, and without steps but those of comparisons."""
    if not isinstance(target, Function):
        return False
    operators = [core for core, _, _ in target._nodes()]
    steps = {core.name for core in operators if core.name in STEPS}
    return steps <= ROUNDED_STEPS.keys() and (bool(steps) or any(map(is_kinked, operators)))


def smooth_program(program: Nlp, functions: object, here: Solution) -> Nlp:
    """The program with these functions, from there."""
    return Nlp(
        start=here.x,
        lower=program.lower,
        upper=program.upper,
        constraint_lower=program.constraint_lower,
        constraint_upper=program.constraint_upper,
        functions=functions,  # type: ignore[arg-type]
        variable_name=program.variable_name,
        row_name=program.row_name,
        owner=program.owner,
        evaluations=program.evaluations,
        scale=program.scale,
    )
