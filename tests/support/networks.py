"""Small networks with known weights, and the same ones written out as Pyomo algebra."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyomo.environ as pyo

import fastexpr as fx
import fastexpr.pyomo as fxp


@dataclasses.dataclass
class Weights:
    """f(x) = V tanh(W x + b) + c"""

    W: np.ndarray  # (h, n)
    b: np.ndarray  # (h,)
    V: np.ndarray  # (m, h)
    c: np.ndarray  # (m,)


def weights(n: int, m: int, width: int = 6, seed: int = 0) -> Weights:
    rng = np.random.default_rng(seed)
    draw = rng.standard_normal
    return Weights(draw((width, n)) / np.sqrt(n), draw(width), draw((m, width)) / np.sqrt(width), draw(m))


def network(n: int, m: int, width: int = 6, seed: int = 0) -> fx.Function:
    numbers = weights(n, m, width, seed)
    x = fx.variables(n)
    return fx.Function(x, numbers.V @ np.tanh(numbers.W @ x + numbers.b) + numbers.c)


def algebra(n: int, m: int, x: Sequence[Any], width: int = 6, seed: int = 0) -> list[Any]:
    """The outputs of `network` of the same arguments as plain Pyomo expressions."""
    numbers = weights(n, m, width, seed)
    hidden = [
        pyo.tanh(sum(float(w) * x_i for w, x_i in zip(row, x, strict=True)) + float(b))
        for row, b in zip(numbers.W, numbers.b, strict=True)
    ]
    return [
        sum(float(v) * unit for v, unit in zip(row, hidden, strict=True)) + float(c)
        for row, c in zip(numbers.V, numbers.c, strict=True)
    ]


def model_with_external_network(net: fx.Function, x: np.ndarray) -> pyo.ConcreteModel:
    """`net` at m.x, which starts at `x`, as external functions m.net; m.y is twice the first output."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(x.size), initialize=dict(enumerate(x.tolist())), bounds=(-2, 2))
    model.net = fxp.ExternalNetwork(net)
    model.y = pyo.Expression(expr=model.net(model.x)[0] * 2)
    return model
