"""The measurements for which a surrogate predicts the fastest progression of diabetes, within the range of the data.

    python examples/diabetes.py

The surrogate is diabetes/diabetes.onnx: ten measurements of a patient, two layers of 20 tanh units, progression after
one year; diabetes/train.py trains it on scikit-learn's bundled data of 442 patients.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyomo.environ as pyo
from sklearn.datasets import load_diabetes

import fastexpr as fx
import fastexpr.pyomo as fxp

NETWORK = Path(__file__).parent / "diabetes" / "diabetes.onnx"


def solve(patients: np.ndarray, names: list[str]) -> pyo.ConcreteModel:
    """The model, solved."""
    network = fx.load_onnx(NETWORK).with_names(inputs=names).with_bounds(patients.min(axis=0), patients.max(axis=0))
    model = pyo.ConcreteModel()
    model.network = fxp.NetworkBlock(network)
    measured, predicted = model.network.inputs, model.network.outputs
    model.cholesterol = pyo.Constraint(expr=measured["s2"] + measured["s3"] <= measured["s1"])  # LDL + HDL <= total
    model.ratio = pyo.Constraint(expr=measured["s4"] * measured["s3"] == measured["s1"])  # s4 is total / HDL
    model.progression = pyo.Objective(expr=predicted["progression"], sense=pyo.maximize)
    results = pyo.SolverFactory("fastexpr").solve(model)
    pyo.assert_optimal_termination(results)
    return model


def main() -> pyo.ConcreteModel:
    """Solves and prints the answer beside the range of the data."""
    data = load_diabetes(scaled=False)
    model = solve(data.data, list(data.feature_names))
    print(f"{'measurement':<12}{'lowest':>9}{'highest':>9}{'worst':>9}")
    for k, name in enumerate(data.feature_names):
        worst = pyo.value(model.network.inputs[name])
        print(f"{name:<12}{data.data[:, k].min():>9.2f}{data.data[:, k].max():>9.2f}{worst:>9.2f}")
    low, high = data.target.min(), data.target.max()
    print(f"\npredicted progression: {pyo.value(model.progression):.1f} (in the data: {low:g} to {high:g})")
    return model


if __name__ == "__main__":
    main()
