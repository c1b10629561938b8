"""Saving and loading: what was saved comes back to the last bit, wherever and however it is read."""

from __future__ import annotations

import copy
import itertools
import json
import math
import multiprocessing
import os
import pickle
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastexpr as fx
from fastexpr import _core
from fastexpr.errors import FileError

Array = np.ndarray[Any, np.dtype[Any]]


def make_net(n: int, nodes: list[Any], output_ids: list[int], **signature: Any) -> fx.Function:
    sizes = {0: n} | {i: math.prod(node[0].shape) for i, node in enumerate(nodes, start=1)}
    m = sum(sizes[i] for i in output_ids)
    defaults = {
        "inputs": [("x", (n,))],
        "outputs": [("y", (m,))],
        "input_names": [f"x[{i}]" for i in range(n)],
        "output_names": [f"y[{i}]" for i in range(m)],
    }
    return fx.Function._from_nodes(n, nodes, output_ids, **(defaults | signature))


def layered(n: int = 5, hidden: int = 7, m: int = 3, dtype: Any = np.float32, seed: int = 0) -> fx.Function:
    random = np.random.default_rng(seed)
    first = random.standard_normal((hidden, n)).astype(dtype)
    second = random.standard_normal((m, hidden)).astype(dtype)
    nodes = [
        (_core.Operator("Linear", [(n,)], {"axis": 0, "transposed": 0}, [first, first[:, 0].copy()]), [0], "Gemm_0"),
        (_core.Operator("Tanh", [(hidden,)]), [1], "tanh"),
        (_core.Operator("Linear", [(hidden,)], {"axis": 0, "transposed": 0}, [second]), [2], ""),
    ]
    return make_net(n, nodes, [3])


def every_kind() -> fx.Function:
    """Attributes of every kind, constants of every precision, a scalar, labels with all sorts of letters."""
    operator = _core.Operator
    odd = {
        "text": "größer → 'quoted' \"twice\" \\ \n",
        "empty": "",
        "floats": [0.1, math.inf, -math.inf, -0.0, math.nan],
        "none": [],
    }
    nodes = [
        (operator("Reshape", [(6,)], {"shape": [2, 3]}), [0], "reshape"),
        (
            operator("Tanh", [(2, 3)], odd | {"whole": 3.0, "third": 1 / 3, "tiny": 5e-324, "large": -(2**63)}),
            [1],
            "Über/тест/層 0",
        ),
        (operator("Clip", [(2, 3)], {"upper": 0.75}), [2], "label with \t tab"),
        (operator("Select", [(2, 3)], {"shape": [3, 2]}, [np.array([0, 3, 1, 4, 2, 5])]), [3], "transpose"),
        (operator("Constant", [], {}, [np.array(0.1)]), [], "scalar"),
        (operator("Mul", [(3, 2), ()]), [4, 5], ""),
        (operator("Constant", [], {}, [np.full((3, 2), 1.1, np.float32)]), [], "float32"),
        (operator("Pow", [(3, 2), (3, 2)]), [7, 6], "power"),
        (operator("Softmax", [(3, 2)], {"axis": 0, "n_axes": 2}), [8], "softmax"),
        (operator("Concat", [(3, 2), (3, 2)], {"axis": 1}), [9, 6], "concat"),
    ]
    return make_net(
        6,
        nodes,
        [10, 2],
        inputs=[("温度", (1, 4)), ("p", (1, 2))],
        outputs=[("y one", (3, 4)), ("ÿ", (2, 3))],
        input_names=["a", "b", 'c "d"', "é", "\U0001f600", ""],
        output_names=[f"out[{i}]" for i in range(18)],
        lower=[-math.inf, -1, 0, -0.0, 1e-310, -math.inf],
        upper=[math.inf, math.inf, 0.1, 0, 1e300, math.inf],
    )


def shared_weights() -> fx.Function:
    """One matrix in two layers, and the same numbers once more under another shape."""
    weights = np.random.default_rng(3).standard_normal((40, 40))
    weights.flags.writeable = False  # so that it is shared, not copied
    layer = _core.Operator("Linear", [(40,)], {"axis": 0, "transposed": 0}, [weights])
    flat = _core.Operator("Constant", [], {}, [weights.reshape(-1)[:]])
    nodes = [
        (layer, [0], "a"),
        (_core.Operator("Sigmoid", [(40,)]), [1], "b"),
        (_core.Operator("Linear", [(40,)], {"axis": 0, "transposed": 1}, [weights]), [2], "c"),
        (flat, [], "d"),
        (_core.Operator("ReduceSum", [(1600,)], {"axis": 0, "n_axes": 1, "keepdims": 0}), [4], "e"),
        (_core.Operator("Mul", [(40,), ()]), [3, 5], "f"),
    ]
    return make_net(40, nodes, [6])


def expression() -> fx.Function:
    x = fx.variables(3)
    return fx.Function(x, np.exp(-x[0]) * x[1] + (x**2).sum())


def constant_only() -> fx.Function:
    return make_net(2, [(_core.Operator("Constant", [], {}, [np.arange(3.0)]), [], "c")], [1])


def identity() -> fx.Function:
    return make_net(3, [], [0, 0])


NETS: dict[str, Callable[[], fx.Function]] = {
    "float32": layered,
    "float64": lambda: layered(dtype=np.float64),
    "every kind": every_kind,
    "shared weights": shared_weights,
    "expression": expression,
    "constant": constant_only,
    "identity": identity,
}


@pytest.fixture(params=sorted(NETS))
def net(request: pytest.FixtureRequest) -> fx.Function:
    return NETS[request.param]()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter: pytest's own are closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def assert_same(a: fx.Function, b: fx.Function) -> None:
    assert a.input_names == b.input_names
    assert a.output_names == b.output_names
    assert list(a.inputs.items()) == list(b.inputs.items())
    assert list(a.outputs.items()) == list(b.outputs.items())
    for mine, other in [(a.lower, b.lower), (a.upper, b.upper)]:
        assert (mine is None) == (other is None)
        if mine is not None and other is not None:
            assert mine.tobytes() == other.tobytes()
    assert a._output_ids() == b._output_ids()
    assert len(a._nodes()) == len(b._nodes())
    for (op, ids, label), (op_b, ids_b, label_b) in zip(a._nodes(), b._nodes(), strict=True):
        assert (op.name, op.shape, op.input_shapes, ids, label) == (
            op_b.name,
            op_b.shape,
            op_b.input_shapes,
            ids_b,
            label_b,
        )
        assert repr(op.attributes) == repr(op_b.attributes)  # tells 3 from 3.0 and 0.0 from -0.0
        for constant, constant_b in zip(op.constants, op_b.constants, strict=True):
            assert (constant.dtype, constant.shape) == (constant_b.dtype, constant_b.shape)
            assert constant.tobytes() == constant_b.tobytes()
    points = np.random.default_rng(5).uniform(0.1, 1, (3, a.n_inputs))
    weights = np.linspace(-1, 1, a.n_outputs)
    for point in points:
        for mine, other in zip(a.evaluate(point, weights), b.evaluate(point, weights), strict=True):
            assert mine.tobytes() == other.tobytes()


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
    net = fx.load(Path(__file__).parent / "data" / "format_1.fx", verify=True)
    assert_same(net, every_kind())


def test_the_operating_systems_refusals(tmp_path: Path) -> None:
    net = layered()
    (tmp_path / "file").write_bytes(b"")
    for error, action in [
        (FileNotFoundError, lambda: fx.load(tmp_path / "missing")),
        (FileNotFoundError, lambda: net.save(tmp_path / "missing" / "net.fx")),
        (IsADirectoryError, lambda: fx.load(tmp_path)),
        (IsADirectoryError, lambda: net.save(tmp_path)),
        (NotADirectoryError, lambda: fx.load(tmp_path / "file" / "net.fx")),
        (NotADirectoryError, lambda: net.save(tmp_path / "file" / "net.fx")),
        (FileNotFoundError, lambda: _core.read_content_hash(tmp_path / "missing")),
    ]:
        with pytest.raises(error) as caught:
            action()
        assert str(tmp_path) in str(caught.value)
    with pytest.raises(FileError, match=r"device or a pipe"):
        fx.load("/dev/zero")
    with pytest.raises(FileError, match=r"device or a pipe"):
        net.save("/dev/null")
    with pytest.raises(TypeError):
        fx.load(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="null"):
        fx.load("a\0b")


REFUSED = """
import os, sys
import fastexpr as fx
x = fx.variables(2)
net = fx.Function(x, x * 2)
if os.geteuid() == 0:  # nothing is forbidden to root
    os.setegid(65534)
    os.seteuid(65534)
for action in (lambda: fx.load("secret.fx"), lambda: net.save("new.fx"), lambda: net.save("secret.fx")):
    try:
        action()
    except PermissionError as error:
        print(error)
"""


def run_python(code: str, *arguments: str, folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(Path(fx.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout


def test_no_permission(public_folder: Path) -> None:
    layered().save(public_folder / "secret.fx")
    (public_folder / "secret.fx").chmod(0)
    public_folder.chmod(0o555)
    assert run_python(REFUSED, folder=public_folder).count("Permission denied") == 3
    public_folder.chmod(0o755)
    assert [path.name for path in public_folder.iterdir()] == ["secret.fx"]


FULL_DISK = """
import resource, sys
import fastexpr as fx
net = fx.load("small.fx")
big = fx.load("big.fx")
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))  # as if the disk had no more room
net.save("target.fx")
try:
    big.save("target.fx")
except OSError as error:
    print(error.strerror, error.filename)
"""


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    layered().save(tmp_path / "small.fx")
    layered(hidden=500).save(tmp_path / "big.fx")
    assert "target.fx" in run_python(FULL_DISK, folder=tmp_path)
    assert_same(fx.load(tmp_path / "target.fx"), layered())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big.fx", "small.fx", "target.fx"]


SAVE_FOREVER = """
import fastexpr as fx
nets = [fx.load("a.fx"), fx.load("b.fx")]
print("ready", flush=True)
while True:
    for net in nets:
        net.save("target.fx")
"""


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    nets = [layered(hidden=3000, seed=seed) for seed in (1, 2)]
    hashes = [_core.content_hash(net) for net in nets]
    nets[0].save(tmp_path / "a.fx")
    nets[1].save(tmp_path / "b.fx")
    environment = os.environ | {"PYTHONPATH": str(Path(fx.__file__).parents[1])}
    for wait in (0.0, 0.02, 0.05):
        writer = subprocess.Popen(
            [sys.executable, "-c", SAVE_FOREVER], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
        )
        with writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.05)
            for _ in range(20):
                assert _core.content_hash(fx.load(tmp_path / "target.fx", verify=True)) in hashes
            time.sleep(wait)
            writer.send_signal(signal.SIGKILL)
        assert _core.content_hash(fx.load(tmp_path / "target.fx", verify=True)) in hashes


def test_mode_and_links_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "net.fx"
    layered().save(target)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask
    target.chmod(0o640)
    (tmp_path / "link.fx").symlink_to("net.fx")
    every_kind().save(tmp_path / "link.fx")
    assert (tmp_path / "link.fx").is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert_same(fx.load(target), every_kind())


def test_replacing_the_file_of_a_loaded_network(tmp_path: Path) -> None:
    path = tmp_path / "net.fx"
    x = np.linspace(0, 1, 5)
    old, new = layered(hidden=200_000, seed=1), layered(hidden=200_000, seed=2)
    old.save(path)
    assert path.stat().st_size > 4_000_000  # mapped
    loaded = fx.load(path)
    before = loaded(x)
    new.save(path)
    assert loaded(x).tobytes() == before.tobytes()
    path.unlink()
    assert loaded(x).tobytes() == before.tobytes()


def test_overwriting_a_small_file_in_place(tmp_path: Path) -> None:
    path = tmp_path / "net.fx"
    layered().save(path)
    loaded = fx.load(path)
    path.write_bytes(b"")
    assert_same(loaded, layered())


OVERWRITTEN = """
import os
import fastexpr as fx
net = fx.load("net.fx")
size = os.path.getsize("net.fx")
with open("net.fx", "r+b") as file:
    file.write(b"\\x7f" * size)
print(net([1.0, 1.0, 1.0])[0])
"""


def test_overwriting_a_large_file_in_place_reads_nothing_outside(tmp_path: Path) -> None:
    """It must not be done, and weights are wrong then; but indices were checked, and must stay what they were."""
    n = 600_000
    spread = _core.Operator("Select", [(3,)], {"shape": [n]}, [np.arange(n) % 3])
    total = _core.Operator("ReduceSum", [(n,)], {"axis": 0, "n_axes": 1, "keepdims": 0})
    make_net(3, [(spread, [0], ""), (total, [1], "")], [2]).save(tmp_path / "net.fx")
    assert (tmp_path / "net.fx").stat().st_size > 4_000_000
    assert run_python(OVERWRITTEN, folder=tmp_path).strip() == "600000.0"


LOAD = "import sys, fastexpr as fx; print(fx.load(sys.argv[1])([0.1, 0.2, 0.3, 0.4, 0.5]).tobytes().hex())"


def test_two_processes_at_once(tmp_path: Path) -> None:
    net = layered(hidden=200_000)
    net.save(tmp_path / "net.fx")
    environment = os.environ | {"PYTHONPATH": str(Path(fx.__file__).parents[1])}
    command = [sys.executable, "-c", LOAD, str(tmp_path / "net.fx")]
    readers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    expected = net([0.1, 0.2, 0.3, 0.4, 0.5]).tobytes().hex()
    assert [reader.communicate()[0].strip() for reader in readers] == [expected, expected]


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_multiprocessing(method: str) -> None:
    net = layered()
    points = np.random.default_rng(0).standard_normal((4, 5))
    with multiprocessing.get_context(method).Pool(2) as pool:
        values = pool.map(net, points)
    assert np.array_equal(values, [net(point) for point in points])


MEMORY = """
import sys
import numpy as np
import fastexpr as fx

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024

before = peak()
net = fx.load(sys.argv[1])
x = np.full(net.n_inputs, 0.5)
value, gradient = net(x), net.gradient(x)
assert np.isfinite(value).all() and np.abs(gradient).max() > 0
print(peak() - before)
"""


def test_memory_of_a_large_network(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    widths = [1200, 4096, 3072, 1]
    nodes: list[Any] = []
    for k, (n, m) in enumerate(itertools.pairwise(widths)):
        weights = random.random((m, n), dtype=np.float32) - np.float32(0.5)
        weights.flags.writeable = False
        nodes.append((_core.Operator("Linear", [(n,)], {"axis": 0, "transposed": 0}, [weights]), [2 * k], f"layer {k}"))
        nodes.append((_core.Operator("Tanh", [(m,)]), [2 * k + 1], ""))
    make_net(widths[0], nodes, [len(nodes)]).save(tmp_path / "net.fx")
    size = (tmp_path / "net.fx").stat().st_size
    assert size > 70_000_000
    used = int(run_python(MEMORY, str(tmp_path / "net.fx"), folder=tmp_path))
    assert 0.5 * size < used < 1.3 * size + 50_000_000, f"{used / 1e6:.0f} MB for a file of {size / 1e6:.0f} MB"


def test_a_long_chain(tmp_path: Path) -> None:
    n_nodes = 100_000
    tanh = _core.Operator("Tanh", [(1,)])
    make_net(1, [(tanh, [i], "") for i in range(n_nodes)], [n_nodes]).save(tmp_path / "chain.fx")
    begin = time.perf_counter()
    net = fx.load(tmp_path / "chain.fx")
    assert time.perf_counter() - begin < 5
    assert len(net._nodes()) == n_nodes
