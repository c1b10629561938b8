"""The comparison with ONNX's reference evaluator at every import: when it runs, what it finds, what it lets pass."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_faults import forest, node, with_fault
from onnx_models import make_model, mlp

import fastexpr as fx
from fastexpr.errors import FastexprError, OnnxError, UncheckedWarning
from fastexpr.onnx import importer as importer_module
from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.check import nodes as check
from fastexpr.onnx.check.judges import is_large_forest
from fastexpr.onnx.converters import control


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Nodes that were computed once more."""
    calls: list[Any] = []
    judge = check.by_numpy
    monkeypatch.setattr(check, "by_numpy", lambda *a: calls.append(a) or judge(*a))
    return calls


def test_check_runs_where_it_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_calls(monkeypatch)
    fx.load_onnx(mlp())
    n_nodes = len(mlp().graph.node)
    assert len(calls) == n_nodes
    fx.load_onnx(mlp(), check=False)
    assert len(calls) == n_nodes
    monkeypatch.setattr(check, "LARGEST_OPERATION_COUNT", 10)
    fx.load_onnx(mlp())
    assert len(calls) == n_nodes
    fx.load_onnx(mlp(), check=True)
    assert len(calls) == 2 * n_nodes


def test_check_names_the_node_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    with_fault(monkeypatch, "Tanh", lambda entry, convert: entry.graph.apply("Sigmoid", entry.input(0)))
    with pytest.raises(OnnxError, match=r"differs from ONNX's reference evaluator by .* first node .* \[Tanh 'act0'\]"):
        fx.load_onnx(mlp((4, 8, 8, 3)))


@pytest.mark.parametrize(
    "wrong", [lambda array: array + 1, lambda array: array[..., :1], lambda array: array.astype(str)]
)
def test_a_formula_of_ours_accuses_nobody(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not confirm is given to ONNX's reference evaluator."""
    judge = check.by_numpy
    calls: list[Any] = []
    evaluator = check.ReferenceEvaluator
    monkeypatch.setattr(check, "by_numpy", lambda *a: [wrong(array) for array in judge(*a) or []])
    monkeypatch.setattr(check, "ReferenceEvaluator", lambda *a, **k: calls.append(a) or evaluator(*a, **k))
    fx.load_onnx(mlp(), check=True)
    assert len(calls) == 1


def test_check_where_the_function_is_not_finite() -> None:
    model = make_model([node("Log", ["x"], ["y"])], {"x": [3]}, ["y"])
    assert fx.load_onnx(model, check=True)([1.0, 1.0, 1.0]).tolist() == [0.0, 0.0, 0.0]


def test_check_that_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that the reference evaluator refuses: fine by default, an error where a check was asked for."""

    def refuse(model: onnx.ModelProto, **settings: Any) -> Any:
        raise NotImplementedError("Tanh of version 1")

    monkeypatch.setattr(check, "by_numpy", lambda *unused: None)
    monkeypatch.setattr(check, "ReferenceEvaluator", refuse)
    monkeypatch.setattr(check, "evaluate_by_runtime", lambda *unused: None)
    assert fx.load_onnx(make_model([node("Tanh", ["x"], ["y"])], {"x": [1, 4]}, ["y"]))([1.0, 2, 3, 4]).size == 4
    with pytest.raises(OnnxError, match=r"reference evaluator cannot evaluate the model.*\[Tanh #0\]"):
        fx.load_onnx(make_model([node("Tanh", ["x"], ["y"])], {"x": [1, 4]}, ["y"]), check=True)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_check_of_a_part_in_16_bits(kind: int) -> None:
    nodes = [
        node("Cast", ["x"], ["half"], to=kind),
        node("Cast", ["W"], ["W_half"], to=kind),
        node("MatMul", ["half", "W_half"], ["product"]),
        node("Cast", ["product"], ["y"], to=TensorProto.FLOAT),
    ]
    weights = {"W": np.random.default_rng(0).normal(size=(16, 3))}
    model = make_model(nodes, {"x": [1, 16]}, ["y"], weights, dtype=np.float32)
    assert fx.load_onnx(model, check=True)(np.ones(16)).shape == (3,)


# ---- what is right passes, however much float32 rounds


def weights(seed: int = 0, **shapes: tuple[int, ...]) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {name: random.normal(size=shape) for name, shape in shapes.items()}


def siren(dtype: Any) -> onnx.ModelProto:
    """A network of sines, whose steep waves magnify every rounding."""
    nodes, x = [], "x"
    for k in range(5):
        nodes += [
            node("Gemm", [x, f"W{k}", f"b{k}"], [f"z{k}"]),
            node("Mul", [f"z{k}", "w0"], [f"s{k}"]),
            node("Sin", [f"s{k}"], [f"a{k}"]),
        ]
        x = f"a{k}"
    shapes = {f"W{k}": (2 if k == 0 else 32, 32) for k in range(5)} | {f"b{k}": (32,) for k in range(5)}
    numbers = weights(**shapes) | {"w0": np.array(30.0)}
    return make_model([*nodes, node("ReduceSum", [x], ["y"])], {"x": [1, 2]}, ["y"], numbers, 17, dtype)


def variance(dtype: Any) -> onnx.ModelProto:
    """E[x^2] - E[x]^2 of numbers about 1000: float32 holds no digit of it."""
    nodes = [
        node("Add", ["x", "shift"], ["u"]),
        node("Mul", ["u", "u"], ["square"]),
        node("ReduceMean", ["square"], ["mean_square"]),
        node("ReduceMean", ["u"], ["mean"]),
        node("Mul", ["mean", "mean"], ["square_mean"]),
        node("Sub", ["mean_square", "square_mean"], ["y"]),
    ]
    return make_model(nodes, {"x": [1, 50]}, ["y"], {"shift": np.array(1000.0)}, 17, dtype)


def gaussian_process(dtype: Any) -> onnx.ModelProto:
    """A squared exponential kernel with hardly any noise: the weights are large and cancel."""
    random = np.random.default_rng(0)
    points = random.uniform(-1, 1, (40, 2))
    kernel = np.exp(-((points[:, None] - points) ** 2).sum(2))
    alpha = np.linalg.solve(kernel + 1e-11 * np.eye(40), np.sin(points.sum(1)))
    nodes = [
        node("Sub", ["x", "points"], ["d"]), node("Mul", ["d", "d"], ["square"]),
        node("ReduceSum", ["square", "last"], ["distance"], keepdims=0), node("Neg", ["distance"], ["n"]),
        node("Exp", ["n"], ["k"]), node("MatMul", ["k", "alpha"], ["y"]),
    ]  # fmt: skip
    numbers = {"points": points, "alpha": alpha.reshape(-1, 1), "last": np.array([1])}
    return make_model(nodes, {"x": [1, 2]}, ["y"], numbers, 17, dtype)


def narrow_part(kind: int) -> onnx.ModelProto:
    """A double model that casts to float32 or less and back."""
    nodes = [
        node("Cast", ["x"], ["u"], to=kind), node("Cast", ["W"], ["V"], to=kind), node("MatMul", ["u", "V"], ["p"]),
        node("Tanh", ["p"], ["t"]), node("Cast", ["t"], ["y"], to=TensorProto.DOUBLE),
    ]  # fmt: skip
    return make_model(nodes, {"x": [1, 16]}, ["y"], weights(W=(16, 3)))


def loop(start: str = "") -> onnx.ModelProto:
    """Three steps; no condition at the start means that the first one is taken."""
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("Tanh", ["a"], ["b"])], "body",
        [helper.make_empty_tensor_value_info(name) for name in ("i", "go", "a")],
        [helper.make_empty_tensor_value_info(name) for name in ("on", "b")],
    )  # fmt: skip
    nodes = [node("Loop", ["n", start, "x"], ["y"], body=body)]
    return make_model(nodes, {"x": [1, 4]}, ["y"], {"n": np.array(3), "yes": np.array(True)}, 17)


RIGHT = {
    "sines": siren(np.float32),
    "sines in double": siren(np.float64),
    "variance": variance(np.float32),
    "variance in double": variance(np.float64),
    "Gaussian process": gaussian_process(np.float32),
    "Gaussian process in double": gaussian_process(np.float64),
    "part in float32": narrow_part(TensorProto.FLOAT),
    "part in float16": narrow_part(TensorProto.FLOAT16),
    "part in bfloat16": narrow_part(TensorProto.BFLOAT16),
    "loop without condition": loop(),
    "loop with a condition": loop("yes"),
    "normalization of nearly equal numbers": make_model(
        [node("Mul", ["x", "tiny"], ["u"]), node("Add", ["u", "shift"], ["v"]),
         node("LayerNormalization", ["v", "scale"], ["y"], epsilon=1e-12)],
        {"x": [1, 8]}, ["y"], {"tiny": np.array(1e-3), "shift": np.array(100.0), "scale": np.ones(8)}, 17, np.float32,
    ),
    "exponential of a long sum": make_model(
        [node("MatMul", ["x", "W"], ["u"]), node("Exp", ["u"], ["v"]), node("Sin", ["v"], ["y"])],
        {"x": [1, 64]}, ["y"], weights(W=(64, 4)), 17, np.float32,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name: str) -> None:
    net = fx.load_onnx(RIGHT[name], check=True)
    assert np.isfinite(net(np.zeros(net.n_inputs))).all()


# ---- faults

Change = Callable[[Any], Any]


def with_attribute(name: str, value: Any) -> Any:
    def fault(entry: Any, convert: Change) -> Any:
        entry._attributes = entry._attributes | {name: value}
        return convert(entry)

    return fault


def scaled(factor: float) -> Any:
    return lambda entry, convert: convert(entry) * factor


def one_number_off(entry: Any, convert: Change) -> Any:
    """A bias that is wrong by a thousandth in one place."""
    y = convert(entry)
    change = np.zeros(y.shape)
    change.reshape(-1)[1] = 1e-3
    return y + change


def turned(entry: Any, convert: Change) -> Any:
    """A matrix that is taken for its transpose."""
    entry.inputs[1] = entry.inputs[1].T
    return convert(entry)


def turned_round(entry: Any, convert: Change) -> Any:
    return entry.input(1) - entry.input(0)


SQUARE = {"W": (4, 4), "V": (4, 4), "b": (4,)}
FAULTS: dict[str, tuple[str, Any, list[onnx.NodeProto]]] = {
    "alpha": ("Elu", with_attribute("alpha", 1.001), [node("Elu", ["x"], ["y"], "it")]),
    "slope": ("LeakyRelu", with_attribute("alpha", 0.0100001), [node("LeakyRelu", ["x"], ["y"], "it")]),
    "axis": ("Softmax", with_attribute("axis", 0), [node("Softmax", ["x"], ["y"], "it", axis=1)]),
    "epsilon": (
        "LayerNormalization", with_attribute("epsilon", 2e-5), [node("LayerNormalization", ["x", "b"], ["y"], "it")],
    ),
    "bias": ("Gemm", one_number_off, [node("Gemm", ["x", "W", "b"], ["y"], "it")]),
    "transposition": ("MatMul", turned, [node("MatMul", ["x", "W"], ["y"], "it")]),
    "small relative error": ("MatMul", scaled(1 + 1e-6), [node("MatMul", ["x", "W"], ["y"], "it")]),
    "rounding to float32": ("Tanh", scaled(1 + 6e-8), [node("Tanh", ["x"], ["y"], "it")]),
    "order of a difference": ("Sub", turned_round, [node("Sub", ["x", "b"], ["y"], "it")]),
    "a fault between others": (
        "Sigmoid", scaled(1.0001),
        [node("MatMul", ["x", "W"], ["u"]), node("Sigmoid", ["u"], ["v"], "it"), node("MatMul", ["v", "V"], ["y"])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name: str, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    operator, fault, nodes = FAULTS[name]
    model = make_model(nodes, {"x": [2, 4]}, ["y"], weights(**SQUARE), 17, dtype)
    fx.load_onnx(model, check=True)
    with_fault(monkeypatch, operator, fault)
    with pytest.raises(OnnxError, match=rf"differs .* by .* The first node that differs is \[{operator} 'it'\]"):
        fx.load_onnx(model)


def test_swapped_weights_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [node("MatMul", ["x", "W"], ["u"]), node("MatMul", ["u", "V"], ["y"])]
    model = make_model(nodes, {"x": [2, 4]}, ["y"], weights(**SQUARE), 17)
    read = importer_module.Importer.__init__

    def swapped(self: Any, model: Any, *others: Any, **settings: Any) -> None:
        model.weights["W"], model.weights["V"] = model.weights["V"], model.weights["W"]
        read(self, model, *others, **settings)

    monkeypatch.setattr(importer_module.Importer, "__init__", swapped)
    with pytest.raises(OnnxError, match=r"The first node that differs is \[MatMul #0\]"):
        fx.load_onnx(model)


def test_a_fault_of_folding_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [node("Tanh", ["b"], ["t"], "it"), node("Add", ["x", "t"], ["y"])]
    model = make_model(nodes, {"x": [2, 4]}, ["y"], weights(**SQUARE))
    with_fault(monkeypatch, "Tanh", scaled(1 + 1e-6))
    with pytest.raises(OnnxError, match=r"The first node that differs is \[Tanh 'it'\]"):
        fx.load_onnx(model)


@pytest.mark.filterwarnings("ignore::fastexpr.errors.DerivativeWarning")
@pytest.mark.parametrize("has_runtime", [True, False])
@pytest.mark.parametrize(("n_trees", "depth"), [(3, 4), (40, 7), (1, 13)])
def test_faults_of_forests_are_found(
    n_trees: int, depth: int, has_runtime: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small ones, large ones, and trees that are too long for ONNX Runtime's recursion."""
    model = forest(n_trees, depth)
    assert is_large_forest(model.graph.node[0]) == (n_trees == 40)
    if not has_runtime:
        monkeypatch.setattr(check, "evaluate_by_runtime", lambda *unused: None)
    fx.load_onnx(model, check=True)
    with_fault(monkeypatch, "TreeEnsembleRegressor", scaled(1.001))
    with pytest.raises(OnnxError, match=r"The first node that differs is \[TreeEnsembleRegressor 'it'\]"):
        fx.load_onnx(model, check=True)


@pytest.mark.parametrize("has_runtime", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_steps", [10, 400])
def test_faults_of_scans_are_found(
    n_steps: int, dtype: Any, has_runtime: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In double precision, whoever judges, though the body declares what the model has."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    body = helper.make_graph(
        [node("Identity", ["u"], ["v"]), node("Sub", ["u", "p"], ["e"]), node("Mul", ["e", "e"], ["d"])], "body",
        [helper.make_tensor_value_info(name, kind, None) for name in ("u", "p")],
        [helper.make_tensor_value_info(name, kind, None) for name in ("v", "d")],
    )  # fmt: skip
    scan = node("Scan", ["x", "points"], ["z", "y"], "it", body=body, num_scan_inputs=1)
    model = make_model([scan], {"x": [1, 3]}, ["y"], weights(points=(n_steps, 3)), 17, dtype)
    calls: list[Any] = []
    evaluate = check.evaluate_by_runtime
    monkeypatch.setattr(
        check,
        "evaluate_by_runtime",
        lambda *given: calls.append(evaluate(*given)) or calls[-1] if has_runtime else None,
    )
    fx.load_onnx(model, check=True)
    assert [[array.dtype.name for array in call] for call in calls] == [["float64"] * 2] * (
        has_runtime and n_steps == 400
    )
    with_fault(monkeypatch, "Mul", scaled(1 + 1e-7))
    monkeypatch.setattr(control, "are_alike", lambda *given: False)
    with pytest.raises(OnnxError, match=r"The first node that differs is \[Scan 'it'\]"):
        fx.load_onnx(model, check=True)


def test_what_nothing_can_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """With check=True, it is said what was left out; by default, everything else is checked without a word."""
    nodes = [node("LpNormalization", ["x"], ["u"], "norm", axis=1), node("Tanh", ["u"], ["y"], "it")]
    model = make_model(nodes, {"x": [2, 4]}, ["y"])
    fx.load_onnx(model, check=True)
    monkeypatch.setattr(check, "evaluate_by_runtime", lambda *unused: None)
    with pytest.warns(UncheckedWarning, match=r"Not checked: \[LpNormalization 'norm'\]"):
        fx.load_onnx(model, check=True)
    fx.load_onnx(model)
    with_fault(monkeypatch, "Tanh", scaled(1 + 1e-6))
    with pytest.raises(OnnxError, match=r"The first node that differs is \[Tanh 'it'\]"):
        fx.load_onnx(model)


def test_a_harmful_node_that_no_output_needs_is_not_run() -> None:
    """Nor by the check."""
    unused = node("RegexFullMatch", ["text"], ["m"], pattern="(a*)*b")
    model = make_model([unused, node("Tanh", ["x"], ["y"])], {"x": [1, 2]}, ["y"], {"text": np.array(["a" * 40])}, 20)
    assert fx.load_onnx(model, check=True)([0.0, 0.0]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("content", ["good", "damaged"])
def test_an_import_leaves_nothing_to_the_garbage_collector(content: str) -> None:
    """Large arrays would stay in memory until it runs."""
    last = node("Add", ["h", "b" if content == "good" else "x"], ["y"])
    nodes = [node("MatMul", ["x", "W"], ["u"]), node("Tanh", ["u"], ["h"]), last]
    model = make_model(nodes, {"x": [1, 4]}, ["y"], weights(W=(4, 3), b=(3,)))
    builders: weakref.WeakSet[Any] = weakref.WeakSet()
    build = GraphBuilder.__init__
    gc.collect()
    gc.disable()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GraphBuilder, "__init__", lambda self, *a, **k: builders.add(self) or build(self, *a, **k))
            if content == "good":
                fx.load_onnx(model)
            else:
                with pytest.raises(FastexprError):
                    fx.load_onnx(model)
        assert len(builders) == 0
    finally:
        gc.enable()
