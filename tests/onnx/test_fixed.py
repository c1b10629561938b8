"""Inputs that are constants: integers, conditions, texts and floats that `fixed` gives; inputs that nothing reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.parser
import onnxruntime
import pandas
import pytest
import skl2onnx
from onnx_models import distance
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

import fastexpr as fx
from fastexpr.errors import OnnxError, ShapeError


def parse(text: str, opset: int = 17) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> g {text}')


def runtime(model: onnx.ModelProto, **feeds: Any) -> Any:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, feeds)[0]


RATE = parse("(float[1,3] x, int64 rate) => (float[1,3] y) { r = Cast<to=1>(rate) y = Mul(x, r) }")
EDGES = parse(
    """(float[nodes,2] x, int64[2,edges] index, float[edges] weight) => (float[nodes,2] y)
    <int64 zero = {0}, int64 one = {1}> {
    from = Gather<axis=0>(index, zero)  to = Gather<axis=0>(index, one)  sent = Gather<axis=0>(x, from)
    axes = Constant<value_ints=[1]>()  w = Unsqueeze(weight, axes)  weighted = Mul(sent, w)
    zeros = Sub(x, x)  shape = Shape(weighted)  column = Unsqueeze(to, axes)  at = Expand(column, shape)
    y = ScatterElements<axis=0, reduction="add">(zeros, at, weighted) }""",
    18,
)
MASK = parse(
    """(float[batch,time,2] x, bool[batch,time] mask, int64[batch] kind) => (float[batch,2] y)
    <float[3,2] table = {1,2,3,4,5,6}, int64[1] last = {-1}, int64[1] middle = {1}, float zero = {0}> {
    m = Unsqueeze(mask, last)  kept = Where(m, x, zero)  sum = ReduceSum<keepdims=0>(kept, middle)
    row = Gather<axis=0>(table, kind)  y = Mul(sum, row) }"""
)


@pytest.mark.parametrize("value", [16, 16.0, np.int64(16), np.float32(16), np.array(16), True + 15])
def test_number(value: Any) -> None:
    net = fx.load_onnx(RATE, fixed={"rate": value}, check=True)
    assert net.inputs == {"x": (1, 3)}
    assert np.array_equal(net([1.0, 2.0, 3.0]), [16.0, 32.0, 48.0])


def test_edge_list() -> None:
    """Its length is that of every axis of its name; the nodes are no batch, their number is given."""
    index, weight, x = [[0, 1, 1, 3], [1, 0, 2, 2]], [0.5, 2.0, -1.0, 0.25], np.arange(8.0).reshape(4, 2)
    net = fx.load_onnx(EDGES, shapes={"nodes": 4}, fixed={"index": index, "weight": weight}, check=True)
    feeds = {"x": x.astype(np.float32), "index": np.array(index), "weight": np.array(weight, np.float32)}
    assert net.inputs == {"x": (4, 2)}
    assert distance(net(x.ravel()), runtime(EDGES, **feeds).ravel()) < 1e-7
    net = fx.load_onnx(EDGES, shapes={"nodes": 4}, fixed={"index": index}, check=True)
    assert net.inputs == {"x": (4, 2), "weight": (4,)}
    with pytest.raises(ShapeError, match=r"fixed: the dimension 'edges' has the length 2 in the input 'weight', but 4"):
        fx.load_onnx(EDGES, shapes={"nodes": 4}, fixed={"index": index, "weight": weight[:2]})


@pytest.mark.parametrize("mask", [[[1, 0, 1, 1]], [True, False, True, True], np.array([[1.0, 0.0, 1.0, 1.0]])])
def test_mask_and_category(mask: Any) -> None:
    """A constant is broadcast to the shape: without the batch it is the same for every point of one."""
    net = fx.load_onnx(MASK, fixed={"mask": mask, "kind": 2}, check=True)
    assert net.inputs == {"x": (1, 4, 2)}
    x = np.random.default_rng(0).normal(size=(5, 4, 2)).astype(np.float32)
    feeds = {"x": x, "mask": np.tile(np.array([True, False, True, True]), (5, 1)), "kind": np.full(5, 2)}
    assert distance(net(x.reshape(5, -1)), runtime(MASK, **feeds)) < 1e-6


def test_one_number_fills_a_mask() -> None:
    net = fx.load_onnx(MASK, shapes={"time": 3}, fixed={"mask": True, "kind": 0}, check=True)
    x = np.arange(6.0)
    assert np.array_equal(net(x), x.reshape(3, 2).sum(axis=0) * [1, 2])


def test_floats_are_fixed_in_double() -> None:
    model = parse("(float[1,2] x, float[1,2] scale) => (float[1,2] y) { y = Mul(x, scale) }")
    net = fx.load_onnx(model, fixed={"scale": [0.1, 0.2]}, check=True)
    assert np.array_equal(net([3.0, 5.0]), [3.0 * 0.1, 5.0 * 0.2])
    both = fx.load_onnx(model).with_fixed({"scale": [0.1, 0.2]})
    assert np.array_equal(both([3.0, 5.0]), net([3.0, 5.0]))


def test_minus_infinity_masks() -> None:
    model = parse("(float[1,3] x, float[1,3] mask) => (float[1,3] y) { a = Add(x, mask) y = Softmax<axis=-1>(a) }")
    net = fx.load_onnx(model, fixed={"mask": [[0.0, -np.inf, 0.0]]}, check=True)
    assert net([1.0, 5.0, 1.0]).tolist() == [0.5, 0.0, 0.5]
    assert net.sparsity()[0].nnz == 4


def test_default_of_an_input_is_replaced() -> None:
    """An initializer that is listed as an input is the input's default."""
    text = "(float[1,2] x, float[2] w) => (float[1,2] y) <float[2] w = {1, 2}> { y = Mul(x, w) }"
    assert fx.load_onnx(parse(text))([1.0, 1.0]).tolist() == [1.0, 2.0]
    assert fx.load_onnx(parse(text), fixed={"w": [3, 4]}, check=False)([1.0, 1.0]).tolist() == [3.0, 4.0]


def test_empty_list_of_edges() -> None:
    net = fx.load_onnx(EDGES, shapes={"nodes": 3}, fixed={"index": np.zeros((2, 0), int), "weight": []}, check=False)
    assert np.array_equal(net(np.ones(6)), np.zeros(6))


# ---- texts


@pytest.mark.filterwarnings("ignore")  # of the libraries'
@pytest.mark.parametrize("encoder", [OneHotEncoder(sparse_output=False), OrdinalEncoder()])
def test_columns_of_texts_and_integers(encoder: Any) -> None:
    """A pipeline of scikit-learn with a column each: the categories are fixed, the numbers are x."""
    random = np.random.default_rng(0)
    table = np.empty((40, 4), object)
    table[:, 0], table[:, 1] = random.normal(size=40), random.normal(size=40)
    table[:, 2], table[:, 3] = random.choice(["red", "green", "blue"], 40), random.integers(0, 3, 40)
    columns = make_column_transformer(
        (encoder, [2]), (OneHotEncoder(sparse_output=False), [3]), remainder="passthrough"
    )
    target = table[:, 0] * 2 + table[:, 3] + (table[:, 2] == "red")
    frame = pandas.DataFrame(table, columns=["a", "b", "colour", "size"])
    columns = make_column_transformer(
        (encoder, ["colour"]), (OneHotEncoder(sparse_output=False), ["size"]), remainder="passthrough"
    )
    pipeline = make_pipeline(columns, Ridge()).fit(frame, target.astype(float))
    types = [
        ("a", FloatTensorType([None, 1])),
        ("b", FloatTensorType([None, 1])),
        ("colour", StringTensorType([None, 1])),
        ("size", Int64TensorType([None, 1])),
    ]
    model = skl2onnx.convert_sklearn(pipeline, initial_types=types, target_opset={"": 18, "ai.onnx.ml": 3})
    net = fx.load_onnx(model, fixed={"colour": "green", "size": 2})
    points = random.normal(size=(6, 2)).astype(np.float32)
    feeds = {
        "a": points[:, :1],
        "b": points[:, 1:],
        "colour": np.full((6, 1), "green", object),
        "size": np.full((6, 1), 2),
    }
    assert net.input_names == ("a", "b")
    assert distance(net(points.astype(float)), runtime(model, **feeds)) < 1e-5


# ---- what is refused, and what is left out

WRONG: dict[str, tuple[onnx.ModelProto, dict[str, Any], type[Exception], str]] = {
    "unknown": (RATE, {"sr": 16}, OnnxError, r"\] fixed: got 'sr', expected inputs of the model: 'x', 'rate"),
    "fraction": (RATE, {"rate": 16.5}, OnnxError, r"fixed: got 16.5 for the input 'rate', expected elements int64"),
    "text": (RATE, {"rate": "16"}, OnnxError, r"fixed: got '16' for the input 'rate', expected elements int64"),
    "nan": (RATE, {"rate": np.nan}, OnnxError, r"fixed: got nan for the input 'rate', expected elements int64"),
    "nothing": (RATE, {"rate": None}, OnnxError, r"fixed: got None for the input 'rate'"),
    "complex": (RATE, {"rate": 1j}, OnnxError, r"fixed: got 1j for the input 'rate'"),
    "rank": (RATE, {"rate": [16]}, ShapeError, r"fixed: got \(1,\) for the input 'rate', whose shape is \(\)"),
    "length": (MASK, {"mask": [[1, 0]], "kind": [0, 1]}, ShapeError, r"'batch' has the length 2 .*'kind', but 1"),
    "not a condition": (MASK, {"mask": [[1, 2]], "kind": 0}, OnnxError, r"the input 'mask', expected elements bool"),
    "everything": (RATE, {"rate": 1, "x": [[1, 2, 3]]}, OnnxError, r"fixed: all inputs of the model are constants"),
    "not fixed": (RATE, {}, OnnxError, r"\[Input 'rate'\] has elements int64.*fixed=\{'rate': \.\.\.\}\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_refused(name: str) -> None:
    model, fixed, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        fx.load_onnx(model, fixed=fixed)


@pytest.mark.parametrize("unused", ["int64[2] n", "bool m", "string[N,1] s", "float[K,L] z", "float z", "int64[L,7] n"])
def test_unused_inputs_are_left_out(unused: str) -> None:
    """Unless they can be a part of x."""
    model = parse(f"(float[1,2] x, {unused}) => (float[1,2] y) {{ y = Tanh(x) }}")
    net = fx.load_onnx(model, check=True)
    assert net.inputs == ({"x": (1, 2), "z": ()} if unused == "float z" else {"x": (1, 2)})


def test_what_only_other_outputs_read_is_left_out() -> None:
    model = parse(
        "(float[1,2] x, int64[1,2] n) => (float[1,2] y, float[1,2] z) { y = Tanh(x) c = Cast<to=1>(n) z = Mul(x, c) }"
    )
    assert fx.load_onnx(model, outputs=["y"], check=True).inputs == {"x": (1, 2)}
    with pytest.raises(OnnxError, match="'n'"):
        fx.load_onnx(model)


def test_shape_and_value_of_one_input() -> None:
    """`shapes` says how long the axes are along which a constant is repeated."""
    net = fx.load_onnx(MASK, shapes={"mask": (1, 3)}, fixed={"mask": True, "kind": 1})
    assert net.inputs == {"x": (1, 3, 2)}
    with pytest.raises(ShapeError, match=r"fixed: got \(4,\) for the input 'mask', whose shape is \('batch', 'time'\)"):
        fx.load_onnx(MASK, shapes={"mask": (1, 3)}, fixed={"mask": [True] * 4, "kind": 1})


def test_unnamed_axes_of_constants_follow_the_batch() -> None:
    model = parse("(float[?,2] x, int64[?,1] n) => (float[?,3] y) { c = Cast<to=1>(n) y = Concat<axis=1>(x, c) }")
    assert fx.load_onnx(model, fixed={"n": 7})([[1.0, 2.0], [3.0, 4.0]]).tolist() == [[1, 2, 7], [3, 4, 7]]


def test_advice_is_about_what_was_given() -> None:
    model = parse("(float[1,T] x, float t) => (float[1,T] y) { h = Tanh(x) y = Mul(h, t) }")
    with pytest.raises(OnnxError, match=r"The input 't', which is fixed, holds .*got nan.* Fix it at finite numbers"):
        fx.load_onnx(model, shapes={"T": 3}, fixed={"t": np.nan})
    with pytest.raises(OnnxError, match="fixed: all inputs of the model are constants"):
        fx.load_onnx(model, shapes={"T": 3}, fixed={"t": 1.0, "x": np.ones((1, 3))})
    with pytest.raises(OnnxError, match=r"the shape \(1, -1\), which holds no numbers. Give other lengths in shapes="):
        fx.load_onnx(model, shapes={"T": -1})
