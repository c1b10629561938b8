"""One solve after another: a closed loop of predictive control beside JAX, longer horizons, sweeps of prices."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import fastexpr as fx
from benchmarks import control, control_oracle, machine
from benchmarks.limits import read_layers
from benchmarks.tables import Table, seconds, show
from fastexpr.solvers.checked import warm_start_options

NOISE = 0.01  # of each state that is measured
CLOSE = 1e-6  # of the objectives of both


@dataclass
class Horizon:
    """The problem of `benchmarks.control` with the state and the reference as parameters."""

    problem: fx.Problem
    state: Any
    wanted: Any
    controls: Any

    @classmethod
    def make(cls, net: fx.Function, steps: int) -> Horizon:
        p = fx.Problem()
        state = p.parameters(control.N_STATES, value=control.first_state(), name="state")
        wanted = p.parameters(steps, value=0.0, name="wanted")
        u = p.variables((steps // control.HELD, control.N_CONTROLS), lower=-1, upper=1, start=0.0, name="u")
        x = [state]
        for k in range(steps):
            x.append(p.network(net, np.concatenate([x[k], u[k // control.HELD]])))
        first: Any = np.stack([each[0] for each in x[1:]])
        p.minimize(((first - wanted) ** 2).sum() + control.MOVE_WEIGHT * ((u[1:] - u[:-1]) ** 2).sum())
        return cls(p, state, wanted, u)

    def solve(self, state: Any, wanted: Any, start: Any) -> fx.problem.Result:
        return self.problem.solve(parameters={self.state: state, self.wanted: wanted}, start=start)


@dataclass
class Figures:
    """Of all solves of a loop but the first."""

    seconds: list[float] = field(default_factory=list)
    evaluating: list[float] = field(default_factory=list)
    iterations: list[int] = field(default_factory=list)
    objectives: list[float] = field(default_factory=list)


def wave(layers: Any) -> Callable[[int, int], Any]:
    """The reference from a step on: what constant controls reach, to and fro in 40 steps."""
    low, high = (control.simulate(layers, np.full((25, control.N_CONTROLS), u))[-1, 0] for u in (-1.0, 1.0))

    def at(step: int, count: int) -> Any:
        return (low + high) / 2 + 0.6 * (high - low) * np.sin(2 * np.pi * np.arange(step + 1, step + 1 + count) / 40)

    return at


def closed_loop(horizon: Horizon, layers: Any, steps: int, solves: int, clock: Callable[[], float]) -> tuple[Any, Any]:
    """Figures, and the states at which plans were made."""
    figures, states, reference = Figures(), [control.first_state()], wave(layers)
    random, result = np.random.default_rng(1), None
    for k in range(solves):
        begin = clock()
        result = horizon.solve(states[-1], reference(k, steps), result)
        figures.seconds.append(clock() - begin)
        if not result.success:
            raise SystemExit(f"plan {k}: {result.message}")
        figures.evaluating.append(sum(spent["seconds"] for spent in result.timings["evaluations"].values()))
        figures.iterations.append(result.iterations)
        figures.objectives.append(result.objective)
        states.append(control.step(layers, states[-1], result[horizon.controls][0]) + random.normal(size=10) * NOISE)
    return figures, states[:-1]


class Timed:
    """An oracle that says how long it was evaluated."""

    def __init__(self, oracle: control_oracle.Oracle, clock: Callable[[], float]) -> None:
        self._oracle, self._clock, self.seconds = oracle, clock, 0.0

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._oracle, name)
        if name not in ("objective", "gradient", "constraints", "jacobian", "hessian"):
            return part

        def timed(*arguments: Any) -> Any:
            begin = self._clock()
            result = part(*arguments)
            self.seconds += self._clock() - begin
            return result

        return timed


def loop_by_jax(layers: Any, states: list[Any], steps: int, clock: Callable[[], float]) -> Figures:
    """The same plans with JAX's derivatives, compiled, the same warm starts, by cyipopt itself."""
    import cyipopt

    figures, reference = Figures(), wave(layers)
    oracle = control_oracle.Oracle(layers, states[0], np.zeros(steps + 1), steps)
    controls = np.zeros((steps // control.HELD, control.N_CONTROLS))
    z = oracle.joined(control.simulate(layers, controls)[: steps + 1], controls)
    multipliers: Any = None
    for k, state in enumerate(states):
        oracle.first, oracle.wanted = state, np.append(0.0, reference(k, steps))
        begin = clock()
        timed = Timed(oracle, clock)
        problem = control_oracle.make_problem(cyipopt, timed)  # type: ignore[arg-type]
        options = warm_start_options if multipliers is not None else {}
        for name, option in options.items():
            problem.add_option(name, option)
        z[: control.N_STATES] = state
        z, info = problem.solve(z, *(multipliers or ([], [], [])))
        figures.seconds.append(clock() - begin)
        if info["status"] != 0:
            raise SystemExit(f"JAX, plan {k}: {info['status_msg']}")
        multipliers = [list(info[name]) for name in ("mult_g", "mult_x_L", "mult_x_U")]
        figures.evaluating.append(timed.seconds)
        figures.iterations.append(oracle.iterations)
        figures.objectives.append(info["obj_val"])
    return figures


def sweeps(points: int) -> Iterator[tuple[str, fx.Problem, Any, Any]]:
    """Problems with a parameter, and its values."""
    random = np.random.default_rng(0)
    u = fx.variables(4)
    hidden = np.tanh(random.normal(size=(16, 4)) @ u)
    net = fx.Function(u, 0.5 * random.normal(size=(2, 16)) @ hidden).with_bounds([-1] * 4, [1] * 4)
    p = fx.Problem()
    price, x = p.parameters((), value=0.0, name="price"), p.variables(4, lower=-1, upper=1)
    y = p.network(net, x)
    p.minimize(price * y[0] + (x**2).sum())
    p.subject_to(y[1], lower=0.3)
    yield "a network with a limit", p, price, np.linspace(0.0, 4.0, points)
    v = fx.variables(2)
    rate = fx.Function(v, v[0] * np.exp(1.2 * np.tanh(2 * v[1] - 1) - 0.5))
    p = fx.Problem()
    heat = p.parameters((), value=0.3, name="price of heat")
    c, T = (p.variables(20, lower=0, upper=1, start=0.5) for _ in range(2))
    r = p.network(rate, np.stack([c, T], axis=1))
    p.subject_to(np.concatenate([1 - c[:1], c[:-1] - c[1:]]) - r[:, 0], equal=0)
    p.minimize(10 * c[19] + heat * (T**2).sum())
    yield "twenty tanks in a row", p, heat, np.linspace(0.01, 2.0, points)
    p = fx.Problem()
    risk, w = p.parameters((), value=1.0, name="price of risk"), p.variables(30, lower=0, upper=0.2)
    A, gain = random.normal(size=(30, 30)), random.normal(size=30)
    p.minimize(risk * (w @ (A @ A.T / 30) @ w) - gain @ w)
    p.subject_to(w.sum(), equal=1)
    yield "a portfolio, other bounds at each price", p, risk, np.geomspace(0.05, 50.0, points)


def sweep_table(points: int) -> Table:
    """Iterations, one by one from the start and each from its neighbour; the answers agree."""
    table = Table(f"iterations at {points} prices", ["", "cold", "sweep", "share"])
    for name, p, parameter, values in sweeps(points):
        cold = [p.solve(parameters={parameter: value}) for value in values]
        swept = fx.sweep(p, {parameter: values})
        for one, other in zip(cold, swept, strict=True):
            if not (one.success and other.success and abs(one.objective - other.objective) <= 1e-6):
                raise SystemExit(f"{name}: {one.objective} and {other.objective}")
        counts = [sum(result.iterations for result in results) for results in (cold, swept)]
        table.add(name, *map(str, counts), f"{counts[1] / counts[0]:.2f}")
    return table


def horizon_table(net: fx.Function, layers: Any, lengths: list[int], clock: Callable[[], float]) -> Table:
    """Evaluations for an iteration, by the length of the horizon."""
    table = Table("longer horizons", ["steps", "variables", "iterations", "evaluations / iteration", "per step"])
    for steps in lengths:
        horizon, reference = Horizon.make(net, steps), wave(layers)
        result = horizon.solve(control.first_state(), reference(0, steps), None)
        spent = sum(entry["seconds"] for entry in result.timings["evaluations"].values()) / max(1, result.iterations)
        table.add(str(steps), str(result.x.size), str(result.iterations), seconds(spent), seconds(spent / steps))
    return table


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, print the tables."""
    print(f"{machine.processor()}, {arguments.threads} thread(s), {arguments.clock} clock")
    print(machine.versions(["fastexpr", "cyipopt", "jax"]), flush=True)
    clock = time.process_time if arguments.clock == "cpu" else time.perf_counter
    solves, points = (10, 10) if arguments.quick else (arguments.solves, 50)
    with tempfile.TemporaryDirectory() as folder:
        control.write(Path(folder))
        layers, net = read_layers(Path(folder)), fx.load(Path(folder) / "network.fx")
    ours, states = closed_loop(Horizon.make(net, arguments.steps), layers, arguments.steps, solves, clock)
    theirs = loop_by_jax(layers, states, arguments.steps, clock)
    difference = max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(ours.objectives, theirs.objectives, strict=True))
    if not difference <= CLOSE:
        raise SystemExit(f"the plans' objectives differ by {difference:.1e}")
    print(f"{solves} plans over {arguments.steps} steps: objectives agree within {difference:.1e}")
    table = Table("a closed loop, each plan from the one before", ["", "fastexpr", "JAX and cyipopt"])
    for label, choose in {
        "median": lambda f: seconds(statistics.median(f.seconds[1:])),
        "worst": lambda f: seconds(max(f.seconds[1:])),
        "first": lambda f: seconds(f.seconds[0]),
        "evaluations, median": lambda f: seconds(statistics.median(f.evaluating[1:])),
        "iterations, median": lambda f: f"{statistics.median(f.iterations[1:]):g}",
    }.items():
        table.add(label, choose(ours), choose(theirs))
    show(table, arguments.markdown)
    show(horizon_table(net, layers, [40, 80] if arguments.quick else [40, 100, 200, 400], clock), arguments.markdown)
    show(sweep_table(points), arguments.markdown)
