"""Dynamic axes, fixed by `shapes`; which outputs a function has, chosen by `outputs`; models in 16 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.parser
import pytest
from onnx import TensorProto, helper
from onnx_models import distance, evaluate, make_model

import fastexpr as fx
from fastexpr.errors import OnnxError, ShapeError

node = helper.make_node


def sequence_model() -> Any:
    """Shapes computed from the sequence's length: folded away."""
    return onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (double[batch, time, 2] x, double[batch, time] w) => (double[batch, k] y)
        <int64[1] one = {1}, int64 i0 = {0}, int64 i1 = {1}, int64[1] two = {2}, int64[1] minus = {-1}> {
        s = Shape (x)  t = Gather (s, i1)  t1 = Unsqueeze (t, one_axis)
        steps = Range (i0, t, i1)  d = Cast <to = 11> (steps)
        b = Gather (s, i0)  b1 = Unsqueeze (b, one_axis)  shape = Concat <axis = 0> (b1, t1)
        full = ConstantOfShape <value = double[1] {0.5}> (shape)
        grid = Expand (d, shape)  u = Mul (w, grid)  v = Add (u, full)
        v1 = Unsqueeze (v, minus)  z = Mul (x, v1)  wide = Concat <axis = 0> (b1, minus)
        y = Reshape (z, wide) } """.replace("one_axis", "zero").replace("{-1}>", "{-1}, int64[1] zero = {0}>")
    )


@pytest.mark.parametrize(
    "shapes",
    [{"time": 4}, {"x": (1, 4, 2)}, {"w": (1, 4), "x": (1, 4, 2)}, {"x": [np.int64(1), 4, 2], "time": 4, "batch": 1}],
)
def test_dynamic_axes_are_fixed(shapes: Any) -> None:
    """Where only one input is given, the names say what the other has."""
    model = sequence_model()
    net = fx.load_onnx(model, check=True, shapes=shapes)
    assert net.inputs == {"x": (1, 4, 2), "w": (1, 4)}
    assert {op.name for op, _, _ in net._nodes()} <= {"Select", "Reshape", "Mul", "Add", "Constant"}
    x, w = np.random.default_rng(0).normal(size=(1, 4, 2)), np.linspace(-1, 1, 4)[None]
    assert distance(net(np.r_[x.ravel(), w.ravel()]), evaluate(model, {"x": x, "w": w})) < 1e-15


def test_the_batch_has_one_length_everywhere() -> None:
    """An axis named like a first one is that batch, too; it may be chosen."""
    ports = {"x": ["batch", 3], "h": [1, "batch", 3]}
    model = make_model([node("Add", ["x", "h"], ["y"])], ports, ["y"])
    assert fx.load_onnx(model).inputs == {"x": (1, 3), "h": (1, 1, 3)}
    assert fx.load_onnx(model, shapes={"batch": 5}).inputs == {"x": (5, 3), "h": (1, 5, 3)}


def test_input_without_a_shape() -> None:
    model = make_model([node("Tanh", ["x"], ["y"])], {"x": None}, ["y"])  # type: ignore[dict-item]
    assert fx.load_onnx(model, shapes={"x": (2, 3)}).inputs == {"x": (2, 3)}


WRONG = {
    "unknown name": ({"z": 3}, ShapeError, r"\[load_onnx\] shapes: got 'z', expected an input or .*'x', 'w', 'batch'"),
    "rank": ({"x": (4, 2)}, ShapeError, r"got \(4, 2\) for the input 'x', whose shape is \('batch', 'time', 2\)"),
    "fixed axis": ({"x": (1, 4, 3)}, ShapeError, r"got \(1, 4, 3\) for the input 'x'.*Only dynamic axes"),
    "no tuple": ({"x": 4}, ShapeError, r"got 4 for the input 'x', expected a tuple"),
    "floats": ({"x": (1, 4.5, 2)}, ShapeError, r"for the input 'x', expected a tuple of integers"),
    "no number": ({"time": (4,)}, ShapeError, r"got \(4,\) for the dimension 'time', expected one integer"),
    "zero": ({"time": 0}, OnnxError, r"\[Input 'x'\] has the shape \(1, 0, 2\)"),
    "still dynamic": ({"batch": 2}, OnnxError, r"\[Input 'x'\] has a dynamic axis 1 \('time'\).*shapes=\{'time': 20\}"),
    "contradiction": ({"x": (1, 4, 2), "time": 5}, ShapeError, r"dimension 'time' has the length 4 in .*'x', but 5"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_shapes(name: str) -> None:
    shapes, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        fx.load_onnx(sequence_model(), shapes=shapes)


# ---- outputs


def labelled() -> Any:
    """What scikit-learn's classifiers look like: labels that are integers, and scores."""
    nodes = [
        node("Softmax", ["x"], ["scores"]),
        node("ArgMax", ["scores"], ["label"], axis=1),
        node("Log", ["scores"], ["logits"]),
    ]
    model = make_model(nodes, {"x": [1, 3]}, ["label", "scores"])
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    return model


def test_labels_are_left_out() -> None:
    assert fx.load_onnx(labelled(), check=True).outputs == {"scores": (1, 3)}


def test_chosen_outputs() -> None:
    """Any tensor of the graph, in any order; what only others need is not imported."""
    net = fx.load_onnx(labelled(), check=True, outputs=["logits", "scores"])
    assert net.outputs == {"logits": (1, 3), "scores": (1, 3)}
    assert len(fx.load_onnx(labelled(), outputs=["scores"])._nodes()) == len(net._nodes()) - 1
    with pytest.raises(OnnxError, match=r"\[Output 'label'\] has elements int64.*Outputs that can be used: 'scores'"):
        fx.load_onnx(labelled(), outputs=["label"])
    with pytest.raises(OnnxError, match=r"\[Output 'nothing'\] does not exist.*Known tensors: 'label', 'logits'"):
        fx.load_onnx(labelled(), outputs=["nothing"])


# ---- 16 bits


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_model_in_16_bits(kind: int) -> None:
    """Weights exactly, arithmetic in double, inputs and outputs as any numbers."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    W = np.random.default_rng(0).normal(size=(3, 2)).astype(dtype)
    nodes = [node("MatMul", ["x", "W"], ["a"]), node("Tanh", ["a"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "half",
        [helper.make_tensor_value_info("x", kind, ["N", 3])],
        [helper.make_tensor_value_info("y", kind, ["N", 2])],
        [helper.make_tensor("W", kind, W.shape, W.tobytes(), raw=True)],
    )
    net = fx.load_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)]), check=True)
    x = np.array([0.1, 0.2, 0.3])
    assert distance(net(x), np.tanh(x @ W.astype(np.float64))) < 1e-15


# ---- axes without a name


@pytest.mark.parametrize("name", ["?", "-1", "None", "", "*", "??"])
def test_axes_without_a_name_are_not_one_dimension(name: str) -> None:
    """What exporters write where they know no length."""
    model = make_model([node("GlobalAveragePool", ["x"], ["y"])], {"x": [1, 3, name, name]}, ["y"])
    net = fx.load_onnx(model, shapes={"x": (1, 3, 4, 6)}, check=True)
    assert net.inputs == {"x": (1, 3, 4, 6)}
    assert np.allclose(net(np.arange(72.0)), np.arange(72.0).reshape(3, 24).mean(axis=1), rtol=1e-15)
    two = make_model([node("MatMul", ["a", "b"], ["y"])], {"a": [name, 3], "b": [3, name]}, ["y"])
    assert fx.load_onnx(two, shapes={"b": (3, 5)}).outputs == {"y": (1, 5)}


@pytest.mark.parametrize(
    ("dims", "example"),
    [
        (["N", "time"], r"shapes=\{'time': 20\}, or all axes with shapes=\{'x': \(1, 20\)\}"),
        ([1, 3, "?", "w"], r"with load_onnx\(path, shapes=\{'x': \(1, 3, 20, 20\)\}\)"),
        (["N", 4, None, 7, 8], r"shapes=\{'x': \(1, 4, 20, 7, 8\)\}"),
    ],
)
def test_advice_has_the_rank_of_the_input(dims: Any, example: str) -> None:
    with pytest.raises(OnnxError, match=example):
        fx.load_onnx(make_model([node("Tanh", ["x"], ["y"])], {"x": dims}, ["y"]))
