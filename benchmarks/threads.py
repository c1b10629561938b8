"""Two threads beside one; the rate at which weights are read; another process that keeps a core busy."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.comparison import check_answers
from benchmarks.derivative_candidates import MAKERS
from benchmarks.networks import Network, make
from benchmarks.peers import Evaluator, load
from benchmarks.tables import Table, microseconds, ratio, show, write_csv
from benchmarks.timing import side_by_side

Array = NDArray[np.float64]
Functions = dict[str, dict[str, Evaluator]]
Row = dict[str, Any]  # one line of the CSV
BATCHES = {"S2": 1000, "S3": 100}  # points
DISTURBED = [("S1", "hessian"), ("S3", "value"), ("S3", "hessian"), ("S4", "hessian"), ("S6", "value")]
N_CALLS = 100  # at least, where the 99th percentile is wanted
SPIN = "while True: pass"


class Subject:
    """A network, who evaluates it, and where; answers are compared when it is made, on one thread and on all.

    Parameters
    ----------
    name : str
        S1 to S6.
    arguments : argparse.Namespace
        With `quantities` and `threads`.
    """

    def __init__(self, name: str, arguments: argparse.Namespace) -> None:
        import fastexpr as fx

        self.network = make(name)
        self.n_threads = arguments.threads
        random = np.random.default_rng(5)
        self.x = random.uniform(-1, 1, self.network.sizes[0])
        self.w = random.uniform(-1, 1, self.network.sizes[-1])
        self.functions: Functions = {}
        for who in ("fastexpr", "numpy"):
            made = MAKERS[who](self.network)
            self.functions[who] = {quantity: made[quantity] for quantity in arguments.quantities}
        for count in (1, self.n_threads):
            fx.set_num_threads(count)
            worst = check_answers(self.network.name, self.functions, self.x, self.w)
            print(f"{name}, {count} thread(s): answers agree with NumPy's to {worst:.1e}", flush=True)

    def call(self, who: str, quantity: str) -> Callable[[], object]:
        return partial(self.functions[who][quantity], self.x, self.w)


def one_and_all(call: Callable[[], object], n_threads: int, seconds: float) -> dict[str, float]:
    """Median seconds of the call with one thread and with all, in turns."""
    import fastexpr as fx

    counts = {"one": 1, "all": n_threads}
    return side_by_side(
        dict.fromkeys(counts, call), seconds, time.perf_counter, lambda name: fx.set_num_threads(counts[name])
    )


def measure_points(subject: Subject, arguments: argparse.Namespace) -> list[Row]:
    """Every quantity at one point."""
    rows = []
    for quantity in arguments.quantities:
        times = one_and_all(subject.call("fastexpr", quantity), subject.n_threads, arguments.seconds)
        rows.append({"what": quantity, "network": subject.network.name} | times)
    return rows


def measure_batches(network: Network, n_points: int, arguments: argparse.Namespace) -> list[Row]:
    """Every quantity at many points; answers are those at single points, on one thread and on all."""
    import fastexpr as fx

    net = load(network)
    random = np.random.default_rng(6)
    X = random.uniform(-1, 1, (n_points, network.sizes[0]))
    w = random.uniform(-1, 1, network.sizes[-1])
    calls = {"value": net, "jacobian": net.jacobian, "hessian": partial(net.hessian, weights=w)}
    rows = []
    for quantity, call in calls.items():
        for count in (1, arguments.threads):
            fx.set_num_threads(count)
            single = np.stack([call(x) for x in X])
            difference = float(np.max(np.abs(call(X) - single)) / np.max(np.abs(single)))
            if not difference <= 1e-12:
                raise SystemExit(
                    f"{network.name}: {quantity} of a batch differs from single points by {difference:.2g}."
                )
        out = np.empty_like(single)
        times = one_and_all(partial(call, X, out=out), arguments.threads, arguments.seconds)
        rows.append({"what": quantity, "network": f"{n_points:,} x {network.name}"} | times)
    return rows


def measure_reading(subject: Subject, arguments: argparse.Namespace) -> Row:
    """The value beside a plain read of as many bytes as the weights have."""
    import fastexpr as fx

    counts = {"one": 1, "all": arguments.threads}
    value = subject.call("fastexpr", "value")
    n_bytes = 4 * subject.network.n_parameters
    numbers = np.ones(n_bytes // 8)
    parts = np.array_split(numbers, arguments.threads)
    with ThreadPoolExecutor(arguments.threads) as pool:
        calls: dict[str, Callable[[], object]] = {
            "one": value,
            "read by one": lambda: np.max(numbers),
            "all": value,
            "read by all": lambda: list(pool.map(np.max, parts)),
        }
        times = side_by_side(
            calls, arguments.seconds, time.perf_counter, lambda name: fx.set_num_threads(counts.get(name, 1))
        )
    return {"what": "reading", "network": subject.network.name, "bytes": n_bytes} | times


@contextmanager
def busy_core() -> Iterator[None]:
    """Another process that never rests, on the last of this process's cores."""
    core = max(os.sched_getaffinity(0))
    spinning = subprocess.Popen([sys.executable, "-c", SPIN], preexec_fn=lambda: os.sched_setaffinity(0, [core]))
    try:
        time.sleep(0.3)  # until it spins
        yield
    finally:
        spinning.kill()
        spinning.wait()


def call_times(call: Callable[[], object], seconds: float) -> Array:
    """Seconds of each call, one by one."""
    time.sleep(machine.REST)
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < N_CALLS:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return np.array(times)


def measure_disturbed(subjects: dict[str, Subject], arguments: argparse.Namespace) -> list[Row]:
    """Percentiles of call times, alone and beside a busy process."""
    import fastexpr as fx

    fx.set_num_threads(arguments.threads)
    chosen = [(name, what) for name, what in DISTURBED if name in subjects and what in arguments.quantities]
    rows: dict[tuple[str, str, str], Row] = {}

    def measure(state: str) -> None:
        for name, quantity in chosen:
            for who in ("fastexpr", "numpy"):
                times = call_times(subjects[name].call(who, quantity), arguments.seconds)
                row = rows.setdefault((name, quantity, who), {"what": quantity, "network": name, "who": who})
                row[f"{state} median"] = float(np.median(times))
                row[f"{state} 99 %"] = float(np.percentile(times, 99))
                row[f"{state} longest"] = float(times.max())

    measure("alone")
    with busy_core():
        measure("busy")
    return list(rows.values())


def points_table(title: str, rows: list[Row], n_threads: int) -> Table:
    """One column a network."""
    table = Table(title, ["microseconds", *(row["network"] for row in rows)])
    table.add("one thread", *(microseconds(row["one"]) for row in rows))
    table.add(f"{n_threads} threads", *(microseconds(row["all"]) for row in rows))
    table.add("one / all", *(ratio(row["one"], row["all"]) for row in rows))
    return table


def batch_table(rows: list[Row], n_threads: int) -> Table:
    """One column a quantity of a batch."""
    table = points_table("batches", rows, n_threads)
    table.header = ["microseconds", *(f"{row['what']}, {row['network']}" for row in rows)]
    return table


def reading_table(row: Row, n_threads: int) -> Table:
    """Bytes of weights a second."""
    table = Table(f"{row['network']}'s value, {row['bytes'] / 1e6:,.0f} MB of weights", ["GB/s", "one", f"{n_threads}"])
    value, read = [[row["bytes"] / row[f"{kind}{name}"] for name in ("one", "all")] for kind in ("", "read by ")]
    read[1] = max(read)  # what one thread reaches, several may: the others stay idle
    table.add("fastexpr", *(f"{rate / 1e9:.1f}" for rate in value))
    table.add("plain read", *(f"{rate / 1e9:.1f}" for rate in read))
    table.add("fastexpr / read", *(ratio(a, b) for a, b in zip(value, read, strict=True)))
    return table


def disturbed_table(rows: list[Row], n_threads: int) -> Table:
    """One line for everybody's quantity."""
    columns = [f"{state} {what}" for state in ("alone", "busy") for what in ("median", "99 %", "longest")]
    title = f"{n_threads} threads beside a process that keeps one core busy"
    table = Table(title, ["microseconds", *columns, "busy median / alone", "busy 99 % / alone"])
    for row in rows:
        ratios = [ratio(row[f"busy {what}"], row["alone median"]) for what in ("median", "99 %")]
        table.add(
            f"{row['network']} {row['what']}, {row['who']}", *(microseconds(row[name]) for name in columns), *ratios
        )
    return table


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, print the tables, write the file."""
    import fastexpr as fx

    print(f"{machine.processor()}, 1 and {arguments.threads} threads")
    print(machine.versions(["fastexpr", "numpy", "scipy"]))
    print(f"fastexpr: {fx.build_info()}", flush=True)
    subjects = {name: Subject(name, arguments) for name in arguments.networks}
    rows = []
    for subject in subjects.values():
        rows += measure_points(subject, arguments)
    for quantity in arguments.quantities:
        chosen = [row for row in rows if row["what"] == quantity]
        show(points_table(quantity, chosen, arguments.threads), arguments.markdown)
    batches = [
        row for name, n in BATCHES.items() if name in subjects for row in measure_batches(make(name), n, arguments)
    ]
    if batches:
        show(batch_table(batches, arguments.threads), arguments.markdown)
    rows += batches
    if "S6" in subjects and "value" in arguments.quantities:
        rows.append(measure_reading(subjects["S6"], arguments))
        show(reading_table(rows[-1], arguments.threads), arguments.markdown)
    disturbed = measure_disturbed(subjects, arguments)
    show(disturbed_table(disturbed, arguments.threads), arguments.markdown)
    if arguments.output is not None:
        write_csv(arguments.output / "threads.csv", rows + disturbed)
