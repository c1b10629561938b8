"""What this machine can do, and what it is."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def fastest(function: Callable[[], object], seconds: float, clock: Callable[[], float]) -> float:
    """Seconds of the fastest call: a limit is what the machine reaches undisturbed."""
    best = np.inf
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not np.isfinite(best):
        start = clock()
        function()
        best = min(best, clock() - start)
    return float(best)


def multiply_rate(seconds: float, clock: Callable[[], float], size: int = 1024) -> float:
    """Floating-point operations a second of NumPy's dgemm, on large matrices."""
    random = np.random.default_rng(1)
    A, B = random.standard_normal((size, size)), random.standard_normal((size, size))
    C = np.empty((size, size))
    return 2.0 * size**3 / fastest(lambda: np.matmul(A, B, out=C), seconds, clock)


def read_rate(n_bytes: int, seconds: float, clock: Callable[[], float]) -> float:
    """Bytes a second of a pass over this many, again and again: from memory, or from the cache they fit into."""
    numbers = np.ones(max(n_bytes // 8, 8))
    out = np.empty(())
    return numbers.nbytes / fastest(lambda: np.dot(numbers, numbers, out=out), seconds, clock)


def processor() -> str:
    """The processor's name, as the kernel says it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def versions(packages: list[str]) -> str:
    """Name and version of each package that is installed."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)
