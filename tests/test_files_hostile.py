"""Wrong files: truncated, damaged, newer, or made to do harm. Each gives one FileError that says what is wrong."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastexpr as fx
from fastexpr import _core
from fastexpr.errors import FileError

MASK = 2**64 - 1
P1, P2, P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P4, P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def rotate(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (64 - bits))) & MASK


def mix(accumulator: int, lane: int) -> int:
    return rotate((accumulator + lane * P2) & MASK, 31) * P1 & MASK


def xxh64(data: bytes) -> str:
    """XXH64 with seed 0, written from its description (doc/xxhash_spec.md of xxHash), step by step."""

    def word(position: int, size: int) -> int:
        return int.from_bytes(data[position : position + size], "little")

    accumulators = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
    position = 0
    while position + 32 <= len(data):
        accumulators = [mix(a, word(position + 8 * i, 8)) for i, a in enumerate(accumulators)]
        position += 32
    result = P5
    if len(data) >= 32:
        result = sum(rotate(a, bits) for a, bits in zip(accumulators, (1, 7, 12, 18), strict=True)) & MASK
        for a in accumulators:
            result = ((result ^ mix(0, a)) * P1 + P4) & MASK
    result = (result + len(data)) & MASK
    while position + 8 <= len(data):
        result = (rotate(result ^ mix(0, word(position, 8)), 27) * P1 + P4) & MASK
        position += 8
    if position + 4 <= len(data):
        result = (rotate(result ^ (word(position, 4) * P1 & MASK), 23) * P2 + P3) & MASK
        position += 4
    for byte in data[position:]:
        result = rotate(result ^ (byte * P5 & MASK), 11) * P1 & MASK
    result = (result ^ (result >> 33)) * P2 & MASK
    result = (result ^ (result >> 29)) * P3 & MASK
    return f"{result ^ (result >> 32):016x}"


def test_xxh64_against_published_values() -> None:
    assert xxh64(b"") == "ef46db3751d8e999"
    assert xxh64(b"a") == "d24ec4f1a98c6e5b"
    assert xxh64(b"abc") == "44bc2cf5ad770999"
    assert xxh64(b"Nobody inspects the spammish repetition") == "fbcea83c8a378bf1"


@dataclass
class Parts:
    """A saved network taken apart, to be put together again with checksums that fit."""

    header: dict[str, Any]
    graph: Any
    weights: bytes
    version: str = "1"

    @classmethod
    def of(cls, data: bytes) -> Parts:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        end = header["graph"]["data_offsets"][1]
        return cls(header, json.loads(data[8 + length : 8 + length + end]), data[8 + length + end :])

    def tensor(self, name: str, **changes: Any) -> None:
        self.header[name] |= changes

    def to_bytes(self, *, graph_text: bytes | None = None, header_tail: bytes = b"") -> bytes:
        graph = json.dumps(self.graph).encode() if graph_text is None else graph_text
        graph += b" " * (-len(graph) % 64)
        entries = {name: entry for name, entry in self.header.items() if name != "__metadata__"}
        if "graph" in entries:
            shift = len(graph) - entries["graph"]["data_offsets"][1]
            entries["graph"] = entries["graph"] | {"shape": [len(graph)], "data_offsets": [0, len(graph)]}
            for name, entry in entries.items():
                offsets = entry.get("data_offsets")
                if name != "graph" and isinstance(offsets, list) and all(type(value) is int for value in offsets):
                    entries[name] = entry | {"data_offsets": [value + shift for value in offsets]}
        metadata = {
            "format": "fastexpr",
            "version": self.version,
            "data_size": str(len(graph) + len(self.weights)),
            "checksum": "0" * 16,
            "graph_checksum": xxh64(graph),
            "weights_checksum": xxh64(self.weights),
        }
        compact = (",", ":")
        text = json.dumps({"__metadata__": metadata}, separators=compact)[:-1] + ","
        text += json.dumps(entries, separators=compact)[1:]
        header = text.encode()[:-1] + header_tail + b"}"
        header += b" " * (-(len(header) + 8) % 64)
        header = header.replace(b'"checksum":"' + b"0" * 16, b'"checksum":"' + xxh64(header).encode(), 1)
        return len(header).to_bytes(8, "little") + header + graph + self.weights


def example() -> fx.Function:
    x = fx.variables(3)
    weights = np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)
    hidden = np.tanh(weights @ x + np.linspace(0, 1, 20))
    return fx.Function(x, [hidden[:5].sum(), hidden[7] * x[0]]).with_bounds(-1, [1, 2, np.inf])


SAVED = _core.to_bytes(example())


def taken_apart() -> Parts:
    return Parts.of(SAVED)


def test_taking_apart_and_putting_together() -> None:
    net = _core.from_bytes(taken_apart().to_bytes())
    point = [0.1, 0.2, 0.3]
    assert net(point).tobytes() == example()(point).tobytes()
    assert xxh64(taken_apart().weights) == taken_apart().header["__metadata__"]["weights_checksum"]


def expect_refusal(data: bytes) -> str:
    with pytest.raises(FileError) as caught:
        _core.from_bytes(data)
    return str(caught.value)


def test_truncated_anywhere(tmp_path: Path) -> None:
    length = 8 + int.from_bytes(SAVED[:8], "little")
    parts = taken_apart()
    boundaries = {0, 1, 7, 8, 9, length, len(SAVED) - 1}
    boundaries |= {
        length + offset
        for name, entry in parts.header.items()
        if name != "__metadata__"
        for offset in entry["data_offsets"]
    }
    boundaries |= set(random.Random(0).sample(range(len(SAVED)), 200))
    for size in sorted(boundaries - {len(SAVED)}):
        message = expect_refusal(SAVED[:size])
        assert size < 9 or "is truncated" in message, (size, message)
        (tmp_path / "net.fx").write_bytes(SAVED[:size])
        with pytest.raises(FileError, match=r"net\.fx' (is truncated|is empty|is not a network)"):
            fx.load(tmp_path / "net.fx")
        with pytest.raises(FileError):
            _core.read_content_hash(tmp_path / "net.fx")


def test_bytes_too_many() -> None:
    assert "was altered: got" in expect_refusal(SAVED + b"\0")


def test_every_byte_of_header_and_graph_is_guarded(tmp_path: Path) -> None:
    end = len(SAVED) - len(taken_apart().weights)
    flips = random.Random(1)
    for position in flips.sample(range(end), 500):
        damaged = bytearray(SAVED)
        damaged[position] ^= 1 << flips.randrange(8)
        (tmp_path / "net.fx").write_bytes(damaged)
        with pytest.raises(FileError):
            fx.load(tmp_path / "net.fx", verify=False)


def test_damaged_weights(tmp_path: Path) -> None:
    begin = len(SAVED) - len(taken_apart().weights)
    for position in random.Random(2).sample(range(begin, len(SAVED)), 100):
        damaged = bytearray(SAVED)
        damaged[position] ^= 4
        (tmp_path / "net.fx").write_bytes(damaged)
        for verify in (True, None):
            with pytest.raises(FileError, match="checksum of its weights is wrong"):
                fx.load(tmp_path / "net.fx", verify=verify)


def test_damaged_weights_load_unverified(tmp_path: Path) -> None:
    """What verify=False is for: nothing but header and graph is read, so the file loads with another weight."""
    offset = weights_offsets(taken_apart())[0]
    damaged = bytearray(SAVED)
    damaged[8 + int.from_bytes(SAVED[:8], "little") + offset + 2] ^= 4
    (tmp_path / "net.fx").write_bytes(damaged)
    net = fx.load(tmp_path / "net.fx", verify=False)
    assert np.count_nonzero(net._nodes()[0][0].constants[0] != example()._nodes()[0][0].constants[0]) == 1


def test_a_newer_format() -> None:
    for version in ("2", "17", "18446744073709551615"):
        parts = taken_apart()
        parts.version = version
        message = expect_refusal(parts.to_bytes())
        assert f"is of a newer format: got {version}, this fastexpr reads up to 1. Upgrade it" in message
    parts = taken_apart()
    parts.version = "0"
    assert "altered" in expect_refusal(parts.to_bytes())


FOREIGN = {
    "onnx": b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\xb1\x02" + bytes(300),
    "zip": b"PK\x03\x04" + bytes(300),
    "text": b"This is a letter.\n" * 30,
    "other safetensors": (72).to_bytes(8, "little")
    + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(72)
    + bytes(4),
    "zeros": bytes(5000),
    "short": b"abc",
}


@pytest.mark.parametrize("kind", sorted(FOREIGN))
def test_other_files(kind: str) -> None:
    assert "is not a network saved by fastexpr" in expect_refusal(FOREIGN[kind])


# ---- files that were made on purpose: all checksums fit, the content does not

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


def weights_offsets(parts: Parts) -> list[int]:
    offsets = parts.header["1.0"]["data_offsets"]
    assert isinstance(offsets, list)
    return offsets


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


LOAD_ALL = """
import json, resource, sys, time
import fastexpr as fx
results = {}
for name in json.load(open("cases.json")):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    try:
        fx.load(name)
        message = ""
    except fx.errors.FileError as error:
        message = str(error)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    results[name] = (message, time.perf_counter() - begin, growth / 1024)
print(json.dumps(results))
"""


def run_python(code: str, folder: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(Path(fx.__file__).parents[1]), "PYTHONFAULTHANDLER": "1"}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-3000:])
    return done.stdout


def test_files_made_on_purpose(tmp_path: Path) -> None:
    cases = made_on_purpose()
    names = {f"{i}.fx": name for i, name in enumerate(cases)}
    for file, name in names.items():
        (tmp_path / file).write_bytes(cases[name][1])
    (tmp_path / "cases.json").write_text(json.dumps(list(names)))
    results = json.loads(run_python(LOAD_ALL, tmp_path))
    wrong = {}
    for file, name in names.items():
        message, seconds, megabytes = results[file]
        if not re.search(cases[name][0], message) or not message.startswith(f"'{file}' ") or len(message) > 1500:
            wrong[name] = message
        if seconds > 1 or megabytes > 50:
            wrong[name] = f"took {seconds} s and {megabytes} MB"
    assert not wrong


FUZZ = """
import json, math, random, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
import test_files_hostile as hostile
from fastexpr import _core
from fastexpr.errors import FileError

choose = random.Random(int(sys.argv[2]))
ODD = [0, 1, -1, 2, 7, 60, 64, 2**31, 2**32, 2**40, 2**62, 2**63, -2**63, 2**64, 0.5, 1e308, None, True, "", "x"]
ODD += [[], {}, [[]], [0], [1, 2, 3], "1.0", "1.1", "graph", {"number": "nan"}, {"tensor": "1.0", "shape": [60]}]
ODD += _core.operator_names()

def places(tree, found):
    for key in list(tree.keys() if isinstance(tree, dict) else range(len(tree))):
        found.append((tree, key))
        if isinstance(tree[key], (dict, list)):
            places(tree[key], found)
    return found

def mutate(tree):
    for _ in range(choose.choice([1, 1, 2, 4])):
        container, key = choose.choice(places(tree, []))
        action = choose.randrange(4)
        if action == 0:
            container[key] = choose.choice(ODD)
        elif action == 1 and isinstance(container[key], int):
            container[key] += choose.choice([-1, 1, 64, -64])
        elif action == 2:
            container[key] = json.loads(json.dumps(choose.choice(places(tree, []))[0]))
        elif isinstance(container, dict):
            del container[key]
        else:
            container.insert(key, choose.choice(ODD))

counts = [0, 0]
other = (Path(sys.argv[1]) / "data" / "format_1.fx").read_bytes()
stop = time.monotonic() + 4
while time.monotonic() < stop:
    parts = hostile.Parts.of(choose.choice([hostile.SAVED, other]))
    entries = parts.header
    try:
        mutate(parts.graph if choose.random() < 0.7 else {k: v for k, v in entries.items() if k != "__metadata__"})
        data = bytearray(parts.to_bytes())
    except (TypeError, AttributeError, KeyError, IndexError, ValueError):
        continue  # no longer a file
    if choose.random() < 0.1:
        data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    Path("last.fx").write_bytes(data)
    try:
        net = _core.from_bytes(bytes(data))
    except FileError:
        counts[0] += 1
        continue
    counts[1] += 1
    if net.n_inputs < 100 and sum(math.prod(op.shape) for op, _, _ in net._nodes()) < 10_000:
        net.evaluate(np.full(net.n_inputs, 0.25), np.ones(net.n_outputs))
print(*counts)
"""


def test_fuzz(tmp_path: Path) -> None:
    refused, loaded = map(int, run_python(FUZZ, tmp_path, str(Path(__file__).parent), "7").split())
    assert refused > 100
    assert loaded > 10
