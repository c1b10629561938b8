"""The real ASL as an oracle: it reads a model's .nl file and evaluates it."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
from pyomo.common.fileutils import find_library
from pyomo.contrib.pynumero.interfaces.pyomo_nlp import PyomoNLP

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
