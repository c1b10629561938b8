"""Preparing features, from ai.onnx.ml: scaling, filling, joining and picking."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.converters.arithmetic import truncated
from fastexpr.onnx.converters.positions import gathered
from fastexpr.onnx.encoders import UNKNOWN, category_list
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import ML, converter

SMALLEST_NORM = 1e-30


def per_feature(node: OnnxNode, name: str, width: int) -> Array:
    """An attribute with a float for each feature, or one for all."""
    numbers = np.array(node.attribute(name) or [], np.float64)
    if numbers.size not in (1, width) or not np.isfinite(numbers).all():
        node.fail(f"has {name}={numbers.tolist()}, expected 1 or {width} finite numbers. Export the model again.")
    return numbers


def features(node: OnnxNode, k: int = 0) -> Value:
    """Input k as (rows, features): one axis alone is a row."""
    x = node.input(k)
    if not 1 <= len(x.shape) <= 2:
        node.fail(f"has an input of shape {x.shape}, expected (rows, features). Export the model again.")
    return x.reshape((1, *x.shape)) if len(x.shape) == 1 else x


@converter("Scaler", domain=ML)
def scaler(node: OnnxNode) -> Value:
    """(x - offset) scale."""
    x = node.input(0)
    width = x.shape[-1] if x.shape else 1
    moved = x - per_feature(node, "offset", width)
    return moved * per_feature(node, "scale", width)


@converter("Normalizer", domain=ML)
def normalizer(node: OnnxNode) -> Value:
    """x over its norm along the last axis: the largest magnitude (MAX), the sum of them (L1), or the length (L2)."""
    graph, x, norm = node.graph, node.input(0), node.attribute("norm")
    axis = len(x.shape) - 1
    if norm == "MAX":
        size = graph.apply("ReduceMax", graph.apply("Abs", x), axis=axis, n_axes=1, keepdims=1)
    elif norm == "L1":
        size = graph.apply("ReduceSum", graph.apply("Abs", x), axis=axis, n_axes=1, keepdims=1)
    elif norm == "L2":
        size = graph.apply("Sqrt", graph.apply("ReduceSum", x * x, axis=axis, n_axes=1, keepdims=1))
    else:
        node.fail(f"has norm={norm!r}, expected MAX, L1 or L2. Export the model again.")
    return x / graph.apply("Clip", size, lower=SMALLEST_NORM)


@converter("Binarizer", domain=ML)
def binarizer(node: OnnxNode) -> Value:
    """1 where x is above the threshold, else 0.

    Piecewise constant: the derivative is 0.
    """
    above = node.input(0) - (node.attribute("threshold") or 0.0)
    return (above > 0.0) * 1.0


@converter("Imputer", domain=ML)
def imputer(node: OnnxNode) -> Value:
    """x, with another number where it is the one that stands for "missing", which may be NaN or infinite."""
    graph, x = node.graph, node.input(0)
    missing = node.attribute("replaced_value_float")
    if not node.attribute("imputed_value_floats"):
        node.fail("has no imputed_value_floats: expected floats. Export the model again.")
    fill = per_feature(node, "imputed_value_floats", x.shape[-1] if x.shape else 1)
    missing = math.nan if missing is None else missing
    if not math.isfinite(missing) and graph.moves_x(x):  # x itself is finite
        return x
    is_missing = 1.0 - graph.apply("Equal", x, x) if math.isnan(missing) else graph.apply("Equal", x, missing)
    return graph.apply("Where", is_missing, fill, x)


@converter("FeatureVectorizer", domain=ML)
def feature_vectorizer(node: OnnxNode) -> Value:
    """The inputs side by side, each cut or filled with 0 to its length."""
    graph = node.graph
    lengths = node.integers("inputdimensions") or [node.input(k).shape[-1] for k in range(len(node.inputs))]
    if len(lengths) != len(node.inputs) or min(lengths) < 0:
        node.fail(f"has inputdimensions={lengths} for {len(node.inputs)} inputs. Export the model again.")
    node.check_size([sum(lengths)])
    parts: list[Value] = []
    for k, length in enumerate(lengths):
        x = node.input(k)
        x = x.reshape((x.shape[0], 1)) if len(x.shape) == 1 else features(node, k)
        parts.append(x[:, :length])
        if length > x.shape[1]:
            parts.append(np.zeros((x.shape[0], length - x.shape[1])))
    if len({part.shape[0] for part in parts}) > 1:
        node.fail(f"joins {[part.shape[0] for part in parts]} rows, expected equal numbers. Export the model again.")
    return graph.concatenate(parts, 1)


@converter("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(node: OnnxNode) -> Value:
    """The features with these places along the last axis.

    Places may depend on x: the derivative is that of what is picked.
    """
    x, at = node.input(0), node.input(1)
    width, rank = x.shape[-1] if x.shape else 0, len(x.shape)
    shape = (1, math.prod(at.shape)) if rank < 2 else (*x.shape[:-1], math.prod(at.shape))
    if isinstance(at, Handle):
        if not width:
            node.fail(f"picks features of an input of shape {x.shape}. Export the model again.")
        picked = gathered(node, x, at.reshape((shape[-1],)), rank - 1)
        return picked.reshape(shape)
    places = np.array(node.constant_integers(1))
    if places.size == 0 or places.min() < 0 or places.max() >= width:
        node.fail(f"picks the features {places.tolist()} of {width}. Export the model again.")
    return node.graph.rearrange(x, lambda array: array[..., places].reshape(shape))


# ---- categories


def is_category(node: OnnxNode, x: Value, categories: Sequence[float]) -> Value:
    """Which category each number is, on a new last axis."""
    node.check_size((*x.shape, len(categories)))
    return node.graph.apply("Equal", x.reshape((*x.shape, 1)), np.array(categories, np.float64))


@converter("OneHotEncoder", domain=ML)
def one_hot_encoder(node: OnnxNode) -> Value:
    """1 where x is the category, on a new last axis; all 0 where it is none.

    Piecewise constant: the derivative is 0. Texts must be constant.
    """
    categories = node.attribute("cats_int64s")
    if not categories:
        node.fail("has no cats_int64s for numbers that depend on x. Export the model again.")
    x = node.input(0)
    return is_category(node, truncated(node.graph, x) if x.dtype.kind == "f" else x, categories)


@converter("LabelEncoder", domain=ML, since=2)
def label_encoder(node: OnnxNode) -> Value:
    """The value that stands beside the key that x is, or the default.

    Piecewise constant: the derivative is 0. Texts must be constant.
    """
    keys, values = category_list(node, "keys"), category_list(node, "values")
    is_number = all(isinstance(entry, int | float) and math.isfinite(entry) for entry in [*keys, *values])
    if not keys or len(keys) != len(values) or not is_number:
        node.fail("has keys and values that are no finite numbers, one for each, for x. Export the model again.")
    kind = "float" if isinstance(values[0], float) else "int64"
    default = node.attribute(f"default_{kind}")
    default = float(UNKNOWN[kind] if default is None else default)  # type: ignore[arg-type]
    named = is_category(node, node.input(0), keys)
    above = np.array(values, np.float64)[:, np.newaxis] - default
    rows = named.reshape((math.prod(named.shape[:-1]), len(keys)))
    chosen = (rows @ above).reshape(node.input(0).shape)
    return (chosen + default).astype(np.dtype(np.int64 if kind == "int64" else np.float64))
