"""Linear models of ai.onnx.ml: LinearRegressor, LinearClassifier. A classifier gives no labels here, only scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastexpr.onnx.converters.ml_features import features
from fastexpr.onnx.converters.post_transforms import transformed
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.products import linear
from fastexpr.onnx.registry import ML, converter


def n_classes(node: OnnxNode, integers: str, strings: str) -> int:
    """How many labels there are."""
    return len(node.attribute(integers) or node.attribute(strings) or [])


def linear_scores(node: OnnxNode) -> Value:
    """x W' + b; the rows of W are one after the other in `coefficients`."""
    x = features(node)
    numbers, width = np.array(node.attribute("coefficients") or [], np.float64), x.shape[1]
    offsets = np.array(node.attribute("intercepts") or [], np.float64)
    n = numbers.size // max(width, 1)
    if n * width != numbers.size or n == 0 or offsets.size not in (0, 1, n):
        node.fail(
            f"has {numbers.size} coefficients and {offsets.size} intercepts for {width} features. Export the model "
            "again."
        )
    finite = np.isfinite(numbers).all() and np.isfinite(offsets).all()
    if not finite:
        node.fail("has coefficients that are not finite. Train and export the model again.")
    bias = np.broadcast_to(offsets, (n,)) if offsets.size else None
    return linear(node.graph, x, numbers.reshape(n, width), 1, False, bias)


@converter("LinearRegressor", domain=ML)
def linear_regressor(node: OnnxNode) -> Value:
    """One number for each of `targets`."""
    scores = linear_scores(node)
    if scores.shape[1] != node.integer("targets"):
        node.fail(f"has targets={node.integer('targets')} and coefficients for {scores.shape[1]}. Export again.")
    return transformed(node, scores)


@converter("LinearClassifier", domain=ML)
def linear_classifier(node: OnnxNode) -> Sequence[Value | None]:
    """No label; a score for each class. A single row of coefficients is that of the second of two classes."""
    graph, scores = node.graph, linear_scores(node)
    if scores.shape[1] == 1 and n_classes(node, "classlabels_ints", "classlabels_strings") == 2:
        scores = graph.concatenate([-scores, scores], 1)
    return [None, transformed(node, scores)]
