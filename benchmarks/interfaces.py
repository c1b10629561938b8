"""One network through Python, C, exported C, CasADi, JAX and PyTorch; beside what these do by themselves."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.interface_candidates import OURS, QUANTITIES, Repeated, make_candidates
from benchmarks.networks import Network, make
from benchmarks.peers import load
from benchmarks.tables import Table, microseconds, ratio, show, write_csv

TOLERANCE = 1e-11  # max |a - b| / max |b|
ONCE = 0.01  # seconds that a candidate evaluates before the next one has its turn


def check(network: str, candidates: dict[str, dict[str, Repeated]]) -> float:
    """The largest difference from ours; refuses one that is too large."""
    worst = 0.0
    for name, made in candidates.items():
        for quantity, repeated in made.items():
            wanted = candidates[OURS][quantity](1)
            difference = float(np.max(np.abs(repeated(1) - wanted)) / np.max(np.abs(wanted)))
            worst = max(worst, difference)
            if not difference <= TOLERANCE:
                raise SystemExit(f"{network}: {quantity} by {name} differs by {difference:.2g}, allowed {TOLERANCE:g}.")
    return worst


def measure(
    candidates: dict[str, dict[str, Repeated]], quantity: str, seconds: float, clock: Callable[[], float]
) -> dict[str, float]:
    """Median seconds of one evaluation, in turns."""
    runs = {name: made[quantity] for name, made in candidates.items() if quantity in made}
    counts = {}
    for name, run in runs.items():
        run(3)
        start = time.perf_counter()
        run(3)
        counts[name] = max(1, int(3 * ONCE / (time.perf_counter() - start)))
    samples: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + seconds * len(runs)
    while time.perf_counter() < end or min(map(len, samples.values())) < 3:
        for name, run in runs.items():
            run(1)  # does not count: the caches are as the candidate before left them
            start = clock()
            run(counts[name])
            samples[name].append((clock() - start) / counts[name])
    return {name: statistics.median(times) for name, times in samples.items()}


def measure_network(network: Network, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """By candidate and quantity."""
    net = load(network)
    random = np.random.default_rng(5)
    x, w = random.uniform(-1, 1, net.n_inputs), random.uniform(-1, 1, net.n_outputs)
    with tempfile.TemporaryDirectory() as folder:
        candidates = make_candidates(network, net, x, w, Path(folder))
        worst = check(network.name, candidates)
        print(f"{network.name}: {network.n_parameters:,} parameters; answers agree to {worst:.1e}", flush=True)
        clock = machine.CLOCKS[arguments.clock]
        times = {quantity: measure(candidates, quantity, arguments.seconds, clock) for quantity in QUANTITIES}
    return {name: {q: times[q][name] for q in QUANTITIES if name in times[q]} for name in candidates}


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, print a table per network, write the file."""
    machine.introduce(arguments, ["numpy", "casadi", "jax", "torch"])
    lines: list[dict[str, object]] = []
    for name in arguments.networks:
        times = measure_network(make(name), arguments)
        ours = times[OURS]
        table = Table(f"{name}, microseconds a call", ["through", *QUANTITIES, *(f"{q} / Python" for q in QUANTITIES)])
        for candidate, row in times.items():
            figures = [microseconds(row.get(quantity)) for quantity in QUANTITIES]
            ratios = [ratio(row.get(quantity), ours[quantity]) for quantity in QUANTITIES]
            table.add(candidate, *figures, *ratios)
            lines.append({"network": name, "through": candidate, **row})
        show(table, arguments.markdown)
    if arguments.output is not None:
        write_csv(arguments.output / "interfaces.csv", lines)
