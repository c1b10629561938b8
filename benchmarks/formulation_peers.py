"""The same networks and trees by OMLT and gurobi-ml."""

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
}
