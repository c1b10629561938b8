"""Quantized models: rounding to integers and back, exactly as ONNX computes it, with the derivative of the model
without rounding (the core's Quantize). A tensor of integers that depends on x is one of doubles that are whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype

from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.converters.convolution import conv
from fastexpr.onnx.handle import Handle, Shape, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

RANGES = {
    "uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767), "uint4": (0, 15),
    "int4": (-8, 7), "uint2": (0, 3), "int2": (-2, 1),
}  # fmt: skip


def numbers(node: OnnxNode, k: int) -> Value:
    """Input k as floats; 0 where it is left out. Scales and zero points depend on x in models that find them as they
    run.
    """
    return node.double(k) if node.has_input(k) else np.zeros(())


def along_axis(node: OnnxNode, values: Value, shape: Shape, axis: int) -> Value:
    """Scales or zero points so that they broadcast: one for all, or for each place or block of places of an axis."""
    graph, block = node.graph, node.attribute("block_size") or 0
    if math.prod(values.shape) == 1 and not block:
        return values.reshape(())
    axis = node.axis(axis, len(shape))
    if block:
        if block < 0 or len(values.shape) != len(shape) or -(-shape[axis] // block) != values.shape[axis]:
            node.fail(f"has block_size={block} and scales of shape {values.shape} for {shape}. Export the model again.")
        return graph.rearrange(values, lambda array: np.repeat(array, block, axis).take(np.arange(shape[axis]), axis))
    if values.shape != (shape[axis],):
        node.fail(f"has scales of shape {values.shape} for axis {axis} of {shape}. Export the model again.")
    return values.reshape((shape[axis],) + (1,) * (len(shape) - axis - 1))


def quantized(node: OnnxNode, ratio: Value, zero: Value, dtype: np.dtype[Any]) -> Value:
    """round(ratio) + zero, cut to the limits of the integer type; halves are rounded to the even neighbour.

    Cut before rounding, where one zero point is for all: numbers that are rounded to a limit keep their derivative.
    """
    graph, (lower, upper) = node.graph, limits_of(node, dtype)
    if not isinstance(zero, Handle) and (zero == zero.reshape(-1)[0]).all():
        shift = float(zero.reshape(-1)[0])
        near = graph.apply("Quantize", graph.apply("Clip", ratio, lower=lower - shift, upper=upper - shift))
        return (near + zero).astype(dtype)
    moved = graph.apply("Quantize", ratio) + zero
    return graph.apply("Clip", moved, lower=lower, upper=upper).astype(dtype)


def limits_of(node: OnnxNode, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Smallest and largest number of an integer type."""
    if dtype.name not in RANGES:
        node.fail(
            f"rounds a value that depends on the network's inputs to {dtype.name}: expected one of "
            f"{', '.join(RANGES)}. Leave the rounding out of the exported model."
        )
    lower, upper = RANGES[dtype.name]
    return float(lower), float(upper)


def integer_type(node: OnnxNode, k: int) -> np.dtype[Any]:
    """The type of zero point k, which the rounded numbers have, too; uint8 where it is left out."""
    return node.input(k).dtype if node.has_input(k) else np.dtype(np.uint8)


@converter("QuantizeLinear", since=10)
def quantize_linear(node: OnnxNode) -> Value:
    """clip(round(x / scale) + zero point): whole numbers, in the range of the zero point's type.

    Derivatives are those without rounding ("straight through").
    """
    x, target = node.double(0), node.attribute("output_dtype") or 0
    dtype = tensor_dtype_to_np_dtype(target) if target and not node.has_input(2) else integer_type(node, 2)
    axis = node.attribute("axis") if node.attribute("axis") is not None else 1
    scale, zero = along_axis(node, numbers(node, 1), x.shape, axis), numbers(node, 2)
    zero = along_axis(node, zero, x.shape, axis) if math.prod(zero.shape) > 1 else zero.reshape(())
    return quantized(node, x / scale, zero, dtype)


@converter("DequantizeLinear", since=10)
def dequantize_linear(node: OnnxNode) -> Value:
    """(x - zero point) scale."""
    x = node.double(0)
    axis = node.attribute("axis") if node.attribute("axis") is not None else 1
    scale = along_axis(node, numbers(node, 1), x.shape, axis)
    if node.has_input(2):
        zero = numbers(node, 2)
        x = x - (along_axis(node, zero, x.shape, axis) if math.prod(zero.shape) > 1 else zero)
    return x * scale


@converter("DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(node: OnnxNode) -> Sequence[Value]:
    """QuantizeLinear to 0 to 255, with scale (max - min) / 255 over all numbers and 0, and zero point -min / scale.

    Derivatives are those without rounding ("straight through").
    """
    return dynamically_quantized(node.graph, node.input(0))


def dynamically_quantized(graph: GraphBuilder, x: Value) -> tuple[Value, Value, Value]:
    """Whole numbers from 0 to 255, their scale and their zero point."""
    flat = x.reshape((math.prod(x.shape),))
    high, depth = (  # the largest number and minus the smallest, at least 0
        graph.apply("Clip", graph.apply("ReduceMax", values, axis=0, n_axes=1, keepdims=0), lower=0.0)
        for values in (flat, -flat)
    )
    spread = (high + depth) / 255.0
    scale = graph.apply("Where", graph.apply("Equal", spread, 0.0), 1.0, spread)  # all are 0
    zero = graph.apply("Quantize", depth / scale)
    moved = graph.apply("Quantize", x / scale) + zero
    # the two roundings give 256 at most: a condition cuts that, so every number keeps its derivative
    return moved - (moved > 255.0), scale, zero


def dynamically_rounded(graph: GraphBuilder, x: Value) -> Value:
    """x as its whole numbers say it."""
    whole, scale, zero = dynamically_quantized(graph, x)
    return (whole - zero) * scale


@converter("MatMulInteger", since=10)
def matmul_integer(node: OnnxNode) -> Value:
    """(A - zero point) (B - zero point): whole numbers."""
    a = centered(node, 0, 2, row_wise=True)
    b = centered(node, 1, 3, row_wise=False)
    return product(node, a, b)


@converter("QLinearMatMul", since=10)
def qlinear_matmul(node: OnnxNode) -> Value:
    """A and B made floats, multiplied, and rounded: the product of whole numbers times a_scale b_scale / y_scale."""
    a = centered(node, 0, 2, row_wise=True) * spread_over(node, numbers(node, 1), True)
    b = centered(node, 3, 5, row_wise=False) * spread_over(node, numbers(node, 4), False)
    ratio = product(node, a, b) / spread_over(node, numbers(node, 6), True)
    return quantized(node, ratio, spread_over(node, numbers(node, 7), True), integer_type(node, 7))


def spread_over(node: OnnxNode, values: Value, row_wise: bool) -> Value:
    """One number for all, for each row, or for each column."""
    if math.prod(values.shape) == 1:
        return values.reshape(())
    return values.reshape((*values.shape, 1)) if row_wise and len(values.shape) == 1 else values


def centered(node: OnnxNode, k: int, zero: int, row_wise: bool) -> Value:
    """Input k minus its zero point."""
    return numbers(node, k) - spread_over(node, numbers(node, zero), row_wise)


def product(node: OnnxNode, a: Value, b: Value) -> Value:
    """a b for matrices and stacks of them."""
    if len(a.shape) < 2 or len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
        node.fail(f"cannot multiply shapes {a.shape} and {b.shape}. Export the model again.")
    return a @ b


@converter("ConvInteger", since=10)
def conv_integer(node: OnnxNode) -> Value:
    """The convolution of (x - zero point) with (w - zero point): whole numbers."""
    return conv(node.other("Conv", [centered(node, 0, 2, True), centered_weights(node, 1, 3)]))


@converter("QLinearConv", since=10)
def qlinear_conv(node: OnnxNode) -> Value:
    """The convolution of whole numbers, and a bias of whole numbers, times x_scale w_scale / y_scale, rounded."""
    bias = numbers(node, 8) if node.has_input(8) else None
    y = conv(node.other("Conv", [centered(node, 0, 2, True), centered_weights(node, 3, 5), bias]))
    scales = numbers(node, 1) * numbers(node, 4)
    per_channel = (math.prod(scales.shape),) + (1,) * (len(y.shape) - 2)
    scaled = y * scales.reshape(per_channel)
    ratio = scaled / spread_over(node, numbers(node, 6), True)
    return quantized(node, ratio, spread_over(node, numbers(node, 7), True), integer_type(node, 7))


def centered_weights(node: OnnxNode, k: int, zero: int) -> Value:
    """Weights minus their zero points, one for all or one for each output channel."""
    weights, zeros = numbers(node, k), numbers(node, zero)
    count = math.prod(zeros.shape)
    if count not in (1, weights.shape[0] if weights.shape else 1):
        node.fail(f"has {count} zero points for weights of shape {weights.shape}. Export the model again.")
    return weights - zeros.reshape((count,) + (1,) * (len(weights.shape) - 1))
