"""Tensors without elements, which flow through a model though the core has none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.helper import tensor_dtype_to_np_dtype
from onnx.shape_inference import infer_node_outputs

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.definitions import value_type
from fastexpr.onnx.handle import Tensors, Value
from fastexpr.onnx.registry import ML
from fastexpr.onnx.sizes import check_result

RANDOM_OPERATORS = {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}

LARGEST_HINT = 64  # numbers of a constant that may state a shape


def is_plain(proto: onnx.NodeProto) -> bool:
    """Whether the node gives the same numbers every time, and nothing but its inputs enters."""
    has_graphs = any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in proto.attribute)
    return proto.domain in ("", "ai.onnx", ML) and proto.op_type not in RANDOM_OPERATORS and not has_graphs


def empty_results(
    proto: onnx.NodeProto, inputs: Sequence[Value | None], opsets: dict[str, int], title: str
) -> list[Array] | None:
    """The node's outputs where an input without elements makes all of them so; None where not.

    The core has no tensors without elements.
    """
    if not any(isinstance(value, np.ndarray) and value.size == 0 for value in inputs):
        return None
    named = {name: value for name, value in zip(proto.input, inputs, strict=True) if name and value is not None}
    if any(isinstance(value, Tensors) for value in named.values()) or not is_plain(proto):
        return None
    arrays = {name: value for name, value in named.items() if isinstance(value, np.ndarray)}
    types = {name: value_type(value, onnx.TensorProto.DOUBLE) for name, value in named.items()}
    found = [result.tensor_type for result in inferred(proto, types, arrays, opsets).values()]
    shapes = [[dim.dim_value if dim.HasField("dim_value") else -1 for dim in result.shape.dim] for result in found]
    if not found or any(0 not in shape or -1 in shape for shape in shapes):
        return None
    for shape in shapes:
        check_result(shape, title)
    dtypes = [tensor_dtype_to_np_dtype(result.elem_type) for result in found]
    arrays_by_name = dict(zip([name for name in proto.output if name], map(np.zeros, shapes, dtypes), strict=False))
    return [arrays_by_name.get(name, np.empty(0)) for name in proto.output]


def inferred(
    proto: onnx.NodeProto, types: dict[str, onnx.TypeProto], given: dict[str, Array], opsets: dict[str, int]
) -> dict[str, onnx.TypeProto]:
    """Types and shapes of the node's results by the standard's own inference; nothing where that fails.

    Parameters
    ----------
    types, given
        The types of all inputs, and the numbers of the constant ones.
    """
    hints = {name: numpy_helper.from_array(array) for name, array in given.items() if array.size <= LARGEST_HINT}
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    imports = [helper.make_opsetid(name, version) for name, version in opsets.items()]
    try:
        schema = onnx.defs.get_schema(proto.op_type, opsets[domain], domain)
        return dict(infer_node_outputs(schema, proto, types, hints, opset_imports=imports))
    except Exception:  # whoever evaluates or converts the node will say what is wrong
        return {}
