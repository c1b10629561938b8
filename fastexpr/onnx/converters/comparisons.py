"""Conditions on parts of the network (Greater, Equal, Not, And, IsNaN, ...), and what chooses: Where, Max, Min.

A condition is a number, 1 or 0, whose derivative is 0. Where takes value and derivatives from what is chosen: the other
side need not be finite.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np

from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.converters.arithmetic import stretched_pair
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

LARGEST = float(np.finfo(np.float64).max)


def condition_input(node: OnnxNode, k: int) -> Value:
    """Input k, which must be a condition or a constant that is one."""
    return as_numbers(node, k, node.input(k))


def as_numbers(node: OnnxNode, k: int, value: Value) -> Value:
    """The condition, input k, as numbers 1 and 0."""
    if isinstance(value, Handle):
        if not value.is_condition:
            node.fail(
                f"input {k} ({node.input_name(k)!r}) is no condition: expected the result of Greater, Less, Not, And, "
                "Or and the like, or a constant. Export the model again."
            )
        return value
    return value.astype(np.float64)


@converter("Greater", "Less", "Equal", since=7)
@converter("GreaterOrEqual", "LessOrEqual", since=12)
def comparison(node: OnnxNode) -> Value:
    """A condition, 1 or 0; its derivative is 0. With a NaN none of them holds.

    Greater: a > b; a condition: the derivative is 0.
    GreaterOrEqual: a >= b; a condition: the derivative is 0.
    Less: a < b; a condition: the derivative is 0.
    LessOrEqual: a <= b; a condition: the derivative is 0.
    Equal: a = b; a condition: the derivative is 0.
    """
    return compared(node, node.input(0), node.input(1))


@converter("Greater", "Less", "Equal", since=1)
def comparison_with_attributes(node: OnnxNode) -> Value:
    """Before operator set 7, b is stretched by attributes."""
    return compared(node, *stretched_pair(node))


def compared(node: OnnxNode, a: Value, b: Value) -> Value:
    """a > b is b < a."""
    graph, name = node.graph, node.operator.replace("Greater", "Less")
    a, b = (b, a) if name != node.operator else (a, b)
    if a.dtype.kind == "f" or b.dtype.kind == "f":
        return graph.apply(name, a, b)
    if name == "Equal":
        return equal_integers(a, b)
    return a < b + (0.5 if name == "LessOrEqual" else -0.5)


def equal_integers(a: Value, b: Value) -> Value:
    """Whether two whole numbers are equal. Between them, so that no point is near a jump because they are."""
    difference = a - b
    return difference * difference < 0.25


@converter("IsNaN", since=9)
def is_nan(node: OnnxNode) -> Value:
    """A NaN is not equal to itself. Where a mask leaves nothing of a softmax, it is known to be one.

    A condition: the derivative is 0.
    """
    x = node.input(0)
    mask = node.graph.masked.get(x.id) if isinstance(x, Handle) else None
    if mask is not None:
        return np.isnan(mask)
    return 1.0 - node.graph.apply("Equal", x, x)


@converter("IsInf", since=10)
def is_infinite(node: OnnxNode) -> Value:
    """Beyond the largest number, on the sides that are asked for.

    A condition: the derivative is 0.
    """
    x = node.input(0)
    above = x > LARGEST
    below = x < -LARGEST
    if not node.integer("detect_negative"):
        return above if node.integer("detect_positive") else node.graph.apply("Less", x, x)
    return above + below if node.integer("detect_positive") else below


@converter("Not")
def logical_not(node: OnnxNode) -> Value:
    """1 - a.

    A condition: the derivative is 0.
    """
    return 1.0 - condition_input(node, 0)


@converter("And", "Or", "Xor", since=7)
def logical(node: OnnxNode) -> Value:
    """Of two conditions.

    And: Both hold; a condition: the derivative is 0.
    Or: One of them holds; a condition: the derivative is 0.
    Xor: They differ; a condition: the derivative is 0.
    """
    return combined(node, condition_input(node, 0), condition_input(node, 1))


@converter("And", "Or", "Xor", since=1)
def logical_with_attributes(node: OnnxNode) -> Value:
    """Before operator set 7, b is stretched by attributes."""
    a, b = stretched_pair(node)
    return combined(node, as_numbers(node, 0, a), as_numbers(node, 1, b))


def combined(node: OnnxNode, a: Value, b: Value) -> Value:
    """And, Or or Xor of two conditions. (Min and Max would have a kink wherever they are equal.)"""
    if node.operator == "Xor":
        return node.graph.apply("Square", a - b)
    return a * b if node.operator == "And" else a + b > 0.5


@converter("Where", since=9)
def where(node: OnnxNode) -> Value:
    """y = condition ? a : b."""
    if not isinstance(node.input(0), Handle):
        return where_constant(node)
    return node.graph.apply("Where", condition_input(node, 0), node.input(1), node.input(2))


def where_constant(node: OnnxNode) -> Value:
    """With a constant condition: elements picked from a and b joined."""
    graph, given, a, b = node.graph, node.constant(0).astype(bool), node.input(1), node.input(2)
    size_a, size_b = (math.prod(value.shape) for value in (a, b))
    places_a = np.arange(size_a, dtype=np.int64).reshape(a.shape)
    places_b = size_a + np.arange(size_b, dtype=np.int64).reshape(b.shape)
    joined = graph.concatenate([a.reshape((size_a,)), b.reshape((size_b,))], 0)
    try:
        places = np.where(given, places_a, places_b)
    except ValueError:
        node.fail(
            f"has inputs of shapes {given.shape}, {a.shape}, {b.shape}, which do not broadcast. Export the model again."
        )
    return joined[places]


@converter("Max", "Min", since=8)
def maximum(node: OnnxNode) -> Value:
    """The largest or smallest of several values, two by two; where two are equal, the derivative is the later one's."""
    values = [node.input(k) for k in range(len(node.inputs))]
    return reduce(lambda a, b: extreme(node.graph, node.operator, a, b), values)


@converter("Max", "Min", since=1)
def maximum_of_equals(node: OnnxNode) -> Value:
    """Before operator set 8, all inputs have one shape."""
    shapes = [node.input(k).shape for k in range(len(node.inputs))]
    if any(shape != shapes[0] for shape in shapes):
        node.fail(f"has inputs of shapes {shapes}, expected equal shapes. Export with opset 13 or newer.")
    return maximum(node)


def extreme(graph: GraphBuilder, name: str, a: Value, b: Value) -> Value:
    """max(a, b) or min(a, b); with one number, a Clip."""
    for value, other in ((a, b), (b, a)):
        if not isinstance(value, Handle) and value.size == 1 and isinstance(other, Handle):
            number, shape = float(value.reshape(-1)[0]), np.broadcast_shapes(value.shape, other.shape)
            if math.isfinite(number):
                limit: dict[str, Any] = {"lower" if name == "Max" else "upper": number}
                return graph.apply("Clip", other, **limit).reshape(shape)
    if isinstance(a, Handle) or isinstance(b, Handle):
        return graph.apply(name, a, b)
    return np.maximum(a, b) if name == "Max" else np.minimum(a, b)
