"""B-spline features, as polynomials on the intervals between knots."""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np

from fastexpr.frameworks.sklearn.registry import Array, Symbolic, refuse, rule
from fastexpr.frameworks.sklearn.steps import step


@rule("SplineTransformer", method="transform")
def spline_transformer(estimator: Any, x: Symbolic) -> Symbolic:
    """sum_j [x in interval j] sum_i c_ij (x - b_j)^i for every basis function, feature by feature.

    An interval contains its lower end. At a knot the derivatives are those of the interval above it, which is what
    SciPy's splines have; they differ from below only where the spline is not smooth.
    """
    if estimator.extrapolation == "error":
        refuse(estimator, "extrapolation", "error", "'constant', 'continue', 'linear' or 'periodic'")
    if estimator.extrapolation == "linear" and estimator.degree < 2 and len(estimator.bsplines_) > 1:
        # There scikit-learn continues all features but the first from other knots than the outermost.
        refuse(estimator, "degree of a linear extrapolation", estimator.degree, "2 or more")
    parts = [features(estimator, spline, x[k]) for k, spline in enumerate(estimator.bsplines_)]
    return np.concatenate(parts)


def features(estimator: Any, spline: Any, x: Symbolic) -> Symbolic:
    """The basis functions of one feature."""
    origins, coefficients = polynomials(spline)
    breaks = origins[1:]
    is_closed = estimator.extrapolation in ("constant", "linear")
    if estimator.extrapolation == "periodic":
        period = float(spline.t[-spline.k - 1] - origins[0])
        x = x - period * np.floor((x - origins[0]) / period)
    if is_closed:
        degree, last = spline.k, float(spline.t[-spline.k - 1])
        is_constant = estimator.extrapolation == "constant"
        edges = np.array([origins[0], last])
        tails = np.zeros((2, *coefficients.shape[1:]))
        tails[:, 0] = spline(edges)
        if not is_constant and degree > 0:
            tails[:, 1] = spline(edges, nu=1)
        coefficients = np.concatenate([tails[:1], coefficients, tails[1:]])
        breaks = np.concatenate([origins, [last]])
        origins = np.concatenate([origins[:1], origins, [last]])
    if not estimator.include_bias:
        coefficients = coefficients[:, :, :-1]
    inside = indicators(x, breaks, closes_last=is_closed)
    distance = x - origins
    powers = [inside]
    for _ in range(coefficients.shape[1] - 1):
        powers.append(powers[-1] * distance)
    W = np.moveaxis(coefficients, 0, 1).reshape(-1, coefficients.shape[2])  # (power and interval, basis function)
    return np.concatenate(powers) @ W


def polynomials(spline: Any) -> tuple[Array, Array]:
    """The lower ends b (L,) of the intervals between knots, and the coefficients (L, k + 1, m) of (x - b)^i there."""
    knots = np.unique(spline.t[spline.k : len(spline.t) - spline.k])
    origins = knots[:-1]
    coefficients = np.stack([spline(origins, nu=i) / factorial(i) for i in range(spline.k + 1)], axis=1)
    return origins, coefficients


def indicators(x: Symbolic, breaks: Array, closes_last: bool) -> Any:
    """Which of the intervals between these breaks x is in: (len(breaks) + 1,) numbers 1 or 0.

    A break belongs to the interval above it; the last one to the interval below, with `closes_last`.
    """
    if not len(breaks):
        return np.ones(1)
    if closes_last:
        above = np.concatenate([1.0 - step(breaks[:-1] - x), step(x - breaks[-1:])])
    else:
        above = 1.0 - step(breaks - x)
    return np.concatenate([1.0 - above[:1], above[:-1] - above[1:], above[-1:]])
