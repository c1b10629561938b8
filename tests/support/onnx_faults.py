"""Models to check, and faults planted in their import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_models import make_model

from fastexpr.onnx import importer as importer_module

node = helper.make_node


def with_fault(monkeypatch: pytest.MonkeyPatch, operator: str, fault: Callable[[Any, Any], Any]) -> None:
    """The importer converts this operator as `fault` does, which is given the node and the true converter."""
    true = importer_module.find_converter

    def find(name: str, version: int, domain: str = "") -> Any:
        found = true(name, version, domain)
        if name != operator or found is None:
            return found
        return found._replace(convert=lambda entry: fault(entry, found.convert))

    monkeypatch.setattr(importer_module, "find_converter", find)


def forest(n_trees: int, depth: int) -> onnx.ModelProto:
    """Complete trees of random numbers: node k has the nodes 2k + 1 and 2k + 2 below it."""
    random, n_inner = np.random.default_rng(0), 2**depth - 1
    n = 2 * n_inner + 1
    tables: dict[str, Any] = {
        "nodes_treeids": np.repeat(range(n_trees), n), "nodes_nodeids": np.tile(range(n), n_trees),
        "nodes_featureids": random.integers(0, 4, n * n_trees), "nodes_values": random.uniform(-1, 1, n * n_trees),
        "nodes_truenodeids": np.tile([2 * k + 1 for k in range(n_inner)] + [0] * (n_inner + 1), n_trees),
        "nodes_falsenodeids": np.tile([2 * k + 2 for k in range(n_inner)] + [0] * (n_inner + 1), n_trees),
        "target_treeids": np.repeat(range(n_trees), n_inner + 1),
        "target_nodeids": np.tile(range(n_inner, n), n_trees), "target_ids": np.zeros(n_trees * (n_inner + 1), int),
        "target_weights": random.normal(size=n_trees * (n_inner + 1)),
    }  # fmt: skip
    modes = (["BRANCH_LEQ"] * n_inner + ["LEAF"] * (n_inner + 1)) * n_trees
    attributes = {key: value.tolist() for key, value in tables.items()} | {"nodes_modes": modes, "n_targets": 1}
    entry = node("TreeEnsembleRegressor", ["x"], ["y"], "it", domain="ai.onnx.ml", **attributes)
    model = make_model([entry], {"x": [1, 4]}, ["y"], {}, 17, np.float32)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    return model
