"""Dense layers, normalizations, and what only moves numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastexpr.frameworks.keras.activations import activate
from fastexpr.frameworks.keras.writer import Writer, layer, refuse
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.converters.normalization import normalized_over
from fastexpr.onnx.handle import Value


@layer("Dense")
def dense(w: Writer, layer: Any, x: Value) -> Value:
    """a(x W + b) along the last axis."""
    y = w.onnx("MatMul", x, w.weight(layer.kernel))
    return activate(w, layer, layer.activation, biased(w, layer, y))


@layer("EinsumDense")
def einsum_dense(w: Writer, layer: Any, x: Value) -> Value:
    """a(einsum(x, W) + b)."""
    equation = layer.equation
    if "..." in equation:  # the batch, and axes that are carried along
        named = len(equation.partition(",")[0].replace("...", ""))
        free = [letter for letter in "zyxwvutsrq" if letter not in equation][: len(x.shape) - named]
        equation = equation.replace("...", "".join(free))
    y = w.onnx("Einsum", x, w.weight(layer.kernel), equation=equation)
    return activate(w, layer, layer.activation, biased(w, layer, y))


def biased(w: Writer, layer: Any, y: Value) -> Value:
    """Y plus the layer's bias where it has one."""
    return y if layer.bias is None else y + w.weight(layer.bias)


# ---- normalizations: constants are computed in double precision ----------------------------------------------


def along(axis: int, rank: int, numbers: Any) -> Array:
    """A vector as an array that broadcasts along the axis."""
    shape = [1] * rank
    shape[axis % rank] = -1
    return np.asarray(numbers, np.float64).reshape(shape)


@layer("BatchNormalization")
def batch_normalization(w: Writer, layer: Any, x: Value) -> Value:
    """(x - mean) gamma / sqrt(variance + epsilon) + beta."""
    rank = len(x.shape)
    factor = 1.0 / np.sqrt(w.weight(layer.moving_variance).astype(np.float64) + layer.epsilon)
    if layer.scale:
        factor = factor * w.weight(layer.gamma)
    y = x - along(layer.axis, rank, w.weight(layer.moving_mean))
    y = y * along(layer.axis, rank, factor)
    return y + along(layer.axis, rank, w.weight(layer.beta)) if layer.center else y


@layer("LayerNormalization")
def layer_normalization(w: Writer, layer: Any, x: Value) -> Value:
    """(x - mean) / sqrt(variance + epsilon) over some axes, times gamma, plus beta."""
    axes = axes_of(layer, len(x.shape))
    shape = weight_shape(x, axes)
    scale = w.weight(layer.gamma).reshape(shape) if layer.scale else None
    bias = w.weight(layer.beta).reshape(shape) if layer.center else None
    return normalized_over(w.graph, x, axes, layer.epsilon, scale, bias)


def weight_shape(x: Value, axes: list[int]) -> list[int]:
    """In which weights for these axes broadcast over x."""
    return [length if axis in axes else 1 for axis, length in enumerate(x.shape)]


def axes_of(layer: Any, rank: int) -> list[int]:
    """The layer's axis or axes, counted from the front."""
    axes = [layer.axis] if isinstance(layer.axis, int) else layer.axis
    return sorted(axis % rank for axis in axes)


@layer("RMSNormalization")
def rms_normalization(w: Writer, layer: Any, x: Value) -> Value:
    """x / sqrt(mean x^2 + epsilon), times a factor."""
    axes = axes_of(layer, len(x.shape))
    scale = w.weight(layer.scale).reshape(weight_shape(x, axes))
    return normalized_over(w.graph, x, axes, layer.epsilon, scale, is_centred=False)


@layer("GroupNormalization")
def group_normalization(w: Writer, layer: Any, x: Value) -> Value:
    """Standardized over all axes but the batch, for each group of channels."""
    rank, axis = len(x.shape), layer.axis % len(x.shape)
    channels = x.shape[axis]
    split = (*x.shape[:axis], layer.groups, channels // layer.groups, *x.shape[axis + 1 :])
    axes = [k for k in range(1, rank + 1) if k != axis]
    y = normalized_over(w.graph, x.reshape(split), axes, layer.epsilon).reshape(x.shape)
    y = y * along(axis, rank, w.weight(layer.gamma)) if layer.scale else y
    return y + along(axis, rank, w.weight(layer.beta)) if layer.center else y


@layer("UnitNormalization")
def unit_normalization(w: Writer, layer: Any, x: Value) -> Value:
    """x / |x|."""
    axes = np.array(axes_of(layer, len(x.shape)), np.int64)
    squares = w.onnx("ReduceSum", w.graph.apply("Square", x), axes, keepdims=1)
    return x / w.graph.apply("Sqrt", squares)


@layer("Normalization")
def normalization(w: Writer, layer: Any, x: Value) -> Value:
    """(x - mean) / sqrt(variance), or the inverse, of the data it was adapted to."""
    mean, variance = (w.weight(part).astype(np.float64) for part in (layer.mean, layer.variance))
    deviation: Array = np.maximum(np.sqrt(variance), w.keras.config.epsilon())
    if layer.invert:
        return mean + x * deviation
    return (x - mean) / deviation


@layer("Rescaling")
def rescaling(w: Writer, layer: Any, x: Value) -> Value:
    """Scale x + offset."""
    return x * np.asarray(layer.scale, np.float64) + np.asarray(layer.offset, np.float64)


# ---- what only moves numbers ----------------------------------------------


@layer(
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "Identity",
    "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
)  # fmt: skip
def nothing(w: Writer, layer: Any, x: Value) -> Value:
    """x: these act in training only."""
    return x


@layer("Flatten")
def flatten(w: Writer, layer: Any, x: Value) -> Value:
    """One axis beside the batch."""
    if layer.data_format == "channels_first" and len(x.shape) > 2:
        x = x.transpose([0, *range(2, len(x.shape)), 1])
    return x.reshape((x.shape[0], math.prod(x.shape[1:])))


@layer("Reshape")
def reshape(w: Writer, layer: Any, x: Value) -> Value:
    """Another shape beside the batch."""
    size = math.prod(x.shape[1:])
    known = math.prod(length for length in layer.target_shape if length != -1)
    return x.reshape((x.shape[0], *(size // known if k == -1 else k for k in layer.target_shape)))


@layer("Permute")
def permute(w: Writer, layer: Any, x: Value) -> Value:
    """The axes beside the batch in another order, counted from 1."""
    return x.transpose((0, *layer.dims))


@layer("RepeatVector")
def repeat_vector(w: Writer, layer: Any, x: Value) -> Value:
    """N copies of a vector."""
    return w.graph.rearrange(x, lambda array: np.repeat(array[:, np.newaxis], layer.n, axis=1))


@layer("TimeDistributed")
def time_distributed(w: Writer, layer: Any, x: Value) -> Value:
    """The layer at every step, which are the batch for that while."""
    if x.shape[0] != 1:
        refuse(layer, "place", "inside another TimeDistributed", "outside")
    y: Value = w.call(layer.layer, x.reshape(x.shape[1:]))
    return y.reshape((1, *y.shape))
