"""Encoders of categories, ai.onnx.ml: from texts and numbers to others. The categories are constants, always."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx

from fastexpr.onnx.arrays import Array, tensor_array
from fastexpr.onnx.node import OnnxNode

UNKNOWN = {"int64": -1, "float": -0.0, "string": "_Unused"}


def as_texts(array: Array) -> list[Any]:
    """The array's elements, texts as str."""
    return [entry.decode("utf-8", "replace") if isinstance(entry, bytes) else entry for entry in array.reshape(-1)]


def category_list(node: OnnxNode, name: str) -> Sequence[Any]:
    """A list of categories in one of its notations; empty where there is none."""
    for kind in ("strings", "int64s", "floats", "tensor"):
        value = node.attribute(f"{name}_{kind}")
        if isinstance(value, onnx.TensorProto):
            return as_texts(tensor_array(value, node.title))
        if value:
            return list(value)
    return []


def mapped(node: OnnxNode, table: dict[Any, Any], values: Sequence[Any]) -> Array:
    """Each element by the table, or as the default for the kind of these values says."""
    first = values[0] if values else 0
    kind = "string" if isinstance(first, str) else "float" if isinstance(first, float) else "int64"
    given = node.attribute("default_tensor")
    default = node.attribute(f"default_{kind}")
    default = as_texts(tensor_array(given, node.title))[0] if isinstance(given, onnx.TensorProto) else default
    default = UNKNOWN[kind] if default is None else default
    x = node.constant(0)
    entries = [table.get(entry, default) for entry in as_texts(x)]
    dtype = {"string": object, "float": np.float32, "int64": np.int64}[kind]
    return np.array(entries, dtype).reshape(x.shape)


def label_encoder(node: OnnxNode) -> Array:
    """A value for each key."""
    if node.opset < 2:
        return by_position(node, category_list(node, "classes"))
    keys, values = category_list(node, "keys"), category_list(node, "values")
    if not keys or len(keys) != len(values):
        node.fail(f"has {len(keys)} keys and {len(values)} values, expected one for each. Export the model again.")
    table = dict(zip(keys, values, strict=True))
    not_a_number = next((value for key, value in table.items() if key != key), None)
    if not_a_number is not None and node.constant(0).dtype.kind == "f":
        node.fail("has NaN among its keys, which is not supported. Export the model without it.")
    return mapped(node, table, values)


def by_position(node: OnnxNode, classes: Sequence[Any]) -> Array:
    """Texts to their places in the list, or places to texts."""
    if node.constant(0).dtype.kind in "OUS":
        return mapped(node, {text: k for k, text in enumerate(classes)}, [0])
    return mapped(node, dict(enumerate(classes)), list(classes))


def category_mapper(node: OnnxNode) -> Array:
    """Texts to integers, or back, by two lists."""
    texts, numbers = node.attribute("cats_strings") or [], node.attribute("cats_int64s") or []
    if len(texts) != len(numbers):
        node.fail(f"has {len(texts)} texts and {len(numbers)} integers, expected one for each. Export the model again.")
    if node.constant(0).dtype.kind in "OUS":
        return mapped(node, dict(zip(texts, numbers, strict=True)), numbers)
    return mapped(node, dict(zip(numbers, texts, strict=True)), texts)


def one_hot_encoder(node: OnnxNode) -> Array:
    """1 where the element is the category, on a new last axis."""
    x, categories = node.constant(0), category_list(node, "cats")
    node.check_size((*x.shape, len(categories)))
    places = {category: k for k, category in enumerate(categories)}
    y = np.zeros((x.size, len(categories)), np.float32)
    for row, entry in enumerate(as_texts(x)):
        if entry in places:
            y[row, places[entry]] = 1
        elif not node.attribute("zeros"):
            node.fail(f"has no category {entry!r}: expected one of {categories[:20]}. Pass one of these.")
    return y.reshape(*x.shape, len(categories))


ENCODERS: dict[str, Callable[[OnnxNode], Array]] = {
    "LabelEncoder": label_encoder,
    "CategoryMapper": category_mapper,
    "OneHotEncoder": one_hot_encoder,
}
