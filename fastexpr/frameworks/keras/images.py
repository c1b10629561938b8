"""Convolutions, pooling, padding: on channels last or first, where ONNX has them first."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.frameworks.keras.activations import activate
from fastexpr.frameworks.keras.writer import Writer, layer, refuse
from fastexpr.onnx.handle import Value


def is_last(layer: Any) -> bool:
    return bool(getattr(layer, "data_format", "channels_last") == "channels_last")


def to_front(w: Writer, layer: Any, x: Value) -> Value:
    """The channels behind the batch."""
    rank = len(x.shape)
    return x.transpose([0, rank - 1, *range(1, rank - 1)]) if is_last(layer) else x


def to_back(w: Writer, layer: Any, y: Value) -> Value:
    """The channels where the layer has them."""
    rank = len(y.shape)
    return y.transpose([0, *range(2, rank), 1]) if is_last(layer) else y


def padding_of(layer: Any, rank: int, kernel: tuple[int, ...] = (), dilation: tuple[int, ...] = ()) -> dict[str, Any]:
    """ONNX's attributes for "valid", "same" and "causal"."""
    if layer.padding == "valid":
        return {"pads": [0] * (2 * rank)}
    if layer.padding == "same":
        return {"auto_pad": "SAME_UPPER"}
    if layer.padding == "causal" and rank == 1:
        return {"pads": [(kernel[0] - 1) * dilation[0], 0]}
    return refuse(layer, "padding", layer.padding, "'valid', 'same' or 'causal'")


def convolution(w: Writer, layer: Any, x: Value, kernel: Any, groups: int, bias: Any = None) -> Value:
    """A convolution, with a kernel (..., channels in, channels out) as Keras has it."""
    rank = kernel.ndim - 2
    weights = np.ascontiguousarray(np.moveaxis(kernel, (-1, -2), (0, 1)))
    settings = padding_of(layer, rank, kernel.shape[:rank], tuple(layer.dilation_rate))
    inputs = (x, weights) if bias is None else (x, weights, bias)
    strides, dilations = list(layer.strides), list(layer.dilation_rate)
    return w.onnx("Conv", *inputs, group=groups, strides=strides, dilations=dilations, **settings)


def bias_of(w: Writer, layer: Any) -> Any:
    return w.weight(layer.bias) if layer.bias is not None else None


@layer("Conv1D", "Conv2D", "Conv3D")
def conv(w: Writer, layer: Any, x: Value) -> Value:
    y = convolution(w, layer, to_front(w, layer, x), w.weight(layer.kernel), layer.groups, bias_of(w, layer))
    return activate(w, layer, layer.activation, to_back(w, layer, y))


def depthwise_kernel(kernel: Any) -> Any:
    """(..., channels, multiplier) as the kernel of a convolution with one group per channel."""
    return kernel.reshape(*kernel.shape[:-2], 1, kernel.shape[-2] * kernel.shape[-1])


@layer("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise_conv(w: Writer, layer: Any, x: Value) -> Value:
    kernel = w.weight(layer.kernel)
    y = convolution(w, layer, to_front(w, layer, x), depthwise_kernel(kernel), kernel.shape[-2], bias_of(w, layer))
    return activate(w, layer, layer.activation, to_back(w, layer, y))


@layer("SeparableConv1D", "SeparableConv2D")
def separable_conv(w: Writer, layer: Any, x: Value) -> Value:
    """One convolution per channel, then one across channels."""
    kernel, pointwise = w.weight(layer.depthwise_kernel), w.weight(layer.pointwise_kernel)
    y = convolution(w, layer, to_front(w, layer, x), depthwise_kernel(kernel), kernel.shape[-2])
    weights = np.ascontiguousarray(np.moveaxis(pointwise, (-1, -2), (0, 1)))
    bias = bias_of(w, layer)
    y = w.onnx("Conv", *((y, weights) if bias is None else (y, weights, bias)))
    return activate(w, layer, layer.activation, to_back(w, layer, y))


@layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def conv_transpose(w: Writer, layer: Any, x: Value) -> Value:
    """The transpose of a convolution; "same" gives the input's lengths times the strides."""
    if layer.output_padding is not None:
        refuse(layer, "output_padding", layer.output_padding, "None")
    kernel = w.weight(layer.kernel)  # (..., channels out, channels in)
    rank = kernel.ndim - 2
    weights = np.ascontiguousarray(np.moveaxis(kernel, (-1, -2), (0, 1)))
    y, bias = to_front(w, layer, x), bias_of(w, layer)
    settings: dict[str, Any] = {"strides": list(layer.strides), "dilations": list(layer.dilation_rate)}
    spans = [d * (k - 1) + 1 for k, d in zip(kernel.shape[:rank], layer.dilation_rate, strict=True)]
    if layer.padding == "same":
        totals = [max(span - stride, 0) for span, stride in zip(spans, layer.strides, strict=True)]
        begin = [total // 2 for total in totals]
        settings["pads"] = [*begin, *(total - first for total, first in zip(totals, begin, strict=True))]
    extra = [max(stride - span, 0) for span, stride in zip(spans, layer.strides, strict=True)]
    settings["output_padding"] = extra
    y = w.onnx("ConvTranspose", *((y, weights) if bias is None else (y, weights, bias)), **settings)
    return activate(w, layer, layer.activation, to_back(w, layer, y))


# ---- pooling ----------------------------------------------


@layer("AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def average_pooling(w: Writer, layer: Any, x: Value) -> Value:
    return pooling(w, layer, x, "AveragePool", count_include_pad=0)


@layer("MaxPooling1D", "MaxPooling2D", "MaxPooling3D")
def max_pooling(w: Writer, layer: Any, x: Value) -> Value:
    return pooling(w, layer, x, "MaxPool")


def pooling(w: Writer, layer: Any, x: Value, name: str, **settings: Any) -> Value:
    size, strides = list(layer.pool_size), list(layer.strides)
    settings |= padding_of(layer, len(size))
    y = to_front(w, layer, x)
    if layer.padding == "same" and w.keras.config.backend() == "torch":
        y, settings = with_repeated_edges(w, y, size, strides, settings)
    y = w.onnx(name, y, kernel_shape=size, strides=strides, **settings)
    return to_back(w, layer, y)


def with_repeated_edges(
    w: Writer, x: Value, size: list[int], strides: list[int], settings: dict[str, Any]
) -> tuple[Value, dict[str, Any]]:
    """With PyTorch, Keras leaves the padding out of a mean only where it is the same on both sides of every axis; else
    it repeats the edge.
    """
    totals = [
        max((-(-length // stride) - 1) * stride + k - length, 0)
        for length, k, stride in zip(x.shape[2:], size, strides, strict=True)
    ]
    if all(total % 2 == 0 for total in totals):
        return x, settings
    pairs = [(0, 0), (0, 0), *((total // 2, total - total // 2) for total in totals)]
    return w.graph.rearrange(x, lambda array: np.pad(array, pairs, mode="edge")), {}


@layer("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D")
def global_average_pooling(w: Writer, layer: Any, x: Value) -> Value:
    return global_pooling(w, layer, x, "ReduceMean")


@layer("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")
def global_max_pooling(w: Writer, layer: Any, x: Value) -> Value:
    return global_pooling(w, layer, x, "ReduceMax")


def global_pooling(w: Writer, layer: Any, x: Value, name: str) -> Value:
    first = 1 if is_last(layer) else 2
    axes = np.arange(first, first + len(x.shape) - 2, dtype=np.int64)
    return w.onnx(name, x, axes, keepdims=int(layer.keepdims))


# ---- padding, cropping, repeating ----------------------------------------------


def spatial(layer: Any, lengths: Any) -> list[tuple[int, int]]:
    """Pairs for all axes: what the layer has for its spatial ones, nothing for batch and channels."""
    pairs = [tuple(pair) if isinstance(pair, tuple | list) else (pair, pair) for pair in lengths]
    return [(0, 0), *pairs, (0, 0)] if is_last(layer) else [(0, 0), (0, 0), *pairs]


def pairs_of(layer: Any, lengths: Any) -> list[tuple[int, int]]:
    """1-D layers hold one pair, and no data format in older versions."""
    is_one = not any(isinstance(length, tuple | list) for length in lengths)
    return spatial(layer, [lengths] if is_one else lengths)


@layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(w: Writer, layer: Any, x: Value) -> Value:
    for axis, (before, after) in enumerate(pairs_of(layer, layer.padding)):
        shapes = [(*x.shape[:axis], length, *x.shape[axis + 1 :]) for length in (before, after)]
        zeros = [np.zeros(shape) for shape in shapes]
        parts: list[Value] = [zeros[0], x, zeros[1]]
        x = w.graph.concatenate([part for part in parts if part.shape[axis]], axis)
    return x


@layer("Cropping1D", "Cropping2D", "Cropping3D")
def cropping(w: Writer, layer: Any, x: Value) -> Value:
    pairs = pairs_of(layer, layer.cropping)
    key = tuple(slice(before, length - after) for (before, after), length in zip(pairs, x.shape, strict=True))
    return x[key]


@layer("UpSampling1D", "UpSampling2D", "UpSampling3D")
def up_sampling(w: Writer, layer: Any, x: Value) -> Value:
    """Every number repeated, or interpolated linearly."""
    kind = getattr(layer, "interpolation", "nearest")
    size = layer.size if isinstance(layer.size, tuple | list) else (layer.size,)
    factors = [1, *size, 1] if is_last(layer) else [1, 1, *size]
    if kind == "bilinear":
        scales = np.array(factors, np.float32)
        return w.onnx("Resize", x, None, scales, mode="linear")
    if kind != "nearest":
        refuse(layer, "interpolation", kind, "'nearest' or 'bilinear'")
    return w.graph.rearrange(x, lambda array: repeated(array, factors))


def repeated(array: Any, factors: list[int]) -> Any:
    """Every number, as often as the factors of the axes say."""
    for axis, factor in enumerate(factors):
        array = np.repeat(array, factor, axis)
    return array
