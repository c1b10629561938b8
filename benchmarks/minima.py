"""How often solves from random starts end in the global minimum of a trained surrogate, by the form of the problem.

The forms: the network inside an expression, `Problem.network` with its outputs as variables, and a NetworkBlock in a
Pyomo model, solved in process; the latter two as they are stated (`presolve=False`), too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import qmc

import fastexpr as fx
from benchmarks import machine
from benchmarks.tables import Table, seconds, show, write_csv

N_SEARCHED = 100  # starts from which the global minimum is looked for
WITHIN = 1e-4  # of the spread of the outputs, which is 1: a start that comes so near has hit
UNITS = 32  # of each of two hidden layers


def peaks(x: Any) -> Any:
    a, b = 3.0 * x.T
    hills = 3.0 * (1 - a) ** 2 * np.exp(-(a**2) - (b + 1) ** 2) - np.exp(-((a + 1) ** 2) - b**2) / 3.0
    return hills - 10.0 * (a / 5 - a**3 - b**5) * np.exp(-(a**2) - b**2)


def rastrigin(x: Any) -> Any:
    z = 1.3 * x
    return (z**2 - np.cos(2 * np.pi * z)).sum(axis=1)


def camel(x: Any) -> Any:
    a, b = 2.0 * x.T
    return (4 - 2.1 * a**2 + a**4 / 3) * a**2 + a * b + (4 * b**2 - 4) * b**2


def ackley(x: Any) -> Any:
    z = 2.0 * x
    return -20.0 * np.exp(-0.2 * np.sqrt((z**2).mean(axis=1))) - np.exp(np.cos(2 * np.pi * z).mean(axis=1))


def waves(x: Any) -> Any:
    first, second = x @ [1.0, 2.0, -1.0], x @ [-1.0, 1.0, 2.0]
    return np.sin(3.0 * first + 0.5) + 0.7 * np.cos(4.0 * second) + 0.3 * (x**2).sum(axis=1)


TARGETS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "peaks": (peaks, 2),
    "rastrigin": (rastrigin, 2),
    "camel": (camel, 2),
    "ackley": (ackley, 3),
    "waves": (waves, 3),
}


def trained(name: str, iterations: int) -> fx.Function:
    """A network n -> 32 -> 32 -> 1 of tanh units, trained on the target over [-1, 1]^n; its spread is about 1."""
    function, n = TARGETS[name]
    points = 2.0 * qmc.Sobol(n, seed=1).random(512) - 1.0
    wanted = function(points)
    wanted = (wanted - wanted.mean()) / wanted.std()
    random = np.random.default_rng(0)
    shapes = [(UNITS, n), (UNITS,), (UNITS, UNITS), (UNITS,), (1, UNITS), (1,)]
    sizes = [int(np.prod(shape)) for shape in shapes]
    first = np.concatenate([random.normal(size=size) * (1.0 if k == 0 else 0.3) for k, size in enumerate(sizes)])

    def parts(weights: Any) -> list[Any]:
        return [w.reshape(s) for w, s in zip(np.split(weights, np.cumsum(sizes)[:-1]), shapes, strict=True)]

    def loss(weights: Any) -> tuple[float, Any]:
        a, b, c, d, e, f = parts(weights)
        hidden = np.tanh(points @ a.T + b)
        second = np.tanh(hidden @ c.T + d)
        error = (second @ e.T + f)[:, 0] - wanted
        back = 2.0 * error[:, None] / error.size
        back_second = back @ e * (1 - second**2)
        back_hidden = back_second @ c * (1 - hidden**2)
        slopes = [
            back_hidden.T @ points, back_hidden.sum(0), back_second.T @ hidden, back_second.sum(0), back.T @ second,
            back.sum(0),
        ]  # fmt: skip
        return float(error @ error) / error.size, np.concatenate([slope.ravel() for slope in slopes])

    weights = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": iterations, "maxfun": 10**6}).x
    a, b, c, d, e, f = parts(weights)
    x = fx.variables(n)
    net = fx.Function(x, e @ np.tanh(c @ np.tanh(a @ x + b) + d) + f)
    return net.with_bounds([-1.0] * n, [1.0] * n)


# ---- the forms: each gives (x, objective, iterations)


Found = tuple[Any, float, int]


def by_problem(net: fx.Function, start: Any, is_lifted: bool, **settings: Any) -> Found:
    problem = fx.Problem()
    x = problem.variables(net.n_inputs, lower=-1.0, upper=1.0, start=start)
    y = problem.network(net, x, bounds=True) if is_lifted else net(x)
    problem.minimize(y[0])
    result = problem.solve(**settings)
    return result[x], result.objective if result.success else np.inf, result.iterations


def by_block(net: fx.Function, start: Any, **settings: Any) -> Found:
    import pyomo.environ as pyo
    from pyomo.contrib.solver.common.factory import SolverFactory

    import fastexpr.pyomo as fxp

    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(net.n_inputs), bounds=(-1, 1), initialize=dict(enumerate(start.tolist())))
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.objective = pyo.Objective(expr=m.nn.outputs[0])
    results = SolverFactory("fastexpr").solve(m, raise_exception_on_nonoptimal_result=False, **settings)
    is_solved = results.extra_info.status in ("optimal", "acceptable")
    x = np.array([v.value for v in m.x.values()])
    return x, results.incumbent_objective if is_solved else np.inf, results.extra_info.iteration_count


FORMS: dict[str, Callable[[fx.Function, Any], Found]] = {
    "expression": lambda net, start: by_problem(net, start, False),
    "Problem.network": lambda net, start: by_problem(net, start, True),
    "NetworkBlock": by_block,
    "Problem.network, as stated": lambda net, start: by_problem(net, start, True, presolve=False),
    "NetworkBlock, as stated": lambda net, start: by_block(net, start, presolve=False),
}


@dataclass
class Row:
    """One form on one surrogate."""

    hits: int
    iterations: list[int]
    seconds: list[float]


def measure(net: fx.Function, form: str, starts: Any, least: float) -> Row:
    """Solves from all starts; every value is checked against the network's own."""
    row = Row(0, [], [])
    for start in starts:
        begin = time.perf_counter()
        x, objective, iterations = FORMS[form](net, start)
        row.seconds.append(time.perf_counter() - begin)
        row.iterations.append(iterations)
        value = float(net(np.clip(x, -1.0, 1.0))[0])
        if np.isfinite(objective) and abs(value - objective) > 1e-6:
            raise SystemExit(f"{form} says {objective} where the network has {value}.")
        row.hits += bool(np.isfinite(objective) and value < least + WITHIN)
    return row


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and write where asked."""
    machine.introduce(arguments, ["fastexpr", "cyipopt", "pyomo", "scipy"])
    n_starts = arguments.starts
    table = Table(
        f"global minima of trained surrogates, hit from {n_starts} random starts each; iterations, seconds: medians",
        ["form", *TARGETS, "all", "iterations", "a solve"],
    )
    found: dict[str, list[Row]] = {form: [] for form in FORMS}
    for name in TARGETS:
        net = trained(name, arguments.training)
        random = np.random.default_rng(5)
        searched = random.uniform(-1.0, 1.0, (N_SEARCHED, net.n_inputs))
        least = min(FORMS["expression"](net, start)[1] for start in searched)
        starts = random.uniform(-1.0, 1.0, (n_starts, net.n_inputs))
        for form in FORMS:
            found[form].append(measure(net, form, starts, least))
    for form, rows in found.items():
        iterations = statistics.median(count for row in rows for count in row.iterations)
        spent = statistics.median(second for row in rows for second in row.seconds)
        hits = [row.hits for row in rows]
        table.add(form, *map(str, hits), f"{sum(hits)} of {n_starts * len(hits)}", f"{iterations:g}", seconds(spent))
    show(table, arguments.markdown)
    if arguments.output:
        write_csv(arguments.output / "minima.csv", [dict(zip(table.header, row, strict=True)) for row in table.rows])
