"""Networks inside the tape: every way an output can be used, against JAX; batches; functions written in Python."""

from __future__ import annotations

import threading
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from tape_streams import Stream, compare

import fastexpr as fx
from fastexpr.errors import GraphError, ShapeError

A = np.random.default_rng(1).normal(size=(5, 3)) * 0.7
B = np.random.default_rng(2).normal(size=(2, 5))


def network() -> Any:
    """(3,) -> (2,)."""
    x = fx.variables(3)
    return fx.Function(x, B @ np.tanh(A @ x))


def network_in_jax(x: Any) -> Any:
    return B @ jnp.tanh(A @ x)


def stream(n: int, n_parameters: int = 0) -> Stream:
    s = Stream(n, n_parameters)
    s.targets.append(network())
    s.targets_in_jax.append(network_in_jax)
    return s


X = np.array([0.3, -0.4, 0.8, 0.1])


def test_outputs_as_rows_and_objective() -> None:
    s = stream(4)
    inputs = (s.x(0), s.x(1), s.x(3))
    outputs = [s.output(0, k, *inputs) for k in (0, 1)]
    functions = compare(s, [outputs[0], outputs[1], s.node("sum", outputs[0], s.node("negation", s.x(2)))], X)
    assert functions.jacobian_structure()[0].size == 3 + 4
    assert functions.hessian_structure()[0].size == 6


def test_outputs_used_nonlinearly_and_several_times() -> None:
    s = stream(4)
    y = [s.output(0, k, s.x(0), s.x(1), s.x(2)) for k in (0, 1)]
    product = s.node("product", y[0], y[1])
    rows = [
        s.node("exp", y[0]),
        s.node("sum", product, s.node("product", y[0], s.x(3)), s.node("power", y[1], 3.0)),
        s.node("product", product, product),
        y[1],
    ]
    compare(s, [s.node("sin", s.node("sum", y[0], y[1], s.x(0))), *rows], X)


def test_inputs_that_are_expressions_constants_parameters_and_equal() -> None:
    s = stream(4, n_parameters=1)
    inner = s.node("product", s.x(0), s.node("exp", s.x(1)))
    calls = [
        s.output(0, 0, inner, s.x(2), s.node("product", -2.0, s.x(3))),
        s.output(0, 1, s.x(0), s.x(0), s.x(1)),  # the same variable twice
        s.output(0, 1, s.x(0), s.x(0), s.node("product", 3.0, s.x(0))),
        s.output(0, 0, s.p(0), 0.5, s.x(2)),
        s.output(0, 1, s.p(0), s.p(0), 0.25),  # no variable at all
    ]
    compare(s, [s.node("sum", *calls), *(s.node("product", call, s.x(3)) for call in calls)], X, np.array([0.7]))


def test_networks_fed_by_networks() -> None:
    s = stream(4)
    states = [s.x(0), s.x(1)]
    for step in range(4):  # y[t+1] = net(y[t], u): as deep as there are steps
        states = [s.output(0, k, *states, s.x(2 + step % 2)) for k in (0, 1)]
    compare(s, [s.node("product", *states), s.node("power", states[0], 2.0)], X, tolerance=1e-11)


def test_a_network_in_a_branch() -> None:
    s = stream(4)
    y = s.output(0, 0, s.x(0), s.x(1), s.x(2))
    for x in (X, -X):
        compare(s, [s.node("select", s.node("less", 0.0, s.x(3)), s.node("product", y, y), s.x(0))], x)


def test_equal_calls_are_one_and_equal_networks_one_batch() -> None:
    """A function that counts: once a point for all outputs, whatever uses them."""
    counted = Counted()
    s = Stream(4)
    s.targets.append(counted)
    y = [s.output(0, 0, s.x(0), s.x(1)) for _ in range(3)]
    functions = s.compile(s.node("product", y[0], y[1]), [s.node("exp", y[2]), y[0]])
    functions.objective(X)
    functions.constraints(X)
    assert counted.orders == [0]
    functions.gradient(X)
    functions.jacobian(X)
    functions.hessian(X, np.ones(2), 1.0)
    assert counted.orders == [0, 1, 2]


class Counted:
    """x * y^2 in Python."""

    n_inputs, n_outputs = 2, 1

    def __init__(self) -> None:
        self.orders: list[int] = []

    def evaluate(self, x: Any, order: int) -> Any:
        self.orders.append(order)
        a, b = x
        value = np.array([a * b**2])
        jacobian = np.array([[b**2, 2 * a * b]])
        return value, jacobian, np.array([[[0.0, 2 * b], [2 * b, 2 * a]]])


def test_functions_written_in_python() -> None:
    s = Stream(4)
    s.targets.append(Counted())
    s.targets_in_jax.append(lambda x: jnp.array([x[0] * x[1] ** 2]))
    y = s.output(0, 0, s.node("sin", s.x(0)), s.x(1))
    z = s.output(0, 0, y, s.x(2))
    compare(s, [s.node("product", y, s.x(2)), y, s.node("exp", z)], X)


def test_what_a_function_written_in_python_raises_reaches_the_caller() -> None:
    class Failing(Counted):
        def evaluate(self, x: Any, order: int) -> Any:
            if order == 1:
                raise RuntimeError("no derivative today")
            return super().evaluate(x, order)

    s = Stream(4)
    s.targets.append(Failing())
    functions = s.compile(s.output(0, 0, s.x(0), s.x(1)), [])
    value = functions.objective(X)
    with pytest.raises(RuntimeError, match="no derivative today"):
        functions.gradient(X)
    assert functions.objective(X) == value


def test_derivatives_of_a_wrong_shape_are_refused() -> None:
    class Wrong(Counted):
        def evaluate(self, x: Any, order: int) -> Any:
            return np.zeros(1), np.zeros((2, 1)), None

    s = Stream(4)
    s.targets.append(Wrong())
    functions = s.compile(s.output(0, 0, s.x(0), s.x(1)), [])
    with pytest.raises(ShapeError, match=r"got \(2, 1\), expected \(1, 2\)"):
        functions.gradient(X)


def test_calls_that_do_not_fit_are_refused() -> None:
    for output, inputs, message in ((2, 3, "no output 2"), (0, 2, "it has 3 inputs"), (-1, 3, "no output -1")):
        s = stream(4)
        with pytest.raises(GraphError, match=message):
            s.compile(s.output(0, output, *(s.x(k) for k in range(inputs))), [])


def test_many_places_are_one_batch() -> None:
    """40 steps of one network: sparse, and as many loops as one step has."""
    steps = 40
    s = stream(3 * steps + 2)
    rows = []
    for t in range(steps):
        inputs = [s.x(3 * t + k) for k in range(3)]
        rows += [s.node("sum", s.output(0, k, *inputs), s.node("negation", s.x(3 * t + 3 + k))) for k in (0, 1)]
    functions = s.compile(s.constant(0.0), rows)
    assert functions.jacobian_structure()[0].size == steps * (6 + 2)
    assert functions.hessian_structure()[0].size == steps * 6
    assert functions.n_runs < 10
    x = np.random.default_rng(5).normal(size=s.n)
    net = network()
    expected = net(x[:-2].reshape(steps, 3)) - np.stack([x[3::3], x[4::3]], axis=1)
    np.testing.assert_allclose(functions.constraints(x), expected.ravel(), rtol=1e-13, atol=1e-14)


def test_threads_take_turns() -> None:
    s = stream(4)
    y = s.output(0, 0, s.x(0), s.x(1), s.x(2))
    functions = s.compile(s.node("product", y, s.x(3)), [y])
    points = np.random.default_rng(0).normal(size=(8, 4))
    expected = [functions.hessian(x, np.ones(1), 1.0) for x in points]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(200):
            if not np.array_equal(functions.hessian(points[k], np.ones(1), 1.0), expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
