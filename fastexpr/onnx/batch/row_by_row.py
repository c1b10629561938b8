"""Models that are seen to work row by row from their operators alone: rows are the first axis of every tensor, and no
operator looks across them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import onnx

from fastexpr.onnx.handle import Handle
from fastexpr.onnx.importer import Importer
from fastexpr.onnx.node import operator_domain
from fastexpr.onnx.ordering import WITH_GRAPHS
from fastexpr.onnx.registry import ML

#: Numbers of a tensor of integers; None is the number of rows.
Lengths = list[int | None]
#: Whether a node works row by row, where its inputs that depend on x have rows along axis 0: from its attributes, its
#: inputs, those among them that depend on x, and the shape of its result for one row.
Rule = Callable[[dict[str, Any], Sequence[Any], Sequence[bool], tuple[int, ...]], bool]

SETTINGS = {"broadcast", "training_mode", "axis", "transA", "shape", "allowzero"}  # that rules read


def is_row_by_row(importer: Importer) -> bool:
    """Whether that can be seen; False says nothing."""
    values, rows = importer.values, {port.name for port in importer.inputs if port.batch_axes == (0,)}
    lengths: dict[str, Lengths] = {}  # tensors of lengths, among them the number of rows
    for position in importer.order:
        node = importer.nodes[position]
        inputs: list[Any] = [
            values.get(name, importer.model.weights.get(name)) if name else None for name in node.input
        ]
        depends = [isinstance(value, Handle) for value in inputs]
        if node.op_type == "Shape" and node.input[0] in rows and not node.attribute:
            lengths[node.output[0]] = [None, *inputs[0].shape[1:]]
            continue
        if node.op_type in WITH_GRAPHS:  # they read more than their inputs
            return False
        if not lengths.keys().isdisjoint(node.input):
            result = values.get(node.output[0])
            if keeps_first_axis(node, rows, lengths) and isinstance(result, Handle) and result.shape[:1] == (1,):
                rows.add(node.output[0])
                continue
            found = None if any(depends) else moved_lengths(node, inputs, lengths)
            if found is None:
                return False
            lengths[node.output[0]] = found
            continue
        if not any(depends):
            continue
        rule = RULES.get(node.op_type) if operator_domain(node) in ("", ML) else None
        results: list[Any] = [values[name] for name in node.output if isinstance(values.get(name), Handle)]
        if rule is None or not all(name in rows for name, own in zip(node.input, depends, strict=True) if own):
            return False
        attributes = {
            entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute if entry.name in SETTINGS
        }
        if not results or not rule(attributes, inputs, depends, results[0].shape):
            return False
        rows.update(node.output)
    return all(output.source in rows for output in importer.outputs)


def keeps_first_axis(node: onnx.NodeProto, rows: Container[str], lengths: Mapping[str, Lengths]) -> bool:
    """Whether it is a Reshape of rows to a shape that begins with their number."""
    target = lengths.get(node.input[1]) if node.op_type == "Reshape" else None
    return node.input[0] in rows and bool(target) and target[0] is None and None not in target[1:]  # type: ignore[index]


def moved_lengths(node: onnx.NodeProto, inputs: Sequence[Any], lengths: Mapping[str, Lengths]) -> Lengths | None:
    """The result of a node that picks or joins lengths; None of any other."""
    first = lengths.get(node.input[0])
    if node.op_type in ("Cast", "Identity", "Squeeze", "Unsqueeze"):
        return first
    if node.op_type == "Gather" and first is not None and node.input[1] not in lengths:
        return [first[k] for k in inputs[1].reshape(-1)]
    if node.op_type == "Concat":
        parts = [lengths.get(name, value) for name, value in zip(node.input, inputs, strict=True)]
        return [length for part in parts for length in (part if isinstance(part, list) else part.reshape(-1).tolist())]
    return None


def of_numbers(
    attributes: dict[str, Any], inputs: Sequence[Any], depends: Sequence[bool], shape: tuple[int, ...]
) -> bool:
    """Number by number, with settings that are one number."""
    return depends[0] and all(value is None or value.size == 1 for value in inputs[1:] if not isinstance(value, Handle))


def of_broadcast(
    attributes: dict[str, Any], inputs: Sequence[Any], depends: Sequence[bool], shape: tuple[int, ...]
) -> bool:
    """Tensors of equal rank, and constants that are the same for every row."""
    return not attributes.get("broadcast") and all(
        len(value.shape) == len(shape) and bool(shape) if own else len(value.shape) < len(shape) or value.shape[0] == 1
        for value, own in zip(inputs, depends, strict=True)
    )


def of_first_input(
    attributes: dict[str, Any], inputs: Sequence[Any], depends: Sequence[bool], shape: tuple[int, ...]
) -> bool:
    """Row by row of input 0, everything else being constant: images, records."""
    return depends[0] and not any(depends[1:]) and len(inputs[0].shape) > 1 and not attributes.get("training_mode")


def of_axis(default: int) -> Rule:
    """Along an axis that is another than the first."""

    def rule(
        attributes: dict[str, Any], inputs: Sequence[Any], depends: Sequence[bool], shape: tuple[int, ...]
    ) -> bool:
        rank = len(inputs[0].shape)
        axis = attributes.get("axis", default)
        return of_first_input(attributes, inputs, depends, shape) and (axis + rank if axis < 0 else axis) > 0

    return rule


def of_gemm(attributes: dict[str, Any], inputs: Sequence[Any], depends: Sequence[bool], shape: tuple[int, ...]) -> bool:
    """x W + b."""
    bias = inputs[2] if len(inputs) > 2 else None
    is_shared = bias is None or len(bias.shape) < 2 or bias.shape[0] == 1
    return of_first_input(attributes, inputs, depends, shape) and not attributes.get("transA") and is_shared


def of_matmul(
    attributes: dict[str, Any], inputs: Sequence[Any], depends: Sequence[bool], shape: tuple[int, ...]
) -> bool:
    """x W."""
    return of_first_input(attributes, inputs, depends, shape) and len(inputs[1].shape) == 2


def of_reshape(
    attributes: dict[str, Any], inputs: Sequence[Any], depends: Sequence[bool], shape: tuple[int, ...]
) -> bool:
    """To a shape that says nothing of the first axis, or that it stays."""
    target = attributes["shape"] if "shape" in attributes else inputs[1].reshape(-1)
    first = target[0] if len(target) else 1
    return depends[0] and shape[:1] == (1,) and (first == -1 or (first == 0 and not attributes.get("allowzero")))


def of_concat(
    attributes: dict[str, Any], inputs: Sequence[Any], depends: Sequence[bool], shape: tuple[int, ...]
) -> bool:
    """Along another axis than the first."""
    axis = attributes.get("axis", 1)
    return all(depends) and len(shape) > 1 and (axis + len(shape) if axis < 0 else axis) > 0


NUMBERS = (
    "Abs Acos Acosh Asin Asinh Atan Atanh Cast Ceil Celu Clip Cos Cosh Dropout Elu Erf Exp Floor Gelu HardSigmoid "
    "HardSwish Identity LeakyRelu Log Mish Neg Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus "
    "Softsign Sqrt Tan Tanh ThresholdedRelu"
)
BROADCASTS = "Add Sub Mul Div Pow PRelu Max Min Sum Mean"
RECORDS = (
    "Conv ConvTranspose BatchNormalization InstanceNormalization LRN MaxPool AveragePool LpPool GlobalAveragePool "
    "GlobalMaxPool GlobalLpPool LinearRegressor LinearClassifier SVMRegressor SVMClassifier TreeEnsembleRegressor "
    "TreeEnsembleClassifier Scaler Normalizer"
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(NUMBERS.split(), of_numbers),
    **dict.fromkeys(BROADCASTS.split(), of_broadcast),
    **dict.fromkeys(RECORDS.split(), of_first_input),
    "Softmax": of_axis(1),
    "LogSoftmax": of_axis(1),
    "LayerNormalization": of_axis(-1),
    "Flatten": of_axis(1),
    "Gemm": of_gemm,
    "MatMul": of_matmul,
    "Reshape": of_reshape,
    "Concat": of_concat,
}
