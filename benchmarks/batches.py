"""Value, Jacobian and Hessian at many points in one call: flops over the rate of dgemm, beside JAX."""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks import machine
from benchmarks.comparison import Row, check_answers, time_quantity
from benchmarks.networks import make
from benchmarks.peers import fastexpr_functions, jax_functions
from benchmarks.tables import Table, microseconds, ratio, show, write_csv

QUANTITIES = ["value", "jacobian", "hessian"]
POINTS = {"S2": 1000, "S3": 100}


def measure(name: str, arguments: argparse.Namespace, multiply_rate: float) -> list[Row]:
    """All quantities of one network, at all points."""
    network, n_points = make(name), POINTS[name]
    made = {"fastexpr": fastexpr_functions(network), "jax": jax_functions(network, is_batch=True)}
    functions = {who: {quantity: made[who][quantity] for quantity in QUANTITIES} for who in made}
    random = np.random.default_rng(5)
    X = random.uniform(-1, 1, (n_points, network.sizes[0]))
    w = random.uniform(-1, 1, (n_points, network.sizes[-1]))
    worst = check_answers(name, functions, X, w)
    label = f"{n_points:,} points of {name}"
    print(f"{label}: answers agree to {worst:.1e}", flush=True)
    return [
        Row(
            quantity,
            label,
            network.n_parameters,
            n_points * network.flops()[quantity] / multiply_rate,
            time_quantity(quantity, functions, X, w, arguments),
        )
        for quantity in QUANTITIES
    ]


def make_table(rows: list[Row]) -> Table:
    """Microseconds a call; what part of dgemm's rate the flops of the layerwise algorithm run at."""
    header = ["microseconds", "fastexpr", "jax", "limit", "jax / fastexpr", "limit / fastexpr", "limit / jax"]
    table = Table("all points in one call", header)
    for row in rows:
        ours, jax = row.times["fastexpr"], row.times["jax"]
        times = map(microseconds, (ours, jax, row.limit))
        ratios = ratio(jax, ours), ratio(row.limit, ours), ratio(row.limit, jax)
        table.add(f"{row.quantity}, {row.network}", *times, *ratios)
    return table


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, print the table, write the figures."""
    multiply_rate = machine.introduce(arguments, ["numpy", "jax", "jaxlib"])
    rows = []
    for name in arguments.networks:
        rows += measure(name, arguments, multiply_rate)
    show(make_table(rows), arguments.markdown)
    if arguments.output is not None:
        write_csv(arguments.output / "batches.csv", [row.as_line() for row in rows])
