"""Gemm and MatMul: the core's Linear where one side is a constant matrix, else its MatMul."""

from __future__ import annotations

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.handle import Handle, Shape, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.products import linear
from fastexpr.onnx.registry import converter


@converter("MatMul")
def matmul(node: OnnxNode) -> Value:
    """NumPy's matmul: products of the last two axes, the others broadcast."""
    a, b = node.input(0), node.input(1)
    if not a.shape or not b.shape or a.shape[-1] != b.shape[-2 if len(b.shape) > 1 else 0]:
        node.fail(
            f"cannot multiply shapes {a.shape} and {b.shape}: their inner lengths differ. Export the model again."
        )
    matrix_a: Shape = (
        a.shape if len(a.shape) > 1 else (1, *a.shape)
    )  # a vector on the left is a row, on the right a column
    matrix_b: Shape = b.shape if len(b.shape) > 1 else (*b.shape, 1)
    check_product(node, matrix_a, matrix_b)
    y = a.reshape(matrix_a) @ b.reshape(matrix_b)
    shape = y.shape if len(b.shape) > 1 else y.shape[:-1]
    if len(a.shape) == 1:
        shape = shape[:-1] if len(b.shape) == 1 else (*shape[:-2], shape[-1])
    return y.reshape(shape)


def check_product(node: OnnxNode, a: Shape, b: Shape) -> None:
    """Refuses stacks of matrices that do not broadcast, or whose product no memory holds."""
    try:
        lead = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        node.fail(f"cannot multiply shapes {a} and {b}: their leading axes do not broadcast. Export the model again.")
    node.check_size((*lead, a[-2], b[-1]))


@converter("Gemm", since=1)
def gemm(node: OnnxNode) -> Value:
    """y = alpha A' B' + beta C, where a prime transposes if transA or transB says so; C broadcasts to y."""
    graph = node.graph
    a, b = node.input(0), node.input(1)
    trans_a, trans_b = bool(node.integer("transA")), bool(node.integer("transB"))
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0 if trans_a else 1] != b.shape[1 if trans_b else 0]:
        node.fail(
            f"cannot multiply A {a.shape} and B {b.shape} with transA={int(trans_a)}, transB={int(trans_b)}. Expected "
            "two matrices with equal inner lengths. Export the model again."
        )
    shape = (a.shape[1 if trans_a else 0], b.shape[0 if trans_b else 1])
    offset = gemm_offset(node, shape)
    alpha = node.number("alpha")
    if not isinstance(b, Handle):
        a = a.transpose((1, 0)) if trans_a else a
        bias, offset = split_bias(offset, shape)
        y: Value = linear(graph, a, scaled(b, alpha), 1, not trans_b, bias)
    elif not isinstance(a, Handle):
        b = b.transpose((1, 0)) if trans_b else b
        y = linear(graph, b, scaled(a, alpha), 0, trans_a)
    else:
        a = a.transpose((1, 0)) if trans_a else a
        b = b.transpose((1, 0)) if trans_b else b
        y = graph.apply("MatMul", a, b)
        y = y if alpha == 1 else y * alpha
    return y if offset is None else y + offset


def gemm_offset(node: OnnxNode, shape: Shape) -> Value | None:
    """beta C; None where it is absent or zero."""
    beta = node.number("beta")
    if not node.has_input(2) or beta == 0:
        return None
    c = node.input(2)
    try:
        fits = c.shape == shape[1:] or np.broadcast_shapes(c.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        node.fail(f"cannot add C of shape {c.shape} to a product of shape {shape}. Export the model again.")
    return scaled(c, beta) if not isinstance(c, Handle) else c if beta == 1 else c * beta


def scaled(array: Array, factor: float) -> Array:
    """The constant times the factor, in double; itself where the factor is 1."""
    return array if factor == 1 else array.astype(np.float64) * factor


def split_bias(offset: Value | None, shape: Shape) -> tuple[Array | None, Value | None]:
    """The offset as a bias that Linear adds itself, or else as it was."""
    if offset is None or isinstance(offset, Handle) or (len(offset.shape) == 2 and offset.shape[0] != 1):
        return None, offset
    bias = offset.reshape(-1)
    return bias if bias.shape == shape[1:] else np.broadcast_to(bias, shape[1:]), None
