"""Layers and operations that put several tensors together; attention; arithmetic between layers."""

from __future__ import annotations

import math
import operator
from functools import reduce
from typing import Any

import numpy as np

from fastexpr.frameworks.keras.activations import softmax
from fastexpr.frameworks.keras.writer import Writer, layer, operation, refuse
from fastexpr.onnx.handle import Handle, Value


@layer("Add")
def add(w: Writer, layer: Any, values: list[Value]) -> Value:
    return reduce(operator.add, values)


@layer("Subtract")
def subtract(w: Writer, layer: Any, values: list[Value]) -> Value:
    a, b = values
    return a - b


@layer("Multiply")
def multiply(w: Writer, layer: Any, values: list[Value]) -> Value:
    return reduce(operator.mul, values)


@layer("Average")
def average(w: Writer, layer: Any, values: list[Value]) -> Value:
    return reduce(operator.add, values) / float(len(values))


@layer("Maximum")
def maximum(w: Writer, layer: Any, values: list[Value]) -> Value:
    return w.onnx("Max", *values)


@layer("Minimum")
def minimum(w: Writer, layer: Any, values: list[Value]) -> Value:
    return w.onnx("Min", *values)


@layer("Concatenate")
def concatenate(w: Writer, layer: Any, values: list[Value]) -> Value:
    return w.graph.concatenate(values, layer.axis % len(values[0].shape))


@layer("Dot")
def dot(w: Writer, layer: Any, values: list[Value]) -> Value:
    """Sums of products over one axis of each, sample by sample."""
    a, b = values
    axes = layer.axes if isinstance(layer.axes, list | tuple) else (layer.axes, layer.axes)
    first, second = axes[0] % len(a.shape), axes[1] % len(b.shape)
    if layer.normalize:
        a, b = normalized(w, a, first), normalized(w, b, second)
    left = ["n", *"abcdef"[: len(a.shape) - 1]]
    right = ["n", *"uvwxyz"[: len(b.shape) - 1]]
    right[second] = left[first]
    rest = [*(c for k, c in enumerate(left) if k != first), *(c for k, c in enumerate(right) if k not in (0, second))]
    y = w.onnx("Einsum", a, b, equation=f"{''.join(left)},{''.join(right)}->{''.join(rest)}")
    return y.reshape((1, 1)) if y.shape == (1,) else y


def normalized(w: Writer, x: Value, axis: int) -> Value:
    squares = w.onnx("ReduceSum", w.graph.apply("Square", x), np.array([axis], np.int64), keepdims=1)
    return x / w.graph.apply("Sqrt", squares)


@layer("MultiHeadAttention")
def multi_head_attention(
    w: Writer,
    layer: Any,
    query: Value,
    value: Value,
    key: Value | None = None,
    use_causal_mask: bool = False,
    **settings: Any,
) -> Value:
    """softmax(Q K' / sqrt(d)) V for each head, projected."""
    given = [name for name, setting in settings.items() if setting is not None and setting is not False]
    if given:
        refuse(layer, "arguments", ", ".join(given), "query, value, key and use_causal_mask")
    key = value if key is None else key
    projections = ((layer._query_dense, query), (layer._key_dense, key), (layer._value_dense, value))
    Q, K, V = (w.call(dense, x) for dense, x in projections)
    if len(Q.shape) != 4:
        refuse(layer, "shape of the query", query.shape, "(batch, steps, features)")
    scale = 1.0 / math.sqrt(layer.key_dim)
    scores: Any = w.onnx("Einsum", Q * scale, K, equation="btnh,bsnh->bnts")
    if use_causal_mask:
        later = np.triu(np.full(scores.shape[-2:], -1e30), 1)
        scores = scores + later
    mixed = w.onnx("Einsum", softmax(w, scores), V, equation="bnts,bsnh->btnh")
    return w.call(layer._output_dense, mixed)  # type: ignore[no-any-return]


# ---- operations of keras.ops ----------------------------------------------


def as_value(number: Any) -> Value:
    """A tensor, or a number beside one."""
    return number if isinstance(number, Handle) else np.asarray(number, np.float64)


for _name, _function in {
    "Add": operator.add, "Subtract": operator.sub, "Multiply": operator.mul, "Divide": operator.truediv,
    "TrueDivide": operator.truediv, "Power": operator.pow,
}.items():  # fmt: skip
    operation(_name)(lambda w, op, a, b, _function=_function: _function(as_value(a), as_value(b)))
for _name, _core in {
    "Absolute": "Abs", "Cos": "Cos", "Log": "Log", "Negative": "Neg", "Sin": "Sin", "Sqrt": "Sqrt", "Square": "Square",
}.items():  # fmt: skip
    operation(_name)(lambda w, op, x, _core=_core: w.graph.apply(_core, x))
for _name, _onnx in {"Matmul": "MatMul", "Maximum": "Max", "Minimum": "Min"}.items():
    operation(_name)(lambda w, op, a, b, _onnx=_onnx: w.onnx(_onnx, as_value(a), as_value(b)))


@operation("Concatenate")
def concatenate_operation(w: Writer, op: Any, values: list[Value]) -> Value:
    return w.graph.concatenate([as_value(value) for value in values], op.axis % len(values[0].shape))


@operation("GetItem")
def get_item(w: Writer, op: Any, x: Value, key: Any) -> Value:
    return x[key]


@operation("Mean", "Sum")
def reduction(w: Writer, op: Any, x: Value) -> Value:
    """Over some axes, or all."""
    axes = range(len(x.shape)) if op.axis is None else op.axis if isinstance(op.axis, list | tuple) else [op.axis]
    positive = np.array(sorted(axis % len(x.shape) for axis in axes), np.int64)
    return w.onnx(f"Reduce{type(op).__name__}", x, positive, keepdims=int(op.keepdims))
