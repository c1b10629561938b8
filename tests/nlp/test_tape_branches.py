"""Models full of conditions: random tapes, small and so large that their arrays grow, against derivatives in NumPy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import SUPPORT
from jets import Jet, evaluate, layer
from tape_streams import Stream, dense, symmetric

import fastexpr as fx

N = 4
A = np.random.default_rng(1).normal(size=(5, 3)) * 0.7
B = np.random.default_rng(2).normal(size=(2, 5))


def network() -> Any:
    """(3,) -> (2,)."""
    x = fx.variables(3)
    return fx.Function(x, B @ np.tanh(A @ x))


class Growth:
    """Writes a model with branches in branches; terms and nodes are shared between branches of different conditions."""

    def __init__(self, seed: int, size: int) -> None:
        self.random = np.random.default_rng(seed)
        self.stream = Stream(N, n_parameters=2)
        self.stream.targets.append(network())
        self.pool = [self.stream.x(i) for i in range(N)] + [self.stream.p(0), self.stream.p(1)]
        self.truths = [self.comparison()]
        while len(self.stream.nodes) < size:
            self.grow()

    def pick(self) -> int:
        recent = self.random.random() < 0.6
        low = max(0, len(self.pool) - 40) if recent else 0
        return self.pool[int(self.random.integers(low, len(self.pool)))]

    def bounded(self, operand: int) -> int:
        return self.stream.node(str(self.random.choice(["tanh", "sin", "atan"])), operand)

    def comparison(self) -> int:
        name = str(self.random.choice(["less", "less_equal"]))
        return self.stream.node(name, self.pick(), float(self.random.normal() * 0.3))

    def condition(self) -> int:
        kind = self.random.integers(4)
        if kind == 0 or len(self.truths) < 3:
            self.truths.append(self.comparison())
        elif kind == 1:
            first, second = self.random.integers(len(self.truths), size=2)
            self.truths.append(self.stream.node("and", self.truths[first], self.truths[second]))
        return self.truths[int(self.random.integers(max(0, len(self.truths) - 8), len(self.truths)))]

    def long_sum(self) -> int:
        """Linear and bilinear terms that other sums have, too."""
        s = self.stream
        terms = [
            s.node("product", float(self.random.normal()), self.pick())
            if self.random.random() < 0.5
            else s.node("product", self.pick(), self.pick())
            for _ in range(self.random.integers(2, 14))
        ]
        return s.node("sum", *terms, float(self.random.normal()))

    def only_where_it_exists(self) -> int:
        """log or sqrt of what may be negative, in a branch for it; the other branch leaves it alone."""
        s = self.stream
        argument = s.node("sum", self.bounded(self.pick()), 0.05)
        inside = s.node(
            "product", s.node(str(self.random.choice(["log", "sqrt"])), argument), self.bounded(self.pick())
        )
        return s.node("select", s.node("less", 0.3, argument), inside, self.bounded(self.long_sum()))

    def call(self) -> int:
        inputs = [self.bounded(self.pick()) for _ in range(3)]
        return self.stream.output(0, int(self.random.integers(2)), *inputs)

    def grow(self) -> None:
        s, kind = self.stream, self.random.integers(6)
        if kind < 2:
            new = s.node("select", self.condition(), self.bounded(self.long_sum()), self.bounded(self.long_sum()))
        elif kind == 2:
            branch = s.node("select", self.condition(), self.pick(), self.bounded(self.long_sum()))
            new = s.node("select", self.condition(), branch, self.pick())
        elif kind == 3:
            new = self.only_where_it_exists()
        elif kind == 4:
            new = s.node("select", self.condition(), self.call(), self.pick())
        else:
            new = self.bounded(self.long_sum())
        self.pool.append(self.bounded(new))


def check(growth: Growth, n_rows: int) -> None:
    """f, g and all derivatives at two points, in the norm max|a - b| / max|b|."""
    s = growth.stream
    rows = [int(operand) for operand in growth.random.choice(growth.pool[N:], n_rows)]
    outputs = [s.node("sum", *rows), *rows]
    functions = s.compile(outputs[0], outputs[1:])
    parameters = [0.4, -0.6]
    functions.set_parameters(np.array(parameters))
    weights = growth.random.normal(size=n_rows)
    for _ in range(2):
        x = growth.random.normal(size=N) * 0.5
        jets = evaluate(s, outputs, x, parameters, lambda inputs: layer(A, B, inputs))
        lagrangian = sum((w * jet.hessian for w, jet in zip(weights, jets[1:], strict=True)), 0.7 * jets[0].hessian)
        hessian = functions.hessian(x, weights, 0.7)
        close(symmetric(functions.hessian_structure(), hessian, N), lagrangian)
        close(functions.constraints(x), np.array([jet.value for jet in jets[1:]]))
        close(functions.gradient(x), jets[0].gradient)
        jacobian = dense(functions.jacobian_structure(), functions.jacobian(x), (n_rows, N))
        close(jacobian, np.array([jet.gradient for jet in jets[1:]]))


def close(a: np.ndarray, b: np.ndarray) -> None:
    assert np.isfinite(b).all()
    assert np.abs(a - b).max() <= 1e-9 * max(np.abs(b).max(), 1e-300)


@pytest.mark.parametrize("seed", range(120))
def test_small_models(seed: int) -> None:
    check(Growth(seed, 20 + seed), 5)


@pytest.mark.parametrize("size", [300, 700, 1500, 3000, 6000])
def test_models_whose_arrays_grow(size: int) -> None:
    check(Growth(size, size), 12)


def test_a_jet_is_right() -> None:
    """The reference itself, against differences."""
    growth = Growth(3, 60)
    x, d, h = np.array([0.3, -0.2, 0.5, 0.1]), np.array([0.4, -0.3, 0.2, 0.7]), 1e-5

    def at(z: np.ndarray) -> Jet:
        return evaluate(growth.stream, [growth.pool[-1]], z, [0.4, -0.6], lambda inputs: layer(A, B, inputs))[0]

    plus, minus = at(x + h * d), at(x - h * d)
    assert (plus.value - minus.value) / (2 * h) == pytest.approx(at(x).gradient @ d, rel=1e-7, abs=1e-9)
    np.testing.assert_allclose((plus.gradient - minus.gradient) / (2 * h), at(x).hessian @ d, rtol=1e-6, atol=1e-8)


def test_memory_that_was_given_back_is_not_read() -> None:
    """With MALLOC_PERTURB_ the C library overwrites what is freed: a view of an array that has grown shows."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import test_tape_branches as t\n"
        "for k in range(60): t.check(t.Growth(k, 20 + 7 * k), 5)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(SUPPORT)],
        env={**os.environ, "MALLOC_PERTURB_": "165"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
