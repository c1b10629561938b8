"""Operators on whole numbers that ONNX Runtime's quantizer writes (domain com.microsoft): inputs are made floats,
computed with, and rounded again, as the standard's QLinearMatMul does.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastexpr.onnx.converters.microsoft_fused import standard
from fastexpr.onnx.converters.pooling import max_pool
from fastexpr.onnx.converters.quantization import (
    centered,
    dequantize_linear,
    dynamically_rounded,
    integer_type,
    numbers,
    product,
    qlinear_conv,
    quantize_linear,
    quantized,
    spread_over,
)
from fastexpr.onnx.converters.recurrent import Run, is_zero, run_through
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter
from fastexpr.onnx.signatures import MICROSOFT

converter("QuantizeLinear", domain=MICROSOFT)(quantize_linear)
converter("DequantizeLinear", domain=MICROSOFT)(dequantize_linear)


def dequantized(node: OnnxNode, k: int, scale: int, zero: int, row_wise: bool = True) -> Value:
    """Input k as floats: (x - zero point) scale."""
    return centered(node, k, zero, row_wise) * spread_over(node, numbers(node, scale), row_wise)


def requantized(node: OnnxNode, y: Value, scale: int, zero: int) -> Value:
    """y as whole numbers."""
    ratio = y / spread_over(node, numbers(node, scale), True)
    return quantized(node, ratio, spread_over(node, numbers(node, zero), True), integer_type(node, zero))


def moved_channels(node: OnnxNode, x: Value, to_front: bool) -> Value:
    """The last axis behind the first, or back."""
    rank = len(x.shape)
    return x.transpose([0, rank - 1, *range(1, rank - 1)] if to_front else [0, *range(2, rank), 1])


@converter(
    "QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "QLinearAveragePool", "QLinearGlobalAveragePool",
    domain=MICROSOFT,
)  # fmt: skip
def qlinear_of_one(node: OnnxNode) -> Value:
    """The operator without QLinear on (x - zero point) scale, rounded.

    Derivatives are those without rounding ("straight through").

    QLinearSoftmax: Softmax on (x - zero point) scale, rounded; ONNX Runtime's own value may be one step off, since it
      divides in integers.
    """
    name, x = node.operator.removeprefix("QLinear"), dequantized(node, 0, 1, 2)
    is_last = bool(node.attribute("channels_last"))
    x = moved_channels(node, x, to_front=True) if is_last else x
    opset = node.attribute("opset") if name == "Softmax" else None
    y = standard(node, name, [x], opset)
    y = moved_channels(node, y, to_front=False) if is_last else y
    return requantized(node, y, 3, 4)


@converter("QLinearAdd", "QLinearMul", domain=MICROSOFT)
def qlinear_of_two(node: OnnxNode) -> Value:
    """The sum or product of two tensors of whole numbers, made floats, and rounded.

    Derivatives are those without rounding ("straight through").
    """
    a, b = dequantized(node, 0, 1, 2), dequantized(node, 3, 4, 5)
    return requantized(node, node.graph.arithmetic(node.operator.removeprefix("QLinear"), a, b), 6, 7)


@converter("QLinearWhere", domain=MICROSOFT)
def qlinear_where(node: OnnxNode) -> Value:
    """condition ? x : y, made floats, and rounded."""
    chosen = standard(node, "Where", [node.input(0), dequantized(node, 1, 2, 3), dequantized(node, 4, 5, 6)])
    return requantized(node, chosen, 7, 8)


@converter("QLinearConcat", domain=MICROSOFT)
def qlinear_concat(node: OnnxNode) -> Value:
    """Tensors of whole numbers, each with its scale and zero point, made floats, joined and rounded."""
    if (len(node.inputs) - 2) % 3:
        node.fail(f"has {len(node.inputs)} inputs, expected 2 and three for each part. Export the model again.")
    parts = [dequantized(node, k, k + 1, k + 2) for k in range(2, len(node.inputs), 3)]
    return requantized(node, standard(node, "Concat", list(parts)), 0, 1)


@converter("QLinearConv", domain=MICROSOFT)
def qlinear_conv_by_layout(node: OnnxNode) -> Value:
    """The standard's QLinearConv; with channels_last, channels are the last axis."""
    if not node.attribute("channels_last"):
        return qlinear_conv(node)
    inputs = [moved_channels(node, node.input(0), to_front=True), *node.inputs[1:]]
    return moved_channels(node, qlinear_conv(node.other("QLinearConv", inputs)), to_front=False)


@converter("NhwcMaxPool", domain=MICROSOFT)
def nhwc_max_pool(node: OnnxNode) -> Value:
    """The largest number of each window; channels are the last axis."""
    x = moved_channels(node, node.input(0), to_front=True)
    y = moved_channels(node, max_pool(node.other("MaxPool", [x])), to_front=False)
    return y.astype(node.input(0).dtype)


# ---- products


@converter("QGemm", domain=MICROSOFT)
def quantized_gemm(node: OnnxNode) -> Value:
    """alpha A' B' + C of whole numbers times their scales; rounded where y_scale is there.

    Derivatives are those without rounding ("straight through").
    """
    a, b = centered(node, 0, 2, row_wise=False), centered(node, 3, 5, row_wise=bool(node.integer("transB")))
    a = a.transpose((1, 0)) if node.integer("transA") else a
    b = b.transpose((1, 0)) if node.integer("transB") else b
    y = product(node, a, b)
    y = y + numbers(node, 6) if node.has_input(6) else y
    y = y * (numbers(node, 1) * numbers(node, 4) * node.number("alpha"))
    return requantized(node, y, 7, 8) if node.has_input(7) else y


@converter("MatMulIntegerToFloat", domain=MICROSOFT)
def matmul_integer_to_float(node: OnnxNode) -> Value:
    """The product of whole numbers times their scales, plus a bias."""
    y = product(node, centered(node, 0, 4, row_wise=True), centered(node, 1, 5, row_wise=False))
    y = y * spread_over(node, numbers(node, 2), True)
    y = y * spread_over(node, numbers(node, 3), False)
    return y + node.input(6) if node.has_input(6) else y


@converter("DynamicQuantizeMatMul", domain=MICROSOFT)
def dynamic_quantize_matmul(node: OnnxNode) -> Value:
    """x rounded as DynamicQuantizeLinear does, times a matrix of whole numbers times its scale, plus a bias.

    Derivatives are those without rounding ("straight through").
    """
    graph = node.graph
    b = centered(node, 1, 3, row_wise=False) * spread_over(node, numbers(node, 2), False)
    y = product(node, dynamically_rounded(graph, node.input(0)), b)
    return y + node.input(4) if node.has_input(4) else y


class RoundedRun(Run):
    """A direction of an LSTM whose products take rounded numbers: all of x together, and the state of each step."""

    def _product(self, u: Value, matrix: Value, bias: Value | None = None) -> Value:
        return super()._product(u if is_zero(u) else dynamically_rounded(self.graph, u), matrix, bias)


@converter("DynamicQuantizeLSTM", domain=MICROSOFT)
def dynamic_quantize_lstm(node: OnnxNode) -> Sequence[Value]:
    """An LSTM whose weights are whole numbers times scales; x, and the state of each step, are rounded as
    DynamicQuantizeLinear does.

    Derivatives are those without rounding ("straight through").
    """
    weights: list[Value | None] = []
    for k, scale in ((1, 8), (2, 10)):
        count = node.input(k).shape[0]
        zeros, scales = (
            value.reshape((count, 1, value.shape[-1] if len(value.shape) == 2 else 1))
            for value in (numbers(node, scale + 1), numbers(node, scale))
        )
        floats = (numbers(node, k) - zeros) * scales
        weights.append(floats.transpose((0, 2, 1)))
    inputs = [node.input(0), *weights, *node.inputs[3:8]]
    return run_through(node.other("LSTM", inputs), RoundedRun)
