"""Decision trees of ai.onnx.ml: TreeEnsembleRegressor, TreeEnsembleClassifier, TreeEnsemble. All become the core's
TreeEnsemble, whose tables are laid out here: each tree from its root on, parents before children.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx

from fastexpr.onnx.arrays import tensor_array
from fastexpr.onnx.builder import Value
from fastexpr.onnx.converters.ml_features import features
from fastexpr.onnx.converters.ml_linear import n_classes
from fastexpr.onnx.converters.post_transforms import number, transformed
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import ML, converter

MODES = {
    "BRANCH_LEQ": 1, "BRANCH_LT": 2, "BRANCH_GTE": 3, "BRANCH_GT": 4, "BRANCH_EQ": 5, "BRANCH_NEQ": 6,
}  # fmt: skip
EQUAL = MODES["BRANCH_EQ"]
AGGREGATES = {"SUM": "sum", "AVERAGE": "mean", "MIN": "min", "MAX": "max"}
NUMBERED_AGGREGATES = ("mean", "sum", "min", "max")
MOST_TARGETS = 2**20

Key = Hashable
Leaf = dict[int, float]  # target: number


class Split(NamedTuple):
    """A node that tests a feature; several thresholds: whether it is equal to one of them."""

    mode: int
    feature: int
    thresholds: Sequence[float]
    yes: Key
    no: Key
    goes_yes_on_nan: bool


class Tables:
    """The core's tables under construction."""

    def __init__(self) -> None:
        self.nodes: list[list[int]] = []
        self.thresholds: list[float] = []
        self.targets: list[int] = []
        self.numbers: list[float] = []
        self.roots: list[int] = []

    def add_tree(self, node: OnnxNode, root: Key, found: Callable[[Key], Split | Leaf]) -> None:
        """Adds one tree; `found` gives the node of a key."""
        self.roots.append(len(self.nodes))
        seen: set[Key] = set()
        waiting: list[tuple[Key, list[tuple[int, int]]]] = [(root, [])]  # and which entries lead there
        while waiting:
            key, leading = waiting.pop()
            if key in seen:
                node.fail(f"has a tree that comes to node {key} twice, so it is no tree. Export the model again.")
            seen.add(key)
            for place, column in leading:
                self.nodes[place][column] = len(self.nodes)
            entry = found(key)
            if isinstance(entry, Split):
                waiting += self._add_split(entry)
            else:
                self._add_leaf(entry)

    def _add_split(self, split: Split) -> list[tuple[Key, list[tuple[int, int]]]]:
        first = len(self.nodes)
        for k, threshold in enumerate(split.thresholds):
            self.nodes.append([split.mode, split.feature, 0, first + k + 1, int(split.goes_yes_on_nan)])
            self.thresholds.append(threshold)
        last = len(self.nodes) - 1
        return [(split.no, [(last, 3)]), (split.yes, [(place, 2) for place in range(first, last + 1)])]

    def _add_leaf(self, leaf: Leaf) -> None:
        self.nodes.append([0, len(self.targets), len(self.targets) + len(leaf), 0, 0])
        self.thresholds.append(0.0)
        for target in sorted(leaf):
            self.targets.append(target)
            self.numbers.append(leaf[target])

    def apply(self, node: OnnxNode, n_targets: int, aggregate: str) -> Value:
        """The core's operator."""
        if not 1 <= n_targets <= MOST_TARGETS:
            node.fail(f"has {n_targets} targets, expected 1 to {MOST_TARGETS}. Export the model again.")
        constants = [
            np.array(self.nodes, np.int64).reshape(-1, 5),
            np.array(self.thresholds, np.float64),
            np.array(self.targets, np.int64),
            np.array(self.numbers, np.float64),
            np.array(self.roots, np.int64),
        ]
        return node.graph.apply(
            "TreeEnsemble", features(node), constants=constants, n_targets=n_targets, aggregate=aggregate
        )


# ---- attributes


def listed(node: OnnxNode, name: str, length: int | None = None, default: Any = None) -> list[Any]:
    """An attribute that is a list, or the tensor that holds the same in double precision."""
    value = node.attribute(name)
    tensor = node.attribute(f"{name}_as_tensor")
    if isinstance(value, onnx.TensorProto) or tensor is not None:
        array = tensor_array(value if isinstance(value, onnx.TensorProto) else tensor, f"{node.title} {name}")
        value = array.reshape(-1).tolist()
    if not value and default is not None and length is not None:
        return [default] * length
    value = value or []
    if length is not None and len(value) != length:
        node.fail(f"has {len(value)} {name}, expected {length}. The table is damaged: export the model again.")
    return value


def leaves_of(
    node: OnnxNode, prefix: str, weights: str, n_targets: int, combine: Callable[[float, float], float]
) -> dict[Key, Leaf]:
    """What is said at each node, by (tree, node)."""
    trees = listed(node, f"{prefix}_treeids")
    nodes, targets, numbers = (
        listed(node, name, len(trees)) for name in (f"{prefix}_nodeids", f"{prefix}_ids", weights)
    )
    leaves: dict[Key, Leaf] = {}
    for tree, place, target, value in zip(trees, nodes, targets, numbers, strict=True):
        if not 0 <= target < n_targets:
            node.fail(f"has a leaf for target {target} of {n_targets}. The table is damaged: export the model again.")
        leaf = leaves.setdefault((tree, place), {})
        leaf[target] = combine(leaf[target], value) if target in leaf else value
    return leaves


def trees_by_ids(node: OnnxNode, leaves: dict[Key, Leaf]) -> Tables:
    """The trees of operators before version 5, whose nodes are known by the ids of tree and node."""
    trees = listed(node, "nodes_treeids")
    n = len(trees)
    places, modes, feature_ids, values, yes, no = (
        listed(node, f"nodes_{name}", n)
        for name in ("nodeids", "modes", "featureids", "values", "truenodeids", "falsenodeids")
    )
    nan = listed(node, "nodes_missing_value_tracks_true", n, 0)
    position = {(tree, place): k for k, (tree, place) in enumerate(zip(trees, places, strict=True))}
    if n == 0 or len(position) != n:
        node.fail(f"has {n} nodes, of which {len(position)} are different. The table is damaged: export again.")
    unknown = set(modes) - set(MODES) - {"LEAF"}
    if unknown:
        node.fail(f"has the modes {sorted(unknown)}, expected {', '.join(MODES)} or LEAF. Export the model again.")

    def found(key: Any) -> Split | Leaf:
        k = position.get(key)
        if k is None:
            node.fail(f"has a tree that leads to node {key}, which is not there. Export the model again.")
        if modes[k] == "LEAF":
            return leaves.get(key, {})
        tree = trees[k]
        return Split(MODES[modes[k]], feature_ids[k], [values[k]], (tree, yes[k]), (tree, no[k]), bool(nan[k]))

    tables = Tables()
    for root in first_nodes(trees, places):
        tables.add_tree(node, root, found)
    return tables


def first_nodes(trees: Iterable[int], places: Iterable[int]) -> list[tuple[int, int]]:
    """The root of each tree: its first node."""
    roots: dict[int, int] = {}
    for tree, place in zip(trees, places, strict=True):
        roots.setdefault(tree, place)
    return sorted(roots.items())


def with_base(node: OnnxNode, scores: Value, n: int) -> Value:
    """The scores plus `base_values`, one for each or one for all."""
    base = np.array(listed(node, "base_values"), np.float64)
    if base.size not in (0, 1, n) or not np.isfinite(base).all():
        node.fail(f"has base_values={base.tolist()}, expected {n} finite numbers. Export the model again.")
    return node.graph.add(scores, base) if base.any() else scores


# ---- operators


@converter("TreeEnsembleRegressor", domain=ML)
def tree_ensemble_regressor(node: OnnxNode) -> Value:
    """The trees' numbers put together, plus base values.

    Piecewise constant: the derivative is 0.
    """
    n, name = node.attribute("n_targets") or 1, node.attribute("aggregate_function")
    if name not in AGGREGATES:
        node.fail(f"has aggregate_function={name!r}, expected one of {', '.join(AGGREGATES)}. Export the model again.")
    combine: Any = {"MIN": min, "MAX": max}.get(name, lambda a, b: a + b)
    leaves = leaves_of(node, "target", "target_weights", n, combine)
    scores = trees_by_ids(node, leaves).apply(node, n, AGGREGATES[name])
    return transformed(node, with_base(node, scores, n))


@converter("TreeEnsembleClassifier", domain=ML)
def tree_ensemble_classifier(node: OnnxNode) -> Sequence[Value | None]:
    """No label; a score for each class. Trees that speak of one class only give the score s of the second of two:
    1 - s and s, or, where a transformation follows, -s and s.

    Piecewise constant: the derivative is 0.
    """
    graph, n = node.graph, n_classes(node, "classlabels_int64s", "classlabels_strings")
    ids = set(listed(node, "class_ids"))
    is_binary = len(ids) == 1 and n <= 2
    leaves = leaves_of(node, "class", "class_weights", max(n, 1), lambda a, b: a + b)
    if is_binary:
        leaves = {key: {0: sum(leaf.values())} for key, leaf in leaves.items()}
    scores = trees_by_ids(node, leaves).apply(node, 1 if is_binary else n, "sum")
    scores = with_base(node, scores, 1 if is_binary else n)
    if is_binary:
        is_plain = node.attribute("post_transform") in ("NONE", "PROBIT")
        other = graph.subtract(number(1.0), scores) if is_plain else graph.apply("Neg", scores)
        scores = graph.concatenate([other, scores], 1)
    return [None, transformed(node, scores)]


@converter("TreeEnsemble", since=5, domain=ML)
def tree_ensemble(node: OnnxNode) -> Value:
    """Sums of the leaves that x reaches; nodes and leaves by their places, a leaf has one target.

    Piecewise constant: the derivative is 0.
    """
    targets, weights = listed(node, "leaf_targetids"), listed(node, "leaf_weights")
    feature_ids = listed(node, "nodes_featureids")
    n, n_leaves, n_targets = len(feature_ids), len(targets), node.attribute("n_targets") or 1
    modes, splits, yes, no, yes_leaf, no_leaf = (
        listed(node, f"nodes_{name}", n)
        for name in ("modes", "splits", "truenodeids", "falsenodeids", "trueleafs", "falseleafs")
    )
    nan = listed(node, "nodes_missing_value_tracks_true", n, 0)
    aggregate = node.integer("aggregate_function")
    if len(weights) != n_leaves or not 0 <= aggregate < 4 or any(not 0 <= mode <= 6 for mode in modes):
        node.fail(
            f"has {n_leaves} leaf_targetids, {len(weights)} leaf_weights, aggregate_function={aggregate}, modes from "
            f"{min(modes, default=0)} to {max(modes, default=0)}. The table is damaged: export the model again."
        )
    members = member_sets(node, [k for k in range(n) if modes[k] == 6])

    def found(key: Any) -> Split | Leaf:
        is_leaf, k = key
        if not 0 <= k < (n_leaves if is_leaf else n):
            node.fail(
                f"has a tree that leads to {'leaf' if is_leaf else 'node'} {k}, which is not there. Export again."
            )
        if is_leaf:
            if not 0 <= targets[k] < n_targets:
                node.fail(f"has a leaf for target {targets[k]} of {n_targets}. Export the model again.")
            return {targets[k]: weights[k]}
        thresholds, mode = members.get(k, [splits[k]]), EQUAL if k in members else modes[k] + 1
        yes_key, no_key = (bool(yes_leaf[k]), yes[k]), (bool(no_leaf[k]), no[k])
        return Split(mode, feature_ids[k], thresholds, yes_key, no_key, bool(nan[k]))

    tables = Tables()
    for root in listed(node, "tree_roots"):
        is_lone = 0 <= root < n and yes_leaf[root] and no_leaf[root] and yes[root] == no[root]  # a tree that is a leaf
        tables.add_tree(node, (True, yes[root]) if is_lone else (False, root), found)
    return transformed(node, tables.apply(node, n_targets, NUMBERED_AGGREGATES[aggregate]))


def member_sets(node: OnnxNode, places: list[int]) -> dict[int, list[float]]:
    """The numbers that nodes of mode BRANCH_MEMBER look for: in the nodes' order, each set ended by a NaN."""
    sets: list[list[float]] = [[]]
    for value in listed(node, "membership_values") if places else []:
        if np.isnan(value):
            sets.append([])
        else:
            sets[-1].append(value)
    if len(sets) != len(places) + 1 or not all(sets[: len(places)]):
        node.fail(f"has {len(sets) - 1} sets of membership_values, expected {len(places)}, none empty. Export again.")
    return dict(zip(places, sets, strict=False))
