"""What tests of formulations share: networks, and the least and largest outputs that an algebra allows."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastexpr as fx
from fastexpr.formulations.building import Builder
from fastexpr.solvers.highs import LinearProgram


def relu_network(sizes: tuple[int, ...], seed: int, activation: Any = None) -> fx.Function:
    """Random weights; sizes of all layers."""
    generator = np.random.default_rng(seed)
    x = h = fx.variables(sizes[0])
    for k in sizes[1:-1]:
        z = (generator.normal(size=(k, h.size)) / np.sqrt(h.size)) @ h + 0.3 * generator.normal(size=k)
        h = np.maximum(z, 0.0) if activation is None else activation(z)
    return fx.Function(x, generator.normal(size=(sizes[-1], h.size)) @ h + generator.normal(size=sizes[-1]))


def program(builder: Builder, cost: Any, offset: float, lower: Any, upper: Any) -> LinearProgram:
    """minimize cost @ columns + offset over the algebra, its inputs between other bounds."""
    algebra = builder.algebra
    low, high = algebra.lower.copy(), algebra.upper.copy()
    low[: builder.n_inputs], high[: builder.n_inputs] = lower, upper
    A, row_lower, row_upper = algebra.rows()
    return LinearProgram(low, high, algebra.is_integer, A, row_lower, row_upper, cost, offset)


def extremes(builder: Builder, y: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest value of each output at a fixed point, by HiGHS."""
    found: list[list[float]] = [[], []]
    for k in range(y.size):
        row = np.zeros(builder.algebra.n_columns)
        entry = y.matrix[[k]]
        row[entry.indices] = entry.data
        for side, sign in enumerate((1.0, -1.0)):
            outcome = program(builder, sign * row, sign * y.constant[k], x, x).solve()
            assert outcome.status == "optimal", outcome
            found[side].append(sign * outcome.objective)
    return np.array(found[0]), np.array(found[1])
