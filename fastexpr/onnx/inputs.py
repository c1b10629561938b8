"""The inputs of a model: which of them make up x, which are constants, and how long their axes are."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper

from fastexpr.errors import OnnxError, ShapeError
from fastexpr.onnx.arrays import FLOAT_TYPES, Array, type_name
from fastexpr.onnx.handle import Shape
from fastexpr.onnx.ports import Port, check_type, data_type

#: What gives dynamic axes their lengths: the shape of an input by its name, or a length by the name of the dimension.
Shapes: TypeAlias = Mapping[str, int | Sequence[int]]
#: What makes inputs constants: the value of an input by its name.
Fixed: TypeAlias = Mapping[str, Any]

Dims: TypeAlias = list[int | str]


class Inputs(NamedTuple):
    """The inputs that make up x, and those that are constants, with their values. `beside_x` is what another evaluator
    must be given for all that are no part of x: these values in the model's own types, zeros for what is left out.
    """

    ports: list[Port]
    fixed: list[Port]
    constants: dict[str, Array]
    beside_x: dict[str, Array]


def read_inputs(infos: Sequence[onnx.ValueInfoProto], used: Collection[str], shapes: Shapes, fixed: Fixed) -> Inputs:
    """What each input is.

    A first axis of unknown length, and every axis of the same name, is taken for the batch and becomes 1. What is in
    `fixed` is a constant. An input that is not in `used`, which no output needs, is left out where it cannot be a part
    of x.

    Raises
    ------
    OnnxError
        An input is no tensor of floats, has no shape, or an axis stays unknown; `fixed` names something that is not
        there, or holds values of another kind.
    ShapeError
        `shapes` names something that is not there, or it or `fixed` contradict the model or each other.
    """
    names = [str(info.name) for info in infos]
    for name in names:
        if names.count(name) > 1:
            raise OnnxError(f"[Input {name!r}] is there twice. Names must be unique: export the model again.")
    for name in fixed:
        if name not in names:
            known = ", ".join(map(repr, names)) or "none"
            raise OnnxError(f"[load_onnx] fixed: got {name!r}, expected inputs of the model: {known}.")
    values = {name: fixed_value(info, fixed[name]) for name, info in zip(names, infos, strict=True) if name in fixed}
    axes = Axes({name: declared_dims(info) for name, info in zip(names, infos, strict=True)}, shapes, values)
    free = [info for info in infos if info.name not in fixed]
    needed = [info for info in free if info.name in used or not can_be_left_out(info, axes)]
    axes.take_batch([str(info.name) for info in needed])
    advice = "Make it a constant: load_onnx(path, fixed={{{0!r}: ...}}), or export the model with float inputs."
    for info in needed:
        check_type("Input", info, advice.format(info.name))
    ports = [axes.port(info, axes.shape(str(info.name))) for info in needed]
    constants = {name: axes.filled(name, value) for name, value in values.items()}
    others = [axes.port(info, constants[info.name].shape) for info in infos if info.name in fixed]
    beside_x = {
        str(info.name): constants[info.name].astype(own_type(info)) if info.name in fixed else axes.zeros(info)
        for info in infos
        if info not in needed
    }
    return Inputs(ports, others, constants, beside_x)


def can_be_left_out(info: onnx.ValueInfoProto, axes: Axes) -> bool:
    """Whether an input that no output needs could not be a part of x: a tensor of integers, or of unknown shape."""
    is_number = data_type(info) in FLOAT_TYPES and axes.is_known(str(info.name))
    return info.type.HasField("tensor_type") and not is_number


class Axes:
    """The axes of all inputs.

    Attributes
    ----------
    declared : by input, an axis each, see `declared_dims`
    dims : the same, with the lengths that `shapes` and `fixed` give to the input itself
    lengths : of dimensions by their names
    batch : names of dimensions that are taken for the batch
    """

    def __init__(self, declared: Mapping[str, Dims | None], shapes: Shapes, values: Mapping[str, Array]) -> None:
        self.declared = declared
        self.lengths = dimension_lengths(declared, shapes)
        self.dims = {name: self._given(name, shapes, values) for name in declared}
        self.batch: set[str] = set()

    def _given(self, name: str, shapes: Shapes, values: Mapping[str, Array]) -> Dims | None:
        """The declared axes with the lengths that are given for this input; those of named ones go to `lengths`. A
        constant gives its last axes and is broadcast along the others.
        """
        dims = self.declared[name]
        if name in shapes:
            dims = self._joined("shapes", name, dims, given_shape(name, shapes[name]))
        if name in values:
            rank = values[name].ndim
            front = dims[: len(dims) - rank] if dims and len(dims) > rank else []
            inner = None if dims is None else dims[len(front) :]
            dims = front + self._joined("fixed", name, inner, values[name].shape)
        return dims

    def _joined(self, argument: str, name: str, dims: Dims | None, given: Shape) -> Dims:
        """These lengths in the place of the axes, which they must fit."""
        if dims is None:
            return list(given)
        if len(dims) != len(given) or any(isinstance(a, int) and a != b for a, b in zip(dims, given, strict=True)):
            what = "Only dynamic axes can be chosen." if argument == "shapes" else "Give it in this shape."
            raise ShapeError(
                f"[load_onnx] {argument}: got {given} for the input {name!r}, whose shape is "
                f"{shown(self.declared[name] or [])}. {what}"
            )
        for dim, length in zip(dims, given, strict=True):
            if isinstance(dim, str) and dim and self.lengths.setdefault(dim, length) != length:
                raise ShapeError(
                    f"[load_onnx] {argument}: the dimension {dim!r} has the length {length} in the input {name!r}, but "
                    f"{self.lengths[dim]} elsewhere. Give it one length."
                )
        return list(given)

    def take_batch(self, names: Iterable[str]) -> None:
        """Takes the first axes of these inputs for the batch where they have no length."""
        for name in names:
            dims = self.dims[name]
            if dims and isinstance(dims[0], str) and dims[0] and dims[0] not in self.lengths:
                self.batch.add(dims[0])

    def length(self, axis: int, dim: int | str) -> int | None:
        """How long the axis is, the batch being 1; None where that is unknown."""
        if isinstance(dim, int):
            return dim
        return self.lengths.get(dim, 1 if axis == 0 or dim in self.batch else None)

    def is_known(self, name: str) -> bool:
        """Whether every axis of the input has a length."""
        dims = self.dims[name]
        return dims is not None and None not in [self.length(axis, dim) for axis, dim in enumerate(dims)]

    def shape(self, name: str) -> Shape:
        """The input's shape, with every axis known."""
        dims = self.dims[name]
        if dims is None:
            raise OnnxError(f"[Input {name!r}] has no shape. Give it: load_onnx(path, shapes={{{name!r}: (...)}}).")
        shape = []
        for axis, dim in enumerate(dims):
            length = self.length(axis, dim)
            if length is None:
                raise OnnxError(
                    f"[Input {name!r}] has a dynamic axis {axis} ({repr(dim) if dim else 'unknown'}), expected a "
                    "literal length: only the first axis, the batch, may be dynamic. Fix it with load_onnx(path, "
                    f"{way_out(name, dims, str(dim), self.lengths)}), with the lengths you need."
                )
            shape.append(length)
        if any(length < 1 for length in shape):
            raise OnnxError(
                f"[Input {name!r}] has the shape {tuple(shape)}, which holds no numbers. Give other lengths in "
                "shapes=, or export the model again."
            )
        return tuple(shape)

    def port(self, info: onnx.ValueInfoProto, shape: Shape) -> Port:
        """The input, which has this shape."""
        dims = self.dims[info.name] or []
        batch = [
            axis
            for axis, dim in enumerate(dims)
            if isinstance(dim, str) and dim not in self.lengths and (axis == 0 or dim in self.batch)
        ]
        return Port(str(info.name), shape, data_type(info), tuple(dims), tuple(batch))

    def filled(self, name: str, value: Array) -> Array:
        """The constant in the input's shape."""
        return value if self.dims[name] == list(value.shape) else np.broadcast_to(value, self.shape(name))

    def zeros(self, info: onnx.ValueInfoProto) -> Array:
        """Zeros in the input's shape, where unknown axes have the length 1."""
        lengths = [self.length(axis, dim) for axis, dim in enumerate(self.dims[info.name] or [])]
        shape = [1 if length is None else length for length in lengths]
        try:
            return np.broadcast_to(np.zeros((), own_type(info)), shape)  # of any size: it is not looked at
        except ValueError as error:
            raise OnnxError(f"[Input {info.name!r}] has the shape {tuple(shape)}: {error}. Export it again.") from error


def declared_dims(info: onnx.ValueInfoProto) -> Dims | None:
    """An axis each: its length; its name where that is all the model says; "" where it says nothing. None without a
    shape.
    """
    if not info.type.tensor_type.HasField("shape"):
        return None
    return [
        int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value >= 0 else dimension_name(str(dim.dim_param))
        for dim in info.type.tensor_type.shape.dim
    ]


def dimension_name(text: str) -> str:
    """The name of a dimension; empty for what exporters write where they know none ("?", "-1", "None"): axes that have
    that in common need not be equally long.
    """
    return "" if text == "None" or not any(letter.isalpha() for letter in text) else text


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


def way_out(name: str, dims: Dims, dim: str, lengths: Mapping[str, int]) -> str:
    """The argument of load_onnx that gives the dimension, or the input's axes, a length: `shapes={'time': 20}`."""
    example = [lengths.get(dim, 20 if axis else 1) if isinstance(dim, str) else dim for axis, dim in enumerate(dims)]
    by_input = f"shapes={{{name!r}: {tuple(example)}}}"
    return f"shapes={{{dim!r}: 20}}, or all axes with {by_input}" if dim else by_input


def shown(dims: Sequence[int | str]) -> str:
    """The shape as messages have it, e.g. (1, 'time', ?)."""
    return "(" + ", ".join("?" if dim == "" else repr(dim) for dim in dims) + ")"


# ---- constants


def own_type(info: onnx.ValueInfoProto) -> np.dtype[Any]:
    """The NumPy type of the input's elements."""
    kind = data_type(info)
    return (
        np.dtype(object) if kind == TensorProto.STRING else helper.tensor_dtype_to_np_dtype(kind or TensorProto.FLOAT)
    )


def fixed_value(info: onnx.ValueInfoProto, value: object) -> Array:
    """The value of an input that is a constant: floats in double, all else in the model's type."""
    name, kind = str(info.name), data_type(info)
    if not info.type.HasField("tensor_type"):
        raise OnnxError(f"[Input {name!r}] is no tensor, so it cannot be fixed. Export the model with tensors only.")
    try:
        array = np.asarray(value)
        if kind == TensorProto.STRING:
            is_fitting, array = all(isinstance(text, str) for text in array.reshape(-1)), array.astype(object)
        elif array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
            is_fitting = False
        elif kind in FLOAT_TYPES or kind == TensorProto.UNDEFINED:
            is_fitting = True
            array = array.astype(np.float64) if kind in FLOAT_TYPES else array
        else:
            given = array
            with np.errstate(all="ignore"):
                array = given.astype(own_type(info))
            is_fitting = bool((array == given).all())
    except (TypeError, ValueError, OverflowError):
        is_fitting = False
    if not is_fitting:
        raise OnnxError(
            f"[load_onnx] fixed: got {value!r} for the input {name!r}, expected elements {type_name(kind)}."
        )
    return array
