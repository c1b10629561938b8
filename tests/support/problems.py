"""Problems that several test files solve: by Hock and Schittkowski, and with a network of tanh layers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fastexpr as fx
from fastexpr.expression import Expression
from fastexpr.problem.statement import Constraint
from fastexpr.solvers import available

SOLVERS = available()
each_solver = pytest.mark.parametrize("solver", SOLVERS)

Layers = list[tuple[np.ndarray, np.ndarray]]


def weights_of(random: np.random.Generator, *sizes: int) -> Layers:
    layers = itertools.pairwise(sizes)
    return [(random.standard_normal((m, n)) / np.sqrt(n), 0.1 * random.standard_normal(m)) for n, m in layers]


def forward(weights: Layers, x: Any) -> Any:
    """The network of tanh layers by NumPy, on numbers or expressions."""
    for matrix, bias in weights[:-1]:
        x = np.tanh(matrix @ x + bias)
    return weights[-1][0] @ x + weights[-1][1]


def function_of(weights: Layers) -> fx.Function:
    x = fx.variables(weights[0][0].shape[1])
    return fx.Function(x, forward(weights, x))


WEIGHTS = weights_of(np.random.default_rng(5), 4, 12, 12, 3)
NETWORK = function_of(WEIGHTS)


# The problem, its x and y, and two constraints.
Stated = tuple[fx.Problem, Expression, Expression, Constraint, Constraint]


def full_space(network: fx.Function, **settings: Any) -> Stated:
    p = fx.Problem()
    x = p.variables(4, lower=-1, upper=1, start=0.2)
    y = p.network(network, x, **settings)
    p.minimize(((x - 0.3) ** 2).sum() + 0.1 * y[0])
    return p, x, y, p.subject_to(y[1] - x[0] * x[1], lower=0.8), p.subject_to(y[2], upper=0.1)


def reduced_space(network: fx.Function) -> Stated:
    p = fx.Problem()
    x = p.variables(4, lower=-1, upper=1, start=0.2)
    y = network(x)
    p.minimize(((x - 0.3) ** 2).sum() + 0.1 * y[0])
    return p, x, y, p.subject_to(y[1] - x[0] * x[1], lower=0.8), p.subject_to(y[2], upper=0.1)


def mixed_problem() -> fx.Problem:
    p = fx.Problem()
    x = p.variables((2, 4), lower=-1, upper=1, start=np.random.default_rng(6).uniform(-0.5, 0.5, (2, 4)))
    y = p.network(NETWORK, x)
    z = p.network(NETWORK, x[0][[3, 3, 1, 0]])
    p.maximize((np.sin(x) * x[::-1]).sum() - (y**2).sum() - z[0] ** 4 + NETWORK(x[1])[0])
    p.subject_to(np.exp(x[0]) * y[0, 0], upper=3)
    p.subject_to(x[:, 0] - x[:, 1], lower=-1)
    return p


# ---- Hock and Schittkowski, Test Examples for Nonlinear Programming Codes (1981) ----


def hs006(p: fx.Problem) -> None:
    x = p.variables(2, start=[-1.2, 1.0])
    p.minimize((1 - x[0]) ** 2)
    p.subject_to(10 * (x[1] - x[0] ** 2), equal=0)


def hs011(p: fx.Problem) -> None:
    x = p.variables(2, start=[4.9, 0.1])
    p.minimize((x[0] - 5) ** 2 + x[1] ** 2 - 25)
    p.subject_to(x[1], lower=x[0] ** 2)


def hs039(p: fx.Problem) -> None:
    x = p.variables(4, start=2)
    p.minimize(-x[0])
    p.subject_to(x[1] - x[0] ** 3 - x[2] ** 2, equal=0)
    p.subject_to(x[0] ** 2 - x[1] - x[3] ** 2, equal=0)


def hs043(p: fx.Problem) -> None:
    x = p.variables(4, start=0)
    p.minimize((x**2 * [1, 1, 2, 1]).sum() + x @ np.array([-5.0, -5.0, -21.0, 7.0]))
    p.subject_to((x**2).sum() + x @ np.array([1.0, -1.0, 1.0, -1.0]), upper=8)
    p.subject_to((x**2 * [1, 2, 1, 2]).sum() - x[0] - x[3], upper=10)
    p.subject_to((x**2 * [2, 1, 1, 0]).sum() + 2 * x[0] - x[1] - x[3], upper=5)


def hs065(p: fx.Problem) -> None:
    x = p.variables(3, lower=[-4.5, -4.5, -5], upper=[4.5, 4.5, 5], start=[-5, 5, 0])
    p.minimize((x[0] - x[1]) ** 2 + (x[0] + x[1] - 10) ** 2 / 9 + (x[2] - 5) ** 2)
    p.subject_to((x**2).sum(), upper=48)


def hs071(p: fx.Problem) -> None:
    x = p.variables(4, lower=1, upper=5, start=[1, 5, 5, 1])
    p.minimize(x[0] * x[3] * x[:3].sum() + x[2])
    p.subject_to(x.prod(), lower=25)
    p.subject_to((x**2).sum(), equal=40)


def hs080(p: fx.Problem) -> None:
    bound = np.array([2.3, 2.3, 3.2, 3.2, 3.2])
    x = p.variables(5, lower=-bound, upper=bound, start=[-2, 2, 2, -1, -1])
    p.minimize(np.exp(x.prod()))
    p.subject_to(np.stack([(x**2).sum(), x[1] * x[2] - 5 * x[3] * x[4], x[0] ** 3 + x[1] ** 3]), equal=[10, 0, -1])


def hs112(p: fx.Problem) -> None:
    c = np.array([-6.089, -17.164, -34.054, -5.914, -24.721, -14.986, -24.1, -10.708, -26.662, -22.179])
    matrix = np.zeros((3, 10))
    matrix[0, [0, 1, 2, 5, 9]] = 1, 2, 2, 1, 1
    matrix[1, [3, 4, 5, 6]] = 1, 2, 1, 1
    matrix[2, [2, 6, 7, 8, 9]] = 1, 1, 1, 2, 1
    x = p.variables(10, lower=1e-6, start=0.1)
    p.minimize((x * (c + np.log(x / x.sum()))).sum())
    p.subject_to(matrix @ x, equal=[2, 1, 1])
