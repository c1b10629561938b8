"""A model's declared inputs and outputs: names and literal shapes."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import onnx

from fastexpr.errors import OnnxError, ShapeError
from fastexpr.onnx.arrays import FLOAT_TYPES, type_name
from fastexpr.onnx.builder import Shape

#: What fixes dynamic axes: the shape of an input by its name, or the length of a dimension by its name.
Shapes: TypeAlias = Mapping[str, int | Sequence[int]]


Dims: TypeAlias = list[int | str]


class Port(NamedTuple):
    """One input."""

    name: str
    shape: Shape
    data_type: int

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


# ---- inputs


def input_ports(infos: Iterable[onnx.ValueInfoProto], shapes: Shapes) -> list[Port]:
    """The inputs with their shapes. A first axis of unknown length, and every axis of the same name, becomes 1.

    Raises
    ------
    OnnxError
        An input is no tensor of floats, has no shape, or an axis stays unknown.
    ShapeError
        `shapes` names something that is not there, or contradicts the model or itself.
    """
    infos = list(infos)
    names = [str(info.name) for info in infos]
    for name in names:
        if names.count(name) > 1:
            raise OnnxError(f"[Input {name!r}] is there twice. Names must be unique: export the model again.")
    kinds = [check_type("Input", info) for info in infos]
    declared = {str(info.name): declared_dims(info) for info in infos}
    lengths = dimension_lengths(declared, shapes)
    dims = {name: given_dims(name, axes, shapes, lengths) for name, axes in declared.items()}
    for axes in dims.values():  # the batch
        if axes and isinstance(axes[0], str) and axes[0]:
            lengths.setdefault(axes[0], 1)
    return [Port(name, fixed_shape(name, dims[name], lengths), kind) for name, kind in zip(names, kinds, strict=True)]


def declared_dims(info: onnx.ValueInfoProto) -> Dims | None:
    """An axis each: its length; its name where that is all the model says; "" where it says nothing. None without a
    shape.
    """
    if not info.type.tensor_type.HasField("shape"):
        return None
    return [
        int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value >= 0 else str(dim.dim_param)
        for dim in info.type.tensor_type.shape.dim
    ]


def given_dims(name: str, declared: Dims | None, shapes: Shapes, lengths: dict[str, int]) -> Dims:
    """The declared axes, with the lengths that `shapes` gives for this input; those of named ones go to `lengths`."""
    if name not in shapes:
        if declared is None:
            raise OnnxError(f"[Input {name!r}] has no shape. Give it: load_onnx(path, shapes={{{name!r}: (...)}}).")
        return declared
    given = given_shape(name, shapes[name])
    if declared is None:
        return list(given)
    if len(declared) != len(given) or any(isinstance(a, int) and a != b for a, b in zip(declared, given, strict=True)):
        raise ShapeError(
            f"[load_onnx] shapes: got {given} for the input {name!r}, whose shape is {shown(declared)}. Only dynamic "
            "axes can be chosen."
        )
    for dim, length in zip(declared, given, strict=True):
        if isinstance(dim, str) and dim and lengths.setdefault(dim, length) != length:
            raise ShapeError(
                f"[load_onnx] shapes: the dimension {dim!r} has the length {length} in the input {name!r}, but "
                f"{lengths[dim]} elsewhere. Give it one length."
            )
    return list(given)


def given_shape(name: str, shape: object) -> Shape:
    """The shape that the user gives an input."""
    try:
        lengths = tuple(operator.index(length) for length in shape)  # type: ignore[attr-defined]
    except TypeError:
        raise ShapeError(
            f"[load_onnx] shapes: got {shape!r} for the input {name!r}, expected a tuple of integers."
        ) from None
    return lengths


def dimension_lengths(declared: Mapping[str, Dims | None], shapes: Shapes) -> dict[str, int]:
    """The lengths that `shapes` gives to dimensions by their names."""
    named = {dim for axes in declared.values() for dim in axes or [] if isinstance(dim, str) and dim}
    lengths: dict[str, int] = {}
    for key, value in shapes.items():
        if key in declared:
            continue
        if key not in named:
            known = ", ".join(repr(name) for name in [*declared, *sorted(named)])
            raise ShapeError(f"[load_onnx] shapes: got {key!r}, expected an input or a dynamic dimension: {known}.")
        try:
            lengths[key] = operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            raise ShapeError(
                f"[load_onnx] shapes: got {value!r} for the dimension {key!r}, expected one integer."
            ) from None
    return lengths


def fixed_shape(name: str, dims: Dims, lengths: Mapping[str, int]) -> Shape:
    """Every axis with its length."""
    shape = tuple(
        dim if isinstance(dim, int) else lengths[dim] if dim in lengths else unknown_length(name, axis, dim)
        for axis, dim in enumerate(dims)
    )
    if any(length < 1 for length in shape):
        raise OnnxError(f"[Input {name!r}] has the shape {shape}, which holds no numbers. Export the model again.")
    return shape


def unknown_length(name: str, axis: int, dim: str) -> int:
    """Of an axis without a name: 1 for the first."""
    if axis == 0:
        return 1
    way_out = f"shapes={{{dim!r}: 20}}, or all axes with " if dim else ""
    raise OnnxError(
        f"[Input {name!r}] has a dynamic axis {axis} ({repr(dim) if dim else 'unknown'}), expected a literal length: "
        f"only the first axis, the batch, may be dynamic. Fix it with load_onnx(path, {way_out}shapes={{{name!r}: "
        "(1, 20)}), with the lengths you need."
    )


def shown(dims: Sequence[int | str]) -> str:
    """The shape as messages have it, e.g. (1, 'time', ?)."""
    return "(" + ", ".join("?" if dim == "" else repr(dim) for dim in dims) + ")"


# ---- outputs


def output_ports(graph: onnx.GraphProto, chosen: Sequence[str] | None) -> list[Output]:
    """The outputs that the function has: those chosen, among all tensors, or those declared that are floats.

    A classifier of scikit-learn declares labels, which are integers or strings, and probabilities, as floats or as a
    list of dictionaries that ZipMap makes of them. So labels are left out where there is anything else, and the numbers
    of a dictionary are those that ZipMap was given.
    """
    maps = {str(name): str(node.input[0]) for node in graph.node if node.op_type == "ZipMap" for name in node.output}
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
