"""Rows of ensembles of trees."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from operator_table.arrays import (
    indices,
)
from operator_table.row import Row

# Two trees on three features, for two targets: (mode, feature or first, yes or last, no, where NaN goes).
TREE_NODES = np.array(
    [
        [1, 0, 1, 2, 0], [0, 0, 2, 0, 0], [4, 2, 3, 4, 1], [0, 2, 3, 0, 0], [0, 3, 5, 0, 0],  # u_0 <= 0.5, u_2 > -1
        [2, 1, 8, 6, 0], [3, 1, 7, 8, 0], [0, 5, 6, 0, 0], [0, 6, 8, 0, 0],  # u_1 < -0.75, then u_1 >= 1.25
    ]
)  # fmt: skip
TREE_TABLES = [
    TREE_NODES,
    np.array([0.5, 0, -1, 0, 0, -0.75, 1.25, 0, 0]),
    indices(0, 1, 0, 0, 1, 1, 0, 1),
    np.array([1.0, -2.0, 3.0, 0.5, 4.0, -1.5, 2.5, 0.25]),
    indices(0, 5),
]


def tree_reference(u: Any, aggregate: str) -> Any:
    """The same trees by hand; the derivative is 0."""
    rows = []
    for row in u.reshape(-1, 3).tolist():
        first = {0: 1.0, 1: -2.0} if row[0] <= 0.5 else {0: 3.0} if row[2] > -1 else {0: 0.5, 1: 4.0}
        second = {1: -1.5} if row[1] >= 1.25 else {0: 2.5, 1: 0.25}
        said = [[leaf[target] for leaf in (first, second) if target in leaf] for target in (0, 1)]
        combine = {"sum": sum, "mean": lambda values: sum(values) / 2, "min": min, "max": max}[aggregate]
        rows.append([combine(values) if values else 0.0 for values in said])  # type: ignore[operator]
    return torch.tensor(rows, dtype=torch.float64).reshape(*u.shape[:-1], 2) + 0 * u.sum()


TREES = [
    *(
        Row(
            "TreeEnsemble",
            partial(tree_reference, aggregate=aggregate),
            shapes=[shape],
            attributes={"n_targets": 2, "aggregate": aggregate},
            constants=TREE_TABLES,
            points=[[0.5, -0.75, -1.0] * (size // 3), [0.6, 1.25, -1.1] * (size // 3), [9.0, 1.3, -0.9] * (size // 3)],
            note=f"{aggregate}-{len(shape)}",
        )
        for aggregate in ("sum", "mean", "min", "max")
        for shape, size in (((2, 3), 6), ((3,), 3))
    ),
]
