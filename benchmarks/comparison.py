"""Quantities of one function by several candidates: answers checked first, then timed side by side, then tables."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.peers import Evaluator
from benchmarks.tables import Table, microseconds, ratio
from benchmarks.timing import side_by_side

Array = NDArray[np.float64]
Functions = Mapping[str, Mapping[str, Evaluator]]  # by candidate and quantity
TOLERANCE = 1e-12  # max |a - b| / max |b|


@dataclass
class Row:
    """Figures of one quantity of one network, in seconds; candidates that were left out have none."""

    quantity: str
    network: str
    n_parameters: int
    limit: float | None
    times: dict[str, float] = field(default_factory=dict)

    def as_line(self) -> dict[str, object]:
        """For a CSV file."""
        line = {"quantity": self.quantity, "network": self.network, "parameters": self.n_parameters}
        return line | self.times | {"limit": self.limit}


def check_answers(network: str, functions: Functions, x: Array, w: Array) -> float:
    """The largest difference between fastexpr and a peer; refuses one that is too large."""
    worst = 0.0
    for peer in functions:
        for quantity, evaluate in functions[peer].items():
            ours = functions["fastexpr"][quantity](x, w)
            for got, wanted in zip(ours, evaluate(x, w), strict=True):
                scale = float(np.max(np.abs(wanted))) or 1.0  # a Hessian may be zero
                difference = float(np.max(np.abs(got - wanted))) / scale
                worst = max(worst, difference)
                if not difference <= TOLERANCE:
                    raise SystemExit(
                        f"{network}: {quantity} differs from {peer}'s by {difference:.2g}, allowed {TOLERANCE:g}."
                    )
    return worst


def time_quantity(
    quantity: str, functions: Functions, x: Array, w: Array, arguments: argparse.Namespace
) -> dict[str, float]:
    """Median seconds of each candidate that has this quantity."""
    calls = {name: partial(made[quantity], x, w) for name, made in functions.items() if quantity in made}
    return side_by_side(calls, arguments.seconds, machine.CLOCKS[arguments.clock])


def over_networks(quantity: str, rows: Sequence[Row], names: Sequence[str]) -> Table:
    """A column per network: microseconds a call; how many times faster than a peer; how many times the limit."""
    table = Table(quantity, ["microseconds", *(row.network for row in rows)])
    for name in names:
        table.add(name, *(microseconds(row.times.get(name)) for row in rows))
    table.add("limit", *(microseconds(row.limit) for row in rows))
    for peer in names[1:]:
        table.add(f"{peer} / fastexpr", *(ratio(row.times.get(peer), row.times["fastexpr"]) for row in rows))
    table.add("fastexpr / limit", *(ratio(row.times["fastexpr"], row.limit) for row in rows))
    return table


def over_candidates(quantity: str, rows: Sequence[Row], peer: str) -> Table:
    """The same for one peer, a row per network."""
    table = Table(quantity, ["microseconds", "fastexpr", peer, "limit", f"{peer} / fastexpr", "fastexpr / limit"])
    for row in rows:
        ours, theirs = row.times["fastexpr"], row.times[peer]
        table.add(
            row.network, *map(microseconds, (ours, theirs, row.limit)), ratio(theirs, ours), ratio(ours, row.limit)
        )
    return table
