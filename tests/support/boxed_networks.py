"""Networks for bounds over boxes, and points of boxes."""

from __future__ import annotations

import itertools

import numpy as np
from operator_table import Nodes

import fastexpr as fx


def mlp(sizes: list[int], activation: str = "Relu", seed: int = 0) -> fx.Function:
    generator = np.random.default_rng(seed)
    nodes = Nodes(sizes[0])
    node = 0
    for k, (a, b) in enumerate(itertools.pairwise(sizes)):
        weights = [generator.normal(size=(b, a)) / np.sqrt(a), generator.normal(size=b) * 0.1]
        node = nodes.add("Linear", node, axis=0, transposed=0, constants=weights)
        if k < len(sizes) - 2:
            node = nodes.add(activation, node)
    return nodes.function(node)


def lattice(lower: np.ndarray, upper: np.ndarray, count: int) -> np.ndarray:
    sides = [np.linspace(a, b, count) for a, b in zip(lower, upper, strict=True)]
    return np.array(list(itertools.product(*sides)))
