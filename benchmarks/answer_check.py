"""Whether what a solver claims is so: by NumPy on the trained layers and complex steps, sharing nothing with any solve.

The measures are those of docs/statuses.md: a row's violation over max(|limit|, its largest slope times that variable's
width), stationarity over max(1, |f|).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.answer_set import Case

Array = NDArray[Any]
FEASIBLE, STATIONARY, ACCEPTABLE = 1e-6, 1e-5, 1e-3
STEP = 1e-30  # complex: no digits are lost
NEAR = 1e-6  # kinks, relative to the largest argument of the layer


@dataclass
class Finding:
    """What holds at a point."""

    objective: float
    violation: float  # relative
    violated: str
    residual: float | None  # of stationarity; None where a kink is near, or where the point is not feasible
    by_runtime: float  # largest difference of a network's output to ONNX Runtime's, over max|y|

    @property
    def is_feasible(self) -> bool:
        return self.violation <= FEASIBLE

    def refutes(self, status: str, allowed: float = STATIONARY) -> str:
        """What is wrong with the status "optimal" or "acceptable"; "" where nothing is."""
        if status not in ("optimal", "acceptable"):
            return ""
        if not self.is_feasible:
            return f"{self.violated} is violated by {self.violation:.1e} of its scale"
        limit = allowed if status == "optimal" else ACCEPTABLE
        if self.residual is not None and self.residual > limit:
            return f"the objective could fall by {self.residual:.1e} of its size to first order"
        return ""


def check(case: Case, x: Array, has_residual: bool = True) -> Finding:
    """The claim that x solves the problem."""
    objective, values, lower, upper = case.evaluate(x)
    width = case.upper - case.lower
    size = np.minimum(width, np.maximum(1.0, abs(x)))
    gradient, jacobian = slopes(case, x)
    scales = (abs(jacobian) * size).max(axis=1, initial=0.0)
    rows = relative(values, lower, upper, scales)
    bounds = relative(x, case.lower, case.upper, size)
    violation, violated = 0.0, ""
    if rows.max(initial=0.0) > violation:
        violation, violated = float(rows.max()), f"row {case.row_names()[int(rows.argmax())]!r}"
    if bounds.max(initial=0.0) > violation:
        violation, violated = float(bounds.max()), f"the bound of x[{int(bounds.argmax())}]"
    residual = None
    if has_residual and violation <= FEASIBLE and not is_near_kink(case, x):
        residual = stationarity(case, x, objective, values, lower, upper, gradient, jacobian)
    return Finding(float(np.real(objective)), violation, violated, residual, by_runtime(case, x))


def slopes(case: Case, x: Array) -> tuple[Array, Array]:
    """Gradient and Jacobian (m, n) by complex steps."""
    columns, gradient = [], np.zeros(x.size)
    for j in range(x.size):
        moved = x.astype(complex)
        moved[j] += 1j * STEP * max(1.0, abs(x[j]))
        objective, values, _, _ = case.evaluate(moved)
        gradient[j] = np.imag(objective) / np.imag(moved[j])
        columns.append(np.imag(values) / np.imag(moved[j]))
    return gradient, np.array(columns).T.reshape(-1, x.size)


def relative(values: Array, lower: Array, upper: Array, size: Array) -> Array:
    worst = np.zeros(values.size)
    for gap, limit in ((lower - values, lower), (values - upper, upper)):
        scale = np.maximum(np.where(np.isfinite(limit), abs(limit), 0.0), size)
        with np.errstate(invalid="ignore", divide="ignore"):
            worst = np.maximum(worst, np.where(gap > 0.0, gap / scale, 0.0))
    return worst


def stationarity(
    case: Case, x: Array, objective: float, values: Array, lower: Array, upper: Array, gradient: Array, jacobian: Array
) -> float:
    """How far from a point of Karush, Kuhn and Tucker x is.

    The least t for which some multipliers leave no slope, and no product of a multiplier and what is left to its limit,
    above t; over max(1, |f|), variables by their widths, rows by theirs. A linear program finds it; the solver's own
    multipliers are not looked at.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, diags, eye, hstack, vstack

    n, m, size = x.size, values.size, max(1.0, abs(objective))
    width = np.minimum(case.upper - case.lower, 1e4 * np.maximum(1.0, abs(x)))
    scales = (abs(jacobian) * width).max(axis=1, initial=0.0)
    scales = np.where(scales > 0.0, scales, 1.0)
    A = csr_matrix((jacobian * width).T / scales)  # (n, m)
    slopes_ = hstack([A, -A, -eye(n), eye(n)])  # multipliers: of upper and lower limits, of lower and upper bounds
    gaps = np.concatenate([(upper - values) / scales, (values - lower) / scales])
    rooms = np.concatenate([(x - case.lower) / width, (case.upper - x) / width])
    left = np.clip(np.concatenate([gaps, rooms]), 0.0, None)
    is_open = np.isfinite(left)
    g = gradient * width / size
    one = csr_matrix(np.ones((n, 1)))
    products = hstack([diags(np.where(is_open, left, 0.0)), -csr_matrix(np.ones((left.size, 1)))])
    matrix = vstack([hstack([slopes_, -one]), hstack([-slopes_, -one]), products])
    right = np.concatenate([-g, g, np.zeros(left.size)])
    cost = np.zeros(left.size + 1)
    cost[-1] = 1.0
    limits = [(0.0, None if is_finite else 0.0) for is_finite in is_open] + [(0.0, None)]
    found = linprog(cost, matrix, right, bounds=limits, method="highs")
    assert m + n == left.size // 2
    return float(found.fun) if found.status == 0 else float("inf")


def is_near_kink(case: Case, x: Array) -> bool:
    """Whether a ReLU of any network that x enters is about to switch."""
    if not case.is_kinked:
        return False
    distances: list[float] = []

    def watched(network: Any) -> Any:
        def call(z: Array) -> Array:
            distances.append(network.kink_distance(z))
            return np.asarray(network(z))

        return call

    case.state(x, [watched(network) for network in case.networks])
    return min(distances) < NEAR


def by_runtime(case: Case, x: Array) -> float:
    """The networks' outputs at this point by ONNX Runtime beside those by NumPy; 0 where it is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        return 0.0
    import onnxruntime

    worst = 0.0

    def compared(network: Any) -> Any:
        session = onnxruntime.InferenceSession(network.onnx().SerializeToString(), providers=["CPUExecutionProvider"])

        def call(z: Array) -> Array:
            nonlocal worst
            y = np.asarray(network(z))
            (other,) = session.run(None, {"x": np.ascontiguousarray(np.atleast_2d(z))})
            worst = max(worst, float(abs(other.reshape(y.shape) - y).max() / abs(y).max()))
            return y

        return call

    case.state(x, [compared(network) for network in case.networks])
    return worst
