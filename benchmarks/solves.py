"""The nearest point that keeps limits on a network's outputs: everybody in fresh processes, imports included."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import limits, machine, processes
from benchmarks.networks import Network, make
from benchmarks.pictures import Panel, draw
from benchmarks.tables import Table, ratio, seconds, show, write_csv

TOLERANCE = 1e-6  # of the objective, and of the limits
PARTS = ["import", "build", "solve"]
LAST = {"omlt": "S3", "casadi": "S4"}  # what is tried without --slow
LAST_OF_ALL = {"omlt": "S4"}  # what is tried at all
PATIENCE = 20.0  # seconds after which a candidate is not run again on the same network


@dataclass
class Row:
    """Of one network: seconds by candidate and part; candidates that were stopped have none."""

    network: str
    n_parameters: int
    parts: dict[str, dict[str, float]] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)

    def total(self, candidate: str) -> float | None:
        """From the start of the process to the answer."""
        return sum(self.parts[candidate].values()) if candidate in self.parts else None

    def text(self, candidate: str, parts: list[str], limit: float) -> str:
        """Seconds of these parts together."""
        if candidate in self.stopped:
            return f"> {limit:g}"
        found = self.parts.get(candidate)
        return seconds(None if found is None else sum(found[part] for part in parts))


def is_tried(candidate: str, network: str, slow: bool) -> bool:
    """Whether this candidate has a go at this network."""
    return network <= (LAST_OF_ALL if slow else LAST).get(candidate, "S6")


def measure(network: Network, arguments: argparse.Namespace) -> Row:
    """All candidates in turns; the first round's answers are compared."""
    row = Row(network.name, network.n_parameters)
    found: dict[str, list[dict[str, Any]]] = {}
    candidates = [name for name in arguments.candidates if is_tried(name, network.name, arguments.slow)]
    with tempfile.TemporaryDirectory() as folder:
        limits.write(network, Path(folder))
        for _ in range(arguments.repeats):
            for name in candidates:
                spent = sum(sum(result["seconds"].values()) for result in found.get(name, []))
                if name in row.stopped or spent > PATIENCE:
                    continue
                target = f"benchmarks.solve_candidates:{name}"
                result = processes.run(target, {"folder": folder}, arguments.clock, arguments.limit)
                if result is None:
                    row.stopped.append(name)
                else:
                    found.setdefault(name, []).append(result)
    for name, results in found.items():
        row.parts[name] = {part: statistics.median(r["seconds"][part] for r in results) for part in PARTS}
    if row.stopped:
        print(f"{network.name}: stopped after {arguments.limit:g} s: {', '.join(row.stopped)}", flush=True)
    if found:
        check_answers(network, {name: results[0] for name, results in found.items()})
    return row


def check_answers(network: Network, answers: dict[str, dict[str, Any]]) -> None:
    """The same objective for all, at points that keep the limits, at least one of which is active."""
    x0, c = limits.points(network)
    best = min(answer["objective"] for answer in answers.values())
    worst = 0.0
    for name, answer in answers.items():
        x = np.array(answer["x"])
        margin = c - limits.value(network, x)
        objective = float(np.sum((x - x0) ** 2))
        difference = max(abs(objective - best) / best, float(np.max(-margin)))
        worst = max(worst, difference)
        if not difference <= TOLERANCE or np.min(np.abs(margin)) > TOLERANCE:
            raise SystemExit(
                f"{network.name}: {name} has objective {objective:.9g}, the best is {best:.9g}; the limits are missed "
                f"by {np.max(-margin):.2g}, allowed {TOLERANCE:g}; the nearest is {np.min(np.abs(margin)):.2g} away."
            )
    iterations = ", ".join(f"{name} {answer['iterations']}" for name, answer in answers.items() if answer["iterations"])
    print(
        f"{network.name}: {network.n_parameters:,} parameters; |x - x0|^2 = {best:.6g}, {len(answers)} answers agree "
        f"to {worst:.1e}; iterations: {iterations}",
        flush=True,
    )


def make_tables(rows: list[Row], arguments: argparse.Namespace) -> list[Table]:
    """Totals with what they are to others' totals; then the parts."""
    header = [row.network for row in rows]
    names, limit = arguments.candidates, arguments.limit
    totals = Table("seconds from the start of the process to the answer", ["total", *header])
    for name in names:
        totals.add(name, *(row.text(name, PARTS, limit) for row in rows))
    if "fastexpr" in names:
        for peer in [name for name in names if name not in ("fastexpr", "pyomo")]:
            totals.add(f"{peer} / fastexpr", *(ratio(row.total(peer), row.total("fastexpr")) for row in rows))
    parts = Table("seconds, the parts", ["part", *header])
    for name in names:
        for part in PARTS:
            parts.add(f"{name}: {part}", *(row.text(name, [part], limit) for row in rows))
        parts.add(f"{name}: build + solve", *(row.text(name, ["build", "solve"], limit) for row in rows))
    return [totals, parts]


def write_files(folder: Path, rows: list[Row]) -> None:
    """Seconds as CSV, one line per network and candidate; totals over parameters as a picture."""
    lines: list[dict[str, object]] = [
        {"network": row.network, "parameters": row.n_parameters, "candidate": name, **parts}
        for row in rows
        for name, parts in row.parts.items()
    ]
    write_csv(folder / "solves.csv", lines)
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, parts in row.parts.items():
            curves.setdefault(name, []).append((row.n_parameters, sum(parts.values())))
    draw(folder / "solves.png", [[Panel("solve, imports included", "parameters", "seconds", curves)]])


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, print the tables, write the files."""
    print(f"{machine.processor()}, {arguments.threads} thread(s), {arguments.clock} clock")
    print(machine.versions(["fastexpr", "pyomo", "cyipopt", "jax", "casadi", "omlt", "pounce-solver"]), flush=True)
    processes.compile_sources()
    rows = [measure(make(name), arguments) for name in arguments.networks]
    for table in make_tables(rows, arguments):
        show(table, arguments.markdown)
    if arguments.output is not None:
        write_files(arguments.output, rows)
