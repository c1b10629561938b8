"""Hessians from products with blocks of directions: what is done where a layer has many units and few weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from token_formulas import WEIGHTS, N, hidden, second_moments

import fastexpr as fx


def squares(x: Any) -> Any:
    """More outputs than inputs; a sparse Hessian."""
    return hidden(x) ** 2


FORMULAS: dict[str, Callable[[Any], Any]] = {"coupled": second_moments, "separate": squares}


@pytest.fixture(params=FORMULAS)
def net(request: pytest.FixtureRequest) -> fx.Function:
    x = fx.variables(N)
    return fx.Function(x, FORMULAS[request.param](x).ravel())


def test_all_derivatives_agree(net: fx.Function) -> None:
    random = np.random.default_rng(1)
    X, W = random.normal(size=(2, N)), random.normal(size=(2, net.n_outputs))
    value, jacobian, hessian = net.evaluate(X[0], W[0])
    columns = net.hvp(np.tile(X[0], (N, 1)), np.tile(W[0], (N, 1)), np.eye(N))
    scale = np.abs(columns).max()
    assert np.abs(hessian - columns).max() <= 1e-14 * scale
    np.testing.assert_array_equal(hessian, hessian.T)
    np.testing.assert_array_equal(hessian, net.hessian(X[0], W[0]))
    np.testing.assert_array_equal(value, net(X[0]))
    np.testing.assert_array_equal(jacobian, net.jacobian(X[0]))
    assert np.abs(net.hessian(X[0], W[0], sparse=True).toarray() - hessian).max() <= 1e-14 * scale
    both = net.hessian(X, W)
    assert np.abs(both[0] - hessian).max() <= 1e-14 * scale
    assert np.abs(both[1] - net.hessian(X[1], W[1])).max() <= 1e-14 * scale


def test_threads_change_no_digit() -> None:
    x = fx.variables(N)
    net = fx.Function(x, second_moments(x).ravel())
    point, weights, before = np.linspace(-1, 1, N), np.ones(net.n_outputs), fx.num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            fx.set_num_threads(count)
            results.append(net.hessian(point, weights))
    finally:
        fx.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_memory_does_not_grow_with_the_square_of_the_inputs() -> None:
    def mebibytes(tokens: int) -> float:
        x = fx.variables(2 * tokens)
        net = fx.Function(x, np.sum(np.tanh(x.reshape(tokens, 2) @ WEIGHTS) ** 2, axis=0))
        number, unit = repr(net).partition("Hessian: ")[2].rstrip(")>").split()
        return float(number) * {"KiB": 1e-3, "MiB": 1.0, "GiB": 1e3}[unit]

    assert mebibytes(2000) < 25 * mebibytes(100)
