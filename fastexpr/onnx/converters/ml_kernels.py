"""Support vector machines of ai.onnx.ml: sums of kernels k(x, s_j) over support vectors s_j.

    linear x.s    poly (gamma x.s + c)^d    sigmoid tanh(gamma x.s + c)    rbf exp(-gamma |x - s|^2)

For rbf, |x - s|^2 = |x|^2 - 2 x.s + |s|^2 with the origin in the middle of the support vectors: one product, and digits
are lost only as far as x is away from all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.converters.ml_features import features
from fastexpr.onnx.converters.ml_linear import n_classes
from fastexpr.onnx.converters.post_transforms import transformed
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.products import linear
from fastexpr.onnx.registry import ML, converter

KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")


def floats(node: OnnxNode, name: str, size: int | None = None) -> Array:
    """An attribute that lists finite floats."""
    numbers = np.array(node.attribute(name) or [], np.float64)
    if not np.isfinite(numbers).all() or (size is not None and numbers.size != size):
        node.fail(f"has {numbers.size} {name}, expected {size or 'finite numbers'}. Export the model again.")
    return numbers


def kernel_values(node: OnnxNode, x: Value, vectors: Array) -> Value:
    """k(x, s_j) for all support vectors, (rows, vectors)."""
    graph, kernel = node.graph, node.attribute("kernel_type")
    if kernel not in KERNELS:
        node.fail(f"has kernel_type={kernel!r}, expected one of {', '.join(KERNELS)}. Export the model again.")
    if kernel == "LINEAR":
        return linear(graph, x, vectors, 1, False)
    gamma, offset, degree = floats(node, "kernel_params", 3)
    if kernel == "RBF":
        middle = vectors.mean(axis=0)
        x, vectors = x - middle, vectors - middle
        lengths = graph.apply("ReduceSum", x * x, axis=1, n_axes=1, keepdims=1)
        products = linear(graph, x, 2 * gamma * vectors, 1, False, -gamma * (vectors**2).sum(axis=1))
        return graph.apply("Exp", products - lengths * gamma)
    line = linear(graph, x, gamma * vectors, 1, False, np.full(len(vectors), offset))
    return graph.apply("Tanh", line) if kernel == "SIGMOID" else line ** int(degree)


def support_vectors(node: OnnxNode, count: int, width: int) -> Array:
    """(count, features)."""
    return floats(node, "support_vectors", count * width).reshape(count, width)


@converter("SVMRegressor", domain=ML)
def svm_regressor(node: OnnxNode) -> Value:
    """sum_j a_j k(x, s_j) + rho; with `one_class`, 1 where that is positive, else -1."""
    graph, x = node.graph, features(node)
    count, width = node.attribute("n_supports") or 0, x.shape[1]
    rho = floats(node, "rho", 1)
    if count < 0:
        node.fail(f"has n_supports={count}, expected 0 or more. Export the model again.")
    kernels = kernel_values(node, x, support_vectors(node, count, width)) if count else x
    weights = floats(node, "coefficients", count or width)
    y: Value = linear(graph, kernels, weights[None], 1, False, rho)
    if node.attribute("one_class"):
        y = (y > 0.0) * 2.0 - 1.0
    return transformed(node, y)


@converter("SVMClassifier", domain=ML)
def svm_classifier(node: OnnxNode) -> Sequence[Value | None]:
    """No label; a score for each pair of classes, or for each class where there are no support vectors."""
    x, n = features(node), max(n_classes(node, "classlabels_ints", "classlabels_strings"), 1)
    counts = node.integers("vectors_per_class") or []
    if counts:
        scores = pair_scores(node, x, n, counts)
    else:
        weights = floats(node, "coefficients", n * x.shape[1]).reshape(n, x.shape[1])
        rho = floats(node, "rho")
        if rho.size == 0:
            node.fail("has no rho. Export the model again.")
        scores = linear(node.graph, x, weights, 1, False, np.full(n, rho[0]))
    if counts and node.attribute("prob_a"):
        return [None, transformed(node, probabilities(node, scores, n))]
    if scores.shape[1] == 1 and n == 2:
        scores = node.graph.concatenate([-scores, scores], 1)
    return [None, transformed(node, scores)]


def pair_scores(node: OnnxNode, x: Value, n: int, counts: list[int]) -> Value:
    """For each pair of classes i < j: sum over both classes' support vectors of a_k k(x, s_k), plus rho."""
    total = sum(counts)
    if len(counts) != n or min(counts) < 0 or total == 0 or n < 2:
        node.fail(f"has vectors_per_class={counts} for {n} classes. Export the model again.")
    pairs = list(combinations(range(n), 2))
    rho = floats(node, "rho", len(pairs))
    weights = floats(node, "coefficients", (n - 1) * total).reshape(n - 1, total)
    of = np.repeat(np.arange(n), counts)  # the class of each support vector
    rows = [np.where(of == i, weights[j - 1], 0.0) + np.where(of == j, weights[i], 0.0) for i, j in pairs]
    kernels = kernel_values(node, x, support_vectors(node, total, x.shape[1]))
    return linear(node.graph, kernels, np.array(rows), 1, False, rho)


def probabilities(node: OnnxNode, scores: Value, n: int) -> Value:
    """Of two classes: 1 / (1 + exp(a s + b)) of the first, at least 1e-7, and the rest."""
    if n != 2:
        node.fail(
            f"iterates to find the probabilities of {n} classes, which has no derivative: expected 2. Export the model "
            "without probabilities."
        )
    graph = node.graph
    a, b = floats(node, "prob_a", 1)[0], floats(node, "prob_b", 1)[0]
    line = scores * -a + -b
    first = graph.apply("Clip", graph.apply("Sigmoid", line), lower=1e-7, upper=1 - 1e-7)
    return graph.concatenate([first, 1.0 - first], 1)
