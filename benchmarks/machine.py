"""What this machine can do, and what it is."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

REST = 0.2  # seconds: OpenBLAS's threads go on spinning for a while after their work, and keep a core busy
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
    """Bytes a second of a pass over this many, again and again: from memory, or from the cache they fit into.

    Without what the call itself takes, which for small arrays, counted as 64 KiB, would be most of it.
    """
    out = np.empty(())

    def time_of(size: int) -> float:
        room = np.ones(size + 8)
        numbers = room[-room.ctypes.data % 64 // 8 :][:size]  # whole cache lines, which is 1.5 times faster in cache
        return fastest(lambda: np.dot(numbers, numbers, out=out), seconds / 2, clock)

    size = max(n_bytes, 1 << 16) // 8
    return 8 * size / (time_of(size) - time_of(1))


def limits(
    flops: Mapping[str, float], n_bytes: int, multiply_rate: float, clock: Callable[[], float]
) -> dict[str, float]:
    """Seconds by quantity: the flops at this rate; for the value no less than reading these bytes once takes."""
    found = {quantity: count / multiply_rate for quantity, count in flops.items()}
    found["value"] = max(found["value"], n_bytes / read_rate(n_bytes, 0.2, clock))
    return found


def introduce(arguments: argparse.Namespace, packages: list[str]) -> float:
    """Prints what this machine is and can do, and who is compared; returns the rate of dgemm."""
    import fastexpr as fx

    clock = CLOCKS[arguments.clock]
    rate = multiply_rate(1.0, clock)
    memory_rate = read_rate(1 << 28, 1.0, clock)
    print(f"{processor()}, {arguments.threads} thread(s), {arguments.clock} clock")
    print(f"dgemm {rate / 1e9:.1f} GF/s, reading {memory_rate / 1e9:.1f} GB/s from memory")
    print(versions(["fastexpr", *packages]))
    print(f"fastexpr: {fx.build_info()}", flush=True)
    return rate


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
