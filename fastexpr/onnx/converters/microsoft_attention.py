"""ONNX Runtime's attention operators (domain com.microsoft): of queries, keys and values in one matrix or in three."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.converters.masks import chosen, masked_softmax
from fastexpr.onnx.converters.microsoft_quantized import dequantized
from fastexpr.onnx.handle import Value, exact
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter
from fastexpr.onnx.signatures import MICROSOFT


@converter("Attention", "QAttention", domain=MICROSOFT)
def attention(node: OnnxNode) -> Sequence[Value | None]:
    """softmax(scale Q K' + mask) V per head, where x times the weights plus the bias is Q, K and V side by side.

    A mask must be constant.

    QAttention: As Attention, of whole numbers times their scales.
    """
    graph, is_quantized = node.graph, node.operator == "QAttention"
    if is_quantized:
        x, weights = dequantized(node, 0, 3, 6), dequantized(node, 1, 4, 7, row_wise=False)
        at = {"mask": 5, "past": 8, "bias": None}
    else:
        x, weights = node.double(0), node.input(1)
        at = {"mask": 3, "past": 4, "bias": 5}
    if len(x.shape) != 3 or len(weights.shape) != 2 or x.shape[2] != weights.shape[0]:
        node.fail(f"cannot multiply shapes {x.shape} and {weights.shape}. Export the model again.")
    if node.attribute("do_rotary"):
        node.fail("has do_rotary=1, which is not supported. Take the model before optimization.")
    y = x @ weights
    y = y + node.input(2) if node.has_input(2) else y
    sizes = node.integers("qkv_hidden_sizes") or [weights.shape[1] // 3] * 3
    starts = [0, sizes[0], sizes[0] + sizes[1], sum(sizes)]
    if len(sizes) != 3 or starts[-1] != y.shape[2]:
        node.fail(f"has qkv_hidden_sizes={sizes} for {y.shape[2]} columns. Export the model again.")
    q, k, v = (split_heads(node, y[..., a:b]) for a, b in pairwise(starts))
    if node.has_input(at["past"] or 0):
        past = node.input(at["past"] or 0)
        k, v = (graph.concatenate([past[i], new], 2) for i, new in enumerate((k, v)))
    has_present = node.has_output(1) and k.shape == v.shape
    present = graph.concatenate([part.reshape((1, *part.shape)) for part in (k, v)], 0) if has_present else None
    mask = node.constant(at["mask"] or 0) if node.has_input(at["mask"] or 0) else None
    bias = node.input(at["bias"]) if at["bias"] and node.has_input(at["bias"]) else None
    return [attended(node, q, k, v, mask, bias), present]


@converter("MultiHeadAttention", domain=MICROSOFT)
def multi_head_attention(node: OnnxNode) -> Sequence[Value | None]:
    """softmax(scale Q K' + mask) V per head, of Q, K and V plus their biases.

    A mask must be constant. Earlier keys and values may come in front.
    """
    graph = node.graph
    parts = [node.input(k) for k in range(3)]
    if node.has_input(3):
        starts = np.cumsum([0, *(part.shape[-1] for part in parts)])
        parts = [exact(part) + node.input(3)[a:b] for part, a, b in zip(parts, starts, starts[1:], strict=False)]
    q, k, v = (part if len(part.shape) == 4 else split_heads(node, part) for part in parts)
    if node.has_input(6):
        k, v = (graph.concatenate([node.input(at), new], 2) for at, new in ((6, k), (7, v)))
    mask = node.constant(4) if node.has_input(4) else None
    bias = node.input(5) if node.has_input(5) else None
    return [attended(node, q, k, v, mask, bias), k, v, None]


def split_heads(node: OnnxNode, x: Value) -> Value:
    """(batch, sequence, all heads) as (batch, heads, sequence, one head)."""
    count = node.integer("num_heads")
    if len(x.shape) != 3 or count < 1 or x.shape[2] % count:
        node.fail(f"cannot split shape {x.shape} into {count} heads. Export the model again.")
    batch, length, size = x.shape
    return x.reshape((batch, length, count, size // count)).transpose((0, 2, 1, 3))


def attended(node: OnnxNode, q: Value, k: Value, v: Value, mask: Array | None, bias: Value | None) -> Value:
    """softmax(scale q k' + bias) v for heads as they are, joined again."""
    graph, scale = node.graph, node.attribute("scale")
    scale = 1 / math.sqrt(q.shape[3]) if not scale else node.number("scale")
    scores = exact(q) * scale @ k.transpose((0, 1, 3, 2))
    scores = scores + bias if bias is not None else scores
    n_queries, n_keys = scores.shape[2:]
    if mask is not None:
        scores = scores + (1.0 - key_mask(node, mask, scores.shape)) * node.number("mask_filter_value")
    if node.attribute("unidirectional"):
        is_kept = np.tri(n_queries, n_keys, n_keys - n_queries, dtype=bool)
        scores = chosen(graph, is_kept, scores, np.full((), -np.inf))
    y = masked_softmax(graph, scores, axis=3) @ v
    y = y.transpose((0, 2, 1, 3))
    return y.reshape((*y.shape[:2], y.shape[2] * y.shape[3]))


def key_mask(node: OnnxNode, mask: Array, shape: tuple[int, ...]) -> Array:
    """1 for keys that count, 0 for others, so that it broadcasts to the scores (batch, heads, queries, keys)."""
    batch, _, n_queries, n_keys = shape
    if mask.shape == (batch,):  # how many keys count
        return (np.arange(n_keys) < mask[:, None]).astype(np.float64)[:, None, None, :]
    if mask.shape == (2 * batch,):  # where they end, and where they begin
        end, begin = mask[:batch, None], mask[batch:, None]
        counts = (np.arange(n_keys) < end) & (np.arange(n_keys) >= begin)
        return counts.astype(np.float64)[:, None, None, :]
    if mask.shape == (batch, n_keys):
        return (mask > 0).astype(np.float64)[:, None, None, :]
    if mask.shape == (batch, n_queries, n_keys):
        return (mask > 0).astype(np.float64)[:, None]
    return node.fail(
        f"has a mask of shape {mask.shape} for {batch} batches of {n_keys} keys. Take the model before optimization."
    )
