"""A set of problems with kinks: networks trained or drawn from seeds, the problems around them drawn likewise.

Every case is stated once, for `fastexpr.Problem`, with the networks as variables y = net(x).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastexpr as fx
from benchmarks.answer_networks import Trained, train


@dataclass
class Case:
    """A problem by name, made when it is asked for."""

    name: str
    make: Callable[[], fx.Problem]
    family: str
    layers: list[tuple[np.ndarray, np.ndarray]] | None = None  # where it is the largest output of plain layers of ReLUs


# ---- networks


def layered(layers: list[tuple[np.ndarray, np.ndarray]], activation: str = "relu") -> fx.Function:
    """The network of these layers."""
    x = fx.variables(layers[0][0].shape[1])
    h: Any = x
    for W, b in layers[:-1]:
        h = ACTIVATIONS[activation](W @ h + b)
    W, b = layers[-1]
    return fx.Function(x, W @ h + b)


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda u: np.maximum(u, 0.0),
    "leaky": lambda u: np.maximum(u, 0.1 * u),
    "abs": abs,
    "clip": lambda u: np.clip(u, -1.0, 1.0),
    "hard swish": lambda u: u * np.clip(u / 6.0 + 0.5, 0.0, 1.0),
    "tanh relu": lambda u: np.maximum(np.tanh(u), 0.1),
    "relu square": lambda u: np.maximum(u, 0.0) ** 2,
}


def drawn(seed: int, sizes: list[int], gain: float = 1.4) -> list[tuple[np.ndarray, np.ndarray]]:
    """Layers as they are initialized, with biases."""
    rng = np.random.default_rng(seed)
    return [
        (gain * rng.normal(size=(m, n)) / np.sqrt(n), 0.3 * rng.normal(size=m)) for n, m in itertools.pairwise(sizes)
    ]


def reactor_data() -> tuple[np.ndarray, np.ndarray]:
    """Yield and heat over temperature (K), pressure (bar) and fraction, by a formula, with noise."""
    rng = np.random.default_rng(0)
    T, p, z = rng.uniform([300, 1, 0.05], [400, 20, 0.95], (600, 3)).T
    rate = np.exp(-((T - 365) ** 2) / 900) * p / (p + 4)
    made = rate * 4 * z * (1 - z) / (1 + 0.3 * z)
    heat = 40 + 60 * rate * z + 0.1 * (T - 300)
    noise = rng.normal(0, [[0.01], [1.0]], (2, 600))
    return np.column_stack([T, p, z]), np.column_stack([made + noise[0], heat + noise[1]])


REACTOR_LOWER, REACTOR_UPPER = np.array([300.0, 1.0, 0.05]), np.array([400.0, 20.0, 0.95])
HEAT_LIMIT = 70.0


def reactor(hidden: tuple[int, ...] = (32, 32), seed: int = 0) -> Trained:
    """The surrogate of that data: 3-32-32-2."""
    return train("kinks-reactor", reactor_data, hidden, "relu", seed)


def starts(count: int = 8) -> np.ndarray:
    """(count, 3): in the range of the reactor."""
    return np.random.default_rng(1).uniform(REACTOR_LOWER, REACTOR_UPPER, (count, 3))


def digits_data() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    X, t = load_digits(return_X_y=True)
    return X / 16.0, t


def convolutional(side: int, channels: tuple[int, int], pool: str, seed: int) -> fx.Function:
    """Two convolutions with ReLUs, pooling between them, and a dense layer with 5 outputs; drawn."""
    import torch

    torch.manual_seed(seed)
    pooling = {"max": torch.nn.MaxPool2d(2), "mean": torch.nn.AvgPool2d(2)}[pool]
    first, second = channels
    left = ((side - 2) // 2) - 2
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, first, 3),
        torch.nn.ReLU(),
        pooling,
        torch.nn.Conv2d(first, second, 3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(second * left * left, 5),
    ).double()
    return fx.from_torch(net, torch.zeros(1, 1, side, side, dtype=torch.float64))


# ---- problems


def best_output(net: fx.Function, limit: bool = True, box: float = 1.0) -> fx.Problem:
    """The largest first output in a box, the second one limited to what it is at the start."""
    p = fx.Problem()
    x = p.variables(net.n_inputs, -box, box, start=np.linspace(-0.4, 0.5, net.n_inputs))
    y = p.network(net, x)
    p.maximize(y[0])
    if limit and net.n_outputs > 1:
        p.subject_to(y[1], upper=float(net(np.linspace(-0.4, 0.5, net.n_inputs))[1]) + 0.1)
    return p


def best_reactor(trained: Trained, start: np.ndarray | None = None, is_spliced: bool = False) -> fx.Problem:
    """The surrogate's problem: most yield, heat limited."""
    net = layered(trained.layers)
    p = fx.Problem()
    x = p.variables(3, REACTOR_LOWER, REACTOR_UPPER, start=start)
    y = net(x) if is_spliced else p.network(net, x)
    p.maximize(y[0])
    p.subject_to(y[1], upper=HEAT_LIMIT)
    return p


def nearest(net: fx.Function, center: np.ndarray, margin: float, box: tuple[float, float]) -> fx.Problem:
    """The nearest point at which another output is the largest by a margin."""
    y0 = net(center)
    label, other = np.argsort(-y0)[:2]
    p = fx.Problem()
    x = p.variables(net.n_inputs, *box, start=center)
    y = p.network(net, x)
    p.minimize(((x - center) ** 2).sum())
    p.subject_to(y[int(other)] - y[int(label)], lower=margin)
    return p


def reaching(layers: list[tuple[np.ndarray, np.ndarray]], target: list[float]) -> fx.Problem:
    """The smallest inputs whose outputs are the target."""
    net = layered(layers)
    p = fx.Problem()
    x = p.variables(net.n_inputs, -2, 2, start=0.1)
    y = p.network(net, x)
    p.minimize((x**2).sum())
    p.subject_to(y, equal=target)
    return p


def steered(seed: int, steps: int, states: int = 2, hidden: int = 12) -> fx.Problem:
    """A system x' = x + 0.2 net(x, u), steered to a place in so many steps, with little effort."""
    net = layered(drawn(seed, [states + 1, hidden, hidden, states], 1.0))
    p = fx.Problem()
    x = p.variables((steps + 1, states), -3, 3, name="x", start=0.0)
    u = p.variables((steps, 1), -1, 1, name="u", start=0.0)
    inputs = np.concatenate([x[:-1], u], axis=1)
    rate = p.network(net, inputs)
    p.subject_to(x[1:] - x[:-1] - 0.2 * rate, equal=0.0)
    p.subject_to(x[0], equal=np.linspace(0.5, -0.5, states))
    p.minimize(((x[1:] - 0.2) ** 2).sum() + 0.1 * (u**2).sum())
    return p


def certain(seed: int, n: int, members: int, hidden: int) -> fx.Problem:
    """The best mean of an ensemble, its variance limited."""
    net = fx.ensemble([layered(drawn(seed * 100 + k, [n, hidden, hidden, 1])) for k in range(members)])
    p = fx.Problem()
    x = p.variables(n, -1, 1, start=0.2)
    y = p.network(net, x)
    p.maximize(y[0])
    p.subject_to(y[1], upper=1.2 * float(net(np.full(n, 0.2))[1]))
    return p


def residual(seed: int, n: int, blocks: int, width: int) -> fx.Function:
    """Blocks h + V relu(W h + b), and two outputs."""
    rng = np.random.default_rng(seed)
    x = fx.variables(n)
    h: Any = x
    for _ in range(blocks):
        W, b = rng.normal(size=(width, n)) / np.sqrt(n), 0.3 * rng.normal(size=width)
        h = h + 0.7 * (rng.normal(size=(n, width)) / np.sqrt(width)) @ np.maximum(W @ h + b, 0.0)
    return fx.Function(x, rng.normal(size=(2, n)) @ h)


def least_absolute(n: int, m: int, seed: int) -> fx.Problem:
    """A fit by least absolute deviations, in the model's own algebra."""
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(m, n)), rng.normal(size=m)
    p = fx.Problem()
    x = p.variables(n, -5, 5, start=0.3)
    p.minimize(abs(A @ x - b).sum())
    return p


def least_maximum(seed: int, n: int) -> fx.Problem:
    """The least of the largest of three networks' outputs."""
    net = layered(drawn(seed, [n, 20, 20, 3]))
    p = fx.Problem()
    x = p.variables(n, -1, 1, start=0.1)
    y = p.network(net, x)
    p.minimize(np.maximum(np.maximum(y[0], y[1]), y[2]))
    return p


def digit(hidden: tuple[int, ...], which: int) -> fx.Problem:
    """The smallest change that makes a network of digits misread one."""
    trained = train("kinks-digits", digits_data, hidden, "relu", 0, 60, is_classifier=True)
    return nearest(layered(trained.layers), digits_data()[0][which], 0.5, (0.0, 1.0))


def relation(seed: int) -> fx.Problem:
    """Two networks in one model, one behind the other, and a row of both."""
    first, second = layered(drawn(seed, [4, 16, 16, 3])), layered(drawn(seed + 1, [5, 16, 1]))
    p = fx.Problem()
    x = p.variables(4, -1, 1, start=0.2)
    u = p.variables(2, 0, 2, start=0.5)
    y = p.network(first, x)
    z = p.network(second, np.concatenate([y, u]))
    p.minimize(z[0] + 0.3 * (u**2).sum())
    p.subject_to(y[0] + u[0] * u[1], lower=0.2)
    return p


def image(side: int, channels: tuple[int, int], pool: str, seed: int) -> fx.Problem:
    """The nearest image for which a convolutional network prefers another output."""
    net = convolutional(side, channels, pool, seed)
    center = np.random.default_rng(seed).uniform(0, 1, side * side)
    return nearest(net, center, 0.02, (0.0, 1.0))


def cases() -> list[Case]:
    """The set."""
    found = []
    for hidden, seed in [((32, 32), 0), ((32, 32), 1), ((16,), 0), ((64, 64), 0), ((20, 20, 20), 2)]:
        trained = reactor(hidden, seed)
        case = Case(
            f"surrogate {hidden} seed {seed}", lambda trained=trained: best_reactor(trained), "mlp", trained.layers
        )
        found.append(case)
    for name, sizes in [  # inputs, units of layers, outputs
        ("2-16-1", [2, 16, 1]), ("5-40-40-2", [5, 40, 40, 2]), ("10-64-64-2", [10, 64, 64, 2]),
        ("20-100-100-2", [20, 100, 100, 2]), ("50-50-50-50-2", [50, 50, 50, 50, 2]),
        ("200-128-64-2", [200, 128, 64, 2]), ("800-64-32-2", [800, 64, 32, 2]), ("8-250-250-2", [8, 250, 250, 2]),
    ]:  # fmt: skip
        layers = drawn(7, sizes)
        case = Case(f"best output {name}", lambda layers=layers: best_output(layered(layers)), "mlp", layers)
        found.append(case)
    for activation in list(ACTIVATIONS)[1:]:
        found.append(
            Case(
                f"{activation} 6-24-24-2",
                lambda activation=activation: best_output(layered(drawn(11, [6, 24, 24, 2]), activation)),
                "activations",
            )
        )
    found += [
        Case("residual 12", lambda: best_output(residual(3, 12, 4, 24)), "residual"),
        Case("digit 64-50-10", lambda: digit((50,), 3), "mlp"),
        Case("digit 64-64-64-10", lambda: digit((64, 64), 11), "mlp"),
        Case("digit 64-200-200-10", lambda: digit((200, 200), 5), "mlp"),
        Case("target 6-30-30-2", lambda: reaching(drawn(5, [6, 30, 30, 2]), [0.3, -0.2]), "equations"),
        Case("target 20-60-3", lambda: reaching(drawn(6, [20, 60, 3]), [0.5, 0.1, -0.4]), "equations"),
        Case("image 8 max", lambda: image(8, (4, 8), "max", 0), "conv"),
        Case("image 12 max", lambda: image(12, (4, 8), "max", 1), "conv"),
        Case("image 12 mean", lambda: image(12, (6, 8), "mean", 2), "conv"),
        Case("image 28 max", lambda: image(28, (2, 3), "max", 3), "conv"),
        Case("steered 10", lambda: steered(1, 10), "dynamics"),
        Case("steered 20", lambda: steered(2, 20), "dynamics"),
        Case("steered 30", lambda: steered(3, 30, 3), "dynamics"),
        Case("ensemble 4", lambda: certain(1, 4, 5, 10), "ensemble"),
        Case("ensemble 10", lambda: certain(2, 10, 8, 16), "ensemble"),
        Case("least absolute 5 of 30", lambda: least_absolute(5, 30, 0), "algebra"),
        Case("least absolute 20 of 100", lambda: least_absolute(20, 100, 1), "algebra"),
        Case("least maximum 3", lambda: least_maximum(4, 3), "algebra"),
        Case("least maximum 12", lambda: least_maximum(5, 12), "algebra"),
        Case("two networks", lambda: relation(8), "mlp"),
    ]  # fmt: skip
    return found
