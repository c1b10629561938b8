"""Sensitivities of solutions on kinks and with integers, beside differences of problems that are solved again."""

import numpy as np
import pyomo.environ as pyo
import pytest

import fastexpr as fx
import fastexpr.pyomo as fxp
from fastexpr.errors import ModelError

CLOSE = 1e-6  # of max(1, |derivative|)
STEP = 1e-4


def relu_net(random, n, outputs=2):
    u = fx.variables(n)
    W, b, V = random.normal(size=(12, n)), 0.3 * random.normal(size=12), random.normal(size=(outputs, 12))
    return fx.Function(u, V @ np.maximum(W @ u + b, 0.0))


def by_network(seed):
    """A network as variables, a limit that moves, prices."""
    random = np.random.default_rng(seed)
    net = relu_net(random, 4)
    p = fx.Problem()
    a = p.parameters((), value=1.0, name="a")
    x = p.variables(4, lower=-1.0, upper=1.0, start=0.1)
    y = p.network(net, x)
    p.minimize(a * y[0] + ((x - 0.2 * a) ** 2).sum())
    p.subject_to(y[1], upper=0.3 * a)
    return p, a, [x, y]


def by_input(seed):
    """A parameter that is an input of the network: walls themselves move."""
    net = relu_net(np.random.default_rng(seed), 4)
    p = fx.Problem()
    a = p.parameters((), value=0.2, name="a")
    x = p.variables(3, lower=-1.0, upper=1.0, start=0.1)
    y = p.network(net, np.concatenate([x, a.reshape(1)]))
    p.minimize(y[0] + (x**2).sum())
    return p, a, [x, y]


def by_algebra(seed):
    """Kinks of the model's own, several of them met together."""
    net = relu_net(np.random.default_rng(seed), 4)
    p = fx.Problem()
    a = p.parameters(2, value=[0.2, 0.3], name="a")
    x = p.variables(4, lower=-1.0, upper=1.0, start=0.1)
    p.minimize(net(x)[0] + (x**2).sum() + np.maximum(x[0] - a[0], x[1] - a[1]) + np.abs(x[2] - a[1]))
    return p, a[1], [x, net(x)]


def curved(seed):
    """A kink along a curve, with more or less force."""
    p = fx.Problem()
    a = p.parameters((), value=1.0 + 0.1 * seed, name="a")
    x = p.variables(2, lower=-3.0, upper=3.0, start=2.0)
    p.maximize(-((x[0] - 1.0) ** 2) - x[1] ** 2 - 5 * np.maximum(x[0] ** 2 + x[1] - 0.5 * a, 0.0))
    return p, a, [x]


def moving_bound(seed):
    """A kink where a bound is."""
    p = fx.Problem()
    a = p.parameters((), value=1.0 + 0.1 * seed, name="a")
    x = p.variables(2, lower=a, upper=3.0, start=2.3)
    p.minimize(np.abs(x[0] - 2 * a) + x[1] + np.abs(x[1] - a))
    return p, a, [x]


def mixed(seed):
    """A nonlinear problem with integers, by outer approximation or enumeration."""
    p = fx.Problem()
    a = p.parameters((), value=1.0 + 0.05 * seed, name="a")
    k = p.variables(2, lower=0, upper=5, integer=True)
    x = p.variables((), lower=-3.0, upper=3.0, start=2.0)
    p.minimize((x - a * k[0]) ** 2 + 0.3 * (k[0] - 2.2) ** 2 + (k[1] - 1.4) ** 2 + x * a)
    return p, a, [x, k]


def mixed_linear(seed):
    """By HiGHS, which gives no multipliers."""
    p = fx.Problem()
    a = p.parameters((), value=1.0 + 0.05 * seed, name="a")
    k = p.variables(2, lower=0, upper=5, integer=True)
    x = p.variables(3, lower=-3.0, upper=3.0)
    p.minimize(a * x.sum() + 0.3 * k[0] - k[1])
    p.subject_to(x[0] + x[1] + k[0], lower=a)
    p.subject_to(x[1] - x[2] * 2 + k[1], upper=2 * a)
    return p, a, [x, k]


def formulated(seed):
    """A network as mixed-integer rows, beside an integer: the solution is on kinks of the network."""
    random = np.random.default_rng(seed + 1)
    net = relu_net(random, 3, 1)
    p = fx.Problem()
    a = p.parameters((), value=0.4, name="a")
    k = p.variables((), lower=0, upper=3, integer=True)
    x = p.variables(2, lower=-1.0, upper=1.0)
    y = p.network(net, np.concatenate([x, a.reshape(1)]), formulation="bigm")
    p.minimize(np.abs(x).sum() + y[0] + 0.1 * k)
    p.subject_to(x[0] + k, lower=1.5 * a)
    return p, a, [x, y, k]


ON_KINKS = [
    *[(by_network, seed) for seed in (3, 4, 6)],
    *[(by_input, seed) for seed in (4, 5, 6)],
    *[(by_algebra, seed) for seed in (3, 5, 8)],
    *[(make, seed) for make in (curved, moving_bound) for seed in (0, 1)],
]
WITH_INTEGERS = [(make, seed) for make in (mixed, mixed_linear, formulated) for seed in (0, 1)]


@pytest.mark.parametrize(("make", "seed"), [*ON_KINKS, *WITH_INTEGERS])
def test_derivatives_are_differences_of_solves(make, seed):
    p, a, quantities = make(seed)
    result = p.solve()
    assert result.success
    s = result.sensitivity(a)
    assert s.is_regular, s.message
    if (make, seed) in ON_KINKS:
        assert result.kinks
        assert any("kink" in name for name in s.met)
    value = np.asarray(result[a], dtype=float)
    high, low = (p.solve(parameters={a: value + step}, start=result) for step in (STEP, -STEP))
    for quantity in quantities:
        difference = (np.asarray(high[quantity]) - np.asarray(low[quantity])) / (2 * STEP)
        np.testing.assert_allclose(s[quantity], difference, atol=CLOSE * max(1.0, abs(difference).max()))
    assert s.objective == pytest.approx((high.objective - low.objective) / (2 * STEP), rel=CLOSE, abs=CLOSE)
    start = s.at(value + STEP)
    for quantity in quantities:
        np.testing.assert_allclose(start[quantity], high[quantity], atol=1e-5)
    assert p.solve(start=start, parameters={a: value + STEP}).objective == pytest.approx(high.objective, abs=1e-7)


def parting(p, a, x):
    return np.abs(x - a) + np.abs(x - 1.0)


def weak(p, a, x):
    return (x - a + 1.0) ** 2 + np.maximum(x, 0.0)


def of_the_parameter(p, a, x):
    return (x - np.maximum(a - 1.0, 0.0)) ** 2


def too_many(p, a, x):
    y = p.variables((), lower=-3.0, upper=3.0)
    return np.abs(x - a) + np.abs(y - a) + np.abs(x - y)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (parting, "Abs '.*' is at its kink, and does not stay there"),
        (weak, "nothing presses it onto a kink from one side"),
        (of_the_parameter, "Relu '.*' is at its kink, and does not stay there"),
        (too_many, "kinks meet whose gradients depend on each other"),
    ],
)
def test_degenerate_solutions_are_refused(objective, message):
    p = fx.Problem()
    a = p.parameters((), value=1.0, name="a")
    x = p.variables((), lower=-3.0, upper=3.0, start=2.0)
    p.minimize(objective(p, a, x))
    with pytest.raises(ModelError, match=rf"{message}.*net\.smoothed"):
        p.solve().sensitivity(a)


def test_what_is_no_solution_is_said():
    q = fx.Problem()
    a = q.parameters((), value=1.0, name="a")
    k, z = q.variables((), lower=0, upper=3, integer=True), q.variables((), lower=0.0, upper=3.0)
    q.minimize(a * k + a * z)
    q.subject_to(k + z, lower=1.5)
    result = q.solve()
    result.x[1] = 2.9
    with pytest.raises(ModelError, match="no multipliers at this point"):
        result.sensitivity(a)


def test_the_same_by_pyomo():
    random = np.random.default_rng(4)
    net = relu_net(random, 4)
    m = pyo.ConcreteModel()
    m.a = pyo.Param(initialize=0.2, mutable=True)
    m.x = pyo.Var(range(3), bounds=(-1, 1), initialize=0.1)
    m.u = pyo.Var(initialize=0.2)
    m.u.fix()
    m.nn = fxp.NetworkBlock(net, inputs=[*m.x.values(), m.u])
    m.cost = pyo.Objective(expr=m.nn.outputs[0] + sum(v**2 for v in m.x.values()) + abs(m.x[0] - m.a))
    results = pyo.SolverFactory("fastexpr").solve(m)
    s = results.sensitivity(m.u, m.a)
    q = fx.Problem()
    u, b = q.parameters((), value=0.2, name="u"), q.parameters((), value=0.2, name="b")
    z = q.variables(3, lower=-1.0, upper=1.0, start=0.1)
    y = q.network(net, np.concatenate([z, u.reshape(1)]))
    q.minimize(y[0] + (z**2).sum() + np.abs(z[0] - b))
    result = q.solve()
    assert result.kinks
    of_u, of_b = result.sensitivity(u), result.sensitivity(b)
    for j in range(3):
        assert s[m.x[j], m.u] == pytest.approx(of_u[z][j], abs=1e-7)
        assert s[m.x[j], m.a] == pytest.approx(of_b[z][j], abs=1e-7)
    assert s.objective[m.a] == pytest.approx(of_b.objective, abs=1e-7)
    assert any("kink" in name for name in s.met)
