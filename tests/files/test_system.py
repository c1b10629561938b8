"""Saved networks and the operating system: refusals, crashes, other processes, memory."""

from __future__ import annotations

import fcntl
import itertools
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved_networks import assert_same, every_kind, layered, make_net, run_python

import fastexpr as fx
from fastexpr import _core
from fastexpr.errors import FileError


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter: pytest's own are closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


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
    nets[0].save(tmp_path / "last.fx")  # the next save in the folder removes what killed ones have left
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fx", "b.fx", "last.fx", "target.fx"]


def test_a_save_removes_only_files_of_dead_writers(tmp_path: Path) -> None:
    names = [".fastexpr-1", ".fastexpr-2", ".fastexpr", "other"]
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 100)
    (tmp_path / ".fastexpr-folder").mkdir()
    (tmp_path / ".fastexpr-link").symlink_to("other")
    with (tmp_path / ".fastexpr-2").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as a writer that lives
        layered().save(tmp_path / "net.fx")
        kept = {".fastexpr-2", ".fastexpr", "other", ".fastexpr-folder", ".fastexpr-link", "net.fx"}
        assert {path.name for path in tmp_path.iterdir()} == kept
    layered().save(tmp_path / "net.fx")
    assert {path.name for path in tmp_path.iterdir()} == kept - {".fastexpr-2"}


SAVE_AGAIN = """
import sys
import fastexpr as fx
from fastexpr import _core
net = fx.load("a.fx")
for _ in range(60):
    net.save(sys.argv[1])
    assert _core.content_hash(fx.load(sys.argv[1], verify=True)) == sys.argv[2]
"""


def test_processes_that_write_the_same_file(tmp_path: Path) -> None:
    net = layered(hidden=2000)
    net.save(tmp_path / "a.fx")
    environment = os.environ | {"PYTHONPATH": str(Path(fx.__file__).parents[1])}
    command = [sys.executable, "-c", SAVE_AGAIN, "target.fx", _core.content_hash(net)]
    writers = [subprocess.Popen(command, cwd=tmp_path, env=environment) for _ in range(4)]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fx", "target.fx"]


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
@pytest.mark.filterwarnings("ignore:.*fork")  # Python 3.12 warns beside threads, JAX always
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
