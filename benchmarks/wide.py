"""Programs with wide networks and dense terms: compiling, memory, and derivatives at a point beside one evaluation."""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo

import fastexpr as fx
import fastexpr.pyomo as fxp
from benchmarks import machine, memory, timing
from benchmarks.networks import make
from benchmarks.tables import Table, ratio, seconds, show, write_csv
from fastexpr.nlp.arrays import Program
from fastexpr.pyomo.compile.compiled import compile_model

TOLERANCE = 1e-12  # max |a - b| / max |b|


def wide_network(n: int) -> Any:
    """A Pyomo model of a network n -> 64 -> 64 -> 5, its curved variables, and the Hessian over these."""
    random = np.random.default_rng(n)
    x = fx.variables(n)
    hidden = np.tanh(random.normal(size=(64, n)) / np.sqrt(n) @ x)
    hidden = np.tanh(random.normal(size=(64, 64)) / 8.0 @ hidden)
    net = fx.Function(x, random.normal(size=(5, 64)) @ hidden)
    model = pyo.ConcreteModel()
    model.nn = fxp.NetworkBlock(net)
    model.first = pyo.Objective(expr=model.nn.outputs[0])
    # its rows are outputs - network: the multipliers weigh the network's outputs with the other sign
    return model, list(model.nn.inputs.values()), lambda x, multipliers: net.hessian(x, -multipliers)


def dense_term(n: int) -> Any:
    """The same of a model whose objective is exp(c'x)."""
    scales = np.arange(1, n + 1) / n**2
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(n))
    model.term = pyo.Objective(expr=pyo.exp(sum(scale * model.x[i] for i, scale in enumerate(scales.tolist()))))
    return model, list(model.x.values()), lambda x, _: np.exp(scales @ x) * np.outer(scales, scales)


KINDS: dict[str, Callable[[int], Any]] = {"network": wide_network, "dense term": dense_term}


def compiling(kind: str, n: int, repeats: int, clock: Callable[[], float]) -> dict[str, Any]:
    """Seconds and peak bytes of compiling, once the Hessian is right."""
    model, variables, hessian = KINDS[kind](n)
    check(compile_model(model), variables, hessian)
    samples = []
    for _ in range(repeats):
        gc.collect()
        memory.reset_peak()
        before = memory.read("VmRSS")
        start = clock()
        compiled = compile_model(model)
        samples.append(clock() - start)
        peak = memory.read("VmHWM") - before
        del compiled
    return {"kind": kind, "n": n, "compile": statistics.median(samples), "peak": peak}


def check(compiled: Any, variables: list[Any], hessian: Callable[[Any, Any], Any]) -> None:
    """The program's Hessian is the given one."""
    nlp, random = compiled.nlp, np.random.default_rng(0)
    x, multipliers = random.uniform(-1.0, 1.0, nlp.n), random.normal(size=nlp.m)
    column = {id(variable): j for j, variable in enumerate(compiled.variables)}
    places = np.array([column[id(variable)] for variable in variables])
    found = np.zeros((nlp.n, nlp.n))
    rows, columns = nlp.hessianstructure()
    found[rows, columns] = found[columns, rows] = nlp.hessian(x, multipliers, 1.0)
    wanted = hessian(x[places], multipliers)
    difference = np.abs(found[np.ix_(places, places)] - wanted).max() / np.abs(wanted).max()
    if not difference <= TOLERANCE:
        raise SystemExit(f"The Hessian differs by {difference:.2g}, allowed {TOLERANCE:g}.")


def at_one_point(name: str, duration: float, clock: Callable[[], float]) -> dict[str, Any]:
    """Seconds of J and then H of a program at new points, and of evaluate(order=2)."""
    network = make(name)
    x = fx.variables(network.sizes[0])
    value: Any = x
    for W, b in network.layers[:-1]:
        value = np.tanh(W @ value + b)
    W, b = network.layers[-1]
    net = fx.Function(x, W @ value + b)
    program = Program(net.n_inputs)
    outputs = program.outputs(net, program.variables(np.arange(net.n_inputs))[None])[0]
    functions = program.compile(program.constant(0.0), outputs)
    weights, points = np.ones(net.n_outputs), np.random.default_rng(1).uniform(-1, 1, (64, net.n_inputs))
    turn = {"ours": 0, "evaluate": 0}

    def next_point(who: str) -> Any:
        turn[who] = (turn[who] + 1) % len(points)
        return points[turn[who]]

    def both() -> None:
        at = next_point("ours")
        functions.jacobian(at)
        functions.hessian(at, weights, 0.0)

    rows, columns = functions.hessian_structure()
    wanted = net.evaluate(points[0], weights)[2]
    difference = np.abs(functions.hessian(points[0], weights, 0.0) - wanted[rows, columns]).max() / np.abs(wanted).max()
    if not difference <= TOLERANCE:
        raise SystemExit(f"{name}: the Hessian differs by {difference:.2g}, allowed {TOLERANCE:g}.")
    times = timing.side_by_side(
        {"J, then H": both, "evaluate": lambda: net.evaluate(next_point("evaluate"), weights)}, duration, clock
    )
    return {"kind": name, "n": net.n_inputs, **times}


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the tables, write the file."""
    clock = time.process_time if arguments.clock == "cpu" else time.perf_counter
    print(f"{machine.processor()}, {arguments.threads} thread(s); median of {arguments.repeats}")
    print(machine.versions(["fastexpr", "numpy", "pyomo"]))
    found = []
    table = Table("compiling a Pyomo model: seconds, and megabytes at most", ["", "n", "seconds", "MB", "ns / n^2"])
    for kind in KINDS:
        for n in arguments.sizes:
            row = compiling(kind, n, arguments.repeats, clock)
            found.append(row)
            each = f"{1e9 * row['compile'] / n**2:.0f}"
            table.add(kind, f"{n:,}", seconds(row["compile"]), f"{row['peak'] / 2**20:.0f}", each)
    show(table, arguments.markdown)
    table = Table("derivatives at a new point, microseconds", ["", "J, then H", "evaluate(order=2)", "ratio"])
    for name in arguments.networks:
        row = at_one_point(name, arguments.seconds, clock)
        found.append(row)
        times = (row["J, then H"], row["evaluate"])
        table.add(name, *(f"{1e6 * time:,.1f}" for time in times), ratio(*times))
    show(table, arguments.markdown)
    if arguments.output:
        write_csv(arguments.output / "wide.csv", found)
