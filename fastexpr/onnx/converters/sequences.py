"""Sequences of tensors, as torch.split leaves them: lists that are known while the model is read. Their lengths and the
places in them must be constant; their tensors may depend on x.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from fastexpr.onnx.converters.shapes import identity
from fastexpr.onnx.handle import Tensors, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter
from fastexpr.onnx.sizes import LARGEST_SEQUENCE


@converter("Optional", "OptionalGetElement", since=15, takes_constants=True)
def optional(node: OnnxNode) -> Value | Tensors:
    """y = x: what is there.

    An optional value that is not there is refused.
    """
    return identity(node)


@converter("SequenceConstruct", since=11, takes_constants=True)
def sequence_construct(node: OnnxNode) -> Tensors:
    """The inputs as a sequence."""
    return Tensors(node.input(k) for k in range(len(node.inputs)))


@converter("SequenceEmpty", since=11, takes_constants=True)
def sequence_empty(node: OnnxNode) -> Tensors:
    """A sequence of no tensors."""
    return Tensors()


@converter("SequenceLength", since=11, takes_constants=True)
def sequence_length(node: OnnxNode) -> Value:
    """How many tensors it has."""
    return np.array(len(node.tensors(0)), np.int64)


@converter("SequenceAt", since=11, takes_constants=True)
def sequence_at(node: OnnxNode) -> Value:
    """The tensor at a place; negative ones count from the end."""
    tensors = node.tensors(0)
    return tensors[place(node, 1, len(tensors))]


@converter("SequenceErase", since=11, takes_constants=True)
def sequence_erase(node: OnnxNode) -> Tensors:
    """Without the tensor at a place, by default the last one."""
    tensors = node.tensors(0)
    at = place(node, 1, len(tensors)) if node.has_input(1) else len(tensors) - 1
    return Tensors(tensors[:at] + tensors[at + 1 :])


@converter("SequenceInsert", since=11, takes_constants=True)
def sequence_insert(node: OnnxNode) -> Tensors:
    """With one more tensor before a place, by default at the end."""
    tensors = node.tensors(0)
    at = place(node, 2, len(tensors) + 1, len(tensors)) if node.has_input(2) else len(tensors)
    return Tensors((*tensors[:at], node.input(1), *tensors[at:]))


@converter("SplitToSequence", since=11, takes_constants=True)
def split_to_sequence(node: OnnxNode) -> Tensors:
    """Pieces along an axis, of the lengths in input 1, or all of one length but for a shorter last one; without input
    1, of length 1, and without their axis where keepdims is 0.
    """
    x = node.input(0)
    axis = node.axis(node.integer("axis"), len(x.shape))
    length = x.shape[axis]
    lengths = node.constant_integers(1) if node.has_input(1) else [1]
    step = max(lengths[0], 1) if not node.has_input(1) or node.constant(1).ndim == 0 else None
    count = len(lengths) if step is None else -(-length // step)
    if count > LARGEST_SEQUENCE:
        node.fail(f"makes a sequence of {count} tensors, expected at most {LARGEST_SEQUENCE}. Export the model again.")
    if step is not None:
        stops = [*range(step, length, step), length] if lengths[0] > 0 and length else []
    else:
        stops = list(accumulate(lengths))
    if not stops or stops[-1] != length or min(lengths) < 0:
        node.fail(f"cannot split axis {axis} of shape {x.shape} into lengths {lengths}. Export the model again.")
    keys = [(slice(None),) * axis + (slice(start, stop),) for start, stop in pairwise([0, *stops])]
    pieces = [x[key] for key in keys]
    if not node.has_input(1) and not node.integer("keepdims"):
        pieces = [piece.reshape(x.shape[:axis] + x.shape[axis + 1 :]) for piece in pieces]
    return Tensors(pieces)


@converter("ConcatFromSequence", since=11, takes_constants=True)
def concat_from_sequence(node: OnnxNode) -> Value:
    """The tensors joined along an axis, or stacked along a new one."""
    graph, tensors = node.graph, node.tensors(0)
    if not tensors:
        node.fail("joins a sequence of no tensors. Export the model again.")
    rank = len(tensors[0].shape)
    if node.integer("new_axis"):
        axis = node.axis(node.integer("axis"), rank + 1)
        parts: Sequence[Value] = [t.reshape((*t.shape[:axis], 1, *t.shape[axis:])) for t in tensors]
    else:
        axis, parts = node.axis(node.integer("axis"), rank), tensors
    rests = {(len(part.shape), part.shape[:axis], part.shape[axis + 1 :]) for part in parts}
    if len(rests) != 1:
        node.fail(
            f"cannot join shapes {[part.shape for part in tensors]} along axis {axis}: the other axes differ. Export "
            "the model again."
        )
    return graph.concatenate(parts, axis)


def place(node: OnnxNode, k: int, count: int, end: int | None = None) -> int:
    """Input k as a place among `count`; negative ones count from `end`, by default count."""
    at = int(node.constant_scalar(k))
    end = count if end is None else end
    if not -end <= at < count:
        node.fail(f"takes place {at} of a sequence of {end} tensors. Export the model again.")
    return at + end if at < 0 else at
