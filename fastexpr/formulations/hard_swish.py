"""HardSwish, z min(max(alpha z + beta, 0), 1), by chords of its parabola: an approximation, whose error is stated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastexpr.formulations.affine import Affine
from fastexpr.formulations.piecewise import Bounds, piecewise
from fastexpr.formulations.registry import BoundedNode

ERROR = 0.01  # of a unit


def hard_swish(builder: Any, node: BoundedNode, z: Affine, bounds: Bounds, alpha: float, beta: float) -> Affine:
    """Chords that are at most ERROR from the parabola."""
    if alpha == 0.0:
        return z.scaled(min(max(beta, 0.0), 1.0))
    ends = sorted((-beta / alpha, (1.0 - beta) / alpha))
    # A chord over a width h lies at most |alpha| h^2 / 4 from the parabola.
    count = math.ceil((ends[1] - ends[0]) * math.sqrt(abs(alpha) / ERROR) / 2.0)
    kinks = np.linspace(ends[0], ends[1], count + 1)
    values = kinks * np.clip(alpha * kinks + beta, 0.0, 1.0)
    slopes = np.concatenate([[float(alpha < 0)], np.diff(values) / np.diff(kinks), [float(alpha > 0)]])
    error = abs(alpha) * (kinks[1] - kinks[0]) ** 2 / 4.0
    builder.approximates(node)
    builder.counts.notes.append(f"{node} is approximated: each unit is at most {error:.2g} off")
    return piecewise(builder, node, z, bounds, kinks=kinks, slopes=slopes, anchor=values[0])
