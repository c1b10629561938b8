"""One network in one Pyomo model through its doors: an external function that other solvers call, and in process."""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import limits, machine
from benchmarks.networks import random_network
from benchmarks.pictures import Panel, draw
from benchmarks.processes import processor_time
from benchmarks.solve_candidates import pyomo_model, tiny_model
from benchmarks.tables import Table, ratio, seconds, show, write_csv
from benchmarks.timing import in_turns

OURS = "in process"
DOORS = {
    "external function, POUNCE": "pounce",
    "external function, Ipopt on the ASL": "cyipopt",  # PyNumero's: in process, too, through a .nl file
    OURS: "fastexpr",
}
TOLERANCE = 1e-6  # of the objective
WIDTH, N_OUTPUTS = 64, 4
PATIENCE = 20.0  # seconds after which a door is not tried again with the same network
CLOCKS = {**machine.CLOCKS, "cpu": processor_time}  # POUNCE is a process of its own


@dataclass
class Row:
    """Of one network: median seconds of a solve by door."""

    n_inputs: int
    times: dict[str, float]


def measure(n_inputs: int, arguments: argparse.Namespace) -> Row:
    """All doors in turns, a new model for every solve; objectives are compared."""
    import pyomo.environ as pyo

    import fastexpr as fx
    import fastexpr.pyomo as fxp

    clock = CLOCKS[arguments.clock]
    network = random_network(f"n = {n_inputs}", [n_inputs, WIDTH, WIDTH, N_OUTPUTS])
    x0, c = limits.points(network)
    samples: dict[str, list[float]] = {door: [] for door in DOORS}
    objectives: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        limits.write(network, Path(folder))
        net = fx.load(Path(folder) / "network.fx")
        for _ in range(arguments.repeats):
            for door, solver in DOORS.items():
                if sum(samples[door]) > PATIENCE:
                    continue
                model = pyomo_model(pyo, fxp, net, x0, c)
                gc.collect()
                start = clock()
                results = pyo.SolverFactory(solver).solve(model)
                samples[door].append(clock() - start)
                pyo.assert_optimal_termination(results)
                objectives[door] = pyo.value(model.distance)
    check_answers(n_inputs, objectives)
    return Row(n_inputs, {door: statistics.median(times) for door, times in samples.items()})


def check_answers(n_inputs: int, objectives: dict[str, float]) -> None:
    """All doors lead to the same optimum."""
    values = list(objectives.values())
    difference = float(np.ptp(values) / max(values))
    if not difference <= TOLERANCE:
        raise SystemExit(f"{n_inputs} inputs: the doors' objectives differ by {difference:.2g}: {objectives}")
    print(f"{n_inputs} inputs: objective {values[0]:.6g}, the doors agree to {difference:.1e}", flush=True)


def make_table(rows: list[Row]) -> Table:
    """A column per network."""
    table = Table(
        f"one solve through Pyomo, network n -> 2x{WIDTH} -> {N_OUTPUTS}, seconds",
        ["inputs", *(str(row.n_inputs) for row in rows)],
    )
    for door in DOORS:
        table.add(door, *(seconds(row.times[door]) for row in rows))
    for door in [door for door in DOORS if door != OURS]:
        table.add(f"{door} / {OURS}", *(ratio(row.times[door], row.times[OURS]) for row in rows))
    return table


def time_to_start(solver: str, arguments: argparse.Namespace) -> float:
    """Median seconds of solving a model of one variable: what starting the solver's process takes."""
    import pyomo.environ as pyo

    model = tiny_model(pyo)
    solve = {solver: lambda: pyo.SolverFactory(solver).solve(model)}
    return in_turns(solve, arguments.repeats, CLOCKS[arguments.clock])[solver]


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, print the table, write the files."""
    print(f"{machine.processor()}, {arguments.threads} thread(s), {arguments.clock} clock")
    print(machine.versions(["fastexpr", "pyomo", "cyipopt", "pounce-solver", "pyomo-pounce"]), flush=True)
    rows = [measure(n_inputs, arguments) for n_inputs in [4, *arguments.sizes]][1:]  # the first one imports
    show(make_table(rows), arguments.markdown)
    print(f"\nA model of one variable takes POUNCE {time_to_start('pounce', arguments):.2g} s: starting its process.")
    if arguments.output is not None:
        lines: list[dict[str, Any]] = [{"inputs": row.n_inputs, **row.times} for row in rows]
        write_csv(arguments.output / "doors.csv", lines)
        curves = {door: [(row.n_inputs, row.times[door]) for row in rows] for door in DOORS}
        draw(arguments.output / "doors.png", [[Panel("one solve through Pyomo", "inputs", "seconds", curves)]])
