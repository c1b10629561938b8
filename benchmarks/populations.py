"""`scipy.optimize.differential_evolution` on a network: ONNX Runtime point by point, and a Function by populations."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

import fastexpr as fx
from benchmarks import machine
from benchmarks.networks import random_network, write_onnx
from benchmarks.tables import Table, microseconds, show

Array = NDArray[np.float64]
NETWORKS = [[10, 64, 64, 2], [30, 64, 64, 2], [10, 128, 128, 128, 2], [50, 128, 128, 128, 2]]
LOW, HIGH = -2.0, 2.0
LIMIT = -0.2  # of the second output, where there is a constraint
CLOSE = 1e-5  # of ONNX Runtime's outputs in single precision
ALIKE = 0.1  # of the objectives that searches end with, over the range of the first population's: chance decides


class Best1Bin:
    """SciPy's strategy "best1bin" for all members at once: SciPy asks for one after the other, from number 0 on."""

    def __call__(self, candidate: int, population: Array, rng: Any = None) -> Array:
        if candidate == 0:
            self._trials = self.trials(population, rng)
        return self._trials[candidate]

    def trials(self, population: Array, rng: Any) -> Array:
        """(members, n): the best one and the difference of two others, crossed with each member."""
        count, n = population.shape
        members = np.arange(count)
        a, b = rng.integers(1, count, count), rng.integers(1, count - 1, count)
        b += b >= a  # two different ones, neither the member itself
        step = population[(members + a) % count] - population[(members + b) % count]
        is_crossed = rng.random((count, n)) < 0.7
        is_crossed[members, rng.integers(n, size=count)] = True
        return np.where(is_crossed, population[0] + rng.uniform(0.5, 1.0) * step, population)


class Search:
    """One network, evaluated both ways."""

    def __init__(self, sizes: list[int], folder: Path, popsize: int, generations: int) -> None:
        import onnxruntime

        path = folder / "network.onnx"
        write_onnx(random_network("population", sizes), path)
        self.net, self.n, self.count = fx.load_onnx(path, check=False), sizes[0], popsize * sizes[0]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._settings = {"popsize": popsize, "maxiter": generations, "tol": 0, "atol": 0, "polish": False, "rng": 0}
        self.population = np.random.default_rng(0).uniform(LOW, HIGH, (self.count, self.n))

    def point(self, x: Array) -> Array:
        """By ONNX Runtime."""
        outputs: Array = self._session.run(None, {"x": x[None].astype(np.float32)})[0][0]
        return outputs

    def batch(self, X: Array) -> Array:
        """(2, points): ours, of columns."""
        outputs: Array = self.net(X.T).T
        return outputs

    def find(self, is_batch: bool, is_constrained: bool, **settings: Any) -> Any:
        """What SciPy finds."""
        outputs = self.batch if is_batch else self.point
        if is_constrained:
            settings["constraints"] = scipy.optimize.NonlinearConstraint(lambda x: outputs(x)[1:2], -np.inf, LIMIT)
        if is_batch:
            settings["vectorized"] = True
        bounds = [(LOW, HIGH)] * self.n
        return scipy.optimize.differential_evolution(lambda x: outputs(x)[0], bounds, **self._settings, **settings)

    def evaluations(self, clock: Callable[[], float]) -> tuple[float, float]:
        """Seconds of a point: ONNX Runtime's, ours."""
        by_points = np.array([self.point(x) for x in self.population])
        error = abs(by_points - self.net(self.population)).max() / abs(by_points).max()
        if not error <= CLOSE:
            raise SystemExit(f"the outputs differ by {error:.1e}")
        theirs = machine.fastest(lambda: [self.point(x) for x in self.population], 0.5, clock)
        return theirs / self.count, machine.fastest(lambda: self.net(self.population), 0.5, clock) / self.count


WAYS: dict[str, dict[str, Any]] = {
    "ONNX Runtime, SciPy's defaults": {"is_batch": False},
    "ONNX Runtime, deferred": {"is_batch": False, "updating": "deferred"},
    "by populations": {"is_batch": True, "updating": "deferred"},
    "by populations, strategy too": {"is_batch": True, "updating": "deferred", "strategy": Best1Bin()},
}


def measured(search: Search, is_constrained: bool, rounds: int, clock: Callable[[], float]) -> list[float]:
    """Seconds by way, the best of some rounds; that all found something alike was checked first."""
    found = {name: search.find(is_constrained=is_constrained, **how) for name, how in WAYS.items()}
    outputs = search.net(search.population)[:, 0]
    values = [float(result.fun) for result in found.values()]
    if max(values) - min(values) > ALIKE * (outputs.max() - outputs.min()):
        raise SystemExit(f"the searches end with {values}")
    for name, result in found.items():
        own = search.point(result.x)
        if abs(own[0] - result.fun) > CLOSE * 10 or (is_constrained and own[1] > LIMIT + CLOSE * 10):
            raise SystemExit(f"{name} says {result.fun}, and it is {own}")
    best = [np.inf] * len(WAYS)
    for _ in range(rounds):
        for k, how in enumerate(WAYS.values()):
            begin = clock()
            search.find(is_constrained=is_constrained, **how)
            best[k] = min(best[k], clock() - begin)
    return best


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the tables."""
    print(f"{machine.processor()}, {arguments.threads} thread(s), {arguments.clock} clock")
    print(machine.versions(["fastexpr", "scipy", "numpy", "onnxruntime"]), flush=True)
    clock = machine.CLOCKS[arguments.clock]
    generations, rounds = (20, 1) if arguments.quick else (60, 3)
    values = Table("an evaluation, microseconds", ["network", "points", "ONNX Runtime", "fastexpr", "times"])
    searches = Table(
        "a whole search, microseconds for a candidate; how many times faster the last one is",
        ["network", *WAYS, "times", "settings alike"],
    )
    for sizes in NETWORKS[:1] if arguments.quick else NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            search = Search(sizes, Path(folder), arguments.popsize, generations)
        name = "-".join(map(str, sizes))
        theirs, ours = search.evaluations(clock)
        values.add(name, str(search.count), microseconds(theirs), microseconds(ours), f"{theirs / ours:.1f}")
        for is_constrained in (False, True):
            spent = [t / (search.count * (generations + 1)) for t in measured(search, is_constrained, rounds, clock)]
            cells = [*map(microseconds, spent), f"{spent[0] / spent[3]:.1f}", f"{spent[1] / spent[3]:.1f}"]
            searches.add(f"{name}, limit" if is_constrained else name, *cells)
    show(values, arguments.markdown)
    show(searches, arguments.markdown)
