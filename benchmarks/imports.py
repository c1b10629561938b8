"""Reading ONNX files, with the check: beside creating a session of ONNX Runtime; answers first."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import import_models, machine
from benchmarks.tables import Table, ratio, show, write_csv

TOLERANCE = 1e-3  # max |a - b| / max |b|: ONNX Runtime computes in float32, and trees jump
LARGE = 5_000_000  # bytes of a file that is read a few times only
SIDES = ["session", "load_onnx", "check=False"]
N_INPUTS = 1_460_000


@dataclass
class Figures:
    """Of one file: seconds by side."""

    group: str
    name: str
    size: int
    times: dict[str, float] = field(default_factory=dict)

    def as_row(self) -> dict[str, object]:
        """For the CSV file."""
        return {"group": self.group, "name": self.name, "bytes": self.size} | self.times


def session_of(path: Path) -> Any:
    """As a user creates one."""
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def sides(path: Path) -> dict[str, Callable[[], Any]]:
    """Who reads the file."""
    import fastexpr as fx

    return {
        "session": lambda: session_of(path),
        "load_onnx": lambda: fx.load_onnx(path),
        "check=False": lambda: fx.load_onnx(path, check=False),
    }


def difference(path: Path) -> float | None:
    """How far values are from ONNX Runtime's, of max|y|; None where either does not read the file, or y is infinite."""
    import fastexpr as fx

    try:
        session, net = session_of(path), fx.load_onnx(path)
    except Exception:  # an operator that one of them lacks: nothing to compare
        return None
    x = np.random.default_rng(5).uniform(0.1, 0.9, net.n_inputs).astype(np.float32)
    feeds, start = {}, 0
    for entry, shape in zip(session.get_inputs(), net.inputs.values(), strict=False):
        size = int(np.prod(shape))
        kind = np.float64 if "double" in entry.type else np.float32
        feeds[entry.name] = x[start : start + size].reshape(shape).astype(kind)
        start += size
    try:
        found = session.run(list(net.outputs), feeds)
    except Exception:
        return None
    theirs = np.concatenate([np.ravel(np.asarray(y, np.float64)) for y in found])
    ours = net(x.astype(np.float64))
    if ours.shape != theirs.shape or not np.isfinite(theirs).all():
        return None
    return float(np.max(np.abs(ours - theirs)) / max(np.max(np.abs(theirs)), 1e-3))


def measure(path: Path, repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median seconds of each, in turns; a call that does not count goes before each turn."""
    samples: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(2):
        for name, read in sides(path).items():
            read()
            for _ in range(repeats):
                start = clock()
                left = read()
                samples[name].append(clock() - start)
                del left
    return {name: statistics.median(times) for name, times in samples.items()}


def groups(folder: Path, is_quick: bool) -> dict[str, Callable[[], Iterator[tuple[str, bytes]]]]:
    """Files by kind."""
    found: dict[str, Callable[[], Iterator[tuple[str, bytes]]]] = {
        "ONNX's tests of operators": import_models.onnx_tests,
        "files of the onnx package": import_models.onnx_files,
        "networks": import_models.networks,
        "trees of skl2onnx": import_models.forests,
        "boosted trees": lambda: import_models.boosted(folder),
    }
    return {name: found[name] for name in ("networks", "files of the onnx package")} if is_quick else found


def measure_group(
    group: str, models: Iterator[tuple[str, bytes]], folder: Path, arguments: argparse.Namespace
) -> list[Figures]:
    """All files of a kind; every fifth of ONNX's tests is timed, since they are many and alike."""
    rows, worst, n_apart = [], 0.0, []
    clock = machine.CLOCKS[arguments.clock]
    for k, (name, content) in enumerate(models):
        path = folder / "model.onnx"
        path.write_bytes(content)
        off = difference(path)
        if off is None:
            continue
        if off > TOLERANCE:
            n_apart.append(f"{name} {off:.1e}")
            continue
        worst = max(worst, off)
        if group.startswith("ONNX's") and k % arguments.every:
            continue
        repeats = 2 if len(content) > LARGE else arguments.repeats
        rows.append(Figures(group, name, len(content), measure(path, repeats, clock)))
    apart = f"; not timed, since float32 differs: {', '.join(n_apart)}" if n_apart else ""
    print(f"{group}: answers agree to {worst:.1e}{apart}", flush=True)
    return rows


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the tables, write the file."""
    import onnxruntime

    machine.introduce(arguments, ["numpy", "onnx", "onnxruntime", "skl2onnx"])
    onnxruntime.set_default_logger_severity(4)
    warnings.simplefilter("ignore")  # of derivatives of trees
    rows: list[Figures] = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for group, make in groups(folder, arguments.quick).items():
            rows += measure_group(group, make(), folder, arguments)
        if not arguments.quick:
            rows += single_files(folder, arguments)
    show(summary(rows), arguments.markdown)
    slow = Table("Single files, milliseconds", ["file", *SIDES, "load_onnx / session"])
    for row in rows:
        if row.group in ("networks", "trees of skl2onnx", "boosted trees", "large"):
            times = [row.times[side] for side in SIDES]
            slow.add(row.name, *(f"{1e3 * time:,.3g}" for time in times), ratio(times[1], times[0]))
    show(slow, arguments.markdown)
    if arguments.output is not None:
        write_csv(arguments.output / "imports.csv", [row.as_row() for row in rows])


def single_files(folder: Path, arguments: argparse.Namespace) -> list[Figures]:
    """Many inputs; weights in a file of their own."""
    clock = machine.CLOCKS[arguments.clock]
    path = folder / "inputs.onnx"
    path.write_bytes(import_models.many_inputs(N_INPUTS))
    rows = [Figures("large", f"{N_INPUTS:,} inputs", path.stat().st_size, measure(path, 2, clock))]
    path = folder / "large.onnx"
    import_models.write_large(path, arguments.megabytes * 1_000_000)
    size = (folder / "large.onnx.data").stat().st_size
    start = time.perf_counter()
    rows.append(Figures("large", f"{size / 1e6:,.0f} MB beside the file", size, measure(path, 2, clock)))
    print(f"single files: {time.perf_counter() - start:.0f} s", flush=True)
    return rows


def summary(rows: list[Figures]) -> Table:
    """By kind, and over all files: medians, and quartiles of ratios."""
    table = Table(
        "Reading a file: medians in milliseconds, and what load_onnx with its check takes of a session",
        ["files", "number", *SIDES, "first quartile", "median", "third quartile"],
    )
    kinds = list(dict.fromkeys(row.group for row in rows if row.group != "large"))
    for kind in [*kinds, "all"]:
        chosen = [row for row in rows if row.group == kind or (kind == "all" and row.group != "large")]
        medians = [statistics.median(row.times[side] for row in chosen) for side in SIDES]
        ratios = [row.times["load_onnx"] / row.times["session"] for row in chosen]
        table.add(
            kind,
            str(len(chosen)),
            *(f"{1e3 * median:,.3g}" for median in medians),
            *(f"{quantile:.2f}" for quantile in np.quantile(ratios, [0.25, 0.5, 0.75])),
        )
    return table
