"""Predictive control with a network at every step: sparse derivatives in process, JAX's, and the network as algebra."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import control, machine, processes
from benchmarks.limits import read_layers
from benchmarks.tables import Table, ratio, seconds, show, write_csv

TOLERANCE = 1e-6  # of the objective that the controls lead to


def measure(arguments: argparse.Namespace) -> dict[str, dict[str, Any] | None]:
    """What every candidate returned, with "times"; None for one that was stopped."""
    found: dict[str, dict[str, Any] | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        control.write(Path(folder))
        layers = read_layers(Path(folder))
        order = {"folder": folder, "steps": arguments.steps, "repeats": arguments.repeats}
        for name in arguments.candidates:
            result = processes.run(f"benchmarks.control_candidates:{name}", order, arguments.clock, arguments.limit)
            if result is not None:
                laps = result["seconds"]
                result["times"] = {part: laps[part] for part in ("import", "build", "solve")}
                result["times"]["solve again"] = statistics.median(result["again"]) if result["again"] else None
            found[name] = result
    check_answers(layers, {name: result for name, result in found.items() if result is not None}, arguments.steps)
    return found


def check_answers(layers: Any, answers: dict[str, dict[str, Any]], steps: int) -> None:
    """The controls of all lead, simulated with the network, to the same objective; and to the one they said."""
    wanted = control.reference(layers, steps)
    reached = {}
    for name, answer in answers.items():
        u = np.reshape(answer["u"], (-1, control.N_CONTROLS))
        reached[name] = float(control.objective(control.simulate(layers, u), u, wanted))
    best = min(reached.values())
    at_bounds = sum(abs(abs(u) - 1) < 1e-6 for u in next(iter(answers.values()))["u"])
    for name, value in reached.items():
        difference = max(abs(value - best), abs(value - answers[name]["objective"])) / abs(best)
        if not difference <= TOLERANCE:
            raise SystemExit(
                f"{name} has objective {value:.9g} ({answers[name]['objective']:.9g} by its own account), the best is "
                f"{best:.9g}: it may be another local optimum. Try another number of steps."
            )
    print(
        f"{steps} steps: objective {best:.6g}, {len(answers)} answers agree; {at_bounds} controls at a bound; "
        "iterations: " + ", ".join(f"{name} {a['iterations']}" for name, a in answers.items() if a["iterations"]),
        flush=True,
    )


def make_table(found: dict[str, dict[str, Any] | None], limit: float) -> Table:
    """A column per candidate."""
    table = Table("predictive control, seconds", ["", *found])
    for label, key in {"variables": "variables", "Jacobian entries": "jacobian", "Hessian entries": "hessian"}.items():
        table.add(label, *(f"{r[key]:,}" if r and key in r else "-" for r in found.values()))
    for part in ("import", "build", "solve", "solve again"):
        table.add(part, *(seconds(r["times"][part]) if r else f"> {limit:g}" for r in found.values()))
    last = found.get("omlt")
    if last:
        for label, parts in {"omlt / it: solve": ["solve"], "omlt / it: build + solve": ["build", "solve"]}.items():
            slow = sum(last["times"][part] for part in parts)
            table.add(label, *(ratio(slow, sum(r["times"][p] for p in parts)) if r else "-" for r in found.values()))
    return table


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, print the table, write the file."""
    print(f"{machine.processor()}, {arguments.threads} thread(s), {arguments.clock} clock")
    print(machine.versions(["fastexpr", "pyomo", "cyipopt", "jax", "omlt", "pounce-solver"]), flush=True)
    processes.compile_sources()
    found = measure(arguments)
    show(make_table(found, arguments.limit), arguments.markdown)
    if arguments.output is not None:
        lines = [
            {"candidate": name, "steps": arguments.steps, "variables": result["variables"]} | result["times"]
            for name, result in found.items()
            if result
        ]
        write_csv(arguments.output / "nmpc.csv", lines)
