"""Problems of kinds that the two halves of `benchmarks.answer_set` lack: made when fastexpr had been tuned.

Dispatch of power plants, units far apart, classifiers' borders, ensembles, periodic outputs, hardly feasible points,
and rows that depend on each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.answer_networks import train
from benchmarks.answer_set import FURTHER, Array, Case, Rows, landscape, surrogate


def dispatch(name: str, seed: int, periods: int, units: int, activation: str) -> Case:
    """Power plants, whose costs and emissions are networks of power and temperature: demand, ramps, emissions."""
    random = np.random.default_rng(seed)
    low, high = random.uniform(30.0, 60.0, units), random.uniform(200.0, 450.0, units)
    nets = []
    for g in range(units):
        X = np.column_stack([random.uniform(low[g], high[g], 800), random.uniform(-10.0, 35.0, 800)])
        share = (X[:, 0] - low[g]) / (high[g] - low[g])
        cost = 900.0 + 25.0 * X[:, 0] + 0.02 * X[:, 0] ** 2 + 350.0 * abs(np.sin(9.0 * share)) + 4.0 * X[:, 1]
        smoke = (0.4 + random.uniform(0.0, 0.4)) * X[:, 0] * (1.2 - 0.3 * share)
        Y = np.column_stack([cost, smoke])
        nets.append(
            train(f"{name}-{g}".replace(" ", "-"), lambda X=X, Y=Y: (X, Y), (16, 16), activation, seed + g, 400)
        )
    heat = 12.0 + 10.0 * np.sin(2.0 * np.pi * np.arange(periods) / periods)
    demand = low.sum() + (high.sum() - low.sum()) * (0.45 + 0.25 * np.sin(2.0 * np.pi * np.arange(periods) / periods))
    even = np.array([low + (high - low) * (d - low.sum()) / (high.sum() - low.sum()) for d in demand])
    ramp = 0.35 * (high - low)

    def outputs(x: Any, nets: Any) -> Any:
        p = x.reshape((periods, units))
        return p, [nets[g](points_of(p[:, g], heat)) for g in range(units)]

    own = outputs(even.ravel(), nets)[1]
    limit = 0.97 * float(sum(y[:, 1].sum() for y in own))

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        p, found = outputs(x, nets)
        cost, smoke = (sum(y[:, k].sum() for y in found) for k in (0, 1))
        rows: Rows = [
            ("demand", p.sum(axis=1), demand, demand),
            ("ramp", p[1:] - p[:-1], -ramp, ramp),
            ("emissions", smoke, -np.inf, limit),
        ]
        return cost, rows

    lower, upper = np.tile(low, periods), np.tile(high, periods)
    return Case(name, FURTHER, nets, lower, upper, state, even.ravel())


def points_of(p: Any, heat: Array) -> Any:
    """(periods, 2): power and temperature, which is no variable."""
    return p[:, None] * np.array([1.0, 0.0]) + heat[:, None] * np.array([0.0, 1.0])


def far_apart(name: str, seed: int, n: int) -> Case:
    """Two networks of the same inputs, one with outputs of some 1e-6, one of some 1e6; both in objective and rows."""
    key = name.replace(" ", "-")
    small, lower, upper, X = surrogate(f"{key}-small", seed, n, 2, "tanh", True, 1e-6)
    large, _, _, _ = surrogate(f"{key}-large", seed, n, 2, "logistic", True, 1e6)
    first, second = small(X), large(X)
    here = X[(first[:, 0] - np.median(first[:, 0]) + 1e-12 * second[:, 0]).argsort()[len(X) // 5]]
    limits = small(here)[1], large(here)[1]

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        a, b = nets[0](x), nets[1](x)
        rows: Rows = [("small", a[1], -np.inf, limits[0]), ("large", b[1], limits[1], np.inf)]
        return 1e6 * a[0] + 1e-6 * b[0], rows

    return Case(name, FURTHER, [small, large], lower, upper, state, here.copy())


def border(name: str, seed: int, activation: str) -> Case:
    """The point of a classifier's border that is nearest to an image: two logits are equal, and the others below."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    X = images / 16.0
    network = train(name.replace(" ", "-"), lambda: (X, labels), (24, 24), activation, seed, 40, is_classifier=True)
    image = X[int(np.random.default_rng(seed).integers(len(X)))]
    own, other = network(image).argsort()[[-1, -2]].tolist()
    rest = np.array([k for k in range(10) if k not in (own, other)])

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        d, z = x - image, nets[0](x)
        return (d * d).sum(), [("border", z[own] - z[other], 0.0, 0.0), ("below", z[own] - z[rest], 0.0, np.inf)]

    return Case(name, FURTHER, [network], np.zeros(64), np.ones(64), state, image.copy())


def ensemble(name: str, seed: int, n: int, is_limited: bool) -> Case:
    """The best mean prediction of four networks, with their variance as a price or under a limit."""
    random = np.random.default_rng(seed)
    value = landscape(random, n, 1)
    nets = []
    for k in range(4):
        U = random.uniform(0.0, 1.0, (250, n))
        nets.append(train(f"{name}-{k}".replace(" ", "-"), lambda U=U: (U, value(U)), (16, 16), "tanh", seed + k, 300))
    U = random.uniform(0.0, 1.0, (500, n))
    limit = float(np.quantile(np.var([net(U)[:, 0] for net in nets], axis=0), 0.2))

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        y = [net(x)[0] for net in nets]
        mean = (y[0] + y[1] + y[2] + y[3]) * 0.25
        spread = sum((v - mean) * (v - mean) for v in y) * 0.25
        return (-mean, [("spread", spread, -np.inf, limit)]) if is_limited else (2.0 * spread - mean, [])

    return Case(name, FURTHER, nets, np.zeros(n), np.ones(n), state)


def periodic(name: str, seed: int, is_equation: bool) -> Case:
    """Joints of a planar arm, whose hand is where the network says: reach a point, or keep off a disc."""
    random = np.random.default_rng(seed)
    lengths = np.array([1.0, 0.8, 0.5])

    def hand(T: Array) -> Array:
        total = np.cumsum(T, axis=1)
        return np.column_stack([(lengths * np.cos(total)).sum(axis=1), (lengths * np.sin(total)).sum(axis=1)])

    T = random.uniform(-np.pi, np.pi, (2500, 3))
    network = train(name.replace(" ", "-"), lambda: (T, hand(T)), (32, 32), "tanh", seed, 500)
    rest, wanted = random.uniform(-1.0, 1.0, 3), network(random.uniform(-2.0, 2.0, 3))

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        d, y = x - rest, nets[0](x) - wanted
        if is_equation:
            return (d * d).sum(), [("hand", y, 0.0, 0.0)]
        return (y * y).sum() + 1e-3 * (d * d).sum(), [("disc", (nets[0](x) * nets[0](x)).sum(), 1.0, np.inf)]

    return Case(name, FURTHER, [network], np.full(3, -np.pi), np.full(3, np.pi), state, rest.copy())


def hardly(name: str, seed: int, n: int, room: float) -> Case:
    """Two outputs must be as good as at the best point of the data, but for so much of their range."""
    network, lower, upper, X = surrogate(name.replace(" ", "-"), seed, n, 2, "tanh", False)
    Y = network(X)
    here = Y[(Y @ np.array([1.0, 0.6])).argmax()]
    margins = room * np.ptp(Y, axis=0)

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        d = x - 0.5
        return (d * d).sum(), [("outputs", nets[0](x), here - margins, np.inf)]

    return Case(name, FURTHER, [network], lower, upper, state)


def degenerate(name: str, seed: int, n: int, is_twice: bool) -> Case:
    """Rows that say the same in other units, a variable that is fixed by its bounds, and an equation stated twice."""
    network, lower, upper, X = surrogate(name.replace(" ", "-"), seed, n, 2, "logistic", False)
    Y = network(X)
    limit = float(np.median(Y[:, 1]))
    chosen = X[int(np.flatnonzero(Y[:, 1] <= limit)[0])]
    lower, upper = lower.copy(), upper.copy()
    lower[-1] = upper[-1] = chosen[-1]
    total = float(chosen.sum())

    def state(x: Any, nets: Any) -> tuple[Any, Rows]:
        y = nets[0](x)
        rows: Rows = [("limit", y[1], -np.inf, limit), ("again", 1e3 * y[1] + 5.0, -np.inf, 1e3 * limit + 5.0)]
        rows.append(("total", x.sum(), total, total))
        if is_twice:
            rows.append(("total again", 2.0 * x.sum(), 2.0 * total, 2.0 * total))
        return y[0], rows

    return Case(name, FURTHER, [network], lower, upper, state, chosen.copy())


def make_further() -> list[Case]:
    """All fifteen."""
    kinds: list[tuple[str, Callable[..., Case], list[tuple[Any, ...]]]] = [
        ("dispatch", dispatch, [(6, 3, "tanh"), (4, 3, "relu")]),
        ("far apart", far_apart, [(3,), (6,)]),
        ("border", border, [("tanh",), ("relu",)]),
        ("ensemble", ensemble, [(3, False), (5, True)]),
        ("periodic", periodic, [(True,), (False,)]),
        ("hardly feasible", hardly, [(3, 1e-3), (4, 1e-6), (5, 1e-9)]),
        ("degenerate", degenerate, [(4, False), (5, True)]),
    ]
    cases: list[Case] = []
    for name, family, arguments in kinds:
        for number, entry in enumerate(arguments):
            cases.append(family(f"{name} c{number}", 1700 + len(cases), *entry))
    return cases
