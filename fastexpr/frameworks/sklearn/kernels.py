"""Kernels of Gaussian processes and of kernel machines: k(x, X) as an expression, for a table X of points.

Distances are taken from differences, never from |x|^2 + |X|^2 - 2 x'X, which cancels where a point is near.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.errors import FrameworkError
from fastexpr.expression.node import apply
from fastexpr.frameworks.sklearn.registry import Array, Symbolic, dense

#: Added to squared distances before a root is taken, so that its derivatives are finite where x is a point of X: they
#: meet the slope of the squared distance, which is 0 there. It is lost in rounding from a distance of 1e-7 on.
TINY = 1e-30


def squared_distances(x: Symbolic, X: Array, scale: Any = 1.0) -> Symbolic:
    """|(x - X_i) / scale|^2 for every point."""
    return np.sum(np.square((x - X) / dense(scale)), axis=1)


def distances(x: Symbolic, X: Array, scale: Any = 1.0) -> Symbolic:
    """|(x - X_i) / scale|."""
    return np.sqrt(squared_distances(x, X, scale) + TINY)


# ---- kernels by name, as kernel machines have them ----------------------------------------------


def kernel_by_name(owner: str, name: Any, x: Symbolic, X: Array, settings: dict[str, Any]) -> Symbolic:
    """The kernel of `sklearn.metrics.pairwise` of this name."""
    gamma, coef0, degree = settings.get("gamma"), settings.get("coef0", 1), settings.get("degree", 3)
    gamma = 1.0 / X.shape[1] if gamma is None else float(gamma)
    if name == "linear":
        return X @ x
    if name in ("poly", "polynomial"):
        return (gamma * (X @ x) + float(coef0)) ** float(degree)
    if name == "rbf":
        return np.exp(-gamma * squared_distances(x, X))
    if name == "laplacian":
        return np.exp(-gamma * np.sum(np.abs(x - X), axis=1))
    if name == "sigmoid":
        return np.tanh(gamma * (X @ x) + float(coef0))
    if name == "cosine":
        return (X / np.linalg.norm(X, axis=1, keepdims=True)) @ (x / np.linalg.norm(x))
    raise FrameworkError(
        f"[from_sklearn] {owner}: kernel: got {name!r}, expected one of linear, poly, rbf, laplacian, sigmoid, cosine."
    )


# ---- kernels of Gaussian processes ----------------------------------------------


def kernel_of(kernel: Any, x: Symbolic, X: Array) -> Any:
    """`kernel(x, X)`, shape (N,), of a kernel of `sklearn.gaussian_process.kernels`."""
    name = type(kernel).__name__
    if name == "ConstantKernel":
        return np.full(len(X), float(kernel.constant_value))
    if name == "WhiteKernel":
        return np.zeros(len(X))
    if name == "Sum":
        return kernel_of(kernel.k1, x, X) + kernel_of(kernel.k2, x, X)
    if name == "Product":
        return kernel_of(kernel.k1, x, X) * kernel_of(kernel.k2, x, X)
    if name == "Exponentiation":
        return kernel_of(kernel.kernel, x, X) ** float(kernel.exponent)
    if name == "RBF":
        return np.exp(-0.5 * squared_distances(x, X, kernel.length_scale))
    if name == "Matern":
        return matern(kernel, x, X)
    if name == "RationalQuadratic":
        scaled = squared_distances(x, X, kernel.length_scale) / (2.0 * float(kernel.alpha))
        return (1.0 + scaled) ** -float(kernel.alpha)
    if name == "ExpSineSquared":
        angle = np.pi * distances(x, X, kernel.periodicity)
        return np.exp(-2.0 * np.square(np.sin(angle) / float(kernel.length_scale)))
    if name == "DotProduct":
        return X @ x + float(kernel.sigma_0) ** 2
    if name == "PairwiseKernel":
        return kernel_by_name(name, kernel.metric, x, X, {"gamma": kernel.gamma})
    return unknown(kernel)


def unknown(kernel: Any) -> Any:
    raise FrameworkError(
        f"[from_sklearn] kernel: got {type(kernel).__name__}, expected one of ConstantKernel, DotProduct, "
        "Exponentiation, ExpSineSquared, Matern, PairwiseKernel, Product, RBF, RationalQuadratic, Sum, WhiteKernel."
    )


def matern(kernel: Any, x: Symbolic, X: Array) -> Symbolic:
    """exp(-d) for nu = 1/2, with a kink at every point of X; the core's operator of the squared distance for 3/2 and
    5/2; the RBF kernel for infinity.
    """
    if kernel.nu == 0.5:
        return np.exp(-distances(x, X, kernel.length_scale))
    if kernel.nu in (1.5, 2.5):
        return apply("Matern", [squared_distances(x, X, kernel.length_scale)], {"nu": float(kernel.nu)})
    if kernel.nu == np.inf:
        return np.exp(-0.5 * squared_distances(x, X, kernel.length_scale))
    raise FrameworkError(f"[from_sklearn] Matern: nu: got {kernel.nu}, expected 0.5, 1.5, 2.5 or inf.")


def diagonal_of(kernel: Any, x: Symbolic) -> Any:
    """k(x, x), with the noise of a WhiteKernel: a number or an expression of shape ()."""
    name = type(kernel).__name__
    if name == "ConstantKernel":
        return float(kernel.constant_value)
    if name == "WhiteKernel":
        return float(kernel.noise_level)
    if name == "Sum":
        return diagonal_of(kernel.k1, x) + diagonal_of(kernel.k2, x)
    if name == "Product":
        return diagonal_of(kernel.k1, x) * diagonal_of(kernel.k2, x)
    if name == "Exponentiation":
        return diagonal_of(kernel.kernel, x) ** float(kernel.exponent)
    if name == "DotProduct":
        return x @ x + float(kernel.sigma_0) ** 2
    if name in ("RBF", "Matern", "RationalQuadratic", "ExpSineSquared"):
        return 1.0
    return unknown(kernel)
