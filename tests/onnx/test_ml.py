"""Operators of ai.onnx.ml: values against ONNX's evaluator and ONNX Runtime, derivatives against differences."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnx_models import distance

import fastexpr as fx
import fastexpr.onnx.backend
from fastexpr.errors import DerivativeWarning, FastexprError, OnnxError
from fastexpr.onnx.registry import ML, registered_versions

RANDOM = np.random.default_rng(5)


def numbers(*shape: int) -> list[float]:
    """Numbers that float32 holds."""
    return [float(k) for k in RANDOM.normal(size=shape).astype(np.float32).reshape(-1)]


def model_of(
    operator: str, shape: tuple[int, ...] = (1, 3), inputs: int = 1, kind: int = TensorProto.FLOAT, **attributes: Any
) -> ModelProto:
    """One node; classifiers have a label before the scores."""
    names = [f"x{k}" for k in range(inputs)]
    is_classifier = operator.endswith("Classifier")
    outputs = ["label", "y"] if is_classifier else ["y"]
    node = helper.make_node(operator, names, outputs, "it", domain=ML, **attributes)
    infos = [helper.make_tensor_value_info("y", TensorProto.FLOAT if operator != "TreeEnsemble" else kind, None)]
    if is_classifier:
        infos.insert(0, helper.make_tensor_value_info("label", TensorProto.INT64, None))
    ports = [helper.make_tensor_value_info(name, kind, shape) for name in names]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(ML, 5 if operator == "TreeEnsemble" else 3)]
    return helper.make_model(helper.make_graph([node], "ml", ports, infos), opset_imports=opsets, ir_version=9)


# ---- trees

LEQ, LEAF = "BRANCH_LEQ", "LEAF"
#: Two trees on three features; nodes in an order of their own.
NODES: dict[str, Any] = {
    "nodes_treeids": [0, 0, 0, 0, 0, 7, 7, 7],
    "nodes_nodeids": [0, 1, 2, 3, 4, 0, 2, 5],
    "nodes_modes": [LEQ, LEAF, "BRANCH_GT", LEAF, LEAF, "BRANCH_LT", LEAF, LEAF],
    "nodes_featureids": [0, 0, 2, 0, 0, 1, 0, 0],
    "nodes_values": [0.25, 0, -0.5, 0, 0, 0.125, 0, 0],
    "nodes_truenodeids": [4, 0, 1, 0, 0, 5, 0, 0],
    "nodes_falsenodeids": [2, 0, 3, 0, 0, 2, 0, 0],
}


def leaves(prefix: str, targets: list[int], weights: list[float] | None = None) -> dict[str, Any]:
    """A number at each leaf for each of these targets."""
    places = [(0, 1), (0, 3), (0, 4), (7, 2), (7, 5)]
    entries = [(tree, place, target) for tree, place in places for target in targets]
    return {
        f"{prefix}_treeids": [tree for tree, _, _ in entries],
        f"{prefix}_nodeids": [place for _, place, _ in entries],
        f"{prefix}_ids": [target for _, _, target in entries],
        f"{prefix}_weights": weights or numbers(len(entries)),
    }


def version_5(**changes: Any) -> dict[str, Any]:
    """The same kind of trees in the form of version 5, one of them a test of membership, one a leaf."""
    tables: dict[str, Any] = {
        "tree_roots": [0, 2, 4],
        "nodes_modes": [0, 6, 2, 5, 0],
        "nodes_splits": [0.25, 0, -0.5, 0.5, 0],
        "nodes_featureids": [0, 1, 2, 0, 0],
        "nodes_truenodeids": [0, 1, 2, 1, 4],
        "nodes_trueleafs": [1, 1, 1, 1, 1],
        "nodes_falsenodeids": [1, 2, 3, 3, 4],
        "nodes_falseleafs": [0, 1, 0, 1, 1],
        "leaf_targetids": [0, 1, 1, 0, 1],
        "leaf_weights": [1.5, -2.0, 3.25, 0.5, -0.75],
        "membership_values": [1.0, 2.0, 7.0, np.nan],
        "n_targets": 2,
    } | changes
    kinds = {
        "nodes_modes": np.uint8,
        **dict.fromkeys(("nodes_splits", "leaf_weights", "membership_values"), np.float32),
    }
    return {
        key: onnx.numpy_helper.from_array(np.array(value, kinds[key])) if key in kinds else value
        for key, value in tables.items()
    }


REGRESSION = NODES | leaves("target", [0, 1]) | {"n_targets": 2}
BINARY = NODES | leaves("class", [0]) | {"classlabels_int64s": [0, 1]}
THREE = NODES | leaves("class", [0, 1, 2]) | {"classlabels_int64s": [0, 1, 2]}
POSITIVE = NODES | leaves("class", [0], [0.1, 0.2, 0.3, 0.15, 0.25]) | {"classlabels_int64s": [0, 1]}
SOFTMAX: dict[str, Any] = {"post_transform": "SOFTMAX", "base_values": [1.0, 2.0, 3.0]}
NO_KERNEL: dict[str, Any] = {"rho": [0.5], "kernel_params": [0.0, 0.0, 0.0]}  # ONNX Runtime asks for them
TREES: dict[str, tuple[str, dict[str, Any]]] = {
    "sum": ("TreeEnsembleRegressor", REGRESSION),
    "mean": ("TreeEnsembleRegressor", REGRESSION | {"aggregate_function": "AVERAGE", "base_values": [0.5, -1.0]}),
    "min": ("TreeEnsembleRegressor", REGRESSION | {"aggregate_function": "MIN"}),
    "max": ("TreeEnsembleRegressor", REGRESSION | {"aggregate_function": "MAX", "base_values": [0.5, -1.0]}),
    "missing": ("TreeEnsembleRegressor", REGRESSION | {"nodes_missing_value_tracks_true": [1] * 8}),
    "two classes, probabilities": ("TreeEnsembleClassifier", POSITIVE),
    "two classes, logistic": ("TreeEnsembleClassifier", BINARY | {"post_transform": "LOGISTIC", "base_values": [0.25]}),
    "three classes": ("TreeEnsembleClassifier", THREE),
    "three classes, softmax": ("TreeEnsembleClassifier", THREE | SOFTMAX),
    "version 5": ("TreeEnsemble", version_5()),
    "version 5, mean": ("TreeEnsemble", version_5(aggregate_function=0)),
    "version 5, max": ("TreeEnsemble", version_5(aggregate_function=3, leaf_targetids=[0] * 5, n_targets=1)),
}  # fmt: skip


def reference(model: ModelProto, x: Any) -> Any:
    """The scores of all rows by ONNX's evaluator, one at a time."""
    evaluator = ReferenceEvaluator(model)
    return np.array([np.asarray(evaluator.run(["y"], {"x0": row[None]})[0]).reshape(-1) for row in x], np.float64)


def runtime(model: ModelProto, x: Any) -> Any:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.array([session.run(["y"], {"x0": row[None]})[0].reshape(-1) for row in x], np.float64)


def grid() -> Any:
    """Rows on the thresholds, beside them, and far away."""
    values = [-9.0, -1.0, -0.5, 0.125, 0.25, 0.5, 1.0, 7.0]
    return np.array(np.meshgrid(values, values, values)).reshape(3, -1).T.astype(np.float32)


@pytest.mark.parametrize("name", TREES)
def test_trees(name: str) -> None:
    operator, attributes = TREES[name]
    model = model_of(operator, **attributes)
    with pytest.warns(DerivativeWarning, match="has decision trees, .*derivatives are 0.*First at 'it'"):
        net = fx.load_onnx(model)
    x = grid()
    y = net(x.astype(np.float64))
    assert distance(y, reference(model, x)) < 1e-6
    assert distance(y, runtime(model, x)) < 1e-6
    assert not net.jacobian(x[0].astype(np.float64)).any()
    assert net.sparsity()[0].nnz == 0
    lower, upper = net.output_bounds(x.min(axis=0), x.max(axis=0))
    assert np.all((lower <= y.min(axis=0)) & (y.max(axis=0) <= upper))
    if operator == "TreeEnsembleRegressor":  # whose trees have no feature in common
        assert np.allclose([lower, upper], [y.min(axis=0), y.max(axis=0)], rtol=1e-5)


@pytest.mark.filterwarnings("ignore::fastexpr.errors.DerivativeWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [name for name in TREES if "classes" not in name])
def test_trees_are_written(name: str, dtype: Any, tmp_path: Any) -> None:
    operator, attributes = TREES[name]
    net = fx.load_onnx(model_of(operator, **attributes))
    net.to_onnx(tmp_path / "net.onnx", dtype=dtype)
    onnx.checker.check_model(tmp_path / "net.onnx", full_check=True)
    x = grid()
    expected = net(x.astype(np.float64))
    assert distance(fx.load_onnx(tmp_path / "net.onnx", check=False)(x.astype(np.float64)), expected) < 1e-6
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    got = np.array([session.run(None, {"x0": row[None].astype(dtype)})[0].reshape(-1) for row in x], np.float64)
    assert distance(got, expected) < 1e-6


@pytest.mark.filterwarnings("ignore::fastexpr.errors.DerivativeWarning")
def test_trees_in_double_precision() -> None:
    """Tensors instead of lists hold doubles."""
    third = 1 / 3
    values = {"nodes_values": [third if value else 0.0 for value in NODES["nodes_values"]]}
    weights = leaves("target", [0])
    lists = {**values, "target_weights": [value + 1e-12 for value in weights["target_weights"]], "base_values": [third]}
    tensors = {f"{key}_as_tensor": onnx.numpy_helper.from_array(np.array(value)) for key, value in lists.items()}
    plain = {key: value for key, value in {**NODES, **weights, "n_targets": 1}.items() if key not in lists}
    net = fx.load_onnx(model_of("TreeEnsembleRegressor", kind=TensorProto.DOUBLE, **plain, **tensors), check=False)
    below, above = net([[third, 1.0, 1.0], [np.nextafter(third, 1), 1.0, 1.0]])
    by_place = dict(zip([1, 3, 4, 2, 5], lists["target_weights"], strict=True))
    assert below == [by_place[4] + by_place[2] + third]
    assert above == [by_place[1] + by_place[2] + third]


@pytest.mark.filterwarnings("ignore::fastexpr.errors.DerivativeWarning")
def test_nodes_in_any_order() -> None:
    """Each tree's first node is its root; the others, and what leaves say, may stand anywhere."""
    random, x = np.random.default_rng(0), grid().astype(np.float64)
    expected = fx.load_onnx(model_of("TreeEnsembleRegressor", **REGRESSION))(x)
    for _ in range(20):
        order = np.append([0, 5], random.permutation([1, 2, 3, 4, 6, 7]))
        said = random.permutation(10)
        shuffled = {
            key: [value[k] for k in (order if key.startswith("nodes_") else said)] if isinstance(value, list) else value
            for key, value in REGRESSION.items()
        }
        assert np.array_equal(fx.load_onnx(model_of("TreeEnsembleRegressor", **shuffled))(x), expected)


@pytest.mark.filterwarnings("ignore::fastexpr.errors.DerivativeWarning")
def test_trees_that_share_nodes() -> None:
    """By version 5, a root may lie inside of another tree."""
    x = grid().astype(np.float64)
    single = [fx.load_onnx(model_of("TreeEnsemble", **version_5(tree_roots=[root])))(x) for root in (0, 1, 0, 2)]
    together = fx.load_onnx(model_of("TreeEnsemble", **version_5(tree_roots=[0, 1, 0, 2])), check=True)(x)
    assert np.allclose(together, np.sum(single, axis=0), rtol=1e-15)


@pytest.mark.filterwarnings("ignore::fastexpr.errors.DerivativeWarning")
def test_a_tree_that_is_a_long_chain() -> None:
    n = 5000
    chain = {
        "nodes_treeids": [0] * (2 * n + 1), "nodes_nodeids": list(range(2 * n + 1)),
        "nodes_modes": ["BRANCH_LEQ"] * n + ["LEAF"] * (n + 1), "nodes_featureids": [0] * (2 * n + 1),
        "nodes_values": [k / n for k in range(2 * n + 1)],
        "nodes_truenodeids": list(range(n, 2 * n)) + [0] * (n + 1),
        "nodes_falsenodeids": [*range(1, n), 2 * n] + [0] * (n + 1),
        "target_treeids": [0] * (n + 1), "target_nodeids": list(range(n, 2 * n + 1)), "target_ids": [0] * (n + 1),
        "target_weights": [float(k) for k in range(n + 1)], "n_targets": 1,
    }  # fmt: skip
    net = fx.load_onnx(model_of("TreeEnsembleRegressor", **chain))
    assert [net([u, 0.0, 0.0])[0] for u in (-1.0, 0.5, 0.99991, 2.0)] == [0.0, 2500.0, 5000.0, 5000.0]


def test_missing_numbers() -> None:
    """x is finite always, but rows that are constants of a model may have NaN."""
    model = model_of(
        "TreeEnsembleRegressor", **REGRESSION | {"nodes_missing_value_tracks_true": [1, 0, 0, 0, 0, 1, 0, 0]}
    )
    x = np.array([[np.nan, 0.5, 1.0]], np.float32)
    assert distance(fastexpr.onnx.backend.run_model(model, [x])[0].reshape(-1), reference(model, x)[0]) < 1e-6


def test_a_batch_of_rows_inside() -> None:
    model = model_of("TreeEnsembleRegressor", (4, 3), **REGRESSION)
    with pytest.warns(DerivativeWarning):
        net = fx.load_onnx(model, check=True)
    assert net.outputs == {"y": (4, 2)}


DAMAGED: dict[str, tuple[str, dict[str, Any], str]] = {
    "cycle": ("TreeEnsembleRegressor", REGRESSION | {"nodes_truenodeids": [0] * 8}, "comes to node (0, 0) twice"),
    "two parents": ("TreeEnsembleRegressor", REGRESSION | {"nodes_truenodeids": [2, 0, 2, 0, 0, 5, 0, 0]}, "twice"),
    "no such node": ("TreeEnsembleRegressor", REGRESSION | {"nodes_falsenodeids": [9] * 8}, "leads to node (0, 9)"),
    "lengths": ("TreeEnsembleRegressor", REGRESSION | {"nodes_values": [0.5]}, "has 1 nodes_values, expected 8"),
    "ids": ("TreeEnsembleRegressor", REGRESSION | {"nodes_nodeids": [0] * 8}, "8 nodes, of which 2 are different"),
    "mode": ("TreeEnsembleRegressor", REGRESSION | {"nodes_modes": ["X"] * 8}, "has the modes ['X'], expected"),
    "feature": ("TreeEnsembleRegressor", REGRESSION | {"nodes_featureids": [3] * 8}, "tests feature 3 of 3"),
    "threshold": ("TreeEnsembleRegressor", REGRESSION | {"nodes_values": [np.nan] * 8}, "node 0 has the threshold nan"),
    "target": ("TreeEnsembleRegressor", REGRESSION | {"target_ids": [2] * 10}, "has a leaf for target 2 of 2"),
    "weights": ("TreeEnsembleRegressor", REGRESSION | {"target_weights": [np.inf] * 10}, "of a leaf is not finite"),
    "targets": ("TreeEnsembleRegressor", REGRESSION | {"n_targets": 2**40}, "has 1099511627776 targets, expected 1 to"),
    "empty": ("TreeEnsembleRegressor", {"n_targets": 1}, "has 0 nodes"),
    "aggregate": ("TreeEnsembleRegressor", REGRESSION | {"aggregate_function": "XOR"}, "has aggregate_function='XOR'"),
    "base values": ("TreeEnsembleRegressor", REGRESSION | {"base_values": [1.0] * 3}, "has base_values=[1.0, 1.0"),
    "post_transform": ("TreeEnsembleRegressor", REGRESSION | {"post_transform": "X"}, "has post_transform='X'"),
    "cycle, version 5": ("TreeEnsemble", version_5(nodes_falsenodeids=[0] * 5), "comes to node (False, 0) twice"),
    "leaf, version 5": ("TreeEnsemble", version_5(nodes_truenodeids=[5] * 5), "leads to leaf 5, which is not there"),
    "root, version 5": ("TreeEnsemble", version_5(tree_roots=[-1]), "leads to node -1, which is not there"),
    "members, version 5": ("TreeEnsemble", version_5(membership_values=[1.0]), "has 0 sets of membership_values"),
    "modes, version 5": ("TreeEnsemble", version_5(nodes_modes=[9] * 5), "modes from 9 to 9"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_trees(name: str) -> None:
    operator, attributes, message = DAMAGED[name]
    with pytest.raises(FastexprError, match=r"\[TreeEnsemble\w* 'it'\] .*" + re.escape(message)):
        fx.load_onnx(model_of(operator, **attributes))


# ---- everything that is smooth

KERNEL = {"support_vectors": numbers(4, 3), "coefficients": numbers(4), "n_supports": 4, "rho": [0.25]}
PAIRS = {
    "support_vectors": numbers(5, 3), "vectors_per_class": [2, 2, 1], "coefficients": numbers(2, 5), "rho": numbers(3),
    "classlabels_ints": [0, 1, 2],
}  # fmt: skip
PAIR = {
    "support_vectors": numbers(4, 3), "vectors_per_class": [2, 2], "coefficients": numbers(1, 4), "rho": [0.1],
    "classlabels_ints": [0, 1], "kernel_type": "RBF", "kernel_params": [0.5, 0.0, 3.0],
}  # fmt: skip
PROBABILITY = PAIR | {"prob_a": [-1.5], "prob_b": [0.25]}
LINEAR = {"coefficients": numbers(2, 3), "intercepts": [0.5, -0.25]}
TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")
SMOOTH: dict[str, tuple[str, dict[str, Any]]] = {
    "Scaler": ("Scaler", {"offset": numbers(3), "scale": numbers(3)}),
    "Scaler, one for all": ("Scaler", {"offset": [0.5], "scale": [2.0]}),
    **{f"Normalizer {norm}": ("Normalizer", {"norm": norm}) for norm in ("MAX", "L1", "L2")},
    "Imputer": ("Imputer", {"imputed_value_floats": [1.0, 2.0, 3.0], "replaced_value_float": float("nan")}),
    "Imputer of a number": ("Imputer", {"imputed_value_floats": [1.0], "replaced_value_float": -9.0}),
    "Binarizer": ("Binarizer", {"threshold": 0.25}),
    "LinearRegressor": ("LinearRegressor", LINEAR | {"targets": 2}),
    "LinearRegressor without intercepts": ("LinearRegressor", {"coefficients": numbers(3)}),
    **{
        f"LinearClassifier {name}": ("LinearClassifier", LINEAR | {"classlabels_ints": [0, 1], "post_transform": name})
        for name in TRANSFORMS
    },
    "LinearClassifier PROBIT": (
        "LinearClassifier",
        {"coefficients": [0.05, 0.02, -0.03, 0.01, 0.02, 0.03], "intercepts": [0.4, 0.6], "post_transform": "PROBIT",
         "classlabels_ints": [0, 1]},
    ),
    "LinearClassifier of one row": (
        "LinearClassifier",
        {"coefficients": numbers(3), "intercepts": [0.5], "classlabels_ints": [0, 1], "post_transform": "LOGISTIC"},
    ),
    "SVMRegressor LINEAR": ("SVMRegressor", KERNEL | {"kernel_type": "LINEAR", "kernel_params": [0.0, 0.0, 0.0]}),
    "SVMRegressor POLY": ("SVMRegressor", KERNEL | {"kernel_type": "POLY", "kernel_params": [0.5, 0.25, 3.0]}),
    "SVMRegressor RBF": ("SVMRegressor", KERNEL | {"kernel_type": "RBF", "kernel_params": [0.5, 0.0, 3.0]}),
    "SVMRegressor SIGMOID": ("SVMRegressor", KERNEL | {"kernel_type": "SIGMOID", "kernel_params": [0.1, 0.25, 3.0]}),
    "SVMRegressor of one class": (
        "SVMRegressor", KERNEL | {"kernel_type": "RBF", "kernel_params": [0.5, 0.0, 3.0], "one_class": 1}
    ),
    "SVMRegressor without support vectors": ("SVMRegressor", NO_KERNEL | {"coefficients": numbers(3)}),
    "SVMClassifier of two": ("SVMClassifier", PAIR),
    "SVMClassifier of two, logistic": ("SVMClassifier", PAIR | {"post_transform": "LOGISTIC"}),
    "SVMClassifier, probabilities": ("SVMClassifier", PROBABILITY),
    "SVMClassifier of three": (
        "SVMClassifier", PAIRS | {"kernel_type": "SIGMOID", "kernel_params": [0.25, 0.1, 3.0]}
    ),
    "SVMClassifier without support vectors": (
        "SVMClassifier", NO_KERNEL | {"coefficients": numbers(3, 3), "classlabels_ints": [0, 1, 2]}
    ),
}  # fmt: skip
NOT_A_NUMBER = {"LinearRegressor without intercepts"}  # says the evaluator
LOOSE = {"SVMClassifier, probabilities": 5e-3}  # both judges stop an iteration early


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth(name: str) -> None:
    operator, attributes = SMOOTH[name]
    model = model_of(operator, **attributes)
    net = fx.load_onnx(model)
    x = RANDOM.uniform(0.1, 1, (5, 3)).astype(np.float32)
    x[1] = [-0.5, 0.75, 0.375]
    y = net(x.astype(np.float64))
    judges: dict[str, Callable[[Any, Any], Any]] = {"reference": reference, "runtime": runtime}
    for judge, evaluate in judges.items():
        if judge == "runtime" or name not in NOT_A_NUMBER:
            assert distance(y, evaluate(model, x)) < LOOSE.get(name, 5e-6), judge
    for point in x.astype(np.float64):
        net.check_derivatives(point)


def test_features_side_by_side() -> None:
    """Cut, filled with 0, picked."""
    nodes = [
        helper.make_node("FeatureVectorizer", ["a", "b", "c"], ["all"], domain=ML, inputdimensions=[2, 3, 1]),
        helper.make_node("ArrayFeatureExtractor", ["all", "places"], ["y"], domain=ML),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
             for name, shape in (("a", [1, 3]), ("b", [1, 2]), ("c", [1]))]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "features",
        ports,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.array([5, 4, 3, 0]), "places")],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(ML, 3)]
    net = fx.load_onnx(helper.make_model(graph, opset_imports=opsets), check=True)
    assert net([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).tolist() == [6.0, 0.0, 5.0, 1.0]


ERRORS: dict[str, tuple[str, dict[str, Any], str]] = {
    "length of scale": ("Scaler", {"offset": [0.0], "scale": [1.0, 2.0]}, "has scale=[1.0, 2.0], expected 1 or 3"),
    "norm": ("Normalizer", {"norm": "L3"}, "has norm='L3', expected MAX, L1 or L2"),
    "imputed values": ("Imputer", {"imputed_value_int64s": [1]}, "has no imputed_value_floats"),
    "coefficients": ("LinearRegressor", {"coefficients": [1.0, 2.0]}, "has 2 coefficients and 0 intercepts for 3"),
    "NaN": ("LinearRegressor", {"coefficients": [np.nan] * 3}, "has coefficients that are not finite"),
    "targets": ("LinearRegressor", {"coefficients": numbers(6), "targets": 3}, "has targets=3 and coefficients for 2"),
    "kernel": ("SVMRegressor", KERNEL | {"kernel_type": "COSINE"}, "has kernel_type='COSINE', expected one of LINEAR"),
    "kernel parameters": ("SVMRegressor", KERNEL | {"kernel_type": "RBF"}, "has 0 kernel_params, expected 3"),
    "support vectors": ("SVMRegressor", KERNEL | {"n_supports": 5}, "has 12 support_vectors, expected 15"),
    "vectors per class": ("SVMClassifier", PAIRS | {"vectors_per_class": [2, 2]}, "has vectors_per_class=[2, 2] for 3"),
    "probabilities of three": (
        "SVMClassifier", PAIRS | {"prob_a": numbers(3), "prob_b": numbers(3)}, "iterates to find the probabilities of 3"
    ),
    "unknown operator": ("DictVectorizer", {"int64_vocabulary": [1]}, "unknown operator: got DictVectorizer of domain"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    operator, attributes, message = ERRORS[name]
    with pytest.raises(OnnxError, match=rf"\[{operator} 'it'\] {re.escape(message)}"):
        fx.load_onnx(model_of(operator, **attributes))


def test_every_operator_has_a_row() -> None:
    tested = {operator for operator, _ in [*TREES.values(), *SMOOTH.values()]}
    elsewhere = {"FeatureVectorizer", "ArrayFeatureExtractor", "OneHotEncoder", "LabelEncoder"}
    assert {name for name, _ in registered_versions(ML)} - tested == elsewhere


# ---- what scikit-learn's classifiers look like


def classifier(labels: dict[str, Any], makes_map: bool) -> ModelProto:
    """Scaled features, scores; labels by name; the scores as a map from labels to numbers."""
    nodes = [
        helper.make_node("Scaler", ["x"], ["z"], domain=ML, offset=[0.5], scale=[2.0]),
        helper.make_node("LinearClassifier", ["z"], ["code", "scores"], domain=ML, **LINEAR, **labels),
        helper.make_node("Identity", ["code"], ["label"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"]),
    ]
    kind = TensorProto.INT64 if "classlabels_ints" in labels else TensorProto.STRING
    outputs = [helper.make_tensor_value_info("label", kind, None)]
    if makes_map:
        names = {key.replace("ints", "int64s"): value for key, value in labels.items()}
        nodes.append(helper.make_node("ZipMap", ["probabilities"], ["map"], domain=ML, **names))
        of = helper.make_map_type_proto(kind, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
        outputs.append(helper.make_value_info("map", helper.make_sequence_type_proto(of)))
    else:
        outputs.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None))
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(ML, 3)]
    return helper.make_model(helper.make_graph(nodes, "classifier", ports, outputs), opset_imports=opsets)


@pytest.mark.parametrize("makes_map", [False, True])
@pytest.mark.parametrize("labels", [{"classlabels_ints": [3, 7]}, {"classlabels_strings": ["no", "yes"]}])
def test_classifier(labels: dict[str, Any], makes_map: bool) -> None:
    """Probabilities, and no labels."""
    net = fx.load_onnx(classifier(labels, makes_map), check=True)
    assert net.outputs == {"map" if makes_map else "probabilities": (1, 2)}
    assert net([0.1, 0.2, 0.3]).sum() == pytest.approx(1, rel=1e-15)
    with pytest.raises(OnnxError, match=r"\[Output 'label'\] has elements .*Outputs that can be used: '(map|prob)"):
        fx.load_onnx(classifier(labels, makes_map), outputs=["label"])
    with pytest.raises(OnnxError, match=r"\[LinearClassifier #1\] has an output 0 \('code'\), which is not supported"):
        fx.load_onnx(classifier(labels, makes_map), outputs=["code"])
