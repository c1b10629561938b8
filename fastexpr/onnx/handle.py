"""The values that converters compute with, written as in NumPy.

While a model is read, each of its tensors is a value: an array where it is constant, a Handle where it depends on x.
`a * x + b`, `x @ W`, `x < 0.0`, `x[:, 1:]`, `x.reshape(shape)` and `x.transpose(order)` take either. Where a Handle
takes part, the result is a new node of its graph; of arrays alone it is what NumPy gives, so that those of a file are
made double before anybody computes with them (`OnnxNode.double`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fastexpr.onnx.arrays import Array

if TYPE_CHECKING:
    from fastexpr.onnx.builder import GraphBuilder

Shape = tuple[int, ...]
FLOAT: np.dtype[Any] = np.dtype(np.float64)


def in_order(name: str) -> Callable[[Handle, Operand], Value]:
    """`handle <name> other` by NumPy's broadcasting."""
    return lambda handle, other: handle.graph.binary(name, handle, other)


def reflected(name: str) -> Callable[[Handle, Operand], Value]:
    """`other <name> handle`."""
    return lambda handle, other: handle.graph.binary(name, other, handle)


@dataclass(frozen=True, slots=True)
class Handle:
    """A value that depends on x: the output of a core node. Its numbers are doubles, whatever they are in the model.

    Attributes
    ----------
    id, shape : the node, and the shape of its output
    graph : where the node stands
    dtype : bool for a condition, 1 or 0; an integer type for whole numbers; float64 for every float
    """

    id: int
    shape: Shape
    graph: GraphBuilder = field(repr=False, compare=False)
    dtype: np.dtype[Any] = FLOAT

    __array_ufunc__ = None  # an array beside a handle leaves the operator to the handle
    __add__, __radd__ = in_order("Add"), reflected("Add")
    __sub__, __rsub__ = in_order("Sub"), reflected("Sub")
    __mul__, __rmul__ = in_order("Mul"), reflected("Mul")
    __truediv__, __rtruediv__ = in_order("Div"), reflected("Div")
    __pow__, __rpow__ = in_order("Pow"), reflected("Pow")
    __matmul__, __rmatmul__ = in_order("MatMul"), reflected("MatMul")
    __lt__, __gt__ = in_order("Less"), reflected("Less")
    __le__, __ge__ = in_order("LessOrEqual"), reflected("LessOrEqual")

    def __neg__(self) -> Handle:
        return self.graph.apply("Neg", self)

    def astype(self, dtype: np.dtype[Any]) -> Handle:
        """The same value, known to be floats, integers or conditions."""
        return self if dtype is self.dtype else Handle(self.id, self.shape, self.graph, dtype)

    @property
    def is_condition(self) -> bool:
        return self.dtype == bool

    @property
    def is_integer(self) -> bool:
        return self.dtype.kind in "iu"

    def reshape(self, shape: Sequence[int]) -> Handle:
        """The same numbers in another shape."""
        return self.graph.reshape(self, shape)

    def transpose(self, order: Sequence[int]) -> Value:
        """NumPy's transpose; no work where only axes of length 1 move."""
        return self.graph.rearrange(self, lambda array: array.transpose(tuple(order)))

    def __getitem__(self, key: Any) -> Value:
        return self.graph.rearrange(self, lambda array: array[key])


class Tensors(tuple["Array | Handle", ...]):
    """A sequence of values."""

    __slots__ = ()


Value: TypeAlias = Array | Handle
Operand: TypeAlias = Array | Handle | float


def exact(value: Value) -> Value:
    """The same numbers, of an array in double precision: arithmetic on arrays alone loses nothing then."""
    return value.astype(np.float64, copy=False) if isinstance(value, np.ndarray) else value
