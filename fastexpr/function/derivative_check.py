"""Derivatives against differences: for one's own peace of mind, and for whoever writes an operator.

Differences are central, extrapolated to step 0 by Neville's scheme over a falling sequence of steps, and each entry
takes the value with the smallest estimated error (Ridders, Advances in Engineering Software 4, 1982, 75-76). So no
step needs choosing, and the differences say themselves how far they can be trusted.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.errors import DerivativeError, EvaluationError
from fastexpr.function.arguments import one_point
from fastexpr.function.kink import Kink, kinks

Array = npt.NDArray[np.float64]

first_step = 0.1  # relative to max(1, |x|)
step_ratio = 3.0
n_steps = 14  # the last is 6e-8
max_directions = 64
doubles_per_call = 4_000_000  # of values of all nodes, in one batch
identity_tolerance = 1e-9  # adjoint identity and symmetry hold to rounding


@dataclass(frozen=True)
class DerivativeReport:
    """What `check_derivatives` found; errors are max|a - b| / max|b|.

    With the derivatives along d_j = max(1, |x_j|) e_j for each input j or, where there are more than 64 inputs, along
    64 random directions.
    """

    jacobian_error: float  # Jacobian against differences of the function
    hessian_error: float  # Hessian against differences of the gradient
    adjoint_error: float  # w.(J d) against (J'w).d, both modes
    symmetry_error: float  # of the Hessian
    difference_error: float  # estimated error of the differences themselves
    n_directions: int
    kinks: list[Kink]  # so near that the derivative is not to be relied on

    def __str__(self) -> str:
        lines = [
            f"Jacobian against differences   {self.jacobian_error:.1e}",
            f"Hessian against differences    {self.hessian_error:.1e}",
            f"forward against reverse mode   {self.adjoint_error:.1e}",
            f"symmetry of the Hessian        {self.symmetry_error:.1e}",
            f"error of the differences       {self.difference_error:.1e}  ({self.n_directions} directions)",
        ]
        return "\n".join(lines + [f"near a kink: {kink}" for kink in self.kinks])


@dataclass(frozen=True)
class Comparison:
    """Derivatives `got` (directions, k) beside differences `expected`, known to `uncertainty`."""

    what: str
    got: Array
    expected: Array
    uncertainty: Array

    @property
    def scale(self) -> float:
        both = np.concatenate([self.got.ravel(), self.expected.ravel()])
        return float(np.abs(both[np.isfinite(both)]).max(initial=0.0)) or 1.0

    @property
    def error(self) -> float:
        return float(np.abs(self.got - self.expected).max(initial=0.0)) / self.scale

    @property
    def difference_error(self) -> float:
        return float(self.uncertainty.max(initial=0.0)) / self.scale

    def worst_disagreement(self, tolerance: float) -> tuple[int, int] | None:
        """Where they differ by more than the tolerance and ten times what the differences are uncertain by."""
        excess = np.abs(self.got - self.expected) - 10.0 * self.uncertainty - tolerance * self.scale
        excess[np.isnan(excess)] = np.inf  # a derivative that is NaN where the function is finite
        if excess.max(initial=0.0) <= 0.0:
            return None
        row, column = np.unravel_index(int(excess.argmax()), excess.shape)
        return int(row), int(column)


def check_derivatives(
    self: Function, x: npt.ArrayLike, weights: npt.ArrayLike | None = None, tolerance: float = 1e-6
) -> DerivativeReport:
    """Compares the derivatives at x with differences, forward with reverse mode, and the Hessian with its transpose.

    Parameters
    ----------
    x : array_like
        One point, as the function itself takes it.
    weights : array_like, optional
        Shape (m,), as `vjp` takes them: for the Hessian. Random where left out.
    tolerance : float
        Largest allowed max|a - b| / max|b|.

    Returns
    -------
    DerivativeReport
        Printable.

    Raises
    ------
    fastexpr.errors.DerivativeError
        They disagree: says where, by how much, and whether a kink is near.
    fastexpr.errors.EvaluationError
        The function is not finite at x.
    TypeError, ValueError, fastexpr.errors.ShapeError
        x is no point of the function; weights do not fit.

    Warns
    -----
    RuntimeWarning
        x is within 1e-6 of a kink, where differences and derivatives need not agree; or the differences are too
        inaccurate to tell.

    Notes
    -----
    Some thousand evaluations: meant for tests, not for every solve.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(3)
    >>> report = fx.Function(x, np.sin(x[0]) * x[1] ** 3 + x[2]).check_derivatives([1.0, 2.0, 3.0])
    >>> report.jacobian_error < 1e-8
    True
    """
    point, weighting = checked_point(self, x, weights)
    near = [kink for kink in kinks(self, point) if kink.distance <= 1e-6 * max(1.0, abs(kink.argument))]
    if near:
        warnings.warn(
            f"check_derivatives: x is at a kink, where the derivative jumps: {near[0]}", RuntimeWarning, stacklevel=2
        )
    directions = directions_at(point)
    jacobian = np.asarray(self.jacobian(point))
    hessian = np.asarray(self.hessian(point, weighting))
    n_points = points_per_call(self)

    def gradients(points: Array) -> Array:
        return np.asarray(self.vjp(points, np.tile(weighting, (len(points), 1))))

    values = Comparison("Jacobian", directions @ jacobian.T, *differences(self, point, directions, n_points))
    slopes = Comparison("Hessian", directions @ hessian, *differences(gradients, point, directions, n_points))
    report = DerivativeReport(
        jacobian_error=values.error,
        hessian_error=slopes.error,
        adjoint_error=adjoint_error(self, point, weighting, directions, jacobian),
        symmetry_error=float(np.abs(hessian - hessian.T).max(initial=0.0)) / slopes.scale,
        difference_error=max(values.difference_error, slopes.difference_error),
        n_directions=len(directions),
        kinks=near,
    )
    for comparison, names in ((values, self.output_names), (slopes, self.input_names)):
        refuse_disagreement(self, comparison, names, directions, tolerance, report)
    if report.adjoint_error > identity_tolerance or report.symmetry_error > identity_tolerance:
        raise DerivativeError(
            f"[Function] forward and reverse mode, or the Hessian and its transpose, disagree:\n{report}"
        )
    if report.difference_error > tolerance:
        warnings.warn(
            f"check_derivatives: the differences are only known to {report.difference_error:.1e}: they show less than "
            "the "
            f"tolerance of {tolerance:g} asks.",
            RuntimeWarning,
            stacklevel=2,
        )
    return report


def checked_point(function: Function, x: npt.ArrayLike, weights: npt.ArrayLike | None) -> tuple[Array, Array]:
    point = one_point(function, x, "check_derivatives")
    if weights is None:
        weighting = np.random.default_rng(1).standard_normal(function.n_outputs)
    else:
        weighting = function._weights(weights, point).reshape(-1)
    if not np.isfinite(np.asarray(function(point))).all():
        raise EvaluationError("[Function] check_derivatives: the function is not finite at x. Choose another x.")
    return point, weighting


def directions_at(point: Array) -> Array:
    """(directions, n): each coordinate, or random ones where there are many; scaled like x."""
    scale = np.maximum(1.0, np.abs(point))
    if point.size <= max_directions:
        return np.diag(scale)
    random: Array = np.random.default_rng(0).standard_normal((max_directions, point.size))
    lengths: Array = np.linalg.norm(random, axis=1, keepdims=True)
    return scale * random / lengths


def points_per_call(function: Function) -> int:
    """Points of one batch, so that the values of all nodes stay within memory."""
    size: int = function.n_inputs + sum(int(np.prod(core.shape)) for core, _, _ in function._nodes())
    return max(1, doubles_per_call // size)


def differences(
    function: Callable[[Array], Array], point: Array, directions: Array, n_points: int
) -> tuple[Array, Array]:
    """Derivatives of function (points, n) -> (points, k) along directions (d, n), and their errors: (d, k) each."""
    best: Array | None = None
    error: Array | None = None
    column: list[Array] = []  # Neville's scheme: extrapolations of order 0, 1, ... from the steps so far
    for level in range(n_steps):
        step = first_step * step_ratio**-level
        points = np.concatenate([point + step * directions, point - step * directions])
        with np.errstate(all="ignore"):
            values = np.concatenate(
                [np.asarray(function(points[i : i + n_points])) for i in range(0, len(points), n_points)]
            )
            forward, backward = np.split(values, 2)
            new = [(forward - backward) / (2.0 * step)]
            rounding = np.finfo(float).eps * (np.abs(forward) + np.abs(backward)) / (2.0 * step)
            for order, previous in enumerate(column):
                factor = step_ratio ** (2 * (order + 1))
                new.append((factor * new[order] - previous) / (factor - 1.0))
                if best is None or error is None:
                    best, error = np.zeros_like(previous), np.full_like(previous, np.inf)
                estimate = np.maximum(np.abs(new[-1] - new[-2]), np.abs(new[-1] - previous)) + rounding
                estimate = np.where(np.isfinite(estimate), estimate, np.inf)
                best, error = np.where(estimate < error, new[-1], best), np.minimum(estimate, error)
        column = new
    assert best is not None
    assert error is not None
    return best, error


def adjoint_error(function: Function, point: Array, weights: Array, directions: Array, jacobian: Array) -> float:
    """jvp and vjp against each other and against the Jacobian, along every direction."""
    points = np.tile(point, (len(directions), 1))
    forward = np.asarray(function.jvp(points, directions))
    reverse = np.asarray(function.vjp(point, weights))
    scale = float((np.abs(forward) @ np.abs(weights)).max(initial=0.0)) or 1.0
    identity = np.abs(forward @ weights - directions @ reverse).max(initial=0.0) / scale
    spread = np.abs(forward - directions @ jacobian.T).max(initial=0.0) / (
        float(np.abs(forward).max(initial=0.0)) or 1.0
    )
    return float(max(identity, spread))


def refuse_disagreement(
    function: Function,
    comparison: Comparison,
    names: tuple[str, ...],
    directions: Array,
    tolerance: float,
    report: DerivativeReport,
) -> None:
    worst = comparison.worst_disagreement(tolerance)
    if worst is None:
        return
    row, column = worst
    along = (
        f"input {function.input_names[row]!r}" if len(directions) == function.n_inputs else f"random direction {row}"
    )
    length = directions[row].max() if len(directions) == function.n_inputs else 1.0
    raise DerivativeError(
        f"[Function] {comparison.what} and differences disagree: error {comparison.error:.1e} "
        f"(tolerance {tolerance:g}). Worst at "
        f"{names[column]!r} along {along}: got {comparison.got[worst] / length:.10g}, differences give "
        f"{comparison.expected[worst] / length:.10g}.{' x is at a kink: see below.' if report.kinks else ''}\n{report}"
    )
