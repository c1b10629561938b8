"""Quadratic programs: points at which multipliers and bounds carry the gradient, or none."""

from __future__ import annotations

import numpy as np
import pytest

from fastexpr.solve.cells import quadratic
from fastexpr.solve.cells.quadratic import Quadratic, matrix_of


def program_of(seed, n, m, rank, is_sparse):
    rng = np.random.default_rng(seed)
    root, slopes, values = rng.normal(size=(rank, n)), rng.normal(size=(m, n)), rng.uniform(-1, 1, m)
    lower, upper = values - rng.choice([0.0, 0.4, np.inf], m), values + rng.choice([0.0, 0.3, np.inf], m)
    places = [np.divmod(np.arange(size * n), n) for size in (n, m)]
    hessian = (root.T @ root + 1e-6 * np.eye(n)).ravel()
    matrices = [
        matrix_of(*place, entries, (size, n))
        for place, entries, size in zip(places, (hessian, slopes.ravel()), (n, m), strict=True)
    ]
    assert isinstance(matrices[0], np.ndarray) != is_sparse
    low, high = -rng.uniform(0.1, 1, n), rng.uniform(0.1, 1, n)
    side = np.where(lower == upper, 2, np.where(values - lower == 0.0, -1, np.where(upper - values == 0.0, 1, 0)))
    sides = side, np.zeros(n, dtype=int)
    return Quadratic(rng.normal(size=n), *matrices, values, lower, upper, low, high, *sides), root, slopes


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize(("n", "m", "rank"), [(3, 0, 3), (4, 9, 4), (12, 20, 3), (20, 6, 0), (30, 60, 20)])
def test_solutions_are_stationary(monkeypatch, n, m, rank, is_sparse):
    monkeypatch.setattr(quadratic, "MOST_DENSE", 0 if is_sparse else 100)
    for seed in range(10):
        program, root, slopes = program_of(seed, n, m, rank, is_sparse)
        d = program.solve()
        values = program.values + slopes @ d
        assert (values >= program.lower - 1e-9).all()
        assert (values <= program.upper + 1e-9).all()
        assert (d >= program.low - 1e-9).all()
        assert (d <= program.high + 1e-9).all()
        is_inside = (values > program.lower + 1e-7) & (values < program.upper - 1e-7)
        assert (program.multipliers[is_inside] == 0.0).all()
        presses = np.where(program.lower == program.upper, 0.0, program.multipliers)
        assert (presses[values < program.upper - 1e-7] <= 1e-7).all()
        assert (presses[values > program.lower + 1e-7] >= -1e-7).all()
        slope = program.gradient + root.T @ (root @ d) + 1e-6 * d + slopes.T @ program.multipliers
        assert (slope[d < program.high - 1e-9] >= -1e-6).all()
        assert (slope[d > program.low + 1e-9] <= 1e-6).all()


def test_what_curves_down_is_refused():
    none = np.zeros(0)
    sides = np.zeros(0, dtype=int), np.zeros(2, dtype=int)
    hessian = np.diag([1.0, -1.0])
    program = Quadratic(np.ones(2), hessian, np.zeros((0, 2)), none, none, none, -np.ones(2), np.ones(2), *sides)
    assert program.solve() is None
