"""Which nodes of a model the outputs need, in an order in which each reads only what is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import onnx

from fastexpr.errors import OnnxError
from fastexpr.onnx.node import node_title

Known = Callable[[str], bool]

WITH_GRAPHS = {"If", "Loop", "Scan", "SequenceMap"}  # operators that have graphs as attributes


def no_other(name: str) -> bool:
    """That a graph has no tensors around it."""
    return False


def reads(node: onnx.NodeProto) -> list[str]:
    """Names of the tensors that the node reads, those among them that graphs inside it take from around them."""
    names = [name for name in node.input if name]
    if node.op_type in WITH_GRAPHS:
        names += outer_names(attribute.g for attribute in node.attribute)
    return names


def outer_names(graphs: Iterable[onnx.GraphProto]) -> Iterator[str]:
    """Names of the tensors that the graphs read and do not have."""
    for graph in graphs:
        own = {info.name for info in graph.input} | {tensor.name for tensor in graph.initializer}
        own |= {name for inner in graph.node for name in inner.output}
        read = [name for inner in graph.node for name in reads(inner)] + [info.name for info in graph.output]
        yield from (name for name in read if name not in own)


def producers(nodes: Sequence[onnx.NodeProto], given: Iterable[str]) -> dict[str, int]:
    """The position of the node that gives each tensor.

    Raises OnnxError where two nodes, or a node and an input or initializer, give the same one.
    """
    origin: dict[str, int] = {}
    taken = set(given)
    for position, node in enumerate(nodes):
        for name in node.output:
            if not name:
                continue
            if name in origin or name in taken:
                other = node_title(nodes[origin[name]], origin[name]) if name in origin else "an input or initializer"
                raise OnnxError(
                    f"{node_title(node, position)} gives {name!r}, which {other} gives, too. Names must be unique: "
                    "export the model again."
                )
            origin[name] = position
    return origin


def evaluation_order(
    graph: onnx.GraphProto,
    given: set[str],
    wanted: Sequence[str],
    is_known: Known = no_other,
    nodes: Sequence[onnx.NodeProto] | None = None,
    read: Sequence[list[str]] | None = None,
) -> list[int]:
    """Positions of the nodes that the outputs need, each after those it reads from; in the file's order where that will
    do.

    Parameters
    ----------
    graph
        The model's graph.
    given
        Names of inputs and initializers.
    wanted
        Names of the outputs.
    is_known
        Whether a graph around this one has a tensor of this name.
    nodes, read
        The graph's nodes and what each of them reads, where the caller has them: a message gives them slowly.

    Raises
    ------
    OnnxError
        Where a node reads a tensor or the graph has an output that nothing gives, or nodes form a cycle.
    """
    nodes = list(graph.node) if nodes is None else nodes
    read = [reads(node) for node in nodes] if read is None else read
    origin = producers(nodes, given)
    needed = needed_nodes(nodes, read, origin, wanted, lambda name: name in given or is_known(name))
    placed: set[int] = set()
    for position in needed:
        for name in read[position]:
            if name in origin and origin[name] not in placed:
                return sorted_nodes(nodes, read, origin, needed)
        placed.add(position)
    return needed


def needed_nodes(
    nodes: Sequence[onnx.NodeProto],
    read: Sequence[list[str]],
    origin: dict[str, int],
    wanted: Sequence[str],
    is_given: Known,
) -> list[int]:
    """Positions of the nodes from which an output can be reached, ascending."""
    for output in wanted:
        if output not in origin and not is_given(output):
            known = sorted(origin, key=str)  # a damaged name is bytes
            shown = ", ".join(repr(name) for name in known[:20]) + (", ..." if len(known) > 20 else "")
            raise OnnxError(
                f"[Output {output!r}] does not exist: no node gives it, nor is it an input or initializer. Known "
                f"tensors: {shown or 'none'}. Export the model again."
            )
    waiting = [origin[output] for output in wanted if output in origin]
    needed = set(waiting)
    while waiting:
        position = waiting.pop()
        for name in read[position]:
            if name not in origin and not is_given(name):
                raise OnnxError(
                    f"{node_title(nodes[position], position)} reads {name!r}, which no node, input or initializer "
                    "gives. Export the model again."
                )
            if name in origin and origin[name] not in needed:
                needed.add(origin[name])
                waiting.append(origin[name])
    return sorted(needed)


def sorted_nodes(
    nodes: Sequence[onnx.NodeProto], read: Sequence[list[str]], origin: dict[str, int], needed: list[int]
) -> list[int]:
    """The needed nodes sorted by Kahn's algorithm."""
    sources_of = {position: {origin[name] for name in read[position] if name in origin} for position in needed}
    readers: dict[int, list[int]] = {position: [] for position in needed}
    for position, sources in sources_of.items():
        for source in sources:
            readers[source].append(position)
    ready = deque(position for position in needed if not sources_of[position])
    order: list[int] = []
    while ready:
        position = ready.popleft()
        order.append(position)
        for reader in readers[position]:
            sources_of[reader].discard(position)
            if not sources_of[reader]:
                ready.append(reader)
    if len(order) < len(needed):
        raise OnnxError(
            "The graph has a cycle: "
            + " -> ".join(cycle(nodes, sources_of))
            + ". Expected an order in which each node reads "
            "only what is there. Export the model again."
        )
    return order


def cycle(nodes: Sequence[onnx.NodeProto], sources_of: dict[int, set[int]]) -> list[str]:
    """Titles of nodes that read from one another in a circle, in the direction of the data; `sources_of` holds what is
    stuck.
    """
    position = next(position for position, sources in sources_of.items() if sources)
    path: dict[int, int] = {}  # and the place of each in it
    while position not in path:
        path[position] = len(path)
        position = min(sources_of[position])
    circle = [*list(path)[path[position] :], position]
    return [node_title(nodes[place], place) for place in reversed(circle)]
