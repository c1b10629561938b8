"""Many solves: one process, a Dask cluster of processes on this machine, one of them killed half-way, a resumed table.

Every table is compared with that of one process, bit for bit, before a time is said.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import fastexpr as fx
from benchmarks import machine
from benchmarks.tables import Table, seconds, show

N_INPUTS = 10


def network() -> fx.Function:
    """10 -> 64 -> 64 -> 2, tanh."""
    random = np.random.default_rng(0)
    x: Any = fx.variables(N_INPUTS)
    a = x
    for n_units in (64, 64):
        a = np.tanh(random.normal(size=(n_units, a.shape[0])) / np.sqrt(a.shape[0]) @ a)
    return fx.Function(x, random.normal(size=(2, 64)) / 4 @ a)


def build(net: fx.Function) -> tuple[fx.Problem, list[Any]]:
    """The network's least first output near a center, which is the parameter, with a limit on the second one."""
    p = fx.Problem()
    center = p.parameters(N_INPUTS, name="center")
    x = p.variables(N_INPUTS, lower=-2.0, upper=2.0, name="x")
    y = net(x)
    p.minimize(y[0] + 0.1 * ((x - center) ** 2).sum())
    p.subject_to(y[1], upper=0.0)
    return p, [center]


def compared(found: Any) -> list[dict[str, Any]]:
    """Rows without times, which differ."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in found]


class Run:
    """A table that is made again, in other ways."""

    def __init__(self, rows: int) -> None:
        self.table = {"center": np.random.default_rng(1).uniform(-1.5, 1.5, (rows, N_INPUTS))}
        self.task, self.rows = partial(build, network()), rows
        begin, spent = time.perf_counter(), time.process_time()
        found = fx.solve_many(self.task, self.table)
        self.alone, self.alone_cpu = time.perf_counter() - begin, time.process_time() - spent
        if not found.success:
            raise SystemExit(f"rows {found.failed} have no solution")
        self.expected = compared(found)

    def require_equal(self, found: Any, what: str) -> None:
        if compared(found) != self.expected:
            different = [k for k, row in enumerate(compared(found)) if row != self.expected[k]]
            raise SystemExit(f"{what}: rows {different[:5]} differ, {len(different)} in all")


def on_cluster(run: Run, client: Any) -> tuple[float, list[float]]:
    """Seconds, and those of each worker's processor; the workers know fastexpr by then."""
    few = {"center": run.table["center"][:4]}
    fx.solve_many(run.task, few, client.get_executor(), chunk=1)
    before = client.run(time.process_time)
    begin = time.perf_counter()
    found = fx.solve_many(run.task, run.table, client.get_executor())
    spent = time.perf_counter() - begin
    after = client.run(time.process_time)
    run.require_equal(found, "the cluster")
    return spent, [after[name] - before[name] for name in before]


def with_a_killed_worker(run: Run, client: Any) -> float:
    """Seconds."""
    killed: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if not killed and done >= total // 2:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    begin = time.perf_counter()
    found = fx.solve_many(run.task, run.table, client.get_executor(), progress=kill_one)
    spent = time.perf_counter() - begin
    if not killed:
        raise SystemExit("no worker was killed")
    run.require_equal(found, "with a killed worker")
    return spent


def resumed(run: Run, client: Any) -> tuple[float, int]:
    """Seconds of the second call, and how many solves it made."""
    counts: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "solves"
        fx.solve_many(
            run.task, run.table, client.get_executor(), checkpoint=path, progress=lambda done, total: done < total // 2
        )
        with path.open("rb") as file:
            n_known = sum(1 for _ in file) - 1
        begin = time.perf_counter()
        found = fx.solve_many(
            run.task, run.table, client.get_executor(), checkpoint=path, progress=lambda done, _: counts.append(done)
        )
        spent = time.perf_counter() - begin
    run.require_equal(found, "resumed")
    if not 0 < n_known < run.rows or counts[0] <= n_known:
        raise SystemExit(f"{n_known} solves were known, and {counts[:1]} done after the first chunk")
    return spent, run.rows - n_known


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the table."""
    import distributed

    print(f"{machine.processor()}, {arguments.threads} cores")
    print(machine.versions(["fastexpr", "distributed", "numpy"]), flush=True)
    many = Run(arguments.rows)
    table = Table(f"{arguments.rows} solves, tables equal bit for bit", ["", "seconds", "of the processor", "times"])
    table.add("one process", seconds(many.alone), seconds(many.alone_cpu), "1")
    with (
        distributed.LocalCluster(
            n_workers=arguments.workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        spent, shares = on_cluster(many, client)
        cells = seconds(spent), " + ".join(map(seconds, shares)), f"{many.alone / spent:.2f}"
        table.add(f"Dask, {arguments.workers} workers", *cells)
        again, count = resumed(many, client)
        table.add(f"the last {count} rows, by a checkpoint", seconds(again), "-", "-")
        killed = with_a_killed_worker(many, client)
        table.add("Dask, a worker killed half-way", seconds(killed), "-", f"{many.alone / killed:.2f}")
    show(table, arguments.markdown)
    print(f"by the processor's seconds, the longest share: {many.alone_cpu / max(shares):.2f} times")
