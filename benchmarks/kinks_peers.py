"""Who solves the set's problems: fastexpr, Ipopt alone, SciPy's SLSQP and OMLT."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDEST = 250  # variables that SLSQP is asked to work with: its time grows with the third power


@dataclass
class Answer:
    """Of one candidate to one case: x of the program as stated; whether success is claimed."""

    x: np.ndarray
    is_claimed: bool
    certificate: str
    spent: float


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    found = call()
    return found, time.process_time() - begin


def ours(case: Any, problem: Any, nlp: Any) -> Answer:
    result, spent = timed(problem.solve)
    return Answer(result.x, result.success, result.certificate, spent)


def ipopt(case: Any, problem: Any, nlp: Any) -> Answer:
    result, spent = timed(lambda: problem.solve(kinks="ignore", max_iter=500))
    return Answer(result.x, result.success, "", spent)


def slsqp(case: Any, problem: Any, nlp: Any) -> Answer | None:
    """On the program in its smallest form, without the outputs as variables where that is possible."""
    from fastexpr.solve.form import form_of
    from fastexpr.solve.strategy import start_of

    form = form_of(nlp)
    program = nlp if form is None else form.program()
    if program.n > WIDEST:
        return None
    found, spent = timed(lambda: by_slsqp(program, np.array(program.start), program.lower, program.upper, 500))
    x = np.clip(found.x, program.lower, program.upper)
    if form is not None:
        point = start_of(program)
        point.x = x
        x = form.solution(point).x
    return Answer(nlp.complete(x), bool(found.success), "", spent)


def omlt(case: Any, problem: Any, nlp: Any) -> Answer | None:
    """The surrogates and the largest outputs, which it can state: ReLUs by complementarity, solved by POUNCE."""
    if case.layers is None or nlp.functions.cells().n_units > 200:
        return None
    from benchmarks.kinks_omlt import solve

    before = resource.getrusage(resource.RUSAGE_CHILDREN)  # its solver is another process
    (x, is_claimed), spent = timed(lambda: solve(case, nlp))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Answer(nlp.complete(np.clip(x, nlp.lower, nlp.upper)), is_claimed, "", spent)


CANDIDATES: dict[str, Callable[..., Answer | None]] = {
    "fastexpr": ours,
    "kinks ignored": ipopt,
    "slsqp": slsqp,
    "omlt": omlt,
}


def by_slsqp(program: Any, start: np.ndarray, low: np.ndarray, high: np.ndarray, most: int) -> Any:
    """Its result, from this start and within this box, after so many iterations at most."""
    from scipy.optimize import Bounds, minimize

    rows, columns = program.jacobianstructure()
    lower, upper = program.constraint_lower, program.constraint_upper
    is_equation = lower == upper
    is_low, is_high = np.isfinite(lower) & ~is_equation, np.isfinite(upper) & ~is_equation

    def jacobian(x: np.ndarray) -> np.ndarray:
        dense = np.zeros((program.m, program.n))
        dense[rows, columns] = program.jacobian(x)
        return dense

    def parts(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values[is_low], -values[is_high]])

    shift = np.concatenate([lower[is_low], -upper[is_high]])
    constraints = []
    if is_equation.any():
        constraints.append({
            "type": "eq",
            "fun": lambda x: program.constraints(x)[is_equation] - lower[is_equation],
            "jac": lambda x: jacobian(x)[is_equation],
        })  # fmt: skip
    if shift.size:
        constraints.append({
            "type": "ineq",
            "fun": lambda x: parts(program.constraints(x)) - shift,
            "jac": lambda x: parts(jacobian(x)),
        })  # fmt: skip
    return minimize(
        program.objective,
        start,
        jac=lambda x: np.array(program.gradient(x)),
        bounds=Bounds(low, high),
        constraints=constraints,
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": most},
    )
