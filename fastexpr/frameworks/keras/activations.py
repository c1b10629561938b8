"""Activation functions, by the name of the function and as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastexpr.frameworks.keras.writer import Writer, layer, operation, refuse
from fastexpr.onnx.handle import Value

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def core(name: str, **attributes: Any) -> Callable[[Writer, Value], Value]:
    return lambda w, x: w.graph.apply(name, x, **attributes)


def softmax(w: Writer, x: Value, axis: int = -1, name: str = "Softmax") -> Value:
    """Along one axis."""
    return w.graph.apply(name, x, axis=axis % len(x.shape), n_axes=1)


def softplus_of_minus(w: Writer, x: Value) -> Value:
    return w.graph.apply("Softplus", -x)


def squareplus(w: Writer, x: Value, b: float = 4.0) -> Value:
    """(x + sqrt(x^2 + b)) / 2."""
    root = w.graph.apply("Sqrt", w.graph.apply("Square", x) + b)
    return (x + root) * 0.5


ACTIVATIONS: dict[str, Callable[[Writer, Value], Value]] = {
    "celu": core("Elu", alpha=1.0),
    "elu": core("Elu", alpha=1.0),
    "exponential": core("Exp"),
    "gelu": core("Gelu"),
    "hard_sigmoid": core("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_silu": lambda w, x: x * w.graph.apply("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    "hard_tanh": core("Clip", lower=-1.0, upper=1.0),
    "leaky_relu": core("LeakyRelu", alpha=0.2),
    "linear": lambda w, x: x,
    "log_sigmoid": lambda w, x: -softplus_of_minus(w, x),
    "log_softmax": lambda w, x: softmax(w, x, name="LogSoftmax"),
    "mish": lambda w, x: x * w.graph.apply("Tanh", w.graph.apply("Softplus", x)),
    "relu": core("Relu"),
    "relu6": core("Clip", lower=0.0, upper=6.0),
    "selu": core("Selu", alpha=SELU_ALPHA, gamma=SELU_SCALE),
    "sigmoid": core("Sigmoid"),
    "silu": core("Swish", alpha=1.0),
    "softmax": softmax,
    "softplus": core("Softplus"),
    "softsign": core("Softsign"),
    "squareplus": squareplus,
    "tanh": core("Tanh"),
    "tanh_shrink": lambda w, x: x - w.graph.apply("Tanh", x),
}


def activate(w: Writer, owner: Any, function: Any, x: Value) -> Value:
    """The layer's activation of x; None is the identity."""
    if function is None:
        return x
    name = getattr(function, "__name__", type(function).__name__)
    is_of_keras = str(getattr(function, "__module__", "")).partition(".")[0] == "keras"
    if is_of_keras and isinstance(function, w.keras.Layer):
        return w.call(function, x)  # type: ignore[no-any-return]
    if not is_of_keras or name not in ACTIVATIONS:
        refuse(owner, "activation", name, f"one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name](w, x)


@layer("Activation")
def activation(w: Writer, layer: Any, x: Value) -> Value:
    return activate(w, layer, layer.activation, x)


@layer("ReLU")
def relu(w: Writer, layer: Any, x: Value) -> Value:
    """max(x, 0), with a slope below, an upper limit and a threshold."""
    if layer.threshold:
        refuse(layer, "threshold", layer.threshold, "0")
    slope = float(layer.negative_slope)
    y = w.graph.apply("LeakyRelu", x, alpha=slope) if slope else w.graph.apply("Relu", x)
    return y if layer.max_value is None else w.graph.apply("Clip", y, upper=float(layer.max_value))


@layer("LeakyReLU")
def leaky_relu(w: Writer, layer: Any, x: Value) -> Value:
    return w.graph.apply("LeakyRelu", x, alpha=float(layer.negative_slope))


@layer("PReLU")
def prelu(w: Writer, layer: Any, x: Value) -> Value:
    """x > 0 ? x : alpha x; the derivative at 0 is alpha."""
    return w.graph.apply("PRelu", x, w.weight(layer.alpha))


@layer("ELU")
def elu(w: Writer, layer: Any, x: Value) -> Value:
    return w.graph.apply("Elu", x, alpha=float(layer.alpha))


@layer("Softmax")
def softmax_layer(w: Writer, layer: Any, x: Value) -> Value:
    if not isinstance(layer.axis, int):
        refuse(layer, "axis", layer.axis, "one axis")
    return softmax(w, x, layer.axis)


def as_operation(name: str) -> None:
    operation(name)(lambda w, op, x: ACTIVATIONS[_OPERATIONS[name]](w, x))


_OPERATIONS = {
    "Exp": "exponential", "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu", "HardTanh": "hard_tanh",
    "LogSigmoid": "log_sigmoid", "Relu": "relu", "Relu6": "relu6", "Selu": "selu", "Sigmoid": "sigmoid",
    "Silu": "silu", "Softplus": "softplus", "Softsign": "softsign", "Tanh": "tanh", "TanhShrink": "tanh_shrink",
}  # fmt: skip
for _name in _OPERATIONS:
    as_operation(_name)
