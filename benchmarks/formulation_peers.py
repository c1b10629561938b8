"""The same networks and trees by OMLT, gurobi-ml and PySCIPOpt-ML."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.log import LoggingIntercept

Layers = list[tuple[np.ndarray, np.ndarray]]


def omlt_model(layers: Layers, lower: np.ndarray, upper: np.ndarray) -> Any:
    """A Pyomo model of OMLT's big-M formulation."""
    from omlt import OmltBlock
    from omlt.neuralnet import NetworkDefinition, ReluBigMFormulation
    from omlt.neuralnet.layer import DenseLayer, InputLayer

    definition = NetworkDefinition(scaled_input_bounds=list(zip(lower.tolist(), upper.tolist(), strict=True)))
    before = InputLayer([len(lower)])
    definition.add_layer(before)
    for k, (W, b) in enumerate(layers):
        activation = "relu" if k < len(layers) - 1 else "linear"
        layer = DenseLayer([W.shape[0]], [W.shape[1]], W, b, activation=activation)
        definition.add_layer(layer)
        definition.add_edge(before, layer)
        before = layer
    model = pyo.ConcreteModel()
    model.nn = OmltBlock()
    with LoggingIntercept(module="pyomo"):  # it sets inputs to 0, whatever their bounds
        model.nn.build_formulation(ReluBigMFormulation(definition))
    return model


def omlt_network(layers: Layers, lower: np.ndarray, upper: np.ndarray, weights: np.ndarray) -> Any:
    """OMLT's model in an instance of HiGHS, with weights @ outputs to be maximized."""
    model = omlt_model(layers, lower, upper)
    terms = [w * model.nn.outputs[k] for k, w in enumerate(weights.tolist()) if w]
    model.best = pyo.Objective(expr=-sum(terms))
    return as_highs(model)


def as_highs(model: Any) -> Any:
    """An instance of HiGHS with a Pyomo model, as Pyomo's own interface makes it."""
    from pyomo.contrib.appsi.solvers import Highs

    solver = Highs()
    solver.config.stream_solver = False
    solver.set_instance(model)
    highs = solver._solver_model
    highs.setOptionValue("output_flag", False)
    return highs


def omlt_building(layers: Layers, _: Any, lower: np.ndarray, upper: np.ndarray, repeats: int) -> tuple[float, str]:
    """CPU seconds in Pyomo; binaries and rows."""
    samples = []
    for _number in range(repeats):
        begin = time.process_time()
        model = omlt_model(layers, lower, upper)
        samples.append(time.process_time() - begin)
    binaries = sum(v.is_binary() for v in model.component_data_objects(pyo.Var))
    rows = sum(1 for _ in model.component_data_objects(pyo.Constraint, active=True))
    return statistics.median(samples), f"{binaries}, {rows}"


def gurobi_building(_: Any, estimator: Any, lower: np.ndarray, upper: np.ndarray, repeats: int) -> tuple[float, str]:
    """CPU seconds in Gurobi; binaries (that Gurobi makes of its general constraints) and rows."""
    import gurobipy
    from gurobi_ml import add_predictor_constr

    samples = []
    with gurobipy.Env(empty=True) as environment:
        environment.setParam("OutputFlag", 0)
        environment.start()
        for _number in range(repeats):
            begin = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = gurobipy.Model(env=environment)
                x = model.addMVar((1, len(lower)), lb=lower, ub=upper)
                y = model.addMVar((1, 10), lb=-gurobipy.GRB.INFINITY)
                add_predictor_constr(model, estimator, x, y)
                model.update()
            samples.append(time.process_time() - begin)
        return statistics.median(samples), f"{model.NumGenConstrs} (general constraints), {model.NumConstrs}"


def scip_model(estimator: Any, lower: np.ndarray, upper: np.ndarray, n_outputs: int) -> tuple[Any, Any, Any]:
    """A SCIP model that PySCIPOpt-ML put an estimator into, with its inputs and outputs."""
    import pyscipopt
    from pyscipopt_ml.add_predictor import add_predictor_constr

    model = pyscipopt.Model()
    model.hideOutput()
    x = np.array([model.addVar(lb=low, ub=high) for low, high in zip(lower.tolist(), upper.tolist(), strict=True)])
    y = np.array([model.addVar(lb=None) for _ in range(n_outputs)])
    add_predictor_constr(model, estimator, x.reshape(1, -1), y.reshape(1, -1))
    return model, x, y


def scip_building(_: Any, estimator: Any, lower: np.ndarray, upper: np.ndarray, repeats: int) -> tuple[float, str]:
    """CPU seconds in SCIP; binaries (SOS1 constraints have none) and constraints."""
    samples = []
    for _number in range(repeats):
        begin = time.process_time()
        model, _, _ = scip_model(estimator, lower, upper, 10)
        samples.append(time.process_time() - begin)
    kinds = [constraint.getConshdlrName() for constraint in model.getConss()]
    return statistics.median(samples), f"{kinds.count('SOS1')} (SOS1 constraints), {len(kinds)}"


def scip_trees(estimator: Any, repeats: int, limit: float) -> tuple[float, float, float, float, np.ndarray]:
    """Of trees within two limits: CPU seconds of building and of solving, bound, objective, and the point."""
    samples = []
    for _ in range(repeats):
        begin = time.process_time()
        model, x, y = scip_model(estimator, np.zeros(10), np.ones(10), 1)
        samples.append(time.process_time() - begin)
    model.addCons(sum(x.tolist()) <= 4.0)
    model.addCons(x[0] - x[1] <= 0.2)
    model.setObjective(y[0], "maximize")
    model.setRealParam("limits/time", limit)
    begin = time.process_time()
    model.optimize()
    took = time.process_time() - begin
    if not model.getNSols():
        return statistics.median(samples), took, model.getDualbound(), np.nan, np.full(10, np.nan)
    point = np.array([model.getVal(variable) for variable in x])
    return statistics.median(samples), took, model.getDualbound(), model.getObjVal(), point


def omlt_trees(estimator: Any, folder: Path, repeats: int) -> tuple[float, Any, list[Any], Any]:
    """CPU seconds of building in Pyomo; the model, its inputs and its output."""
    import onnx
    from omlt import OmltBlock
    from omlt.gbt import GBTBigMFormulation, GradientBoostedTreeModel
    from skl2onnx import to_onnx

    path = folder / "trees.onnx"
    onnx.save(to_onnx(estimator, np.zeros((1, 10), np.float32), target_opset={"": 15, "ai.onnx.ml": 1}), path)
    samples = []
    for _ in range(repeats):
        begin = time.process_time()
        definition = GradientBoostedTreeModel(onnx.load(path), scaled_input_bounds=dict.fromkeys(range(10), (0.0, 1.0)))
        model = pyo.ConcreteModel()
        model.nn = OmltBlock()
        model.nn.build_formulation(GBTBigMFormulation(definition))
        samples.append(time.process_time() - begin)
    return statistics.median(samples), model, [model.nn.inputs[k] for k in range(10)], model.nn.outputs[0]


PEERS: dict[str, Callable[..., tuple[float, str]]] = {
    "OMLT, into Pyomo": omlt_building,
    "gurobi-ml, into Gurobi": gurobi_building,
    "PySCIPOpt-ML, into SCIP": scip_building,
}
