"""Reductions: the core's, and what is made of them; softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.converters.arithmetic import whole
from fastexpr.onnx.converters.masks import masked_softmax
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter


def reduced(graph: GraphBuilder, name: str, x: Value, axes: list[int], keepdims: bool) -> Value:
    """One of the core's reductions of x over these axes (sorted, from the front).

    The core reduces neighbouring axes only: others are moved to the end first. An axis of length 1 is reduced by
    leaving it out.
    """
    rank = len(x.shape)
    shape = [1 if axis in axes else length for axis, length in enumerate(x.shape) if keepdims or axis not in axes]
    long_axes = [axis for axis in axes if x.shape[axis] != 1]
    if not long_axes:
        return (graph.apply("Abs", x) if name == "ReduceL2" else x).reshape(shape)
    first, last = long_axes[0], long_axes[-1]
    if all(axis in long_axes or x.shape[axis] == 1 for axis in range(first, last + 1)):
        y: Value = graph.apply(name, x, axis=first, n_axes=last - first + 1, keepdims=0)
    else:
        kept = [axis for axis in range(rank) if axis not in long_axes]
        moved = x.transpose(kept + long_axes)
        y = graph.apply(name, moved, axis=len(kept), n_axes=len(long_axes), keepdims=0)
    return y.reshape(shape)


def reduction_axes(node: OnnxNode) -> list[int] | None:
    """The axes to reduce, from the input (new) or the attribute (old); None: nothing to do."""
    rank = len(node.input(0).shape)
    axes = node.constant_integers(1) if node.has_input(1) else node.integers("axes") or []
    if axes:
        return node.axes(axes, rank)
    return None if node.attribute("noop_with_empty_axes") else list(range(rank))


@converter("ReduceSum", "ReduceMean", "ReduceMax", "ReduceProd", "ReduceLogSumExp")
def reduce_axes(node: OnnxNode) -> Value:
    """One of the core's reductions over axes.

    ReduceSum: The sum over axes.
    ReduceMean: The mean over axes.
    ReduceMax: The maximum over axes; of several, the first one has the derivative.
    ReduceProd: The product over axes.
    ReduceLogSumExp: log(sum exp(x)) over axes.
    """
    return whole(node, reduce_value(node, node.operator, node.input(0)))


def reduce_value(node: OnnxNode, name: str, x: Value) -> Value:
    """Reduces x, which has the shape of input 0, as the node says."""
    axes = reduction_axes(node)
    return x if axes is None else reduced(node.graph, name, x, axes, bool(node.integer("keepdims")))


@converter("ReduceMin")
def reduce_min(node: OnnxNode) -> Value:
    """-max(-x)."""
    return -reduce_value(node, "ReduceMax", -node.input(0))


@converter("ReduceSumSquare")
def reduce_sum_square(node: OnnxNode) -> Value:
    """sum x^2."""
    x = node.input(0)
    return reduce_value(node, "ReduceSum", x * x)


@converter("ReduceL1")
def reduce_l1(node: OnnxNode) -> Value:
    """sum |x|."""
    return reduce_value(node, "ReduceSum", node.graph.apply("Abs", node.input(0)))


@converter("ReduceL2")
def reduce_l2(node: OnnxNode) -> Value:
    """sqrt(sum x^2), whose derivative is 0 where all of x is."""
    x = node.input(0)
    is_nothing_reduced = reduction_axes(node) is None
    return whole(node, node.graph.apply("Abs", x) if is_nothing_reduced else reduce_value(node, "ReduceL2", x))


@converter("ReduceLogSum")
def reduce_log_sum(node: OnnxNode) -> Value:
    """log(sum x)."""
    return whole(node, node.graph.apply("Log", reduce_value(node, "ReduceSum", node.input(0))))


def one_axis(node: OnnxNode) -> int:
    """The axis that input 1 names."""
    axes = node.constant_integers(1)
    if len(axes) != 1:
        node.fail(f"has the axes {axes}, expected one. Export the model again.")
    return node.axis(axes[0], len(node.input(0).shape))


@converter("CumSum", since=11)
def cumulative_sum(node: OnnxNode) -> Value:
    """Partial sums along an axis."""
    settings: dict[str, Any] = {name: int(bool(node.integer(name))) for name in ("exclusive", "reverse")}
    return node.graph.apply("CumSum", node.input(0), axis=one_axis(node), n_axes=1, **settings)


@converter("CumProd", since=26)
def cumulative_product(node: OnnxNode) -> Value:
    """Partial products along an axis: products of rows in which 1 stands for what does not take part."""
    graph, x, axis = node.graph, node.input(0), one_axis(node)
    length, size = x.shape[axis], int(np.prod(x.shape, dtype=np.int64))
    node.check_size((size, length))
    takes_part = np.tri(length, k=-1 if node.integer("exclusive") else 0, dtype=bool)
    takes_part = takes_part[::-1, ::-1] if node.integer("reverse") else takes_part
    last = graph.rearrange(x, lambda array: np.moveaxis(array, axis, -1))
    joined = graph.concatenate([last.reshape((size,)), np.ones(1)], 0)
    places = np.where(takes_part, np.arange(size).reshape(last.shape)[..., np.newaxis, :], size)
    rows = joined[places]
    y = graph.apply("ReduceProd", rows, axis=len(x.shape), n_axes=1, keepdims=0)
    return graph.rearrange(y, lambda array: np.moveaxis(array, -1, axis))


@converter("GlobalAveragePool")
def global_average_pool(node: OnnxNode) -> Value:
    """The mean over all axes but the first two, which stay with length 1."""
    x = node.input(0)
    return reduced(node.graph, "ReduceMean", x, list(range(2, len(x.shape))), keepdims=True)


@converter("Softmax", "LogSoftmax", "Hardmax", since=13)
def softmax(node: OnnxNode) -> Value:
    """Along one axis; before operator set 13, along all axes from `axis` on, together.

    Softmax: exp(x) / sum exp(x) along an axis.
    LogSoftmax: x - log(sum exp(x)) along an axis.
    Hardmax: 1 for the first largest along an axis, 0 for the others.
    """
    x = node.input(0)
    axis = node.axis(node.integer("axis"), len(x.shape))
    if node.operator == "Softmax":
        return masked_softmax(node.graph, x, axis)
    return node.graph.apply(node.operator, x, axis=axis, n_axes=1)


@converter("Softmax", "LogSoftmax", "Hardmax", since=1)
def softmax_from_axis(node: OnnxNode) -> Value:
    """Before operator set 13: along all axes from `axis` on, together."""
    x = node.input(0)
    axis = node.axis(node.integer("axis"), len(x.shape))
    return node.graph.apply(node.operator, x, axis=axis, n_axes=len(x.shape) - axis)
