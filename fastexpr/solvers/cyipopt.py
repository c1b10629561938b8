"""Ipopt through the package cyipopt."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Vector
from fastexpr.solvers.interior_point import Callbacks, InterruptGuard, Multipliers, Scaling, Solution, Supervision
from fastexpr.solvers.ipopt_library import Library, Problem
from fastexpr.solvers.options import Option, Plain, candidates, refuse
from fastexpr.solvers.view import View


def load_extension() -> Any:
    """The compiled module of cyipopt, without the rest of the package.

    The package itself imports SciPy, for functions that are not used here; that takes some 0.3 s, with Pyomo loaded
    0.6 s, and so longer than most solves. What is put in its place runs the package's own __init__ when something
    else of it is asked for.
    """
    spec = importlib.util.find_spec("cyipopt")
    if "cyipopt" in sys.modules or spec is None or spec.loader is None:
        importlib.import_module("cyipopt")
        return compiled_module()
    package, loader = importlib.util.module_from_spec(spec), spec.loader

    def complete(name: str) -> Any:
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, name)

    package.__dict__["__getattr__"] = complete
    sys.modules["cyipopt"] = package
    try:
        return compiled_module()
    except BaseException:
        del sys.modules["cyipopt"]
        raise


def compiled_module() -> Any:
    """Of the places where builds of cyipopt have it, from 1.4 on, the first that holds all that is used here."""
    for name in ("cyipopt.ipopt_wrapper", "ipopt_wrapper"):
        if importlib.util.find_spec(name) is not None:
            module = importlib.import_module(name)
            if hasattr(module, "Problem") and hasattr(module, "IPOPT_VERSION"):
                return module
    raise ImportError(
        "[Solver 'cyipopt'] this build of cyipopt is laid out in a way that is not known, or older than 1.4. What to "
        "do: pip install --upgrade cyipopt, or solver='pounce'."
    )


def load_library(module: Any) -> Library:
    """The Ipopt that this module was linked with."""
    try:
        return Library(module.__file__)
    except AttributeError as error:
        raise ImportError(
            f"[Solver 'cyipopt'] {module.__file__} does not show the functions of Ipopt ({error}): this build has them "
            "inside. What to do: install a cyipopt that is linked with libipopt.so, or solver='pounce'."
        ) from error


cyipopt = load_extension()
library = load_library(cyipopt)

#: Ipopt prints nothing unless asked; "sb" leaves out its banner.
defaults: dict[str, Option] = {"print_level": 0, "sb": "yes"}

#: Up to so many variables and rows MUMPS orders by approximate minimum degree. What it takes by itself makes factors
#: with half as many operations again of the chains of states in predictive control; larger ones are for it to decide.
SMALL = 2_000
MINIMUM_DEGREE = 0


def version() -> tuple[int, ...]:
    """Of Ipopt."""
    return tuple(cyipopt.IPOPT_VERSION)


def run(
    nlp: View,
    options: dict[str, Option],
    multipliers: Multipliers | None,
    supervision: Supervision,
    scaling: Scaling | None,
) -> Solution:
    """Solves the program; see `fastexpr.solvers.run`."""
    callbacks = Callbacks(nlp, supervision, lambda size: None)
    problem = Problem(library, nlp, callbacks)
    try:
        for name, value in {**defaults, **options}.items():
            if not any(accepts(problem, name, candidate) for candidate in candidates(name, value)):
                refuse("cyipopt", name, value)
        if nlp.n + nlp.m <= SMALL and "mumps_pivot_order" not in options:
            accepts(problem, "mumps_pivot_order", MINIMUM_DEGREE)  # unless it has no MUMPS
        if scaling is not None:
            problem.set_scaling(scaling)
        with InterruptGuard(callbacks):
            x, info = problem.solve(nlp.start, multipliers)
    finally:
        problem.close()
    add_multipliers_of_fixed(nlp, x, info)
    return callbacks.solution(x, info)


def add_multipliers_of_fixed(nlp: View, x: Vector, info: dict[str, Any]) -> None:
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


#: What Ipopt has taken before: it can be set without watching what is printed.
_accepted: set[tuple[str, Plain]] = set()
_capturing = threading.Lock()


def accepts(problem: Problem, name: str, value: Plain) -> bool:
    """Whether Ipopt takes the option. What it prints where it does not is left out; `refuse` says it."""
    if (name, value) in _accepted:
        return problem.add_option(name, value)
    with _capturing, captured_output() as release:
        if not problem.add_option(name, value):
            return False
        release()
    _accepted.add((name, value))
    return True


@contextlib.contextmanager
def captured_output() -> Iterator[Callable[[], None]]:
    """What the process prints meanwhile is left out, unless what this gives is called: then it follows.

    Ipopt prints from C, so that it takes the descriptor; Python threads do not run meanwhile unless they have let go of
    the interpreter.
    """
    flush = ctypes.CDLL(None).fflush
    flush(None)
    try:
        kept = os.dup(1)
    except OSError:  # there is none
        yield lambda: None
        return
    held = os.memfd_create("stdout")
    is_released = False

    def release() -> None:
        nonlocal is_released
        is_released = True

    os.dup2(held, 1)
    try:
        yield release
    finally:
        flush(None)
        os.dup2(kept, 1)
        if is_released:
            size = os.lseek(held, 0, os.SEEK_CUR)
            if size:
                os.write(1, os.pread(held, size, 0))
        os.close(held)
        os.close(kept)
