"""Trains the kinetics of a reaction A -> B on noisy measurements and writes kinetics.onnx beside this file.

    python examples/reactor/train.py

Concentration of A in mol/L and temperature in K -> the rate at which A reacts, in mol/(L min):

    rate = concentration * exp(network(concentration, temperature))

with two layers of 8 tanh units. Whatever they learn, the rate is positive, and nothing reacts where nothing is left.
The measurements are simulated with a rate law that the network is not told.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

PATH = Path(__file__).with_name("kinetics.onnx")
LOWEST, HIGHEST = np.array([0.02, 290.0]), np.array([1.0, 400.0])  # of concentration and temperature in the laboratory
NOISE = 0.03  # relative, of a measured rate


def rate_law(concentration: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """What nature does: Arrhenius, and a reactant that covers the catalyst where there is much of it."""
    return 8.6e10 * np.exp(-8750.0 / temperature) * concentration / (1.0 + 0.4 * concentration)


def data() -> tuple[np.ndarray, np.ndarray]:
    """600 measurements: conditions (600, 2), rates (600,)."""
    random = np.random.default_rng(0)
    conditions = random.uniform(LOWEST, HIGHEST, (600, 2))
    return conditions, rate_law(*conditions.T) * (1.0 + NOISE * random.standard_normal(600))


def train() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and biases of the network for log(rate / concentration), the standardization folded into them."""
    conditions, rates = data()
    target = np.log(rates / conditions[:, 0])
    mean, scale = conditions.mean(axis=0), conditions.std(axis=0)
    target_mean, target_scale = target.mean(), target.std()
    regressor = MLPRegressor(
        hidden_layer_sizes=(8, 8), activation="tanh", solver="lbfgs", alpha=0.01, max_iter=5000, random_state=0
    )
    with threadpool_limits(1):  # so small a network trains faster, and the same everywhere, on one thread
        regressor.fit((conditions - mean) / scale, (target - target_mean) / target_scale)
    weights, biases = [matrix.copy() for matrix in regressor.coefs_], [bias.copy() for bias in regressor.intercepts_]
    weights[0] /= scale[:, None]
    biases[0] -= mean @ weights[0]
    weights[-1] *= target_scale
    biases[-1] = biases[-1] * target_scale + target_mean
    return weights, biases


def rate(conditions: np.ndarray, weights: list[np.ndarray], biases: list[np.ndarray]) -> np.ndarray:
    """The rates that the trained network predicts: (points, 2) -> (points,)."""
    units = conditions
    for matrix, bias in zip(weights[:-1], biases[:-1], strict=True):
        units = np.tanh(units @ matrix + bias)
    return conditions[:, 0] * np.exp(units @ weights[-1] + biases[-1])[:, 0]


def to_onnx(weights: list[np.ndarray], biases: list[np.ndarray]) -> onnx.ModelProto:
    """Gemm, Tanh, Gemm, Tanh, Gemm, Exp, and the product with the concentration, in float32."""
    nodes, tensors, previous = [], [numpy_helper.from_array(np.array([0]), "first")], "conditions"
    for k, (matrix, bias) in enumerate(zip(weights, biases, strict=True), start=1):
        tensors += [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in ((f"W{k}", matrix), (f"b{k}", bias))
        ]
        nodes.append(helper.make_node("Gemm", [previous, f"W{k}", f"b{k}"], [f"sum{k}"], f"gemm{k}"))
        previous = f"units{k}"
        activation = "Exp" if k == len(weights) else "Tanh"
        nodes.append(helper.make_node(activation, [f"sum{k}"], [previous], f"{activation.lower()}{k}"))
    nodes += [
        helper.make_node("Gather", ["conditions", "first"], ["concentration"], "concentration", axis=1),
        helper.make_node("Mul", ["concentration", previous], ["rate"], "rate"),
    ]
    conditions = helper.make_tensor_value_info("conditions", TensorProto.FLOAT, ["batch", 2])
    rates = helper.make_tensor_value_info("rate", TensorProto.FLOAT, ["batch", 1])
    graph = helper.make_graph(nodes, "kinetics", [conditions], [rates], tensors)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="examples/reactor/train.py"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    weights, biases = train()
    onnx.save(to_onnx(weights, biases), PATH)
    conditions = np.random.default_rng(1).uniform(LOWEST, HIGHEST, (2000, 2))
    error = rate(conditions, weights, biases) / rate_law(*conditions.T) - 1.0
    print(
        f"{PATH.name}: {PATH.stat().st_size} bytes; {100 * np.sqrt((error**2).mean()):.1f} % from the true rate "
        f"on average, {100 * np.abs(error).max():.1f} % at most"
    )


if __name__ == "__main__":
    main()
