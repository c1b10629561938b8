"""Einsum: products of two operands at a time, each brought into the form of a batched matrix product.

An axis is a number: those that a letter names, and those that "..." stands for, counted from the last one.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np

from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.converters.reductions import reduced
from fastexpr.onnx.handle import Value, exact
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter

Axes = list[int]
TERM = re.compile(r"([a-zA-Z]*)(\.\.\.)?([a-zA-Z]*)")


class Labelled(NamedTuple):
    """A value with a number for each of its axes, no two the same."""

    value: Value
    axes: Axes

    def lengths(self, axes: Axes) -> list[int]:
        """The lengths of these axes."""
        return [self.value.shape[self.axes.index(axis)] for axis in axes]


@converter("Einsum", since=12)
def einsum(node: OnnxNode) -> Value:
    """Sums of products, "bi,ij->bj", "...ii->...i"."""
    graph = node.graph
    inputs, output = parse_equation(node)
    operands = [labelled(graph, node.input(k), axes, lengths_of(node, inputs)) for k, axes in enumerate(inputs)]
    result = operands[0]
    for k, operand in enumerate(operands[1:], start=2):
        later = {axis for other in operands[k:] for axis in other.axes}
        result = product(node, result, operand, later.union(output))
    result = summed(graph, result, set(output))
    return result.value.transpose([result.axes.index(axis) for axis in output])


def parse_equation(node: OnnxNode) -> tuple[list[Axes], Axes]:
    """The axes of the inputs, as they are written, and of the output."""
    equation = str(node.attribute("equation")).replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = [TERM.fullmatch(term) for term in left.split(",")]
    ranks = [len(value.shape) for value in node.inputs if value is not None]
    if len(terms) != len(ranks) or None in terms:
        node.fail(f"has the equation {equation!r}, which does not fit {len(ranks)} operands. Export the model again.")
    inputs = [term_axes(term, rank) for term, rank in zip(terms, ranks, strict=True) if term is not None]
    if None in inputs:
        node.fail(f"has the equation {equation!r}, which does not fit operands with {ranks} axes. Export again.")
    known = [axis for axes in inputs if axes is not None for axis in axes]
    hidden = sorted({axis for axis in known if axis < 0})
    once = sorted(axis for axis in set(known) if axis >= 0 and known.count(axis) == 1)
    output: Axes | None = hidden + once
    if arrow:
        term = TERM.fullmatch(right)
        output = None if term is None else term_axes(term, len(right.replace("...", "")) + len(hidden))
    if output is None or len(set(output)) != len(output) or not set(output) <= set(known):
        node.fail(
            f"has the equation {equation!r}, expected an output of letters that the operands have, each once. Export "
            "the model again."
        )
    return [axes for axes in inputs if axes is not None], output


def term_axes(term: re.Match[str], rank: int) -> Axes | None:
    """The axes of an operand with so many; None where it does not fit."""
    before, dots, after = term.groups()
    n_hidden = rank - len(before) - len(after)
    if n_hidden < 0 or (n_hidden > 0 and not dots):
        return None
    return [*map(ord, before), *range(-n_hidden, 0), *map(ord, after)]


def lengths_of(node: OnnxNode, inputs: list[Axes]) -> dict[int, int]:
    """The length of every axis; 1 goes with any other."""
    lengths: dict[int, int] = {}
    for k, axes in enumerate(inputs):
        for axis, length in zip(axes, node.input(k).shape, strict=True):
            known = lengths.setdefault(axis, length)
            if 1 not in (known, length) and known != length:
                name = repr(chr(axis)) if axis >= 0 else "'...'"
                node.fail(
                    f"has the equation {node.attribute('equation')!r} with two lengths for {name}: {known} and "
                    f"{length}. Export the model again."
                )
            lengths[axis] = max(known, length)
    return lengths


def labelled(graph: GraphBuilder, value: Value, axes: Axes, lengths: dict[int, int]) -> Labelled:
    """The operand: of an axis that is written twice the diagonal, and without axes that are stretched from length 1."""
    kept = list(dict.fromkeys(axes))
    if len(kept) < len(axes):
        names = {axis: k for k, axis in enumerate(kept)}
        numbers = [names[axis] for axis in axes]
        value = graph.rearrange(value, lambda array: np.einsum(array, numbers, list(range(len(kept)))))
    shape = [(axis, n) for axis, n in zip(kept, value.shape, strict=True) if n == lengths[axis]]
    return Labelled(value.reshape([n for _, n in shape]), [axis for axis, _ in shape])


def summed(graph: GraphBuilder, operand: Labelled, wanted: set[int]) -> Labelled:
    """The operand summed over the axes that nobody wants."""
    places = [place for place, axis in enumerate(operand.axes) if axis not in wanted]
    kept = [axis for axis in operand.axes if axis in wanted]
    return Labelled(reduced(graph, "ReduceSum", operand.value, places, keepdims=False), kept) if places else operand


def product(node: OnnxNode, a: Labelled, b: Labelled, wanted: set[int]) -> Labelled:
    """The product of two operands, summed over the common axes that nobody wants later."""
    graph = node.graph
    a = summed(graph, a, wanted.union(b.axes))
    b = summed(graph, b, wanted.union(a.axes))
    common = [axis for axis in a.axes if axis in b.axes]
    batch = [axis for axis in common if axis in wanted]
    inner = [axis for axis in common if axis not in wanted]
    rows = [axis for axis in a.axes if axis not in common]
    columns = [axis for axis in b.axes if axis not in common]

    def matrices(operand: Labelled, first: Axes, second: Axes) -> Value:
        order = [operand.axes.index(axis) for axis in batch + first + second]
        sizes = [math.prod(operand.lengths(first)), math.prod(operand.lengths(second))]
        return operand.value.transpose(order).reshape([*operand.lengths(batch), *sizes])

    left, right = matrices(a, rows, inner), matrices(b, inner, columns)
    shape = a.lengths(batch + rows) + b.lengths(columns)
    node.check_size(shape)
    if isinstance(right, np.ndarray):  # that of two constants is one in double
        left = exact(left)
    y = left @ right if inner else left * right
    return Labelled(y.reshape(shape), batch + rows + columns)
