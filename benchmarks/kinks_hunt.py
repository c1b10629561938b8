"""A hunt for false claims: random problems with kinks of many kinds, each answer checked by sampling and by SLSQP.

Nothing here looks at cells. A problem is a seed of a family, so that whatever is found can be made again:
`python -m benchmarks kinks --parts hunt --families units --seeds 17`.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastexpr as fx
from benchmarks.kinks_peers import by_slsqp
from benchmarks.kinks_set import convolutional, drawn, layered
from benchmarks.tables import Table, show
from fastexpr.errors import EvaluationError
from fastexpr.solve.cells.junction import widths_of
from fastexpr.solve.form import form_of
from fastexpr.solvers.verification import Measure

Rng = np.random.Generator

#: In widths: how far around a point nothing better may be.
AROUND = (1e-3, 1e-5)

#: Relative to max(1, |f|), for each of these.
BETTER = (1e-6, 1e-7)

FEASIBLE = 1e-6


def start_and_box(rng: Rng, n: int) -> tuple[fx.Problem, Any, np.ndarray]:
    p = fx.Problem()
    start = rng.uniform(-1, 1, n) if rng.random() < 0.8 else np.zeros(n)
    return p, p.variables(n, -1, 1, start=start), start


def limited(rng: Rng, p: fx.Problem, rows: list[Any], values: list[float]) -> None:
    """Each row limited to about its value at the start, or equal to it."""
    for row, value in zip(rows, values, strict=True):
        kind = rng.random()
        if kind < 0.3:
            p.subject_to(row, equal=value + 0.05 * rng.normal())
        elif kind < 0.7:
            p.subject_to(row, upper=value + rng.uniform(-0.1, 0.3))
        else:
            p.subject_to(row, lower=value - rng.uniform(-0.1, 0.3), upper=value + 1.0)


def mixed_net(rng: Rng, n: int, m: int, kinds: list[str]) -> fx.Function:
    x = fx.variables(n)
    h: Any = x
    for _ in range(int(rng.integers(1, 4))):
        k = int(rng.integers(3, 12))
        u = rng.normal(size=(k, h.size)) @ h / np.sqrt(h.size) * 1.5 + 0.4 * rng.normal(size=k)
        h = UNITS[str(rng.choice(kinds))](u, rng)
    return fx.Function(x, rng.normal(size=(m, h.size)) @ h / np.sqrt(h.size))


UNITS: dict[str, Callable[[Any, Rng], Any]] = {
    "relu": lambda u, rng: np.maximum(u, 0.0),
    "tanh": lambda u, rng: np.tanh(u),
    "abs": lambda u, rng: abs(u),
    "abs square": lambda u, rng: abs(u**2 - 0.3),
    "product": lambda u, rng: u * np.maximum(u[::-1], 0.0),
    "leaky": lambda u, rng: np.maximum(u, 0.1 * u),
    "prelu": lambda u, rng: np.maximum(u, 0.0) - rng.uniform(0, 0.5, u.size) * np.maximum(-u, 0.0),
    "clip": lambda u, rng: np.clip(u, -0.5, 0.5),
    "hard swish": lambda u, rng: u * np.clip(u / 6.0 + 0.5, 0.0, 1.0),
    "square relu": lambda u, rng: np.maximum(u, 0.0) ** 2,
    "sine": lambda u, rng: np.sin(2.0 * u),
}


def curved(rng: Rng) -> fx.Problem:
    """Tanh and ReLU, absolute values of squares, products."""
    n = int(rng.integers(1, 6))
    net = mixed_net(rng, n, 2, ["relu", "tanh", "abs square", "product", "sine"])
    p, x, start = start_and_box(rng, n)
    y = p.network(net, x) if rng.random() < 0.5 else net(x)
    p.minimize(y[0] + (0.5 * (x**2).sum() if rng.random() < 0.5 else 0.0))
    if rng.random() < 0.6:
        limited(rng, p, [y[1]], [float(net(start)[1])])
    return p


def units(rng: Rng) -> fx.Problem:
    """PRelu, HardSwish, Clip and the others."""
    n = int(rng.integers(1, 6))
    net = mixed_net(rng, n, 2, list(UNITS))
    p, x, start = start_and_box(rng, n)
    y = p.network(net, x)
    p.minimize(y[0])
    if rng.random() < 0.6:
        limited(rng, p, [y[1]], [float(net(start)[1])])
    return p


def images(rng: Rng) -> fx.Problem:
    """Convolutions with max-pooling."""
    side = int(rng.choice([8, 9]))
    net = convolutional(side, (2, 2), "max", int(rng.integers(1 << 30)))
    p = fx.Problem()
    x = p.variables(side * side, 0, 1, start=rng.uniform(0, 1, side * side))
    y = p.network(net, x)
    p.minimize(y[0] + (((x - 0.5) ** 2).sum() if rng.random() < 0.5 else 0.0))
    p.subject_to(y[1] - y[2], lower=float(rng.normal() * 0.1))
    return p


def recurrent(rng: Rng) -> fx.Problem:
    """One layer unrolled over time, in one network or as many calls."""
    n, hidden, steps = 2, int(rng.integers(3, 7)), int(rng.integers(2, 5))
    W, U = rng.normal(size=(hidden, hidden)) / np.sqrt(hidden), rng.normal(size=(hidden, n))
    b, V = 0.2 * rng.normal(size=hidden), rng.normal(size=(1, hidden))
    p, x, _ = start_and_box(rng, n * steps)
    if rng.random() < 0.5:
        inputs = fx.variables(n * steps)
        h: Any = np.zeros(hidden)
        for t in range(steps):
            h = np.maximum(W @ h + U @ inputs[n * t : n * t + n] + b, 0.0)
        y = p.network(fx.Function(inputs, V @ h), x)
    else:
        both = fx.variables(hidden + n)
        cell = fx.Function(both, np.maximum(np.hstack([W, U]) @ both + b, 0.0))
        states = p.variables((steps + 1, hidden), 0, 20, start=0.0)
        p.subject_to(states[0], equal=0.0)
        p.subject_to(states[1:] - p.network(cell, np.hstack([states[:-1], x.reshape(steps, n)])), equal=0.0)
        y = V @ states[-1]
    p.maximize(y[0] - 0.3 * abs(x).sum())
    return p


def several(rng: Rng) -> fx.Problem:
    """Networks beside and behind each other, with abs, min and max of their outputs."""
    n = int(rng.integers(2, 5))
    first, second = mixed_net(rng, n, 2, ["relu", "leaky", "tanh"]), mixed_net(rng, 3, 1, ["relu", "abs", "clip"])
    p, x, _ = start_and_box(rng, n)
    y = p.network(first, x)
    z = p.network(second, np.concatenate([y, x[:1]]))
    p.minimize(np.maximum(y[0], z[0]) + abs(x[0] - y[1]) + 0.1 * (x**2).sum() - np.minimum(x[-1], 0.3 * y[0]))
    if rng.random() < 0.5:
        p.subject_to(abs(y[0]) + x[1], upper=float(rng.uniform(0.3, 2.0)))
    return p


def whole(rng: Rng) -> fx.Problem:
    """Small whole weights, rows that say the same twice or nothing."""
    n, k = int(rng.integers(2, 5)), int(rng.integers(3, 8))
    layers = [
        (rng.integers(-2, 3, size=(o, i)).astype(float), rng.integers(-1, 2, size=o).astype(float))
        for i, o in ((n, k), (k, k), (k, 2))
    ]
    net = layered(layers, str(rng.choice(["relu", "abs", "clip", "leaky"])))
    p, x, _ = start_and_box(rng, n)
    y = p.network(net, x)
    p.minimize(y[0] + (0.5 * (x**2).sum() if rng.random() < 0.3 else 0.0))
    value = float(net(np.zeros(n))[1])
    p.subject_to(y[1], upper=value)
    for row in ((y[1], 1.0), (2.0 * y[1], 2.0), (x[0] + x[1], 0.0), (0.0 * x[0], 0.0))[: int(rng.integers(1, 5))]:
        p.subject_to(row[0], upper=row[1] * (value if row[1] else 0.0))
    return p


def equalities(rng: Rng) -> fx.Problem:
    """Outputs that must have values that they have somewhere."""
    n = int(rng.integers(2, 6))
    net = mixed_net(rng, n, 3, ["relu", "leaky", "abs", "clip"])
    p, x, _ = start_and_box(rng, n)
    y = p.network(net, x)
    there = net(rng.uniform(-1, 1, n))
    p.minimize((x**2).sum() if rng.random() < 0.5 else y[2])
    count = int(rng.integers(1, 3))
    p.subject_to(y[:count], equal=there[:count])
    return p


def scaled(rng: Rng) -> fx.Problem:
    """Inputs, outputs and objective in units of 1e-5 to 1e6."""
    n = int(rng.integers(2, 5))
    unit, out = 10.0 ** rng.uniform(-5, 6, n), 10.0 ** rng.uniform(-5, 6, 2)
    middle = unit * rng.uniform(-2, 2, n)
    inner = layered(drawn(int(rng.integers(1 << 30)), [n, 12, 12, 2]), str(rng.choice(["relu", "abs", "tanh relu"])))
    v = fx.variables(n)
    net = fx.Function(v, out * inner((v - middle) / unit))
    start = middle + unit * rng.uniform(-1, 1, n)
    p = fx.Problem()
    x = p.variables(n, middle - unit, middle + unit, start=start)
    y = p.network(net, x)
    p.minimize(y[0])
    p.subject_to(y[1], upper=float(net(start)[1]) + 0.1 * out[1])
    return p


def flat(rng: Rng) -> fx.Problem:
    """Rows whose slope is 0 on a part of the box, where feasible points lie elsewhere."""
    n = int(rng.integers(1, 5))
    layers = drawn(int(rng.integers(1 << 30)), [n, 8, 8, 2])
    layers[1] = (layers[1][0], layers[1][1] - rng.uniform(0.2, 1.0))
    net = layered(layers)
    p, x, _ = start_and_box(rng, n)
    y = p.network(net, x)
    values = net(rng.uniform(-1, 1, (400, n)))[:, 1]
    p.minimize((x**2).sum() + 0.1 * y[0])
    p.subject_to(y[1], lower=float(np.quantile(values, rng.uniform(0.5, 0.99))))
    return p


FAMILIES: dict[str, Callable[[Rng], fx.Problem]] = {
    family.__name__: family  # type: ignore[attr-defined]
    for family in (curved, units, images, recurrent, several, whole, equalities, scaled, flat)
}


# ---- checks


@dataclass
class Finding:
    """Of one problem: "" where nothing is wrong, else what; `how` is what the solve said."""

    wrong: str
    how: str


def examine(family: str, seed: int) -> Finding:
    """One problem of a family."""
    rng = np.random.default_rng([seed, list(FAMILIES).index(family)])
    try:
        problem = FAMILIES[family](rng)
        nlp = problem.nlp()
        result = problem.solve()
    except Exception:  # a crash is what is looked for
        return Finding("crash: " + traceback.format_exc(limit=-1).strip().splitlines()[-1], "crash")
    how = result.certificate or (result.status if nlp.functions.has_kinks else "smooth")
    if how == "smooth":
        return Finding("", how)
    form = form_of(nlp)
    program, kept = (nlp, np.arange(nlp.n)) if form is None else (form.program(), form._kept)
    if not result.success:
        exists = has_feasible(program, rng)
        return Finding(f"feasible points exist: {result.message[:150]}" if exists else "", how)
    if violation(nlp, nlp.complete(result.x)) > FEASIBLE:
        return Finding(f"violated by {violation(nlp, nlp.complete(result.x)):.1e}", how)
    gain = best_nearby(program, result.x[kept], rng)
    return Finding(f"{gain}; {result.message[:150]}" if gain else "", how)


def violation(nlp: Any, x: np.ndarray) -> float:
    """Relative, as a solution's."""
    none = fx.solvers.Multipliers(np.zeros(nlp.m), np.zeros(nlp.n), np.zeros(nlp.n))
    return float(Measure(nlp, x).verdict(none).violation)


def best_nearby(program: Any, x: np.ndarray, rng: Rng) -> str:
    """What SLSQP finds in a small box around, from points in it; "" for nothing."""
    width, value = widths_of(program, x), program.objective(x)
    size = program.objective_size(value)
    for around, better in zip(AROUND, BETTER, strict=True):
        low, high = np.maximum(program.lower, x - around * width), np.minimum(program.upper, x + around * width)
        for _ in range(4):
            with contextlib.suppress(EvaluationError):
                found = np.clip(by_slsqp(program, rng.uniform(low, high), low, high, 40).x, low, high)
                gain = (value - program.objective(found)) / size
                if gain > better and violation(program, found) <= max(1e-9, 0.1 * violation(program, x)):
                    return f"{gain:.1e} better within {around:g}"
    return ""


def has_feasible(program: Any, rng: Rng) -> bool:
    """Whether sampling and SLSQP come upon a feasible point."""
    own = 10.0 * np.maximum(1.0, abs(program.start))
    low, high = np.maximum(program.lower, program.start - own), np.minimum(program.upper, program.start + own)
    if any(violation(program, rng.uniform(low, high)) <= FEASIBLE for _ in range(300)):
        return True
    starts = (rng.uniform(low, high) for _ in range(10))
    return any(violation(program, by_slsqp(program, x, low, high, 60).x) <= FEASIBLE for x in starts)


def run(families: list[str], seeds: range, markdown: bool) -> None:
    """A line a family, and one for each finding; all families where none is named."""
    table = Table("Random problems", ["family", "problems", "certified", "uncertified", "unsolved or smooth", "wrong"])
    for family in families or FAMILIES:
        found = []
        for seed in seeds:
            found.append(examine(family, seed))
            if found[-1].wrong:
                print(f"{family} {seed} ({found[-1].how}): {found[-1].wrong}", flush=True)
        said = [finding.how for finding in found]
        certified = sum(word in ("local minimum", "first-order") for word in said)
        plain = sum(word in ("none", "optimal", "acceptable") for word in said)
        numbers = len(found), certified, plain, len(found) - certified - plain, sum(bool(one.wrong) for one in found)
        table.add(family, *map(str, numbers))
    show(table, markdown)
