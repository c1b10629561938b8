"""The largest network of the literature (arXiv 2412.11403): 117 -> 38 layers of 4000 -> 37, 592,768,037 parameters.

Everything is done in a process of its own: making the files, loading, evaluating, each peer.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, processes
from benchmarks.largest_candidates import QUANTITIES
from benchmarks.networks import Network
from benchmarks.tables import Table, ratio, seconds, show, write_csv

N_INPUTS, N_OUTPUTS = 117, 37
TOLERANCE = 1e-12  # max |a - b| / max |b|
HERE = "benchmarks.largest_candidates"
SPARE = 1 << 30  # bytes of disk and of memory that are left to others
Result = dict[str, Any]


def sizes_of(arguments: argparse.Namespace) -> list[int]:
    return [N_INPUTS, *[arguments.width] * arguments.layers, N_OUTPUTS]


def count_parameters(sizes: list[int]) -> int:
    return sum(k * h + h for k, h in pairwise(sizes))


def available_memory() -> int:
    """Bytes that this machine gives without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("/proc/meminfo has no MemAvailable")


def refuse_too_little(folder: Path, n_bytes: int) -> None:
    """Ends the program where disk or memory do not suffice for two files, of which one is read into memory."""
    disk, memory = shutil.disk_usage(folder).free, available_memory()
    needed = {"disk": 2 * n_bytes + SPARE, "memory": 2 * n_bytes + SPARE}
    print(f"needs {needed['disk'] / 1e9:.1f} GB on the disk of {folder} and {needed['memory'] / 1e9:.1f} GB of memory")
    for name, there in (("disk", disk), ("memory", memory)):
        if there < needed[name]:
            raise SystemExit(f"Too little {name}: {there / 1e9:.1f} GB are free. Try --width or --layers, or --folder.")


def make_files(folder: Path, sizes: list[int], arguments: argparse.Namespace) -> Result:
    """network.onnx with its weights in a second file, and network.fx from it."""
    written = started("write", arguments, folder=str(folder), sizes=sizes)
    converted = started("convert", arguments, folder=str(folder))
    if converted["n_parameters"] != count_parameters(sizes):
        raise SystemExit(f"loaded {converted['n_parameters']:,} parameters, expected {count_parameters(sizes):,}.")
    converted["seconds"]["write"] = written["seconds"]["write"]
    return converted


def started(name: str, arguments: argparse.Namespace, **others: Any) -> Result:
    """The result of a process; ends the program where it takes too long."""
    result = processes.run(f"{HERE}:{name}", others, "wall", arguments.limit)
    if result is None:
        raise SystemExit(f"{name} took longer than {arguments.limit:g} s: see --limit.")
    return result


def evaluate_peer(name: str, folder: Path, sizes: list[int], arguments: argparse.Namespace) -> Result | str:
    """Its figures, or why there are none."""
    most = available_memory() - SPARE
    needed = 8 * count_parameters(sizes)
    if most < needed:
        return f"{most / 1e9:.1f} GB of memory are too little for weights of {needed / 1e9:.1f} GB"
    order = {"name": name, "folder": str(folder), "sizes": sizes, "rounds": arguments.rounds, "most": most}
    try:
        result = processes.run(f"{HERE}:evaluate_peer", order, "wall", arguments.limit)
    except SystemExit as failure:
        return str(failure).strip().splitlines()[-1]
    return f"more than {arguments.limit:g} s" if result is None else result


def check_answers(folder: Path, name: str) -> dict[str, float]:
    """The largest difference of each quantity from a peer's; refuses one that is too large."""
    differences = {}
    with np.load(folder / "fastexpr.npz") as ours, np.load(folder / f"{name}.npz") as theirs:
        for quantity in QUANTITIES:
            got, wanted = ours[quantity], theirs[quantity]
            differences[quantity] = float(np.max(np.abs(got - wanted)) / np.max(np.abs(wanted)))
            if not differences[quantity] <= TOLERANCE:
                raise SystemExit(
                    f"{quantity} differs from {name}'s by {differences[quantity]:.2g}, allowed {TOLERANCE:g}."
                )
    return differences


def limits_of(sizes: list[int], rates: dict[str, float]) -> dict[str, float]:
    """Seconds: of a read of the weights, once for the value and twice for the gradient; of the Hessian's flops."""
    reading = 4 * count_parameters(sizes) / rates["read"]  # whatever lies in memory; the mapped file may be slower
    none = np.broadcast_to(np.float32(0), (max(sizes), max(sizes)))
    layers = [(none[:h, :k], none[0, :h]) for k, h in pairwise(sizes)]
    flops = Network("largest", sizes, layers).flops()["hessian"]
    return {"value": reading, "gradient": 2 * reading, "hessian": flops / rates["multiply"]}


def loading_table(made: Result | None, cold: Result, ours: Result) -> Table:
    """Files."""
    table = Table("files", ["", "seconds"])
    if made is not None:
        for label, lap in (
            ("load_onnx, weights in a second file", "load_onnx"),
            ("save, until the disk has it", "save"),
        ):
            table.add(label, seconds(made["seconds"][lap]))
    table.add("load, page cache cold", seconds(cold["seconds"]["load"]))
    table.add("first value after it", seconds(cold["seconds"]["first value"]))
    table.add("load, page cache warm", seconds(ours["seconds"]["load"]))
    table.add("first value after it", seconds(ours["seconds"]["first value"]))
    return table


def times_table(ours: Result, peers: dict[str, Result | str], limits: dict[str, float]) -> Table:
    """Everybody's, and ratios."""
    found = {name: peer for name, peer in peers.items() if not isinstance(peer, str)}
    table = Table("evaluation", ["seconds", *QUANTITIES])
    times = {"fastexpr": ours["times"]} | {name: peer["times"] for name, peer in found.items()}
    for name, row in times.items():
        table.add(name, *(seconds(row[quantity]) for quantity in QUANTITIES))
    for name, result in {"fastexpr": ours, **found}.items():
        table.add(f"{name}, first call", *(seconds(result["seconds"][f"first {quantity}"]) for quantity in QUANTITIES))
    table.add("limit", *(seconds(limits[quantity]) for quantity in QUANTITIES))
    for name in found:
        table.add(f"{name} / fastexpr", *(ratio(times[name][q], ours["times"][q]) for q in QUANTITIES))
    table.add("fastexpr / limit", *(ratio(ours["times"][q], limits[q]) for q in QUANTITIES))
    mapped = {q: limits[q] * ours["rates"]["read"] / ours["rates"]["read mapped"] for q in ("value", "gradient")}
    table.add("fastexpr / reading the mapped file", *(ratio(ours["times"][q], mapped[q]) for q in mapped), "-")
    return table


def memory_table(file_size: int, made: Result | None, ours: Result, peers: dict[str, Result | str]) -> Table:
    """Peaks of whole processes."""
    table = Table("memory", ["", "MB", "of the file"])
    lines = {"file": file_size, "fastexpr, peak": ours["memory"]["VmHWM"]}
    lines["of it the mapped file and libraries, shared"] = ours["memory"]["RssFile"]
    lines["of it its own"] = ours["memory"]["RssAnon"]
    if made is not None:
        lines["load_onnx and save, peak"] = made["peak"]
    for name, peer in peers.items():
        if not isinstance(peer, str):
            lines[f"{name}, peak"] = peer["memory"]["VmHWM"]
    for label, n_bytes in lines.items():
        table.add(label, f"{n_bytes / 1e6:,.0f}", ratio(n_bytes, file_size))
    return table


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the tables, write the file."""
    processes.compile_sources()
    if arguments.folder is not None:
        folder = arguments.folder.resolve() / f"{arguments.layers}x{arguments.width}"
        folder.mkdir(parents=True, exist_ok=True)
        run_in(folder, arguments)
        return
    with tempfile.TemporaryDirectory() as temporary:
        run_in(Path(temporary), arguments)


def run_in(folder: Path, arguments: argparse.Namespace) -> None:
    """With files in this folder: those that are there from a run before, too."""
    sizes = sizes_of(arguments)
    print(f"{machine.processor()}, {arguments.threads} thread(s), wall clock")
    print(machine.versions(["fastexpr", "numpy", "jax", "jaxlib"]))
    print(f"{N_INPUTS} -> {arguments.layers} layers of {arguments.width} -> {N_OUTPUTS}, tanh: ", end="")
    print(f"{count_parameters(sizes):,} parameters", flush=True)
    file = folder / "network.fx"
    made = None
    if not file.exists():
        refuse_too_little(folder, 4 * count_parameters(sizes))
        made = make_files(folder, sizes, arguments)
    cold = started("load_cold", arguments, folder=str(folder))
    ours = started("evaluate_ours", arguments, folder=str(folder), sizes=sizes, rounds=arguments.rounds)
    peers = {name: evaluate_peer(name, folder, sizes, arguments) for name in arguments.peers}
    for name, peer in peers.items():
        if isinstance(peer, str):
            print(f"{name}: no figures: {peer}")
        else:
            worst = max(check_answers(folder, name).values())
            print(f"answers agree with {name}'s to {worst:.1e}")
    rates = ours["rates"]
    print(f"dgemm {rates['multiply'] / 1e9:.1f} GF/s, reading {rates['read'] / 1e9:.1f} GB/s from memory", end="")
    print(f", {rates['read mapped'] / 1e9:.1f} GB/s from the mapped file", flush=True)
    limits = limits_of(sizes, rates)
    show(loading_table(made, cold, ours), arguments.markdown)
    show(times_table(ours, peers, limits), arguments.markdown)
    show(memory_table(file.stat().st_size, made, ours, peers), arguments.markdown)
    if arguments.output is not None:
        found = {"fastexpr": ours} | {name: peer for name, peer in peers.items() if not isinstance(peer, str)}
        rows: list[Result] = [{"who": name} | one["times"] | one["memory"] for name, one in found.items()]
        write_csv(arguments.output / "largest.csv", [*rows, {"who": "limit", **limits}])
