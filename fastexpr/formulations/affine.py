"""Units as affine functions of columns, and the matrices of the core's affine operators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from fastexpr._core import Function, Operator

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Operators that are affine in the inputs that depend on x, whatever these are.
ALWAYS_AFFINE = {"Add", "Sub", "Neg", "Linear", "SparseLinear", "Conv", "ReduceSum", "ReduceMean", "CumSum", "Select",
                 "Reshape", "Concat"}  # fmt: skip
#: And where only the inputs at these positions depend on x, one of them.
AFFINE_IN = {"Mul": {0, 1}, "MatMul": {0, 1}, "Div": {0}, "Where": {1, 2}}


@dataclass(frozen=True)
class Affine:
    """Numbers `matrix @ columns + constant`, one for each unit.

    Attributes
    ----------
    matrix : (size, columns) sparse array, by rows
        As wide as there were columns when it was made.
    constant : (size,) array
    """

    matrix: scipy.sparse.csr_array
    constant: Array

    @property
    def size(self) -> int:
        return int(self.constant.size)

    @property
    def lengths(self) -> Indices:
        """(size,): how many columns each unit reads."""
        lengths: Indices = np.diff(self.matrix.indptr).astype(np.int64)
        return lengths

    def at(self, columns: Array) -> Array:
        """(size,): the units, from values of the columns."""
        return np.asarray(self.matrix @ columns[: self.matrix.shape[1]]) + self.constant

    def taken(self, units: Any) -> Affine:
        """Of some of the units, or of some several times."""
        return Affine(self.matrix[units], self.constant[units])

    def kept(self, mask: Mask) -> Affine:
        """Zero in place of all other units."""
        factors = scipy.sparse.dia_array((mask[None].astype(np.float64), [0]), shape=(self.size, self.size))
        product = (factors @ self.matrix).tocsr()
        product.eliminate_zeros()
        return Affine(product, np.where(mask, self.constant, 0.0))

    def scaled(self, factors: Any) -> Affine:
        """Each unit times a number."""
        numbers = np.broadcast_to(np.asarray(factors, dtype=np.float64), self.constant.shape)
        matrix = self.matrix.copy()
        matrix.data = matrix.data * np.repeat(numbers, np.diff(matrix.indptr))
        return Affine(matrix, self.constant * numbers)

    def __add__(self, other: Affine | Array | float) -> Affine:
        if not isinstance(other, Affine):
            return Affine(self.matrix, self.constant + other)
        width = max(self.matrix.shape[1], other.matrix.shape[1])
        matrix = widened(self.matrix, width) + widened(other.matrix, width)
        matrix.eliminate_zeros()
        return Affine(matrix, self.constant + other.constant)

    def __sub__(self, other: Affine | Array | float) -> Affine:
        return self + (other.scaled(-1.0) if isinstance(other, Affine) else -other)

    def single_columns(self) -> Indices | None:
        """(size,): the columns that the units simply are; None where some unit is more than that."""
        if self.matrix.nnz != self.size or (self.lengths != 1).any():
            return None
        if (self.matrix.data != 1.0).any() or self.constant.any():
            return None
        columns: Indices = self.matrix.indices.astype(np.int64)
        return columns


def widened(matrix: Any, width: int) -> Any:
    """The matrix with further columns of zeros."""
    if matrix.shape[1] == width:
        return matrix
    return scipy.sparse.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], width))


def entries(size: int, width: int, units: Any, columns: Any, numbers: Any = 1.0) -> Affine:
    """One column in each of some units, times a number, and zero elsewhere."""
    units, columns = np.asarray(units), np.asarray(columns)
    data = np.broadcast_to(np.asarray(numbers, dtype=np.float64), units.shape)
    if (np.diff(units) > 0).all():  # the usual case, for which SciPy's way over coordinates takes longer than all else
        starts = np.zeros(size + 1, np.int32)
        starts[units + 1] = 1
        indices = np.broadcast_to(columns, units.shape).astype(np.int32)
        matrix = scipy.sparse.csr_array((data.copy(), indices, np.cumsum(starts, dtype=np.int32)), shape=(size, width))
        return Affine(matrix, np.zeros(size))
    matrix = scipy.sparse.coo_array((data, (units, columns)), shape=(size, width)).tocsr()
    return Affine(matrix, np.zeros(size))


def constants(numbers: Any) -> Affine:
    """Numbers, as units without columns."""
    flat = np.asarray(numbers, dtype=np.float64).ravel()
    return Affine(scipy.sparse.csr_array((flat.size, 0)), flat)


def joined(parts: Sequence[Affine]) -> Affine:
    """All units, one after another."""
    if len(parts) == 1:
        return parts[0]
    width = max(part.matrix.shape[1] for part in parts)
    matrix = scipy.sparse.vstack([widened(part.matrix, width) for part in parts], format="csr")
    return Affine(matrix, np.concatenate([part.constant for part in parts]))


def is_affine(name: str, depends: Sequence[bool]) -> bool:
    """Whether the operator is affine in its inputs that depend on x."""
    places = {k for k, does in enumerate(depends) if does}
    return name in ALWAYS_AFFINE or (
        name in AFFINE_IN and len(places) <= (2 if name == "Where" else 1) and places <= AFFINE_IN[name]
    )


def matrix_of(operator: Operator, depends: Sequence[bool], values: Sequence[Any]) -> tuple[Any, Array]:
    """The sparse W and the b of an affine operator: its output is W u + b, u its inputs that depend on x, joined.

    Parameters
    ----------
    operator : Operator
    depends : sequence of bool
        For each input, whether it depends on x.
    values : sequence of array or None
        Of the inputs that do not.
    """
    if operator.name == "Linear" and len(operator.input_shapes[0]) == 1:
        weights = np.asarray(operator.constants[0], dtype=np.float64)
        weights = weights.T if operator.attributes["transposed"] else weights
        bias = operator.constants[1] if len(operator.constants) > 1 else np.zeros(len(weights))
        return scipy.sparse.csr_array(weights), np.asarray(bias, dtype=np.float64)
    sizes = [math.prod(shape) for shape in operator.input_shapes]
    n = sum(size for size, does in zip(sizes, depends, strict=True) if does)
    nodes: list[Any] = []
    inputs, begin = [], 0
    for shape, size, does, value in zip(operator.input_shapes, sizes, depends, values, strict=True):
        if does:
            places = np.arange(begin, begin + size, dtype=np.int64)
            nodes.append((Operator("Select", [(n,)], {"shape": list(shape)}, [places]), [0], "u"))
            begin += size
        else:
            nodes.append((Operator("Constant", [], {}, [np.asarray(value, np.float64).reshape(shape)]), [], "c"))
        inputs.append(len(nodes))
    nodes.append((operator, inputs, "v"))
    size = math.prod(operator.shape)
    names = [f"x[{k}]" for k in range(n)], [f"y[{k}]" for k in range(size)]
    ports = [("x", (n,))], [("y", tuple(operator.shape))]
    function = Function._from_nodes(n, nodes, [len(nodes)], *ports, *names, None, None)
    zero = np.zeros(n)
    matrix = scipy.sparse.csr_array(function.jacobian(zero, sparse=True))
    matrix.eliminate_zeros()
    return matrix, function(zero)


def product(W: Any, b: Array, z: Affine) -> Affine:
    """W z + b."""
    columns = z.single_columns()
    if columns is not None and columns.size == np.unique(columns).size:
        width = z.matrix.shape[1]
        matrix = scipy.sparse.csr_array((W.data, columns[W.indices], W.indptr), shape=(W.shape[0], width))
        return Affine(matrix, b)
    matrix = (W @ widened(z.matrix, max(z.matrix.shape[1], 1))).tocsr()
    matrix.eliminate_zeros()
    return Affine(matrix, np.asarray(W @ z.constant) + b)
