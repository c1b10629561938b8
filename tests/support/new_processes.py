"""Code in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fastexpr as fx

PRELUDE = """
import copy, gc, os, pickle, signal, sys, threading, time, weakref
import numpy as np
import fastexpr as fx
from fastexpr import _core
x = fx.variables(3)
net = fx.Function(x, np.tanh(np.arange(1.0, 7.0).reshape(2, 3) @ x))
point = np.array([0.1, -0.2, 0.3])
"""


def run(code: str, *options: str, prelude: str = PRELUDE, folder: Path | None = None, **variables: str) -> str:
    """What the code prints. It must come to its end, with exit status 0, and Python must have no complaint."""
    environment = os.environ | {"PYTHONPATH": str(Path(fx.__file__).parents[1])} | variables
    command = [sys.executable, "-W", "error", *options, "-c", prelude + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, cwd=folder)
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stdout}{done.stderr}"
    assert done.stderr == ""
    return done.stdout
