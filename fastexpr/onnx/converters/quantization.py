"""Quantized models: rounding to integers and back, exactly as ONNX computes it, with the derivative of the model
without rounding (the core's Quantize). A tensor of integers that depends on x is one of doubles that are whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import Handle, Shape, Value
from fastexpr.onnx.converters.convolution import conv
from fastexpr.onnx.converters.linear import matrix_product
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

RANGES = {
    "uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767), "uint4": (0, 15),
    "int4": (-8, 7), "uint2": (0, 3), "int2": (-2, 1),
}  # fmt: skip


def along_axis(node: OnnxNode, values: Array, shape: Shape, axis: int) -> Array:
    """Scales or zero points so that they broadcast: one for all, or for each place or block of places of an axis."""
    block = node.attribute("block_size") or 0
    if values.size == 1 and not block:
        return values.reshape(())
    axis = node.axis(axis, len(shape))
    if block:
        if block < 0 or values.ndim != len(shape) or -(-shape[axis] // block) != values.shape[axis]:
            node.fail(f"has block_size={block} and scales of shape {values.shape} for {shape}. Export the model again.")
        return np.repeat(values, block, axis).take(np.arange(shape[axis]), axis)
    if values.shape != (shape[axis],):
        node.fail(f"has scales of shape {values.shape} for axis {axis} of {shape}. Export the model again.")
    return values.reshape((-1,) + (1,) * (len(shape) - axis - 1))


def quantized(node: OnnxNode, ratio: Value, zero: Value, limits: tuple[int, int]) -> Value:
    """round(ratio) + zero, cut to the limits of the integer type; halves are rounded to the even neighbour.

    Cut before rounding, where one zero point is for all: numbers that are rounded to a limit keep their derivative.
    """
    graph, lower, upper = node.graph, float(limits[0]), float(limits[1])
    if not isinstance(zero, Handle) and (zero == zero.reshape(-1)[0]).all():
        shift = float(zero.reshape(-1)[0])
        return graph.add(
            graph.apply("Quantize", graph.apply("Clip", ratio, lower=lower - shift, upper=upper - shift)), zero
        )
    return graph.apply("Clip", graph.add(graph.apply("Quantize", ratio), zero), lower=lower, upper=upper)


def constant_or_zero(node: OnnxNode, k: int) -> Array:
    """A zero point; 0 where it is left out."""
    return node.constant(k) if node.has_input(k) else np.zeros((), np.uint8)


def limits_of(node: OnnxNode, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Smallest and largest number of an integer type."""
    if dtype.name not in RANGES:
        node.fail(
            f"rounds a value that depends on the network's inputs to {dtype.name}: expected one of "
            f"{', '.join(RANGES)}. Leave the rounding out of the exported model."
        )
    return RANGES[dtype.name]


@converter("QuantizeLinear", since=10)
def quantize_linear(node: OnnxNode) -> Value:
    """clip(round(x / scale) + zero point): whole numbers, in the range of the zero point's type.

    Derivatives are those without rounding ("straight through").
    """
    x, scale, zero = node.input(0), node.constant(1), constant_or_zero(node, 2)
    target = node.attribute("output_dtype") or 0
    dtype = zero.dtype if node.has_input(2) or not target else tensor_dtype_to_np_dtype(target)
    axis = node.attribute("axis") if node.attribute("axis") is not None else 1
    scale = along_axis(node, scale.astype(np.float64), x.shape, axis)
    zero = zero if zero.dtype.kind in "iu" else zero.astype(np.int64)
    zero = along_axis(node, zero, x.shape, axis) if zero.size > 1 else zero.reshape(())
    return quantized(node, node.graph.divide(x, scale), zero, limits_of(node, dtype))


@converter("DequantizeLinear", since=10)
def dequantize_linear(node: OnnxNode) -> Value:
    """(x - zero point) scale."""
    graph, x = node.graph, node.input(0)
    axis = node.attribute("axis") if node.attribute("axis") is not None else 1
    scale = along_axis(node, node.constant(1).astype(np.float64), x.shape, axis)
    if node.has_input(2):
        zero = node.constant(2).astype(np.float64)
        x = graph.subtract(x, along_axis(node, zero, x.shape, axis) if zero.size > 1 else zero.reshape(()))
    return graph.multiply(x, scale)


@converter("DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(node: OnnxNode) -> Sequence[Value]:
    """QuantizeLinear to 0 to 255, with scale (max - min) / 255 over all numbers and 0, and zero point -min / scale.

    Derivatives are those without rounding ("straight through").
    """
    graph, x = node.graph, node.input(0)
    flat = graph.reshape(x, (int(np.prod(x.shape)),))
    high, depth = (  # the largest number and minus the smallest, at least 0
        graph.apply("Clip", graph.apply("ReduceMax", values, axis=0, n_axes=1, keepdims=0), lower=0.0)
        for values in (flat, graph.apply("Neg", flat))
    )
    scale = graph.divide(graph.add(high, depth), np.full((), 255.0))
    zero = quantized(node, graph.divide(depth, scale), np.zeros(()), RANGES["uint8"])
    return [quantized(node, graph.divide(x, scale), zero, RANGES["uint8"]), scale, zero]


@converter("MatMulInteger", since=10)
def matmul_integer(node: OnnxNode) -> Value:
    """(A - zero point) (B - zero point): whole numbers."""
    a = centered(node, 0, 2, row_wise=True)
    b = centered(node, 1, 3, row_wise=False)
    return product(node, a, b)


@converter("QLinearMatMul", since=10)
def qlinear_matmul(node: OnnxNode) -> Value:
    """A and B made floats, multiplied, and rounded: the product of whole numbers times a_scale b_scale / y_scale."""
    graph = node.graph
    a = graph.multiply(centered(node, 0, 2, row_wise=True), spread(node.constant(1), True))
    b = graph.multiply(centered(node, 3, 5, row_wise=False), spread(node.constant(4), False))
    zero = node.constant(7)
    ratio = graph.divide(product(node, a, b), spread(node.constant(6), True))
    return quantized(node, ratio, spread(zero, True), limits_of(node, zero.dtype))


def spread(values: Array, row_wise: bool) -> Array:
    """One number for all, for each row, or for each column."""
    values = values.astype(np.float64)
    if values.size == 1:
        return values.reshape(())
    return values[:, None] if row_wise and values.ndim == 1 else values


def centered(node: OnnxNode, k: int, zero: int, row_wise: bool) -> Value:
    """Input k minus its zero point."""
    value = node.input(k)
    value = value if isinstance(value, Handle) else value.astype(np.float64)
    return node.graph.subtract(value, spread(constant_or_zero(node, zero), row_wise))


def product(node: OnnxNode, a: Value, b: Value) -> Value:
    """a b for matrices and stacks of them."""
    if len(a.shape) < 2 or len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
        node.fail(f"cannot multiply shapes {a.shape} and {b.shape}. Export the model again.")
    return matrix_product(node.graph, a, b)


@converter("ConvInteger", since=10)
def conv_integer(node: OnnxNode) -> Value:
    """The convolution of (x - zero point) with (w - zero point): whole numbers."""
    return conv(node.other("Conv", [centered(node, 0, 2, True), centered_weights(node, 1, 3)]))


@converter("QLinearConv", since=10)
def qlinear_conv(node: OnnxNode) -> Value:
    """The convolution of whole numbers, and a bias of whole numbers, times x_scale w_scale / y_scale, rounded."""
    graph = node.graph
    bias = node.constant(8).astype(np.float64) if node.has_input(8) else None
    y = conv(node.other("Conv", [centered(node, 0, 2, True), centered_weights(node, 3, 5), bias]))
    per_channel = (-1,) + (1,) * (len(y.shape) - 2)
    scales = node.constant(1).astype(np.float64) * node.constant(4).astype(np.float64)
    zero = node.constant(7)
    ratio = graph.divide(graph.multiply(y, scales.reshape(per_channel)), spread(node.constant(6), True))
    return quantized(node, ratio, spread(zero, True), limits_of(node, zero.dtype))


def centered_weights(node: OnnxNode, k: int, zero: int) -> Value:
    """Constant weights minus their zero points, one for all or one for each output channel."""
    weights, zeros = node.constant(k).astype(np.float64), constant_or_zero(node, zero).astype(np.float64)
    if zeros.size not in (1, weights.shape[0] if weights.ndim else 1):
        node.fail(f"has {zeros.size} zero points for weights of shape {weights.shape}. Export the model again.")
    return weights - zeros.reshape((-1,) + (1,) * (weights.ndim - 1))
