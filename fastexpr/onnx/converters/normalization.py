"""Normalizations, in inference: affine functions of x where their statistics are constant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.converters.reductions import reduced
from fastexpr.onnx.handle import Shape, Value, exact
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter


@converter("BatchNormalization", since=1)
def batch_normalization(node: OnnxNode) -> Value:
    """y = factor x + offset, factor = scale / sqrt(variance + epsilon), offset = bias - factor mean; per channel (axis
    1).

    Attributes that matter in training only (is_test, momentum) do not matter here: a file is taken for inference unless
    it says training_mode=1.
    """
    if node.attribute("training_mode"):
        node.fail("has training_mode=1, expected 0. Call model.eval() before exporting.")
    graph, x = node.graph, node.double(0)
    shape = statistics_shape(node, x.shape)
    scale, bias, mean, variance = (exact(statistic(node, k, shape)) for k in range(1, 5))
    deviation = variance + node.number("epsilon")
    root: Value = np.sqrt(deviation) if isinstance(deviation, np.ndarray) else graph.apply("Sqrt", deviation)
    factor = scale / root
    offset = bias - factor * mean
    return x * factor + offset


def statistics_shape(node: OnnxNode, shape: Shape) -> Shape:
    """The shape in which a statistic broadcasts over x: one number per channel, or, in old files, per element."""
    if node.attribute("spatial") == 0:
        return shape[1:]
    return (1,) if len(shape) < 2 else (shape[1],) + (1,) * (len(shape) - 2)


def statistic(node: OnnxNode, k: int, shape: Shape, each: str = "one per channel. Export the model again") -> Value:
    """Input k in the shape that broadcasts."""
    value = node.input(k)
    if np.prod(value.shape) != np.prod(shape):
        node.fail(
            f"has input {k} ({node.input_name(k)!r}) of shape {value.shape}, expected {int(np.prod(shape))} numbers, "
            f"{each}."
        )
    return value.reshape(shape)


@converter("LayerNormalization", since=17)
def layer_normalization(node: OnnxNode) -> Sequence[Value]:
    """y = (x - mean) / sqrt(variance + epsilon) scale + bias, mean and variance over the axes from `axis` on; further
    outputs are the mean and 1 / sqrt(variance + epsilon). All in double, whatever stash_type says.
    """
    x = node.double(0)
    axes = list(range(node.axis(node.integer("axis"), len(x.shape)), len(x.shape)))
    bias = node.input(2) if node.has_input(2) else None
    y = normalized_over(node.graph, x, axes, node.number("epsilon"), node.input(1), bias)
    return [y] if node.n_outputs < 2 else [y, *statistics(node, x, axes)]


@converter("RMSNormalization", since=23)
@converter("SimplifiedLayerNormalization")
def rms_normalization(node: OnnxNode) -> Sequence[Value]:
    """y = x / sqrt(mean x^2 + epsilon) scale, the mean over the axes from `axis` on.

    SimplifiedLayerNormalization: x / sqrt(mean x^2 + epsilon) scale; not the standard's, but ONNX Runtime writes it as
      if it were.
    """
    x, scale = node.double(0), node.input(1)
    axes = list(range(node.axis(node.integer("axis"), len(x.shape)), len(x.shape)))
    y = normalized_over(node.graph, x, axes, node.number("epsilon"), scale, is_centred=False)
    if node.n_outputs < 2:
        return [y]
    return [y, 1.0 / root_of(node, reduced(node.graph, "ReduceMean", x * x, axes, keepdims=True))]


@converter("InstanceNormalization", since=1)
def instance_normalization(node: OnnxNode) -> Value:
    """y = (x - mean) / sqrt(variance + epsilon) scale + bias, mean and variance of each channel (axis 1)."""
    x = node.double(0)
    scale, bias = (statistic(node, k, statistics_shape(node, x.shape)) for k in (1, 2))
    axes = list(range(2, len(x.shape)))
    return normalized_over(node.graph, x, axes, node.number("epsilon"), scale, bias)


@converter("GroupNormalization", since=21)
def group_normalization(node: OnnxNode) -> Value:
    """y = (x - mean) / sqrt(variance + epsilon) scale + bias, mean and variance of each group of channels.

    Scale and bias are those of each channel, before operator set 21 of each group.
    """
    return normalized_groups(node, by_group=False)


@converter("GroupNormalization", since=18)
def group_normalization_by_group(node: OnnxNode) -> Value:
    """Before operator set 21, scale and bias for each group."""
    return normalized_groups(node, by_group=True)


def normalized_groups(node: OnnxNode, by_group: bool) -> Value:
    """Channels as (groups, channels of one), each group normalized."""
    x, groups = node.double(0), node.integer("num_groups")
    if len(x.shape) < 2 or groups < 1 or x.shape[1] % groups != 0:
        node.fail(f"has num_groups={groups} for shape {x.shape}, expected a divisor of axis 1. Export the model again.")
    split = (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    y = normalized_over(node.graph, x.reshape(split), list(range(2, len(split))), node.number("epsilon"))
    leading = (groups, 1) if by_group else split[1:3]
    shape = leading + (1,) * (len(x.shape) - 2)
    each = (
        "one per group, as before operator set 21. Export it with opset_version=21, which has one per channel"
        if by_group
        else "one per channel, as from operator set 21 on. Export it with opset_version=20, which has one per group"
    )
    y = y * statistic(node, 1, shape, each) + statistic(node, 2, shape, each)
    return y.reshape(x.shape)


@converter("MeanVarianceNormalization", since=9)
def mean_variance_normalization(node: OnnxNode) -> Value:
    """y = (x - mean) / (sqrt(variance) + 1e-9), over the given axes."""
    x = node.double(0)
    axes = node.axes([0, 2, 3] if node.attribute("axes") is None else node.integers("axes") or [], len(x.shape))
    graph = node.graph
    centred = centred_over(graph, x, axes)
    variance = reduced(graph, "ReduceMean", centred * centred, axes, keepdims=True)
    return centred / (graph.apply("Sqrt", variance) + 1e-9)


@converter("LpNormalization", since=1)
def lp_normalization(node: OnnxNode) -> Value:
    """y = x / norm, the sum of |x| (p=1) or sqrt(sum x^2) (p=2) along an axis; 0 where all of x is."""
    graph, x, p = node.graph, node.double(0), node.integer("p")
    axis = node.axis(node.integer("axis"), len(x.shape))
    if p not in (1, 2):
        node.fail(f"has p={p}, expected 1 or 2. Export the model again.")
    if p == 1:
        norm = reduced(graph, "ReduceSum", graph.apply("Abs", x), [axis], keepdims=True)
    else:
        norm = reduced(graph, "ReduceL2", x, [axis], keepdims=True)
    is_positive = norm > 0.0
    return graph.apply("Where", is_positive, x / norm, 0.0)


def normalized_over(
    graph: GraphBuilder,
    x: Value,
    axes: list[int],
    epsilon: float,
    scale: Value | None = None,
    bias: Value | None = None,
    is_centred: bool = True,
) -> Value:
    """(x - mean) / sqrt(variance + epsilon) scale + bias over these axes (sorted, from the front), or without the mean.

    The core normalizes over neighbouring axes only: others are moved to the end first. Constants with a number for each
    member are part of its operator.
    """
    shape = x.shape
    first, last = axes[0], axes[-1]
    if any(axis not in axes and shape[axis] != 1 for axis in range(first, last + 1)):
        order = [axis for axis in range(len(shape)) if axis not in axes] + axes
        y = normalized_over(
            graph, x.transpose(order), list(range(len(shape) - len(axes), len(shape))), epsilon, is_centred=is_centred
        ).transpose([order.index(axis) for axis in range(len(shape))])
        return scaled(y, scale, bias)
    constants = []
    if scale is not None and is_of_members(scale, shape, first, last):
        constants = [lane_of(scale, shape, first, last)]
        scale = None
        if bias is not None and is_of_members(bias, shape, first, last):
            constants.append(lane_of(bias, shape, first, last))
            bias = None
    name = "LayerNormalization" if is_centred else "RMSNormalization"
    settings = {"axis": first, "n_axes": last - first + 1, "epsilon": epsilon}
    return scaled(graph.apply(name, x, constants=constants, **settings), scale, bias)


def scaled(y: Value, scale: Value | None, bias: Value | None) -> Value:
    """Times scale, plus bias, where they are there."""
    y = y if scale is None else y * scale
    return y if bias is None else y + bias


def is_of_members(constant: Value, shape: Shape, first: int, last: int) -> bool:
    """Whether it is a constant that broadcasts over x, and is the same for all indices of axes other than these."""
    if not isinstance(constant, np.ndarray) or constant.ndim > len(shape) or constant.dtype.kind != "f":
        return False
    own = (1,) * (len(shape) - constant.ndim) + constant.shape
    return all(
        length == 1 or (length == full and first <= axis <= last)
        for axis, (length, full) in enumerate(zip(own, shape, strict=True))
    )


def lane_of(constant: Any, shape: Shape, first: int, last: int) -> Any:
    """The constant with a number for each member."""
    own = constant.reshape((1,) * (len(shape) - constant.ndim) + constant.shape)
    lane = shape[first : last + 1]
    return np.ascontiguousarray(np.broadcast_to(own.reshape(own.shape[first : last + 1]), lane))


def statistics(node: OnnxNode, x: Value, axes: list[int]) -> tuple[Value, Value]:
    """The mean over these axes, and 1 / sqrt(variance + epsilon), with the variance as the mean of (x - mean)^2."""
    graph = node.graph
    centred = centred_over(graph, x, axes)
    deviation = root_of(node, reduced(graph, "ReduceMean", centred * centred, axes, keepdims=True))
    return reduced(graph, "ReduceMean", x, axes, keepdims=True), 1.0 / deviation


def centred_over(graph: GraphBuilder, x: Value, axes: list[int]) -> Value:
    """x - mean. The first number is subtracted before: then nothing is lost where x is nearly constant, since the
    difference of two near numbers is exact, while the mean of large ones is rounded.
    """
    first = tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(len(x.shape)))
    shifted = x - x[first]
    return shifted - reduced(graph, "ReduceMean", shifted, axes, keepdims=True)


def root_of(node: OnnxNode, variance: Value) -> Value:
    """sqrt(variance + epsilon)."""
    return node.graph.apply("Sqrt", variance + node.number("epsilon"))
