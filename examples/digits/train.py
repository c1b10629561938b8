"""Trains the classifier of the demo on scikit-learn's bundled handwritten digits and writes digits.onnx beside this
file.

    python examples/digits/train.py

64 pixels in [0, 1] -> two layers of 128 tanh units -> 10 scores; the digit with the largest score is the network's
answer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

PATH = Path(__file__).with_name("digits.onnx")


def data() -> list[np.ndarray]:
    """Training images, test images (1347 and 450 rows of 64 pixels in [0, 1]), training digits, test digits."""
    images, digits = load_digits(return_X_y=True)
    return train_test_split(images / 16.0, digits, test_size=0.25, random_state=0, stratify=digits)


def train() -> MLPClassifier:
    """The network; `alpha` keeps its weights small, so that it changes its mind smoothly."""
    train_images, _, train_digits, _ = data()
    classifier = MLPClassifier((128, 128), activation="tanh", alpha=0.3, max_iter=1000, random_state=0)
    with threadpool_limits(1):  # so small a network trains faster, and the same everywhere, on one thread
        return classifier.fit(train_images, train_digits)


def to_onnx(classifier: MLPClassifier) -> onnx.ModelProto:
    """Gemm, Tanh, Gemm, Tanh, Gemm in float32: the scores before the softmax.

    Every attribute of Gemm is written out and every node has a name, because OMLT needs both.
    """
    nodes, weights, previous = [], [], "image"
    layers = list(zip(classifier.coefs_, classifier.intercepts_, strict=True))
    for k, (matrix, bias) in enumerate(layers, start=1):
        is_last = k == len(layers)
        output = "scores" if is_last else f"sum{k}"
        weights += [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in ((f"W{k}", matrix), (f"b{k}", bias))
        ]
        nodes.append(
            helper.make_node(
                "Gemm", [previous, f"W{k}", f"b{k}"], [output], f"gemm{k}", alpha=1.0, beta=1.0, transA=0, transB=0
            )
        )
        if not is_last:
            nodes.append(helper.make_node("Tanh", [output], [f"tanh{k}"], f"tanh{k}"))
            previous = f"tanh{k}"
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 64])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10])
    graph = helper.make_graph(nodes, "digits", [image], [scores], weights)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="examples/digits/train.py"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    classifier = train()
    _, test_images, _, test_digits = data()
    onnx.save(to_onnx(classifier), PATH)
    print(
        f"{PATH.name}: {PATH.stat().st_size} bytes, "
        f"{100 * classifier.score(test_images, test_digits):.1f} % of the test images right"
    )


if __name__ == "__main__":
    main()
