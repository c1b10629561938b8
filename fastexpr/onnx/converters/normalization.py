"""Normalizations, in inference: affine functions of x where their statistics are constant."""

from __future__ import annotations

import numpy as np

from fastexpr.onnx.builder import Shape, Value
from fastexpr.onnx.converters.reductions import reduced
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
    graph, x = node.graph, node.input(0)
    shape = statistics_shape(node, x.shape)
    scale, bias, mean, variance = (statistic(node, k, shape) for k in range(1, 5))
    deviation = graph.add(variance, np.full((), node.number("epsilon")))
    root: Value = np.sqrt(deviation) if isinstance(deviation, np.ndarray) else graph.apply("Sqrt", deviation)
    factor = graph.divide(scale, root)
    offset = graph.subtract(bias, graph.multiply(factor, mean))
    return graph.add(graph.multiply(x, factor), offset)


def statistics_shape(node: OnnxNode, shape: Shape) -> Shape:
    """The shape in which a statistic broadcasts over x: one number per channel, or, in old files, per element."""
    if node.attribute("spatial") == 0:
        return shape[1:]
    return (1,) if len(shape) < 2 else (shape[1],) + (1,) * (len(shape) - 2)


def statistic(node: OnnxNode, k: int, shape: Shape) -> Value:
    """Input k in the shape that broadcasts."""
    value = node.input(k)
    if np.prod(value.shape) != np.prod(shape):
        node.fail(
            f"has input {k} ({node.proto.input[k]!r}) of shape {value.shape}, expected {int(np.prod(shape))} numbers, "
            "one per channel. Export the model again."
        )
    return node.graph.reshape(value, shape)


@converter("LayerNormalization", since=17)
def layer_normalization(node: OnnxNode) -> Value:
    """y = (x - mean) / sqrt(variance + epsilon) scale + bias, mean and variance over the axes from `axis` on."""
    if any(node.proto.output[1:]):
        node.fail(
            "gives out its mean and deviation, which is not supported. Leave these outputs out of the exported model."
        )
    graph, x = node.graph, node.input(0)
    axes = list(range(node.axis(node.integer("axis"), len(x.shape)), len(x.shape)))
    y = graph.multiply(normalized(node, x, axes), node.input(1))
    return graph.add(y, node.input(2)) if node.has_input(2) else y


@converter("InstanceNormalization", since=6)
def instance_normalization(node: OnnxNode) -> Value:
    """The same, mean and variance of each channel (axis 1) of each point."""
    graph, x = node.graph, node.input(0)
    scale, bias = (statistic(node, k, statistics_shape(node, x.shape)) for k in (1, 2))
    axes = list(range(2, len(x.shape)))
    return graph.add(graph.multiply(normalized(node, x, axes), scale), bias)


def normalized(node: OnnxNode, x: Value, axes: list[int]) -> Value:
    """(x - mean) / sqrt(variance + epsilon), over these axes."""
    graph = node.graph
    centred = graph.subtract(x, reduced(graph, "ReduceMean", x, axes, keepdims=True))
    variance = reduced(graph, "ReduceMean", graph.multiply(centred, centred), axes, keepdims=True)
    return graph.divide(centred, graph.apply("Sqrt", graph.add(variance, np.full((), node.number("epsilon")))))
