"""Large Pyomo models: what compiling takes, beside Pyomo's writer; derivatives, beside the ASL's; and a whole solve."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import asl, machine, processes, pyomo_models
from benchmarks.evaluations import KINDS, PAIR, Sides
from benchmarks.pictures import Panel, draw
from benchmarks.tables import Table, ratio, seconds, show, write_csv
from benchmarks.timing import in_turns

MEMORY_LIMIT = 3600.0  # seconds for the process that measures memory, should it hang
SIDES = ["fastexpr", "asl"]


@dataclass
class Figures:
    """Of one model: seconds by name, counts, and the seconds of each evaluation by side."""

    kind: str
    n_constraints: int
    times: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    calls: dict[str, dict[str, float]] = field(default_factory=dict)

    def as_row(self) -> dict[str, object]:
        """For the CSV file."""
        calls = {f"{side}: {kind}": time for side, kinds in self.calls.items() for kind, time in kinds.items()}
        return {"model": self.kind, "constraints": self.n_constraints} | self.counts | self.times | calls


def measure(kind: str, n_constraints: int, arguments: argparse.Namespace) -> Figures:
    """Everything about one model."""
    clock = machine.CLOCKS[arguments.clock]
    figures = Figures(kind, n_constraints)
    start = clock()
    model = pyomo_models.MAKERS[kind](n_constraints)
    figures.times["build"] = clock() - start
    figures.counts["nodes"] = pyomo_models.count_nodes(model)
    measure_compiling(model, figures, arguments)
    measure_memory(figures)
    measure_evaluations(model, figures, arguments)
    measure_solve(model, figures, clock)
    return figures


def measure_compiling(model: Any, figures: Figures, arguments: argparse.Namespace) -> None:
    """Pyomo's writer and our compiler, the structure of derivatives included, in turns."""
    clock = machine.CLOCKS[arguments.clock]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.nl"
        actions: dict[str, Callable[[], object]] = {
            "write .nl": lambda: asl.write(model, path),
            "compile": lambda: compile_with_structure(model),
        }
        with programs_timed(clock) as program_times:
            figures.times |= in_turns(actions, arguments.repeats, clock)
        figures.times["compile: walk"] = figures.times["compile"] - statistics.median(program_times)
        figures.counts["megabytes of .nl"] = path.stat().st_size / 1e6


@contextmanager
def programs_timed(clock: Callable[[], float]) -> Iterator[list[float]]:
    """The seconds that C++ takes to make a program of the walked expressions, for every model compiled meanwhile."""
    from fastexpr import _core

    times: list[float] = []
    make = _core.NlpFunctions

    def timed(*arguments: Any) -> Any:
        start = clock()
        made = make(*arguments)
        times.append(clock() - start)
        return made

    with mock.patch.object(_core, "NlpFunctions", timed):
        yield times


def compile_with_structure(model: Any) -> Any:
    """What is done before the first iteration of a solve."""
    from fastexpr.pyomo.compile.compiled import compile_model

    compiled = compile_model(model)
    compiled.nlp.jacobianstructure()
    compiled.nlp.hessianstructure()
    return compiled


def measure_memory(figures: Figures) -> None:
    """In a process of its own, since memory that was once in use is not given back."""
    arguments = {"kind": figures.kind, "n_constraints": figures.n_constraints}
    found = processes.run("benchmarks.memory:of_compiling", arguments, "wall", MEMORY_LIMIT)
    if found is None:
        raise SystemExit(f"compiling {figures.kind} with {figures.n_constraints} constraints hangs")
    for name in ("stays", "peak"):
        figures.counts[f"bytes a node, {name}"] = found[name] / figures.counts["nodes"]


def measure_evaluations(model: Any, figures: Figures, arguments: argparse.Namespace) -> None:
    """All derivatives, checked first."""
    sides = Sides(compile_with_structure(model), asl.AslFunctions(model))
    worst = sides.check()
    print(
        f"{figures.kind}: {figures.n_constraints:,} constraints, {figures.counts['nodes']:,} nodes; "
        f"f, g, J and H agree with the ASL's to {worst:.1e}",
        flush=True,
    )
    for kind, (ours, theirs) in sides.n_entries().items():
        figures.counts[f"{kind} entries"], figures.counts[f"{kind} entries, asl"] = ours, theirs
    figures.calls = sides.time(arguments.seconds * len(SIDES), machine.CLOCKS[arguments.clock])


def measure_solve(model: Any, figures: Figures, clock: Callable[[], float]) -> None:
    """A solve through Pyomo: what of it is Ipopt's own, and the rest."""
    import pyomo.environ as pyo

    from benchmarks.ipopt_time import watched

    solver = pyo.SolverFactory("fastexpr")
    solver.solve(pyomo_models.chain(10))  # imports the rest
    with watched(clock) as ipopt:
        start = clock()
        results = solver.solve(model)
        figures.times["solve"] = clock() - start
    pyo.assert_optimal_termination(results)
    figures.times["solve: Ipopt"] = ipopt.own
    figures.times["solve: callbacks"] = ipopt.callbacks
    figures.times["solve: the rest"] = figures.times["solve"] - ipopt.own
    figures.counts["callbacks"] = ipopt.n_callbacks


def make_tables(kind: str, rows: list[Figures]) -> list[Table]:
    """Of one kind of model, a column per size."""
    header = [f"{row.n_constraints:,}" for row in rows]
    compiling = Table(f"{kind}: a model with so many constraints, seconds", ["constraints", *header])
    compiling.add("nodes", *(f"{row.counts['nodes']:,}" for row in rows))
    for name in ("build", "write .nl", "compile", "compile: walk"):
        compiling.add(name, *(seconds(row.times[name]) for row in rows))
    compiling.add("compile / write", *(ratio(row.times["compile"], row.times["write .nl"]) for row in rows))
    for name in ("peak", "stays"):
        compiling.add(f"bytes a node, {name}", *(f"{row.counts[f'bytes a node, {name}']:.0f}" for row in rows))
    for name in ("solve", "solve: Ipopt", "solve: callbacks", "solve: the rest"):
        compiling.add(name, *(seconds(row.times[name]) for row in rows))
    compiling.add("the rest / write", *(ratio(row.times["solve: the rest"], row.times["write .nl"]) for row in rows))
    calls = Table(f"{kind}: one evaluation at a new point, milliseconds", ["constraints", *header])
    for name in [*KINDS, PAIR]:
        for side in SIDES:
            calls.add(f"{name}, {side}", *(f"{1e3 * row.calls[side][name]:.4g}" for row in rows))
    for label, names in {"J + H": ["jacobian", "hessian"], "all five": KINDS, PAIR: [PAIR]}.items():
        sums = [[sum(row.calls[side][name] for name in names) for side in SIDES] for row in rows]
        calls.add(f"{label}: fastexpr / asl", *(ratio(ours, theirs) for ours, theirs in sums))
    return [compiling, calls]


def write_files(folder: Path, rows: list[Figures]) -> None:
    """Seconds and counts as CSV; the main ones over the size as a picture."""
    write_csv(folder / "models.csv", [row.as_row() for row in rows])
    panels = []
    for kind in dict.fromkeys(row.kind for row in rows):
        chosen = [row for row in rows if row.kind == kind]
        names = ["build", "write .nl", "compile", "solve: the rest"]
        curves = {name: [(row.n_constraints, row.times[name]) for row in chosen] for name in names}
        panels.append(Panel(kind, "constraints", "seconds", curves))
    draw(folder / "models.png", [panels])


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, print the tables, write the files."""
    print(f"{machine.processor()}, {arguments.threads} thread(s), {arguments.clock} clock")
    print(machine.versions(["fastexpr", "pyomo", "cyipopt", "numpy"]), flush=True)
    compile_with_structure(pyomo_models.chain(10))  # imports the rest
    rows = []
    for kind in arguments.kinds:
        rows += [measure(kind, size, arguments) for size in arguments.sizes]
    for kind in arguments.kinds:
        for table in make_tables(kind, [row for row in rows if row.kind == kind]):
            show(table, arguments.markdown)
    if arguments.output is not None:
        write_files(arguments.output, rows)
