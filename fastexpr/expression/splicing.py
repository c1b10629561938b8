"""A Function applied to expressions: its nodes are spliced in.

A batch is spliced in once, with the points as one more dimension in front, where every operator of the network allows
for that; else once for every point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastexpr._core import Function, Operator
from fastexpr.errors import ShapeError
from fastexpr.expression.building import NodeList
from fastexpr.expression.indexing import positions_of, reshape, select
from fastexpr.expression.joining import join, stack
from fastexpr.expression.node import Expression, Shape, apply
from fastexpr.expression.operands import as_expression
from fastexpr.function.arguments import in_order, is_by_port
from fastexpr.function.labels import names_of

elementwise_operators = {
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Clip", "Cos", "Cosh", "Elu", "Erf", "Exp",
    "Floor", "Gelu", "GeluTanh", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Matern", "Neg", "Quantize",
    "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Square", "Swish", "Tan",
    "Tanh",
}  # fmt: skip
broadcasting_operators = {
    "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mod", "Less", "LessOrEqual", "Equal", "Where",
    "MatMul",
}  # fmt: skip
operators_along_axes = {  # attribute axis
    "Concat", "Conv", "CumSum", "Hardmax", "Linear", "LogSoftmax", "ReduceL2", "ReduceLogSumExp", "ReduceMax",
    "ReduceMean", "ReduceProd", "ReduceSum", "Softmax", "SparseLinear",
}  # fmt: skip
operators_along_the_last_axis = {"TreeEnsemble"}
batch_operators = (
    elementwise_operators
    | broadcasting_operators
    | operators_along_the_last_axis
    | operators_along_axes
    | {"Reshape", "Select"}
)


def apply_function(function: Function, x: Any) -> Expression:
    """`function(x)` for an Expression: its nodes are spliced in, on x.

    Parameters
    ----------
    function : Function
        Of n inputs and m outputs.
    x : Expression, or list, array or dict of single ones
        Of shape (n,); (B, n) for a batch; or the shape of the only input port, with or without its leading 1. Labels
        are matched with the input names, those of a dict also with the ports.

    Returns
    -------
    Expression
        Of shape (m,), or (B, m).

    Raises
    ------
    fastexpr.errors.ShapeError
        x has another shape.
    """
    if isinstance(x, Mapping) and is_by_port(function, "input", x):
        x = function.pack(**x)
    x = as_expression(in_order(x, lambda: names_of(function, "input"), "x"))
    nodes, output_ids, n = function._nodes(), function._output_ids(), function.n_inputs
    if is_one_point(function, x.shape):
        return splice(nodes, output_ids, reshape(x, (n,)))
    if x.ndim == 0 or x.size != x.shape[0] * n:
        raise ShapeError(f"[Function] wrong shape of x: got {x.shape}, expected ({n},), or (B, {n}) for a batch.")
    points = reshape(x, (x.shape[0], n))
    if all(core.name in batch_operators or not inputs for core, inputs, _ in nodes):
        return Batch(points).splice(nodes, output_ids)
    return stack([splice(nodes, output_ids, point) for point in points])


def is_one_point(function: Function, shape: Shape) -> bool:
    if shape == (function.n_inputs,) or (shape == () and function.n_inputs == 1):
        return True
    ports = list(function.inputs.values())
    port = tuple(ports[0])
    inner = port[1:] if port[:1] == (1,) else port
    return len(ports) == 1 and shape == inner


def splice(nodes: NodeList, output_ids: Sequence[int], x: Expression) -> Expression:
    """The nodes as expressions on x; the outputs joined."""
    expressions = [x]
    for core, inputs, label in nodes:
        arguments = tuple(expressions[k] for k in inputs)
        if core.name == "Select":
            expressions.append(select(arguments[0], core.constants[0].reshape(core.shape)))
        elif core.name == "Reshape":
            expressions.append(reshape(arguments[0], tuple(core.shape)))
        else:
            expressions.append(Expression(core, arguments, tuple(core.shape), label))
    return join([expressions[k] for k in output_ids])


class Batch:
    """Splices nodes in for all points (B, n) at once. What does not depend on x has no dimension B."""

    def __init__(self, points: Expression) -> None:
        self.length = points.shape[0]
        self.values = [points]
        self.is_batched = [True]

    def splice(self, nodes: NodeList, output_ids: Sequence[int]) -> Expression:
        """The outputs (B, m)."""
        for core, inputs, label in nodes:
            is_batched = any(self.is_batched[k] for k in inputs)
            arguments = [self.values[k] for k in inputs]
            shape = tuple(core.shape)
            self.values.append(
                self.node(core, inputs, label) if is_batched else Expression(core, tuple(arguments), shape, label)
            )
            self.is_batched.append(is_batched)
        parts = [reshape(part, (self.length, part.size // self.length)) for part in map(self.repeated, output_ids)]
        return parts[0] if len(parts) == 1 else apply("Concat", parts, {"axis": 1})

    def node(self, core: Operator, inputs: Sequence[int], label: str) -> Expression:
        """The node's operator for B points."""
        if core.name == "Reshape":
            return reshape(self.values[inputs[0]], (self.length, *core.shape))
        if core.name == "Select":
            argument = self.values[inputs[0]]
            rows = positions_of(argument).reshape(self.length, -1)
            return select(argument, rows[:, core.constants[0]].reshape(self.length, *core.shape))
        attributes = core.attributes
        if core.name in operators_along_axes:
            attributes = attributes | {"axis": attributes["axis"] + 1}
        if core.name in broadcasting_operators:
            arguments = [self.aligned(k, len(core.shape)) for k in inputs]
        else:
            arguments = [self.repeated(k) for k in inputs]
        return apply(core.name, arguments, attributes, core.constants, label)

    def repeated(self, k: int) -> Expression:
        """The value with its dimension B."""
        value = self.values[k]
        if self.is_batched[k]:
            return value
        return select(value, np.broadcast_to(positions_of(value), (self.length, *value.shape)))

    def aligned(self, k: int, rank: int) -> Expression:
        """The value with its dimension B, where it has one, in front of `rank` others."""
        value = self.values[k]
        if not self.is_batched[k]:
            return value
        return reshape(value, (self.length, *(1,) * (rank + 1 - value.ndim), *value.shape[1:]))
