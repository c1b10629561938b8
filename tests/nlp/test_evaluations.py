"""What a program computes at a point serves all that is asked for there, in whatever order solvers ask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import network
from tape_streams import Stream, close, dense, symmetric

import fastexpr as fx


def sparse_network(n: int) -> fx.Function:
    x = fx.variables(n)
    return fx.Function(x, np.tanh(x[1:]) * x[:-1])


def wide_network() -> fx.Function:
    """Of more inputs than its first layer has units: tangents start there."""
    x = fx.variables(30)
    weights = np.random.default_rng(5).normal(size=(3, 30)) / 5.0
    return fx.Function(x, np.exp(np.tanh(weights @ x)))


NETWORKS = {
    "dense": lambda: network(3, 2),
    "one output": lambda: network(4, 1, seed=3),
    "more outputs than inputs": lambda: network(2, 5, seed=4),
    "sparse": lambda: sparse_network(40),
    "wide": wide_network,
    "affine": lambda: fx.Function(x := fx.variables(3), np.arange(6.0).reshape(2, 3) @ x),
}


def program(net: fx.Function, places: int) -> tuple[Any, int]:
    """Rows are the outputs of all places; place p reads the variables p, p + 1, ..."""
    n = net.n_inputs + places - 1
    s = Stream(n)
    s.targets = [net]
    rows = [
        s.output(0, k, *(s.x(place + i) for i in range(net.n_inputs)))
        for place in range(places)
        for k in range(net.n_outputs)
    ]
    return s.compile(s.constant(0.0), rows), n


@pytest.mark.parametrize("places", [1, 3, 37])
@pytest.mark.parametrize("kind", NETWORKS)
def test_any_order_of_questions_has_the_same_answers(kind: str, places: int) -> None:
    net = NETWORKS[kind]()
    functions, n = program(net, places)
    random = np.random.default_rng(places)
    points = [random.normal(size=n) for _ in range(3)]
    m = places * net.n_outputs
    for _ in range(25):
        x, weights = points[random.integers(3)], random.normal(size=m)
        at = np.array([x[p : p + net.n_inputs] for p in range(places)])
        values, jacobians, hessians = net.evaluate(at, weights.reshape(places, -1))
        question = random.integers(3)
        if question == 0:
            close(functions.constraints(x), values.ravel(), 1e-14)
        elif question == 1:
            expected = np.zeros((m, n))
            for p in range(places):
                expected[p * net.n_outputs : (p + 1) * net.n_outputs, p : p + net.n_inputs] = jacobians[p]
            close(dense(functions.jacobian_structure(), functions.jacobian(x), (m, n)), expected, 1e-13)
        else:
            expected = np.zeros((n, n))
            for p in range(places):
                expected[p : p + net.n_inputs, p : p + net.n_inputs] += hessians[p]
            close(symmetric(functions.hessian_structure(), functions.hessian(x, weights, 0.0), n), expected, 1e-13)


def test_a_point_that_is_not_finite_leaves_nothing_behind() -> None:
    functions, n = program(network(3, 2), 5)
    x = np.linspace(-1.0, 1.0, n)
    before = functions.jacobian(x), functions.hessian(x, np.ones(10), 0.0)
    functions.jacobian(np.full(n, np.nan))
    functions.hessian(np.full(n, np.inf), np.ones(10), 0.0)
    np.testing.assert_array_equal(functions.hessian(x, np.ones(10), 0.0), before[1])
    np.testing.assert_array_equal(functions.jacobian(x), before[0])


def test_calls_that_count_only_in_some_rows_keep_their_weights() -> None:
    """A call whose outputs are linear rows, one whose output is squared, and one that nothing but a value needs."""
    net = network(2, 2, seed=1)
    s = Stream(6)
    s.targets = [net]
    first, second = ([s.output(0, k, s.x(i), s.x(i + 1)) for k in (0, 1)] for i in (0, 2))
    rows = [s.node("sum", first[0], s.node("product", 3.0, first[1])), s.node("product", second[0], second[1])]
    functions = s.compile(s.node("exp", s.node("product", first[1], s.x(5))), rows)
    x, w = np.random.default_rng(0).normal(size=6), np.array([0.4, -1.3])
    h = 1e-6

    def slope(z: Any) -> Any:
        return 0.7 * functions.gradient(z) + w @ dense(functions.jacobian_structure(), functions.jacobian(z), (2, 6))

    differences = np.array([(slope(x + h * e) - slope(x - h * e)) / (2 * h) for e in np.eye(6)])
    hessian = symmetric(functions.hessian_structure(), functions.hessian(x, w, 0.7), 6)
    close(hessian, differences, 1e-7)
