"""How cost grows: time over width, depth, inputs, outputs, points, threads, horizon, model size, each beside its law.

The law of a network's derivatives is the number of operations of the layerwise algorithm (`Network.flops`), that of
everything else is proportional to what is counted. Exponents are slopes of log time over log size, by least squares
over the upper half of the sizes: below, what a call costs without its numbers counts, too. Answers are checked first.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from benchmarks import control, machine, pyomo_models
from benchmarks.networks import Network, random_network
from benchmarks.peers import fastexpr_derivatives, load
from benchmarks.pictures import Panel, draw
from benchmarks.tables import Table, seconds, show, write_csv
from benchmarks.timing import in_turns, side_by_side

TOLERANCE = 1e-12  # max |a - b| / max |b|, of values
SLOPES = 1e-6  # the same, of derivatives along a direction beside differences
QUANTITIES = ["value", "jacobian", "hessian"]
WIDTHS = [8, 16, 32, 64, 128, 256, 512]
DEPTHS = [1, 2, 4, 8, 16, 32]
INPUTS = [2, 4, 8, 16, 32, 64, 128, 256, 512]
OUTPUTS = [1, 2, 4, 8, 16, 32, 64, 128]
POINTS = [1, 4, 16, 64, 256, 1024]
HORIZONS = [20, 40, 80, 160, 320]
MODELS = [1_000, 3_000, 10_000, 30_000]


@dataclass
class Growth:
    """Times over one size.

    Attributes
    ----------
    what : str
        What grows.
    laws : dict of str to str
        For each quantity the formula of its leading terms.
    times, work : dict of str to list of (size, number)
        Seconds of a call, and what the law says, up to a factor.
    """

    what: str
    laws: dict[str, str]
    times: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    work: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, size: float, times: dict[str, float], work: dict[str, float]) -> None:
        """Another size."""
        for quantity, number in times.items():
            self.times.setdefault(quantity, []).append((size, number))
            self.work.setdefault(quantity, []).append((size, work[quantity]))

    def panel(self) -> Panel:
        """Times as points, laws as dotted lines through the largest size."""
        laws = {}
        for quantity, points in self.times.items():
            factor = points[-1][1] / self.work[quantity][-1][1]
            laws[quantity] = [(size, factor * work) for size, work in self.work[quantity]]
        return Panel(f"over {self.what}", self.what, "seconds", self.times, laws=laws)


def exponent(points: list[tuple[float, float]]) -> float:
    """The slope of log y over log x in the upper half of the points, two at least."""
    x, y = np.log(np.array(points[-max(2, (len(points) + 1) // 2) :])).T
    return float(np.polyfit(x, y, 1)[0])


# ---- networks at one point


def checked(network: Network) -> Any:
    """The loaded network, whose value is NumPy's, and whose derivatives are its slopes along a direction."""
    net = load(network)
    random = np.random.default_rng(3)
    x, d = random.uniform(-1, 1, (2, network.sizes[0]))
    w = random.uniform(-1, 1, network.sizes[-1])
    a = x
    layers = network.widened()
    for W, b in layers[:-1]:
        a = np.tanh(W @ a + b)
    wanted = layers[-1][0] @ a + layers[-1][1]
    value, jacobian, hessian = net.evaluate(x, w)
    agree("value", value, wanted, TOLERANCE)
    h = 1e-4
    high, low = (net.evaluate(x + step * d, w) for step in (h, -h))
    agree("Jacobian", jacobian @ d, (high[0] - low[0]) / (2 * h), SLOPES)
    agree("Hessian", hessian @ d, (w @ high[1] - w @ low[1]) / (2 * h), SLOPES)
    return net


def agree(what: str, found: Any, wanted: Any, tolerance: float) -> None:
    difference = float(np.abs(np.asarray(found) - wanted).max() / np.abs(wanted).max())
    if not difference <= tolerance:
        raise SystemExit(f"growth: the {what} differs by {difference:.2g}, allowed {tolerance:g}.")


def over_networks(
    what: str, laws: dict[str, str], sizes: Iterable[int], of: Callable[[int], list[int]], arguments: argparse.Namespace
) -> Growth:
    """Value, Jacobian and Hessian of tanh networks whose layers `of(size)` gives."""
    growth = Growth(what, laws)
    for size in sizes:
        network = random_network(what, of(size))
        functions = fastexpr_derivatives(checked(network))
        random = np.random.default_rng(4)
        x, w = random.uniform(-1, 1, network.sizes[0]), random.uniform(-1, 1, network.sizes[-1])
        calls = {quantity: partial(functions[quantity], x, w) for quantity in QUANTITIES}
        growth.add(size, side_by_side(calls, arguments.seconds, machine.CLOCKS[arguments.clock]), work_of(network))
    return growth


def work_of(network: Network) -> dict[str, float]:
    """Its flops; of the Jacobian from the inputs on, where these are fewer than the outputs."""
    flops = network.flops()
    forward = flops["value"] + 2.0 * network.sizes[0] * sum(W.size for W, _ in network.layers[1:])
    return {**flops, "jacobian": min(flops["jacobian"], forward)}


def over_points(sizes: Iterable[int], arguments: argparse.Namespace) -> Growth:
    """The same at many points in one call."""
    network = random_network("batch", [20, 64, 64, 64, 10])
    net, growth = checked(network), Growth("points of a batch", dict.fromkeys(QUANTITIES, "N"))
    random = np.random.default_rng(5)
    w = random.uniform(-1, 1, network.sizes[-1])
    for size in sizes:
        X = random.uniform(-1, 1, (size, network.sizes[0]))
        calls: dict[str, Callable[[], Any]] = {
            "value": partial(net, X),
            "jacobian": partial(net.jacobian, X),
            "hessian": partial(net.hessian, X, w),
        }
        singles = {"value": net, "jacobian": net.jacobian, "hessian": lambda x: net.hessian(x, w)}
        for quantity, call in calls.items():
            agree(quantity, call()[-1], singles[quantity](X[-1]), TOLERANCE)
        times = side_by_side(calls, arguments.seconds, machine.CLOCKS[arguments.clock])
        growth.add(size, times, dict.fromkeys(QUANTITIES, float(size)))
    return growth


def over_threads(sizes: Iterable[int], arguments: argparse.Namespace) -> Growth:
    """A wide network at one point, by the clock on the wall; the law is that of work without any start or end."""
    import fastexpr as fx

    network = random_network("threads", [100, 512, 512, 512, 50])
    functions = fastexpr_derivatives(checked(network))
    random = np.random.default_rng(6)
    x, w = random.uniform(-1, 1, 100), random.uniform(-1, 1, 50)
    calls = {quantity: partial(functions[quantity], x, w) for quantity in QUANTITIES}
    growth = Growth("threads", dict.fromkeys(QUANTITIES, "1 / threads"))
    for size in sizes:
        fx.set_num_threads(size)
        times = side_by_side(calls, arguments.seconds, time.perf_counter)
        growth.add(size, times, dict.fromkeys(QUANTITIES, 1.0 / size))
    fx.set_num_threads(1)
    return growth


# ---- problems and models


def over_horizon(sizes: Iterable[int], arguments: argparse.Namespace) -> Growth:
    """The problem of `nmpc`: making its program, J and then H at a new point, a solve by its iterations."""
    network = control.make_network()
    net, layers = load(network), network.widened()
    growth = Growth("steps of a horizon", dict.fromkeys(["build", "J, then H", "solve, an iteration"], "steps"))
    clock = machine.CLOCKS[arguments.clock]
    for steps in sizes:
        states, controls, wanted = control.start_with(layers, steps)
        problem, x, u = control.problem_of(net, states, controls, wanted)
        times = in_turns({"build": partial(program_of, net, states, controls, wanted)}, 3, clock)
        times["J, then H"] = both_at_new_points(problem.nlp(), arguments.seconds, clock)
        start = clock()
        result = problem.solve()
        times["solve, an iteration"] = (clock() - start) / max(1, result.iterations)
        if not result.success:
            raise SystemExit(f"growth: the solve of {steps} steps ends as '{result.status}'.")
        agree("last state", result[x[-1]], control.simulate(layers, result[u])[-1], 1e-6)
        growth.add(steps, times, dict.fromkeys(times, float(steps)))
    return growth


def program_of(net: Any, states: Any, controls: Any, wanted: Any) -> Any:
    return control.problem_of(net, states, controls, wanted)[0].nlp()


def over_models(sizes: Iterable[int], arguments: argparse.Namespace) -> Growth:
    """Pyomo models of four forms of equations in turn: compiling, J and then H at a new point."""
    from benchmarks.models import compile_with_structure

    growth = Growth("constraints of a model", dict.fromkeys(["compile", "J, then H"], "constraints"))
    clock = machine.CLOCKS[arguments.clock]
    for size in sizes:
        model = pyomo_models.chain(size)
        times = in_turns({"compile": partial(compile_with_structure, model)}, 3, clock)
        times["J, then H"] = both_at_new_points(compile_with_structure(model).nlp, arguments.seconds, clock)
        growth.add(size, times, dict.fromkeys(times, float(size)))
    return growth


def both_at_new_points(nlp: Any, duration: float, clock: Callable[[], float]) -> float:
    """Seconds of J and then H of the Lagrangian, once J is the constraints' slope and H the gradient's."""
    random = np.random.default_rng(7)
    points = random.uniform(-0.5, 0.5, (16, nlp.n))
    multipliers = random.normal(size=nlp.m)
    d, h, x = random.uniform(-1, 1, nlp.n), 1e-5, points[0]

    def gradient(at: Any) -> Any:
        rows, columns = nlp.jacobianstructure()
        return nlp.gradient(at) + np.bincount(columns, multipliers[rows] * nlp.jacobian(at), nlp.n)

    rows, columns = nlp.jacobianstructure()
    along = np.bincount(rows, nlp.jacobian(x) * d[columns], nlp.m)
    agree("Jacobian", along, (nlp.constraints(x + h * d) - nlp.constraints(x - h * d)) / (2 * h), SLOPES)
    rows, columns = nlp.hessianstructure()
    entries = nlp.hessian(x, multipliers, 1.0)
    along = np.bincount(rows, entries * d[columns], nlp.n)
    along += np.bincount(columns, np.where(rows != columns, entries * d[rows], 0.0), nlp.n)
    agree("Hessian", along, (gradient(x + h * d) - gradient(x - h * d)) / (2 * h), SLOPES)
    turn = 0

    def both() -> None:
        nonlocal turn
        turn = (turn + 1) % len(points)
        nlp.jacobian(points[turn])
        nlp.hessian(points[turn], multipliers, 1.0)

    return side_by_side({"both": both}, duration, clock)["both"]


# ---- all of it


def make_table(growths: list[Growth]) -> Table:
    """One line a quantity."""
    table = Table(
        "How cost grows: seconds at the largest size, exponents over the upper half of the sizes",
        ["over", "quantity", "sizes", "seconds", "exponent", "law's exponent", "law"],
    )
    for growth in growths:
        for quantity, points in growth.times.items():
            table.add(
                growth.what,
                quantity,
                f"{points[0][0]:,g} to {points[-1][0]:,g}",
                seconds(points[-1][1]),
                f"{exponent(points):.2f}",
                f"{exponent(growth.work[quantity]):.2f}",
                growth.laws[quantity],
            )
    return table


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the table, write the figures and the picture."""
    import fastexpr as fx

    threads = [count for count in (1, 2, 4, 8, 16, 32, 64) if count <= len(os.sched_getaffinity(0))]
    print(f"{machine.processor()}, {arguments.clock} clock, one thread but for the row over threads")
    print(machine.versions(["fastexpr", "numpy", "pyomo"]))
    print(f"fastexpr: {fx.build_info()}", flush=True)
    fx.set_num_threads(1)
    shorter = slice(0, 3 if arguments.quick else None)
    if arguments.quick:
        arguments.seconds = min(arguments.seconds, 0.05)
    growths: list[Growth] = []

    def keep(growth: Growth) -> None:
        growths.append(growth)
        print(f"measured: {growth.what}", flush=True)

    width = {"value": "4 w²", "jacobian": "4 m w²", "hessian": "4 n w²"}
    keep(over_networks("width w", width, WIDTHS[shorter], lambda w: [20, w, w, w, 10], arguments))
    depth = dict.fromkeys(QUANTITIES, "L")
    keep(over_networks("hidden layers L", depth, DEPTHS[shorter], lambda L: [20, *[64] * L, 10], arguments))
    inputs = {"value": "n w", "jacobian": "n w², at most m n w", "hessian": "n w² + n² w, at last n² w"}
    keep(over_networks("inputs n", inputs, INPUTS[shorter], lambda n: [n, 64, 64, 64, 10], arguments))
    outputs = {"value": "m", "jacobian": "m w², at most n w²", "hessian": "m, beside n w²"}
    keep(over_networks("outputs m", outputs, OUTPUTS[shorter], lambda m: [20, 64, 64, 64, m], arguments))
    keep(over_points(POINTS[shorter], arguments))
    if len(threads) > 1:
        keep(over_threads(threads, arguments))
    keep(over_horizon(HORIZONS[shorter], arguments))
    keep(over_models(MODELS[shorter], arguments))
    show(make_table(growths), arguments.markdown)
    if arguments.output is not None:
        rows = [
            {"over": growth.what, "quantity": quantity, "size": size, "seconds": number, "law": work}
            for growth in growths
            for quantity, points in growth.times.items()
            for (size, number), (_, work) in zip(points, growth.work[quantity], strict=True)
        ]
        write_csv(arguments.output / "growth.csv", rows)
        panels = [growth.panel() for growth in growths]
        half = (len(panels) + 1) // 2
        draw(arguments.output / "growth.png", [panels[:half], panels[half:]])
