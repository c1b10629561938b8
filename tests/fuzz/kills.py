"""Processes that are killed while they write: files are whole all the same, and nothing of a dead writer stays."""

from __future__ import annotations

import mmap
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fastexpr as fx
from fastexpr import _core
from fastexpr.pyomo.external import files
from fastexpr.solve.many.checkpoint import Checkpoint
from fastexpr.unfinished import unfinished

LONGEST = 0.02  # seconds before a kill, at most


def network(seed: int) -> Any:
    random_numbers = np.random.default_rng(seed)
    x = fx.variables(40)
    return fx.Function(x, np.tanh(random_numbers.normal(size=(300, 40)) @ x))


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Count:
    """A number that a child counts up and its parent reads, also when the child is dead."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    def put(self, number: int) -> None:
        self._memory[:] = number.to_bytes(8, "little")

    def get(self) -> int:
        return int.from_bytes(self._memory[:], "little")


def kill_while(write: Callable[[int], object], dice: random.Random) -> int:
    """Runs write(0), write(1), ... in a process that is killed at a random moment; how many came to their end."""
    begun, ended = Count(), Count()
    child = os.fork()
    if child == 0:
        try:
            for number in range(10**9):
                begun.put(number + 1)
                write(number)
                ended.put(number + 1)
        finally:
            os._exit(1)
    while begun.get() == 0:
        time.sleep(1e-4)
    time.sleep(dice.uniform(0.0, LONGEST) ** 2 / LONGEST)  # mostly soon
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the writer ended before it was killed"
    return ended.get()


def kill_saves(folder: Path, dice: random.Random) -> None:
    """A reader finds the one network or the other; the next save removes what is left."""
    nets = network(0), network(1)
    path = folder / "net.fx"
    nets[0].save(path)
    kill_while(lambda number: nets[number % 2].save(path), dice)
    assert _core.content_hash(fx.load(path, verify=True)) in map(_core.content_hash, nets)
    nets[1].save(path)
    assert contents(folder) == ["net.fx"]


def kill_writers_of_the_cache(folder: Path, dice: random.Random) -> None:
    """An entry is whole or not there, and a solver that asks for it gets it."""
    net = network(2)
    path = folder / f"{_core.content_hash(net)}.fx"

    def write(number: int) -> None:
        path.unlink(missing_ok=True)
        files.NetworkFile(net).ensure()

    kill_while(write, dice)
    assert not path.exists() or _core.content_hash(fx.load(path, verify=True)) == path.stem
    files.NetworkFile(net).ensure()
    assert _core.content_hash(fx.load(path, verify=True)) == path.stem
    net.save(path)
    assert contents(folder) == [path.name]


def kill_writers_of_a_checkpoint(folder: Path, dice: random.Random) -> None:
    """A solve that came to its end is found again, however often writers are killed, also behind a line cut short."""
    path, identity, done, lives = folder / "checkpoint", {"of": "these"}, 0, dice.randrange(1, 5)
    for _ in range(lives):
        first = done

        def write(number: int, first: int = first) -> None:
            record = {"status": "optimal", "message": "x" * dice.randrange(1, 100_000)}
            Checkpoint(path, identity).add([((first + number,), record)])
            if dice.randrange(2):
                with path.open("ab") as file:
                    file.write(b'{"values": "')

        done += kill_while(write, dice)
        known = Checkpoint(path, identity)
        assert all(known.find((k,)) for k in range(done)), f"of {done} records some are lost"


def kill_copies(folder: Path, dice: random.Random) -> None:
    """What is put together beside its place is there whole or not at all; what is left goes with the next."""
    whole = os.urandom(100_000)

    def write(number: int) -> None:
        with unfinished(folder) as scratch:
            part = scratch / "part"
            part.write_bytes(whole)
            part.replace(folder / "library")

    kill_while(write, dice)
    if (folder / "library").exists():
        assert (folder / "library").read_bytes() == whole
    write(0)
    assert contents(folder) == ["library"]


KINDS = (kill_saves, kill_writers_of_the_cache, kill_writers_of_a_checkpoint, kill_copies)


def case(seed: int) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o700)
        before = os.environ.get(files.CACHE_VARIABLE)
        os.environ[files.CACHE_VARIABLE] = name
        try:
            KINDS[seed % len(KINDS)](folder, dice)
        finally:
            if before is None:
                del os.environ[files.CACHE_VARIABLE]
            else:
                os.environ[files.CACHE_VARIABLE] = before
