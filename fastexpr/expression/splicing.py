"""A Function applied to expressions: its nodes are spliced in.

A batch is spliced in once, with the points as one more dimension in front: each operator says how it takes that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastexpr._core import Function, Operator
from fastexpr.errors import ShapeError
from fastexpr.expression.building import NodeList
from fastexpr.expression.indexing import positions_of, reshape, select
from fastexpr.expression.joining import join
from fastexpr.expression.node import Expression, Shape, apply
from fastexpr.expression.operands import as_expression
from fastexpr.function.arguments import in_order, is_by_port
from fastexpr.function.labels import names_of


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
    return Batch(reshape(x, (x.shape[0], n))).splice(nodes, output_ids)


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
        expressions.append(expression_of(core, [expressions[k] for k in inputs], label))
    return join([expressions[k] for k in output_ids])


def expression_of(core: Operator, arguments: Sequence[Expression], label: str) -> Expression:
    """The operator applied; what only moves numbers is joined with what was moved before."""
    if core.name == "Select":
        return select(arguments[0], core.constants[0].reshape(core.shape))
    if core.name == "Reshape":
        return reshape(arguments[0], tuple(core.shape))
    return Expression(core, tuple(arguments), tuple(core.shape), label)


class Batch:
    """Splices nodes in for all points (B, n) at once. What does not depend on x has no dimension B."""

    def __init__(self, points: Expression) -> None:
        self.length = points.shape[0]
        self.values = [points]
        self.is_batched = [True]

    def splice(self, nodes: NodeList, output_ids: Sequence[int]) -> Expression:
        """The outputs (B, m)."""
        for core, inputs, label in nodes:
            are_batched = [self.is_batched[k] for k in inputs]
            if any(are_batched):
                core = core.batched(self.length, are_batched)
            arguments = [self.fitting(k, tuple(core.input_shapes[i])) for i, k in enumerate(inputs)]
            self.values.append(expression_of(core, arguments, label))
            self.is_batched.append(any(are_batched))
        parts = [reshape(part, (self.length, part.size // self.length)) for part in map(self.repeated, output_ids)]
        return parts[0] if len(parts) == 1 else apply("Concat", parts, {"axis": 1})

    def fitting(self, k: int, shape: Shape) -> Expression:
        """The value as an operator wants it: dimensions of length 1 behind B, or B where there was none."""
        return reshape(self.values[k] if self.values[k].size == math.prod(shape) else self.repeated(k), shape)

    def repeated(self, k: int) -> Expression:
        """The value with its dimension B."""
        value = self.values[k]
        if self.is_batched[k]:
            return value
        return select(value, np.broadcast_to(positions_of(value), (self.length, *value.shape)))
