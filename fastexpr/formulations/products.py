"""Products in an objective: squares, and products of two affine units; each is a column whose value they are."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastexpr.errors import FormulationError
from fastexpr.formulations.affine import Affine, Array, Indices, entries, joined
from fastexpr.formulations.registry import BoundedNode


@dataclass
class Products:
    """Of everything that was written while a builder had this.

    Attributes
    ----------
    parts : list of (first, second, columns)
        Two Affine of the same size, and the columns that are their products, unit by unit.
    """

    parts: list[tuple[Affine, Affine, Indices]] = field(default_factory=list)

    def add(self, builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
        """The output of a node that multiplies."""
        first, second, units = pairs_of(node, inputs)
        size, algebra = first.size, builder.algebra
        columns = algebra.add_columns(np.full(size, -np.inf), np.full(size, np.inf))
        algebra.fillers.append(functools.partial(fill_products, first, second, columns))
        self.parts.append((first, second, columns))
        return entries(int(np.prod(node.operator.shape)), algebra.n_columns, units, columns)

    def joined(self) -> tuple[Affine, Affine, Indices] | None:
        """All parts together; None without any."""
        if not self.parts:
            return None
        first, second, columns = zip(*self.parts, strict=True)
        return joined(first), joined(second), np.concatenate(columns)


def pairs_of(node: BoundedNode, inputs: list[Affine]) -> tuple[Affine, Affine, Indices]:
    """What is multiplied with what, and in which unit of the node's output it is added up."""
    operator, shapes = node.operator, node.operator.input_shapes
    size = int(np.prod(operator.shape))
    if operator.name == "Square":
        return inputs[0], inputs[0], np.arange(size)
    index = [np.arange(z.size).reshape(shape) for z, shape in zip(inputs, shapes, strict=True)]
    if operator.name == "Mul":
        a, b = (np.broadcast_to(entry, operator.shape).ravel() for entry in index)
        return inputs[0].taken(a), inputs[1].taken(b), np.arange(size)
    if operator.name == "Pow" and not inputs[1].matrix.nnz and (inputs[1].constant == 2.0).all():
        a = np.broadcast_to(index[0], operator.shape).ravel()
        return inputs[0].taken(a), inputs[0].taken(a), np.arange(size)
    if operator.name == "MatMul":
        left = index[0][None] if index[0].ndim == 1 else index[0]
        right = index[1][:, None] if index[1].ndim == 1 else index[1]
        a, b = np.broadcast_arrays(left[..., :, :, None], right[..., None, :, :])
        units = np.arange(size).reshape((*a.shape[:-2], 1, *a.shape[-1:]))
        return inputs[0].taken(a.ravel()), inputs[1].taken(b.ravel()), np.broadcast_to(units, a.shape).ravel()
    raise FormulationError(f"{node} is neither linear nor quadratic.")


def fill_products(first: Affine, second: Affine, columns: Indices, values: Array) -> None:
    """The products."""
    values[columns] = first.at(values) * second.at(values)
