"""Bounds of a network's units over a box, from the core's passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastexpr._core import Function
from fastexpr.formulations.affine import Array


def bounds_of_nodes(net: Function, lower: Any, upper: Any, ids: Sequence[int]) -> dict[int, tuple[Array, Array]]:
    """Lower and upper bounds of the units of some nodes, linear ones where that pays; infinite where there are none."""
    if not ids:
        return {}
    asked = set(ids)
    layers = net.bounds_by_layer(lower, upper)
    return {layer.index: (layer.lower, layer.upper) for layer in layers if layer.index in asked}
