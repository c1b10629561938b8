"""Evaluates nodes whose inputs are all constant, by ONNX's own reference implementation of the one node."""

from __future__ import annotations

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from fastexpr.errors import OnnxError
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.corrections import corrected_operators
from fastexpr.onnx.registry import ML
from fastexpr.onnx.sizes import check_fold

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
