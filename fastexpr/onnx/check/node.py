"""A node as the check of an import has it: numbers and settings, nothing of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto, numpy_helper

from fastexpr.onnx.arrays import Array


class ReferenceNode(NamedTuple):
    """A node with its inputs, which are None where they are left out, and its attributes, defaults included."""

    inputs: Sequence[Any]
    attributes: Mapping[str, Any]
    opset: int

    def input(self, k: int) -> Any:
        """Input k; None where it is left out."""
        return self.inputs[k] if k < len(self.inputs) else None

    def integers(self, k: int, name: str) -> list[int] | None:
        """Integers that are input k, or in older versions an attribute; None where they are left out."""
        given = self.input(k)
        found = self.attributes.get(name) if given is None else given.reshape(-1).tolist()
        return None if found is None else [int(number) for number in found]

    def column(self, name: str, dtype: Any) -> Array:
        """An attribute that is a list, or the tensor that holds the same in double."""
        given, tensor = self.attributes.get(name), self.attributes.get(f"{name}_as_tensor")
        given = given if tensor is None else tensor
        given = numpy_helper.to_array(given) if isinstance(given, TensorProto) else given
        return np.array([] if given is None else given, dtype)


#: The node's output, or several; None where the formula is not for this node.
Reference = Callable[[ReferenceNode], Array | tuple[Array | None, ...] | None]
