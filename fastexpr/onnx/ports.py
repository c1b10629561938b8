"""A model's declared inputs and outputs: names, element types and literal shapes; `inputs` finds these shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import onnx

from fastexpr.errors import OnnxError
from fastexpr.onnx.arrays import FLOAT_TYPES, type_name
from fastexpr.onnx.handle import Shape


class Port(NamedTuple):
    """One input that is a part of x.

    `dims` are its axes as the model has them; `batch_axes` are those that are taken for the batch, because nothing says
    how long they are.
    """

    name: str
    shape: Shape
    data_type: int
    dims: tuple[int | str, ...]
    batch_axes: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


class Output(NamedTuple):
    """One output: its name, and the tensor whose numbers it has."""

    name: str
    source: str


def data_type(info: onnx.ValueInfoProto) -> int:
    """The element type; 0 where it is no tensor."""
    return int(info.type.tensor_type.elem_type) if info.type.HasField("tensor_type") else 0


def check_type(kind: str, info: onnx.ValueInfoProto, advice: str = "Export the model with float inputs.") -> int:
    """The element type, which must be a float."""
    if not info.type.HasField("tensor_type"):
        what = info.type.WhichOneof("value")
        raise OnnxError(
            f"[{kind} {info.name!r}] is a {(what or 'value without type').replace('_type', '')}, expected a tensor. "
            "Export the model with tensors only."
        )
    if data_type(info) not in FLOAT_TYPES:
        raise OnnxError(
            f"[{kind} {info.name!r}] has elements {type_name(data_type(info))}, expected float, double, float16 or "
            f"bfloat16. {advice}"
        )
    return data_type(info)


# ---- outputs


def output_ports(graph: onnx.GraphProto, chosen: Sequence[str] | None) -> list[Output]:
    """The outputs that the function has: those chosen, among all tensors, or those declared that are floats.

    A classifier of scikit-learn declares labels, which are integers or strings, and probabilities, as floats or as a
    list of dictionaries that ZipMap makes of them. So labels are left out where there is anything else, and the numbers
    of a dictionary are those that ZipMap was given.
    """
    zip_maps = [node for node in graph.node if node.op_type == "ZipMap" and node.input]
    maps = {str(name): str(node.input[0]) for node in zip_maps for name in node.output}
    infos = {str(info.name): info for info in graph.output}
    if chosen is None:
        names = [str(info.name) for info in graph.output]
        usable = [name for name in names if name in maps or data_type(infos[name]) in FLOAT_TYPES]
        names = usable or names
        if not usable:
            for info in graph.output:
                check_type("Output", info, "Export the model with float outputs, or choose tensors with outputs=[...].")
    else:
        names = [str(name) for name in chosen]
        for name in names:
            if name in infos and name not in maps:
                floats = [other for other in infos if other in maps or data_type(infos[other]) in FLOAT_TYPES]
                check_type(
                    "Output", infos[name], f"Outputs that can be used: {', '.join(map(repr, floats)) or 'none'}."
                )
    for name in names:
        if names.count(name) > 1:
            raise OnnxError(f"[Output {name!r}] is there twice. Names must be unique: export the model again.")
    return [Output(name, maps.get(name, name)) for name in names]
