"""Value, Jacobian and Hessian of other activations, more inputs than units, a skip, convolutions: beside JAX."""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks import machine
from benchmarks.architecture_networks import Architecture, make_architecture
from benchmarks.comparison import Row, check_answers, over_candidates, time_quantity
from benchmarks.peers import fastexpr_derivatives, jax_derivatives
from benchmarks.tables import show, write_csv

QUANTITIES = ["value", "jacobian", "hessian"]


def measure(network: Architecture, arguments: argparse.Namespace, multiply_rate: float) -> list[Row]:
    """All quantities of one network."""
    import fastexpr as fx

    made = {
        "fastexpr": fastexpr_derivatives(fx.load_onnx(network.model, check=False)),
        "jax": jax_derivatives(network.value, network.parameters),
    }
    functions = {name: {quantity: made[name][quantity] for quantity in QUANTITIES} for name in made}
    random = np.random.default_rng(5)
    x, w = random.uniform(-1, 1, network.n_inputs), random.uniform(-1, 1, network.n_outputs)
    worst = check_answers(network.name, functions, x, w)
    print(f"{network.name}: {network.description}; answers agree to {worst:.1e}", flush=True)
    limits = machine.limits(network.flops, 4 * network.n_parameters, multiply_rate, machine.CLOCKS[arguments.clock])
    return [
        Row(
            quantity,
            network.name,
            network.n_parameters,
            limits.get(quantity),
            time_quantity(quantity, functions, x, w, arguments),
        )
        for quantity in QUANTITIES
    ]


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, print the tables, write the figures."""
    multiply_rate = machine.introduce(arguments, ["numpy", "jax", "jaxlib"])
    rows = []
    for name in arguments.networks:
        rows += measure(make_architecture(name), arguments, multiply_rate)
    for quantity in QUANTITIES:
        chosen = [row for row in rows if row.quantity == quantity]
        show(over_candidates(quantity, chosen, "jax"), arguments.markdown)
    if arguments.output is not None:
        write_csv(arguments.output / "architectures.csv", [row.as_line() for row in rows])
