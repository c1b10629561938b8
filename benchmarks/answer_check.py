"""Whether what a solver claims is so: by NumPy on the trained layers and complex steps, sharing nothing with any solve.

The measures are those of docs/statuses.md: a row's violation over max(|limit|, its largest slope times the width of that
variable), stationarity over max(1, |f|).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.answer_set import Case

Array = NDArray[Any]
FEASIBLE, STATIONARY = 1e-6, 1e-5
STEP = 1e-30  # complex: no digits are lost
LARGEST = 250  # variables up to which stationarity is looked at in every case, without a fast way to multipliers
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
        limit = allowed if status == "optimal" else 1e-3
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
    """How far the objective could fall to first order, in a step of a width, over max(1, |f|): with the multipliers for
    which that is least in the sense of squares, found anew; those of the solver are not looked at.
    """
    from scipy.optimize import lsq_linear

    width = np.minimum(case.upper - case.lower, 1e4 * np.maximum(1.0, abs(x)))
    scales = np.maximum((abs(jacobian) * width).max(axis=1, initial=0.0), 1e-300)
    near = 1e-5 * np.maximum(scales, 1e-300)
    at_lower, at_upper = values - lower <= near, upper - values <= near
    active = np.flatnonzero(at_lower | at_upper)
    J = (jacobian * width)[active] / scales[active, None]
    low = np.where(at_lower[active], -np.inf, 0.0) - 0.0
    high = np.where(at_upper[active], np.inf, 0.0)
    high = np.where(high <= low, low + 1e-300, high)
    room_down, room_up = (x - case.lower) / width > 1e-5, (case.upper - x) / width > 1e-5
    size = max(1.0, abs(objective))
    g = gradient * width / size

    def rest(multipliers: Array) -> Array:
        slope = g + J.T @ multipliers if active.size else g
        return np.where(slope > 0.0, np.where(room_down, slope, 0.0), np.where(room_up, slope, 0.0))

    if not active.size:
        return float(abs(rest(np.zeros(0))).max())
    # Bounds that are met take slopes of one sign: multipliers of their own.
    met = np.flatnonzero(~(room_down & room_up))
    signs = np.where(~room_down[met], -1.0, 1.0)
    A = np.hstack([J.T, np.zeros((x.size, met.size))])
    A[met, active.size + np.arange(met.size)] = signs
    limits = (np.concatenate([low, np.zeros(met.size)]), np.concatenate([high, np.full(met.size, np.inf)]))
    found = lsq_linear(A, -g, limits, method="bvls" if A.shape[1] < LARGEST else "trf", tol=1e-14)
    return float(abs(rest(found.x[: active.size])).max())


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
