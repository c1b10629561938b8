"""Bounds of a network's units over a box, from the core's passes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.formulations.affine import Array
from fastexpr.function.kink import values_of_nodes


def bounds_of_nodes(net: Function, lower: Any, upper: Any, ids: Sequence[int]) -> dict[int, tuple[Array, Array]]:
    """Lower and upper bounds of the units of some nodes; infinite where there are none."""
    if not ids:
        return {}
    by_layer = getattr(net, "bounds_by_layer", None)  # linear bounds, where this build has them
    if by_layer is not None:
        found = {layer.index: (layer.lower, layer.upper) for layer in by_layer(lower, upper)}
        return {k: found[k] for k in ids}
    nodes = net._nodes()
    low, high = values_of_nodes(net, list(ids)).output_bounds(lower, upper)
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    ends = np.cumsum([math.prod(nodes[k - 1][0].shape) for k in ids])[:-1]
    return dict(zip(ids, zip(np.split(low, ends), np.split(high, ends), strict=True), strict=True))
