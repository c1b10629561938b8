"""Saving and loading: what was saved comes back to the last bit."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import TESTS
from saved_networks import NETS, assert_same, every_kind, layered, make_net, shared_weights

import fastexpr as fx
from fastexpr import _core

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture(params=sorted(NETS))
def net(request: pytest.FixtureRequest) -> fx.Function:
    return NETS[request.param]()


def test_round_trip(net: fx.Function, tmp_path: Path) -> None:
    path = tmp_path / "network ü.fx"
    net.save(path)
    for verify in (None, True, False):
        assert_same(net, fx.load(path, verify=verify))
    assert_same(net, fx.load(str(path)))
    assert_same(net, fx.load(os.fsencode(path)))  # type: ignore[arg-type]
    assert_same(net, _core.from_bytes(_core.to_bytes(net)))
    assert _core.to_bytes(net) == path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_saving_again_gives_the_same_bytes(net: fx.Function, tmp_path: Path) -> None:
    net.save(tmp_path / "a")
    fx.load(tmp_path / "a").save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_pickle_and_copy(net: fx.Function) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert_same(net, pickle.loads(pickle.dumps(net, protocol)))
    assert copy.copy(net) is net
    assert copy.deepcopy([net])[0] is net


def test_content_hash_names_the_content(tmp_path: Path) -> None:
    names = {}
    for name, make in NETS.items():
        net = make()
        net.save(tmp_path / "net.fx")
        names[name] = _core.content_hash(net)
        assert names[name] == _core.read_content_hash(tmp_path / "net.fx") == _core.content_hash(make())
        assert names[name] == _core.content_hash(fx.load(tmp_path / "net.fx"))
    assert len(set(names.values())) == len(NETS)
    assert _core.content_hash(layered(seed=1)) != names["float32"]
    assert _core.content_hash(layered().with_names(inputs=list("abcde"))) != names["float32"]
    assert _core.content_hash(layered().with_bounds(0, 1)) != names["float32"]


def read_safetensors(data: bytes) -> dict[str, Array]:
    """A reader of safetensors files by their published description, with its rules: no gaps, no overlaps, no rest."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert data[8:9] == b"{"
    assert all(isinstance(value, str) for value in header.pop("__metadata__").values())
    kinds = {"U8": np.uint8, "F32": np.float32, "F64": np.float64, "I64": np.int64}
    end = 0
    tensors = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        kind = np.dtype(kinds[entry["dtype"]])
        begin, stop = entry["data_offsets"]
        assert begin == end
        end = stop
        assert stop - begin == math.prod(entry["shape"]) * kind.itemsize
        position = 8 + length + begin
        assert position % (64 if stop - begin >= 64 else kind.itemsize) == 0
        tensors[name] = np.frombuffer(data[position : 8 + length + stop], kind).reshape(entry["shape"])
    assert 8 + length + end == len(data)
    return tensors


def test_the_file_is_a_safetensors_file(net: fx.Function) -> None:
    tensors = read_safetensors(_core.to_bytes(net))
    graph = json.loads(tensors["graph"].tobytes())
    assert [node["operator"] for node in graph["nodes"]] == [op.name for op, _, _ in net._nodes()]
    for i, (op, _, _) in enumerate(net._nodes(), start=1):
        for k, constant in enumerate(op.constants):
            reference = graph["nodes"][i - 1]["constants"][k]
            stored = tensors[reference if isinstance(reference, str) else reference["tensor"]]
            assert stored.dtype == constant.dtype
            assert stored.tobytes() == constant.tobytes(), (i, k)


def test_shared_weights_are_stored_once() -> None:
    tensors = read_safetensors(_core.to_bytes(shared_weights()))
    assert sum(tensor.dtype == np.float64 and tensor.size == 1600 for tensor in tensors.values()) == 1


def test_a_file_of_the_first_format_is_read() -> None:
    """The file was written once and stays: what version 1 wrote must be readable for ever."""
    net = fx.load(TESTS / "data" / "format_1.fx", verify=True)
    assert_same(net, every_kind())


def test_a_long_chain(tmp_path: Path) -> None:
    n_nodes = 100_000
    tanh = _core.Operator("Tanh", [(1,)])
    make_net(1, [(tanh, [i], "") for i in range(n_nodes)], [n_nodes]).save(tmp_path / "chain.fx")
    net = fx.load(tmp_path / "chain.fx")
    assert len(net._nodes()) == n_nodes
