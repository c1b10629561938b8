"""A model's own functions, written out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx
import onnx.inliner

from fastexpr.errors import OnnxError

LARGEST_NODE_COUNT = 1_000_000
DEEPEST_CALL = 200


def inlined(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its own functions written out."""
    if not proto.functions:
        return proto
    check_functions(proto)
    try:
        return onnx.inliner.inline_local_functions(proto)
    except Exception as error:  # the inliner raises what its C++ part raises
        raise OnnxError(
            f"The model's own functions cannot be written out: {error}. Export the model without functions."
        ) from error


def check_functions(proto: onnx.ModelProto) -> None:
    """Refuses functions that call themselves or become too many nodes: each may call the next one twice."""
    bodies = {(function.domain, function.name): list(calls(function.node)) for function in proto.functions}
    sizes: dict[tuple[str, str], tuple[int, int]] = {}  # nodes, and the depth of calls
    for start in bodies:
        path = [start]
        while path:
            name = path[-1]
            called = [key for key in bodies[name] if key in bodies]
            unknown = next((key for key in called if key not in sizes), None)
            if unknown is None:
                count = len(bodies[name]) + sum(sizes[key][0] for key in called)
                sizes[name] = count, 1 + max((sizes[key][1] for key in called), default=0)
                path.pop()
            elif unknown in path:
                refuse(f"{unknown[1]!r} calls itself")
            else:
                path.append(unknown)
            if len(path) > DEEPEST_CALL or (name in sizes and sizes[name][1] > DEEPEST_CALL):
                refuse(f"calls are more than {DEEPEST_CALL} deep")
    count = sum(sizes[key][0] for key in calls(proto.graph.node) if key in sizes)
    if count > LARGEST_NODE_COUNT:
        refuse(f"they are {count:.4g} nodes, expected at most {LARGEST_NODE_COUNT}")


def calls(nodes: Sequence[onnx.NodeProto]) -> Iterator[tuple[str, str]]:
    """Domain and operator of the nodes, those of the graphs inside included."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node.domain, node.op_type
        for attribute in node.attribute:
            for graph in [attribute.g, *attribute.graphs]:
                waiting += graph.node


def refuse(what: str) -> None:
    """Raises the error about functions."""
    raise OnnxError(f"The model's own functions cannot be written out: {what}. Export the model without functions.")
