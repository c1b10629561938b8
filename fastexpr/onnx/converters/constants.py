"""Constant, and casts between element types: what depends on x is a double, always."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto
from onnx.helper import np_dtype_to_tensor_dtype

from fastexpr.onnx.arrays import FLOAT_TYPES, RAW_TYPES, type_name
from fastexpr.onnx.converters.arithmetic import truncated, wrapped
from fastexpr.onnx.handle import FLOAT, Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter


@converter("Constant", takes_constants=True)
def constant(node: OnnxNode) -> Value:
    """A tensor in one of several notations."""
    given = {name: node.attribute(name) for name in node.stated}
    if len(given) != 1:
        node.fail(
            f"has the attributes {sorted(given)}, expected one of value, value_float, value_floats, value_int, "
            "value_ints. Export the model again."
        )
    name, value = next(iter(given.items()))
    if name == "value":
        return node.tensor_attribute("value")
    types = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if name in types:
        return np.array(value, types[name])
    return node.fail(
        f"has the unsupported attribute {name!r}, expected value, value_float, value_floats, value_int or value_ints. "
        "Export the model with a dense tensor."
    )


@converter("Cast", takes_constants=True)
def cast(node: OnnxNode) -> Value:
    """Between float types nothing happens: everything is computed in double.

    A condition cast to an integer is 1 or 0, a float its integer part: the derivative is 0.
    """
    target = node.attribute("to")
    if isinstance(target, str):  # before operator set 6
        target = onnx.TensorProto.DataType.Value(target.upper())
    return casted(node, node.input(0), target)


@converter("CastLike", since=15, takes_constants=True)
def cast_like(node: OnnxNode) -> Value:
    """To the type of input 1."""
    dtype = node.input(1).dtype
    return casted(node, node.input(0), TensorProto.FLOAT if dtype.kind == "f" else int(np_dtype_to_tensor_dtype(dtype)))


def casted(node: OnnxNode, x: Value, target: int) -> Value:
    """x in the element type `target`."""
    graph = node.graph
    if target in FLOAT_TYPES:
        return x if x.dtype.kind == "f" else x.astype(FLOAT)
    if target not in RAW_TYPES:
        node.fail(f"casts to {type_name(target)}, expected a float, an integer or bool. Export the model again.")
    dtype = np.dtype(RAW_TYPES[target])
    if isinstance(x, Handle):
        if dtype.kind == "b":
            x = x if x.is_condition else 1.0 - graph.apply("Equal", x, 0.0)
        elif x.dtype.kind == "f":
            x = truncated(graph, x)
        elif dtype.itemsize < x.dtype.itemsize <= 8 and dtype.itemsize <= 2:
            x = wrapped(graph, x, dtype)
    with np.errstate(all="ignore"):
        return x.astype(dtype)
