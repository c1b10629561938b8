"""Models with trained or random networks in them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pyomo.dae as dae
import pyomo.environ as pyo
from folders import ROOT
from networks import network
from sklearn.datasets import load_diabetes, load_digits

import fastexpr as fx
import fastexpr.pyomo as fxp
from pyomo_models.dynamic import collocate
from pyomo_models.table import example, start_at

EXAMPLES = ROOT / "examples"


def layered(widths: list[int], seed: int, squash: Any = np.tanh) -> fx.Function:
    """A network of several layers with random weights."""
    rng = np.random.default_rng(seed)
    inputs = values = fx.variables(widths[0])
    for before, after in itertools.pairwise(widths[:-1]):
        values = squash(
            rng.standard_normal((after, before)) / np.sqrt(before) @ values + 0.3 * rng.standard_normal(after)
        )
    last = rng.standard_normal((widths[-1], widths[-2])) / np.sqrt(widths[-2])
    return fx.Function(inputs, last @ values)


@example("a NetworkBlock in the objective and in constraints")
def network_block() -> pyo.ConcreteModel:
    m = start_at([0.3] * 4, lower=-2, upper=2)
    m.nn = fxp.NetworkBlock(network(4, 3), inputs=m.x)
    y = m.nn.outputs
    m.f = pyo.Objective(expr=sum((x - 1) ** 2 for x in m.x.values()) + y[0] ** 2 * y[1])
    m.c = pyo.Constraint(expr=y[2] <= 0.1)
    m.d = pyo.Constraint(expr=y[0] * m.x[2] + y[1] >= -0.5)
    return m


@example("bare outputs used nonlinearly: in products, powers, functions and quotients, each in several rows")
def external_network() -> pyo.ConcreteModel:
    m = start_at([0.2, -0.1, 0.4], lower=-2, upper=2)
    m.net = fxp.ExternalNetwork(network(3, 3, seed=1))
    y = m.net(m.x)
    x = m.x
    m.f = pyo.Objective(
        expr=pyo.exp(y[0] / 2) + y[1] ** 2 * x[1] ** 2 + (y[2] - x[3]) ** 2 + sum(v**2 for v in x.values())
    )
    m.c = pyo.Constraint(expr=y[0] * y[1] + pyo.sin(y[2]) >= x[1] - 2)
    m.d = pyo.Constraint(expr=y[0] / (1 + y[2] ** 2) <= 0.4)
    m.e = pyo.Constraint(expr=y[0] + y[1] + y[2] - x[2] == 0.5)
    m.g = pyo.Constraint(expr=(-4, y[0] - x[3] * y[1], 4))
    return m


@example("networks fed by expressions, numbers, Params, the same variable twice, and other networks' outputs")
def chained_networks() -> pyo.ConcreteModel:
    m = start_at([0.4, -0.2, 0.1], lower=-2, upper=2)
    m.p = pyo.Param(initialize=0.3, mutable=True)
    m.first = fxp.ExternalNetwork(network(4, 2, seed=2))
    m.second = fxp.ExternalNetwork(network(3, 2, seed=3))
    x, y, z = m.x.values()
    a = m.first(x * y, pyo.exp(z) - 1, m.p, 0.5)
    b = m.first(x, x, y + 2 * z, m.p**2)
    m.named = pyo.Expression(expr=a[0] * b[1])
    c = m.second(a[1], m.named, pyo.sin(y))
    m.f = pyo.Objective(expr=(c[0] - 0.3) ** 2 + c[1] * b[0] + x**2 + y**2 + z**2)
    m.c = pyo.Constraint(expr=c[0] + m.named >= 0.2)
    m.d = pyo.Constraint(expr=a[0] - b[0] <= 1)
    return m


@example("the same network at ten places: y[t+1] = net(y[t], u[t])")
def network_dynamics() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.y = pyo.Var(range(3), range(11), initialize=0.1, bounds=(-5, 5))
    m.u = pyo.Var(range(2), range(10), initialize=0.0, bounds=(-1, 1))
    m.net = fxp.ExternalNetwork(network(5, 3, width=12, seed=4))
    for i in range(3):
        m.y[i, 0].fix(0.2 * i - 0.1)

    @m.Constraint(range(3), range(10))
    def law(m: pyo.ConcreteModel, i: int, t: int) -> Any:
        return m.y[i, t + 1] == m.net([*m.y[:, t], *m.u[:, t]])[i]

    m.f = pyo.Objective(
        expr=sum((m.y[0, t] - 0.5) ** 2 + 0.1 * m.y[2, t] ** 2 for t in range(1, 11))
        + 0.05 * sum(u**2 for u in m.u.values())
    )
    return m


@example("an indexed NetworkBlock whose blocks feed each other; a maximum")
def network_cascade() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.u = pyo.Var(range(5), bounds=(-1, 1), initialize=0.1)
    m.nn = fxp.NetworkBlock(range(5), network=network(3, 2, width=8, seed=5))
    m.tie = pyo.ConstraintList()
    for t in range(5):
        inputs = m.nn[t].inputs
        m.tie.add(inputs[0] == m.u[t])
        for k in (1, 2):
            m.tie.add(inputs[k] == (0.1 * k if t == 0 else m.nn[t - 1].outputs[k - 1]))
    m.f = pyo.Objective(expr=m.nn[4].outputs[0] - sum(u**2 for u in m.u.values()), sense=pyo.maximize)
    m.limit = pyo.Constraint(range(1, 5), rule=lambda m, t: m.nn[t].outputs[1] >= m.nn[t - 1].outputs[1] - 2)
    return m


@example("two networks of several layers, softplus and sigmoid, with one fixed input each")
def deep_networks() -> pyo.ConcreteModel:
    m = start_at([0.1, 0.2, -0.3, 0.5], lower=-3, upper=3)
    m.x[4].fix()
    m.soft = fxp.NetworkBlock(layered([4, 8, 8, 2], 6, lambda z: np.logaddexp(0, z)), inputs=m.x)
    m.logistic = fxp.NetworkBlock(layered([4, 10, 5, 3], 7, lambda z: 1 / (1 + np.exp(-z))), inputs=m.x)
    y, z = m.soft.outputs, m.logistic.outputs
    m.f = pyo.Objective(expr=(y[0] - z[0]) ** 2 + y[1] * z[1] + 0.1 * sum(x**2 for x in m.x.values()))
    m.c = pyo.Constraint(expr=y[0] + z[2] ** 3 <= 1)
    return m


@example("an equilibrium: the network's own outputs are its inputs, a square system without objective")
def fixed_point() -> pyo.ConcreteModel:
    m = start_at([0.5, 0.1, -0.2])
    m.net = fxp.ExternalNetwork(network(3, 3, seed=8))
    y = m.net(m.x)
    m.c = pyo.Constraint([1, 2, 3], rule=lambda m, i: m.x[i] == 0.3 * y[i - 1])
    return m


@example("a differential equation whose right side is partly a network, collocated after it was built")
def hybrid_reactor() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.t = dae.ContinuousSet(bounds=(0, 1))
    m.x = pyo.Var(range(2), m.t, initialize=0.2, bounds=(-3, 3))
    m.u = pyo.Var(m.t, initialize=0.1, bounds=(0, 1))
    m.rate = dae.DerivativeVar(m.x, wrt=m.t)
    m.net = fxp.ExternalNetwork(network(3, 2, width=8, seed=9))

    @m.Constraint(range(2), m.t)
    def law(m: pyo.ConcreteModel, i: int, t: float) -> Any:
        return m.rate[i, t] == m.net(m.x[0, t], m.x[1, t], m.u[t])[i] * (1 + m.x[i, t] ** 2) - m.x[i, t] + m.u[t]

    m.x[0, 0].fix(0.1)
    m.x[1, 0].fix(0.0)
    collocate(m, elements=4, points=2)
    m.f = pyo.Objective(expr=sum((m.x[0, t] - 0.8) ** 2 + 0.1 * (m.u[t] - 0.2) ** 2 for t in m.t))
    return m


@example("digits.onnx: the smallest change that makes it read another digit; 64 inputs, 10 outputs")
def digits() -> pyo.ConcreteModel:
    images, _ = load_digits(return_X_y=True)
    image = images[0] / 16.0
    net = fx.load_onnx(EXAMPLES / "digits" / "digits.onnx").with_bounds(np.zeros(64), np.ones(64))
    m = pyo.ConcreteModel()
    m.network = fxp.NetworkBlock(net, bounds=False)
    x, score = m.network.inputs, m.network.outputs
    for k, pixel in enumerate(image):
        x[k].set_value(pixel)
        x[k].setlb(-0.05)
        x[k].setub(1.05)
    m.network.initialize()
    m.change = pyo.Objective(expr=sum((x[k] - pixel) ** 2 for k, pixel in enumerate(image)))
    m.margin = pyo.Constraint([0, 2, 5, 8, 9], rule=lambda m, k: score[3] >= score[k] + 1)
    return m


@example("diabetes.onnx: the patient within the data's range who fares worst")
def diabetes() -> pyo.ConcreteModel:
    patients = load_diabetes(scaled=False)
    net = fx.load_onnx(EXAMPLES / "diabetes" / "diabetes.onnx").with_names(inputs=patients.feature_names)
    net = net.with_bounds(patients.data.min(axis=0), patients.data.max(axis=0))
    m = pyo.ConcreteModel()
    m.nn = fxp.NetworkBlock(net)
    m.nn.outputs["progression"].setub(None)  # the optimum comes too close to the range's end
    m.blood = pyo.Constraint(expr=m.nn.inputs["s1"] >= m.nn.inputs["s2"] + m.nn.inputs["s3"])
    m.worst = pyo.Objective(expr=m.nn.outputs["progression"], sense=pyo.maximize)
    return m
