"""Decision trees by NumPy, all of them at once, level by level: the standard's words, for the check of an import."""

from __future__ import annotations

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.reference_node import ReferenceNode

AGGREGATES = {"SUM": np.add, "AVERAGE": np.add, "MIN": np.minimum, "MAX": np.maximum}


class Forest:
    """The nodes of all trees, sorted by the ids of tree and node."""

    def __init__(self, node: ReferenceNode) -> None:
        trees, places = node.column("nodes_treeids", np.int64), node.column("nodes_nodeids", np.int64)
        if min(trees.min(), places.min()) < 0:
            raise ValueError("negative ids")
        self.span = int(places.max()) + 1
        codes = trees * self.span + places
        self.order = np.argsort(codes, kind="stable")
        self.codes = codes[self.order]
        self.trees = trees
        self.node = node
        is_first = np.append(True, trees[1:] != trees[:-1])
        self.roots = np.flatnonzero(is_first)  # a tree begins with its first node
        if len(self.roots) != len(np.unique(trees[self.roots])):
            raise ValueError("nodes of a tree stand apart")

    def find(self, trees: Array, places: Array) -> Array:
        """Where the nodes with these ids are."""
        return self.order[np.searchsorted(self.codes, trees * self.span + places)]

    def leaves(self, x: Array) -> Array:
        """(points, trees): the leaf that each point comes to in each tree."""
        modes = np.array(self.node.attributes["nodes_modes"])
        is_leaf, feature = modes == "LEAF", self.node.column("nodes_featureids", np.int64)
        if not (is_leaf | (modes == "BRANCH_LEQ")).all() or not np.isfinite(x).all():
            raise ValueError("other tests")
        value = self.node.column("nodes_values", np.float64)
        yes, no = (self.node.column(f"nodes_{side}nodeids", np.int64) for side in ("true", "false"))
        at = np.broadcast_to(self.roots, (len(x), len(self.roots))).copy()
        point = np.broadcast_to(np.arange(len(x))[:, None], at.shape)
        for _ in range(len(modes)):
            moving = ~is_leaf[at]
            if not moving.any():
                break
            k = at[moving]
            passed = x[point[moving], feature[k]] <= value[k]
            at[moving] = self.find(self.trees[k], np.where(passed, yes[k], no[k]))
        return at


def sums(
    node: ReferenceNode, prefix: str, weights: str, targets: Array, n: int, combine: np.ufunc, start: float
) -> Array:
    """(points, n): what the leaves say of each target, put together."""
    x, forest = np.asarray(node.inputs[0], np.float64), Forest(node)
    owner = forest.find(node.column(f"{prefix}_treeids", np.int64), node.column(f"{prefix}_nodeids", np.int64))
    numbers = node.column(weights, np.float64)
    y = np.full((len(x), n), start)
    for row, leaves in zip(y, forest.leaves(x), strict=True):
        is_reached = np.zeros(len(forest.trees), bool)
        is_reached[leaves] = True
        taken = is_reached[owner]
        combine.at(row, targets[taken], numbers[taken])
    return y


def tree_regressor(node: ReferenceNode) -> Array | None:
    """The sum, mean, least or largest of the leaves' numbers, plus base values."""
    a, targets = node.attributes, node.column("target_ids", np.int64)
    combine, n = AGGREGATES[a["aggregate_function"]], a["n_targets"] or 1
    if a["post_transform"] != "NONE" or node.inputs[0].ndim != 2:
        return None
    start = {"MIN": np.inf, "MAX": -np.inf}.get(a["aggregate_function"], 0.0)
    y = sums(node, "target", "target_weights", targets, n, combine, start)
    if a["aggregate_function"] == "AVERAGE":
        y = y / len(np.unique(node.column("nodes_treeids", np.int64)))
    return y + node.column("base_values", np.float64) if a["base_values"] else y


def tree_classifier(node: ReferenceNode) -> Array | None:
    """Sums of votes for each class. Votes for one of two only follow rules of their own, which others have."""
    a, targets = node.attributes, node.column("class_ids", np.int64)
    n = len(a["classlabels_int64s"] or a["classlabels_strings"])
    if a["post_transform"] != "NONE" or len(np.unique(targets)) < 2 or node.inputs[0].ndim != 2:
        return None
    y = sums(node, "class", "class_weights", targets, n, np.add, 0.0)
    return y + node.column("base_values", np.float64) if a["base_values"] else y
