"""Saved networks taken apart, by the description of the format and of XXH64, to be put together wrongly."""

from __future__ import annotations

import json
from dataclasses import dataclass
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


def expect_refusal(data: bytes) -> str:
    with pytest.raises(FileError) as caught:
        _core.from_bytes(data)
    return str(caught.value)


def weights_offsets(parts: Parts) -> list[int]:
    offsets = parts.header["1.0"]["data_offsets"]
    assert isinstance(offsets, list)
    return offsets
