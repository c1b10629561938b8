"""Gemm and MatMul: the core's Linear where one side is a constant matrix, else its MatMul."""

from __future__ import annotations

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder, Handle, Shape, Value, as_float
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter


def linear(
    graph: GraphBuilder, x: Value, matrix: Array, axis: int, transposed: bool, bias: Array | None = None
) -> Handle:
    """y = W x along `axis`; W is the matrix (h, k), or with `transposed` its transpose (k, h)."""
    constants = [graph.contiguous(matrix)]
    if bias is not None:
        constants.append(np.ascontiguousarray(as_float(bias)))
    return graph.apply("Linear", x, constants=constants, axis=axis, transposed=int(transposed))


@converter("MatMul")
def matmul(node: OnnxNode) -> Value:
    """NumPy's matmul: products of the last two axes, the others broadcast."""
    a, b = node.input(0), node.input(1)
    if not a.shape or not b.shape or a.shape[-1] != b.shape[-2 if len(b.shape) > 1 else 0]:
        node.fail(
            f"cannot multiply shapes {a.shape} and {b.shape}: their inner lengths differ. Export the model again."
        )
    graph = node.graph
    matrix_a: Shape = (
        a.shape if len(a.shape) > 1 else (1, *a.shape)
    )  # a vector on the left is a row, on the right a column
    matrix_b: Shape = b.shape if len(b.shape) > 1 else (*b.shape, 1)
    check_product(node, matrix_a, matrix_b)
    y = matrix_product(graph, graph.reshape(a, matrix_a), graph.reshape(b, matrix_b))
    shape = y.shape if len(b.shape) > 1 else y.shape[:-1]
    if len(a.shape) == 1:
        shape = shape[:-1] if len(b.shape) == 1 else (*shape[:-2], shape[-1])
    return graph.reshape(y, shape)


def check_product(node: OnnxNode, a: Shape, b: Shape) -> None:
    """Refuses stacks of matrices that do not broadcast, or whose product no memory holds."""
    try:
        lead = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        node.fail(f"cannot multiply shapes {a} and {b}: their leading axes do not broadcast. Export the model again.")
    node.check_size((*lead, a[-2], b[-1]))


def matrix_product(graph: GraphBuilder, a: Value, b: Value) -> Value:
    """a @ b for tensors with two axes or more."""
    rank = max(len(a.shape), len(b.shape))
    rows, columns = a.shape[-2], b.shape[-1]
    if not isinstance(a, Handle) and not isinstance(b, Handle):
        return np.asarray(np.matmul(a.astype(np.float64), b.astype(np.float64)))
    if not isinstance(b, Handle) and is_one_matrix(b.shape):
        lead = (1,) * (rank - len(a.shape)) + a.shape[:-1]
        y: Value = linear(graph, a, b.reshape(b.shape[-2:]), len(a.shape) - 1, transposed=True)
        return graph.reshape(y, (*lead, columns))
    if not isinstance(a, Handle) and is_one_matrix(a.shape):
        lead = (1,) * (rank - len(b.shape)) + b.shape[:-2]
        y = linear(graph, b, a.reshape(a.shape[-2:]), len(b.shape) - 2, transposed=False)
        return graph.reshape(y, (*lead, rows, columns))
    return graph.apply("MatMul", a, b)


def is_one_matrix(shape: Shape) -> bool:
    """Whether a constant is one matrix and not a batch of several."""
    return all(length == 1 for length in shape[:-2])


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
        a = graph.transpose(a, (1, 0)) if trans_a else a
        bias, offset = split_bias(offset, shape)
        y: Value = linear(graph, a, scaled(b, alpha), 1, not trans_b, bias)
    elif not isinstance(a, Handle):
        b = graph.transpose(b, (1, 0)) if trans_b else b
        y = linear(graph, b, scaled(a, alpha), 0, trans_a)
    else:
        a = graph.transpose(a, (1, 0)) if trans_a else a
        b = graph.transpose(b, (1, 0)) if trans_b else b
        y = graph.apply("MatMul", a, b)
        y = y if alpha == 1 else graph.multiply(y, np.full((), alpha))
    return y if offset is None else graph.add(y, offset)


def gemm_offset(node: OnnxNode, shape: Shape) -> Value | None:
    """beta C; None where it is absent or zero."""
    beta = node.number("beta")
    if not node.has_input(2) or beta == 0:
        return None
    c = node.input(2)
    try:
        fits = np.broadcast_shapes(c.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        node.fail(f"cannot add C of shape {c.shape} to a product of shape {shape}. Export the model again.")
    return (
        scaled(c, beta) if not isinstance(c, Handle) else c if beta == 1 else node.graph.multiply(c, np.full((), beta))
    )


def scaled(array: Array, factor: float) -> Array:
    """The constant times the factor, in double; itself where the factor is 1."""
    return array if factor == 1 else array.astype(np.float64) * factor


def split_bias(offset: Value | None, shape: Shape) -> tuple[Array | None, Value | None]:
    """The offset as a bias that Linear adds itself, or else as it was."""
    if offset is None or isinstance(offset, Handle) or (len(offset.shape) == 2 and offset.shape[0] != 1):
        return None, offset
    return np.broadcast_to(offset.reshape(-1), shape[1:]), None
