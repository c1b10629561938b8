"""The core's decision trees as attributes of ai.onnx.ml's TreeEnsemble, whose leaves have one target each: a tree is
written once for each target that its leaves name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from fastexpr._core import Operator
from fastexpr.errors import OnnxError
from fastexpr.onnx.export.graph import ExportGraph

AGGREGATES = {"sum": 1, "mean": 1, "min": 2, "max": 3}  # a mean is a sum that is divided


class TreeAttributes:
    """The operator's attributes under construction."""

    def __init__(self, op: Operator) -> None:
        self.nodes, self.thresholds, self.targets, self.numbers, self.roots = op.constants
        self.has_silence = op.attributes["aggregate"] in ("sum", "mean")  # a leaf without the target says 0
        self.rows: list[list[int]] = []  # mode, feature, yes, is it a leaf, no, is it a leaf, where NaN goes
        self.splits: list[float] = []
        self.leaf_targets: list[int] = []
        self.leaf_numbers: list[float] = []
        self.tree_roots: list[int] = []

    def add(self, first: int, stop: int, target: int) -> None:
        """A tree, nodes first to stop, as far as it is about a target."""
        nodes = self.nodes[first:stop]
        inner = np.flatnonzero(nodes[:, 0]) + first
        places = dict(zip(inner.tolist(), range(len(self.rows), len(self.rows) + len(inner)), strict=True))
        self.tree_roots.append(len(self.rows))
        if not places:  # a tree that is a leaf: both ways lead there
            leaf = self._leaf(first, target)
            self._row([0, 0, leaf, 1, leaf, 1, 0], 0.0)
        for place in inner:
            mode, feature, yes, no, nan = self.nodes[place].tolist()
            ways = [(places[to], 0) if to in places else (self._leaf(to, target), 1) for to in (yes, no)]
            self._row([mode - 1, feature, *ways[0], *ways[1], nan], float(self.thresholds[place]))

    def _row(self, row: list[int], split: float) -> None:
        self.rows.append(row)
        self.splits.append(split)

    def _leaf(self, place: int, target: int) -> int:
        _, first, stop, _, _ = self.nodes[place].tolist()
        said = dict(zip(self.targets[first:stop].tolist(), self.numbers[first:stop].tolist(), strict=True))
        if target not in said and not self.has_silence:
            raise OnnxError(
                f"[TreeEnsemble] ONNX cannot express the smallest or largest of trees with a leaf that says nothing: "
                f"got node {place} and target {target}. Leave it out of the function."
            )
        self.leaf_targets.append(target)
        self.leaf_numbers.append(said.get(target, 0.0))
        return len(self.leaf_targets) - 1


def tree_attributes(graph: ExportGraph, op: Operator) -> dict[str, Any]:
    """Everything that the node has."""
    tables = TreeAttributes(op)
    ends = [*tables.roots[1:].tolist(), len(tables.nodes)]
    for first, stop in zip(tables.roots.tolist(), ends, strict=True):
        leaves = tables.nodes[first:stop][tables.nodes[first:stop, 0] == 0]
        named = {int(target) for leaf in leaves for target in tables.targets[leaf[1] : leaf[2]]}
        for target in sorted(named):
            tables.add(first, stop, target)
    columns = np.array(tables.rows, np.int64).T.tolist()
    modes, feature_ids, yes, yes_leaf, no, no_leaf, nan = columns
    dtype = np.float64 if graph.is_double else np.float32
    return {
        "aggregate_function": AGGREGATES[op.attributes["aggregate"]],
        "n_targets": op.attributes["n_targets"],
        "tree_roots": tables.tree_roots,
        "nodes_modes": tensor(np.array(modes, np.uint8)),
        "nodes_featureids": feature_ids,
        "nodes_splits": tensor(np.array(tables.splits, dtype)),
        "nodes_truenodeids": yes,
        "nodes_trueleafs": yes_leaf,
        "nodes_falsenodeids": no,
        "nodes_falseleafs": no_leaf,
        "nodes_missing_value_tracks_true": nan,
        "leaf_targetids": tables.leaf_targets,
        "leaf_weights": tensor(np.array(tables.leaf_numbers, dtype)),
    }


def tensor(array: NDArray[Any]) -> Any:
    """An attribute that is a tensor."""
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor("", kind, array.shape, array.tobytes(), raw=True)
