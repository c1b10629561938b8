"""Products, normalizations, attention and reductions by NumPy: the standard's formulas, for the check of an import."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.check.node import Reference, ReferenceNode


def gemm(node: ReferenceNode) -> Array:
    """alpha A B + beta C, each of A and B perhaps transposed."""
    a, b = (x.T if node.attributes[key] else x for x, key in zip(node.inputs[:2], ("transA", "transB"), strict=True))
    product = node.attributes["alpha"] * (a @ b)
    c = node.input(2)
    return np.asarray(product if c is None else product + node.attributes["beta"] * c)


def softmax(node: ReferenceNode) -> Array:
    """Before operator set 13 over all axes from one on, later over one."""
    x, axis = node.inputs[0], node.attributes["axis"]
    over = tuple(range(axis % max(x.ndim, 1), x.ndim)) if node.opset < 13 else axis
    powers = np.exp(x - x.max(axis=over, keepdims=True))
    return np.asarray(powers / powers.sum(axis=over, keepdims=True))


def log_softmax(node: ReferenceNode) -> Array:
    """Its logarithm."""
    x, axis = node.inputs[0], node.attributes["axis"]
    over = tuple(range(axis % max(x.ndim, 1), x.ndim)) if node.opset < 13 else axis
    shifted = x - x.max(axis=over, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=over, keepdims=True)))


def along_channels(x: Array, *columns: Array) -> list[Array]:
    """A number for each channel, which is axis 1."""
    return [column.reshape(-1, *[1] * (x.ndim - 2)) for column in columns]


def batch_normalization(node: ReferenceNode) -> Array | None:
    """With given means and variances."""
    a = node.attributes
    if a.get("training_mode") or (node.opset < 9 and not a["spatial"]) or (node.opset < 7 and not a["is_test"]):
        return None
    x = node.inputs[0]
    scale, shift, mean, variance = along_channels(x, *node.inputs[1:])
    return np.asarray((x - mean) / np.sqrt(variance + node.attributes["epsilon"]) * scale + shift)


def instance_normalization(node: ReferenceNode) -> Array:
    """Each channel of each image by itself."""
    x = node.inputs[0]
    scale, shift = along_channels(x, *node.inputs[1:])
    return normalized(x, tuple(range(2, x.ndim)), node.attributes["epsilon"]) * scale + shift


def layer_normalization(node: ReferenceNode) -> tuple[Array, Array, Array]:
    """Over the axes from one on; with the mean and the inverse of the deviation."""
    x, scale, shift = node.inputs[0], node.inputs[1], node.input(2)
    over = tuple(range(node.attributes["axis"] % x.ndim, x.ndim))
    mean = x.mean(axis=over, keepdims=True)
    inverse = 1 / np.sqrt(np.mean((x - mean) ** 2, axis=over, keepdims=True) + node.attributes["epsilon"])
    scaled = (x - mean) * inverse * scale
    return scaled if shift is None else scaled + shift, mean, inverse


def rms_normalization(node: ReferenceNode) -> Array:
    """The same without taking the mean off."""
    x, over = node.inputs[0], tuple(range(node.attributes["axis"] % node.inputs[0].ndim, node.inputs[0].ndim))
    mean_square = np.mean(x * x, axis=over, keepdims=True)
    return np.asarray(x / np.sqrt(mean_square + node.attributes["epsilon"]) * node.inputs[1])


def normalized(x: Array, over: tuple[int, ...], epsilon: float) -> Array:
    """Of mean 0 and variance 1 over these axes."""
    deviation = x - x.mean(axis=over, keepdims=True)
    variance = np.mean(deviation * deviation, axis=over, keepdims=True)
    return np.asarray(deviation / np.sqrt(variance + epsilon))


def attention(node: ReferenceNode) -> Array | None:
    """softmax(scale Q K' + mask) V for each head; heads of keys and values may be shared. No cache of earlier keys."""
    a = node.attributes
    if len([given for given in node.inputs[4:] if given is not None]) or node.inputs[0].ndim != node.inputs[1].ndim:
        return None
    is_flat = node.inputs[0].ndim == 3  # (points, length, heads times size)
    q, k, v = node.inputs[:3]
    if is_flat:
        counts = a["q_num_heads"], a["kv_num_heads"], a["kv_num_heads"]
        q, k, v = (
            x.reshape(*x.shape[:2], count, -1).swapaxes(1, 2) for x, count in zip((q, k, v), counts, strict=True)
        )
    k, v = (np.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    scale = 1 / math.sqrt(q.shape[-1]) if a["scale"] is None else a["scale"]
    scores = scale * (q @ k.swapaxes(2, 3))
    mask = node.input(3)
    if (
        a["softcap"]
        or max(a.get("left_window_size", -1), a.get("right_window_size", -1)) >= 0
        or (mask is not None and mask.shape[-1] != k.shape[2])
    ):
        return None
    if a["is_causal"]:
        scores = np.where(np.tri(*scores.shape[2:]) > 0, scores, -np.inf)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    if not np.isfinite(scores.max(axis=-1)).all():  # a query without a key
        return None
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    y = (powers / powers.sum(axis=-1, keepdims=True)) @ v
    return np.asarray(y.swapaxes(1, 2).reshape(y.shape[0], y.shape[2], -1) if is_flat else y)


def reduction(function: Callable[..., Any]) -> Reference:
    """Over axes, which were an attribute before; over all where none are named."""

    def of_node(node: ReferenceNode) -> Array | None:
        x, axes = node.inputs[0], node.integers(1, "axes")
        if x.dtype.kind != "f" or (not axes and node.attributes.get("noop_with_empty_axes")) or x.size == 0:
            return None
        over = tuple(axes) if axes else None
        return np.asarray(function(x, axis=over, keepdims=bool(node.attributes["keepdims"])))

    return of_node


def over_image(function: Callable[..., Any]) -> Reference:
    """Over all axes of an image, each channel by itself."""
    return lambda node: np.asarray(function(node.inputs[0], axis=tuple(range(2, node.inputs[0].ndim)), keepdims=True))


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": np.sum, "ReduceMean": np.mean, "ReduceMax": np.max, "ReduceMin": np.min, "ReduceProd": np.prod,
    "ReduceL1": lambda x, **over: np.sum(np.abs(x), **over),
    "ReduceL2": lambda x, **over: np.sqrt(np.sum(x * x, **over)),
    "ReduceSumSquare": lambda x, **over: np.sum(x * x, **over),
    "ReduceLogSum": lambda x, **over: np.log(np.sum(x, **over)),
    "ReduceLogSumExp": lambda x, **over: np.log(np.sum(np.exp(x), **over)),
}  # fmt: skip
