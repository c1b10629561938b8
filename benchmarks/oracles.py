"""A problem whose derivatives somebody else computes, handed to cyipopt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import limits
from benchmarks.networks import Network
from benchmarks.peers import Evaluator
from benchmarks.processes import Laps

Array = NDArray[np.float64]
QUIET = {"print_level": 0, "sb": "yes"}


def layers_as_network(folder: Path) -> Network:
    """The network of the folder."""
    layers = limits.read_layers(folder)
    sizes = [layers[0][0].shape[1], *(W.shape[0] for W, _ in layers)]
    return Network("", sizes, [(W.astype(np.float32), b.astype(np.float32)) for W, b in layers])


class NearestPoint:
    """min |x - x0|^2 with f(x) <= c: what cyipopt calls. Dense in x, as the network is."""

    def __init__(self, evaluators: dict[str, Evaluator], x0: Array, n_outputs: int) -> None:
        self._evaluators, self._x0 = evaluators, x0
        self._unit = np.zeros(n_outputs)
        self._lower = np.tril_indices(x0.size)
        self.iterations = 0

    def objective(self, x: Array) -> float:
        return float(np.sum((x - self._x0) ** 2))

    def gradient(self, x: Array) -> Array:
        return 2.0 * (x - self._x0)

    def constraints(self, x: Array) -> Array:
        return self._evaluators["value"](x, self._unit)[0]

    def jacobian(self, x: Array) -> Array:
        return self._evaluators["jacobian"](x, self._unit)[0].ravel()

    def hessianstructure(self) -> Any:
        return self._lower

    def hessian(self, x: Array, multipliers: Array, factor: float) -> Array:
        H = self._evaluators["hessian"](x, np.asarray(multipliers))[0].copy()
        H[np.diag_indices(x.size)] += 2.0 * factor
        return H[self._lower]

    def intermediate(self, *arguments: Any) -> bool:
        self.iterations = int(arguments[1])
        return True


def solve_with_limits(laps: Laps, cyipopt: Any, evaluators: dict[str, Evaluator], folder: Path) -> dict[str, Any]:
    """The answer by Ipopt from x0."""
    x0, c = limits.read_points(folder)
    oracle = NearestPoint(evaluators, x0, c.size)
    problem = cyipopt.Problem(n=x0.size, m=c.size, problem_obj=oracle, cl=np.full(c.size, -2e19), cu=c)
    for name, option in QUIET.items():
        problem.add_option(name, option)
    laps("build")
    x, info = problem.solve(x0)
    laps("solve")
    if info["status"] != 0:
        raise SystemExit(f"cyipopt: {info['status_msg']}")
    return limits.answer(x, info["obj_val"], oracle.iterations)
