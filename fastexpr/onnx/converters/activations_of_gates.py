"""The functions that RNN, GRU and LSTM may have in their gates, by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode

Activation = Callable[[GraphBuilder, Value], Value]

DEFAULT_FUNCTIONS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
#: Those with settings, and the settings' defaults: those of the operators of these names.
DEFAULT_ALPHA = {
    "Affine": 1.0, "LeakyRelu": 0.01, "ThresholdedRelu": 1.0, "ScaledTanh": 1.0, "HardSigmoid": 0.2, "Elu": 1.0,
}  # fmt: skip
DEFAULT_BETA = {"Affine": 0.0, "ScaledTanh": 1.0, "HardSigmoid": 0.5}
PLAIN = ("Relu", "Tanh", "Sigmoid", "Softsign", "Softplus")


def gate_activations(node: OnnxNode, n_directions: int) -> list[list[Activation]]:
    """The functions of each direction. `activation_alpha` and `activation_beta` list what those that have them take, in
    order.
    """
    default = DEFAULT_FUNCTIONS[node.operator]
    names = node.attribute("activations") if "activations" in node.stated else default * n_directions
    if len(names) != len(default) * n_directions:
        node.fail(f"has activations={names}, expected {len(default) * n_directions} names. Export the model again.")
    alphas, betas = (list(node.attribute(f"activation_{which}") or []) for which in ("alpha", "beta"))
    functions = [activation(node, canonical(node, name), alphas, betas) for name in names]
    if alphas or betas:
        node.fail(f"has more numbers for its activations {names} than these take. Export the model again.")
    return [functions[d * len(default) : (d + 1) * len(default)] for d in range(n_directions)]


def canonical(node: OnnxNode, name: str) -> str:
    """The name as the standard writes it; case does not count."""
    known = {other.lower(): other for other in (*PLAIN, *DEFAULT_ALPHA)}
    if name.lower() not in known:
        node.fail(f"has the activation {name!r}, expected one of {', '.join(sorted(known.values()))}. Export again.")
    return known[name.lower()]


def activation(node: OnnxNode, name: str, alphas: list[float], betas: list[float]) -> Activation:
    """The function of this name; takes its settings from the front of the lists."""
    alpha = float(np.float32(alphas.pop(0) if name in DEFAULT_ALPHA and alphas else DEFAULT_ALPHA.get(name, 0.0)))
    beta = float(np.float32(betas.pop(0) if name in DEFAULT_BETA and betas else DEFAULT_BETA.get(name, 0.0)))
    if not np.isfinite([alpha, beta]).all():
        node.fail(f"has settings of {name} that are not finite: {alpha}, {beta}. Export the model again.")
    if name == "Affine":
        return lambda graph, u: u * alpha + beta
    if name == "ScaledTanh":
        return lambda graph, u: graph.apply("Tanh", u * beta) * alpha
    if name == "ThresholdedRelu":  # u where u >= alpha, else 0
        return lambda graph, u: graph.apply("Where", u < alpha, 0.0, u)
    if name == "HardSigmoid":
        return lambda graph, u: graph.apply("HardSigmoid", u, alpha=alpha, beta=beta)
    if name in ("LeakyRelu", "Elu"):
        return lambda graph, u: graph.apply(name, u, alpha=alpha)
    return lambda graph, u: graph.apply(name, u)
