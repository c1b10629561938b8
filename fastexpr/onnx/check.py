"""Compares an imported function with ONNX's own evaluator at one point."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ml_dtypes import bfloat16
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.helper import tensor_dtype_to_np_dtype
from onnx.reference import ReferenceEvaluator

from fastexpr._core import Function, Operator
from fastexpr.errors import OnnxError
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import Handle
from fastexpr.onnx.corrections import corrected_operators
from fastexpr.onnx.importer import Importer
from fastexpr.onnx.node import node_title
from fastexpr.onnx.ports import Output
from fastexpr.onnx.registry import ML

LARGEST_NODE_COUNT = 2000  # the evaluator spends up to 0.3 ms on a node before it computes
LARGEST_OPERATION_COUNT = 5e7
SLOWNESS = 25  # an element of Erf or Gelu takes the evaluator a microsecond
LARGEST_FILE = 2**25  # bytes of weights that are read a second time without being asked
SMALLEST = float(np.finfo(np.float32).smallest_normal)
TOLERANCE = {TensorProto.FLOAT: 1e-4, TensorProto.DOUBLE: 1e-9, TensorProto.FLOAT16: 1e-2, TensorProto.BFLOAT16: 3e-2}
QUANTIZED_TOLERANCE = 3e-2  # rounding to integers goes the other way where float32 and double differ
#: Where a part of the model computes in 16 bits, the evaluator rounds there: to 11 bits, or 8; some ten roundings.
HALF_TOLERANCE = {np.dtype(np.float16): 1e-2, np.dtype(bfloat16): 3e-2}


def is_cheap(importer: Importer) -> bool:
    """Whether the comparison takes less than a second, by a rough count."""
    if len(importer.proto.graph.node) > LARGEST_NODE_COUNT:
        return False
    if sum(array.nbytes for array in importer.model.weights.values()) > LARGEST_FILE:
        return False
    operations = 0.0
    for operator, _, _ in importer.graph.nodes:
        size = math.prod(operator.shape)
        operations += 2.0 * size * terms_of_sum(operator)
    return operations <= LARGEST_OPERATION_COUNT


def terms_of_sum(operator: Operator) -> int:
    """How many products make up one number of the output, or as many as it takes as long."""
    if operator.name == "Linear":
        return int(operator.input_shapes[0][operator.attributes["axis"]])
    return max(math.prod(operator.constants[0].shape[1:]), SLOWNESS) if operator.name == "Conv" else SLOWNESS


def compare(importer: Importer, function: Function, must: bool) -> None:
    """Refuses the import where the two disagree.

    The point is random, but the same every time: uniform in [-1, 1], or in [0.1, 1] where that gives no finite numbers.
    Without `must`, a model that ONNX's evaluator cannot evaluate at all passes.

    Raises
    ------
    OnnxError
        Where they differ by more than 1e-4 max|y| (float32) or 1e-9 max|y| (double), or, where a part is computed in 16
        bits, 1e-2 (float16) or 3e-2 (bfloat16), naming the first node that does.
    """
    kinds = [port.data_type for port in importer.inputs]
    kinds += [TensorProto.FLOAT for node in importer.proto.graph.node if node.domain == ML]  # it computes these so
    tolerance = max(TOLERANCE[kind] for kind in kinds)
    if any(operator.name == "Quantize" for operator, _, _ in importer.graph.nodes):
        tolerance = QUANTIZED_TOLERANCE
    expected: list[Array] = []
    sources = [output.source for output in importer.outputs]
    try:
        evaluator = ReferenceEvaluator(
            importer.model.complete_proto(), new_ops=corrected_operators(importer.model.opsets.get("", 1))
        )
        for lower in (-1.0, 0.1):
            feeds = random_point(importer, lower)
            with np.errstate(all="ignore"):
                expected = [np.asarray(array, np.float64) for array in evaluator.run(sources, feeds)]
            if all(np.isfinite(array).all() for array in expected):
                break
    except Exception as error:  # the evaluator raises what it likes
        if must:
            raise OnnxError(
                f"ONNX's reference evaluator cannot evaluate the model, so the import is unchecked: {error}. Load it "
                "with check=None."
            ) from error
        return
    got = function(joined(importer, feeds))
    difference = distance(got, np.concatenate([array.reshape(-1) for array in expected]))
    if difference > tolerance:
        tolerance = max(tolerance, half_tolerance(importer, evaluator, feeds))
    if difference > tolerance:
        raise OnnxError(
            f"The imported model differs from ONNX's reference evaluator by {difference:.2e} of max|y|, expected at "
            f"most {tolerance:.0e}.{first_difference(importer, evaluator, feeds, tolerance)} Load with check=False to "
            "go on all the same, and please report it."
        )


def half_tolerance(importer: Importer, evaluator: Any, feeds: dict[str, Array]) -> float:
    """What a difference may be because tensors that depend on x are computed in 16 bits; 0 where none is."""
    with np.errstate(all="ignore"):
        results = evaluator.run(None, feeds, intermediate=True)
    computed = (name for name, value in importer.values.items() if isinstance(value, Handle) and name in results)
    return max((HALF_TOLERANCE.get(np.asarray(results[name]).dtype, 0.0) for name in computed), default=0.0)


def random_point(importer: Importer, lower: float) -> dict[str, Array]:
    """One array per input, of its type: numbers that float32 can hold, or what is fixed."""
    random = np.random.default_rng(0)
    return importer.beside_x | {
        port.name: random.uniform(lower, 1.0, port.shape)
        .astype(np.float32)
        .astype(tensor_dtype_to_np_dtype(port.data_type))
        for port in importer.inputs
    }


def joined(importer: Importer, feeds: dict[str, Array]) -> NDArray[np.float64]:
    """The point as one vector."""
    return np.concatenate([feeds[port.name].reshape(-1) for port in importer.inputs]).astype(np.float64)


def distance(a: Array, b: Array) -> float:
    """max|a - b| / max|b| over the numbers of b that are finite; infinite where a is not finite there. Numbers that
    float32 rounds to 0 are 0: a saturated Sigmoid gives 1e-87 in double precision.
    """
    if a.shape != b.shape:
        return math.inf
    finite = np.isfinite(b)
    if not finite.any():
        return 0.0
    scale = float(np.abs(b[finite]).max())
    error = float(np.abs(a[finite] - b[finite]).max())
    return 0.0 if error < SMALLEST else error / scale if scale > 0 and math.isfinite(error) else math.inf


def first_difference(importer: Importer, evaluator: Any, feeds: dict[str, Array], tolerance: float) -> str:
    """A sentence that names the first node with another result; empty where none is found."""
    with np.errstate(all="ignore"):
        results = evaluator.run(None, feeds, intermediate=True)
    for position in importer.order:
        node = importer.proto.graph.node[position]
        for name in node.output:
            value = importer.values.get(name)
            if isinstance(value, Handle) and name in results:
                got = importer.function_of([Output(name, name)])(joined(importer, feeds))
                if distance(got, np.asarray(results[name], np.float64).reshape(-1)) > tolerance:
                    return f" The first node that differs is {node_title(node, position)}."
    return ""
