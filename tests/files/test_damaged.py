"""Wrong files: truncated, damaged, newer, or no saved networks. Each gives one FileError that says what is wrong."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from saved_parts import SAVED, example, expect_refusal, taken_apart, weights_offsets, xxh64

import fastexpr as fx
from fastexpr import _core
from fastexpr.errors import FileError


def test_xxh64_against_published_values() -> None:
    assert xxh64(b"") == "ef46db3751d8e999"
    assert xxh64(b"a") == "d24ec4f1a98c6e5b"
    assert xxh64(b"abc") == "44bc2cf5ad770999"
    assert xxh64(b"Nobody inspects the spammish repetition") == "fbcea83c8a378bf1"


def test_taking_apart_and_putting_together() -> None:
    net = _core.from_bytes(taken_apart().to_bytes())
    point = [0.1, 0.2, 0.3]
    assert net(point).tobytes() == example()(point).tobytes()
    assert xxh64(taken_apart().weights) == taken_apart().header["__metadata__"]["weights_checksum"]


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
