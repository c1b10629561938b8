"""Numbers that are not finite where a model leaves them out, and tensors without numbers: values as ONNX Runtime has
them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_bodies import compare, model, runtime
from onnx_models import Array, distance, make_model

import fastexpr as fx
from fastexpr.errors import OnnxError

NAN, INF = np.float32(np.nan), np.float32(np.inf)
C = "z = Constant <value_float = 0.0> ()  c = Greater (x, z)  "

LEFT_OUT: dict[str, tuple[str, dict[str, Array]]] = {
    "chosen by x": (C + "y = Where (c, x, n)", {"n": np.array([1, NAN, 2], np.float32)}),
    "chosen by a constant": ("y = Where (c, x, n)", {"n": np.array([NAN, NAN, 2]), "c": np.array([1, 1, 0], bool)}),
    "sliced away": (
        "k = Concat <axis = 0> (x, n)  q = Slice (k, a, b)  y = Tanh (q)",
        {"n": np.array([[1, NAN, INF]]), "a": np.array([0]), "b": np.array([2])},
    ),
    "never gathered": (
        "k = Concat <axis = 1> (n, x)  q = Gather <axis = 1> (k, i)  y = Exp (q)",
        {"n": np.array([[NAN], [INF]]), "i": np.array([1, 3, 3])},
    ),
    "moved, then chosen": (
        C + "r = Reshape (n, s)  t = Transpose (r)  u = Expand (t, w)  y = Where (c, x, u)",
        {"n": np.array([1, NAN, INF]), "s": np.array([3, 1]), "w": np.array([2, 3])},
    ),
    "overwritten": (
        "y = ScatterND (n, i, x)",
        {"n": np.array([[NAN] * 3, [1] * 3, [INF] * 3]), "i": np.array([[0], [2]])},
    ),
    "a query without keys": (
        "a = Add (x, m)  s = Softmax (a)  t = IsNaN (s)  z = Constant <value_float = 0.0> ()  y = Where (t, z, s)",
        {"m": np.array([[0, -INF, 0], [-INF] * 3])},
    ),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_constants_that_are_left_out(name: str, tmp_path: Path) -> None:
    """Also read from what `to_onnx` makes of them."""
    body, weights = LEFT_OUT[name]
    weights = {key: array.astype(np.float32) if array.dtype.kind == "f" else array for key, array in weights.items()}
    proto = model(body, weights=weights)
    net, again = fx.load_onnx(proto), None
    for _ in range(2):
        (again or net).to_onnx(tmp_path / "net.onnx")
        again = fx.load_onnx(tmp_path / "net.onnx")
    for x in np.random.default_rng(3).uniform(-2, 2, (5, 2, 3)).astype(np.float32):
        y = runtime(proto, x).reshape(-1)
        for function in (net, again):
            value = function(x.reshape(-1).astype(np.float64))
            assert np.array_equal(np.isfinite(value), np.isfinite(y))
            assert distance(value[np.isfinite(y)], y[np.isfinite(y)].astype(np.float64)) < 1e-6


def test_weights_that_are_not_finite_are_refused_where_they_count() -> None:
    body = "k = Reshape (n, s)  y = MatMul (x, k)"
    with pytest.raises(OnnxError, match=r"\[MatMul #1\] The constant 'k' holds 1 numbers that are not finite"):
        fx.load_onnx(model(body, weights={"n": np.array([1, NAN, 2], np.float32), "s": np.array([3, 1])}))


# ---- Imputer

IMPUTED = {
    "NaN": ("l", "l = Log (x)", np.nan, [-3.0]),
    "NaN by column": ("l", "l = Sqrt (x)", np.nan, [-3.0, 0.5, 7.0]),
    "infinity": ("l", "r = Relu (x)  l = Reciprocal (r)", np.inf, [9.0]),
    "minus infinity": ("l", "r = Relu (x)  l = Log (r)", -np.inf, [9.0]),
    "a number": ("l", "l = Relu (x)", 0.0, [1.0, 2.0, 3.0]),
    "a number beside NaN": ("l", "r = Round (x)  l = Sqrt (r)", 1.0, [4.0]),
}


def imputing(name: str) -> onnx.ModelProto:
    source, body, missing, fill = IMPUTED[name]
    proto = model(body + f"  y = Identity ({source})")
    settings = {"replaced_value_float": missing, "imputed_value_floats": fill}
    proto.graph.node[-1].CopyFrom(helper.make_node("Imputer", [source], ["y"], "fill", domain="ai.onnx.ml", **settings))
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    return proto


@pytest.mark.parametrize("name", IMPUTED)
def test_imputer_of_computed_numbers(name: str) -> None:
    proto = imputing(name)
    net = fx.load_onnx(proto)
    for x in np.random.default_rng(4).uniform(-2, 2, (6, 2, 3)).astype(np.float32):
        y, value = runtime(proto, x).reshape(-1), net(x.reshape(-1).astype(np.float64))
        assert np.array_equal(np.isnan(value), np.isnan(y))
        assert distance(value[np.isfinite(y)], y[np.isfinite(y)].astype(np.float64)) < 1e-6
        if np.isfinite(y).all():
            J = net.jacobian(x.reshape(-1).astype(np.float64))
            assert np.isfinite(J).all()  # nothing of what was replaced is left


def test_imputer_of_inputs_does_nothing() -> None:
    """x is never NaN."""
    settings = {"replaced_value_float": float("nan"), "imputed_value_floats": [1.0]}
    nodes = [helper.make_node("Imputer", ["x"], ["y"], domain="ai.onnx.ml", **settings)]
    proto = make_model(nodes, {"x": ["N", 3]}, ["y"], {}, 17, np.float32)
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    assert {core.name for core, _, _ in fx.load_onnx(proto)._nodes()} <= {"Reshape", "Select"}


# ---- tensors without numbers

ROWS = "e = Slice (x, n0, n0)  "
EMPTY = {
    "elementwise": ROWS + "a = Tanh (e)  b = Mul (a, e)  c = Gelu (b)  y = Concat <axis = 0> (x, c)",
    "a product": ROWS + "a = MatMul (e, W)  b = Relu (a)  m = MatMul (x, W)  y = Concat <axis = 0> (b, m)",
    "a product with x": ROWS + "t = Transpose (x)  a = MatMul (e, t)  s = Softmax (a)  b = MatMul (s, x)  "
    "y = Concat <axis = 0> (b, x)",
    "a sum": ROWS + "a = ReduceSum <keepdims = 1> (e, n0)  h = Exp (x)  y = Add (h, a)",
    "a normalization": ROWS + "a = LayerNormalization (e, w)  y = Concat <axis = 0> (x, a)",
    "an image": ROWS + "i = Reshape <allowzero = 1> (e, image)  c = Conv (i, K)  "
    "p = MaxPool <kernel_shape = [1, 1]> (c)  "
    "f = Flatten (p)  r = ReduceSum <keepdims = 1> (f, n0)  s = ReduceSum (r)  y = Add (x, s)",
    "gathered": "e = Gather (x, none)  h = Elu (e)  q = Split <axis = 0, num_outputs = 1> (h)  "
    "y = Concat <axis = 0> (q, x)",
    "split": "a, b, c = Split <axis = 0> (x, parts)  t = Sigmoid (b)  u = Where (flag, t, b)  "
    "y = Concat <axis = 0> (u, a, c)",
    "conditions": ROWS + "z = Constant <value_float = 0.0> ()  c = Greater (e, z)  k = Not (c)  g = Greater (x, z)  "
    "j = Concat <axis = 0> (k, g)  h = Sin (x)  y = Where (j, x, h)",
    "a loop without a step": "g = Constant <value = bool {1}> ()  "
    "none_, all = Loop (zero, g, x) <body = b (int64 i, bool go, float[2, 3] a) "
    "=> (bool keep, float[2, 3] r, float[2, 3] s) { keep = Identity (go)  r = Tanh (a)  s = Exp (a) }>  "
    "t = ReduceSum <keepdims = 0> (all, n0)  y = Add (x, t)",
    "tuples": "e = GatherND (x, tuples)  h = Sqrt (e)  m = Concat <axis = 0> (x, h)  y = Cos (m)",
}  # fmt: skip
TABLES = {
    "n0": np.array([0]), "W": np.ones((3, 2), np.float32), "w": np.ones(3, np.float32), "image": np.array([0, 1, 1, 3]),
    "K": np.ones((2, 1, 1, 2), np.float32), "none": np.array([], np.int64), "parts": np.array([1, 0, 1]),
    "flag": np.array(True), "zero": np.array(0), "tuples": np.zeros((0, 1), np.int64),
}  # fmt: skip


@pytest.mark.parametrize("name", EMPTY)
def test_empty_tensors_flow_through(name: str) -> None:
    body = EMPTY[name]
    used = {key: value for key, value in TABLES.items() if f"{key})" in body or f"{key}," in body or f"({key}" in body}
    compare(model(body, weights=used, opset=20))
