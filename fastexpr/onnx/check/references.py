"""What the usual operators give, by NumPy, in double: the standard's formulas, for the check of an import.

ONNX's reference evaluator is built anew for each model and takes a millisecond for a pooling of ten numbers; most nodes
of most models are no more than a line of NumPy. Nothing here is used to convert a model, and nothing of the converters
or of the core is used here. Who disagrees with it is judged once more, by others (`check`), so an error here costs time
and accuses nobody. A setting that is not here gives None, and other judges have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
from onnx import AttributeProto, NodeProto

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.check.moves import (
    constant_of_shape,
    dropout,
    flatten,
    gather,
    pad,
    reshape,
    shape_of,
    sliced,
    split,
    squeeze,
    unsqueeze,
)
from fastexpr.onnx.check.node import Reference, ReferenceNode
from fastexpr.onnx.check.numbers import (
    BINARY,
    UNARY,
    binary,
    cast,
    clip,
    logical,
    remainder,
    unary,
    variadic,
)
from fastexpr.onnx.check.sums import (
    REDUCTIONS,
    attention,
    batch_normalization,
    gemm,
    instance_normalization,
    layer_normalization,
    log_softmax,
    over_image,
    reduction,
    rms_normalization,
    softmax,
)
from fastexpr.onnx.check.trees import tree_classifier, tree_ensemble, tree_regressor
from fastexpr.onnx.check.windows import average_pool, convolution, lp_pool, max_pool, transposed_convolution
from fastexpr.onnx.node import attribute_value, default_attributes, is_long, operator_domain
from fastexpr.onnx.registry import ML
from fastexpr.onnx.wire import list_array


def by_numpy(proto: NodeProto, opset: int, tensors: Mapping[str, Array]) -> list[Array | None] | None:
    """The node's outputs; None where they are not known here."""
    domain, name = operator_domain(proto), str(proto.op_type)
    found = REFERENCES.get((domain, name))
    if found is None or getattr(proto, "metadata_props", None):  # attributes in double: others read them
        return None
    try:
        inputs = [tensors[given] if given else None for given in proto.input]
        attributes = default_attributes(name, opset, domain)
        if proto.attribute:
            attributes = attributes | {
                entry.name: long_list(entry) if is_long(entry) else attribute_value(entry) for entry in proto.attribute
            }
        result = found(ReferenceNode(inputs, attributes, opset))
    except Exception:  # damaged nodes, whatever they are
        return None
    if result is None:
        return None
    results = [*result] if isinstance(result, tuple) else [result]
    known = [array is not None for array in results] + [False] * len(proto.output)
    if any(output in tensors and not known[k] for k, output in enumerate(proto.output)):
        return None
    return [array for array, output in zip(results, proto.output, strict=False) if output]


def long_list(attribute: AttributeProto) -> Sequence[bytes] | Array | None:
    """Numbers as an array, texts as they are."""
    return attribute.strings if attribute.type == AttributeProto.STRINGS else list_array(attribute)


STANDARD: dict[str, Reference] = {
    **{name: unary(function) for name, function in UNARY.items()},
    **{name: binary(function) for name, function in BINARY.items()},
    **{name: reduction(function) for name, function in REDUCTIONS.items()},
    "Sum": variadic(np.add), "Max": variadic(np.maximum), "Min": variadic(np.minimum),
    "Mean": lambda node: np.asarray(reduce(np.add, node.inputs) / len(node.inputs)), "Mod": remainder,
    "Equal": logical(np.equal), "Less": logical(np.less), "LessOrEqual": logical(np.less_equal),
    "Greater": logical(np.greater), "GreaterOrEqual": logical(np.greater_equal), "Not": logical(np.logical_not),
    "And": logical(np.logical_and), "Or": logical(np.logical_or), "Xor": logical(np.logical_xor),
    "Where": lambda node: np.where(*node.inputs),
    "Clip": clip, "Cast": cast, "Dropout": dropout,
    "MatMul": lambda node: np.asarray(np.matmul(*node.inputs)), "Gemm": gemm,
    "Softmax": softmax, "LogSoftmax": log_softmax, "BatchNormalization": batch_normalization,
    "InstanceNormalization": instance_normalization, "LayerNormalization": layer_normalization,
    "RMSNormalization": rms_normalization, "Attention": attention,
    "Conv": convolution, "ConvTranspose": transposed_convolution,
    "MaxPool": max_pool, "AveragePool": average_pool, "LpPool": lp_pool,
    "GlobalAveragePool": over_image(np.mean), "GlobalMaxPool": over_image(np.max),
    "Identity": lambda node: node.inputs[0], "Reshape": reshape, "Flatten": flatten,
    "Unsqueeze": unsqueeze, "Squeeze": squeeze, "Split": split, "Slice": sliced, "Gather": gather, "Pad": pad,
    "Shape": shape_of,
    "ConstantOfShape": constant_of_shape, "Size": lambda node: np.array(node.inputs[0].size, np.int64),
    "CastLike": lambda node: np.asarray(node.inputs[0].astype(node.inputs[1].dtype)),
    "Range": lambda node: np.arange(*(number.reshape(-1)[0] for number in node.inputs)),
    "Transpose": lambda node: np.transpose(node.inputs[0], node.attributes["perm"]),
    "Concat": lambda node: np.concatenate(node.inputs, axis=node.attributes["axis"]),
    "Expand": lambda node: node.inputs[0] * np.ones(node.inputs[1].tolist(), node.inputs[0].dtype),
    "Tile": lambda node: np.tile(node.inputs[0], node.inputs[1]) if node.opset >= 6 else None,
}  # fmt: skip
TREES: dict[str, Reference] = {
    "TreeEnsembleRegressor": tree_regressor, "TreeEnsembleClassifier": tree_classifier,
    "TreeEnsemble": tree_ensemble,
}  # fmt: skip
REFERENCES = {("", name): found for name, found in STANDARD.items()}
REFERENCES |= {(ML, name): found for name, found in TREES.items()}
