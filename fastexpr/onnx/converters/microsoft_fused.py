"""What ONNX Runtime fuses when it optimizes: several standard operators in one (domain com.microsoft)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastexpr.onnx.converters.normalization import normalized_over, statistics
from fastexpr.onnx.converters.reductions import reduced
from fastexpr.onnx.handle import Value, exact
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import convert, converter
from fastexpr.onnx.signatures import MICROSOFT


def standard(
    node: OnnxNode, operator: str, inputs: list[Value | None], opset: int | None = None, **attributes: Any
) -> Value:
    """What a standard operator gives in the node's place; its attributes are the node's own, and those given."""
    return convert(node.other(operator, inputs, opset, **attributes))[0]  # type: ignore[return-value]


def activated(node: OnnxNode, x: Value, parameters: Sequence[float]) -> Value:
    """The activation that the node names, with its parameters in the order that ONNX has them in; none: x."""
    name = node.attribute("activation")
    names = {"LeakyRelu": ["alpha"], "Elu": ["alpha"], "HardSigmoid": ["alpha", "beta"], "Selu": ["alpha", "gamma"]}
    if not name:
        return x
    if name == "Clip":
        lower, upper = [*parameters, *(-np.inf, np.inf)[len(parameters) :]]
        return standard(node, "Clip", [x, np.full((), lower), np.full((), upper)])
    if name not in (*names, "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish"):
        node.fail(f"has activation={name!r}, expected Relu, Sigmoid, Tanh, Clip and the like. Export the model again.")
    given: dict[str, Any] = dict(zip(names.get(name, []), map(float, parameters), strict=False))
    return standard(node, name, [x], **given)


@converter("FusedConv", domain=MICROSOFT)
def fused_conv(node: OnnxNode) -> Value:
    """activation(Conv(x, W, B) + z)."""
    y = standard(node, "Conv", node.inputs[:3])
    y = y + node.input(3) if node.has_input(3) else y
    return activated(node, y, node.attribute("activation_params") or [])


@converter("FusedGemm", domain=MICROSOFT)
def fused_gemm(node: OnnxNode) -> Value:
    """activation(alpha A' B' + beta C)."""
    y = standard(node, "Gemm", node.inputs)
    given = [node.attribute(f"activation_{name}") for name in ("alpha", "beta", "gamma")]
    parameters = [number for number in given if number is not None]
    if node.attribute("activation") == "Selu":
        parameters = [given[0], given[2]] if None not in (given[0], given[2]) else []
    return activated(node, y, parameters)


@converter("FusedMatMul", "TransposeMatMul", domain=MICROSOFT)
def fused_matmul(node: OnnxNode) -> Value:
    """alpha A' B', where a prime transposes the last two axes (trans) or moves the first to the last but one
    (transBatch).
    """
    sides: list[Value] = []
    for k, side in enumerate("AB"):
        x = node.input(k)
        rank = len(x.shape)
        if node.attribute(f"transBatch{side}") and rank > 2:
            x = x.transpose([*range(1, rank - 1), 0, rank - 1])
        if node.attribute(f"trans{side}") and rank > 1:
            x = x.transpose([*range(rank - 2), rank - 1, rank - 2])
        sides.append(x)
    return standard(node, "MatMul", sides) * node.number("alpha")  # type: ignore[arg-type]


@converter("Gelu", "BiasGelu", domain=MICROSOFT)
def gelu(node: OnnxNode) -> Value:
    """x Phi(x), exactly.

    BiasGelu: x Phi(x) of x = a + b.
    """
    x = node.input(0) + node.input(1) if node.has_input(1) else node.input(0)
    return node.graph.apply("Gelu", x)


@converter("FastGelu", domain=MICROSOFT)
def fast_gelu(node: OnnxNode) -> Value:
    """x Phi(x) by its approximation with tanh, of x + bias."""
    x = node.input(0) + node.input(1) if node.has_input(1) else node.input(0)
    return node.graph.apply("GeluTanh", x)


@converter("QuickGelu", domain=MICROSOFT)
def quick_gelu(node: OnnxNode) -> Value:
    """x sigmoid(alpha x)."""
    return node.graph.apply("Swish", node.input(0), alpha=node.number("alpha"))


# ---- normalizations


@converter("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", domain=MICROSOFT)
def skip_layer_normalization(node: OnnxNode) -> Sequence[Value | None]:
    """x + skip + bias, normalized over the last axis, times gamma, plus beta.

    The last output is the sum.

    SkipSimplifiedLayerNormalization: x + skip + bias over the root of its mean square plus epsilon, times gamma.
    """
    is_simple = node.operator == "SkipSimplifiedLayerNormalization"
    at = 3 if is_simple else 4
    total = node.double(0) + node.input(1)
    total = total + node.input(at) if node.has_input(at) else total
    axes, scale, bias = [len(total.shape) - 1], node.input(2), None
    if not is_simple and node.has_input(3):
        bias = node.input(3)
    y = normalized_over(node.graph, total, axes, node.number("epsilon"), scale, bias, is_centred=not is_simple)
    return [y, None, None, total] if is_simple or node.n_outputs < 2 else [y, *statistics(node, total, axes), total]


@converter("EmbedLayerNormalization", domain=MICROSOFT)
def embed_layer_normalization(node: OnnxNode) -> Sequence[Value | None]:
    """The sum of rows of the tables of words, positions and segments, normalized over the last axis."""
    ids = node.input(0)
    if len(ids.shape) != 2:
        node.fail(f"has input_ids of shape {ids.shape}, expected (batch, sequence). Export the model again.")
    places = node.input(8) if node.has_input(8) else np.arange(ids.shape[1], dtype=np.int64)[np.newaxis]
    total = exact(standard(node, "Gather", [node.input(2), ids], axis=0))
    total = total + standard(node, "Gather", [node.input(3), places], axis=0)
    if node.has_input(1) and node.has_input(4):
        total = total + standard(node, "Gather", [node.input(4), node.input(1)], axis=0)
    y = normalized_over(node.graph, total, [2], node.number("epsilon"), node.input(5), node.input(6))
    return [y, None, total]


# ---- distances


@converter("CDist", domain=MICROSOFT)
def pairwise_distance(node: OnnxNode) -> Value:
    """The distance of each row of a to each row of b, or its square.

    The derivative of a distance of 0 is 0.
    """
    graph, a, b, metric = node.graph, node.input(0), node.input(1), node.attribute("metric")
    if metric not in ("euclidean", "sqeuclidean"):
        node.fail(f"has metric={metric!r}, expected euclidean or sqeuclidean. Export the model again.")
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != b.shape[1]:
        node.fail(f"has rows of shapes {a.shape} and {b.shape}, expected equal widths. Export the model again.")
    node.check_size((a.shape[0], b.shape[0], a.shape[1]))
    difference = a.reshape((a.shape[0], 1, a.shape[1])) - b.reshape((1, *b.shape))
    if metric == "euclidean":
        return reduced(graph, "ReduceL2", difference, [2], keepdims=False)
    return reduced(graph, "ReduceSum", difference * difference, [2], keepdims=False)
