"""Files that were made on purpose: all checksums fit, the content does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from saved_parts import SAVED, Parts, taken_apart, weights_offsets

Change = Callable[[Parts], None]
CHANGES: dict[str, tuple[str, Change]] = {}


def change(name: str, message: str) -> Callable[[Change], Change]:
    def register(function: Change) -> Change:
        CHANGES[name] = (message, function)
        return function

    return register


def set_node(key: str, value: Any, node: int = 0) -> Change:
    return lambda parts: parts.graph["nodes"][node].__setitem__(key, value)


def set_graph(key: str, value: Any) -> Change:
    return lambda parts: parts.graph.__setitem__(key, value)


def set_weights(**changes: Any) -> Change:
    return lambda parts: parts.tensor("1.0", **changes)


SIMPLE_CHANGES: dict[str, tuple[str, Change]] = {
    "reads itself": ("node 1: it reads node 1", set_node("inputs", [1])),
    "cycle": ("node 1: it reads node 2", set_node("inputs", [2])),
    "negative id": ("node 1: it reads node -1", set_node("inputs", [-1])),
    "id beyond 32 bits": ("node 1: it reads node 4294967296", set_node("inputs", [2**32])),
    "id beyond 64 bits": ("node 1: got number", set_node("inputs", [2**63])),
    "id that is no integer": ("node 1: got number", set_node("inputs", [0.0])),
    "ids that are no list": ("expected an array", set_node("inputs", {"a": 0})),
    "two inputs, one shape": ("as many input_shapes as inputs", set_node("inputs", [0, 0])),
    "wrong input size": ("has 3 numbers, its shape is said to be \\(4,\\)", set_node("input_shapes", [[4]])),
    "negative shape": ("negative dimension", set_node("input_shapes", [[-3]])),
    "huge input": ("input 0 has 3 numbers", set_node("input_shapes", [[2**30, 3]])),
    "shape that overflows": (r"2\^40 elements", set_node("input_shapes", [[2**62, 2**62]])),
    "shape of many dimensions": ("1000 dimensions", set_node("input_shapes", [[1] * 1000])),
    "unknown operator": ("no operator 'Explode'", set_node("operator", "Explode")),
    "operator that is no text": ("expected a text", set_node("operator", 3)),
    "label that is no text": ("expected a text", set_node("label", ["a"])),
    "missing attributes": ("cannot build: ", set_node("attributes", {})),
    "attributes that are no object": ("not an object", set_node("attributes", [1])),
    "attribute of a wrong kind": ("cannot build: ", set_node("attributes", {"axis": "first", "transposed": 0})),
    "attribute out of range": ("cannot build: ", set_node("attributes", {"axis": 2**40, "transposed": 0})),
    "attribute that is null": ("expected an object", set_node("attributes", {"axis": None, "transposed": 0})),
    "unknown number": (
        "expected inf, -inf or nan",
        set_node("attributes", {"axis": {"number": "many"}, "transposed": 0}),
    ),
    "missing tensor": ("no tensor of numbers 'elsewhere'", set_node("constants", ["elsewhere"])),
    "graph as a constant": ("no tensor of numbers 'graph'", set_node("constants", ["graph"])),
    "no constants": ("cannot build: ", set_node("constants", [])),
    "constant under a wrong shape": ("cannot be read as", set_node("constants", [{"tensor": "1.0", "shape": [20, 4]}])),
    "unknown entry of a node": ("unknown entry 'surprise'", set_node("surprise", 1)),
    "node that is a number": ("expected an object", lambda parts: parts.graph["nodes"].__setitem__(0, 7)),
    "nodes that are no list": ("expected an array", set_graph("nodes", {})),
    "missing nodes": ("'nodes' is missing", lambda parts: parts.graph.pop("nodes")),
    "unknown entry of the graph": ("unknown entry 'surprise'", set_graph("surprise", 1)),
    "output that does not exist": ("it reads node 1000", set_graph("output_nodes", [1000])),
    "no outputs": ("output ports", set_graph("output_nodes", [])),
    "n of a wrong kind": ("expected an integer", set_graph("n_inputs", "3")),
    "negative n": ("input 0 has -1 numbers", set_graph("n_inputs", -1)),
    "huge n": ("its shape is said to be", set_graph("n_inputs", 2**62)),
    "too few names": ("number of input names", set_graph("input_names", ["a"])),
    "name that is no text": ("expected a text", set_graph("input_names", ["a", "b", 3])),
    "ports too large": ("numbers in the input ports", set_graph("inputs", [{"name": "x", "shape": [4]}])),
    "huge port": (r"2\^40 elements", set_graph("inputs", [{"name": "x", "shape": [2**40, 2]}])),
    "port without a name": ("'name' is missing", set_graph("inputs", [{"shape": [3]}])),
    "bound that is no tensor": ("expected an object", set_graph("lower", 0)),
    "bound of a wrong length": ("cannot build: ", set_graph("lower", {"tensor": "1.1", "shape": [20]})),
    "bound of float32": ("expected F64", set_graph("lower", "1.0")),
    "bounds the wrong way round": ("not an interval", lambda parts: parts.graph.update(lower="upper", upper="lower")),
    "only one bound": ("lower bounds", lambda parts: parts.graph.pop("lower")),
    "graph that is a list": ("expected an object", lambda parts: setattr(parts, "graph", [1, 2])),
    "graph that is null": ("expected an object", lambda parts: setattr(parts, "graph", None)),
    "dtype that is not ours": ("got dtype 'BF16'", set_weights(dtype="BF16")),
    "dtype of another size": ("its shape 480", set_weights(dtype="F64")),
    "tensor with a negative dimension": ("negative dimension", set_weights(shape=[-20, -3])),
    "tensor whose shape overflows": (r"2\^40 elements", set_weights(shape=[2**33, 2**33])),
    "tensor with a shape that is no list": ("expected an array", set_weights(shape=60)),
    "tensor with half an offset": ("expected an integer", set_weights(data_offsets=[0.5, 1])),
    "tensor with three offsets": ("not a range", set_weights(data_offsets=[0, 1, 2])),
    "tensor with negative offsets": ("not a range", set_weights(data_offsets=[-(10**6), 0])),
    "unknown entry of a tensor": ("unknown entry 'stride'", set_weights(stride=2)),
    "no graph": ("there is a gap before it", lambda parts: parts.header.pop("graph")),
}
CHANGES.update(SIMPLE_CHANGES)


@change("huge outer sum", r"more than 2\^28 numbers")
def outer_sum(parts: Parts) -> None:
    n = 2**16
    nodes = [
        {"operator": "Constant", "constants": ["zeros"]},
        {"operator": "Reshape", "inputs": [1], "input_shapes": [[n]], "attributes": {"shape": [n, 1]}},
        {"operator": "Add", "inputs": [1, 2], "input_shapes": [[n], [n, 1]]},
    ]
    parts.graph |= {"nodes": nodes, "output_nodes": [3]}
    begin = len(SAVED) - 8 - int.from_bytes(SAVED[:8], "little")
    parts.header["zeros"] = {"dtype": "F64", "shape": [n], "data_offsets": [begin, begin + 8 * n]}
    parts.weights += bytes(8 * n)


def node(operator: str, input_id: int, shape: list[int], attributes: Any, constants: list[Any] | None = None) -> Any:
    made = {"operator": operator, "inputs": [input_id], "input_shapes": [shape], "attributes": attributes}
    return made if constants is None else made | {"constants": constants}


def padded_convolutions(parts: Parts, count: int, pads: list[int], **settings: Any) -> None:
    """One after the other, each over the shape (1, 1, 1, 3) that the one before it was summed to."""
    weights = {"tensor": "1.0", "shape": [5, 1, 3, 4]}
    attributes = {
        "axis": 1,
        "group": 1,
        "transposed": 0,
        "strides": [1, 1],
        "dilations": [1, 1],
        "pads": pads,
    } | settings
    nodes: list[Any] = []
    rows, columns = (1 + pads[0] + pads[2] - 3 + 1, 3 + pads[1] + pads[3] - 4 + 1)
    for _ in range(count):
        nodes.append(node("Conv", 0, [1, 1, 1, 3], attributes, [weights]))
        nodes.append(node("ReduceSum", len(nodes), [5 * rows * columns], {"axis": 0, "n_axes": 1, "keepdims": 1}, None))
    parts.graph |= {"nodes": nodes, "output_nodes": [len(nodes)]}


@change("convolutions with long tables", "tables of more entries")
def long_tables(parts: Parts) -> None:
    padded_convolutions(parts, 40, [2**20, 1, 2**20, 1])


@change("convolution with pads on all sides", r"2\^40 elements")
def wide_pads(parts: Parts) -> None:
    padded_convolutions(parts, 1, [2**20] * 4)


@change("convolutions with large outputs", r"more than 2\^28 numbers")
def large_outputs(parts: Parts) -> None:
    padded_convolutions(parts, 40, [2, 2**20, 2, 2**20])


@change("transposed convolution with long strides", r"more than 2\^28 numbers|2\^40 elements")
def long_strides(parts: Parts) -> None:
    weights = {"tensor": "1.0", "shape": [1, 60, 1]}
    attributes = {"axis": 1, "group": 1, "transposed": 1, "strides": [2**20], "dilations": [1], "pads": [0, 0]}
    last = {"axis": 0, "n_axes": 1, "keepdims": 1}
    size = 60 * (2 * 2**20 + 1)
    nodes = [node("Conv", 0, [1, 1, 3], attributes, [weights]), node("ReduceSum", 1, [size], last)]
    nodes += [node("Conv", 0, [1, 1, 3], attributes, [weights]), node("ReduceSum", 3, [size], last)] * 3
    for k, made in enumerate(nodes[1::2]):
        nodes[2 * k + 1] = made | {"inputs": [2 * k + 1]}
    parts.graph |= {"nodes": nodes, "output_nodes": [len(nodes)]}


@change("trees with many targets", r"more than 2\^28 numbers")
def many_targets(parts: Parts) -> None:
    add_tables(parts, {"nodes": [0, 0, 1, 0, 0], "targets": [0], "roots": [0]}, {"thresholds": [0.0], "numbers": [1.0]})
    tables = [{"tensor": "nodes", "shape": [1, 5]}, "thresholds", "targets", "numbers", "roots"]
    attributes = {"n_targets": 2**27, "aggregate": "sum"}
    last = {"axis": 0, "n_axes": 1, "keepdims": 1}
    nodes = []
    for k in range(4):
        nodes += [node("TreeEnsemble", 0, [1, 3], attributes, tables), node("ReduceSum", 2 * k + 1, [2**27], last)]
    parts.graph |= {"nodes": nodes, "output_nodes": [8]}


@change("trees with more targets than memory", r"more than 2\^28 numbers")
def more_targets(parts: Parts) -> None:
    many_targets(parts)
    parts.graph["nodes"][0]["attributes"]["n_targets"] = 2**38


@change("choice among broadcast operands", r"more than 2\^28 numbers|tables of more")
def outer_choice(parts: Parts) -> None:
    n = 2**13
    add_tables(parts, {}, {"line": [0.0] * n})
    nodes: list[Any] = [{"operator": "Constant", "constants": ["line"]}]
    for shape in ([n, 1, 1], [1, n, 1], [1, 1, n]):
        nodes.append(node("Reshape", 1, [n], {"shape": shape}))
    nodes.append({"operator": "Where", "inputs": [2, 3, 4], "input_shapes": [[n, 1, 1], [1, n, 1], [1, 1, n]]})
    parts.graph |= {"nodes": nodes, "output_nodes": [5]}


def add_tables(parts: Parts, integers: dict[str, list[int]], numbers: dict[str, list[float]]) -> None:
    """More tensors behind those that are there."""
    for kind, dtype, tables in (("<i8", "I64", integers), ("<f8", "F64", numbers)):
        for name, entries in tables.items():
            begin = parts.header["graph"]["data_offsets"][1] + len(parts.weights)
            parts.header[name] = {
                "dtype": dtype,
                "shape": [len(entries)],
                "data_offsets": [begin, begin + 8 * len(entries)],
            }
            parts.weights += np.array(entries, kind).tobytes()


@change("tensors that overlap", "it overlaps another")
def overlap(parts: Parts) -> None:
    begin, end = weights_offsets(parts)
    parts.header["again"] = {"dtype": "F32", "shape": [60], "data_offsets": [begin, end]}


@change("gap between tensors", "there is a gap before it")
def gap(parts: Parts) -> None:
    begin, end = weights_offsets(parts)
    parts.tensor("1.0", shape=[59], data_offsets=[begin + 4, end])


@change("tensor beyond the end", "the tensors end at|there is a gap")
def beyond(parts: Parts) -> None:
    size = len(SAVED)
    parts.header["far"] = {"dtype": "F32", "shape": [60], "data_offsets": [size, size + 240]}


@change("tensor at the end of memory", "not a range|bytes, its shape|there is a gap")
def far_beyond(parts: Parts) -> None:
    parts.tensor("1.0", data_offsets=[2**63 - 2000, 2**63 - 1760])


@change("data that no tensor has", "the tensors end at")
def rest(parts: Parts) -> None:
    parts.weights += bytes(64)


@change("numbers that are not aligned", "not aligned")
def unaligned(parts: Parts) -> None:
    end = len(SAVED) - 8 - int.from_bytes(SAVED[:8], "little")
    parts.header["pad"] = {"dtype": "U8", "shape": [1], "data_offsets": [end, end + 1]}
    parts.header["odd"] = {"dtype": "F64", "shape": [1], "data_offsets": [end + 1, end + 9]}
    parts.weights += bytes(9)


def made_on_purpose() -> dict[str, tuple[str, bytes]]:
    cases = {}
    for name, (message, apply) in CHANGES.items():
        parts = taken_apart()
        apply(parts)
        cases[name] = (message, parts.to_bytes())
    parts = taken_apart()
    texts = {
        "graph nested deeply": ("nested too deeply", b"[" * 1_000_000),
        "graph nested deeply in objects": ("nested too deeply", b'{"a":' * 500_000),
        "graph that is no JSON": ("parse error", b"{nodes}"),
        "graph that is cut off": ("parse error", b'{"nodes": ['),
        "graph that is blank": ("parse error", b"    "),
        "graph with a name twice": ("occurs twice", b'{"nodes": [], "nodes": []}'),
        "graph that is not UTF-8": ("parse error", b'{"no\xff\xfedes": []}'),
        "graph with half a letter": ("parse error", b'{"n_inputs": "\\ud800"}'),
        "graph with a huge number": ("number overflow", b'{"n_inputs": 1e999}'),
        "graph with a long name": ("unknown entry", b'{"' + b"a" * 1_000_000 + b'": 1}'),
        "graph of many lists": ("expected an object", b"[" + b"[]," * 300_000 + b"[]]"),
    }
    cases |= {name: (message, parts.to_bytes(graph_text=text)) for name, (message, text) in texts.items()}
    tails = {
        "header nested deeply": ("nested too deeply", b',"a":' + b"[" * 500_000 + b"]" * 500_000),
        "tensor name twice": ("occurs twice", b',"graph":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'),
        "tensor that is a number": ("expected an object", b',"a":1'),
        "header that is not JSON": ("parse error", b",,"),
        "header that ends early": ("parse error", b'}{"a":1'),
        "header that is not UTF-8": ("parse error", b',"\xff":1'),
    }
    cases |= {name: (message, parts.to_bytes(header_tail=tail)) for name, (message, tail) in tails.items()}
    for length in (0, 1, 55, 63, 64, 2**31, 2**32 - 8, 2**63 - 8, 2**64 - 8, 2**64 - 1):
        cases[f"header of {length} bytes"] = ("altered|truncated", length.to_bytes(8, "little") + SAVED[8:])
    size = re.search(rb'"data_size":"(\d+)"', SAVED)
    assert size is not None
    for data_size in (b"0", b"4611686018427387904", b"18446744073709551615", b"99999999999999999999999", b"-1", b""):
        wrong = SAVED[: size.start(1)] + data_size + SAVED[size.end(1) :]
        cases[f"data of {data_size.decode()} bytes"] = ("altered|truncated", wrong)
    return cases
