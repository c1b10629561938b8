"""Finds the weights inside an ONNX file without parsing them.

An ONNX file is one protobuf message, ModelProto, whose weights lie as raw bytes in graph.initializer[i].raw_data.
Parsing copies every one of them, and reading the field copies it again. Here a scan over the few outer tags cuts these
bytes out: what remains (the skeleton, some kilobytes) is parsed by the onnx package, and the weights are copied once,
to where they stay.

Wire format: https://protobuf.dev/programming-guides/encoding. A field is a varint `number << 3 | kind` and its content;
kind 0 is a varint, 1 is 8 bytes, 2 is a varint length and as many bytes, 5 is 4 bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto

Buffer = bytes | mmap
Array = NDArray[Any]

MODEL_GRAPH = 7
GRAPH_INITIALIZER = 5
TENSOR_RAW_DATA = 9
SMALLEST_CUT = 4096  # bytes; smaller weights stay in the skeleton


class Span(NamedTuple):
    """Bytes start to stop of the file."""

    start: int
    stop: int


class WireError(ValueError):
    """Not a protobuf message, or a truncated one."""


def read_varint(data: Buffer, at: int, stop: int) -> tuple[int, int]:
    """The number at `at`, and where the next thing starts."""
    number = shift = 0
    while at < stop and shift < 70:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise WireError(f"a number breaks off at byte {at}")


def fields(data: Buffer, message: Span) -> Iterator[tuple[int, Span, Span]]:
    """Every field of the message: its number, the whole of it, and its content."""
    at, stop = message
    while at < stop:
        start = at
        tag, at = read_varint(data, at, stop)
        kind = tag & 7
        if kind == 2:
            length, at = read_varint(data, at, stop)
            content = Span(at, at + length)
        elif kind == 0:
            content = Span(at, read_varint(data, at, stop)[1])
        elif kind in (1, 5):
            content = Span(at, at + (8 if kind == 1 else 4))
        else:
            raise WireError(f"unknown kind of field {kind} at byte {start}")
        at = content.stop
        if at > stop:
            raise WireError(
                f"a field of {content.stop - content.start} bytes at byte {start} goes past the end, {stop}"
            )
        yield tag >> 3, Span(start, at), content


def varint(number: int) -> bytes:
    """The number as protobuf writes it."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def message_field(number: int, content: bytes) -> bytes:
    """A field that holds a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def without_weights(data: Buffer) -> tuple[bytes, dict[int, Span]]:
    """The file's bytes without the weights, and where the weights of initializer k are, for the large ones.

    Raises WireError where the file is not a protobuf message or ends early.
    """
    cuts: dict[int, Span] = {}
    outer = list(fields(data, Span(0, len(data))))
    if (
        sum(number == MODEL_GRAPH for number, _, _ in outer) > 1
    ):  # protobuf merges them: no use in counting initializers
        return data[:], cuts
    skeleton = [
        message_field(number, graph_without_weights(data, content, cuts))
        if number == MODEL_GRAPH
        else data[whole.start : whole.stop]
        for number, whole, content in outer
    ]
    return b"".join(skeleton), cuts


def graph_without_weights(data: Buffer, graph: Span, cuts: dict[int, Span]) -> bytes:
    """The graph's bytes without the weights; notes in `cuts` where they are."""
    pieces: list[bytes] = []
    kept_from = graph.start  # bytes not yet copied; neighbouring fields are copied in one piece
    k = 0
    for number, whole, content in fields(data, graph):
        if number != GRAPH_INITIALIZER:
            continue
        if content.stop - content.start >= SMALLEST_CUT:
            weights = [(field, inner) for n, field, inner in fields(data, content) if n == TENSOR_RAW_DATA]
            if len(weights) == 1:
                field, cuts[k] = weights[0]
                pieces.append(data[kept_from : whole.start])
                tensor = data[content.start : field.start] + data[field.stop : content.stop]
                pieces.append(message_field(GRAPH_INITIALIZER, tensor))
                kept_from = whole.stop
        k += 1
    pieces.append(data[kept_from : graph.stop])
    return b"".join(pieces)


# ---- lists of numbers

LIST_TAGS = {AttributeProto.FLOATS: (7 << 3 | 5), AttributeProto.INTS: 8 << 3}


def list_array(attribute: AttributeProto) -> Array | None:
    """The numbers of an attribute that lists floats or integers; None of any other. An object for each number, which is
    what the onnx package gives, takes 20 times as long: forests have millions.
    """
    if attribute.type not in LIST_TAGS:
        return None
    name, tag = len(attribute.name.encode()), LIST_TAGS[attribute.type]
    is_bare = name < 0x80 and not attribute.doc_string and not attribute.ref_attr_name
    content = (
        attribute.SerializeToString()
    )  # the name behind 2 bytes, tags of one byte and numbers, the type in 3 bytes
    data: Array = np.frombuffer(content, np.uint8)[2 + name : -3] if is_bare else np.zeros(0, np.uint8)
    if attribute.type == AttributeProto.FLOATS:
        count = len(attribute.floats)
        if data.size == 5 * count and (data[::5] == tag).all():
            return np.ascontiguousarray(data.reshape(-1, 5)[:, 1:]).view("<f4").reshape(-1)
        return np.array(attribute.floats, np.float32)
    ends = np.flatnonzero(data < 0x80)  # the last byte of each tag and each number
    tags, stops = ends[::2], ends[1::2]
    if not len(tags) == len(stops) == len(attribute.ints) or (data[tags] != tag).any():
        return np.array(attribute.ints, np.int64)
    lengths = stops - tags
    numbers = (data[tags + 1] & 0x7F).astype(np.int64)
    for k in range(1, int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths > k)
        numbers[longer] |= (data[tags[longer] + 1 + k] & 0x7F).astype(np.int64) << 7 * k
    return numbers
