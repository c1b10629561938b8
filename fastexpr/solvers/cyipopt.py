"""Ipopt through the package cyipopt."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Vector
from fastexpr.solvers.interior_point import (
    INFINITY,
    Callbacks,
    InterruptGuard,
    Multipliers,
    Progress,
    Scaling,
    Solution,
)
from fastexpr.solvers.options import Option, Plain, candidates, refuse


def load_extension() -> Any:
    """The compiled module of cyipopt, without the rest of the package.

    The package itself imports SciPy, for functions that are not used here; that takes some 0.3 s, with Pyomo loaded
    0.6 s, and so longer than most solves. What is put in its place runs the package's own __init__ when something
    else of it is asked for.
    """
    spec = importlib.util.find_spec("cyipopt")
    if "cyipopt" in sys.modules or spec is None or spec.loader is None:
        return importlib.import_module("cyipopt")
    package, loader = importlib.util.module_from_spec(spec), spec.loader

    def complete(name: str) -> Any:
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, name)

    package.__dict__["__getattr__"] = complete
    sys.modules["cyipopt"] = package
    try:
        return importlib.import_module("cyipopt.ipopt_wrapper")
    except BaseException:
        del sys.modules["cyipopt"]
        raise


cyipopt = load_extension()

#: Ipopt prints nothing unless asked; "sb" leaves out its banner.
defaults: dict[str, Option] = {"print_level": 0, "sb": "yes"}


def version() -> tuple[int, ...]:
    """Of Ipopt."""
    return tuple(cyipopt.IPOPT_VERSION)


def run(
    nlp: Nlp,
    options: dict[str, Option],
    multipliers: Multipliers | None,
    progress: Callable[[Progress], object] | None,
    scaling: Scaling | None,
) -> Solution:
    """Solves the program; see `fastexpr.solvers.run`."""

    def fail(size: int | None) -> NoReturn:
        raise cyipopt.CyIpoptEvaluationError

    callbacks = Callbacks(nlp, progress, fail)
    problem = cyipopt.Problem(
        n=nlp.n,
        m=nlp.m,
        problem_obj=callbacks,
        lb=np.maximum(nlp.lower, -INFINITY),
        ub=np.minimum(nlp.upper, INFINITY),
        cl=np.maximum(nlp.constraint_lower, -INFINITY),
        cu=np.minimum(nlp.constraint_upper, INFINITY),
    )
    for name, value in {**defaults, **options}.items():
        if not any(accepts(problem, name, candidate) for candidate in candidates(name, value)):
            refuse("cyipopt", name, value)
    if scaling is not None:
        problem.set_problem_scaling(scaling.objective, scaling.variables, scaling.constraints)
    first: list[Any] = [multipliers.constraints, multipliers.lower, multipliers.upper] if multipliers else [[], [], []]
    with InterruptGuard(callbacks):
        x, info = problem.solve(nlp.start, *first)
    problem.close()
    add_multipliers_of_fixed(nlp, x, info)
    return callbacks.solution(x, info)


def add_multipliers_of_fixed(nlp: Nlp, x: Vector, info: dict[str, Any]) -> None:
    """Ipopt before 3.14 gives a variable with equal bounds no multipliers; they follow from the others'."""
    fixed = np.flatnonzero((nlp.lower == nlp.upper) & (info["mult_x_L"] == 0.0) & (info["mult_x_U"] == 0.0))
    if not fixed.size:
        return
    rows, columns = nlp.jacobianstructure()
    try:
        forces = nlp.jacobian(x) * info["mult_g"][rows]
        slope = nlp.gradient(x) + np.bincount(columns, weights=forces, minlength=nlp.n)
    except EvaluationError:
        return
    info["mult_x_L"][fixed] = np.maximum(slope[fixed], 0.0)
    info["mult_x_U"][fixed] = np.maximum(-slope[fixed], 0.0)


def accepts(problem: Any, name: str, value: Plain) -> bool:
    """Whether Ipopt takes the option."""
    try:
        problem.add_option(name, value)
    except TypeError:
        return False
    return True
