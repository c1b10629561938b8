"""From the import to the first Hessian of a saved network, every time in a fresh process."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import limits, machine
from benchmarks.networks import make
from benchmarks.processes import compile_sources
from benchmarks.tables import Table, ratio, show, write_csv

NETWORK = "S3"
CANDIDATES = ["fastexpr", "jax"]
PARTS = ["import", "load", "first Hessian"]
TOLERANCE = 1e-12  # max |a - b| / max |b|


def start(name: str, folder: Path) -> dict[str, np.ndarray]:
    """What one process of a candidate wrote."""
    result = folder / "result.npz"
    command = [sys.executable, "-m", "benchmarks.startup_candidates", name, str(folder), str(result)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    with np.load(result) as file:
        return dict(file)


def check_answers(found: dict[str, dict[str, np.ndarray]]) -> float:
    """The largest difference of the Hessians; refuses one that is too large."""
    ours, wanted = (found[name]["hessian"] for name in CANDIDATES)
    difference = float(np.max(np.abs(ours - wanted)) / np.max(np.abs(wanted)))
    if not difference <= TOLERANCE:
        raise SystemExit(f"{NETWORK}: the Hessians differ by {difference:.2g}, allowed {TOLERANCE:g}.")
    return difference


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the table, write the file."""
    network = make(NETWORK)
    compile_sources()
    print(f"{machine.processor()}, {arguments.threads} thread(s); median of {arguments.repeats} processes")
    print(machine.versions(["fastexpr", "numpy", "jax", "jaxlib"]))
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in CANDIDATES}
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        limits.write(network, folder)
        random = np.random.default_rng(5)
        np.save(folder / "x.npy", random.uniform(-1, 1, network.sizes[0]))
        np.save(folder / "w.npy", random.uniform(-1, 1, network.sizes[-1]))
        worst = check_answers({name: start(name, folder) for name in CANDIDATES})  # files are in the page cache now
        print(f"{NETWORK}: answers agree to {worst:.1e}", flush=True)
        for _ in range(arguments.repeats):
            for name in CANDIDATES:
                found = start(name, folder)
                samples[name].append(dict(zip(PARTS, map(float, found["seconds"]), strict=True)))
    rows = [{"who": name} | medians(samples[name]) for name in CANDIDATES]
    table = Table(f"{NETWORK}, NumPy imported before", ["milliseconds", *CANDIDATES, "jax / fastexpr"])
    for part in [*PARTS, "all"]:
        ours, theirs = (float(row[part]) for row in rows)
        table.add(part, f"{1e3 * ours:,.3g}", f"{1e3 * theirs:,.4g}", ratio(theirs, ours))
    show(table, arguments.markdown)
    if arguments.output is not None:
        write_csv(arguments.output / "startup.csv", rows)


def medians(samples: list[dict[str, float]]) -> dict[str, float]:
    """Of each part, and of the sums."""
    parts = {part: statistics.median(sample[part] for sample in samples) for part in PARTS}
    return {**parts, "all": statistics.median(sum(sample.values()) for sample in samples)}
