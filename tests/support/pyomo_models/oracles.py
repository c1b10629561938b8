"""The real ASL as an oracle: it reads a model's .nl file and evaluates it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.fileutils import find_library
from pyomo.contrib.pynumero.interfaces.pyomo_nlp import PyomoNLP

from fastexpr.pyomo.compile.compiled import CompiledModel

# Debian's ASL, of 2019, has wrong derivatives where a defined variable of one row contains one that rows share.
WRITTEN_OUT = {"export_defined_variables": False}


def objective_of(model: Any) -> Any:
    return next(model.component_data_objects(pyo.Objective, active=True), None)


def sign_of(model: Any) -> float:
    """1 for a minimum, -1 for a maximum."""
    objective = objective_of(model)
    return -1.0 if objective is not None and objective.sense == pyo.maximize else 1.0


def read_by_asl(model: Any) -> PyomoNLP:
    """The model as the real ASL evaluates it. It wants an objective: a model without one gets 0."""
    assert find_library("pynumero_ASL"), "libpynumero_ASL is missing: ./run test builds it"
    if objective_of(model) is None:
        model.no_objective = pyo.Objective(expr=0.0)
    return PyomoNLP(model, WRITTEN_OUT)


@dataclasses.dataclass
class Values:
    """A program at a point: of sign * objective and of the constraints, in the order of the compiled model."""

    objective: np.ndarray  # ()
    gradient: np.ndarray  # (n,)
    constraints: np.ndarray  # (m,) less a limit, for constants of a row are in its values or in its limits
    jacobian: np.ndarray  # (m, n)
    hessian: np.ndarray  # (n, n) of factor * sign * objective + multipliers @ constraints


def less_a_limit(values: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """The lower limit, or the upper one where that is the only one; 0 where there is none."""
    limit = np.where(np.isfinite(lower), lower, upper)
    return np.where(np.isfinite(limit), values - limit, 0.0)


def by_fastexpr(compiled: CompiledModel, x: np.ndarray, multipliers: np.ndarray, factor: float) -> Values:
    nlp = compiled.nlp
    jacobian, lower = np.zeros((nlp.m, nlp.n)), np.zeros((nlp.n, nlp.n))
    np.add.at(jacobian, nlp.jacobianstructure(), nlp.jacobian(x))
    np.add.at(lower, nlp.hessianstructure(), nlp.hessian(x, multipliers, factor))
    assert not np.triu(lower, 1).any()
    return Values(
        np.asarray(nlp.objective(x)),
        nlp.gradient(x),
        less_a_limit(nlp.constraints(x), nlp.constraint_lower, nlp.constraint_upper),
        jacobian,
        lower + np.tril(lower, -1).T,
    )


def by_asl(nlp: PyomoNLP, compiled: CompiledModel, x: np.ndarray, multipliers: np.ndarray, factor: float) -> Values:
    columns, rows = places(nlp, compiled)
    primals, duals = np.empty(x.size), np.empty(multipliers.size)
    primals[columns], duals[rows] = x, multipliers
    nlp.set_primals(primals)
    nlp.set_duals(duals)
    nlp.set_obj_factor(factor)
    constraints = less_a_limit(nlp.evaluate_constraints(), nlp.constraints_lb(), nlp.constraints_ub())[rows]
    limits = compiled.nlp.constraint_lower, compiled.nlp.constraint_upper
    constraints[~np.isfinite(limits).any(axis=0)] = 0.0  # rows without variables that hold lose their limits
    return Values(
        np.asarray(nlp.evaluate_objective()),
        nlp.evaluate_grad_objective()[columns],
        constraints,
        nlp.evaluate_jacobian().toarray()[rows][:, columns],
        nlp.evaluate_hessian_lag().toarray()[columns][:, columns],
    )


def places(nlp: PyomoNLP, compiled: CompiledModel) -> tuple[Any, Any]:
    """Where the compiled model's columns and rows are in the ASL's: both have the same."""
    assert {v.name for v in compiled.variables} == set(nlp.primals_names())
    assert {c.name for c in compiled.constraints} == set(nlp.constraint_names())
    return nlp.get_primal_indices(compiled.variables), nlp.get_constraint_indices(compiled.constraints)


def check_same(found: Values, expected: Values, tolerance: float = 1e-12) -> None:
    for name, value in vars(expected).items():
        assert np.isfinite(value).all(), name
        error = np.abs(getattr(found, name) - value).max(initial=0.0)
        assert error <= tolerance * np.abs(value).max(initial=0.0), f"{name}: {error}"
