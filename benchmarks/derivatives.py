"""Value, Jacobian, Hessian, and all three at one point: answers checked first, then timed side by side."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.networks import Network, make
from benchmarks.peers import MAKERS, Evaluator
from benchmarks.pictures import Panel, draw
from benchmarks.tables import Table, ratio, show, write_csv
from benchmarks.timing import side_by_side

Array = NDArray[np.float64]
TOLERANCE = 1e-12  # max |a - b| / max |b|


@dataclass
class Row:
    """Figures of one quantity of one network, in seconds."""

    quantity: str
    network: str
    n_parameters: int
    limit: float
    times: dict[str, float] = field(default_factory=dict)


def check_answers(network: Network, functions: dict[str, dict[str, Evaluator]], x: Array, w: Array) -> float:
    """The largest difference between fastexpr and a peer; refuses one that is too large."""
    worst = 0.0
    for peer in functions:
        for quantity, evaluate in functions[peer].items():
            ours = functions["fastexpr"][quantity](x, w)
            for got, wanted in zip(ours, evaluate(x, w), strict=True):
                difference = float(np.max(np.abs(got - wanted)) / np.max(np.abs(wanted)))
                worst = max(worst, difference)
                if not difference <= TOLERANCE:
                    raise SystemExit(
                        f"{network.name}: {quantity} differs from {peer}'s by {difference:.2g}, allowed {TOLERANCE:g}."
                    )
    return worst


def measure(network: Network, arguments: argparse.Namespace, multiply_rate: float) -> list[Row]:
    """All quantities of one network."""
    clock = machine.CLOCKS[arguments.clock]
    random = np.random.default_rng(5)
    x, w = random.uniform(-1, 1, network.sizes[0]), random.uniform(-1, 1, network.sizes[-1])
    functions = {}
    for peer in ["fastexpr", *arguments.peers]:
        made = MAKERS[peer](network)
        functions[peer] = {quantity: made[quantity] for quantity in arguments.quantities}
    worst = check_answers(network, functions, x, w)
    n_bytes = 4 * network.n_parameters
    reading = n_bytes / machine.read_rate(n_bytes, 0.2, clock)
    shape = " -> ".join(map(str, network.sizes))
    print(f"{network.name}: {shape}, {network.n_parameters:,} parameters; answers agree to {worst:.1e}", flush=True)
    rows = []
    for quantity in arguments.quantities:
        limit = network.flops()[quantity] / multiply_rate
        if quantity == "value":
            limit = max(limit, reading)
        calls: dict[str, Callable[[], object]] = {
            peer: partial(made[quantity], x, w) for peer, made in functions.items()
        }
        times = side_by_side(calls, arguments.seconds, clock)
        rows.append(Row(quantity, network.name, network.n_parameters, limit, times))
    return rows


def make_table(quantity: str, rows: list[Row], peers: list[str]) -> Table:
    """Microseconds a call; how many times faster than a peer; how many times the limit."""
    table = Table(quantity, ["microseconds", *(row.network for row in rows)])
    for name in ["fastexpr", *peers]:
        table.add(name, *(f"{1e6 * row.times[name]:,.4g}" for row in rows))
    table.add("limit", *(f"{1e6 * row.limit:,.3g}" for row in rows))
    for peer in peers:
        table.add(f"{peer} / fastexpr", *(ratio(row.times[peer], row.times["fastexpr"]) for row in rows))
    table.add("fastexpr / limit", *(ratio(row.times["fastexpr"], row.limit) for row in rows))
    return table


def write_files(folder: Path, rows: list[Row], quantities: list[str], peers: list[str]) -> None:
    """Seconds as CSV, one line per quantity and network; microseconds over parameters as a picture."""
    names = ["fastexpr", *peers]
    write_csv(
        folder / "derivatives.csv",
        [
            {"quantity": row.quantity, "network": row.network, "parameters": row.n_parameters}
            | {name: row.times[name] for name in names}
            | {"limit": row.limit}
            for row in rows
        ],
    )
    panels = []
    for quantity in quantities:
        chosen = [row for row in rows if row.quantity == quantity]
        curves = {name: [(row.n_parameters, 1e6 * row.times[name]) for row in chosen] for name in names}
        limits = {"limit": [(row.n_parameters, 1e6 * row.limit) for row in chosen]}
        panels.append(Panel(quantity, "parameters", "microseconds", curves, limits))
    draw(folder / "derivatives.png", panels)


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, print the tables, write the files."""
    import fastexpr as fx

    clock = machine.CLOCKS[arguments.clock]
    multiply_rate = machine.multiply_rate(1.0, clock)
    memory_rate = machine.read_rate(1 << 28, 1.0, clock)
    print(f"{machine.processor()}, {arguments.threads} thread(s), {arguments.clock} clock")
    print(f"dgemm {multiply_rate / 1e9:.1f} GF/s, reading {memory_rate / 1e9:.1f} GB/s from memory")
    print(machine.versions(["fastexpr", "numpy", "scipy", "jax", "jaxlib"]))
    print(f"fastexpr: {fx.build_info()}", flush=True)
    rows = []
    for name in arguments.networks:
        rows += measure(make(name), arguments, multiply_rate)
    for quantity in arguments.quantities:
        chosen = [row for row in rows if row.quantity == quantity]
        show(make_table(quantity, chosen, arguments.peers), arguments.markdown)
    if arguments.output is not None:
        write_files(arguments.output, rows, arguments.quantities, arguments.peers)
