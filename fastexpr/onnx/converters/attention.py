"""Attention and RotaryEmbedding."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.converters.masks import chosen, masked_softmax
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

LEFT_OUT = -1e30  # added to a score: no exponential of it is left, and it stays finite where no key is kept


class Bias(NamedTuple):
    """What is added to the scores. Where a constant mask says -inf, the key is left out instead."""

    added: Value | None
    is_kept: Array  # broadcasts to the scores
    condition: Handle | None = None  # on x: which keys are kept; broadcasts to the scores


@converter("Attention", since=23)
def attention(node: OnnxNode) -> list[Value | None]:
    """softmax(softcap(scale Q K') + bias) V per head; rows without any key are 0.

    All is computed in double, whatever softmax_precision says. Several heads of Q that share a head of K and V are rows
    of one product.
    """
    graph = node.graph
    if node.has_input(4) != node.has_input(5):
        node.fail("has only one of past_key and past_value, expected both or none. Export the model again.")
    heads = [node.attribute("q_num_heads"), node.attribute("kv_num_heads"), node.attribute("kv_num_heads")]
    q, k, v = (with_heads(node, i, count) for i, count in enumerate(heads))
    if node.has_input(4):
        k, v = (graph.concatenate([past(node, i), new], 2) for i, new in ((4, k), (5, v)))
    check_fit(node, q.shape, k.shape, v.shape)
    scale = node.attribute("scale")
    scale = 1 / math.sqrt(q.shape[3]) if scale is None else node.number("scale")
    raw = grouped_product(q * scale, k.transpose((0, 1, 3, 2)))
    capped = with_softcap(graph, raw, node.number("softcap"))
    bias = find_bias(node, capped.shape)
    biased = capped if bias.added is None else capped + bias.added
    logits = chosen(graph, bias.is_kept, biased, np.full((), -np.inf))
    weights = masked_softmax(graph, logits, axis=3, empty=0.0)
    if bias.condition is not None:
        weights = graph.apply("Where", bias.condition, weights, 0.0)
    y = grouped_product(weights, v)
    if len(node.input(0).shape) == 3:
        y = y.transpose((0, 2, 1, 3))
        y = y.reshape((*y.shape[:2], y.shape[2] * y.shape[3]))
    outputs: list[Value | None] = [y, k, v, None]
    if node.has_output(3):
        modes = [raw, capped, logits, weights]
        mode = node.integer("qk_matmul_output_mode")
        if not 0 <= mode < len(modes):
            node.fail(f"has qk_matmul_output_mode={mode}, expected 0 to 3. Export the model again.")
        outputs[3] = modes[mode]
    return outputs


def with_heads(node: OnnxNode, k: int, heads: int | None) -> Value:
    """Input k as (batch, heads, sequence, head size)."""
    value = node.double(k) if k == 0 else node.input(k)
    if len(value.shape) == 4:
        return value
    if len(value.shape) != 3 or not heads or heads < 1 or value.shape[2] % heads:
        node.fail(
            f"has input {k} ({node.input_name(k)!r}) of shape {value.shape} for {heads} heads, expected four axes, or "
            "three of which the last one is split into heads. Export the model again."
        )
    batch, length, size = value.shape
    split = value.reshape((batch, length, heads, size // heads))
    return split.transpose((0, 2, 1, 3))


def past(node: OnnxNode, k: int) -> Value:
    """Keys or values of earlier positions."""
    value = node.input(k)
    if len(value.shape) != 4:
        node.fail(f"has input {k} of shape {value.shape}, expected four axes. Export the model again.")
    return value


def check_fit(node: OnnxNode, q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...]) -> None:
    """Whether the heads can be multiplied."""
    if not (q[0] == k[0] == v[0] and k[1:3] == v[1:3] and q[3] == k[3] and k[1] > 0 and q[1] % k[1] == 0):
        node.fail(
            f"cannot combine queries {q}, keys {k} and values {v}, as (batch, heads, sequence, head size): expected "
            "equal batches, sequences of keys and values, and sizes of queries and keys, and heads of queries that are "
            "a multiple of those of keys. Export the model again."
        )


def grouped_product(a: Value, b: Value) -> Value:
    """a (batch, heads, rows, k) times b (batch, fewer heads, k, columns), each head of b for several of a."""
    batch, heads, rows, inner = a.shape
    joined = a.reshape((batch, b.shape[1], heads // b.shape[1] * rows, inner))
    return (joined @ b).reshape((batch, heads, rows, b.shape[3]))


def with_softcap(graph: GraphBuilder, scores: Value, softcap: float) -> Value:
    """softcap tanh(scores / softcap); 0 means none."""
    if softcap <= 0:
        return scores
    bounded = graph.apply("Tanh", scores * (1 / softcap))
    return bounded * softcap


def find_bias(node: OnnxNode, shape: tuple[int, ...]) -> Bias:
    """The mask, the causal rule, the window and the padding together."""
    batch, _, length, n_keys = shape
    is_kept = position_mask(node, batch, length, n_keys)
    if not node.has_input(3):
        return Bias(None, is_kept)
    mask = node.input(3)
    missing = n_keys - mask.shape[-1] if mask.shape else 0
    if missing > 0:  # keys that the mask does not know are left out
        is_kept = is_kept & (np.arange(n_keys) < mask.shape[-1])
        rest = np.zeros((*mask.shape[:-1], missing), bool if is_bool(mask) else np.float64)
        mask = node.graph.concatenate([mask, rest], len(mask.shape) - 1)
    try:
        np.broadcast_to(np.empty(mask.shape, bool), shape)
    except ValueError:
        node.fail(f"has a mask of shape {mask.shape} for scores of shape {shape}. Export the model again.")
    if isinstance(mask, Handle):
        if mask.is_condition:
            added = node.graph.apply("Where", mask, 0.0, LEFT_OUT)
            return Bias(added, is_kept, mask)
        return Bias(mask, is_kept)
    if mask.dtype == bool:
        return Bias(None, is_kept & mask)
    is_finite = mask != -np.inf
    numbers = np.where(is_finite, mask, 0.0)
    return Bias(numbers if numbers.any() else None, is_kept & is_finite)


def is_bool(value: Value) -> bool:
    """Whether the value is a constant of bools."""
    return isinstance(value, np.ndarray) and value.dtype == bool


def position_mask(node: OnnxNode, batch: int, length: int, n_keys: int) -> Array:
    """Which key j a query i sees, of shape (length, n_keys) or, where batches differ, (batch, 1, length, n_keys)."""
    offset: Array = np.zeros((1, 1, 1, 1), np.int64)  # position of the first query
    is_kept: Array = np.ones((length, n_keys), bool)
    if node.has_input(4):
        offset = offset + node.input(4).shape[2]
    elif node.has_input(6):
        counts = np.array(node.constant_integers(6)).reshape(batch, 1, 1, 1)
        offset = counts - length
        is_kept = is_kept & (np.arange(n_keys) < counts)
    ahead = np.arange(n_keys) - (np.arange(length)[:, None] + offset)
    if node.attribute("is_causal"):
        is_kept = is_kept & (ahead <= 0)
    left, right = (node.attribute(f"{side}_window_size") for side in ("left", "right"))
    if left is not None and left >= 0:
        is_kept = is_kept & (-ahead <= left)
    if right is not None and right >= 0:
        is_kept = is_kept & (ahead <= right)
    return is_kept


@converter("RotaryEmbedding", since=23)
def rotary_embedding(node: OnnxNode) -> Value:
    """Pairs of a head's first numbers turned by an angle: (cos a - sin b, sin a + cos b).

    With `interleaved`, a pair stands together; else a comes from the first half and b from the second one.
    """
    graph, x = node.graph, node.double(0)
    heads = node.attribute("num_heads") or 0
    if len(x.shape) not in (3, 4) or (len(x.shape) == 3 and (heads < 1 or x.shape[2] % heads)):
        node.fail(f"has shape {x.shape} and num_heads={heads}, expected four axes, or three and the number of heads.")
    is_split = len(x.shape) == 4
    u = x.transpose((0, 2, 1, 3)) if is_split else x.reshape((*x.shape[:2], heads, x.shape[2] // heads))
    size = u.shape[3]  # of (batch, sequence, heads, head size)
    turned = node.attribute("rotary_embedding_dim") or size
    if turned % 2 or not 0 < turned <= size:
        node.fail(f"has rotary_embedding_dim={turned}, expected an even number up to {size}. Export the model again.")
    first, second = pair_places(turned, bool(node.attribute("interleaved")))
    cosine, sine = (cache(node, k, u.shape[:2], turned // 2) for k in (1, 2))
    a, b = u[..., first], u[..., second]
    real = cosine * a - sine * b
    imaginary = sine * a + cosine * b
    order = np.argsort(np.concatenate([first, second]))
    pairs = graph.concatenate([real, imaginary], 3)[..., order]
    parts = [pairs, u[..., turned:]] if turned < size else [pairs]
    y = graph.concatenate(parts, 3)
    return y.transpose((0, 2, 1, 3)) if is_split else y.reshape(x.shape)


def pair_places(count: int, is_interleaved: bool) -> tuple[Array, Array]:
    """Where the first and the second number of each pair stand."""
    places = np.arange(count)
    return (places[::2], places[1::2]) if is_interleaved else (places[: count // 2], places[count // 2 :])


def cache(node: OnnxNode, k: int, lead: tuple[int, ...], half: int) -> Value:
    """Cosines or sines as (batch, sequence, 1, half)."""
    value = node.input(k)
    if node.has_input(3):
        if len(value.shape) != 2:
            node.fail(f"has input {k} of shape {value.shape} with position_ids, expected two axes. Export again.")
        ids = node.constant(3)
        if ids.size and not 0 <= ids.min() <= ids.max() < value.shape[0]:
            node.fail(
                f"has position_ids from {ids.min()} to {ids.max()}, expected 0 to {value.shape[0] - 1}. Export again."
            )
        value = value[ids]
    if (
        len(value.shape) != 3
        or value.shape[2] != half
        or any(n not in (1, wanted) for n, wanted in zip(value.shape, lead, strict=False))
    ):
        node.fail(f"has input {k} of shape {value.shape}, expected {(*lead, half)}. Export the model again.")
    return value.reshape((*value.shape[:2], 1, half))
