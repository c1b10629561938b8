"""Decision trees by NumPy, all of them at once, level by level: the standard's words, for the check of an import."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.check.node import ReferenceNode

AGGREGATES = {"SUM": np.add, "AVERAGE": np.add, "MIN": np.minimum, "MAX": np.maximum}
NUMBERED_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
LESS_OR_EQUAL = 0  # among the numbered modes


def descend(x: Array, roots: Array, is_leaf: Array, feature: Array, value: Array, children: Array) -> Array:
    """(points, trees): the leaf that each point comes to in each tree; a test x <= value leads to children[:, 1]."""
    if not np.isfinite(x).all():
        raise ValueError("missing values go ways of their own")
    at = np.broadcast_to(roots, (len(x), len(roots))).copy()
    point = np.broadcast_to(np.arange(len(x))[:, None], at.shape)
    for _ in range(len(is_leaf)):
        moving = ~is_leaf[at]
        if not moving.any():
            return at
        k = at[moving]
        at[moving] = children[k, (x[point[moving], feature[k]] <= value[k]).astype(int)]
    raise ValueError("a circle")


def put_together(reached: Array, owner: Array, targets: Array, numbers: Array, n: int, name: str) -> Array:
    """(points, n): what the leaves of each point say of each target. `owner` is the leaf that says a number."""
    n_leaves = 1 + int(max(owner.max(initial=0), reached.max(initial=0)))
    start = {"MIN": np.inf, "MAX": -np.inf}.get(name, 0.0)
    y = np.full((len(reached), n), start)
    for row, leaves in zip(y, reached, strict=True):
        count = np.bincount(leaves, minlength=n_leaves)[owner]  # as often as trees share a leaf
        taken = count > 0
        AGGREGATES[name].at(row, targets[taken], numbers[taken] * (count[taken] if start == 0 else 1))
    return y / reached.shape[1] if name == "AVERAGE" else y


class Forest:
    """The nodes of all trees by the ids of tree and node."""

    def __init__(self, node: ReferenceNode) -> None:
        self.node = node
        self.trees, places = (node.column(f"nodes_{name}ids", np.int64) for name in ("tree", "node"))
        self.span, n_trees = int(places.max()) + 1, int(self.trees.max()) + 1
        if min(self.trees.min(), places.min()) < 0 or self.span * n_trees > 4 * len(places) + 1000:
            raise ValueError("ids with gaps")
        self.place = np.full(self.span * n_trees, -1)
        self.place[self.trees * self.span + places] = np.arange(len(places))
        self.roots = np.flatnonzero(np.append(True, self.trees[1:] != self.trees[:-1]))  # a tree's first node
        if len(self.roots) != len(np.unique(self.trees[self.roots])):
            raise ValueError("nodes of a tree stand apart")

    def find(self, trees: Array, places: Array) -> Array:
        """Where the nodes with these ids are."""
        return np.asarray(self.place[trees * self.span + places])

    def leaves(self, x: Array) -> Array:
        """(points, trees): the leaf that each point comes to in each tree."""
        known = {"LEAF": True, b"LEAF": True, "BRANCH_LEQ": False, b"BRANCH_LEQ": False}
        is_leaf = np.fromiter(map(known.__getitem__, self.node.attributes["nodes_modes"]), bool, len(self.trees))
        yes, no = (self.node.column(f"nodes_{side}nodeids", np.int64) for side in ("true", "false"))
        children = np.stack([self.find(self.trees, no), self.find(self.trees, yes)], axis=1)
        feature, value = self.node.column("nodes_featureids", np.int64), self.node.column("nodes_values", np.float64)
        return descend(x, self.roots, is_leaf, feature, value, children)


def scores(node: ReferenceNode, prefix: str, weights: str, n: int, name: str) -> Array:
    """Of trees whose nodes are known by ids, base values included."""
    x, forest = np.asarray(node.inputs[0], np.float64), Forest(node)
    owner, targets = (node.column(f"{prefix}_{ids}", np.int64) for ids in ("nodeids", "ids"))
    owner = forest.find(node.column(f"{prefix}_treeids", np.int64), owner)
    y = put_together(forest.leaves(x), owner, targets, node.column(weights, np.float64), n, name)
    base = node.column("base_values", np.float64)
    return y + base if base.size else y


def is_plain(node: ReferenceNode) -> bool:
    """Whether nothing comes after the trees, and rows of numbers before them."""
    return node.attributes["post_transform"] in ("NONE", 0) and node.inputs[0].ndim == 2


def tree_regressor(node: ReferenceNode) -> Array | None:
    """The sum, mean, least or largest of the leaves' numbers, plus base values."""
    a = node.attributes
    if not is_plain(node):
        return None
    return scores(node, "target", "target_weights", a["n_targets"] or 1, a["aggregate_function"])


def tree_classifier(node: ReferenceNode) -> tuple[None, Array] | None:
    """No labels; sums of votes for each class. Votes for one of two only follow rules that others have."""
    if not is_plain(node) or len(np.unique(node.column("class_ids", np.int64))) < 2:
        return None
    labels: Any = node.attributes["classlabels_int64s"] or node.attributes["classlabels_strings"]
    return None, scores(node, "class", "class_weights", len(labels), "SUM")


def tree_ensemble(node: ReferenceNode) -> Array | None:
    """Nodes and leaves by their places; leaves stand behind the other nodes here."""
    feature, modes = node.column("nodes_featureids", np.int64), node.column("nodes_modes", np.int64)
    if not is_plain(node) or (modes != LESS_OR_EQUAL).any():
        return None
    n, targets = len(feature), node.column("leaf_targetids", np.int64)
    n_leaves = len(targets)
    children = np.stack(
        [
            node.column(f"nodes_{side}nodeids", np.int64) + n * node.column(f"nodes_{side}leafs", np.int64)
            for side in ("false", "true")
        ],
        axis=1,
    )
    is_leaf = np.arange(n + n_leaves) >= n
    x, value = np.asarray(node.inputs[0], np.float64), node.column("nodes_splits", np.float64)
    reached = descend(x, node.column("tree_roots", np.int64), is_leaf, feature, value, children)
    n_targets, name = node.attributes["n_targets"] or 1, NUMBERED_AGGREGATES[node.attributes["aggregate_function"]]
    numbers = node.column("leaf_weights", np.float64)
    return put_together(reached, n + np.arange(n_leaves), targets, numbers, n_targets, name)
