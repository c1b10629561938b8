"""Small ONNX models for tests, and what they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_corrections import corrected_operators

Array = NDArray[Any]
Ports = dict[str, Sequence[Any]]


def make_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Ports,
    outputs: Sequence[str],
    weights: dict[str, Array] | None = None,
    opset: int = 20,
    dtype: Any = np.float64,
) -> onnx.ModelProto:
    """A model; float weights take the type of the model, integers stay."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    tensors = [
        numpy_helper.from_array(array.astype(dtype) if array.dtype.kind == "f" else array, name)
        for name, array in (weights or {}).items()
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def mlp(widths: Sequence[int] = (4, 8, 3), dtype: Any = np.float32, activation: str = "Tanh") -> onnx.ModelProto:
    """Gemm and activation in turn, with a dynamic batch."""
    random = np.random.default_rng(0)
    nodes, weights, x = [], {}, "x"
    for k, (n_in, n_out) in enumerate(pairwise(widths)):
        weights |= {f"W{k}": random.normal(size=(n_out, n_in)), f"b{k}": random.normal(size=n_out)}
        y = f"z{k}" if k < len(widths) - 2 else "y"
        nodes.append(helper.make_node("Gemm", [x, f"W{k}", f"b{k}"], [y], f"fc{k}", transB=1))
        if y != "y":
            nodes.append(helper.make_node(activation, [y], [f"a{k}"], f"act{k}"))
        x = f"a{k}"
    return make_model(nodes, {"x": ["batch", widths[0]]}, ["y"], weights, 17, dtype)


def evaluate(model: onnx.ModelProto, feeds: dict[str, Array]) -> Array:
    """All outputs by ONNX's reference evaluator, flattened and joined."""
    evaluator = ReferenceEvaluator(model, new_ops=corrected_operators(model.opset_import[0].version))
    with np.errstate(all="ignore"):
        outputs = evaluator.run(None, feeds)
    return np.concatenate([np.asarray(output, np.float64).reshape(-1) for output in outputs])


def distance(a: Array, b: Array) -> float:
    """max|a - b| / max|b|; 0 where both are 0."""
    assert a.shape == b.shape
    difference = float(np.abs(a - b).max(initial=0.0))
    return difference and difference / float(np.abs(b).max())


def is_double(model: onnx.ModelProto) -> bool:
    """Whether the first input is double."""
    return bool(model.graph.input[0].type.tensor_type.elem_type == TensorProto.DOUBLE)
