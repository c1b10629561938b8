"""Batches whose blocks are no whole vectors: points, outputs and layers of all small sizes, against NumPy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

import fastexpr as fx

Array = NDArray[np.float64]


def layers(sizes: list[int], seed: int) -> list[tuple[NDArray[np.float32], Array]]:
    random = np.random.default_rng(seed)
    return [
        ((random.standard_normal((h, k)) / np.sqrt(k)).astype(np.float32), random.standard_normal(h))
        for k, h in pairwise(sizes)
    ]


def network(parts: list[tuple[NDArray[np.float32], Array]], is_transposed: bool) -> fx.Function:
    x = fx.variables(parts[0][0].shape[1])
    y = x
    for i, (W, b) in enumerate(parts):
        y = (y @ np.ascontiguousarray(W.T) if is_transposed else W @ y) + b
        if i < len(parts) - 1:
            y = np.tanh(y)
    return fx.Function(x, y)


def by_hand(parts: list[tuple[NDArray[np.float32], Array]], x: Array) -> tuple[Array, Array]:
    J = np.eye(x.size)
    for i, (W, b) in enumerate(parts):
        x, J = W.astype(float) @ x + b, W.astype(float) @ J
        if i < len(parts) - 1:
            J = J / np.cosh(x)[:, None] ** 2
            x = np.tanh(x)
    return x, J


@pytest.mark.parametrize("m", [*range(1, 19), 33])
@pytest.mark.parametrize("is_transposed", [False, True])
def test_values_and_jacobians_of_batches(m: int, is_transposed: bool) -> None:
    parts = layers([34, 51, 19, m], m)
    net = network(parts, is_transposed)
    for points in (1, 2, 3, 7, 8, 61):
        X = np.random.default_rng(points).uniform(-2, 2, (points, 34))
        wanted = [by_hand(parts, x) for x in X]
        np.testing.assert_allclose(net(X), [y for y, _ in wanted], rtol=0, atol=1e-13)
        np.testing.assert_allclose(net.jacobian(X), [J for _, J in wanted], rtol=0, atol=1e-13)


@pytest.mark.parametrize("m", [1, 3, 40])
@pytest.mark.parametrize("is_transposed", [False, True])
def test_one_layer_alone(m: int, is_transposed: bool) -> None:
    parts = layers([40, m], 3)
    net = network(parts, is_transposed)
    for points in (1, 5, 64):
        X = np.random.default_rng(1).standard_normal((points, 40))
        np.testing.assert_allclose(net(X), X @ parts[0][0].T.astype(float) + parts[0][1], rtol=0, atol=1e-13)
        np.testing.assert_array_equal(net.jacobian(X), np.broadcast_to(parts[0][0].astype(float), (points, m, 40)))


@pytest.mark.parametrize("count", [1, 7, 8, 9, 127, 128, 129, 300])
def test_saturated_units_keep_the_digits_of_their_slopes(count: int) -> None:
    """Whatever stands beside them: one in a block of small numbers, and all."""
    x = fx.variables(count)
    net = fx.Function(x, np.sum(np.tanh(x)))
    for at in (np.linspace(-0.5, 0.5, count), np.full(count, 9.0)):
        for place in {0, count // 2, count - 1}:
            point = at.copy()
            point[place] = 19.0
            slopes = 1 / np.cosh(point) ** 2
            np.testing.assert_allclose(net.jacobian(point)[0], slopes, rtol=1e-13)
            np.testing.assert_allclose(net.hessian(point), np.diag(-2 * np.tanh(point) * slopes), rtol=1e-13, atol=0)
