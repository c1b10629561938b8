"""Trains the regression surrogate on scikit-learn's bundled diabetes data and writes diabetes.onnx beside this file.

    python examples/diabetes/train.py

Ten measurements of a patient, in their own units -> two layers of 20 tanh units -> progression of the disease after
one year.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

PATH = Path(__file__).with_name("diabetes.onnx")


def data() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """442 patients: measurements (442, 10), progression (442,), names of the measurements."""
    bunch = load_diabetes(scaled=False)
    return bunch.data, bunch.target, list(bunch.feature_names)


def train() -> tuple[list[np.ndarray], list[np.ndarray], float]:
    """Weights and biases, the standardization folded into them, and R^2 on unseen patients."""
    features, target, _ = data()
    train_features, test_features, train_target, test_target = train_test_split(
        features, target, test_size=0.25, random_state=0
    )
    mean, scale = train_features.mean(axis=0), train_features.std(axis=0)
    target_mean, target_scale = train_target.mean(), train_target.std()
    regressor = MLPRegressor(
        hidden_layer_sizes=(20, 20), activation="tanh", solver="lbfgs", alpha=30.0, max_iter=2000, random_state=0
    )
    with threadpool_limits(1):  # so small a network trains faster, and the same everywhere, on one thread
        regressor.fit((train_features - mean) / scale, (train_target - target_mean) / target_scale)
    score = regressor.score((test_features - mean) / scale, (test_target - target_mean) / target_scale)
    weights, biases = [matrix.copy() for matrix in regressor.coefs_], [bias.copy() for bias in regressor.intercepts_]
    weights[0] /= scale[:, None]
    biases[0] -= mean @ weights[0]
    weights[-1] *= target_scale
    biases[-1] = biases[-1] * target_scale + target_mean
    return weights, biases, score


def to_onnx(weights: list[np.ndarray], biases: list[np.ndarray]) -> onnx.ModelProto:
    """Gemm, Tanh, Gemm, Tanh, Gemm in float32."""
    nodes, tensors, previous = [], [], "measurements"
    for k, (matrix, bias) in enumerate(zip(weights, biases, strict=True), start=1):
        is_last = k == len(weights)
        output = "progression" if is_last else f"sum{k}"
        tensors += [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in ((f"W{k}", matrix), (f"b{k}", bias))
        ]
        nodes.append(helper.make_node("Gemm", [previous, f"W{k}", f"b{k}"], [output], f"gemm{k}"))
        if not is_last:
            nodes.append(helper.make_node("Tanh", [output], [f"tanh{k}"], f"tanh{k}"))
            previous = f"tanh{k}"
    measurements = helper.make_tensor_value_info("measurements", TensorProto.FLOAT, ["batch", weights[0].shape[0]])
    progression = helper.make_tensor_value_info("progression", TensorProto.FLOAT, ["batch", 1])
    graph = helper.make_graph(nodes, "diabetes", [measurements], [progression], tensors)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="examples/diabetes/train.py"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    weights, biases, score = train()
    onnx.save(to_onnx(weights, biases), PATH)
    print(f"{PATH.name}: {PATH.stat().st_size} bytes, R^2 {score:.2f} on unseen patients")


if __name__ == "__main__":
    main()
