"""Which nodes of a model the outputs need, in an order in which each reads only what is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import onnx

from fastexpr.errors import OnnxError
from fastexpr.onnx.node import node_title


def producers(graph: onnx.GraphProto, given: Iterable[str]) -> dict[str, int]:
    """The position of the node that gives each tensor.

    Raises OnnxError where two nodes, or a node and an input or initializer, give the same one.
    """
    origin: dict[str, int] = {}
    taken = set(given)
    for position, node in enumerate(graph.node):
        for name in node.output:
            if not name:
                continue
            if name in origin or name in taken:
                other = (
                    node_title(graph.node[origin[name]], origin[name]) if name in origin else "an input or initializer"
                )
                raise OnnxError(
                    f"{node_title(node, position)} gives {name!r}, which {other} gives, too. Names must be unique: "
                    "export the model again."
                )
            origin[name] = position
    return origin


def evaluation_order(graph: onnx.GraphProto, given: set[str]) -> list[int]:
    """Positions of the nodes that the outputs need, each after those it reads from; in the file's order where that will
    do.

    Parameters
    ----------
    graph
        The model's graph.
    given
        Names of inputs and initializers.

    Raises
    ------
    OnnxError
        Where a node reads a tensor or the graph declares an output that nothing gives, or nodes form a cycle.
    """
    origin = producers(graph, given)
    needed = needed_nodes(graph, origin, given)
    placed: set[int] = set()
    for position in needed:
        if any(origin[name] not in placed for name in graph.node[position].input if name in origin):
            return sorted_nodes(graph, origin, needed)
        placed.add(position)
    return needed


def needed_nodes(graph: onnx.GraphProto, origin: dict[str, int], given: set[str]) -> list[int]:
    """Positions of the nodes from which an output can be reached, ascending."""
    for output in graph.output:
        if output.name not in origin and output.name not in given:
            known = sorted(origin, key=str)  # a damaged name is bytes
            shown = ", ".join(repr(name) for name in known[:20]) + (", ..." if len(known) > 20 else "")
            raise OnnxError(
                f"[Output {output.name!r}] does not exist: no node gives it, nor is it an input or initializer. Known "
                f"tensors: {shown or 'none'}. Export the model again."
            )
    waiting = [origin[output.name] for output in graph.output if output.name in origin]
    needed = set(waiting)
    while waiting:
        position = waiting.pop()
        node = graph.node[position]
        for name in node.input:
            if name and name not in origin and name not in given:
                raise OnnxError(
                    f"{node_title(node, position)} reads {name!r}, which no node, input or initializer gives. Export "
                    "the model again."
                )
            if name in origin and origin[name] not in needed:
                needed.add(origin[name])
                waiting.append(origin[name])
    return sorted(needed)


def sorted_nodes(graph: onnx.GraphProto, origin: dict[str, int], needed: list[int]) -> list[int]:
    """The needed nodes sorted by Kahn's algorithm."""
    reads = {position: {origin[name] for name in graph.node[position].input if name in origin} for position in needed}
    readers: dict[int, list[int]] = {position: [] for position in needed}
    for position, sources in reads.items():
        for source in sources:
            readers[source].append(position)
    ready = deque(position for position in needed if not reads[position])
    order: list[int] = []
    while ready:
        position = ready.popleft()
        order.append(position)
        for reader in readers[position]:
            reads[reader].discard(position)
            if not reads[reader]:
                ready.append(reader)
    if len(order) < len(needed):
        raise OnnxError(
            "The graph has a cycle: "
            + " -> ".join(cycle(graph, reads))
            + ". Expected an order in which each node reads "
            "only what is there. Export the model again."
        )
    return order


def cycle(graph: onnx.GraphProto, reads: dict[int, set[int]]) -> list[str]:
    """Titles of nodes that read from one another in a circle, in the direction of the data; `reads` holds what is
    stuck.
    """
    position = next(position for position, sources in reads.items() if sources)
    path: dict[int, int] = {}  # and the place of each in it
    while position not in path:
        path[position] = len(path)
        position = min(reads[position])
    circle = [*list(path)[path[position] :], position]
    return [node_title(graph.node[place], place) for place in reversed(circle)]
