"""Conditions on parts of the network, and what chooses by them: Greater, Less, Not, And, Or, Where, Max, Min.

A condition is a number, 1 or 0: step(u) = 1 for u > 0, else 0, which is the core's HardSigmoid, clip(slope u, 0, 1),
with a slope so steep that no difference of numbers falls in between. Its derivative is 0, as a condition's should be.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from fastexpr.onnx.builder import GraphBuilder, Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

STEEPEST = 1e200  # squared, it still leaves room for tangents
ONE = np.ones(())


def step(graph: GraphBuilder, value: Value) -> Value:
    """The condition that the value is positive."""
    return graph.as_condition(graph.apply("HardSigmoid", value, alpha=STEEPEST, beta=0.0))


def negation(graph: GraphBuilder, condition: Value) -> Value:
    """1 where the condition is 0, and the other way round."""
    return graph.as_condition(graph.subtract(ONE, condition))


def condition_input(node: OnnxNode, k: int) -> Value:
    """Input k, which must be a condition or a constant that is one."""
    value = node.input(k)
    if isinstance(value, Handle):
        if not value.is_condition:
            node.fail(
                f"input {k} ({node.proto.input[k]!r}) is no condition: expected the result of Greater, Less, Not, And, "
                "Or, or a constant. Export the model again."
            )
        return value
    return value.astype(np.float64)


@converter("Greater", since=7)
@converter("GreaterOrEqual", "Less", "LessOrEqual", since=9)
def comparison(node: OnnxNode) -> Value:
    """Where a > b is strict, a >= b is the negation of b > a."""
    graph, a, b = node.graph, node.input(0), node.input(1)
    if node.operator in ("Greater", "LessOrEqual"):
        a, b = b, a
    greater = step(graph, graph.subtract(b, a))
    return negation(graph, greater) if node.operator.endswith("Equal") else greater


@converter("Not")
def logical_not(node: OnnxNode) -> Value:
    """1 - a."""
    return negation(node.graph, condition_input(node, 0))


@converter("And", since=7)
def logical_and(node: OnnxNode) -> Value:
    """Both: a b."""
    return node.graph.as_condition(node.graph.multiply(condition_input(node, 0), condition_input(node, 1)))


@converter("Or", since=7)
def logical_or(node: OnnxNode) -> Value:
    """Not neither: 1 - (1 - a) (1 - b)."""
    graph = node.graph
    neither = graph.multiply(negation(graph, condition_input(node, 0)), negation(graph, condition_input(node, 1)))
    return negation(graph, neither)


@converter("Where", since=9)
def where(node: OnnxNode) -> Value:
    """y = condition ? a : b, which is c a + (1 - c) b; both sides must be finite."""
    condition = node.input(0)
    if not isinstance(condition, Handle):
        return where_constant(node)
    graph, chosen = node.graph, condition_input(node, 0)
    return graph.add(graph.multiply(chosen, node.input(1)), graph.multiply(negation(graph, chosen), node.input(2)))


def where_constant(node: OnnxNode) -> Value:
    """With a constant condition: elements picked from a and b joined."""
    graph, condition, a, b = node.graph, node.constant(0).astype(bool), node.input(1), node.input(2)
    size_a, size_b = (int(np.prod(value.shape, dtype=np.int64)) for value in (a, b))
    places_a = np.arange(size_a, dtype=np.int64).reshape(a.shape)
    places_b = size_a + np.arange(size_b, dtype=np.int64).reshape(b.shape)
    joined = graph.concatenate([graph.reshape(a, (size_a,)), graph.reshape(b, (size_b,))], 0)
    try:
        places = np.where(condition, places_a, places_b)
    except ValueError:
        node.fail(
            f"has inputs of shapes {condition.shape}, {a.shape}, {b.shape}, which do not broadcast. Export the model "
            "again."
        )
    return graph.rearrange(joined, lambda array: array[places])


@converter("Max", "Min", since=8)
def maximum(node: OnnxNode) -> Value:
    """The largest or smallest of several values, two by two."""
    values = [node.input(k) for k in range(len(node.inputs))]
    return reduce(lambda a, b: larger(node.graph, a, b, -1.0 if node.operator == "Min" else 1.0), values)


def larger(graph: GraphBuilder, a: Value, b: Value, sign: float) -> Value:
    """max(a, b) = b + relu(a - b), or, with sign -1, min(a, b) = b - relu(b - a); with one number, a Clip."""
    for value, other in ((a, b), (b, a)):
        if not isinstance(value, Handle) and value.size == 1 and isinstance(other, Handle):
            limit: dict[str, Any] = {"lower" if sign > 0 else "upper": float(value.reshape(-1)[0])}
            shape = np.broadcast_shapes(value.shape, other.shape)
            return graph.reshape(graph.apply("Clip", other, **limit), shape)
    difference = graph.subtract(a, b) if sign > 0 else graph.subtract(b, a)
    return graph.arithmetic("Add" if sign > 0 else "Sub", b, graph.apply("Relu", difference))
