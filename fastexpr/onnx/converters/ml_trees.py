"""Decision trees of ai.onnx.ml: TreeEnsembleRegressor, TreeEnsembleClassifier, TreeEnsemble. All become the core's
TreeEnsemble, whose tables `tree_tables` lays out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from fastexpr.frameworks.tree_tables import LEAF, Leaves, Nodes, tables, visits
from fastexpr.onnx.arrays import Array, tensor_array
from fastexpr.onnx.converters.ml_features import features
from fastexpr.onnx.converters.ml_linear import n_classes
from fastexpr.onnx.converters.post_transforms import transformed
from fastexpr.onnx.handle import Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.registry import ML, converter

MODES = {
    "BRANCH_LEQ": 1, "BRANCH_LT": 2, "BRANCH_GTE": 3, "BRANCH_GT": 4, "BRANCH_EQ": 5, "BRANCH_NEQ": 6,
}  # fmt: skip
EQUAL, MEMBER = MODES["BRANCH_EQ"], 7
AGGREGATES = {"SUM": "sum", "AVERAGE": "mean", "MIN": "min", "MAX": "max"}
NUMBERED_AGGREGATES = ("mean", "sum", "min", "max")
MOST_TARGETS = 2**20
SMALLEST_TABLE = 1000


def apply(node: OnnxNode, constants: list[Array], n_targets: int, aggregate: str) -> Value:
    """The core's operator."""
    if not 1 <= n_targets <= MOST_TARGETS:
        node.fail(f"has {n_targets} targets, expected 1 to {MOST_TARGETS}. Export the model again.")
    return node.graph.apply(
        "TreeEnsemble", features(node), constants=constants, n_targets=n_targets, aggregate=aggregate
    )


# ---- attributes


def column(node: OnnxNode, name: str, dtype: Any, length: int | None = None, default: Any = None) -> Array:
    """An attribute that is a list, or the tensor that holds the same in double precision."""
    value = node.list_attribute(name)
    tensor = node.attribute(f"{name}_as_tensor")
    if isinstance(value, onnx.TensorProto) or tensor is not None:
        array = tensor_array(value if isinstance(value, onnx.TensorProto) else tensor, f"{node.title} {name}")
        value = array.reshape(-1)
    if (value is None or not len(value)) and default is not None and length is not None:
        return np.full(length, default, dtype)
    column = np.array([] if value is None else value, dtype)
    if length is not None and len(column) != length:
        node.fail(f"has {len(column)} {name}, expected {length}. The table is damaged: export the model again.")
    return column


class Ids:
    """Nodes by the ids of tree and node."""

    def __init__(self, node: OnnxNode) -> None:
        self.trees = column(node, "nodes_treeids", np.int64)
        self.places = column(node, "nodes_nodeids", np.int64, len(self.trees))
        n = len(self.trees)
        is_first = np.append(True, self.trees[1:] != self.trees[:-1])[:n]
        self.known_trees, order = np.unique(self.trees[is_first], return_index=True)
        self.roots = np.flatnonzero(is_first)[order]  # a tree begins with its first node
        self.span = int(self.places.max(initial=0)) + 1
        self.table: Array | None = None  # of positions, by tree and place, where there are few gaps
        codes = self._codes(self.trees, self.places)
        if len(self.known_trees) * self.span <= 4 * n + SMALLEST_TABLE and self.places.min(initial=0) >= 0:
            self.table = np.full(len(self.known_trees) * self.span, -1)
            self.table[codes] = np.arange(n)
            n_different = int(np.count_nonzero(self.table >= 0))
        else:
            self.known_places = np.unique(self.places)
            codes = self._sparse_codes(self.trees, self.places)
            self.order = np.argsort(codes, kind="stable")
            self.codes = codes[self.order]
            n_different = n and 1 + int(np.count_nonzero(self.codes[1:] != self.codes[:-1]))
        if n == 0 or n_different != n:
            node.fail(f"has {n} nodes, of which {n_different} are different. The table is damaged: export again.")

    def _codes(self, trees: Array, places: Array) -> Array:
        """A place in the table."""
        return position(self.known_trees, trees) * self.span + places

    def _sparse_codes(self, trees: Array, places: Array) -> Array:
        """One number for both; -1 where there is no such tree or no such node in any tree."""
        tree, place = position(self.known_trees, trees), position(self.known_places, places)
        return np.where((tree < 0) | (place < 0), -1, tree * len(self.known_places) + place)

    def find(self, trees: Array, places: Array) -> Array:
        """Their positions; -1 where there is none such."""
        if self.table is None:
            k = position(self.codes, self._sparse_codes(trees, places))
            return np.where(k < 0, -1, self.order[k])
        codes = self._codes(trees, places)
        is_there = (codes >= 0) & (places >= 0) & (places < self.span)
        return np.where(is_there, self.table[np.where(is_there, codes, 0)], -1)


def position(known: Array, values: Array) -> Array:
    """Where the values stand among the known ones, which are sorted; -1 where they do not."""
    if len(known) and known[0] == 0 and known[-1] == len(known) - 1:  # 0, 1, 2, ...
        return np.where((values >= 0) & (values < len(known)), values, -1)
    k = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[k] == values, k, -1)


def leaves_of(
    node: OnnxNode, ids: Ids, prefix: str, weights: str, n_targets: int, combine: np.ufunc, is_binary: bool = False
) -> Leaves:
    """What is said at each node; with `is_binary`, of any target as if it were the first."""
    trees = column(node, f"{prefix}_treeids", np.int64)
    places, targets = (column(node, f"{prefix}_{name}", np.int64, len(trees)) for name in ("nodeids", "ids"))
    numbers = column(node, weights, np.float64, len(trees))
    wrong = targets[(targets < 0) | (targets >= n_targets)]
    if wrong.size:
        node.fail(f"has a leaf for target {wrong[0]} of {n_targets}. The table is damaged: export the model again.")
    places = ids.find(trees, places)
    targets = np.zeros_like(targets) if is_binary else targets
    codes = places * n_targets + targets
    if (codes[1:] < codes[:-1]).any():
        order = np.argsort(codes, kind="stable")
        places, targets, numbers = places[order], targets[order], numbers[order]
    is_new = np.append(True, (places[1:] != places[:-1]) | (targets[1:] != targets[:-1]))[: len(places)]
    if not is_new.all():
        numbers = combine.reduceat(numbers, np.flatnonzero(is_new))
    return Leaves(places[is_new], targets[is_new], numbers)


def trees_by_ids(node: OnnxNode, ids: Ids, leaves: Leaves) -> list[Array]:
    """The trees of operators before version 5, whose nodes are known by the ids of tree and node."""
    n = len(ids.trees)
    feature, yes, no = (
        column(node, f"nodes_{name}", np.int64, n) for name in ("featureids", "truenodeids", "falsenodeids")
    )
    values, names = column(node, "nodes_values", np.float64, n), node.attribute("nodes_modes") or []
    if len(names) != n:
        node.fail(f"has {len(names)} nodes_modes, expected {n}. The table is damaged: export the model again.")
    unknown = set(names) - set(MODES) - {"LEAF"}
    if unknown:
        node.fail(f"has the modes {sorted(unknown)}, expected {', '.join(MODES)} or LEAF. Export the model again.")
    nodes = Nodes(
        mode=np.fromiter(map({**MODES, "LEAF": LEAF}.__getitem__, names), np.int64, n),
        feature=feature,
        goes_yes_on_nan=column(node, "nodes_missing_value_tracks_true", np.int64, n, 0),
        next=np.stack([ids.find(ids.trees, yes), ids.find(ids.trees, no)], axis=1),
        n_tests=np.ones(n, np.int64),
        thresholds=values,
        roots=ids.roots,
    )

    def key(k: int) -> tuple[int, int]:
        return int(ids.trees[k]), int(ids.places[k])

    seen = visits(nodes, key, lambda k, side: f"node {(int(ids.trees[k]), int((no if side else yes)[k]))}", node.fail)
    return tables(nodes, leaves, seen)


def with_base(node: OnnxNode, scores: Value, n: int) -> Value:
    """The scores plus `base_values`, one for each or one for all."""
    base = column(node, "base_values", np.float64)
    if base.size not in (0, 1, n) or not np.isfinite(base).all():
        node.fail(f"has base_values={base.tolist()}, expected {n} finite numbers. Export the model again.")
    return scores + base if base.any() else scores


# ---- operators


@converter("TreeEnsembleRegressor", domain=ML)
def tree_ensemble_regressor(node: OnnxNode) -> Value:
    """The trees' numbers put together, plus base values.

    Piecewise constant: the derivative is 0.
    """
    n, name = node.attribute("n_targets") or 1, node.attribute("aggregate_function")
    if name not in AGGREGATES:
        node.fail(f"has aggregate_function={name!r}, expected one of {', '.join(AGGREGATES)}. Export the model again.")
    combine: np.ufunc = {"MIN": np.minimum, "MAX": np.maximum}.get(name, np.add)
    ids = Ids(node)
    leaves = leaves_of(node, ids, "target", "target_weights", n, combine)
    scores = apply(node, trees_by_ids(node, ids, leaves), n, AGGREGATES[name])
    return transformed(node, with_base(node, scores, n))


@converter("TreeEnsembleClassifier", domain=ML)
def tree_ensemble_classifier(node: OnnxNode) -> Sequence[Value | None]:
    """No label; a score for each class. Trees that speak of one class only give the score s of the second of two:
    1 - s and s, or, where a transformation follows, -s and s.

    Piecewise constant: the derivative is 0.
    """
    graph, n = node.graph, n_classes(node, "classlabels_int64s", "classlabels_strings")
    is_binary = len(np.unique(column(node, "class_ids", np.int64))) == 1 and n <= 2
    ids = Ids(node)
    leaves = leaves_of(node, ids, "class", "class_weights", max(n, 1), np.add, is_binary)
    scores = apply(node, trees_by_ids(node, ids, leaves), 1 if is_binary else n, "sum")
    scores = with_base(node, scores, 1 if is_binary else n)
    if is_binary:
        is_plain = node.attribute("post_transform") in ("NONE", "PROBIT")
        other = 1.0 - scores if is_plain else -scores
        scores = graph.concatenate([other, scores], 1)
    return [None, transformed(node, scores)]


@converter("TreeEnsemble", since=5, domain=ML)
def tree_ensemble(node: OnnxNode) -> Value:
    """Sums of the leaves that x reaches; nodes and leaves by their places, a leaf has one target.

    Piecewise constant: the derivative is 0.
    """
    targets, weights = column(node, "leaf_targetids", np.int64), column(node, "leaf_weights", np.float64)
    feature = column(node, "nodes_featureids", np.int64)
    n, n_leaves, n_targets = len(feature), len(targets), node.attribute("n_targets") or 1
    splits = column(node, "nodes_splits", np.float64, n)
    mode, yes, no, yes_leaf, no_leaf = (
        column(node, f"nodes_{name}", np.int64, n)
        for name in ("modes", "truenodeids", "falsenodeids", "trueleafs", "falseleafs")
    )
    nan = column(node, "nodes_missing_value_tracks_true", np.int64, n, 0)
    aggregate = node.integer("aggregate_function")
    if len(weights) != n_leaves or not 0 <= aggregate < 4 or ((mode < 0) | (mode > 6)).any():
        node.fail(
            f"has {n_leaves} leaf_targetids, {len(weights)} leaf_weights, aggregate_function={aggregate}, modes from "
            f"{min(mode, default=0)} to {max(mode, default=0)}. The table is damaged: export the model again."
        )
    wrong = targets[(targets < 0) | (targets >= n_targets)]
    if wrong.size:
        node.fail(f"has a leaf for target {wrong[0]} of {n_targets}. Export the model again.")
    n_tests, thresholds = tests(node, mode + 1 == MEMBER, splits)
    no_test = np.zeros(n_leaves, np.int64)  # leaves stand behind the other nodes
    next_nodes = np.stack([place(yes, yes_leaf, n, n_leaves), place(no, no_leaf, n, n_leaves)], axis=1)
    nodes = Nodes(
        mode=np.append(np.where(mode + 1 == MEMBER, EQUAL, mode + 1), no_test + LEAF),
        feature=np.append(feature, no_test),
        goes_yes_on_nan=np.append(nan, no_test),
        next=np.append(next_nodes, np.stack([no_test, no_test], axis=1), axis=0),
        n_tests=np.append(n_tests, no_test + 1),
        thresholds=np.append(thresholds, no_test),
        roots=roots_by_places(node, n, next_nodes),
    )

    def name_of_next(k: int, side: int) -> str:
        is_leaf, which = (no_leaf, no) if side else (yes_leaf, yes)
        return f"{'leaf' if is_leaf[k] else 'node'} {which[k]}"

    def key(k: int) -> tuple[bool, int]:
        return k >= n, k - n if k >= n else k

    leaves = Leaves(n + np.arange(n_leaves), targets, weights)
    constants = tables(nodes, leaves, visits(nodes, key, name_of_next, node.fail))
    return transformed(node, apply(node, constants, n_targets, NUMBERED_AGGREGATES[aggregate]))


def place(which: Array, is_leaf: Array, n: int, n_leaves: int) -> Array:
    """Where the leaf or other node of this number stands; -1 where there is none such."""
    is_there = (which >= 0) & (which < np.where(is_leaf, n_leaves, n))
    return np.where(is_there, which + np.where(is_leaf, n, 0), -1)


def roots_by_places(node: OnnxNode, n: int, next_nodes: Array) -> Array:
    """The trees' roots. A tree that is a leaf has a root both of whose ways lead there."""
    roots = column(node, "tree_roots", np.int64)
    wrong = roots[(roots < 0) | (roots >= n)]
    if wrong.size:
        node.fail(f"has a tree that leads to node {wrong[0]}, which is not there. Export again.")
    yes, no = next_nodes[roots].T
    return np.where((yes == no) & (yes >= n), yes, roots)


def tests(node: OnnxNode, is_member: Array, splits: Array) -> tuple[Array, Array]:
    """How many tests each node has, and the thresholds of all of them. Nodes of mode BRANCH_MEMBER look for one of
    several numbers: these stand in the nodes' order, each set ended by a NaN.
    """
    n_tests, n_sets = np.ones(len(splits), np.int64), int(np.count_nonzero(is_member))
    if n_sets == 0:
        return n_tests, splits
    values = column(node, "membership_values", np.float64)
    ends = np.flatnonzero(np.isnan(values))
    sizes = np.diff(ends, prepend=-1) - 1
    if len(ends) != n_sets or not sizes.all():
        node.fail(f"has {len(ends)} sets of membership_values, expected {n_sets}, none empty. Export again.")
    n_tests[is_member] = sizes
    thresholds = np.repeat(splits, n_tests)
    thresholds[np.repeat(is_member, n_tests)] = values[: ends[-1]][~np.isnan(values[: ends[-1]])]
    return n_tests, thresholds
