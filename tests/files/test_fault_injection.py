"""Every single operation on a file fails once: no file is lost or left half-written, and the next call works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from folders import SUPPORT

import fastexpr

FAILING_FILES = """
import ctypes, errno, os, sys
import numpy as np
import fastexpr as fx
from fastexpr import _core

calls = ctypes.CDLL(sys.argv[1])

def network(n):
    x = fx.variables(n)
    return fx.Function(x, np.tanh(np.ones((7, n)) @ x))

nets = network(4), network(5)
nets[0].save("net.fx")
saved = [_core.to_bytes(net) for net in nets]
for is_save in (True, False):
    n = n_failures = 0
    while True:
        before = _core.to_bytes(fx.load("net.fx"))
        net = nets[n % 2]
        calls.fail_at(n)
        try:
            net.save("net.fx") if is_save else fx.load("net.fx")
            has_failed = False
        except OSError as error:
            has_failed = True
            assert error.errno in (errno.ENOSPC, errno.EIO, errno.EACCES), error
        was_reached = calls.count_calls() > n
        calls.fail_at(-1)
        assert os.listdir(".") == ["net.fx"], os.listdir(".")
        after = _core.to_bytes(fx.load("net.fx"))
        assert after in (before, saved[n % 2] if is_save else before)
        assert has_failed or not is_save or after == saved[n % 2]
        n_failures += has_failed
        if not was_reached:
            break
        n += 1
    print(n_failures)
"""


def test_each_operation_on_a_file_may_fail(tmp_path: Path) -> None:
    library, source = tmp_path / "failing_calls.so", SUPPORT / "failing_calls.cpp"
    subprocess.run(["c++", "-std=c++20", "-shared", "-fPIC", source, "-o", library, "-ldl"], check=True)
    folder = tmp_path / "files"
    folder.mkdir()
    environment = os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": str(Path(fastexpr.__file__).parents[1])}
    command = [sys.executable, "-c", FAILING_FILES, str(library)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    saves, loads = map(int, done.stdout.split())
    assert saves >= 4  # write, fsync, rename, fsync of the folder
    assert loads >= 1
