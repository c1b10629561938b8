"""Numbered random cases by the million: each in a process that may hang, run out of memory or crash.

    python tests/fuzz/hunt.py onnx_import --first 0 --count 100000

A target is a module of this folder with a function `case(seed)` that raises what is a fault. A case is made from its
number alone, so it can be run again: `--first 1234 --count 1`.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import queue
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHUNK = 200  # cases a process
MEMORY = 4 << 30
SECONDS = 200  # for one case, and the imports before the first

TARGETS = ("expressions", "kills", "onnx_import", "random_models")


def run_chunk(target: str, seeds: range, events: Any) -> None:
    """In a process of its own: says before each case that it begins, and what it raised."""
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]
    warnings.simplefilter("ignore")
    case = importlib.import_module(target).case
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for seed in seeds:
        events.put((seed, None))
        try:
            case(seed)
        except MemoryError:
            pass
        except BaseException:
            events.put((seed, traceback.format_exc(limit=-6)))
    events.put((None, None))


def faults_of_chunk(target: str, seeds: range) -> Iterator[tuple[int, str]]:
    """Goes on behind a case that ends or hangs the process."""
    while seeds:
        context = multiprocessing.get_context("spawn")
        events = context.Queue()
        process = context.Process(target=run_chunk, args=(target, seeds, events), daemon=True)
        process.start()
        current, what = seeds[0], ""
        while True:
            try:
                seed, fault = events.get(timeout=SECONDS)
            except queue.Empty:
                what = "hangs" if process.is_alive() else f"ends the process (exit code {process.exitcode})"
                break
            if seed is None:
                process.join()
                return
            if fault is not None:
                yield seed, fault
            current = seed
        process.kill()
        yield current, what
        seeds = range(current + 1, seeds.stop)


def hunt(target: str, seeds: range) -> Iterator[tuple[int, str]]:
    for start in range(seeds.start, seeds.stop, CHUNK):
        yield from faults_of_chunk(target, range(start, min(start + CHUNK, seeds.stop)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    arguments = parser.parse_args()
    started, n_faults = time.perf_counter(), 0
    for seed, what in hunt(arguments.target, range(arguments.first, arguments.first + arguments.count)):
        n_faults += 1
        print(f"--- case {seed}\n{what}", flush=True)
    print(f"{arguments.target}: {arguments.count} cases, {n_faults} faults, {time.perf_counter() - started:.0f} s")
    return 1 if n_faults else 0


if __name__ == "__main__":
    sys.exit(main())
