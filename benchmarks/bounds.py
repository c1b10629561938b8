"""Bounds over boxes and certified minima, beside NumPy, SciPy and mixed-integer solvers; answers are compared first.

Networks are trained by the script itself on functions with several minima, so that there is something to certify.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

import fastexpr as fx
from benchmarks import bounds_peers, machine
from benchmarks.tables import Table, ratio, seconds, show, write_csv

Array = np.ndarray
Layers = list[tuple[Array, Array]]
#: name: sizes, activation, tolerance
MINIMA: dict[str, tuple[list[int], str, float]] = {
    "relu 2-50-50-1": ([2, 50, 50, 1], "relu", 1e-6),
    "relu 4-50-50-1": ([4, 50, 50, 1], "relu", 1e-6),
    "relu 6-50-50-1": ([6, 50, 50, 1], "relu", 1e-3),
    "tanh 2-20-20-1": ([2, 20, 20, 1], "tanh", 1e-4),
    "tanh 3-30-30-1": ([3, 30, 30, 1], "tanh", 1e-4),
    "tanh 2-47-47-1 peaks": ([2, 47, 47, 1], "tanh", 1e-4),
}


def peaks(X: Array) -> Array:
    """MATLAB's function of this name."""
    x, y = 3 * X[:, 0], 3 * X[:, 1]
    return (
        3 * (1 - x) ** 2 * np.exp(-(x**2) - (y + 1) ** 2)
        - 10 * (x / 5 - x**3 - y**5) * np.exp(-(x**2) - y**2)
        - np.exp(-((x + 1) ** 2) - y**2) / 3
    )


def waves(X: Array) -> Array:
    return np.sin(3 * X).sum(axis=1) + 0.5 * (X**2).sum(axis=1) + X[:, 0] * X[:, -1]


def trained(sizes: list[int], activation: str, target: Callable[[Array], Array]) -> Layers:
    """Weights and biases of a network that learnt the target on [-1, 1]^n."""
    X = np.random.default_rng(0).uniform(-1, 1, (3000, sizes[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = MLPRegressor(hidden_layer_sizes=sizes[1:-1], activation=activation, max_iter=150, random_state=0).fit(
            X, target(X)
        )
    return [(W.T.copy(), b) for W, b in zip(fitted.coefs_, fitted.intercepts_, strict=True)]


def function_of(layers: Layers, activation: str) -> fx.Function:
    x = fx.variables(layers[0][0].shape[1])
    h: Any = x
    for k, (W, b) in enumerate(layers):
        h = W @ h + b
        if k + 1 < len(layers):
            h = np.maximum(h, 0.0) if activation == "relu" else np.tanh(h)
    return fx.Function(x, h)


# ---- NumPy: the same bounds of ReLU networks in arrays


def numpy_bounds(layers: Layers, lower: Array, upper: Array) -> Array:
    """Lower bounds (boxes,) of the output by lines found backwards, without intervals and without rounding."""
    center, radius = (lower + upper) / 2, (upper - lower) / 2
    relaxed: list[tuple[Array, Array, Array]] = []

    def back(k: int, sign: float) -> Array:
        W, b = layers[k]
        A, c = np.broadcast_to(sign * W, (len(lower), *W.shape)), np.broadcast_to(sign * b, (len(lower), len(b)))
        for j in range(k - 1, -1, -1):
            below, above, offset = relaxed[j]
            negative = np.minimum(A, 0)
            c = c + (negative @ offset[:, :, None])[:, :, 0]
            A = np.maximum(A, 0) * below[:, None, :] + negative * above[:, None, :]
            W, b = layers[j]
            c, A = c + A @ b, A @ W
        return (A @ center[:, :, None])[:, :, 0] - (np.abs(A) @ radius[:, :, None])[:, :, 0] + c

    for k in range(len(layers)):
        low = back(k, 1.0)
        if k == len(layers) - 1:
            return low[:, 0]
        high = -back(k, -1.0)
        undecided = (low < 0) & (high > 0)
        above = np.where(undecided, high / np.where(undecided, high - low, 1), (low >= 0) * 1.0)
        below = np.where(undecided, (high > -low) * 1.0, (low >= 0) * 1.0)
        relaxed.append((below, above, np.where(undecided, -above * low, 0.0)))
    raise AssertionError


def compare_bounds(arguments: argparse.Namespace, rows: list[dict[str, object]]) -> None:
    layers = trained([4, 50, 50, 1], "relu", waves)
    net = function_of(layers, "relu")
    generator = np.random.default_rng(1)
    table = Table(
        "Lower bounds of 1,000 boxes, ReLU 4-50-50-1, milliseconds of CPU", ["half width", "fastexpr", "NumPy", "ratio"]
    )
    for width in (0.05, 0.2, 0.5):
        center = generator.uniform(-1, 1, (1000, 4))
        lower, upper = center - width, center + width
        ours, theirs = net.output_bounds(lower, upper, "linear")[0][:, 0], numpy_bounds(layers, lower, upper)
        if not np.all(ours >= theirs - 1e-9):
            raise SystemExit("bounds: fastexpr's are looser than NumPy's.")
        samples = net(generator.uniform(lower, upper, (500, 1000, 4)).reshape(-1, 4)).reshape(500, 1000)
        if not np.all(samples.min(axis=0) >= ours):
            raise SystemExit("bounds: a sample is outside.")
        own = median(partial(net.output_bounds, lower, upper, "linear"), arguments)
        other = median(partial(numpy_bounds, layers, lower, upper), arguments)
        table.add(f"{width}", f"{1e3 * own:.3g}", f"{1e3 * other:.3g}", ratio(other, own))
        rows.append({"case": f"1,000 boxes {width}", "fastexpr": own, "numpy": other})
    show(table, arguments.markdown)


def median(act: Callable[[], object], arguments: argparse.Namespace) -> float:
    times = []
    for _ in range(3 if arguments.quick else 9):
        start = time.process_time()
        act()
        times.append(time.process_time() - start)
    return float(np.median(times))


# ---- certified minima


def compare_minima(arguments: argparse.Namespace, rows: list[dict[str, object]]) -> None:
    peers = bounds_peers.installed()
    table = Table(
        f"Certified minima on [-1, 1]^n, CPU seconds of one thread; others within {arguments.limit:g} s",
        ["network", "fastexpr", "boxes", "gap", *peers],
    )
    for name, (sizes, activation, tol) in MINIMA.items():
        if arguments.quick and sizes[0] > 4:
            continue
        layers = trained(sizes, activation, peaks if "peaks" in name else waves)
        net = function_of(layers, activation)
        result = fx.global_minimum(net, -1.0, 1.0, tol=tol, time_limit=arguments.limit)
        samples = net(np.random.default_rng(0).uniform(-1, 1, (100_000, sizes[0])))
        if result.objective is None or not result.objective_bound <= result.objective <= samples.min() + tol:
            raise SystemExit(f"bounds: {name}: {result} is not below all samples ({samples.min():.8g}).")
        own = median(
            lambda net=net, tol=tol: fx.global_minimum(net, -1.0, 1.0, tol=tol, time_limit=arguments.limit), arguments
        )
        row: dict[str, object] = {"case": name, "fastexpr": own, "boxes": result.n_boxes, "gap": result.gap}
        cells = []
        for peer, by in peers.items():
            found = by(net, layers, activation, tol, arguments.limit)
            cells.append("" if found is None else outcome(name, peer, found, result.objective_bound))
            row[peer] = None if found is None else found.seconds
        table.add(name, seconds(own), f"{result.n_boxes:,}", f"{result.gap:.1e}", *cells)
        rows.append(row)
    show(table, arguments.markdown)


def outcome(name: str, peer: str, found: bounds_peers.Found, bound: float) -> str:
    """Seconds, or that there was no proof; what they found must not be below our bound, but for their tolerances."""
    if found.objective is not None and found.objective < bound - 1e-5 * max(1, abs(bound)):
        raise SystemExit(f"bounds: {name}: {peer} found {found.objective:.8g}, below the bound {bound:.8g}.")
    return seconds(found.seconds) if found.status == "optimal" else f"none in {found.seconds:.0f}"


def compare_margins(arguments: argparse.Namespace, rows: list[dict[str, object]]) -> None:
    """Five inputs, six layers of 50, five scores, as in collision avoidance: how far apart are two scores at least?"""
    generator = np.random.default_rng(5)
    sizes = [5, *[50] * 6, 5]
    layers = [
        (generator.normal(size=(b, a)) * np.sqrt(1.6 / a), 0.1 * generator.normal(size=b))
        for a, b in itertools.pairwise(sizes)
    ]
    net = function_of(layers, "relu")
    table = Table("Margins of scores, ReLU 5-50x6-5, seconds of CPU", ["box, claim", "answer", "seconds", "boxes"])
    weights = np.array([1.0, -1.0, 0.0, 0.0, 0.0])
    for width in (0.05, 0.1, 0.2):
        lowest = fx.global_minimum(
            net, -width, width, weights=weights, tol=1e-3, time_limit=arguments.limit
        ).objective_bound
        for shift in (-0.02, 0.02):
            start = time.process_time()
            found = fx.verify(net, -width, width, weights, at_least=lowest + shift, time_limit=arguments.limit)
            spent = time.process_time() - start
            if found.status == "refuted" and net(found.x) @ weights >= lowest + shift:
                raise SystemExit("bounds: a counterexample that is none.")
            table.add(f"±{width}, lowest {shift:+g}", found.status, seconds(spent), f"{found.n_boxes:,}")
            rows.append({"case": f"margin {width} {shift}", "fastexpr": spent, "answer": found.status})
    show(table, arguments.markdown)


def multistart(net: fx.Function, limits: Array, starts: Array) -> float:
    """The best feasible value that SLSQP finds from these starts."""
    from scipy.optimize import minimize

    best = np.inf
    for x0 in starts:
        found = minimize(
            lambda x: net(x)[0],
            x0,
            jac=lambda x: net.jacobian(x)[0],
            bounds=[(-1, 1)] * x0.size,
            method="SLSQP",
            constraints={
                "type": "ineq",
                "fun": lambda x: limits - net(x)[1:],
                "jac": lambda x: -net.jacobian(x)[1:],
            },
        )
        if np.all(net(found.x)[1:] <= limits + 1e-6):
            best = min(best, found.fun)
    return best


def compare_limited(arguments: argparse.Namespace, rows: list[dict[str, object]]) -> None:
    """Ten random surrogates with two limits on outputs, beside 20 starts of SLSQP."""
    table = Table(
        "Minima under two limits on outputs, tanh n-20-20-3", ["surrogate", "certified", "multistart", "seconds", "its"]
    )
    for seed in range(4 if arguments.quick else 10):
        generator = np.random.default_rng(seed)
        n = 2 + seed % 4
        sizes = [n, 20, 20, 3]
        layers = [
            (1.5 * generator.normal(size=(b, a)) / np.sqrt(a), generator.normal(size=b))
            for a, b in itertools.pairwise(sizes)
        ]
        net = function_of(layers, "tanh")
        limits = np.quantile(net(generator.uniform(-1, 1, (20_000, n)))[:, 1:], 0.4, axis=0)
        start = time.process_time()
        result = fx.global_minimum(
            net, -1.0, 1.0, weights=[1, 0, 0], output_upper=[None, *limits], tol=1e-3, time_limit=arguments.limit
        )
        own = time.process_time() - start
        start = time.process_time()
        best = multistart(net, limits, generator.uniform(-1, 1, (20, n)))
        other = time.process_time() - start
        if result.objective is None or result.objective > best + 1e-7 * max(1, abs(best)):
            raise SystemExit(f"bounds: surrogate {seed}: {result} is worse than multistart's {best:.8g}.")
        table.add(
            f"{seed}: n = {n}", f"{result.objective:.6g} ({result.status})", f"{best:.6g}", seconds(own), seconds(other)
        )
        rows.append({"case": f"limited {seed}", "fastexpr": own, "multistart": other, "gap": result.gap})
    show(table, arguments.markdown)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and write where asked."""
    print(f"{machine.processor()}, {arguments.threads} thread(s), seconds of the processor; medians")
    print(
        machine.versions(["fastexpr", "numpy", "scipy", "highspy", "gurobipy", "pyscipopt", "scikit-learn"]), flush=True
    )
    fx.set_num_threads(arguments.threads)
    rows: list[dict[str, object]] = []
    compare_bounds(arguments, rows)
    compare_minima(arguments, rows)
    compare_margins(arguments, rows)
    compare_limited(arguments, rows)
    if arguments.output is not None:
        write_csv(arguments.output / "bounds.csv", rows)
