"""Evaluates nodes whose inputs are all constant, by ONNX's own reference implementation of the one node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx.helper import tensor_dtype_to_np_dtype
from onnx.reference import ReferenceEvaluator

from fastexpr.errors import OnnxError
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import Tensors, Value
from fastexpr.onnx.corrections import corrected_operators
from fastexpr.onnx.definitions import value_type
from fastexpr.onnx.registry import ML
from fastexpr.onnx.sizes import check_fold, check_result, inferred

#: Of nodes that are evaluated several times, by their place in memory, which is kept.
Evaluators = dict[int, tuple[onnx.NodeProto, ReferenceEvaluator]]

RANDOM_OPERATORS = {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}


def can_fold(proto: onnx.NodeProto) -> bool:
    """Whether the node gives the same numbers every time, and nothing but its inputs enters."""
    is_plain = all(a.type not in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in proto.attribute)
    return proto.domain in ("", "ai.onnx", ML) and proto.op_type not in RANDOM_OPERATORS and is_plain


def empty_results(
    proto: onnx.NodeProto, inputs: Sequence[Value | None], opsets: dict[str, int], title: str
) -> list[Array] | None:
    """The node's outputs where an input without elements makes all of them so; None where not.

    The core has no tensors without elements, and the reference implementation computes with few of them.
    """
    named = {name: value for name, value in zip(proto.input, inputs, strict=True) if name and value is not None}
    if not any(isinstance(value, np.ndarray) and value.size == 0 for value in named.values()):
        return None
    if any(isinstance(value, Tensors) for value in named.values()) or not can_fold(proto):
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


def fold(
    proto: onnx.NodeProto,
    inputs: list[Array | None],
    opsets: dict[str, int],
    title: str,
    evaluators: Evaluators | None = None,
) -> list[Array]:
    """The node's outputs, computed in double precision. Evaluators of nodes that come again are kept in `evaluators`.

    Raises OnnxError where the reference implementation cannot evaluate the node.
    """
    check_fold(proto, inputs, opsets, title)
    wide = [widen(array) for array in inputs]
    feeds = {name: array for name, array in zip(proto.input, wide, strict=True) if name and array is not None}
    try:
        with np.errstate(all="ignore"):
            evaluator = (evaluators or {}).get(id(proto), (proto, None))[1] or node_evaluator(proto, opsets)
            if evaluators is not None:
                evaluators[id(proto)] = (proto, evaluator)
            results = iter(evaluator.run(None, feeds))
    except Exception as error:  # the reference implementation raises what it likes
        raise OnnxError(
            f"{title} has constant inputs only and could not be evaluated: {error}. Export the model with constant "
            "folding."
        ) from error
    return [np.asarray(next(results)) if name else np.empty(0) for name in proto.output]


def node_evaluator(proto: onnx.NodeProto, opsets: dict[str, int]) -> ReferenceEvaluator:
    """ONNX's evaluator of this one node."""
    names = [name for name in proto.input if name]
    graph = onnx.helper.make_graph(
        [proto], "constant", [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in dict.fromkeys(names)],
        [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in proto.output if name],
    )  # fmt: skip
    return ReferenceEvaluator(graph, opsets=opsets, new_ops=corrected_operators(opsets.get("", 1)))


def widen(array: Array | None) -> Array | None:
    """Floats in double; integers and bools as they are."""
    return array.astype(np.float64) if array is not None and array.dtype.kind == "f" else array
