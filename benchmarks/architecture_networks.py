"""Networks beyond layers of tanh, each as an ONNX model and as a function in JAX with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.networks import Network, make, model_of, onnx_model, random_network

if TYPE_CHECKING:
    import onnx

ACTIVATIONS = {"softplus": "Softplus", "silu": "Silu", "gelu": "Gelu", "relu": "Relu"}  # Gelu is the exact one


@dataclass(frozen=True)
class Architecture:
    """One network.

    Attributes
    ----------
    name, description : str
        What tables call it, and what it is.
    n_inputs, n_outputs, n_parameters : int
        Its size.
    model : onnx.ModelProto
        The network.
    value : callable
        The same in JAX: value(x, parameters).
    parameters : pytree of arrays
        The weights, double.
    flops : dict of float
        Operations of the layerwise algorithm, by quantity, where they can be stated simply.
    """

    name: str
    description: str
    n_inputs: int
    n_outputs: int
    n_parameters: int
    model: onnx.ModelProto
    value: Callable[[Any, Any], Any]
    parameters: Any
    flops: dict[str, float]


def make_architecture(name: str) -> Architecture:
    """S2 or S3 with another activation ("S2-gelu"), "wide", "skip" or "convolution"."""
    if name == "wide":
        return dense(name, "tanh", random_network(name, [784, 128, 128, 128, 128, 10]))
    if name == "skip":
        return skip()
    if name == "convolution":
        return convolutional()
    base, activation = name.split("-")
    return dense(name, activation, make(base))


def jax_activation(name: str) -> Callable[[Any], Any]:
    import jax

    functions: dict[str, Callable[[Any], Any]] = {
        "tanh": jax.numpy.tanh,
        "softplus": jax.nn.softplus,
        "silu": jax.nn.silu,
        "gelu": lambda z: jax.nn.gelu(z, approximate=False),
        "relu": jax.nn.relu,
    }
    return functions[name]


def dense(name: str, activation: str, network: Network) -> Architecture:
    """Layers as in S1 to S6. A ReLU network has no curvature, so its Hessian has no flops."""
    act = jax_activation(activation)

    def value(x: Any, layers: Any) -> Any:
        for W, b in layers[:-1]:
            x = act(W @ x + b)
        W, b = layers[-1]
        return W @ x + b

    flops = network.flops()
    if activation == "relu":
        del flops["hessian"]
    return Architecture(
        name,
        f"{' -> '.join(map(str, network.sizes))}, {activation}",
        network.sizes[0],
        network.sizes[-1],
        network.n_parameters,
        onnx_model(network, ACTIVATIONS.get(activation, "Tanh")),
        value,
        network.widened(),
        flops,
    )


def skip() -> Architecture:
    """The wide network, whose last layer reads x, too: linear, so its limits are those of the wide one."""
    import jax.numpy as jnp

    plain = random_network("skip", [784, 128, 128, 128, 128, 10])
    last = random_network("last", [128 + 784, 10]).layers
    network = Network("skip", plain.sizes, [*plain.layers[:-1], *last])

    def value(x: Any, layers: Any) -> Any:
        a = x
        for W, b in layers[:-1]:
            a = jnp.tanh(W @ a + b)
        W, b = layers[-1]
        return W @ jnp.concatenate([a, x]) + b

    return Architecture(
        "skip",
        f"{' -> '.join(map(str, network.sizes))}, tanh; the last layer reads x, too",
        784,
        10,
        network.n_parameters,
        onnx_model(network, has_skip=True),
        value,
        network.widened(),
        plain.flops(),
    )


def convolutional() -> Architecture:
    """Two convolutions and two dense layers.

    No limit for the Hessian: how few numbers of the tangents are not zero depends on how the units overlap.
    """
    import jax
    import jax.numpy as jnp
    from onnx import helper

    random = np.random.default_rng(28)
    shapes = {"K0": (8, 1, 3, 3), "K1": (16, 8, 3, 3), "W2": (64, 16 * 12 * 12), "W3": (10, 64)}
    weights = {}
    for i, (name, shape) in enumerate(shapes.items()):
        weights[name] = (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        weights[f"b{i}"] = (0.1 * random.standard_normal(shape[0])).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "K0", "b0"], ["z0"], name="Conv 0", kernel_shape=[3, 3]),
        helper.make_node("Tanh", ["z0"], ["a0"], name="Tanh 0"),
        helper.make_node("Conv", ["a0", "K1", "b1"], ["z1"], name="Conv 1", kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Tanh", ["z1"], ["a1"], name="Tanh 1"),
        helper.make_node("Flatten", ["a1"], ["flat"], name="Flatten"),
        helper.make_node("Gemm", ["flat", "W2", "b2"], ["z2"], name="Gemm 2", transB=1),
        helper.make_node("Tanh", ["z2"], ["a2"], name="Tanh 2"),
        helper.make_node("Gemm", ["a2", "W3", "b3"], ["y"], name="Gemm 3", transB=1),
    ]

    def convolve(a: Any, K: Any, b: Any, stride: int) -> Any:
        z = jax.lax.conv_general_dilated(a[None], K, (stride, stride), "VALID")[0]
        return jnp.tanh(z + b[:, None, None])

    def value(x: Any, p: Any) -> Any:
        a = convolve(x.reshape(1, 28, 28), p["K0"], p["b0"], 1)
        a = convolve(a, p["K1"], p["b1"], 2)
        a = jnp.tanh(p["W2"] @ a.reshape(-1) + p["b2"])
        return p["W3"] @ a + p["b3"]

    products = [8 * 26 * 26 * 9, 16 * 12 * 12 * 72, 64 * 2304, 10 * 64]
    flops = 2.0 * sum(products)
    return Architecture(
        "convolution",
        "1x28x28 -> conv 8 3x3 -> conv 16 3x3 stride 2 -> dense 64 -> 10, tanh",
        784,
        10,
        sum(array.size for array in weights.values()),
        model_of(nodes, weights, [1, 1, 28, 28], "y", 10),
        value,
        {name: array.astype(np.float64) for name, array in weights.items()},
        {"value": flops, "jacobian": flops + 10 * 2.0 * sum(products[:-1])},
    )
