"""Positions that depend on x: ArgMax, ArgMin and TopK, and what picks by such indices (Gather, Scatter, OneHot, ...).

An index is a whole number whose derivative is 0. The place that it names is a row of conditions, one for each place;
what is picked there keeps its derivative. An index that names no place gives NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.converters.comparisons import equal_integers, extreme
from fastexpr.onnx.converters.reductions import reduced
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

MOST_STEPS = 1000  # numbers that are found or placed one after the other


def place_of_largest(graph: GraphBuilder, is_largest: Value, axis: int) -> Handle:
    """Where along the axis, which stays with length 1, the one condition holds: a whole number from 0 on."""
    shape = tuple(-1 if k == axis else 1 for k in range(len(is_largest.shape)))
    counts = np.arange(is_largest.shape[axis], dtype=np.float64).reshape(shape)
    found = graph.apply("Where", is_largest, counts, 0.0)
    return graph.apply("ReduceMax", found, axis=axis, n_axes=1, keepdims=1)


@converter("ArgMax", "ArgMin")
def arg_max(node: OnnxNode) -> Value:
    """The first place along an axis, or the last one, where a number is largest or smallest.

    ArgMax: The place of the largest number along an axis.
    ArgMin: The place of the smallest number along an axis.
    """
    graph, x = node.graph, node.input(0)
    axis = node.axis(node.integer("axis"), len(x.shape))
    is_last = bool(node.attribute("select_last_index"))
    x = -x if node.operator == "ArgMin" else x
    if is_last:
        x = graph.rearrange(x, lambda array: np.flip(array, axis))
    place: Value = place_of_largest(graph, graph.apply("Hardmax", x, axis=axis, n_axes=1), axis)
    if is_last:
        place = x.shape[axis] - 1.0 - place
    return place if node.integer("keepdims") else place.reshape(x.shape[:axis] + x.shape[axis + 1 :])


@converter("TopK", since=10)
def top_k(node: OnnxNode) -> Sequence[Value]:
    """The k largest or smallest numbers along an axis in order, and their places; of equal ones the first comes first.

    Values have the derivative of the number that they are; that of a place is 0. k must be constant.
    """
    return top(node, int(node.constant_scalar(1)), node.attribute("largest") != 0)


@converter("TopK", since=1)
def top_k_by_attribute(node: OnnxNode) -> Sequence[Value]:
    """Before operator set 10, k is an attribute."""
    return top(node, node.integer("k"), True)


def top(node: OnnxNode, k: int, is_largest: bool) -> Sequence[Value]:
    """One number after the other: the largest of those that are left."""
    graph, x = node.graph, node.input(0)
    axis = node.axis(node.integer("axis"), len(x.shape))
    if not 0 <= k <= x.shape[axis]:
        node.fail(f"takes {k} numbers of {x.shape[axis]} along axis {axis}. Export the model again.")
    node.check_size((k, *x.shape))
    if k > MOST_STEPS:
        node.fail(f"takes {k} numbers one after the other, expected at most {MOST_STEPS}. Take fewer.")
    if k == 0:
        shape = (*x.shape[:axis], 0, *x.shape[axis + 1 :])
        return [np.zeros(shape), np.zeros(shape, np.int64)]
    x = x if is_largest else -x
    negated = graph.apply("ReduceMax", -x, axis=axis, n_axes=1, keepdims=1)
    smallest, left = -negated, x
    values: list[Value] = []
    places: list[Value] = []
    for _ in range(k):
        is_next = graph.apply("Hardmax", left, axis=axis, n_axes=1)
        left = graph.apply("Where", is_next, -np.inf, left)
        shown = graph.apply("Where", is_next, x, smallest)  # not -inf: bounds stay finite
        values.append(graph.apply("ReduceMax", shown, axis=axis, n_axes=1, keepdims=1))
        places.append(place_of_largest(graph, is_next, axis))
    joined = graph.concatenate(values, axis)
    return [joined if is_largest else -joined, graph.concatenate(places, axis)]


# ---- picking


def is_named(graph: GraphBuilder, indices: Handle, length: int) -> Value:
    """Which of `length` places each index names, on a new last axis; negative indices count from the end."""
    column = indices.reshape((*indices.shape, 1))
    places = np.arange(length, dtype=np.float64)
    named = equal_integers(column, places)
    if graph.range_of(indices)[0] >= 0:
        return named
    return named + equal_integers(column, places - length)


def only_inside(graph: GraphBuilder, indices: Value, length: int, value: Value) -> Value:
    """The value, to whose shape the indices broadcast; NaN where an index names no place."""
    lower, upper = graph.range_of(indices) if isinstance(indices, Handle) else (0.0, 0.0)
    if lower >= -length and upper < length:
        return value
    is_inside = (indices > -length - 0.5) * (indices < length - 0.5)
    return graph.apply("Where", is_inside, value, np.nan)


def picked(node: OnnxNode, table: Value, indices: Handle) -> Value:
    """table[b, indices[b, i], r] for a table (b, n, r) and indices (b, i)."""
    graph, (stack, length, width) = node.graph, table.shape
    count = indices.shape[1]
    named = is_named(graph, indices, length)
    if isinstance(table, np.ndarray) and stack == 1 and np.isfinite(table).all():
        y = named @ table
    else:
        node.check_size((stack, count, length, width))
        kept = graph.apply(
            "Where", named.reshape((stack, count, length, 1)), table.reshape((stack, 1, length, width)),
            0.0,
        )  # fmt: skip
        y = reduced(graph, "ReduceSum", kept, [2], keepdims=False)
    return only_inside(graph, indices.reshape((stack, count, 1)), length, y)


def gathered(node: OnnxNode, x: Value, indices: Handle, axis: int) -> Value:
    """Gather along one axis."""
    lead, rest = x.shape[:axis], x.shape[axis + 1 :]
    order = [axis, *range(axis), *range(axis + 1, len(x.shape))]
    table = x.transpose(order).reshape((1, x.shape[axis], math.prod(lead + rest)))
    y = picked(node, table, indices.reshape((1, math.prod(indices.shape))))
    y = y.reshape((*indices.shape, *lead, *rest))
    rank = len(indices.shape)
    places = [*range(rank, rank + len(lead)), *range(rank), *range(rank + len(lead), len(y.shape))]
    return y.transpose(places)


def gathered_elements(node: OnnxNode, x: Value, indices: Handle, axis: int) -> Value:
    """NumPy's take_along_axis."""
    graph = node.graph
    table = graph.rearrange(x, lambda array: np.moveaxis(array, axis, -1))
    at = graph.rearrange(indices, lambda array: np.moveaxis(array, axis, -1))
    count, stack = at.shape[-1], math.prod(at.shape[:-1])
    y = picked(
        node,
        table.reshape((stack, x.shape[axis], 1)),
        at.reshape((stack, count)),  # type: ignore[arg-type]
    )
    y = y.reshape(at.shape)
    return graph.rearrange(y, lambda array: np.moveaxis(array, -1, axis))


def flat_places(node: OnnxNode, indices: Handle, lengths: tuple[int, ...]) -> Value:
    """Tuples of indices along the last axis as one index into the flattened axes; NaN where one names no place."""
    graph = node.graph
    strides = np.cumprod([1, *lengths[:0:-1]])[::-1]
    parts: list[Value] = []
    for k, (length, stride) in enumerate(zip(lengths, strides, strict=True)):
        part = indices[..., k]
        wrapped = part
        if isinstance(part, Handle) and graph.range_of(part)[0] < 0:
            is_negative = part < 0.0
            wrapped = graph.apply("Where", is_negative, part + float(length), part)
        parts.append(only_inside(graph, part, length, wrapped) * float(stride))
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def gathered_nd(node: OnnxNode, x: Value, indices: Handle, batch: int) -> Value:
    """GatherND behind `batch` leading axes."""
    depth = indices.shape[-1]
    lengths = x.shape[batch : batch + depth]
    at, stack = flat_places(node, indices, lengths), math.prod(x.shape[:batch])
    rest = x.shape[batch + depth :]
    table = x.reshape((stack, math.prod(lengths), math.prod(rest)))
    y = picked(node, table, at.reshape((stack, math.prod(at.shape[batch:]))))  # type: ignore[arg-type]
    return y.reshape((*indices.shape[:-1], *rest))


# ---- placing


def combine(graph: GraphBuilder, reduction: str, old: Value, new: Value) -> Value:
    """What is there, and what comes."""
    if reduction in ("add", "mul"):
        return graph.arithmetic(reduction.capitalize(), old, new)
    return extreme(graph, reduction.capitalize(), old, new)


def scattered_at(node: OnnxNode, x: Value, indices: Handle, updates: Value, reduction: str) -> Value:
    """x (b, n, r) with the updates (b, i, r), one after the other, at the places indices (b, i)."""
    graph, (stack, length, _width) = node.graph, x.shape
    count = indices.shape[1]
    if count > MOST_STEPS:
        node.fail(f"puts {count} numbers at places that depend on x, expected at most {MOST_STEPS}. Place fewer.")
    node.check_size((stack, count, length))
    named = is_named(graph, indices, length)
    for k in range(count):
        here = named[:, k, :, np.newaxis]
        new = updates[:, k : k + 1]
        new = new if reduction == "none" else combine(graph, reduction, x, new)
        x = graph.apply("Where", here, new, x)
    for k in range(count):
        at = indices[:, k, np.newaxis, np.newaxis]
        x = only_inside(graph, at, length, x)
    return x
