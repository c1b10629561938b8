"""Functions that build problems and models for tests of many solves: workers import them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo

import fastexpr as fx
from fastexpr.expression import Expression
from fastexpr.problem.result import Result


def priced() -> fx.Problem:
    p = fx.Problem()
    price = p.parameters((), name="price")
    x = p.variables((), lower=0.0, name="x")
    p.minimize(price * x + 1.0 / (1.0 + x))
    return p


def with_network(net: fx.Function, where: Path | None = None) -> tuple[fx.Problem, list[Expression]]:
    """A network over a moving box; each build leaves a mark in the folder."""
    if where is not None:
        (where / f"{os.getpid()}-{time.monotonic_ns()}").touch()
    p = fx.Problem()
    center = p.parameters(2, name="center")
    x = p.variables(2, lower=-2.0, upper=2.0, name="x")
    p.minimize(net(x)[0] + ((x - center) ** 2).sum())
    return p, [center]


def random_network(n_hidden: int = 20) -> fx.Function:
    random = np.random.default_rng(0)
    x = fx.variables(2)
    W, V = random.normal(size=(n_hidden, 2)), random.normal(size=(1, n_hidden))
    return fx.Function(x, V @ np.tanh(W @ x))


class Trap:
    """Builds `priced`; a solve at the price ends or holds up its process. With `once`, only the first time."""

    def __init__(self, price: float, do: str, once: Path | None = None) -> None:
        self.price, self.do, self.once = price, do, once

    def __call__(self) -> Trapped:
        return Trapped(priced(), self)


class Trapped(fx.Problem):
    def __init__(self, problem: fx.Problem, trap: Trap) -> None:
        self.__dict__.update(problem.__dict__)
        self._trap = trap

    def solve(self, **settings: Any) -> Result:  # type: ignore[override]
        trap = self._trap
        (price,) = settings["parameters"].values()
        if price == trap.price and not (trap.once is not None and trap.once.exists()):
            if trap.once is not None:
                trap.once.touch()
            if trap.do == "die":
                os.kill(os.getpid(), 9)
            if trap.do == "hang":
                time.sleep(600)
            raise ArithmeticError("no such price")
        return super().solve(**settings)


def model() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.price = pyo.Param([1, 2], mutable=True, initialize=1.0)
    m.x = pyo.Var([1, 2], bounds=(0, None), initialize=1.0)
    m.z = pyo.Var(initialize=0.0)
    m.cost = pyo.Objective(expr=sum(m.price[k] * m.x[k] + 1 / (1 + m.x[k]) for k in (1, 2)) + m.z**2)
    return m
