"""A model's declared inputs and outputs: names and literal shapes."""

from __future__ import annotations

import math
from typing import NamedTuple

import onnx
from onnx import TensorProto

from fastexpr.errors import OnnxError
from fastexpr.onnx.arrays import type_name
from fastexpr.onnx.builder import Shape


class Port(NamedTuple):
    """One input or output."""

    name: str
    shape: Shape
    data_type: int

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def check_type(kind: str, info: onnx.ValueInfoProto) -> int:
    """The element type, which must be float or double."""
    if not info.type.HasField("tensor_type"):
        what = info.type.WhichOneof("value")
        raise OnnxError(
            f"[{kind} {info.name!r}] is a {(what or 'value without type').replace('_type', '')}, expected a tensor. "
            "Export the model with tensors only."
        )
    data_type = int(info.type.tensor_type.elem_type)
    if data_type not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise OnnxError(
            f"[{kind} {info.name!r}] has elements {type_name(data_type)}, expected float or double. Export the model "
            "with float inputs and outputs."
        )
    return data_type


def input_port(info: onnx.ValueInfoProto) -> Port:
    """The input with its shape; a first axis of unknown length becomes 1."""
    data_type = check_type("Input", info)
    if not info.type.tensor_type.HasField("shape"):
        raise OnnxError(f"[Input {info.name!r}] has no shape. Export the model with the shapes of its inputs.")
    shape = [literal_length(info.name, axis, dim) for axis, dim in enumerate(info.type.tensor_type.shape.dim)]
    if 0 in shape:
        raise OnnxError(
            f"[Input {info.name!r}] has the shape {tuple(shape)}, which holds no numbers. Export the model again."
        )
    return Port(str(info.name), tuple(shape), data_type)


def literal_length(name: str, axis: int, dim: onnx.TensorShapeProto.Dimension) -> int:
    """The length of one axis."""
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        return int(dim.dim_value)
    if axis == 0:
        return 1
    called = repr(str(dim.dim_param)) if dim.dim_param else "unknown"
    raise OnnxError(
        f"[Input {name!r}] has a dynamic axis {axis} ({called}), expected a literal length: only the first axis, the "
        "batch, may be dynamic. Export the model with this axis fixed."
    )
