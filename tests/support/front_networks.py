"""Networks whose first layers see few inputs each."""

from __future__ import annotations

import numpy as np
from operator_table import Nodes

random = np.random.default_rng(3)


W1, W2, W3 = random.normal(size=(3, 1, 3, 3)), random.normal(size=(2, 3, 2, 2)), random.normal(size=(4, 50))


V1, V2, U = random.normal(size=(2, 1, 5)), random.normal(size=(1, 2, 3)), random.normal(size=(3, 40))


SIDE = 7  # of an image


def conv(nodes: Nodes, x: int, weights: np.ndarray, pads: list[int]) -> int:
    ones = [1] * (weights.ndim - 2)
    return nodes.add(
        "Conv", x, axis=0, group=1, transposed=0, strides=ones, dilations=ones, pads=pads, constants=[weights]
    )


def flat(nodes: Nodes, x: int) -> int:
    return nodes.add("Reshape", x, shape=[int(np.prod(nodes.shapes[x]))])


def dense(nodes: Nodes, x: int, weights: np.ndarray) -> int:
    return nodes.add("Linear", x, axis=0, transposed=0, constants=[weights])


def classifier(nodes: Nodes, activation: str) -> list[int]:
    image = nodes.add("Reshape", 0, shape=[1, SIDE, SIDE])
    hidden = nodes.add(activation, conv(nodes, image, W1, [0, 0, 0, 0]))
    hidden = nodes.add("Sigmoid", conv(nodes, hidden, W2, [1, 1, 0, 0]))
    return [nodes.add("Tanh", dense(nodes, flat(nodes, hidden), W3))]
