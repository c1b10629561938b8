"""A pytest plugin: which planted faults do these tests catch?

The tests are collected once. In a process of its own, each test says which faults it reaches. Then, for every fault,
a process is forked in which it is in force and tests that reach it run, of every kind one by one, until one fails,
crashes or hangs, or MUTATION_SECONDS of tests have passed. FASTEXPR_MUTATION names the file in which the library looks
(planted.hpp), MUTATION_FOLDER holds faults.json and the results. MUTATION_PART, such as 1/4, is which part of the work
this process does, beside the others.
"""

from __future__ import annotations

import functools
import json
import mmap
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(os.environ["MUTATION_FOLDER"])
SECONDS = float(os.environ.get("MUTATION_SECONDS", "30"))
PART, PARTS = map(int, os.environ.get("MUTATION_PART", "0/1").split("/"))
MEMORY = 6 << 30
REACHED = 4  # where the bytes of faults that were reached begin


def switch() -> mmap.mmap:
    with Path(os.environ["FASTEXPR_MUTATION"]).open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def forget_caches(item: pytest.Item) -> None:
    """What a test module remembers between tests would hide what the next ones reach."""
    support = [
        module for name, module in sys.modules.items() if name.split(".")[0] in ("operator_table", "random_networks")
    ]
    for module in [item.module, *support]:  # type: ignore[attr-defined]
        for thing in list(vars(module).values()):
            if isinstance(thing, functools._lru_cache_wrapper) and not thing.__name__.startswith("expected"):
                thing.cache_clear()


def run_one(item: pytest.Item, following: pytest.Item | None) -> bool:
    """Whether the test passes."""
    before = item.session.testsfailed
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    return item.session.testsfailed == before


def in_a_fork(work: Any, wall_seconds: float) -> tuple[bytes, str]:
    """What `work` writes, and how its process ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(reading)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1), os.dup2(silence, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        try:
            work(writing)
        finally:
            os._exit(0)
    os.close(writing)
    said, end, deadline = b"", "hangs", time.monotonic() + wall_seconds
    while select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(reading, 1 << 16)
        if not part:
            end = "ended"
            break
        said += part
    os.close(reading)
    if end == "hangs":
        os.killpg(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if end == "ended" and os.WIFSIGNALED(status):
        end = f"ends the process ({signal.Signals(os.WTERMSIG(status)).name})"
    return said, end


Reached = dict[
    int, tuple[float, list[int]]
]  # of a test that passes, by its number: CPU seconds, and the faults it reaches


def reached_by_each(items: list[pytest.Item], memory: mmap.mmap) -> Reached:
    def work(pipe: int) -> None:
        for number in range(PART, len(items), PARTS):
            forget_caches(items[number])
            memory[REACHED:] = bytes(len(memory) - REACHED)
            started = time.process_time()
            passes = run_one(items[number], None)
            seconds = time.process_time() - started
            reached = [k for k, byte in enumerate(memory[REACHED:]) if byte]
            os.write(pipe, (json.dumps([number, passes, seconds, reached]) + "\n").encode())

    said, end = in_a_fork(work, 1e5)
    lines = [json.loads(line) for line in said.decode().splitlines()]
    assert end == "ended", f"the tests without a fault: {end}"
    assert len(lines) == len(range(PART, len(items), PARTS))
    for number, passes, _, _ in lines:
        if not passes:
            print(f"left out, it fails without a fault: {items[number].nodeid}", flush=True)
    return {number: (seconds, reached) for number, passes, seconds, reached in lines if passes}


def reached_by_all(items: list[pytest.Item], memory: mmap.mmap) -> Reached:
    """Every part writes its own, and waits for the others."""
    paths = [FOLDER / f"reached-{part}.json" for part in range(PARTS)]
    if not paths[PART].exists():
        new = paths[PART].with_suffix(".new")
        new.write_text(json.dumps(reached_by_each(items, memory)))
        new.rename(paths[PART])
    while not all(path.exists() for path in paths):
        time.sleep(1)
    return {int(n): reached for path in paths for n, reached in json.loads(path.read_text()).items()}


def judge(fault: int, items: list[pytest.Item], seconds: list[float], memory: mmap.mmap) -> str:
    """What catches this fault; empty if nothing does."""

    def work(pipe: int) -> None:
        memory[:4] = fault.to_bytes(4, "little")
        for item, following, usual in zip(items, [*items[1:], None], seconds, strict=True):
            limit = int(time.process_time() + 8 + 8 * usual)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
            os.write(pipe, (item.nodeid + "\n").encode())
            if not run_one(item, following):
                os.write(pipe, b"fails")
                return
        os.write(pipe, b"passes")

    said, end = in_a_fork(work, 300 + 100 * sum(seconds))
    memory[:4] = bytes(4)
    lines = said.decode().splitlines()
    if end == "ended" and lines and lines[-1] == "passes":
        return ""
    if end == "ended" and lines and lines[-1] == "fails":
        return lines[-2]
    return f"{lines[-1] if lines else 'the start'} {end}"


def fitting_tests(fault: int, items: list[pytest.Item], tests: Reached) -> list[int]:
    """Those that reach the fault: the shortest case of every test function, then the next of each, for SECONDS."""
    cases: dict[str, int] = {}
    order = []
    for n in sorted((n for n in tests if fault in tests[n][1]), key=lambda n: tests[n][0]):
        name = items[n].nodeid.split("[")[0]
        cases[name] = cases.get(name, 0) + 1
        order.append((cases[name], tests[n][0], n))
    order.sort()
    total = np.cumsum([seconds for _, seconds, _ in order])
    return [n for (_, _, n), until in zip(order, total, strict=True) if until <= SECONDS or n == order[0][2]]


def is_claimed(path: Path) -> bool:
    """Whether this process is the first that wants this file."""
    try:
        path.open("x").close()
    except FileExistsError:
        return False
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    memory, items = switch(), session.items
    faults = json.loads((FOLDER / "faults.json").read_text())
    tests = reached_by_all(items, memory)
    for fault in faults:
        k = fault["number"]
        result = FOLDER / f"result-{k}.json"
        if not is_claimed(result):
            continue
        fitting = fitting_tests(k, items, tests)
        caught = judge(k, [items[n] for n in fitting], [tests[n][0] for n in fitting], memory) if fitting else ""
        result.write_text(json.dumps({"caught": caught, "tests": len(fitting)}))
        where = f"{fault['file']}:{fault['line']} {fault['function']}"
        verdict = f"caught by {caught}" if caught else f"SURVIVES {len(fitting)} tests"
        print(f"{k} {where}: {fault['before'][:60]} => {fault['after'][:60]} [{fault['kind']}]: {verdict}", flush=True)
    return True
