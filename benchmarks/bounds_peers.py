"""The least output of a trained network by mixed-integer solvers: HiGHS, Gurobi and SCIP, each on one thread.

ReLU networks are big-M rows with our linear bounds for all of them; SCIP takes tanh as an expression.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastexpr as fx

Layers = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Found:
    seconds: float  # of the processor
    objective: float | None
    status: str


def by_highs(net: fx.Function, layers: Layers, activation: str, tol: float, limit: float) -> Found | None:
    if activation != "relu":
        return None
    start = time.process_time()
    problem = fx.Problem()
    x = problem.variables(net.n_inputs, lower=-1.0, upper=1.0)
    problem.minimize(problem.network(net, x, formulation="bigm")[0])
    options = {"threads": 1, "mip_rel_gap": tol, "mip_abs_gap": tol}
    result = problem.solve(solver="highs", time_limit=limit, options=options)
    return Found(time.process_time() - start, result.objective, result.status)


def by_gurobi(net: fx.Function, layers: Layers, activation: str, tol: float, limit: float) -> Found | None:
    """Its pip package solves up to 2,000 variables without a licence."""
    if activation != "relu":
        return None
    import gurobipy

    start = time.process_time()
    with gurobipy.Env(empty=True) as environment:
        environment.setParam("OutputFlag", 0)
        environment.start()
        model = gurobipy.Model(env=environment)
        for name, value in {"Threads": 1, "WorkLimit": limit, "MIPGap": tol, "MIPGapAbs": tol}.items():
            model.setParam(name, value)

        def variable(low: float, high: float, is_binary: bool = False) -> Any:
            kind = gurobipy.GRB.BINARY if is_binary else gurobipy.GRB.CONTINUOUS
            return model.addVar(lb=low, ub=high, vtype=kind)

        model.setObjective(relu_rows(net, layers, variable, model.addConstr, gurobipy.quicksum))
        model.optimize()
        status = {gurobipy.GRB.OPTIMAL: "optimal"}.get(model.Status, "time limit")
        return Found(time.process_time() - start, model.ObjVal if model.SolCount else None, status)


def by_scip(net: fx.Function, layers: Layers, activation: str, tol: float, limit: float) -> Found:
    import pyscipopt

    start = time.process_time()
    model = pyscipopt.Model()
    model.hideOutput()
    for name, value in {"timing/clocktype": 1, "limits/time": limit, "limits/gap": tol, "limits/absgap": tol}.items():
        model.setParam(name, value)

    def variable(low: float, high: float, is_binary: bool = False) -> Any:
        return model.addVar(lb=low, ub=high, vtype="B" if is_binary else "C")

    if activation == "relu":
        model.setObjective(relu_rows(net, layers, variable, model.addCons, pyscipopt.quicksum))
    else:
        model.setObjective(tanh_rows(net, layers, variable, model.addCons, pyscipopt))
    model.optimize()
    objective = model.getObjVal() if model.getNSols() else None
    status = model.getStatus()
    return Found(
        time.process_time() - start, objective, "optimal" if status in ("optimal", "gaplimit") else "time limit"
    )


def ranges(net: fx.Function, layers: Layers) -> list[tuple[np.ndarray, np.ndarray]]:
    """Bounds of the arguments of each hidden layer."""
    linear = [layer for layer in net.bounds_by_layer(-1.0, 1.0, "linear") if layer.operator == "Linear"]
    return [(layer.lower, layer.upper) for layer in linear[: len(layers) - 1]]


Variable = Callable[..., Any]
Row = Callable[[Any], Any]


def relu_rows(net: fx.Function, layers: Layers, variable: Variable, row: Row, total: Callable[..., Any]) -> Any:
    """The rows of all units; returns the output."""
    units: list[Any] = [variable(-1.0, 1.0) for _ in range(net.n_inputs)]
    for (W, b), (lower, upper) in zip(layers, ranges(net, layers), strict=False):
        arguments = [
            total(w * u for w, u in zip(w_i, units, strict=True)) + float(b_i) for w_i, b_i in zip(W, b, strict=True)
        ]
        units = []
        for z, low, high in zip(arguments, lower.tolist(), upper.tolist(), strict=True):
            v = variable(0.0, max(high, 0.0))
            units.append(v)
            if low >= 0:
                row(v == z)
            elif high > 0:
                is_active = variable(0.0, 1.0, True)
                row(v >= z)
                row(v <= z - low * (1 - is_active))
                row(v <= high * is_active)
    return total(w * u for w, u in zip(layers[-1][0][0], units, strict=True)) + float(layers[-1][1][0])


def tanh_rows(net: fx.Function, layers: Layers, variable: Variable, row: Row, scip: Any) -> Any:
    """tanh z = 1 - 2 / (1 + exp 2z), of which SCIP knows both functions."""
    units: list[Any] = [variable(-1.0, 1.0) for _ in range(net.n_inputs)]
    for (W, b), (lower, upper) in zip(layers, ranges(net, layers), strict=False):
        arguments = [
            scip.quicksum(w * u for w, u in zip(w_i, units, strict=True)) + float(b_i)
            for w_i, b_i in zip(W, b, strict=True)
        ]
        units = []
        for argument, low, high in zip(arguments, lower.tolist(), upper.tolist(), strict=True):
            z, v = variable(low, high), variable(float(np.tanh(low)), float(np.tanh(high)))
            row(z == argument)
            row((1 - v) * (1 + scip.exp(2 * z)) == 2)
            units.append(v)
    return scip.quicksum(w * u for w, u in zip(layers[-1][0][0], units, strict=True)) + float(layers[-1][1][0])


PEERS: dict[str, tuple[str, Callable[..., Found | None]]] = {
    "HiGHS": ("highspy", by_highs),
    "Gurobi": ("gurobipy", by_gurobi),
    "SCIP": ("pyscipopt", by_scip),
}


def installed() -> dict[str, Callable[..., Found | None]]:
    return {name: by for name, (module, by) in PEERS.items() if importlib.util.find_spec(module) is not None}
