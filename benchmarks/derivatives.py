"""Value, Jacobian, Hessian, and all three at one point, of networks of tanh layers; beside peers and limits."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.comparison import Row, check_answers, over_networks, time_quantity
from benchmarks.derivative_candidates import make_functions, present
from benchmarks.networks import Network, make
from benchmarks.pictures import Panel, draw
from benchmarks.tables import show, write_csv


def measure(network: Network, candidates: list[str], arguments: argparse.Namespace, multiply_rate: float) -> list[Row]:
    """All quantities of one network."""
    random = np.random.default_rng(5)
    x, w = random.uniform(-1, 1, network.sizes[0]), random.uniform(-1, 1, network.sizes[-1])
    functions = make_functions(candidates, network, arguments.quantities)
    worst = check_answers(network.name, functions, x, w)
    shape = " -> ".join(map(str, network.sizes))
    print(f"{network.name}: {shape}, {network.n_parameters:,} parameters; answers agree to {worst:.1e}", flush=True)
    limits = machine.limits(network.flops(), 4 * network.n_parameters, multiply_rate, machine.CLOCKS[arguments.clock])
    return [
        Row(
            quantity,
            network.name,
            network.n_parameters,
            limits[quantity],
            time_quantity(quantity, functions, x, w, arguments),
        )
        for quantity in arguments.quantities
    ]


def write_files(folder: Path, rows: list[Row], quantities: list[str], names: list[str]) -> None:
    """Seconds as CSV, one line per quantity and network; as a picture over parameters, beside limits and over them."""
    write_csv(folder / "derivatives.csv", [row.as_line() for row in rows])
    pictures = [
        panels_of([row for row in rows if row.quantity == quantity], quantity, names) for quantity in quantities
    ]
    draw(folder / "derivatives.png", [list(panels) for panels in zip(*pictures, strict=True)])


def panels_of(rows: list[Row], quantity: str, names: list[str]) -> list[Panel]:
    """Times, and ratios to the limit."""
    times = {name: [(row.n_parameters, 1e6 * row.times[name]) for row in rows if name in row.times] for name in names}
    limits = {row.n_parameters: 1e6 * row.limit for row in rows if row.limit}
    ratios = {name: [(x, time / limits[x]) for x, time in points] for name, points in times.items()}
    return [
        Panel(quantity, "parameters", "microseconds", times, {"limit": list(limits.items())}),
        Panel(quantity, "parameters", "time / limit", ratios, {"limit": [(x, 1.0) for x in limits]}),
    ]


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, print the tables, write the files."""
    multiply_rate = machine.introduce(arguments, ["numpy", "scipy", "jax", "jaxlib", "torch", "casadi"])
    candidates = ["fastexpr", *present(arguments.peers)]
    rows = []
    for name in arguments.networks:
        rows += measure(make(name), candidates, arguments, multiply_rate)
    for quantity in arguments.quantities:
        show(over_networks(quantity, [row for row in rows if row.quantity == quantity], candidates), arguments.markdown)
    if arguments.output is not None:
        write_files(arguments.output, rows, arguments.quantities, candidates)
