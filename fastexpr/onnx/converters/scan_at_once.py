"""Scans whose steps are alike and independent of each other, all steps at once: nothing is carried on changed, and the
body computes number by number and reduces. So skl2onnx writes the distances of x from the points of a Gaussian process
or of neighbours, of which there are thousands.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import onnx

from fastexpr.onnx.arrays import Array, tensor_array
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import convert

BROADCASTS = {"Add", "Sub", "Mul", "Div"}
NUMBERS = {"Identity", "Abs", "Exp", "Neg", "Sqrt", "Tanh"}
REDUCTIONS = {"ReduceSum", "ReduceSumSquare", "ReduceMax", "ReduceMean"}
FIRST_OPSET = 9


class Steps(NamedTuple):
    """A tensor of the body in all steps: they are a first axis where they differ."""

    value: Value
    differ: bool

    @property
    def rank(self) -> int:
        return len(self.value.shape) - self.differ


def are_alike(node: OnnxNode, carried: Sequence[Value], sources: Sequence[Value], n_collected: int) -> bool:
    """Whether the body has nothing but known operators on floats, each of which reads what is there, and hands on what
    is carried.
    """
    values, body = [*carried, *sources], node.attribute("body")
    if node.opset < FIRST_OPSET or not isinstance(body, onnx.AttributeProto):
        return False
    if any(value.dtype.kind != "f" for value in values) or not any(isinstance(value, Handle) for value in values):
        return False
    inputs, outputs = [info.name for info in body.g.input], [info.name for info in body.g.output]
    axes = {tensor.name for tensor in body.g.initializer if tensor.data_type == onnx.TensorProto.INT64}
    if len(inputs) != len(values) or len(outputs) != len(carried) + n_collected or not axes.isdisjoint(inputs):
        return False
    same_as = {name: name for name in inputs}
    for inner in body.g.node:
        tensors = list(inner.input) if is_known(node, inner, axes) else []
        tensors = tensors[:1] if inner.op_type in REDUCTIONS else tensors
        if not tensors or not set(tensors) <= same_as.keys() or inner.output[0] in same_as.keys() | axes:
            return False
        same_as[inner.output[0]] = same_as[tensors[0]] if inner.op_type == "Identity" else inner.output[0]
    handed_on = [same_as.get(name) for name in outputs]
    return None not in handed_on and handed_on[: len(carried)] == inputs[: len(carried)]


def is_known(node: OnnxNode, inner: onnx.NodeProto, axes: Container[str]) -> bool:
    """Whether a node of the body is one of those operators, with settings that are known."""
    settings = {attribute.name for attribute in inner.attribute}
    if inner.domain not in ("", "ai.onnx") or len(inner.output) != 1:
        return False
    if inner.op_type in REDUCTIONS:
        if has_axes_as_input(node, inner):
            return len(inner.input) <= 2 and all(name in axes for name in inner.input[1:]) and settings <= {"keepdims"}
        return len(inner.input) == 1 and settings <= {"axes", "keepdims"}
    return (
        not settings
        and len(inner.input) == (2 if inner.op_type in BROADCASTS else 1)
        and (inner.op_type in BROADCASTS | NUMBERS)
    )


def has_axes_as_input(node: OnnxNode, inner: onnx.NodeProto) -> bool:
    """Whether the reduction has its axes as an input, by the operator set of the model."""
    return node.opset >= (13 if inner.op_type == "ReduceSum" else 18)


def all_steps(node: OnnxNode, carried: Sequence[Value], sources: Sequence[Value]) -> list[Value]:
    """What the steps give, stacked along a first axis, from sources whose first axis is the step."""
    body = node.attribute("body").g
    names = [info.name for info in body.input]
    given = [*(Steps(value, False) for value in carried), *(Steps(value, True) for value in sources)]
    found = dict(zip(names, given, strict=True))
    axes = {
        tensor.name: tensor_array(tensor, f"{node.title} Initializer {tensor.name!r}") for tensor in body.initializer
    }
    for inner in body.node:
        found[inner.output[0]] = step(node, inner, found, axes)
    results = [found[info.name] for info in body.output[len(carried) :]]
    n_steps = sources[0].shape[0]
    return [result.value if result.differ else repeated(node, result.value, n_steps) for result in results]


def step(node: OnnxNode, inner: onnx.NodeProto, found: Mapping[str, Steps], axes: Mapping[str, Array]) -> Steps:
    """What a node of the body gives in all steps."""
    if inner.op_type == "Identity":
        return found[inner.input[0]]
    if inner.op_type in REDUCTIONS:
        return reduced(node, inner, found[inner.input[0]], axes)
    given = [found[name] for name in inner.input]
    rank = max(entry.rank for entry in given)
    values: list[Value | None] = [aligned(node, entry, rank) for entry in given]
    return Steps(converted(node, inner.op_type, values), any(entry.differ for entry in given))


def reduced(node: OnnxNode, inner: onnx.NodeProto, given: Steps, axes: Mapping[str, Array]) -> Steps:
    """A reduction within each step: behind their axis."""
    settings = {entry.name: onnx.helper.get_attribute_value(entry) for entry in inner.attribute}
    stated = axes[inner.input[1]].reshape(-1).tolist() if len(inner.input) > 1 else settings.get("axes")
    chosen = node.axes(stated or range(given.rank), given.rank)
    shifted = [axis + given.differ for axis in chosen]
    keepdims = settings.get("keepdims", 1)
    if has_axes_as_input(node, inner):
        value = converted(node, inner.op_type, [given.value, np.array(shifted, np.int64)], keepdims=keepdims)
    else:
        value = converted(node, inner.op_type, [given.value], axes=shifted, keepdims=keepdims)
    return Steps(value, given.differ)


def converted(node: OnnxNode, operator: str, values: list[Value | None], **attributes: object) -> Value:
    """The operator on these values, by its converter."""
    if not any(isinstance(value, Handle) for value in values):
        values[0] = node.graph.handle(values[0])  # type: ignore[arg-type]
    return convert(node.other(operator, values, node.opset, **attributes))[0]  # type: ignore[return-value]


def aligned(node: OnnxNode, entry: Steps, rank: int) -> Value:
    """The value with axes of length 1 behind that of the steps, up to this rank."""
    if not entry.differ or entry.rank == rank:
        return entry.value
    shape = entry.value.shape
    return entry.value.reshape((shape[0], *[1] * (rank - entry.rank), *shape[1:]))


def repeated(node: OnnxNode, value: Value, n_steps: int) -> Value:
    """The same value in each step."""
    return node.graph.rearrange(value, lambda array: np.broadcast_to(array, (n_steps, *array.shape)))
