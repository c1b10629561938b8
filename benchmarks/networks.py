"""Random tanh layers with float32 weights, S1 to S6 and others, as arrays and as ONNX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

    TensorMaker = Callable[[NDArray[np.float32], str], onnx.TensorProto]

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
SIZES = {
    "S1": [4, 32, 32, 1],
    "S2": [10, 64, 64, 64, 5],
    "S3": [20, 256, 256, 256, 256, 10],
    "S4": [100, 512, 512, 512, 512, 10],
    "S5": [784, 1024, 1024, 10],
    "S6": [117, 2048, 2048, 2048, 2048, 2048, 37],
}


@dataclass(frozen=True)
class Network:
    """Layers of tanh(W a + b), the last one without tanh.

    Attributes
    ----------
    name : str
        What tables call it.
    sizes : list of int
        Inputs, hidden units of each layer, outputs.
    layers : list of (W, b)
        Weights (outputs of the layer, inputs of the layer) and biases, float32.
    """

    name: str
    sizes: list[int]
    layers: list[Layer]

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return sum(W.size + b.size for W, b in self.layers)

    def widened(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """The same numbers in double precision, for those who compute with nothing else."""
        return [(W.astype(np.float64), b.astype(np.float64)) for W, b in self.layers]

    def flops(self) -> dict[str, float]:
        """Floating-point operations of the layerwise algorithm.

        Value: 2 per weight. Jacobian: rows of it, from the outputs back. Hessian: adjoints, then dz_l/dx layer by layer
        (the first is a weight matrix itself, the last is not needed) and one triangle of J' diag J per hidden layer.
        The latter by h = len(z_1) columns, and W_1' (.) W_1 in the end, where that is less.
        """
        sizes = [W.size for W, _ in self.layers]
        n, h, m = self.sizes[0], self.sizes[1], self.sizes[-1]
        value = 2.0 * sum(sizes)
        jacobian = value + 2.0 * m * sum(sizes[:-1])
        second = 2.0 * n * sum(sizes[1:-1]) + n * (n + 1.0) * sum(self.sizes[1:-1])
        inner = 2.0 * h * sum(sizes[2:-1]) + h * (h + 1.0) * sum(self.sizes[2:-1])
        hessian = 2.0 * value + min(second, inner + 2.0 * h * h * n + n * (n + 1.0) * h)
        last = 2.0 * n * sizes[-1]
        flops = {"value": value, "gradient": 2.0 * value, "jacobian": jacobian, "hessian": hessian}
        return {**flops, "evaluate": hessian + last}


def make(name: str) -> Network:
    """One of S1 to S6."""
    return random_network(name, SIZES[name])


def random_network(name: str, sizes: list[int]) -> Network:
    """A network whose activations neither die out nor saturate; the same numbers every time."""
    return Network(name, sizes, list(random_layers(sizes)))


def random_layers(sizes: list[int]) -> Iterator[Layer]:
    """Its layers, one by one."""
    random = np.random.default_rng(sum(sizes))
    for k, h in pairwise(sizes):
        W = (random.standard_normal((h, k)) / np.sqrt(k)).astype(np.float32)
        yield W, (0.1 * random.standard_normal(h)).astype(np.float32)


def write_onnx(network: Network, path: Path) -> None:
    """Into a file."""
    import onnx

    onnx.save(onnx_model(network), path)


def onnx_model(
    network: Network, activation: str = "Tanh", has_skip: bool = False, tensor: TensorMaker | None = None
) -> onnx.ModelProto:
    """As PyTorch exports it: Gemm with the transposed weights, an activation; x beside what the last layer reads.

    `tensor(array, name)` makes a constant; without it, the model holds the numbers.
    """
    from onnx import helper

    nodes, here = [], "x"
    for i in range(len(network.layers)):
        is_last = i == len(network.layers) - 1
        if is_last and has_skip:
            nodes.append(helper.make_node("Concat", [here, "x"], ["all"], name="Concat", axis=1))
            here = "all"
        attributes = {"alpha": 1.0, "beta": 1.0, "transB": 1}  # the first two are defaults, without which OMLT refuses
        nodes.append(helper.make_node("Gemm", [here, f"W{i}", f"b{i}"], [f"z{i}"], name=f"Gemm {i}", **attributes))
        here = f"z{i}"
        if not is_last:
            nodes += activation_nodes(activation, here, f"a{i}")
            here = f"a{i}"
    constants = {name: array for i, (W, b) in enumerate(network.layers) for name, array in ((f"W{i}", W), (f"b{i}", b))}
    return model_of(nodes, constants, [1, network.sizes[0]], here, network.sizes[-1], tensor)


def activation_nodes(activation: str, z: str, a: str) -> list[onnx.NodeProto]:
    """One node, but for SiLU, which PyTorch exports as two."""
    from onnx import helper

    if activation == "Silu":
        sigmoid = helper.make_node("Sigmoid", [z], [f"{a}_sigmoid"], name=f"Sigmoid {a}")
        return [sigmoid, helper.make_node("Mul", [z, f"{a}_sigmoid"], [a], name=f"Mul {a}")]
    return [helper.make_node(activation, [z], [a], name=f"{activation} {a}")]


def model_of(
    nodes: list[onnx.NodeProto],
    constants: dict[str, NDArray[np.float32]],
    shape: list[int],
    output: str,
    n_outputs: int,
    tensor: TensorMaker | None = None,
) -> onnx.ModelProto:
    """From x of this shape to an output of shape (1, n_outputs)."""
    from onnx import TensorProto, helper, numpy_helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, n_outputs])
    weights = [(tensor or numpy_helper.from_array)(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "network", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
