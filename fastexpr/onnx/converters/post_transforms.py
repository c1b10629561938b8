"""What the models of ai.onnx.ml do to their scores at the end."""

from __future__ import annotations

import numpy as np

from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode

SMALLEST_SCORE = 1e-7  # what SOFTMAX_ZERO takes for 0
NAMES = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")  # numbered so in TreeEnsemble


def transformed(node: OnnxNode, scores: Value) -> Value:
    """The scores (rows, classes) by the node's `post_transform`."""
    name = node.attribute("post_transform") or "NONE"
    name = NAMES[name] if isinstance(name, int) and 0 <= name < len(NAMES) else name
    graph = node.graph
    if name == "NONE":
        return scores
    if name == "LOGISTIC":
        return graph.apply("Sigmoid", scores)
    if name in ("SOFTMAX", "SOFTMAX_ZERO"):
        softmax = graph.apply("Softmax", scores, axis=len(scores.shape) - 1, n_axes=1)
        return softmax if name == "SOFTMAX" else without_zeros(graph, scores, softmax)
    if name == "PROBIT":
        return probit(graph, scores)
    return node.fail(f"has post_transform={name!r}, expected one of {', '.join(NAMES)}. Export the model again.")


def without_zeros(graph: GraphBuilder, scores: Value, softmax: Value) -> Value:
    """The softmax over the scores that are not 0; those that are stay 0. All are 1/2 where no other is."""
    is_there = graph.apply("Abs", scores) - SMALLEST_SCORE > 0.0
    axis = len(scores.shape) - 1
    kept = softmax * is_there
    count = graph.apply("ReduceSum", is_there, axis=axis, n_axes=1, keepdims=1)
    is_empty = 1.0 - (count > 0.0)
    total = graph.apply("ReduceSum", kept, axis=axis, n_axes=1, keepdims=1)
    return (kept + is_empty * 0.5) / (total + is_empty)


def probit(graph: GraphBuilder, p: Value) -> Value:
    """sqrt(2) erfinv(2 p - 1), by the approximation that the standard's implementations have.

    S. Winitzki, "A handy approximation for the error function and its inverse", 2008: two or three digits.
    """
    t = p * 2.0 - 1.0
    log = graph.apply("Log", (1.0 - t) * (1.0 + t))
    v = log * 0.5 + 2.0 / (np.pi * 0.147)
    root = graph.apply("Sqrt", v * v - log * (1.0 / 0.147))
    size = graph.apply("Sqrt", root - v)
    sign = (t > 0.0) * 2.0 - 1.0
    return sign * size * 1.41421356
