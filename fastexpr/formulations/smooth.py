"""Operators that are no linear algebra: they stay functions, of columns, in the formulation "full-space"."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from fastexpr._core import Function, Operator
from fastexpr.errors import FormulationError
from fastexpr.formulations.affine import Affine, Array, Indices, entries
from fastexpr.formulations.algebra import OperatorCall
from fastexpr.formulations.choices import broadcast, chosen
from fastexpr.formulations.hard_swish import hard_swish
from fastexpr.formulations.registry import BoundedNode, emitter, known_emitters

#: As formulas of Pyomo: see `fastexpr.pyomo.formulation.formulas`.
SMOOTH = (
    "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "Div", "Elu", "Exp", "GeluTanh", "HardSwish",
    "Log", "LogSoftmax", "MatMul", "Matern", "Mul", "Pow", "ReduceL2", "ReduceLogSumExp", "ReduceProd", "Selu",
    "Sigmoid", "Sin", "Sinh", "Softmax", "Softplus", "Softsign", "Sqrt", "Square", "Swish", "Tan", "Tanh",
)  # fmt: skip


@emitter(*SMOOTH)
def function(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """New columns that equal the operator's output."""
    if builder.products is not None:
        return builder.products.add(builder, node, inputs)  # type: ignore[no-any-return]
    if node.operator.name == "Mul" and (is_binary := [reads_binaries(builder, z) for z in inputs]) != [False, False]:
        first, second = (
            broadcast(z, shape, node.operator.shape)
            for z, shape in zip(inputs, node.operator.input_shapes, strict=True)
        )
        return chosen(builder, node, first, second) if is_binary[0] else chosen(builder, node, second, first)
    if node.operator.name == "HardSwish" and builder.formulation != "full-space":
        attributes = node.operator.attributes
        return hard_swish(builder, node, inputs[0], builder.bounds[0], attributes["alpha"], attributes["beta"])
    sense = "=="
    if builder.formulation == "epigraph":
        curvature = builder.curvatures[node.number]
        sense = ">=" if curvature.is_convex.all() else "<=" if curvature.is_concave.all() else ""
    if builder.formulation not in ("full-space", "epigraph") or not sense:
        linear = [name for name in known_emitters() if name not in SMOOTH]
        raise FormulationError(
            f"{node} has no linear formulation: operators that have one, besides affine ones, are {', '.join(linear)}. "
            "What to do: formulation='full-space' or 'external', or a network with such units."
            + (" An epigraph takes convex functions of convex units, too." if builder.formulation == "epigraph" else "")
        )
    algebra = builder.algebra
    arguments = []
    for z, bounds in zip(inputs, builder.bounds, strict=True):
        is_more = (z.lengths > 1) | ((z.lengths == 1) & (z.constant != 0.0))
        arguments.append(builder.columned(z, is_more, bounds) if is_more.any() else z)
    size = math.prod(node.operator.shape)
    # An epigraph is open on its other side.
    low = node.lower if sense != "<=" else np.full(size, -np.inf)
    high = node.upper if sense != ">=" else np.full(size, np.inf)
    columns = algebra.add_columns(low, high)
    algebra.calls.append(OperatorCall(node.operator, arguments, columns, str(node), sense))
    algebra.fillers.append(functools.partial(fill_call, alone(node.operator), arguments, columns))
    builder.counts.units += size
    builder.counts.widths.append(node.upper - node.lower)
    return entries(size, algebra.n_columns, np.arange(size), columns)


def reads_binaries(builder: Any, z: Affine) -> bool:
    """Whether units are functions of columns that are 0 or 1, and of nothing else."""
    return bool(z.matrix.nnz) and builder.are_binary(z.matrix.indices)


def alone(operator: Operator) -> Function:
    """The operator as a Function of its inputs, joined."""
    nodes: list[Any] = []
    begin = 0
    n = sum(math.prod(shape) for shape in operator.input_shapes)
    for shape in operator.input_shapes:
        places = np.arange(begin, begin + math.prod(shape), dtype=np.int64)
        nodes.append((Operator("Select", [(n,)], {"shape": list(shape)}, [places]), [0], "u"))
        begin += places.size
    nodes.append((operator, list(range(1, len(nodes) + 1)), "v"))
    names = [f"x[{k}]" for k in range(n)], [f"y[{k}]" for k in range(math.prod(operator.shape))]
    ports = [("x", (n,))], [("y", tuple(operator.shape))]
    return Function._from_nodes(n, nodes, [len(nodes)], *ports, *names, None, None)


def fill_call(function: Function, inputs: list[Affine], columns: Indices, values: Array) -> None:
    """The operator's output."""
    values[columns] = function(np.concatenate([z.at(values) for z in inputs]))
