"""Scans whose steps are alike: converted at once, with the values that the steps give one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnx_models import make_model

import fastexpr as fx
from fastexpr.errors import FastexprError
from fastexpr.onnx.converters import control

node = helper.make_node


def distances(operators: list[onnx.NodeProto], opset: int, **settings: Any) -> onnx.ModelProto:
    """A scan over points p with x carried on: what is made of them is collected as y."""
    body = onnx.helper.make_graph(
        [node("Identity", ["u"], ["v"]), *operators], "body",
        [onnx.helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in ("u", "p")],
        [onnx.helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in ("v", "d")],
        [onnx.numpy_helper.from_array(np.array([1]), "last")],
    )  # fmt: skip
    scan = node("Scan", ["x", "points"], ["z", "y"], body=body, num_scan_inputs=1, **settings)
    points = np.random.default_rng(0).normal(size=(7, 3))
    points = points.T if settings.get("scan_input_axes") else points
    return make_model([scan], {"x": [2, 3]}, ["z", "y"], {"points": points}, opset)


DIFFERENCE = node("Sub", ["u", "p"], ["e"])
ALIKE: dict[str, tuple[list[onnx.NodeProto], int, dict[str, Any]]] = {
    "squares": ([DIFFERENCE, node("ReduceSumSquare", ["e", "last"], ["d"], keepdims=0)], 18, {}),
    "squares, axes as attribute": ([DIFFERENCE, node("ReduceSumSquare", ["e"], ["d"], axes=[-1])], 13, {}),
    "absolute": (
        [DIFFERENCE, node("Abs", ["e"], ["a"]), node("ReduceSum", ["a", "last"], ["d"], keepdims=0)], 13, {},
    ),
    "largest": ([DIFFERENCE, node("Abs", ["e"], ["a"]), node("ReduceMax", ["a"], ["d"])], 12, {}),
    "from the end": ([DIFFERENCE, node("Mul", ["e", "e"], ["d"])], 17, {"scan_input_directions": [1]}),
    "prepended": ([DIFFERENCE, node("Exp", ["e"], ["d"])], 17, {"scan_output_directions": [1]}),
    "other axes": ([DIFFERENCE, node("Neg", ["e"], ["d"])], 17, {"scan_input_axes": [1], "scan_output_axes": [-1]}),
    "no difference": ([node("Mul", ["u", "u"], ["d"])], 17, {}),
    "constants alone": ([node("Mul", ["p", "p"], ["q"]), node("Tanh", ["q"], ["d"])], 17, {}),
    "of higher rank": (
        [node("ReduceSum", ["p"], ["s"], keepdims=0), node("Mul", ["u", "p"], ["m"]), node("Add", ["m", "s"], ["d"])],
        17, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_steps_that_are_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, they give what they give one after the other."""
    operators, opset, settings = ALIKE[name]
    model = distances(operators, opset, **settings)
    calls: list[Any] = []
    all_steps = control.all_steps
    monkeypatch.setattr(control, "all_steps", lambda *given: calls.append(given) or all_steps(*given))
    at_once = fx.load_onnx(model)
    assert len(calls) == 1
    monkeypatch.setattr(control, "are_alike", lambda *given: False)
    one_by_one = fx.load_onnx(model)
    assert at_once.outputs == one_by_one.outputs
    x = np.random.default_rng(1).normal(size=6)
    assert np.allclose(at_once(x), one_by_one(x), rtol=1e-14)
    assert np.allclose(at_once.jacobian(x), one_by_one.jacobian(x), rtol=1e-14)


OTHERS: dict[str, list[onnx.NodeProto]] = {
    "a step that reads the one before": [node("Add", ["u", "p"], ["w"]), node("Sub", ["w", "p"], ["d"])],
    "another operator": [node("Sub", ["u", "p"], ["e"]), node("Softmax", ["e"], ["d"])],
    "a tensor around": [node("Sub", ["u", "points_of_all"], ["d"])],
}


@pytest.mark.parametrize("name", OTHERS)
def test_steps_that_are_not_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = distances(OTHERS[name], 17)

    body = next(entry.g for entry in model.graph.node[0].attribute if entry.name == "body")
    if "before" in name:
        body.output[0].name = "w"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(3), "points_of_all"))
    monkeypatch.setattr(control, "all_steps", None)  # would fail if called
    net = fx.load_onnx(model, check=True)
    reference = ReferenceEvaluator(model).run(None, {"x": np.ones((2, 3))})
    assert np.allclose(net(np.ones(6)), np.concatenate([part.reshape(-1) for part in reference]))


def test_bodies_that_are_damaged_are_refused() -> None:
    twice = distances([DIFFERENCE, node("Neg", ["e"], ["e"]), node("Neg", ["e"], ["d"])], 17)
    with pytest.raises(FastexprError, match=r"gives 'e', which \[Sub #1\] gives, too"):
        fx.load_onnx(twice)
    axis = distances([DIFFERENCE, node("ReduceSum", ["e"], ["d"], axes=[1])], 17)
    with pytest.raises(FastexprError, match=r"unknown attribute 'axes'"):
        fx.load_onnx(axis)
    far = distances([DIFFERENCE, node("ReduceMax", ["e"], ["d"], axes=[5])], 17)
    with pytest.raises(FastexprError, match=r"axis 5 does not exist"):
        fx.load_onnx(far)
