"""How much a model may ask for: a file of some bytes can name tensors that no memory holds."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.shape_inference import infer_node_outputs

from fastexpr.errors import OnnxError, ShapeError

Array = NDArray[Any]

LARGEST_TENSOR = 2**23  # numbers that an operator may make out of fewer
LARGEST_PORTS = 2**22  # numbers in all inputs, or in all outputs: each has a name
LARGEST_CONSTANTS = 2**26  # bytes of constants that are computed, beside some times those of the weights
LARGEST_GROWTH = 4
LARGEST_HINT = 64  # numbers of a constant that may state a shape
HIGHEST_RANK = 32


def check_result(shape: Sequence[int], title: str, given: int = 0) -> None:
    """Refuses a tensor that no memory holds, where `given` numbers are there already."""
    if math.prod(shape) > max(LARGEST_TENSOR, given) or len(shape) > HIGHEST_RANK:
        raise ShapeError(
            f"{title} would give the shape {tuple(shape)}, expected at most {LARGEST_TENSOR} numbers and "
            f"{HIGHEST_RANK} axes. Export the model again."
        )


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


def check_fold(proto: onnx.NodeProto, inputs: Sequence[Array | None], opsets: dict[str, int], title: str) -> None:
    """Refuses to evaluate a node of constants whose results no memory holds."""
    given = {name: array for name, array in zip(proto.input, inputs, strict=True) if name and array is not None}
    types = {
        name: helper.make_tensor_type_proto(int(helper.np_dtype_to_tensor_dtype(array.dtype)), array.shape)
        for name, array in given.items()
    }
    total = sum(array.size for array in given.values())
    for result in inferred(proto, types, given, opsets).values():
        check_result([dim.dim_value for dim in result.tensor_type.shape.dim], title, total)


def check_ports(kind: str, sizes: dict[str, int]) -> None:
    """Refuses inputs or outputs that are too large to name each number; `kind` is "Input" or "Output"."""
    for name, size in sizes.items():
        if size > LARGEST_PORTS:
            raise OnnxError(
                f"[{kind} {name!r}] has {size} numbers, expected at most {LARGEST_PORTS}. Export the model again."
            )
    total = sum(sizes.values())
    if total > LARGEST_PORTS:
        raise OnnxError(
            f"The {kind.lower()}s hold {total} numbers, expected at most {LARGEST_PORTS}. Export the model again."
        )


class Budget:
    """What constants that are computed from the weights may take in all."""

    def __init__(self, weight_bytes: int) -> None:
        self.left = LARGEST_CONSTANTS + LARGEST_GROWTH * weight_bytes

    def spend(self, results: Sequence[object], title: str) -> None:
        """Takes off the arrays among a node's results; views of others cost nothing."""
        arrays = [result for result in results if isinstance(result, np.ndarray) and result.base is None]
        self.left -= sum(array.nbytes for array in arrays)
        if self.left < 0:
            raise OnnxError(
                f"{title} computes constants beyond {LARGEST_CONSTANTS} bytes and {LARGEST_GROWTH} times the weights. "
                "Export the model again."
            )


def memory_size() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
