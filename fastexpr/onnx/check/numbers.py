"""What works number by number, by NumPy: the standard's formulas, for the check of an import."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.check.node import Reference, ReferenceNode


def unary(function: Callable[[Array, Mapping[str, Any]], Any]) -> Reference:
    """Of one tensor of floats, or of whole numbers that stay such, and attributes."""

    def of_node(node: ReferenceNode) -> Array | None:
        x = node.inputs[0]
        return np.asarray(function(x, node.attributes)) if x.dtype.kind == "f" or function in WHOLE else None

    return of_node


def binary(function: Callable[[Array, Array], Any]) -> Reference:
    """Of two tensors of floats, or of whole numbers that stay such; before operator set 7 they were stretched by
    other rules where these had an axis.
    """

    def of_node(node: ReferenceNode) -> Array | None:
        a, b = node.inputs
        fits = node.opset >= 7 or a.shape == b.shape or node.attributes.get("axis") is None
        is_plain = a.dtype.kind == b.dtype.kind == "f" or (a.dtype == b.dtype and function in WHOLE)
        return np.asarray(function(a, b)) if fits and is_plain else None

    return of_node


def variadic(function: Callable[[Array, Array], Any]) -> Reference:
    """Of any number of tensors of floats."""

    def of_node(node: ReferenceNode) -> Array | None:
        is_plain = all(x.dtype.kind == "f" for x in node.inputs)
        return np.asarray(reduce(function, node.inputs)) if is_plain else None

    return of_node


def logical(function: Callable[..., Any]) -> Reference:
    """Of conditions, or a comparison of numbers."""
    return lambda node: np.asarray(function(*node.inputs)) if node.opset >= 7 else None


def erf(x: Array) -> Array:
    """The error function."""
    return np.array([math.erf(number) for number in x.reshape(-1).tolist()]).reshape(x.shape)


def gelu(x: Array, attributes: Mapping[str, Any]) -> Any:
    """The part of x that a normal number falls below, exactly or by a hyperbolic tangent."""
    if attributes["approximate"] == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def clip(node: ReferenceNode) -> Array | None:
    """Between two limits, each of which may be left out."""
    x = node.inputs[0]
    lower, upper = (
        (node.input(1), node.input(2)) if node.opset >= 11 else (node.attributes["min"], node.attributes["max"])
    )
    if x.dtype.kind != "f":
        return None
    low = x if lower is None else np.maximum(x, lower)
    return np.asarray(low if upper is None else np.minimum(low, upper))


def quotient(a: Array, b: Array) -> Array:
    """That of whole numbers is cut towards 0."""
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))) if b.all() else np.zeros(0)


def remainder(node: ReferenceNode) -> Array | None:
    """With the sign of the divisor, or, with fmod=1, of what is divided."""
    a, b = node.inputs
    return np.asarray(np.fmod(a, b) if node.attributes["fmod"] else np.mod(a, b)) if b.all() else None


def cast(node: ReferenceNode) -> Array | None:
    """Floats to double, all else to the type that the node says."""
    x, kind = node.inputs[0], node.attributes["to"]
    if kind in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16):
        return np.asarray(x, np.float64)
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    return np.asarray(x.astype(dtype)) if dtype.kind in "iub" and np.isfinite(x).all() else None


UNARY: dict[str, Callable[[Array, Mapping[str, Any]], Any]] = {
    "Abs": lambda x, a: np.abs(x), "Neg": lambda x, a: -x, "Sign": lambda x, a: np.sign(x),
    "Exp": lambda x, a: np.exp(x), "Log": lambda x, a: np.log(x), "Sqrt": lambda x, a: np.sqrt(x),
    "Reciprocal": lambda x, a: 1 / x, "Floor": lambda x, a: np.floor(x), "Ceil": lambda x, a: np.ceil(x),
    "Round": lambda x, a: np.rint(x),
    "Sin": lambda x, a: np.sin(x), "Cos": lambda x, a: np.cos(x), "Tan": lambda x, a: np.tan(x),
    "Asin": lambda x, a: np.arcsin(x), "Acos": lambda x, a: np.arccos(x), "Atan": lambda x, a: np.arctan(x),
    "Sinh": lambda x, a: np.sinh(x), "Cosh": lambda x, a: np.cosh(x), "Tanh": lambda x, a: np.tanh(x),
    "Asinh": lambda x, a: np.arcsinh(x), "Acosh": lambda x, a: np.arccosh(x), "Atanh": lambda x, a: np.arctanh(x),
    "Erf": lambda x, a: erf(x), "Gelu": gelu,
    "Relu": lambda x, a: np.maximum(x, 0), "Sigmoid": lambda x, a: 1 / (1 + np.exp(-x)),
    "Softplus": lambda x, a: np.logaddexp(x, 0), "Softsign": lambda x, a: x / (1 + np.abs(x)),
    "LeakyRelu": lambda x, a: np.where(x < 0, a["alpha"] * x, x),
    "Elu": lambda x, a: np.where(x < 0, a["alpha"] * np.expm1(x), x),
    "Celu": lambda x, a: np.maximum(x, 0) + np.minimum(0, a["alpha"] * np.expm1(x / a["alpha"])),
    "Selu": lambda x, a: a["gamma"] * np.where(x > 0, x, a["alpha"] * np.expm1(x)),
    "ThresholdedRelu": lambda x, a: np.where(x > a["alpha"], x, 0),
    "HardSigmoid": lambda x, a: np.clip(a["alpha"] * x + a["beta"], 0, 1),
    "Mish": lambda x, a: x * np.tanh(np.logaddexp(x, 0)),
    "Shrink": lambda x, a: np.where(np.abs(x) > a["lambd"], x - np.sign(x) * a["bias"], 0),
}  # fmt: skip
BINARY: dict[str, Callable[[Array, Array], Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": quotient, "Pow": np.power,
    "PRelu": lambda x, slope: np.where(x < 0, slope * x, x),
}  # fmt: skip

#: What takes whole numbers, too, and gives such.
WHOLE = {UNARY["Abs"], UNARY["Neg"], UNARY["Sign"], np.add, np.subtract, np.multiply, quotient}
