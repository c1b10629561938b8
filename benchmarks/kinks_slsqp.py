"""SciPy's SLSQP on an assembled program."""

from __future__ import annotations

from typing import Any

import numpy as np


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
