"""From expressions to a Function of the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from fastexpr._core import Function, Operator
from fastexpr.errors import GraphError, ShapeError
from fastexpr.expression.indexing import Positions
from fastexpr.expression.node import Expression, Shape
from fastexpr.expression.operands import Array, as_expression

NodeList: TypeAlias = list[tuple[Operator, Sequence[int], str]]


def build_function(x: Expression | Sequence[Expression], expression: Any) -> Function:
    """The function that `fastexpr.Function(x, expression)` makes.

    Parameters
    ----------
    x : Expression or sequence of Expression
        Variables; several are joined, each flattened in C order.
    expression : Expression, array of them, or list or tuple of these
        The outputs; those of a list are joined likewise.

    Raises
    ------
    TypeError
        `x` is not made by `variables`.
    fastexpr.errors.ShapeError
        The list of outputs is empty.
    fastexpr.errors.GraphError
        The expression depends on other variables, or the same ones are given twice.
    """
    leaves: list[Any] = list(x) if isinstance(x, list | tuple) else [x]
    entries = expression if isinstance(expression, list | tuple) else [expression]
    if not entries:
        raise ShapeError("[Function] there is no output: got an empty list, expected at least one expression.")
    return flatten(leaves, [as_expression(entry) for entry in entries])[0]


def flatten(
    leaves: Sequence[Expression],
    outputs: Sequence[Expression],
    compress: bool = False,
    numbers: Mapping[Expression, Array] | None = None,
) -> tuple[Function, Positions]:
    """The function of the joined leaves whose value is the joined outputs, and which components of the leaves its x is.

    With `compress`, x holds only the components that the outputs use: of variables that are only indexed, those
    indexed. The second result says which, in ascending order (an output that uses none leaves the first one in);
    without, it is all of them. Ports are "x" and "y" where there is one, x0, x1, ... and y0, y1, ... where there are
    several; a compressed x is one port. `numbers` are the values of further leaves, which become constants.
    """
    offsets, numbers = offsets_of(leaves), numbers or {}
    order = topological_order(outputs, {**offsets, **dict.fromkeys(numbers, -1)})
    n_variables = sum(leaf.size for leaf in leaves)
    used = used_components(order, outputs, offsets, n_variables) if compress else np.arange(n_variables, dtype=np.int64)
    emitter = Emitter(offsets, used, n_variables, numbers)
    for expression in order:
        emitter.emit(expression)
    output_ids = [emitter.id_of(expression) for expression in outputs]
    inputs = [("x", (used.size,))] if compress else numbered_ports("x", [leaf.shape for leaf in leaves])
    output_ports = numbered_ports("y", [expression.shape for expression in outputs])
    function = Function._from_nodes(
        used.size,
        emitter.nodes,
        output_ids,
        inputs,
        output_ports,
    )
    return function, used


def offsets_of(leaves: Sequence[Expression]) -> dict[Expression, int]:
    """Where each leaf begins in x."""
    offsets: dict[Expression, int] = {}
    begin = 0
    for leaf in leaves:
        if not isinstance(leaf, Expression) or leaf.operator is not None:
            raise TypeError(f"[Function] x must be variables made by fastexpr.variables: got {leaf!r}.")
        if leaf in offsets:
            raise GraphError("[Function] the same variables are given twice in x: give each once.")
        offsets[leaf] = begin
        begin += leaf.size
    return offsets


def topological_order(outputs: Sequence[Expression], leaves: dict[Expression, int]) -> list[Expression]:
    """Every node that is not a leaf, after its inputs, once. Iterative: a chain may be any length."""
    order: list[Expression] = []
    is_done: dict[Expression, bool] = {}  # False: its inputs are on the stack
    stack = list(reversed(outputs))
    while stack:
        expression = stack[-1]
        if expression.operator is None:
            if expression not in leaves:
                given = ", ".join(str(leaf.shape) for leaf in leaves) or "none"
                raise GraphError(
                    f"[Function] the expression depends on variables of shape {expression.shape} that are not among x: "
                    f"got x of shapes {given}. Pass all of them: Function([x, z], expression)."
                )
            stack.pop()
        elif expression not in is_done:
            is_done[expression] = False
            stack.extend(entry for entry in reversed(expression.inputs) if not is_done.get(entry))
        else:
            stack.pop()
            if not is_done[expression]:
                is_done[expression] = True
                order.append(expression)
    return order


def used_components(
    order: list[Expression], outputs: Sequence[Expression], offsets: dict[Expression, int], n: int
) -> Positions:
    is_used = np.zeros(n, dtype=bool)
    for leaf in (expression for expression in outputs if expression in offsets):
        is_used[offsets[leaf] : offsets[leaf] + leaf.size] = True
    for expression in order:
        for leaf in expression.inputs:
            if leaf not in offsets:
                continue
            core = expression.operator
            if core is not None and core.name == "Select":
                is_used[offsets[leaf] + core.constants[0]] = True
            else:
                is_used[offsets[leaf] : offsets[leaf] + leaf.size] = True
    if n > 0 and not is_used.any():
        is_used[0] = True
    return np.flatnonzero(is_used).astype(np.int64)


class Emitter:
    """Writes the list of nodes; node 0 is x, a vector of the used components of all leaves."""

    def __init__(
        self,
        offsets: dict[Expression, int],
        used: Positions,
        n_variables: int,
        numbers: Mapping[Expression, Array],
    ) -> None:
        self.nodes: NodeList = []
        self.offsets, self.numbers = offsets, numbers
        self.n = used.size
        self.place = np.full(n_variables, -1, dtype=np.int64)  # of a component of the leaves in x
        self.place[used] = np.arange(used.size)
        self.ids: dict[Expression, int] = {}

    def emit(self, expression: Expression) -> None:
        core = expression.operator
        assert core is not None
        if core.name == "Select" and expression.inputs[0] in self.offsets:
            leaf = expression.inputs[0]
            self.ids[expression] = self.select_from_x(self.offsets[leaf] + core.constants[0], expression.shape)
        else:
            self.ids[expression] = self.add(core, [self.id_of(entry) for entry in expression.inputs], expression.label)

    def id_of(self, expression: Expression) -> int:
        """A leaf becomes a node where it is first used whole."""
        if expression not in self.ids and expression in self.numbers:
            self.ids[expression] = self.add(Operator("Constant", [], {}, [self.numbers[expression]]), [], "")
        elif expression not in self.ids:
            begin = self.offsets[expression]
            self.ids[expression] = self.select_from_x(np.arange(begin, begin + expression.size), expression.shape)
        return self.ids[expression]

    def select_from_x(self, components: Positions, shape: Shape) -> int:
        positions = self.place[components]
        if positions.size == self.n and np.array_equal(positions, np.arange(self.n)):
            if shape == (self.n,):
                return 0
            return self.add(Operator("Reshape", [(self.n,)], {"shape": list(shape)}, []), [0], "")
        return self.add(Operator("Select", [(self.n,)], {"shape": list(shape)}, [positions]), [0], "")

    def add(self, core: Operator, inputs: Sequence[int], label: str) -> int:
        self.nodes.append((core, inputs, label or f"{core.name}_{len(self.nodes) + 1}"))
        return len(self.nodes)


def numbered_ports(name: str, shapes: list[Shape]) -> list[tuple[str, Shape]]:
    return [(name, shapes[0])] if len(shapes) == 1 else [(f"{name}{k}", shape) for k, shape in enumerate(shapes)]


def component_names(ports: Sequence[tuple[str, Shape]]) -> list[str]:
    """One per number: "T", or "x[0,3]" where the port has several; leading 1s of the shape are left out."""
    names: list[str] = []
    for name, shape in ports:
        inner = list(shape)
        while len(inner) > 1 and inner[0] == 1:
            inner.pop(0)
        if np.prod(shape, dtype=int) == 1:
            names.append(name)
        else:
            names.extend(f"{name}[{','.join(map(str, index))}]" for index in np.ndindex(*inner))
    return names
