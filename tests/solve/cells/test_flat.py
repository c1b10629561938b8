"""Rows that have no slope where a solve begins, and feasible points elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

import fastexpr as fx


def dead_then_alive(width):
    """relu(relu(x) - ...) that is off but for a corner of the box."""
    rng = np.random.default_rng(width)
    W = rng.normal(size=(width, 3)) / np.sqrt(3)
    x = fx.variables(3)
    h = np.maximum(W @ x, 0.0)
    v = rng.uniform(0.5, 1.0, (1, width))
    best = float((v @ np.maximum(W @ rng.uniform(-1, 1, (3, 4000)), 0.0)).max())
    return fx.Function(x, np.maximum(v @ h - 0.8 * best, 0.0)), 0.1 * best


@pytest.mark.parametrize("width", [4, 8, 12])
@pytest.mark.parametrize("kind", ["lower", "equal"])
def test_a_row_behind_units_that_are_all_off(width, kind):
    net, value = dead_then_alive(width)
    p = fx.Problem()
    x = p.variables(3, -1, 1, start=0.0)
    p.minimize((x**2).sum())
    p.subject_to(p.network(net, x), **{kind: value})
    r = p.solve()
    assert r.success, r.message
    assert net(r[x])[0] >= value - 1e-6


def test_what_no_place_of_the_box_has_is_still_said():
    net, value = dead_then_alive(6)
    p = fx.Problem()
    x = p.variables(3, -1, 1, start=0.0)
    p.minimize((x**2).sum())
    p.subject_to(net(x), lower=100.0 * value)
    r = p.solve()
    assert r.status == "infeasible"
    assert r.conflicts
