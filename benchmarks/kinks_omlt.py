"""The set's surrogates and largest outputs as OMLT states them: ReLUs by complementarity, solved by POUNCE."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import Any

import numpy as np

from benchmarks.answer_networks import Trained

LIMIT = 20.0  # seconds


def solve(case: Any, nlp: Any) -> tuple[np.ndarray, bool]:
    """All variables, x first, and whether it calls them a solution; where it gives none, the start."""
    import pyomo.environ as pyo
    from omlt import OmltBlock
    from omlt.io import load_onnx_neural_network
    from omlt.neuralnet import ReluComplementarityFormulation

    logging.getLogger("pyomo").setLevel(logging.ERROR)
    trained = Trained(case.layers, "relu")
    n, m_outputs = trained.n_inputs, trained.n_outputs
    model = trained.onnx()
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.shape.dim[0].dim_value = 1
    bounds = {(0, i): (float(nlp.lower[i]), float(nlp.upper[i])) for i in range(n)}
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(n), bounds=lambda m, i: bounds[0, i], initialize=lambda m, i: float(nlp.start[i]))
    m.net = OmltBlock()
    m.net.build_formulation(ReluComplementarityFormulation(load_onnx_neural_network(model, input_bounds=bounds)))
    m.link = pyo.Constraint(range(n), rule=lambda m, i: m.net.inputs[0, i] == m.x[i])
    if m_outputs > 1 and np.isfinite(nlp.constraint_upper[0]):
        m.limit = pyo.Constraint(expr=m.net.outputs[0, 1] <= float(nlp.constraint_upper[0]))
    m.best = pyo.Objective(expr=m.net.outputs[0, 0], sense=pyo.maximize)
    pyo.TransformationFactory("mpec.simple_nonlinear").apply_to(m)
    solver = pyo.SolverFactory("pounce")
    solver.options["max_wall_time"] = LIMIT
    with contextlib.redirect_stdout(io.StringIO()):
        results = solver.solve(m, load_solutions=False)
    if len(results.solution):
        m.solutions.load_from(results)
    x = np.array(nlp.start)
    x[:n] = [pyo.value(m.x[i]) for i in range(n)]
    return x, str(results.solver.termination_condition) in ("optimal", "locallyOptimal")
