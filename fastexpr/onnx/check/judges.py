"""What an import is checked by: single nodes as a model in double precision; which evaluator is to be trusted."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.definitions import has_definition
from fastexpr.onnx.folding import FOLDED
from fastexpr.onnx.node import exact_attributes, operator_domain
from fastexpr.onnx.ordering import reads
from fastexpr.onnx.registry import ML, find_converter
from fastexpr.onnx.signatures import MICROSOFT

LARGE = 2**17  # bytes of trees
MANY = 500  # nodes of all steps
LONGEST = 2**12  # nodes of one tree, half of which may be one below the other
NARROW = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
TYPE_ATTRIBUTES = {"to", "dtype", "output_datatype", "output_dtype", "softmax_precision"}

#: Operators that the reference evaluator computes otherwise than the standard says, before this operator set or always:
#: it evaluates old versions by newer definitions, and lacks some settings without a word.
WRONG: dict[str, float] = {
    "Softmax": 13, "LogSoftmax": 13, "Hardmax": 13, "BatchNormalization": 14, "DequantizeLinear": 19, "Dropout": 7,
    "Reshape": 5, "Resize": 11,
    "LpNormalization": np.inf, "MeanVarianceNormalization": np.inf, "LpPool": np.inf, "ConvTranspose": np.inf,
    "LRN": np.inf, "Upsample": np.inf, "SVMClassifier": np.inf, "GlobalMaxPool": np.inf, "GlobalLpPool": np.inf,
    "Scatter": np.inf, "RoiAlign": 16,
}  # fmt: skip
#: Operators that it rounds to float32 in between.
ROUNDED = {
    "Erf", "Celu", "Gelu", "GroupNormalization", "Resize", "GridSample", "AffineGrid", "Attention",
    "DeformConv",
}  # fmt: skip
#: What it reads past in recurrent operators, and the activations that it has.
UNREAD = ("activation_alpha", "activation_beta", "clip", "input_forget")
ACTIVATIONS = {"RNN": [b"Tanh"], "GRU": [b"Sigmoid", b"Tanh"], "LSTM": [b"Sigmoid", b"Tanh", b"Tanh"]}
STRETCHED = {"Add", "Sub", "Mul", "Div", "Pow"}
#: Operators whose settings decide.
WRONG_BY_SETTING = {
    *ACTIVATIONS, *STRETCHED, "ReduceL1", "ReduceL2", "ScatterElements", "Conv", "MaxPool", "AveragePool", "GridSample",
    "Attention",
}  # fmt: skip


def is_wrong(node: NodeProto, opsets: Mapping[str, int]) -> bool:
    """Whether the reference evaluator, in a version that may be installed (1.15 to 1.23), is known to compute something
    else than the standard says.
    """
    if opsets.get(operator_domain(node), 1) < WRONG.get(node.op_type, 0):
        return True
    if node.op_type not in WRONG_BY_SETTING:
        return False
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    if node.op_type in ACTIVATIONS:
        own = ACTIVATIONS[node.op_type]
        is_plain = attributes.get("activations", own) in ([], own, own * 2) and not (node.input[4:5] or [""])[0]
        return not is_plain or any(attributes.get(name) for name in UNREAD)
    if node.op_type in STRETCHED:
        return "broadcast" in attributes
    if node.op_type in ("ReduceL1", "ReduceL2"):
        return bool(attributes.get("noop_with_empty_axes"))
    if node.op_type == "ScatterElements":
        return bool(attributes.get("reduction", b"none") != b"none")
    if node.op_type in ("Conv", "MaxPool", "AveragePool"):
        return attributes.get("auto_pad", b"NOTSET") != b"NOTSET" or bool(attributes.get("ceil_mode"))
    if node.op_type == "GridSample":
        return b"cubic" in attributes.get("mode", b"")
    return node.op_type == "Attention" and bool(attributes.get("softcap") or attributes.get("scale"))


def is_rounded(node: NodeProto) -> bool:
    """Whether the reference evaluator is known to compute in float32 in between, or has attributes in float32 only."""
    return node.op_type in ROUNDED or node.domain in (ML, MICROSOFT) or bool(exact_attributes(node))


def is_large_forest(node: NodeProto) -> bool:
    """Whether the node holds so many decision trees that the reference evaluator is slow, and none of them is so long
    that ONNX Runtime, which comes down trees by recursion, would run out of stack.
    """
    if node.op_type not in ("TreeEnsembleClassifier", "TreeEnsembleRegressor") or node.ByteSize() < LARGE:
        return False
    ids = next((list(entry.ints) for entry in node.attribute if entry.name == "nodes_treeids"), [])
    _, sizes = np.unique(np.array(ids, np.int64), return_counts=True)
    return bool(sizes.max(initial=0) <= LONGEST)


def makes_many_steps(node: NodeProto, tensors: Mapping[str, Array]) -> bool:
    """Whether it is a Scan over so many steps that the reference evaluator is slow."""
    if node.op_type != "Scan" or node.input[-1] not in tensors:
        return False
    n_nodes = sum(len(entry.g.node) for entry in node.attribute)
    return n_nodes * max(tensors[node.input[-1]].shape, default=0) > MANY


def can_be_judged(node: NodeProto) -> bool:
    """Whether nothing runs in it, or in graphs inside of it, that is not evaluated on import, either."""
    is_known = is_readable(node.op_type, operator_domain(node)) or has_definition(node)
    return is_known and all(can_be_judged(inner) for attribute in node.attribute for inner in attribute.g.node)


@cache
def is_readable(name: str, domain: str) -> bool:
    """Whether a converter or folding knows the operator."""
    return find_converter(name, 10**6, domain) is not None or name in FOLDED


def needs_own(name: str) -> str:
    """What our value of a tensor is called beside the judge's."""
    return f"given {name}"


def model_in_double(
    nodes: Sequence[NodeProto], tensors: Mapping[str, Array], opsets: Mapping[str, int]
) -> tuple[onnx.ModelProto, list[str]]:
    """A model of these nodes, each with our values as inputs, whose floats are all double; and names of its outputs."""
    graph = GraphProto(name="check")
    for node in nodes:
        copy = graph.node.add()
        copy.CopyFrom(node)
        widen_node(copy)
        for k, name in enumerate(copy.input):
            if name in tensors:
                copy.input[k] = needs_own(name)
        if node.op_type == "Loop" and len(node.input) > 1 and not node.input[1]:  # the evaluator would run no step
            graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
            copy.input[1] = "true"
    names = [name for node in nodes for name in node.output if name]
    given = {name for node in nodes for name in reads(node) if name in tensors}
    for name in given:
        graph.input.add(name=needs_own(name))
    for name in names:
        graph.output.add(name=name)
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    return onnx.ModelProto(ir_version=8, graph=graph, opset_import=imports), names


def widen_node(node: NodeProto) -> None:
    """Every float type and every tensor of floats that the node states becomes double."""
    for attribute in node.attribute:
        if attribute.name in TYPE_ATTRIBUTES and attribute.type == AttributeProto.INT and attribute.i in NARROW:
            attribute.i = TensorProto.DOUBLE
        elif attribute.type == AttributeProto.TENSOR:
            widen_tensor(attribute.t)
        elif node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
            numbers = np.array(helper.get_attribute_value(attribute), np.float64)
            attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(numbers)))
        elif attribute.type == AttributeProto.GRAPH:
            for inner in attribute.g.node:
                widen_node(inner)
            for tensor in attribute.g.initializer:
                widen_tensor(tensor)
            for info in [*attribute.g.input, *attribute.g.output, *attribute.g.value_info]:
                if info.type.tensor_type.elem_type in NARROW:
                    info.type.tensor_type.elem_type = TensorProto.DOUBLE


def widen_tensor(tensor: TensorProto) -> None:
    """The tensor in double, if it holds floats."""
    if tensor.data_type in NARROW:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


# ---- ONNX Runtime


def evaluate_by_runtime(node: NodeProto, given: dict[str, Any], opsets: Mapping[str, int]) -> list[Array] | None:
    """The node's outputs by ONNX Runtime, in double, or else in float32; None where it is not installed or cannot."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    for dtype in (np.float64, np.float32):
        try:
            model = runtime_model(node, given, opsets, dtype)
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
            feeds = {entry.name: in_type(given[entry.name], dtype) for entry in session.get_inputs()}
            return [np.asarray(output) for output in session.run(None, feeds)]
        except Exception:  # it raises what it likes, mostly for an operator that it lacks in double
            continue
    return None


def runtime_model(node: NodeProto, given: dict[str, Any], opsets: Mapping[str, int], dtype: Any) -> onnx.ModelProto:
    """The node as a model with typed inputs."""
    own = {domain: version for domain, version in opsets.items() if domain in ("", node.domain)}
    model, _ = model_in_double([node], given, own)
    if dtype == np.float32:
        model.graph.node[0].CopyFrom(node)
        for k, name in enumerate(node.input):
            if name in given:
                model.graph.node[0].input[k] = needs_own(name)
    del model.graph.input[:]
    for name in dict.fromkeys(name for name in model.graph.node[0].input if name in given):
        array = in_type(given[name], dtype)
        model.graph.input.append(
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        )
    return model


def in_type(array: Array, dtype: Any) -> Array:
    """Floats in this type; all else as it is."""
    return array.astype(dtype) if array.dtype.kind == "f" else array
