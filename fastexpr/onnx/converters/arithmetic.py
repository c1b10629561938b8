"""Add, Sub, Mul, Div, Pow, and what is made of them."""

from __future__ import annotations

from functools import partial, reduce
from typing import Any

import numpy as np

from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.converters.masks import add_mask
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter


@converter("Add", "Sub", "Mul", "Div", "Pow", since=7)
def arithmetic(node: OnnxNode) -> Value:
    """y = a op b with NumPy broadcasting.

    Add: a + b with NumPy broadcasting.
    Sub: a - b with NumPy broadcasting.
    Mul: a b with NumPy broadcasting.
    Div: a / b with NumPy broadcasting.
    Pow: a^b with NumPy broadcasting.
    """
    a, b = node.input(0), node.input(1)
    for value, other in ((a, b), (b, a)):
        if node.operator == "Add" and isinstance(other, np.ndarray) and (other == -np.inf).any():
            return add_mask(node.graph, value, other)
    return whole(node, node.graph.arithmetic(node.operator, a, b))


def truncated(graph: GraphBuilder, x: Value) -> Value:
    """Rounded towards 0."""
    is_negative = x < 0.0
    return graph.apply("Where", is_negative, graph.apply("Ceil", x), graph.apply("Floor", x))


def wrapped(graph: GraphBuilder, x: Value, dtype: np.dtype[Any]) -> Value:
    """A whole number as an integer of few bits holds it: what is too large goes around."""
    limits = np.iinfo(dtype)
    lower, size = float(limits.min), float(limits.max) - float(limits.min) + 1.0
    lowest, highest = graph.range_of(x) if isinstance(x, Handle) else (-np.inf, np.inf)
    if lowest >= limits.min and highest <= limits.max:
        return x
    turned = graph.apply("Mod", x - lower, size, fmod=0)
    return turned + lower


#: Whose results are no whole numbers where the operands are: of integers they are rounded towards 0.
FRACTIONAL = ("Div", "Pow", "ReduceMean", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp")


def whole(node: OnnxNode, y: Value) -> Value:
    """The result as integers have it: a quotient, say, is rounded towards 0, and few bits go around."""
    dtype = node.input(0).dtype
    if dtype.kind not in "iu" or not isinstance(y, Handle):
        return y
    y = truncated(node.graph, y) if node.operator in FRACTIONAL else y
    return wrapped(node.graph, y, dtype) if dtype.itemsize <= 2 else y


@converter("Add", "Sub", "Mul", "Div", "Pow", since=1)
def arithmetic_with_attributes(node: OnnxNode) -> Value:
    """Before operator set 7, b is stretched by attributes."""
    return whole(node, node.graph.arithmetic(node.operator, *stretched_pair(node)))


def stretched_pair(node: OnnxNode) -> tuple[Value, Value]:
    """The two inputs of an operator before operator set 7: b is stretched only where `broadcast` says so; its axes line
    up with those of a from `axis` on.
    """
    a, b = node.input(0), node.input(1)
    axis = node.attribute("axis")
    if not node.attribute("broadcast"):
        if a.shape != b.shape:
            node.fail(
                f"has inputs of shapes {a.shape} and {b.shape}, expected equal shapes, or the attribute broadcast=1. "
                "Export with opset 13 or newer."
            )
    elif axis is not None:
        trailing = len(a.shape) - node.axis(axis, len(a.shape)) - len(b.shape)
        if trailing < 0:
            node.fail(
                f"cannot stretch shape {b.shape} over {a.shape} from axis {axis} on. Export with opset 13 or newer."
            )
        b = b.reshape(b.shape + (1,) * trailing)
    return a, b


@converter("Mod", since=10)
def modulo(node: OnnxNode) -> Value:
    """The remainder of a / b with the sign of b, or, with fmod=1, of a; between its jumps a - b q with a constant q."""
    return node.graph.apply("Mod", node.input(0), node.input(1), fmod=node.integer("fmod"))


@converter("Sum", since=8)
def sum_of_inputs(node: OnnxNode) -> Value:
    """y = a + b + ... with NumPy broadcasting."""
    return reduce(partial(node.graph.arithmetic, "Add"), [node.input(k) for k in range(len(node.inputs))])


@converter("Mean", since=8)
def mean_of_inputs(node: OnnxNode) -> Value:
    """y = (a + b + ...) / count."""
    return sum_of_inputs(node) / float(len(node.inputs))


@converter("Sum", "Mean", since=1)
def sum_or_mean_of_equals(node: OnnxNode) -> Value:
    """Before operator set 8, all inputs have one shape."""
    shapes = [node.input(k).shape for k in range(len(node.inputs))]
    if any(shape != shapes[0] for shape in shapes):
        node.fail(f"has inputs of shapes {shapes}, expected equal shapes. Export with opset 13 or newer.")
    return sum_of_inputs(node) if node.operator == "Sum" else mean_of_inputs(node)


@converter("Reciprocal")
def reciprocal(node: OnnxNode) -> Value:
    """y = 1 / x."""
    return 1.0 / node.input(0)
