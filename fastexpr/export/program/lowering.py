"""From the core's nodes to statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import GraphError
from fastexpr.export.program import (  # noqa: F401  (they register their operators)
    lower_elementwise,
    lower_groups,
    lower_linear,
    lower_products,
)
from fastexpr.export.program.registry import LOWERINGS, WAY_OUT, Builder, LoweredNode
from fastexpr.export.program.statements import Array, Program
from fastexpr.function.written_out import written_out


def lower(net: Function, caller: str) -> Program:
    """The statements that compute `net`.

    Raises
    ------
    fastexpr.errors.GraphError
        An operator that has no statements; the message names all such nodes.
    """
    net = written_out(net)
    nodes = net._nodes()
    check(nodes, caller)
    known = constants_of(net, nodes)
    builder = Builder(net.n_inputs)
    at: list[Array] = [builder.arrays[0]]
    for number, (operator, inputs, label) in enumerate(nodes, start=1):
        if number in known:
            at.append(builder.constant(known[number]))
            continue
        node = LoweredNode(builder, operator, [at[i] for i in inputs], label)
        array = LOWERINGS[node.name](node)
        assert array.size == node.size, node.label
        at.append(array)
    return without_the_unused(
        Program(net.n_inputs, builder.arrays, builder.statements, [at[i] for i in net._output_ids()])
    )


def check(nodes: Sequence[Any], caller: str) -> None:
    missing = [
        f"{operator.name} '{label}'" if label else operator.name
        for operator, _, label in nodes
        if operator.name not in LOWERINGS and operator.name != "Constant"
    ]
    if missing:
        named = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        raise GraphError(f"[{caller}] cannot write these operators: got {named}. {WAY_OUT}")


def constants_of(net: Function, nodes: Sequence[Any]) -> dict[int, Any]:
    """The numbers of all nodes that do not depend on x and that another node or an output reads, by the core itself."""
    depends = [True]
    for _, inputs, _ in nodes:
        depends.append(any(depends[i] for i in inputs))
    found = [number for number in range(1, len(depends)) if not depends[number]]
    numbers = {number: nodes[number - 1][0].constants[0] for number in found if nodes[number - 1][0].name == "Constant"}
    others = [number for number in found if number not in numbers]
    if others:
        ports = [(f"c{number}", nodes[number - 1][0].shape) for number in others]
        apart = Function._from_nodes(net.n_inputs, nodes, others, [("x", (net.n_inputs,))], ports)
        values = np.split(apart(np.zeros(net.n_inputs)), np.cumsum([int(np.prod(shape)) for _, shape in ports])[:-1])
        numbers.update(zip(others, values, strict=True))
    return numbers


def without_the_unused(program: Program) -> Program:
    """Only statements that an output needs."""
    needed = {array.number for array in program.outputs}
    kept = []
    for statement in reversed(program.statements):
        if statement.output.number in needed:
            kept.append(statement)
            needed.update(array.number for array in statement.inputs)
    program.statements = kept[::-1]
    return program
