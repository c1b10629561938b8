"""Whoever says success is right: solves of problems that solvers answer inexactly, against a check in plain NumPy.

The functions of each problem take Expressions and arrays alike; their derivatives here are by complex steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastexpr as fx

inf = np.inf
TINY, BOX = [0.0, 3e-6], [-1.0, 1.0]


@dataclasses.dataclass
class Row:
    body: Callable[[Any], Any]
    lower: float = -inf
    upper: float = inf


@dataclasses.dataclass
class Case:
    lower: list[float]
    upper: list[float]
    start: list[float]
    objective: Callable[[Any], Any]  # of x, and of y = network(x) behind it
    rows: list[Row] = dataclasses.field(default_factory=list)
    network: Callable[[Any], Any] | None = None
    optimum: float | None = None
    is_solvable: bool = True
    sign: float = 1.0


def steep(x: Any) -> Any:
    return np.tanh(1e6 * x - 3.0)


CASES = {
    "steep network on a tiny range": Case(
        [0.0], [3e-6], [1e-6], lambda v: v[1], network=steep, optimum=0.0, sign=-1.0
    ),
    "steep expression on a tiny range": Case([0.0], [3e-6], [1e-6], lambda v: steep(v[0]), optimum=0.0, sign=-1.0),
    "two steep networks": Case(
        [0.0, 0.0], [3e-6, 1.0], [1e-6, 0.5], lambda v: v[2] - v[3] ** 2,
        network=lambda x: steep(x * np.array([1.0, 1e-6])),
        sign=-1.0,
    ),
    "limit of 1e-7": Case([0, 0], [1, 1], [0.5, 0.5], lambda v: -v[0] - v[1], [Row(lambda v: v[0] * v[1], upper=1e-7)]),
    "limit of 1e-7 on a tiny range": Case(
        [0, 0], [1e-6, 1e-6], [5e-7, 5e-7], lambda v: -1e6 * (v[0] + 2 * v[1]),
        [Row(lambda v: v[0] + v[1], upper=1e-7)],
        optimum=-0.2,
    ),
    "limit of 1e6": Case(
        [0, 0], [1e4, 1e4], [1, 1], lambda v: v[0] ** 2 + v[1] ** 2, [Row(lambda v: 1e3 * (v[0] + v[1]), lower=1e6)],
        optimum=5e5,
    ),
    "limit of 1e9": Case(
        [1, 1], [1e6, 1e6], [1e3, 1e5], lambda v: 1e-3 * (v[0] + v[1]), [Row(lambda v: v[0] * v[1], lower=1e9)],
        optimum=2e-3 * np.sqrt(1e9),
    ),
    "equation with 1e9": Case([0], [50], [20], lambda v: v[0], [Row(lambda v: np.exp(v[0]), 1e9, 1e9)]),
    "limit of 1e9 without bounds": Case(
        [-inf, -inf], [inf, inf], [1, 1], lambda v: (v[0] - v[1]) ** 2 + 1e-9 * v[0] ** 2,
        [Row(lambda v: v[0] + v[1], lower=1e9)]
    ),
    "huge ranges": Case(
        [-1e8, -1e8], [1e8, 1e8], [50, 7], lambda v: (v[0] - 3) ** 2 + (v[1] + 2) ** 2,
        [Row(lambda v: np.exp(0.1 * v[0]) + v[1], upper=-1)],
    ),
    "quadratic over huge ranges": Case(
        [-1e6, 0], [1e6, 1e9], [0, 1], lambda v: (v[0] - 1) ** 2 + (v[1] - 2) ** 2, optimum=0.0,
    ),
    "badly scaled rows": Case(
        BOX, [1.0, 1.0], [0.3, 0.1], lambda v: v[0] + 2 * v[1],
        [Row(lambda v: 1e8 * (v[0] ** 2 + v[1] ** 2), 1e8, 1e8), Row(lambda v: 1e-6 * (v[0] - v[1]), upper=1e-7)],
    ),
    "small slopes": Case([0.0], [1.0], [0.5], lambda v: v[0], [Row(lambda v: 1e-8 * v[0], lower=1e-9)], optimum=0.1),
    "large slopes on a tiny range": Case(
        [0, 0], [1e-6, 1.0], [5e-7, 0.5], lambda v: -v[1],
        [Row(lambda v: 1e9 * v[0] ** 2 * 1e6 + v[1], upper=0.5)], optimum=-0.5
    ),
    "maximum inside": Case(
        [-2, -2], [2, 2], [0.7, 0.2], lambda v: np.exp(-((v[0] - 0.3) ** 2) - v[1] ** 2), optimum=1.0, sign=-1.0
    ),
    "objective of 1e8": Case(
        BOX, [1, 1], [0.9, 0.9], lambda v: 1e8 * ((v[0] - 0.2) ** 2 + (v[1] + 0.1) ** 2) + 3, optimum=3.0,
    ),
    "objective of 1e-8": Case(BOX, [1, 1], [0.9, 0.9], lambda v: 1e-8 * ((v[0] - 0.2) ** 2 + (v[1] + 0.1) ** 2)),
    "dependent equations": Case(
        BOX, [1, 1], [0.9, 0.2], lambda v: v[0] ** 2 + 3 * v[1] ** 2,
        [Row(lambda v: v[0] + v[1], 1, 1), Row(lambda v: 2 * v[0] + 2 * v[1], 2, 2)], optimum=0.75,
    ),
    "as many dependent equations as variables": Case(
        [0] * 6, [1, inf, inf, 1, inf, inf], [1, 2, 0, 0, 0, 2],
        lambda v: v[0] + 2 * v[1] + 4 * v[4] + np.exp(v[0] * v[3]),  # problem 55 of Hock and Schittkowski
        [
            Row(lambda v: v[0] + 2 * v[1] + 5 * v[4], 6, 6), Row(lambda v: v[0] + v[1] + v[2], 3, 3),
            Row(lambda v: v[3] + v[4] + v[5], 2, 2), Row(lambda v: v[0] + v[3], 1, 1),
            Row(lambda v: v[1] + v[4], 2, 2), Row(lambda v: v[2] + v[5], 2, 2),
        ],
        optimum=20 / 3,
    ),
    "more dependent equations than variables": Case(
        BOX, [1, 1], [0.9, 0.2], lambda v: v[0] ** 2 + 3 * v[1] ** 2,
        [Row(lambda v, k=k: k * (v[0] + v[1]), k, k) for k in (1, 2, 3)], optimum=0.75,
    ),
    "more equations than variables that agree": Case(
        BOX, [1, 1], [0.9, 0.2], lambda v: v[0],
        [
            Row(lambda v: v[0] + v[1], 1, 1), Row(lambda v: v[0] ** 2 - v[1], 0.2, 0.2),
            Row(lambda v: v[0] ** 2 + v[0], 1.2, 1.2),
        ],
    ),
    "more equations than variables that contradict": Case(
        BOX, [1, 1], [0.9, 0.2], lambda v: v[0],
        [Row(lambda v: v[0] + v[1], 1, 1), Row(lambda v: v[0] - v[1], 0, 0), Row(lambda v: v[0], 0.51, 0.51)],
        is_solvable=False,
    ),
    "twice the same equation": Case(
        BOX, [1, 1], [0.5, 0.1], lambda v: v[0] + v[1],
        [Row(lambda v: v[0] ** 2 + v[1] ** 2, 1, 1), Row(lambda v: v[0] ** 2 + v[1] ** 2, 1, 1)], optimum=-np.sqrt(2),
    ),
    "a square system that determines x": Case(
        BOX, [1, 1], [0.5, 0.1], lambda v: v[0] + v[1],
        [Row(lambda v: v[0] - 2 * v[1], 0.1, 0.1), Row(lambda v: np.exp(v[0]) + v[1], 1.3, 1.3)],
    ),
    "degenerate inequality": Case(
        BOX, [1, 1], [0.5, 0.5], lambda v: v[0] + v[1], [Row(lambda v: v[0] ** 2, upper=0)], is_solvable=False,
    ),
    "degenerate equation": Case(
        BOX, [1, 1], [0.5, 0.5], lambda v: v[0] + v[1], [Row(lambda v: (v[0] - 0.2) ** 2, 0, 0)], is_solvable=False,
    ),
    "no feasible point": Case(
        [0, 0], [1, 1], [0.5, 0.5], lambda v: v[0], [Row(lambda v: v[0] + v[1], lower=3)], is_solvable=False,
    ),
    "contradicting equations": Case(
        [0, 0], [1, 1], [0.5, 0.5], lambda v: v[0] ** 2,
        [Row(lambda v: v[0] + v[1], 1, 1), Row(lambda v: 2 * v[0] + 2 * v[1], 2.001, 2.001)], is_solvable=False,
    ),
    "barely infeasible": Case(
        [0.0], [1.0], [0.5], lambda v: v[0], [Row(lambda v: v[0], lower=1 + 5e-6)], is_solvable=False,
    ),
    "narrow band": Case([0.0], [1e4], [100], lambda v: v[0], [Row(lambda v: v[0] ** 2, 1e6, 1e6 + 1e-3)]),
    "outputs in a narrow band": Case(
        BOX, [1, 1], [0.1, 0.1], lambda v: v[0] + v[1] + 0 * v[2], [Row(lambda v: v[2], 0.5, 0.5 + 1e-7)],
        network=lambda x: np.tanh(x[:1] + 2 * x[1:]),
    ),
    "a fixed variable": Case(
        [0.5, 0], [0.5, 1], [0.5, 0.1], lambda v: v[0] * v[1], [Row(lambda v: v[0] + v[1], lower=0.7)], optimum=0.1,
    ),
}  # fmt: skip


def slopes(function: Callable[[Any], Any], v: np.ndarray) -> np.ndarray:
    steps = 1e-30j * np.eye(v.size)
    return np.stack([np.imag(np.atleast_1d(function(v + step))) / 1e-30 for step in steps], axis=-1)


def is_solution(case: Case, x: np.ndarray, y: np.ndarray, f: float, duals: list[float], sides: tuple[Any, Any]) -> None:
    """Everything that a success promises, within the bounds and limits that were stated."""
    lower, upper = np.array(case.lower, float), np.array(case.upper, float)
    m = y.size
    low, high = np.concatenate([lower, np.full(m, -inf)]), np.concatenate([upper, np.full(m, inf)])
    v = np.concatenate([x, y])
    width = np.where(np.isfinite(high - low), high - low, np.maximum(1.0, abs(v)))
    if case.network is not None:
        gap = abs(y - np.real(case.network(x)))
        assert (gap <= 1e-6 * np.maximum(abs(y), (abs(slopes(case.network, x)) * width[: x.size]).max(axis=1))).all()
    assert (low - v <= 1e-6 * np.maximum(abs(np.nan_to_num(low)), width)).all()
    assert (v - high <= 1e-6 * np.maximum(abs(np.nan_to_num(high)), width)).all()
    assert f == pytest.approx(np.real(case.objective(v)), rel=1e-9, abs=1e-12)
    lagrangian = case.sign * slopes(case.objective, v)[0]
    for row, dual in zip(case.rows, duals, strict=False):
        slope = slopes(row.body, v)[0]
        size = (abs(slope) * width).max()
        assert row.lower - row.body(v) <= 1e-6 * max(abs(np.nan_to_num(row.lower)), size)
        assert row.body(v) - row.upper <= 1e-6 * max(abs(np.nan_to_num(row.upper)), size)
        lagrangian = lagrangian + dual * slope
        if row.lower != row.upper:
            gap = row.upper - row.body(v) if dual > 0 else row.body(v) - row.lower
            assert abs(dual) * min(max(gap, 0.0), max(size, abs(row.body(v)))) <= 1e-5 * max(1.0, abs(f))
    for k in range(m):
        slope = np.zeros(v.size)
        slope[: x.size], slope[x.size + k] = slopes(case.network, x)[k], -1.0
        lagrangian = lagrangian + duals[len(case.rows) + k] * slope
    rest = lagrangian - sides[0] + sides[1]
    assert (abs(rest) * np.minimum(width, 1e4 * np.maximum(1, abs(v))) <= 1e-5 * max(1.0, abs(f))).all()
    gaps = [np.clip(np.nan_to_num(gap, posinf=1.0), 0, None) for gap in (v - low, high - v)]
    assert min(sides[0].min(), sides[1].min()) >= 0
    for side, gap in zip(sides, gaps, strict=True):
        assert (side * gap <= 1e-5 * max(1.0, abs(f))).all()


each_solver = pytest.mark.parametrize("solver", ["cyipopt", "pounce"])


@each_solver
@pytest.mark.parametrize("name", CASES)
def test_success_is_success(name: str, solver: str) -> None:
    check(CASES[name], solver)


@each_solver
@pytest.mark.parametrize("seed", range(25))
def test_random_systems_of_dependent_equations(seed: int, solver: str) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 6))
    rank = int(random.integers(1, n + 1))
    m = int(random.integers(rank, n + 3))
    matrix = random.normal(size=(m, rank)) @ random.normal(size=(rank, n))
    matrix *= 10.0 ** random.uniform(-3, 4, (m, 1)) if seed % 2 else 1.0
    shape: Any = np.tanh if seed % 3 == 0 else np.positive
    limits = matrix @ shape(random.uniform(0.2, 0.8, n))
    slope, start = random.normal(size=n), list(random.uniform(0.1, 0.9, n))
    rows = [
        Row(lambda v, k=k: matrix[k] @ (np.tanh(v) if seed % 3 == 0 else v), limits[k], limits[k]) for k in range(m)
    ]
    check(Case([0.0] * n, [1.0] * n, start, lambda v: slope @ v + ((v - 0.5) ** 2).sum(), rows), solver)


def check(case: Case, solver: str) -> None:
    """Solves it; success has to be what it says."""
    n = len(case.start)
    p = fx.Problem()
    lower = np.resize(case.lower, n) if case.lower is BOX else case.lower
    if case.lower is BOX:
        case = dataclasses.replace(case, lower=[-1.0] * n)
        lower = case.lower
    x = p.variables(n, lower, case.upper, case.start)
    parts, y = [x], None
    if case.network is not None:
        leaf = fx.variables(n)
        y = p.network(fx.Function(leaf, case.network(leaf)), x)
        parts.append(y)
    v = np.concatenate(parts)
    (p.maximize if case.sign < 0 else p.minimize)(case.objective(v))
    handles = [
        p.subject_to(row.body(v), *(None if np.isinf(side) else side for side in (row.lower, row.upper)))
        for row in case.rows
    ]
    result = p.solve(solver)
    assert result.success or not case.is_solvable, f"{result.status}: {result.message}"
    assert (result[x] >= case.lower).all()  # not by a hair, whatever the solver leaves
    assert (result[x] <= case.upper).all()
    if not result.success:
        assert result.status in (
            "infeasible",
            "inexact",
            "restoration_failed",
            "too_few_degrees_of_freedom",
            "iteration_limit",
        ), result.message
        return
    duals = [float(result.duals[handle]) for handle in handles]
    ends = [result.lower_duals[x], result.upper_duals[x]]
    if y is not None:
        duals += result.duals[y].tolist()
        ends = [np.concatenate([ends[0], result.lower_duals[y]]), np.concatenate([ends[1], result.upper_duals[y]])]
    is_solution(case, result[x], np.zeros(0) if y is None else result[y], result.objective, duals, (ends[0], ends[1]))
    if case.optimum is not None:
        assert result.objective == pytest.approx(case.optimum, rel=1e-5, abs=1e-5)
