"""Networks of the set of problems: trained here, from seeds, by scikit-learn; kept in .cache between runs."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]
FOLDER = Path(__file__).parents[1] / ".cache" / "answers"
ACTIVATIONS = {"tanh": "Tanh", "logistic": "Sigmoid", "relu": "Relu"}


@dataclass(frozen=True)
class Trained:
    """Layers of s(W a + b), the last one without s, in double precision and in the units of the data.

    Attributes
    ----------
    layers : list of (W, b)
        W (outputs of the layer, inputs of the layer).
    activation : str
        As scikit-learn calls it: "tanh", "logistic" or "relu".
    data : callable, optional
        Gives the inputs and outputs that it was trained on.
    """

    layers: list[tuple[Array, Array]]
    activation: str
    data: Callable[[], tuple[Array, Array]] | None = field(default=None, compare=False, repr=False)

    @property
    def n_inputs(self) -> int:
        return int(self.layers[0][0].shape[1])

    @property
    def n_outputs(self) -> int:
        return int(self.layers[-1][0].shape[0])

    def __call__(self, x: Array) -> Array:
        """(..., n) -> (..., m); complex x is allowed, for derivatives by complex steps."""
        for W, b in self.layers[:-1]:
            x = activate(self.activation, x @ W.T + b)
        W, b = self.layers[-1]
        return x @ W.T + b

    def kink_distance(self, x: Array) -> float:
        """How near, relative to its layer, the argument of a ReLU is to 0 at (..., n)."""
        nearest = np.inf
        for W, b in self.layers[:-1]:
            z = x @ W.T + b
            if self.activation == "relu":
                nearest = min(nearest, float(abs(z).min() / abs(z).max()))
            x = activate(self.activation, z)
        return nearest

    def reach(self, output: int) -> tuple[float, float]:
        """Bounds of an output, whatever the inputs: from the last layer alone, whose units a sigmoid bounds."""
        W, b = self.layers[-1]
        low = {"tanh": -1.0, "logistic": 0.0}[self.activation]
        ends = np.array([low * W[output], W[output]])
        return float(ends.min(axis=0).sum() + b[output]), float(ends.max(axis=0).sum() + b[output])

    def onnx(self) -> onnx.ModelProto:
        """As an ONNX model of x (N, n), in double."""
        from onnx import TensorProto, helper, numpy_helper

        nodes, here, weights = [], "x", []
        for i, (W, b) in enumerate(self.layers):
            weights += [numpy_helper.from_array(np.ascontiguousarray(W), f"W{i}"), numpy_helper.from_array(b, f"b{i}")]
            inputs, is_last = [here, f"W{i}", f"b{i}"], i == len(self.layers) - 1
            here = "y" if is_last else f"z{i}"
            nodes.append(helper.make_node("Gemm", inputs, [here], name=f"Gemm {i}", alpha=1.0, beta=1.0, transB=1))
            if not is_last:
                nodes.append(helper.make_node(ACTIVATIONS[self.activation], [here], [f"a{i}"], name=f"activation {i}"))
                here = f"a{i}"
        x = helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["N", self.n_inputs])
        y = helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["N", self.n_outputs])
        graph = helper.make_graph(nodes, "network", [x], [y], weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def activate(name: str, z: Array) -> Array:
    if name == "tanh":
        return np.asarray(np.tanh(z))
    if name == "logistic":
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))
    return np.asarray(np.where(z.real > 0.0, z, 0.0))


def train(
    key: str,
    data: Callable[[], tuple[Array, Array]],
    hidden: tuple[int, ...],
    activation: str = "tanh",
    seed: int = 0,
    max_iter: int = 400,
    is_classifier: bool = False,
) -> Trained:
    """The network of this key: from the folder, or trained on the data and put there.

    Classifiers have logits as outputs. Inputs and outputs are standardized for the training, and the first and the last
    layer made to take and give the data's units afterwards.
    """
    import sklearn

    settings = (key, hidden, activation, seed, max_iter, is_classifier, sklearn.__version__, np.__version__)
    path = FOLDER / f"{key}-{hashlib.sha256(repr(settings).encode()).hexdigest()[:12]}.npz"
    if not path.exists():
        layers = fit(*data(), hidden, activation, seed, max_iter, is_classifier)
        FOLDER.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{np.random.default_rng().integers(2**32)}.npz")
        np.savez(partial, *[array for layer in layers for array in layer])
        partial.rename(path)
    with np.load(path) as file:
        arrays = [file[name] for name in file.files]
    return Trained(list(zip(arrays[::2], arrays[1::2], strict=True)), activation, data)


def fit(
    X: Array, Y: Array, hidden: tuple[int, ...], activation: str, seed: int, max_iter: int, is_classifier: bool
) -> list[tuple[Array, Array]]:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    center, scale = X.mean(axis=0), X.std(axis=0)
    scale = np.where(scale > 1e-3 * scale.max() if is_classifier else scale > 0.0, scale, scale.max())
    kind = MLPClassifier if is_classifier else MLPRegressor
    solver = "adam" if is_classifier else "lbfgs"
    model = kind(
        hidden_layer_sizes=hidden,
        activation=activation,
        solver=solver,
        max_iter=max_iter,
        random_state=seed,
        alpha=1e-4,
    )
    y_center, y_scale = (0.0, 1.0) if is_classifier else (Y.mean(axis=0), Y.std(axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model.fit((X - center) / scale, Y if is_classifier else (Y - y_center) / y_scale)
    layers = [(W.T.copy(), b.copy()) for W, b in zip(model.coefs_, model.intercepts_, strict=True)]
    W, b = layers[0]
    layers[0] = (W / scale, b - (W / scale) @ center)
    W, b = layers[-1]
    layers[-1] = (W * np.reshape(y_scale, (-1, 1)), b * y_scale + y_center)
    return layers
