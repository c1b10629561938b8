"""The comparison with ONNX's reference evaluator at every import: when it runs, what it finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import make_model, mlp

import fastexpr as fx
from fastexpr.errors import OnnxError
from fastexpr.onnx import check

node = helper.make_node


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []
    evaluator = check.ReferenceEvaluator
    monkeypatch.setattr(check, "ReferenceEvaluator", lambda *a, **k: calls.append(a) or evaluator(*a, **k))
    return calls


def test_check_runs_where_it_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_calls(monkeypatch)
    fx.load_onnx(mlp())
    assert len(calls) == 1
    fx.load_onnx(mlp(), check=False)
    assert len(calls) == 1
    monkeypatch.setattr(check, "LARGEST_OPERATION_COUNT", 10)
    fx.load_onnx(mlp())
    assert len(calls) == 1
    fx.load_onnx(mlp(), check=True)
    assert len(calls) == 2


def test_check_names_the_node_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = check.ReferenceEvaluator

    def other_model(model: onnx.ModelProto, **settings: Any) -> Any:
        model = onnx.ModelProto.FromString(model.SerializeToString())
        next(entry for entry in model.graph.node if entry.name == "act0").op_type = "Sigmoid"
        return evaluator(model, **settings)

    monkeypatch.setattr(check, "ReferenceEvaluator", other_model)
    with pytest.raises(OnnxError, match=r"differs from ONNX's reference evaluator by .* first node .* \[Tanh 'act0'\]"):
        fx.load_onnx(mlp((4, 8, 8, 3)))


def test_check_where_the_function_is_not_finite() -> None:
    model = make_model([node("Log", ["x"], ["y"])], {"x": [3]}, ["y"])
    assert fx.load_onnx(model, check=True)([1.0, 1.0, 1.0]).tolist() == [0.0, 0.0, 0.0]


def test_check_that_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that the reference evaluator refuses: fine by default, an error where a check was asked for."""

    def refuse(model: onnx.ModelProto, **settings: Any) -> Any:
        raise NotImplementedError("Tanh of version 1")

    monkeypatch.setattr(check, "ReferenceEvaluator", refuse)
    assert fx.load_onnx(make_model([node("Tanh", ["x"], ["y"])], {"x": [1, 4]}, ["y"]))([1.0, 2, 3, 4]).size == 4
    with pytest.raises(OnnxError, match=r"reference evaluator cannot evaluate the model.*Tanh of version 1"):
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
