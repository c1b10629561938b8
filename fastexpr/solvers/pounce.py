"""pounce, a port of Ipopt to Rust, from the package pounce-solver."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from typing import Any

import numpy as np

from fastexpr.nlp import Vector
from fastexpr.solvers.interior_point import (
    INFINITY,
    Callbacks,
    InterruptGuard,
    Multipliers,
    Scaling,
    Solution,
    Supervision,
)
from fastexpr.solvers.options import Option, Plain, candidates, refuse
from fastexpr.solvers.view import View


def load_package() -> Any:
    """The package, whose logger is silent about a solve unless RUST_LOG asks for it: it reads that when imported."""
    is_asked = "RUST_LOG" in os.environ
    if not is_asked:
        os.environ["RUST_LOG"] = "warn"
    try:
        return importlib.import_module("pounce")
    finally:
        if not is_asked:
            del os.environ["RUST_LOG"]


pounce = load_package()

#: pounce prints nothing unless asked; "sb" leaves out its banner.
defaults: dict[str, Option] = {"print_level": 0, "sb": "yes"}


def version() -> tuple[int, ...]:
    """Of pounce."""
    return tuple(int(part) for part in importlib.metadata.version("pounce-solver").split(".") if part.isdigit())


def run(
    nlp: View,
    options: dict[str, Option],
    multipliers: Multipliers | None,
    supervision: Supervision,
    scaling: Scaling | None,
) -> Solution:
    """Solves the program; see `fastexpr.solvers.run`."""
    callbacks = Callbacks(nlp, supervision, not_a_number)
    first = (
        {"lagrange": multipliers.constraints, "zl": multipliers.lower, "zu": multipliers.upper} if multipliers else {}
    )
    settings = {name: candidates(name, value) for name, value in {**defaults, **options}.items()}
    while True:
        problem = new_problem(nlp, callbacks, settings)
        if scaling is not None:
            problem.set_problem_scaling(scaling.objective, scaling.variables, scaling.constraints)
            callbacks.objective_factor = scaling.objective
        try:
            with InterruptGuard(callbacks):
                x, info = problem.solve(nlp.start, **first)
            solution = callbacks.solution(x, info)
            if solution.status == "too_few_degrees_of_freedom":
                solution.x = np.array(nlp.start)  # it did not start
            return solution
        except RuntimeError as error:
            correct_option(settings, error)


def new_problem(nlp: View, callbacks: Callbacks, settings: dict[str, list[Plain]]) -> Any:
    """A problem with its options; pounce builds its solver anew at every solve."""
    problem = pounce.Problem(
        nlp.n,
        nlp.m,
        callbacks,
        np.maximum(nlp.lower, -INFINITY),
        np.minimum(nlp.upper, INFINITY),
        np.maximum(nlp.constraint_lower, -INFINITY),
        np.minimum(nlp.constraint_upper, INFINITY),
    )
    for name, values in settings.items():
        problem.add_option(name, values[0])
    return problem


def correct_option(settings: dict[str, list[Plain]], error: RuntimeError) -> None:
    """Options are looked at only by the solve, before the first evaluation: the next candidate, if there is one."""
    message = str(error)
    name = next((name for name in settings if message.startswith(f"option {name}=")), None)
    if name is None or "OPTION_INVALID" not in message:
        raise error
    wrong = settings[name].pop(0)
    if not settings[name]:
        refuse("pounce", name, wrong)


def not_a_number(size: int | None) -> float | Vector:
    """The solver steps back where a result is NaN."""
    return float("nan") if size is None else np.full(size, np.nan)
