"""How each core operator is written in ONNX (operator set 20).

ONNX Runtime has no double version of some operators (Softplus, LeakyRelu, Elu, ...). In a double model they are written
in terms of others, in a form with the same derivatives, also at the kinks. Conv, Erf, the exact Gelu, Hardmax, the
inverse trigonometric and hyperbolic functions have no such form: a double model with one of them is valid, but ONNX
Runtime refuses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto

from fastexpr._core import Operator
from fastexpr.onnx.export.graph import ExportGraph
from fastexpr.onnx.export.trees import tree_attributes
from fastexpr.onnx.registry import ML

Rule = Callable[[ExportGraph, Operator, list[str]], str]

_rules: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Registers the function below for these core operators."""

    def register(function: Rule) -> Rule:
        _rules.update(dict.fromkeys(names, function))
        return function

    return register


def find_rule(name: str) -> Rule | None:
    """The rule of a core operator; None where there is none."""
    return _rules.get(name)


@rule("Constant")
def constant(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """A float tensor."""
    return graph.tensor(op.constants[0])


@rule(
    "Add", "MatMul", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Neg", "Abs", "Relu", "Sigmoid", "Tanh", "Exp", "Log",
    "Sqrt", "Sin", "Cos", "Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh", "Erf", "Sign", "Floor",
    "Ceil", "Round",
)  # fmt: skip
def same_name(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """ONNX has it under the same name."""
    return graph.emit(op.name, *inputs)


@rule("Tan", "Sinh", "Cosh")
def tangent_or_hyperbolic(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """In double, sin / cos, tanh cosh (nothing cancels), and (exp(x) + exp(-x)) / 2."""
    x = inputs[0]
    if not graph.is_double:
        return graph.emit(op.name, x)
    if op.name == "Tan":
        return graph.emit("Div", graph.emit("Sin", x), graph.emit("Cos", x))
    sum_of_powers = graph.emit("Add", graph.emit("Exp", x), graph.emit("Exp", graph.emit("Neg", x)))
    cosh = graph.emit("Mul", graph.number(0.5), sum_of_powers)
    return cosh if op.name == "Cosh" else graph.emit("Mul", graph.emit("Tanh", x), cosh)


@rule("Quantize")
def quantize(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """To the nearest integer, halves to the even one."""
    return graph.emit("Round", *inputs)


@rule("Square")
def square(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """x * x."""
    return graph.emit("Mul", inputs[0], inputs[0])


@rule("Softplus")
def softplus(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """log(1 + exp(x)); in double, as the stable log(exp(0) + exp(x)) = -logsoftmax((0, x))[0]."""
    if not graph.is_double:
        return graph.emit("Softplus", *inputs)
    shape = [*op.shape, 1]
    pair = graph.emit("Concat", graph.tensor(np.zeros(shape)), graph.reshape(inputs[0], shape), axis=-1)
    first = graph.emit("Gather", graph.emit("LogSoftmax", pair, axis=-1), graph.integers(0), axis=-1)
    return graph.emit("Neg", first)


@rule("Softsign")
def softsign(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """x / (1 + |x|)."""
    if not graph.is_double:
        return graph.emit("Softsign", *inputs)
    return graph.emit("Div", inputs[0], graph.emit("Add", graph.number(1.0), graph.emit("Abs", inputs[0])))


@rule("LeakyRelu")
def leaky_relu(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """x < 0 ? alpha x : x; in double, alpha x + (1 - alpha) relu(x), whose derivative at 0 is alpha, too."""
    alpha = op.attributes["alpha"]
    if not graph.is_double:
        return graph.emit("LeakyRelu", *inputs, alpha=alpha)
    line = graph.emit("Mul", graph.number(alpha), inputs[0])
    return graph.emit("Add", line, graph.emit("Mul", graph.number(1 - alpha), graph.emit("Relu", inputs[0])))


@rule("PRelu")
def prelu(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """x < 0 ? slope x : x; in double, slope x + (1 - slope) relu(x), whose derivative at 0 is the slope, too."""
    x, slope = inputs
    if not graph.is_double:
        return graph.emit("PRelu", x, slope)
    rest = graph.emit("Sub", graph.number(1.0), slope)
    return graph.emit("Add", graph.emit("Mul", slope, x), graph.emit("Mul", rest, graph.emit("Relu", x)))


@rule("Matern")
def matern(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """(1 + r) exp(-r), or (1 + r + r^2 / 3) exp(-r), with r = sqrt(2 nu x)."""
    r = graph.emit("Sqrt", graph.emit("Mul", graph.number(2 * op.attributes["nu"]), inputs[0]))
    factor = graph.emit("Add", graph.number(1.0), r)
    if op.attributes["nu"] == 2.5:
        factor = graph.emit("Add", factor, graph.emit("Div", graph.emit("Mul", r, r), graph.number(3.0)))
    return graph.emit("Mul", factor, graph.emit("Exp", graph.emit("Neg", r)))


@rule("Elu")
def elu(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """x < 0 ? alpha (exp(x) - 1) : x."""
    if graph.is_double:
        return written_elu(graph, inputs[0], op.attributes["alpha"])
    return graph.emit("Elu", *inputs, alpha=op.attributes["alpha"])


@rule("Selu")
def selu(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """gamma elu(x)."""
    alpha, gamma = op.attributes["alpha"], op.attributes["gamma"]
    if not graph.is_double:
        return graph.emit("Selu", *inputs, alpha=alpha, gamma=gamma)
    return graph.emit("Mul", graph.number(gamma), written_elu(graph, inputs[0], alpha))


def written_elu(graph: ExportGraph, x: str, alpha: float) -> str:
    """relu(x) + alpha (exp(x - relu(x)) - 1)."""
    positive = graph.emit("Relu", x)
    power = graph.emit("Exp", graph.emit("Sub", x, positive))
    return graph.emit(
        "Add", positive, graph.emit("Mul", graph.number(alpha), graph.emit("Sub", power, graph.number(1.0)))
    )


@rule("HardSigmoid")
def hard_sigmoid(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """clip(alpha x + beta, 0, 1)."""
    alpha, beta = op.attributes["alpha"], op.attributes["beta"]
    if not graph.is_double:
        return graph.emit("HardSigmoid", *inputs, alpha=alpha, beta=beta)
    line = graph.emit("Add", graph.emit("Mul", graph.number(alpha), inputs[0]), graph.number(beta))
    return graph.emit("Clip", line, graph.number(0.0), graph.number(1.0))


@rule("HardSwish")
def hard_swish(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """x clip(alpha x + beta, 0, 1); ONNX's HardSwish has no attributes."""
    if not graph.is_double and (op.attributes["alpha"], op.attributes["beta"]) == (float(np.float32(1 / 6)), 0.5):
        return graph.emit("HardSwish", *inputs)
    return graph.emit("Mul", inputs[0], hard_sigmoid(graph, op, inputs))


@rule("Swish")
def swish(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """x sigmoid(alpha x); ONNX has Swish from operator set 24 on only."""
    alpha = op.attributes["alpha"]
    inner = inputs[0] if alpha == 1 else graph.emit("Mul", graph.number(alpha), inputs[0])
    return graph.emit("Mul", inputs[0], graph.emit("Sigmoid", inner))


@rule("Gelu")
def gelu(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """x Phi(x)."""
    return graph.emit("Gelu", *inputs)


@rule("GeluTanh")
def gelu_tanh(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))."""
    if not graph.is_double:
        return graph.emit("Gelu", *inputs, approximate="tanh")
    x, factor = inputs[0], 2 * math.sqrt(2 / math.pi)
    slope = graph.emit(
        "Add", graph.number(factor), graph.emit("Mul", graph.number(0.044715 * factor), graph.emit("Mul", x, x))
    )
    return graph.emit("Mul", x, graph.emit("Sigmoid", graph.emit("Mul", x, slope)))


@rule("Clip")
def clip(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """min(max(x, lower), upper)."""
    limits = [op.attributes.get("lower", -math.inf), op.attributes.get("upper", math.inf)]
    return graph.emit("Clip", inputs[0], *(graph.number(limit) if math.isfinite(limit) else "" for limit in limits))


@rule("Less", "LessOrEqual", "Equal")
def comparison(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """1 where it holds, else 0."""
    return graph.emit("Cast", graph.emit(op.name, *inputs), to=graph.element_type)


@rule("Where")
def where(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """A condition is a number here, a bool there."""
    return graph.emit("Where", graph.emit("Cast", inputs[0], to=TensorProto.BOOL), *inputs[1:])


@rule("Mod")
def modulo(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """ONNX has the one with the sign of a, for floats: mod(a, b) = fmod(fmod(a, b) + b, b)."""
    remainder = graph.emit("Mod", *inputs, fmod=1)
    if op.attributes["fmod"]:
        return remainder
    return graph.emit("Mod", graph.emit("Add", remainder, inputs[1]), inputs[1], fmod=1)


@rule("Softmax", "LogSoftmax", "Hardmax")
def softmax(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """Over n_axes axes together; ONNX's has one."""
    axis, stop = op.attributes["axis"], op.attributes["axis"] + op.attributes["n_axes"]
    shape = list(op.shape)
    joined = [*shape[:axis], math.prod(shape[axis:stop]), *shape[stop:]]
    x = graph.reshape(inputs[0], joined) if joined != shape else inputs[0]
    y = graph.emit(op.name, x, axis=axis)
    return graph.reshape(y, shape) if joined != shape else y


@rule("LayerNormalization", "RMSNormalization")
def normalization(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """LayerNormalization where ONNX has it: in float, over the last axes.

    ONNX Runtime subtracts squares in its own, which costs a double model its digits; ONNX has RMSNormalization from
    operator set 23 on only.
    """
    x, shape, axis = inputs[0], list(op.shape), op.attributes["axis"]
    stop, epsilon = axis + op.attributes["n_axes"], op.attributes["epsilon"]
    is_centred = op.name == "LayerNormalization"
    lane = shape[axis:stop] + [1] * (len(shape) - stop)
    constants = [graph.tensor(np.reshape(constant, lane)) for constant in op.constants]
    if is_centred and not graph.is_double and stop == len(shape):
        return graph.emit(
            "LayerNormalization", x, *(constants or [graph.tensor(np.ones(lane))]), axis=axis, epsilon=epsilon
        )
    axes = graph.integers(list(range(axis, stop)))
    if is_centred:
        x = graph.emit("Sub", x, graph.emit("ReduceMean", x, axes, keepdims=1))
    square = graph.emit("ReduceMean", graph.emit("Mul", x, x), axes, keepdims=1)
    x = graph.emit("Div", x, graph.emit("Sqrt", graph.emit("Add", square, graph.number(epsilon))))
    for name, constant in zip(("Mul", "Add"), constants, strict=False):
        x = graph.emit(name, x, constant)
    return x


@rule("CumSum")
def cumulative_sum(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """Along n_axes axes together; ONNX's has one."""
    axis, stop = op.attributes["axis"], op.attributes["axis"] + op.attributes["n_axes"]
    shape = list(op.shape)
    joined = [*shape[:axis], math.prod(shape[axis:stop]), *shape[stop:]]
    x = graph.reshape(inputs[0], joined) if joined != shape else inputs[0]
    settings = {name: op.attributes[name] for name in ("exclusive", "reverse")}
    y = graph.emit("CumSum", x, graph.integers(axis), **settings)
    return graph.reshape(y, shape) if joined != shape else y


@rule("ReduceSum", "ReduceMean", "ReduceMax", "ReduceProd", "ReduceL2", "ReduceLogSumExp")
def reduction(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """Over neighbouring axes."""
    axes = list(range(op.attributes["axis"], op.attributes["axis"] + op.attributes["n_axes"]))
    return graph.emit(op.name, inputs[0], graph.integers(axes), keepdims=op.attributes["keepdims"])


@rule("Reshape")
def reshape(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """The same numbers in another shape."""
    return graph.reshape(inputs[0], op.shape)


@rule("Concat")
def concat(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """Joined along an axis."""
    return graph.emit("Concat", *inputs, axis=op.attributes["axis"])


@rule("Select")
def select(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """out.flat[i] = in.flat[indices[i]]: Gather from the flat input, whose result has the shape of the indices."""
    return graph.emit(
        "Gather", graph.reshape(inputs[0], [-1]), graph.integers(op.constants[0].reshape(op.shape)), axis=0
    )


@rule("Linear")
def linear(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """y = W x along one axis: Gemm for a matrix, else MatMul."""
    axis, rank = op.attributes["axis"], len(op.input_shapes[0])
    matrix, is_transposed = graph.tensor(op.constants[0]), bool(op.attributes["transposed"])  # (k, h) where transposed
    bias = graph.tensor(op.constants[1]) if len(op.constants) > 1 else ""
    if rank == 2 and axis == 1:
        return graph.emit("Gemm", inputs[0], matrix, *([bias] if bias else []), transB=0 if is_transposed else 1)
    if rank > 1 and axis == rank - 2:
        y = graph.emit("MatMul", graph.emit("Transpose", matrix, perm=[1, 0]) if is_transposed else matrix, inputs[0])
        return graph.emit("Add", y, graph.reshape(bias, [-1, 1])) if bias else y
    order: Any = [k for k in range(rank) if k != axis] + [axis]
    x = inputs[0] if axis == rank - 1 else graph.emit("Transpose", inputs[0], perm=order)
    y = graph.emit("MatMul", x, matrix if is_transposed else graph.emit("Transpose", matrix, perm=[1, 0]))
    y = graph.emit("Add", y, bias) if bias else y
    return y if axis == rank - 1 else graph.emit("Transpose", y, perm=[order.index(k) for k in range(rank)])


@rule("SparseLinear")
def sparse_linear(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """y = W x along one axis; ONNX has no sparse product of its own: MatMul with the matrix written out."""
    axis, shape = op.attributes["axis"], list(op.input_shapes[0])
    starts, columns, values = op.constants
    matrix = np.zeros((len(starts) - 1, shape[axis]))
    np.add.at(matrix, (np.repeat(np.arange(len(starts) - 1), np.diff(starts)), columns), values)
    x = graph.reshape(inputs[0], [-1, shape[axis], math.prod(shape[axis + 1 :])])
    return graph.reshape(graph.emit("MatMul", graph.tensor(matrix), x), list(op.shape))


@rule("Conv")
def convolution(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """Conv or ConvTranspose with the axes in front of the channels joined. Negative pads behind cut off what no window
    reaches, and are output_padding in ConvTranspose.
    """
    axis, shape, attributes = op.attributes["axis"], list(op.input_shapes[0]), dict(op.attributes)
    is_transposed, rank = bool(attributes.pop("transposed")), len(shape) - op.attributes["axis"] - 1
    pads = attributes.pop("pads")
    del attributes["axis"]
    x = graph.reshape(inputs[0], [-1, *shape[axis:]]) if axis != 1 else inputs[0]
    if is_transposed:
        attributes["output_padding"] = [max(-pad, 0) for pad in pads[rank:]]
    attributes["pads"] = [max(pad, 0) for pad in pads]
    constants = [graph.tensor(constant) for constant in op.constants]
    y = graph.emit("ConvTranspose" if is_transposed else "Conv", x, *constants, **attributes)
    return graph.reshape(y, list(op.shape)) if axis != 1 else y


@rule("TreeEnsemble")
def tree_ensemble(graph: ExportGraph, op: Operator, inputs: list[str]) -> str:
    """The operator of the same name of ai.onnx.ml."""
    rows = [math.prod(op.shape[:-1]), op.input_shapes[0][-1]]
    x = inputs[0] if list(op.input_shapes[0]) == rows else graph.reshape(inputs[0], rows)
    y = graph.emit("TreeEnsemble", x, domain=ML, **tree_attributes(graph, op))
    if op.attributes["aggregate"] == "mean":
        y = graph.emit("Div", y, graph.number(float(len(op.constants[4]))))
    return y if list(op.shape) == [rows[0], op.shape[-1]] else graph.reshape(y, op.shape)
