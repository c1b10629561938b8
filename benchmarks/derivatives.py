"""Value, Jacobian, Hessian, and all three at one point: answers checked first, then timed side by side."""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.networks import Network, make
from benchmarks.peers import MAKERS, Evaluator

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


def time_side_by_side(
    evaluators: dict[str, Callable[[], object]], seconds: float, clock: Callable[[], float]
) -> dict[str, float]:
    """Median seconds of a call of each: in turns, so that a disturbance meets them all."""
    repeats = {}
    for name, evaluate in evaluators.items():
        start = time.perf_counter()
        evaluate()
        once = time.perf_counter() - start
        repeats[name] = max(1, min(2000, int(0.005 / once)))
    samples: dict[str, list[float]] = {name: [] for name in evaluators}
    end = time.perf_counter() + seconds * len(evaluators)
    while time.perf_counter() < end or min(map(len, samples.values())) < 3:
        for name, evaluate in evaluators.items():
            start = clock()
            for _ in range(repeats[name]):
                evaluate()
            samples[name].append((clock() - start) / repeats[name])
    return {name: statistics.median(times) for name, times in samples.items()}


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
        times = time_side_by_side(calls, arguments.seconds, clock)
        rows.append(Row(quantity, network.name, network.n_parameters, limit, times))
    return rows


def print_table(quantity: str, rows: list[Row], peers: list[str]) -> None:
    """Microseconds a call; how many times faster than a peer; how many times the limit."""
    lines = [("microseconds", *(row.network for row in rows))]
    for name in ["fastexpr", *peers]:
        lines.append((name, *(f"{1e6 * row.times[name]:,.4g}" for row in rows)))
    lines.append(("limit", *(f"{1e6 * row.limit:,.3g}" for row in rows)))
    lines += [
        (f"{peer} / fastexpr", *(f"{row.times[peer] / row.times['fastexpr']:.2f}" for row in rows)) for peer in peers
    ]
    lines.append(("fastexpr / limit", *(f"{row.times['fastexpr'] / row.limit:.2f}" for row in rows)))
    print(f"\n{quantity}")
    for first, *rest in lines:
        print(f"  {first:<17}" + "".join(f"{text:>12}" for text in rest))


def write_csv(path: Path, rows: list[Row], peers: list[str]) -> None:
    """One line per quantity and network, seconds."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["quantity", "network", "parameters", "fastexpr", *peers, "limit"])
        for row in rows:
            times = [row.times[name] for name in ["fastexpr", *peers]]
            writer.writerow([row.quantity, row.network, row.n_parameters, *times, row.limit])


def draw(path: Path, rows: list[Row], peers: list[str]) -> bool:
    """Time over parameters for each quantity; False where there is no matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    quantities = list(dict.fromkeys(row.quantity for row in rows))
    figure, axes = pyplot.subplots(1, len(quantities), figsize=(4 * len(quantities), 3.6), squeeze=False)
    for axis, quantity in zip(axes[0], quantities, strict=True):
        chosen = sorted((row for row in rows if row.quantity == quantity), key=lambda row: row.n_parameters)
        parameters = [row.n_parameters for row in chosen]
        for name in ["fastexpr", *peers]:
            axis.loglog(parameters, [1e6 * row.times[name] for row in chosen], "o-", label=name)
        axis.loglog(parameters, [1e6 * row.limit for row in chosen], "k:", label="limit")
        axis.set(title=quantity, xlabel="parameters", ylabel="microseconds")
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    return True


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
        print_table(quantity, [row for row in rows if row.quantity == quantity], arguments.peers)
    if arguments.output is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
        write_csv(arguments.output / "derivatives.csv", rows, arguments.peers)
        picture = arguments.output / "derivatives.png"
        print(
            f"\nwritten: {arguments.output / 'derivatives.csv'}"
            + (f", {picture}" if draw(picture, rows, arguments.peers) else "")
        )
