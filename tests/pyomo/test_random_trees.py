"""Random ensembles with every way of comparing, thresholds that are nearly equal or infinite, and integer features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError
from fastexpr.expression.node import apply

SOLVERS = ["appsi_highs", "highs", "scip_direct"]


class Growing:
    """The tables of an ensemble."""

    def __init__(self, random: Any, n: int, n_targets: int, is_integer: bool) -> None:
        self.random, self.n, self.n_targets, self.is_integer = random, n, n_targets, is_integer
        near = random.choice([1e-12, 1e-9, 1e-8, 1e-7, -1e-6, 1e-5], 5)
        cuts = random.uniform(-1, 1, 5)
        self.cuts = np.concatenate([cuts, cuts + near, [np.inf, -np.inf]])
        self.nodes: list[Any] = []
        self.thresholds: list[float] = []
        self.targets: list[int] = []
        self.numbers: list[float] = []

    def grow(self, depth: int) -> int:
        """A node, and all below; its place."""
        place, random = len(self.nodes), self.random
        self.nodes.append(None)
        self.thresholds.append(0.0)
        if depth == 0 or random.random() < 0.2:
            first = len(self.targets)
            said = [target for target in range(self.n_targets) if random.random() < 0.8]
            self.targets += said
            self.numbers += random.normal(size=len(said)).tolist()
            self.nodes[place] = (0, first, len(self.targets), 0, 0)
            return place
        whole = random.integers(0, 5) + random.choice([0.0, 0.5])
        self.thresholds[place] = float(whole if self.is_integer else random.choice(self.cuts))
        yes, no = self.grow(depth - 1), self.grow(depth - 1)
        mode, feature, missing = random.integers(1, 7), random.integers(self.n), random.integers(2)
        self.nodes[place] = (int(mode), int(feature), yes, no, int(missing))
        return place


def ensemble(seed: int) -> tuple[fx.Function, bool, np.ndarray]:
    random = np.random.default_rng(seed)
    n, n_targets, is_integer = int(random.integers(1, 4)), int(random.integers(1, 4)), seed % 4 == 3
    growing = Growing(random, n, n_targets, is_integer)
    roots = [growing.grow(int(random.integers(1, 5))) for _ in range(random.integers(1, 6))]
    tables = [
        np.array(growing.nodes, np.int64), np.array(growing.thresholds), np.array(growing.targets, np.int64),
        np.array(growing.numbers), np.array(roots, np.int64),
    ]  # fmt: skip
    x = fx.variables(n)
    attributes = {"n_targets": n_targets, "aggregate": ["sum", "mean", "min", "max"][seed // 4 % 4]}
    thresholds = np.array([t for node, t in zip(growing.nodes, growing.thresholds, strict=True) if node[0]])
    return fx.Function(x, apply("TreeEnsemble", [x], attributes, tables)), is_integer, thresholds


@pytest.mark.parametrize("seed", range(16))
def test_optima_and_fixed_points_are_the_ensembles_own(seed: int) -> None:
    net, is_integer, thresholds = ensemble(seed)
    random, solver, n = np.random.default_rng(seed), SOLVERS[seed % 3], net.n_inputs
    low, high = (0, 4) if is_integer else (-1, 1)
    weights, slopes = random.normal(size=net.n_outputs), random.normal(size=n)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(n), bounds=(low, high), domain=pyo.Integers if is_integer else pyo.Reals)
    m.nn = fxp.NetworkBlock(net, inputs=m.x, formulation="bigm")
    y = list(m.nn.outputs.values())
    m.cost = pyo.Objective(expr=sum(w * v for w, v in zip([*weights, *slopes], [*y, *m.x.values()], strict=True)))
    pyo.SolverFactory(solver).solve(m)
    points = random.integers(0, 5, (3000, n)) if is_integer else random.uniform(low, high, (10_000, n))
    best = (net(points.astype(float)) @ weights + points @ slopes).min()
    assert pyo.value(m.cost) <= best + (1e-6 if is_integer else 1e-3)
    assert m.nn.repair()
    x = np.array([m.x[k].value for k in range(n)])
    assert weights @ net(x) + slopes @ x == pytest.approx(pyo.value(m.cost), abs=1e-6)
    inside = thresholds[(thresholds >= low) & (thresholds <= high)]
    for _ in range(3):
        x = random.integers(0, 5, n).astype(float) if is_integer else random.uniform(low, high, n)
        if inside.size and not is_integer:
            x = np.clip(random.choice(inside, n) + random.choice([0.0, 1e-9, -1e-9], n), low, high)
        for k in range(n):
            m.x[k].fix(float(x[k]))
        for sense in (pyo.minimize, pyo.maximize):
            m.cost.sense = sense
            try:
                pyo.SolverFactory(solver).solve(m)
            except ModelError as error:  # between two thresholds that are one
                assert "that was left out" in str(error)  # noqa: PT017
                assert value_of_numbers(net, x) == pytest.approx(net(x), abs=1e-9)
                continue
            assert pyo.value(m.cost) == pytest.approx(weights @ net(x) + slopes @ x, abs=1e-6)


def value_of_numbers(net: fx.Function, x: np.ndarray) -> np.ndarray:
    """The way out: numbers as inputs."""
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net, inputs=x.tolist(), formulation="bigm")
    return np.array([pyo.value(equation.upper) for equation in m.nn.equations.values()])
