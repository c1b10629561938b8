"""Constant, and casts between element types: what depends on x is a double, always."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from fastexpr.onnx.arrays import FLOAT_TYPES, RAW_TYPES, type_name
from fastexpr.onnx.builder import Handle, Value
from fastexpr.onnx.converters.comparisons import is_not_zero
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter


@converter("Constant", takes_constants=True)
def constant(node: OnnxNode) -> Value:
    """A tensor in one of several notations."""
    given = {name: node.attribute(name) for name in (str(a.name) for a in node.proto.attribute)}
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
    """Between float types nothing happens: everything is computed in double."""
    target = node.attribute("to")
    if isinstance(target, str):  # before operator set 6
        target = onnx.TensorProto.DataType.Value(target.upper())
    return casted(node, node.input(0), target)


@converter("CastLike", since=15, takes_constants=True)
def cast_like(node: OnnxNode) -> Value:
    """To the type of input 1; a value that depends on x is a float."""
    like = node.input(1)
    if like.is_condition if isinstance(like, Handle) else like.dtype == bool:
        return casted(node, node.input(0), TensorProto.BOOL)
    if isinstance(like, Handle) or like.dtype.kind == "f":
        return casted(node, node.input(0), TensorProto.FLOAT)
    return casted(node, node.input(0), int(onnx.helper.np_dtype_to_tensor_dtype(like.dtype)))


def casted(node: OnnxNode, x: Value, target: int) -> Value:
    """x in the element type `target`."""
    if target in FLOAT_TYPES:
        if isinstance(x, Handle):  # a condition becomes a plain number
            return Handle(x.id, x.shape)
        return x if x.dtype.kind == "f" else x.astype(np.float64)
    if target not in RAW_TYPES:
        node.fail(f"casts to {type_name(target)}, expected a float, an integer or bool. Export the model again.")
    if isinstance(x, Handle):
        if target == TensorProto.BOOL:
            return x if x.is_condition else is_not_zero(node.graph, x)
        node.fail_not_constant(
            x,
            f"casts a value that depends on the network's inputs to {type_name(target)}, which has no derivative: "
            "expected float, double, float16 or bfloat16. Leave this part out of the exported model.",
        )
    with np.errstate(all="ignore"):
        return x.astype(RAW_TYPES[target])
