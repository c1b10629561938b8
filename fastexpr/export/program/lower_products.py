"""Matrix products of two inputs."""

from __future__ import annotations

import numpy as np

from fastexpr.export.program.lower_linear import size_of
from fastexpr.export.program.registry import LoweredNode, lowers
from fastexpr.export.program.statements import Array, Linear, Loops, Product, Terms


@lowers("MatMul")
def matmul(node: LoweredNode) -> Array:
    """C = A B for stacks of matrices; leading dimensions broadcast."""
    a, b = node.inputs
    shape_a, shape_b = node.input_shapes
    (rows, depth), columns = shape_a[-2:], shape_b[-1]
    stack = node.shape[:-2]
    # Which matrix of A and of B a matrix of the stack is made from: an expression where it is regular, else unrolled.
    of_a = stacked(shape_a[:-2], stack)
    of_b = stacked(shape_b[:-2], stack)
    if of_a is None or of_b is None:
        raise node.refuse(
            f"broadcasts matrices in a way that the exporter has no loops for: got {shape_a} and {shape_b}."
        )
    loops = Loops(
        {"o": size_of(stack), "r": rows, "t": depth, "c": columns},
        f"(o * {rows} + r) * {columns} + c",
        f"(({of_a}) * {rows} + r) * {depth} + t",
        f"(({of_b}) * {depth} + t) * {columns} + c",
    )
    output = node.array(node.size, a, b)
    if b.numbers is not None:
        swapped = Terms(a, None, None, b.numbers, loops)
        return node.add(Linear(output, node.label, [swapped]))
    if a.numbers is not None:
        turned = Loops(loops.extents, loops.outputs, loops.others, loops.inputs)
        return node.add(Linear(output, node.label, [Terms(b, None, None, a.numbers, turned)]))
    return node.add(Product(output, node.label, a, b, loops))


def stacked(own: tuple[int, ...], stack: tuple[int, ...]) -> str | None:
    """An expression of o for the number of the matrix that is used; None where there is no simple one."""
    numbers = np.broadcast_to(np.arange(size_of(own)).reshape(own), stack).ravel()
    every = np.arange(size_of(stack))
    if np.array_equal(numbers, every):
        return "o"
    count = size_of(own)
    if count == 1:
        return "0"
    if np.array_equal(numbers, every % count):
        return f"o % {count}"
    repeats = len(every) // count
    return f"o // {repeats}" if np.array_equal(numbers, every // repeats) else None
