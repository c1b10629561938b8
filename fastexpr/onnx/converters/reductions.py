"""ReduceSum, ReduceMean, ReduceMax, and what is made of them."""

from __future__ import annotations

from fastexpr.onnx.builder import GraphBuilder, Value
from fastexpr.onnx.converters.masks import masked_softmax
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter


def reduced(graph: GraphBuilder, name: str, x: Value, axes: list[int], keepdims: bool) -> Value:
    """ReduceSum, ReduceMean or ReduceMax of x over these axes (sorted, from the front).

    The core reduces neighbouring axes only: others are moved to the end first. An axis of length 1 is reduced by
    leaving it out.
    """
    rank = len(x.shape)
    shape = [1 if axis in axes else length for axis, length in enumerate(x.shape) if keepdims or axis not in axes]
    long_axes = [axis for axis in axes if x.shape[axis] != 1]
    if not long_axes:
        return graph.reshape(x, shape)
    first, last = long_axes[0], long_axes[-1]
    if all(axis in long_axes or x.shape[axis] == 1 for axis in range(first, last + 1)):
        y: Value = graph.apply(name, x, axis=first, n_axes=last - first + 1, keepdims=0)
    else:
        kept = [axis for axis in range(rank) if axis not in long_axes]
        moved = graph.transpose(x, kept + long_axes)
        y = graph.apply(name, moved, axis=len(kept), n_axes=len(long_axes), keepdims=0)
    return graph.reshape(y, shape)


def reduction_axes(node: OnnxNode) -> list[int] | None:
    """The axes to reduce, from the input (new) or the attribute (old); None: nothing to do."""
    rank = len(node.input(0).shape)
    axes = node.constant_integers(1) if node.has_input(1) else node.integers("axes") or []
    if axes:
        return node.axes(axes, rank)
    return None if node.attribute("noop_with_empty_axes") else list(range(rank))


@converter("ReduceSum", "ReduceMean", "ReduceMax")
def reduce_axes(node: OnnxNode) -> Value:
    """Sum, mean or maximum over axes."""
    return reduce_value(node, node.operator, node.input(0))


def reduce_value(node: OnnxNode, name: str, x: Value) -> Value:
    """Reduces x, which has the shape of input 0, as the node says."""
    axes = reduction_axes(node)
    return x if axes is None else reduced(node.graph, name, x, axes, bool(node.integer("keepdims")))


@converter("ReduceSumSquare")
def reduce_sum_square(node: OnnxNode) -> Value:
    """sum x^2."""
    return sum_of_squares(node)


def sum_of_squares(node: OnnxNode) -> Value:
    """The sum of x^2 over the node's axes."""
    x = node.input(0)
    return reduce_value(node, "ReduceSum", node.graph.multiply(x, x))


@converter("ReduceL1")
def reduce_l1(node: OnnxNode) -> Value:
    """sum |x|."""
    return reduce_value(node, "ReduceSum", node.graph.apply("Abs", node.input(0)))


@converter("ReduceL2")
def reduce_l2(node: OnnxNode) -> Value:
    """sqrt(sum x^2)."""
    return node.graph.apply("Sqrt", sum_of_squares(node))


@converter("GlobalAveragePool")
def global_average_pool(node: OnnxNode) -> Value:
    """The mean over all axes but the first two, which stay with length 1."""
    x = node.input(0)
    return reduced(node.graph, "ReduceMean", x, list(range(2, len(x.shape))), keepdims=True)


@converter("Softmax", "LogSoftmax", since=13)
def softmax(node: OnnxNode) -> Value:
    """exp(x) / sum exp(x), or its logarithm, along one axis."""
    x = node.input(0)
    axis = node.axis(node.integer("axis"), len(x.shape))
    if node.operator == "Softmax":
        return masked_softmax(node.graph, x, axis)
    return node.graph.apply(node.operator, x, axis=axis, n_axes=1)


@converter("Softmax", "LogSoftmax", since=1)
def softmax_from_axis(node: OnnxNode) -> Value:
    """Before operator set 13: along all axes from `axis` on, together."""
    x = node.input(0)
    axis = node.axis(node.integer("axis"), len(x.shape))
    return node.graph.apply(node.operator, x, axis=axis, n_axes=len(x.shape) - axis)
