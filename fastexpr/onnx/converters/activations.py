"""Functions of one element each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


@converter(
    "Neg", "Abs", "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Log", "Sqrt", "Erf", "Sin", "Cos", "Tan",
    "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Sign", "Floor", "Ceil", "Round",
)  # fmt: skip
def elementwise(node: OnnxNode) -> Value:
    """The core has the operator under the same name.

    Neg: -x.
    Abs: |x|; the derivative at 0 is 0.
    Relu: max(x, 0); the derivative at 0 is 0.
    Sigmoid: 1 / (1 + exp(-x)).
    Tanh: The hyperbolic tangent.
    Softplus: log(1 + exp(x)).
    Softsign: x / (1 + |x|).
    Exp: exp(x).
    Log: The natural logarithm.
    Sqrt: The square root.
    Erf: The error function.
    Sin: The sine.
    Cos: The cosine.
    Tan: The tangent.
    Asin: The inverse sine.
    Acos: The inverse cosine.
    Atan: The inverse tangent.
    Sinh: The hyperbolic sine.
    Cosh: The hyperbolic cosine.
    Asinh: The inverse hyperbolic sine.
    Acosh: The inverse hyperbolic cosine.
    Atanh: The inverse hyperbolic tangent.
    Sign: 1, 0 or -1.
    Floor: The next integer below.
    Ceil: The next integer above.
    Round: The nearest integer, of two the even one.
    """
    return node.graph.apply(node.operator, node.input(0))


@converter("LeakyRelu", "Elu")
def with_alpha(node: OnnxNode) -> Value:
    """The core has the operator under the same name.

    LeakyRelu: x < 0 ? alpha x : x; the derivative at 0 is alpha.
    Elu: x < 0 ? alpha (exp(x) - 1) : x; the derivative at 0 is alpha.
    """
    return node.graph.apply(node.operator, node.input(0), alpha=node.number("alpha"))


@converter("Selu")
def selu(node: OnnxNode) -> Value:
    """gamma (x > 0 ? x : alpha (exp(x) - 1))."""
    return node.graph.apply("Selu", node.input(0), alpha=node.number("alpha"), gamma=node.number("gamma"))


@converter("HardSigmoid")
def hard_sigmoid(node: OnnxNode) -> Value:
    """clip(alpha x + beta, 0, 1)."""
    return node.graph.apply("HardSigmoid", node.input(0), alpha=node.number("alpha"), beta=node.number("beta"))


@converter("HardSwish", since=14)
def hard_swish(node: OnnxNode) -> Value:
    """x clip(alpha x + beta, 0, 1); the standard defines alpha as the float32 number nearest to 1/6."""
    return node.graph.apply("HardSwish", node.input(0), alpha=float(np.float32(1 / 6)), beta=0.5)


@converter("Swish", since=24)
def swish(node: OnnxNode) -> Value:
    """x sigmoid(alpha x)."""
    return node.graph.apply("Swish", node.input(0), alpha=node.number("alpha"))


@converter("Gelu", since=20)
def gelu(node: OnnxNode) -> Value:
    """x Phi(x), exactly, or its approximation by tanh."""
    names = {"none": "Gelu", "tanh": "GeluTanh"}
    form = node.attribute("approximate")
    if form not in names:
        node.fail(f"has approximate={form!r}, expected 'none' or 'tanh'. Export the model again.")
    return node.graph.apply(names[form], node.input(0))


@converter("Mish", since=18)
def mish(node: OnnxNode) -> Value:
    """x tanh(softplus(x))."""
    graph, x = node.graph, node.input(0)
    return x * graph.apply("Tanh", graph.apply("Softplus", x))


@converter("Celu", since=12)
def celu(node: OnnxNode) -> Value:
    """x < 0 ? alpha (exp(x / alpha) - 1) : x, which is alpha elu(x / alpha) for alpha > 0."""
    graph, alpha = node.graph, node.number("alpha")
    if alpha <= 0:
        node.fail(f"has alpha={alpha}, expected a positive number. Train with one.")
    return graph.apply("Elu", node.input(0) / alpha, alpha=1.0) * alpha


@converter("PRelu", since=7)
def prelu(node: OnnxNode) -> Value:
    """x > 0 ? x : slope x, with the slope stretched to x."""
    return leaky(node, node.input(1))


@converter("PRelu", since=1)
def prelu_by_channel(node: OnnxNode) -> Value:
    """Before operator set 7, one slope, or one for each channel (axis 1)."""
    x, slope = node.input(0), node.input(1)
    if math.prod(slope.shape) > 1 and len(x.shape) > 2:
        slope = slope.reshape((math.prod(slope.shape),) + (1,) * (len(x.shape) - 2))
    return leaky(node, slope)


def leaky(node: OnnxNode, slope: Value) -> Value:
    """x > 0 ? x : slope x."""
    graph, x = node.graph, node.input(0)
    if np.broadcast_shapes(x.shape, slope.shape) != x.shape:
        node.fail(f"has slopes of shape {slope.shape} for shape {x.shape}. Export the model again.")
    return graph.apply("PRelu", x, slope)


@converter("ThresholdedRelu", since=10)
def thresholded_relu(node: OnnxNode) -> Value:
    """x > alpha ? x : 0."""
    graph, x = node.graph, node.input(0)
    return graph.apply("Where", x > node.number("alpha"), x, 0.0)


@converter("Shrink", since=9)
def shrink(node: OnnxNode) -> Value:
    """x < -lambd ? x + bias : x > lambd ? x - bias : 0."""
    graph, x = node.graph, node.input(0)
    limit, bias = node.number("lambd"), node.number("bias")
    below, above = x < -limit, x > limit
    inner = graph.apply("Where", above, x - bias, 0.0)
    return graph.apply("Where", below, x + bias, inner)


@converter("Clip", since=11)
def clip(node: OnnxNode) -> Value:
    """min(max(x, lower), upper); a limit that is left out is infinite."""
    if any(node.has_input(k) and isinstance(node.input(k), Handle) for k in (1, 2)):
        y = node.graph.apply("Max", node.input(0), node.input(1)) if node.has_input(1) else node.input(0)
        return node.graph.apply("Min", y, node.input(2)) if node.has_input(2) else y
    lower = node.constant_scalar(1) if node.has_input(1) else -math.inf
    upper = node.constant_scalar(2) if node.has_input(2) else math.inf
    return clipped(node, lower, upper)


@converter("Clip", since=1)
def clip_with_attributes(node: OnnxNode) -> Value:
    """Before operator set 11, the limits are attributes; their default, the largest float32, stands for none."""
    lower, upper = node.attribute("min"), node.attribute("max")
    return clipped(
        node,
        -math.inf if lower is None or lower <= -LARGEST_FLOAT32 else lower,
        math.inf if upper is None or upper >= LARGEST_FLOAT32 else upper,
    )


def clipped(node: OnnxNode, lower: float, upper: float) -> Value:
    """Clip with infinite limits left out. Where the limits cross, the upper one wins, as in the standard."""
    if math.isnan(lower) or math.isnan(upper):
        node.fail(f"has the limits {lower} and {upper}, expected numbers. Export the model again.")
    limits = {"lower": min(lower, upper), "upper": upper}
    finite: dict[str, Any] = {name: limit for name, limit in limits.items() if math.isfinite(limit)}
    return node.graph.apply("Clip", node.input(0), **finite) if finite else node.input(0)
