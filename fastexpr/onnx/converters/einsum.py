"""Einsum: products of two operands at a time, each brought into the form of a batched matrix product."""

from __future__ import annotations

import math

from fastexpr.onnx.builder import Value
from fastexpr.onnx.converters.linear import matrix_product
from fastexpr.onnx.converters.reductions import reduced
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import converter


class Labelled:
    """A value with one letter per axis."""

    def __init__(self, value: Value, letters: str) -> None:
        self.value = value
        self.letters = letters

    def lengths(self, letters: str) -> list[int]:
        """The lengths of these axes."""
        return [self.value.shape[self.letters.index(letter)] for letter in letters]


@converter("Einsum", since=12)
def einsum(node: OnnxNode) -> Value:
    """Sums of products, "bi,ij->bj". Neither "..." nor a letter twice in one operand."""
    inputs, output = parse_equation(node)
    operands = [Labelled(node.input(k), letters) for k, letters in enumerate(inputs)]
    result = operands[0]
    for k, operand in enumerate(operands[1:], start=2):
        wanted = set(output).union(*inputs[k:])
        result = product(node, result, operand, wanted)
    result = summed(node, result, set(output))
    return node.graph.transpose(result.value, [result.letters.index(letter) for letter in output])


def parse_equation(node: OnnxNode) -> tuple[list[str], str]:
    """The letters of the inputs and of the output."""
    equation = str(node.attribute("equation")).replace(" ", "")
    left, arrow, output = equation.partition("->")
    inputs = left.split(",")
    if not arrow:  # implicit: the letters that occur once, in alphabetical order
        output = "".join(sorted(letter for letter in set(left) - {","} if left.count(letter) == 1))
    is_plain = all(letters.isalpha() or not letters for letters in [*inputs, output])
    if not is_plain or any(len(set(letters)) != len(letters) for letters in [*inputs, output]):
        node.fail(f"has the equation {equation!r}, expected letters, each once in an operand. Write it without '...'.")
    ranks = [len(value.shape) for value in node.inputs if value is not None]
    if [len(letters) for letters in inputs] != ranks or not set(output) <= set(left):
        node.fail(
            f"has the equation {equation!r}, which does not fit operands with {ranks} axes. Export the model again."
        )
    lengths: dict[str, int] = {}
    for k, letters in enumerate(inputs):
        for letter, length in zip(letters, node.input(k).shape, strict=True):
            if lengths.setdefault(letter, length) != length:
                node.fail(
                    f"has the equation {equation!r} with two lengths for {letter!r}: {lengths[letter]} and {length}. "
                    "Export the model again."
                )
    return inputs, output


def summed(node: OnnxNode, operand: Labelled, wanted: set[str]) -> Labelled:
    """The operand summed over the letters that nobody wants."""
    axes = [axis for axis, letter in enumerate(operand.letters) if letter not in wanted]
    kept = "".join(letter for letter in operand.letters if letter in wanted)
    return Labelled(reduced(node.graph, "ReduceSum", operand.value, axes, keepdims=False), kept) if axes else operand


def product(node: OnnxNode, a: Labelled, b: Labelled, wanted: set[str]) -> Labelled:
    """The product of two operands, summed over the common letters that nobody wants later."""
    graph = node.graph
    a = summed(node, a, wanted | set(b.letters))
    b = summed(node, b, wanted | set(a.letters))
    common = [letter for letter in a.letters if letter in b.letters]
    batch = "".join(letter for letter in common if letter in wanted)
    inner = "".join(letter for letter in common if letter not in wanted)
    rows = "".join(letter for letter in a.letters if letter not in common)
    columns = "".join(letter for letter in b.letters if letter not in common)

    def matrices(operand: Labelled, first: str, second: str) -> Value:
        order = [operand.letters.index(letter) for letter in batch + first + second]
        sizes = [math.prod(operand.lengths(first)), math.prod(operand.lengths(second))]
        return graph.reshape(graph.transpose(operand.value, order), [*operand.lengths(batch), *sizes])

    y = matrix_product(node, matrices(a, rows, inner), matrices(b, inner, columns))
    shape = a.lengths(batch + rows) + b.lengths(columns)
    return Labelled(graph.reshape(y, shape), batch + rows + columns)
