"""Conditions and whole numbers that depend on x: what they are in the model survives whatever only moves them, and
their derivative is 0. Values as ONNX Runtime has them; derivatives against differences.
"""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx_bodies import RANDOM, compare, model, reference, runtime

import fastexpr as fx
from fastexpr.errors import OnnxError

C = "z = Constant <value_float = 0.0> ()  c = Greater (x, z)  h = Tanh (x)  "
ABS = "q = Abs (x)  "
I0, I1 = "o = Constant <value_ints = [0]> ()  ", "i = Constant <value_ints = [1]> ()  "


#: Conditions that are moved, and what chooses by them.
MOVED = {
    "Transpose": C + "t = Transpose <perm = [1, 0]> (c)  g = Transpose (h)  k = Not (t)  u = Transpose (x)  "
    "y = Where (k, g, u)",
    "Reshape": C + "s = Constant <value_ints = [3, 2]> ()  t = Reshape (c, s)  g = Reshape (h, s)  "
    "u = Reshape (x, s)  y = Where (t, g, u)",
    "Unsqueeze": C + I0 + "t = Unsqueeze (c, o)  n = Not (t)  y = Where (n, h, x)",
    "Squeeze": C + I0 + "s = Constant <value_ints = [1, 2, 3]> ()  t = Reshape (c, s)  k = Squeeze (t, o)  "
    "y = Where (k, h, x)",
    "Flatten": C + "t = Flatten <axis = 0> (c)  s = Constant <value_ints = [2, 3]> ()  k = Reshape (t, s)  "
    "y = Where (k, h, x)",
    "Gather": C + "p = Constant <value_ints = [2, 0, 2]> ()  t = Gather <axis = 1> (c, p)  y = Where (t, h, x)",
    "GatherElements": C + "p = Constant <value = int64[1, 3] {0, 1, 0}> ()  t = GatherElements (c, p)  "
    "k = And (t, c)  y = Where (k, h, x)",
    "GatherND": C + "p = Constant <value = int64[2, 1] {1, 0}> ()  t = GatherND (c, p)  y = Where (t, h, x)",
    "Slice": C + I0 + I1 + "t = Slice (c, o, i, o)  k = Or (t, c)  y = Where (k, h, x)",
    "Split": C + "a, b = Split <axis = 0, num_outputs = 2> (c)  k = Xor (a, b)  y = Where (k, h, x)",
    "Concat": C + I0 + I1 + "t = Slice (c, o, i, o)  k = Concat <axis = 0> (t, t)  n = Not (k)  y = Where (n, h, x)",
    "Concat with a constant": C + I0 + I1
    + "t = Slice (c, o, i, o)  f = Constant <value = bool[1, 3] {1, 0, 1}> ()  k = Concat <axis = 0> (t, f)  "
    "y = Where (k, h, x)",
    "Expand": C + I0 + I1 + "t = Slice (c, o, i, o)  s = Constant <value_ints = [2, 3]> ()  k = Expand (t, s)  "
    "y = Where (k, h, x)",
    "Tile": C + I0 + I1 + "t = Slice (c, o, i, o)  r = Constant <value_ints = [2, 1]> ()  k = Tile (t, r)  "
    "y = Where (k, h, x)",
    "Identity": C + "t = Identity (c)  n = Not (t)  y = Where (n, h, x)",
    "Where of conditions": C + "w = Constant <value_float = 1.0> ()  d = Less (x, w)  e = Where (c, d, c)  "
    "n = Not (e)  y = Where (n, h, x)",
    "Where with constants": C + "f = Constant <value = bool[3] {1, 0, 1}> ()  e = Where (f, c, f)  n = Not (e)  "
    "y = Where (n, h, x)",
    "Equal of conditions": C + "d = Less (h, z)  e = Equal (c, d)  n = Not (e)  y = Where (n, h, x)",
    "Pad": C + "a = Constant <value_ints = [0, 1, 0, 0]> ()  t = Pad (c, a)  o = Constant <value_ints = [0, 0]> ()  "
    "e = Constant <value_ints = [2, 3]> ()  k = Slice (t, o, e)  y = Where (k, h, x)",
    "Trilu": C + "k = Trilu (c)  y = Where (k, h, x)",
    "ScatterND": C + "p = Constant <value = int64[1, 1] {1}> ()  f = Constant <value = bool[1, 3] {1, 0, 1}> ()  "
    "k = ScatterND (c, p, f)  y = Where (k, h, x)",
    "ScatterElements": C + "p = Constant <value = int64[1, 3] {1, 0, 1}> ()  "
    "f = Constant <value = bool[1, 3] {1, 0, 1}> ()  "
    "k = ScatterElements (c, p, f)  y = Where (k, h, x)",
    "Compress": C + "f = Constant <value = bool[2] {1, 1}> ()  k = Compress <axis = 0> (c, f)  y = Where (k, h, x)",
    "ReverseSequence": C + "n = Constant <value_ints = [2, 1, 2]> ()  f = Cast <to = 1> (c)  "
    "t = ReverseSequence <batch_axis = 1, time_axis = 0> (f, n)  k = Cast <to = 9> (t)  y = Where (k, h, x)",
    "DepthToSpace": C + "s = Constant <value_ints = [1, 6, 1, 1]> ()  p = Constant <value_ints = [1, 4, 1, 1]> ()  "
    "f = Cast <to = 1> (c)  t = Reshape (f, s)  u = SpaceToDepth <blocksize = 1> (t)  k = Cast <to = 9> (u)  "
    "a = Reshape (h, s)  b = Reshape (x, s)  y = Where (k, a, b)",
    "Loop": C + "n = Constant <value_int = 3> ()  g = Constant <value = bool {1}> ()  "
    "k, all = Loop (n, g, c) <body = b (int64 i, bool go, bool[2, 3] a) => (bool keep, bool[2, 3] r, bool[2, 3] s) "
    "{ keep = Identity (go)  r = Not (a)  s = Identity (a) }>  t = Gather <axis = 0> (all, n0)  e = Xor (t, k)  "
    "y = Where (e, h, x)",
    "Scan": C + "d = Constant <value = bool[3] {0, 0, 0}> ()  last, all = Scan <num_scan_inputs = 1, body = b "
    "(bool[3] a, bool[3] v) => (bool[3] r, bool[3] s) { r = Or (a, v)  s = Not (r) }> (d, c)  y = Where (all, h, x)",
    "If": C + "o = Constant <value_ints = [0]> ()  m = ReduceMax <keepdims = 0> (x)  "
    "w = Constant <value_float = 1.0> ()  "
    "b = Greater (m, w)  k = If (b) <then_branch = t () => (bool[2, 3] r) { r = Identity (c) }, "
    "else_branch = e () => (bool[2, 3] r) { r = Not (c) }>  y = Where (k, h, x)",
    "a sequence": C + "s = SplitToSequence <axis = 0> (c)  a = SequenceAt (s, n0)  n = Not (a)  y = Where (n, h, x)",
    "ReduceMax of conditions": C + I1 + "k = ReduceMax (c, i)  y = Where (k, h, x)",
    "ReduceMin of conditions": C + I1 + "k = ReduceMin (c, i)  n = Not (k)  y = Where (n, h, x)",
    "CastLike": C + "f = Constant <value = bool {1}> ()  t = CastLike (h, f)  n = Not (t)  k = Xor (n, c)  "
    "y = Where (k, h, x)",
    "a definition": C + "f = Identity (c)  r = CenterCropPad <axes = [0]> (f, one)  y = Where (r, h, x)",
}  # fmt: skip
OPSETS = {"ReduceMax of conditions": 20, "ReduceMin of conditions": 20}
CONSTANTS = {"n0": np.array(0), "one": np.array([1])}


@pytest.mark.parametrize("name", MOVED)
def test_conditions_stay_conditions(name: str) -> None:
    used = {key: value for key, value in CONSTANTS.items() if key in MOVED[name]}
    proto = model(MOVED[name], weights=used, opset=OPSETS.get(name, 18))
    compare(proto, reference if name.startswith("Where") else runtime)


COUNTED = {
    "any": C + I1 + "n = Cast <to = 7> (c)  m = ReduceMax (n, i)  k = Cast <to = 9> (m)  y = Where (k, h, x)",
    "all": C + I1 + "n = Cast <to = 6> (c)  m = ReduceMin (n, i)  k = Cast <to = 9> (m)  y = Where (k, h, x)",
    "all by a product": C + I1 + "n = Cast <to = 7> (c)  m = ReduceProd (n, i)  k = Cast <to = 9> (m)  "
    "y = Where (k, h, x)",
    "count": C + I1 + "n = Cast <to = 7> (c)  s = ReduceSum (n, i)  f = Cast <to = 1> (s)  y = Mul (f, x)",
    "count compared": C + I1 + "n = Cast <to = 7> (c)  s = ReduceSum (n, i)  k = GreaterOrEqual (s, two)  "
    "y = Where (k, h, x)",
    "count of equal": C + I1 + "n = Cast <to = 6> (c)  s = ReduceSum (n, i)  t = Cast <to = 7> (s)  "
    "k = Equal (t, two)  y = Where (k, h, x)",
    "sum of products": C + "d = Less (x, h)  a = Cast <to = 7> (c)  b = Cast <to = 7> (d)  p = Mul (a, two)  "
    "s = Add (p, b)  "
    "e = Sub (s, two)  f = Cast <to = 1> (e)  y = Mul (f, x)",
    "divided": C + I1 + "n = Cast <to = 7> (c)  s = ReduceSum (n, i)  m = Neg (s)  d = Div (m, two)  "
    "f = Cast <to = 1> (d)  y = Add (f, x)",
    "remainder": C + I1 + "n = Cast <to = 7> (c)  s = ReduceSum (n, i)  m = Mod (s, two)  f = Cast <to = 1> (m)  "
    "y = Add (f, x)",
    "few bits": C + I1 + "n = Cast <to = 7> (c)  s = ReduceSum (n, i)  m = Mul (s, many)  b = Cast <to = 2> (m)  "
    "f = Cast <to = 1> (b)  y = Add (f, x)",
    **{
        f"{name} of whole numbers": C + I1 + f"n = Cast <to = 7> (c)  t = Mul (n, many)  m = {name} (t, i)  "
        "f = Cast <to = 1> (m)  y = Add (f, x)"
        for name in ("ReduceMean", "ReduceL2", "ReduceLogSumExp")
    },
    "running count": C + "n = Cast <to = 7> (c)  s = CumSum (n, n1)  f = Cast <to = 1> (s)  y = Mul (f, x)",
    "masked mean": C + I1 + "n = Cast <to = 1> (c)  p = Mul (n, x)  s = ReduceSum (p, i)  m = ReduceSum (n, i)  "
    "w = Constant <value_float = 1.0> ()  "
    "e = Max (m, w)  y = Div (s, e)",
    "bucketize": "r = Unsqueeze (x, last)  c = Less (edges, r)  n = Cast <to = 7> (c)  "
    "s = ReduceSum <keepdims = 0> (n, last)  f = Gather (table, s)  y = Mul (f, x)",
    "one-hot of a count": "r = Unsqueeze (x, last)  c = Less (edges, r)  n = Cast <to = 7> (c)  "
    "s = ReduceSum <keepdims = 0> (n, last)  "
    "g = OneHot <axis = -1> (s, five, off_on)  u = Unsqueeze (x, last)  y = Mul (g, u)",
    "parts of x": "n = Cast <to = 7> (x)  f = Cast <to = 1> (n)  y = Sub (x, f)",
    "floor as an index": "q = Abs (x)  f = Floor (q)  n = Cast <to = 6> (f)  a = Gather (table, n)  "
    "d = Sub (q, f)  b = Add (n, n1_)  e = Gather (table, b)  "
    "g = Sub (e, a)  m = Mul (g, d)  y = Add (a, m)",
}  # fmt: skip
TABLES = {
    "two": np.array(2), "many": np.array(100), "n1": np.array(1), "n1_": np.array(1, np.int32), "last": np.array([-1]),
    "edges": np.array([-1, -0.5, 0.25, 1], np.float32), "table": np.array([3, -1, 4, 1, -5], np.float32),
    "five": np.array(5), "off_on": np.array([0.5, 2], np.float32),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
def test_counts_are_numbers(name: str) -> None:
    body = COUNTED[name]
    used = {key: value for key, value in TABLES.items() if f"{key})" in body or f"{key}," in body}
    compare(model(body, weights=used))


PLACES = {
    "ArgMax": "p = ArgMax <axis = 1> (x)  f = Cast <to = 1> (p)  y = Mul (f, x)",
    "ArgMin": "p = ArgMin <axis = 0, keepdims = 0> (x)  f = Cast <to = 1> (p)  y = Mul (f, x)",
    "the last of several": "r = Round (x)  p = ArgMax <axis = 1, select_last_index = 1> (r)  "
    "f = Cast <to = 1> (p)  y = Add (f, x)",
    "the first of several": "r = Round (x)  p = ArgMin <axis = 1> (r)  f = Cast <to = 1> (p)  y = Add (f, x)",
    "one-hot": "p = ArgMax <axis = 1, keepdims = 0> (x)  g = OneHot <axis = 0> (p, three, off_on)  "
    "t = Transpose (x)  y = Mul (g, t)",
    "a row of a constant": "p = ArgMax <axis = 1, keepdims = 0> (x)  y = Gather <axis = 0> (W, p)",
    "a column of a constant": "p = ArgMax <axis = 1, keepdims = 1> (x)  y = Gather <axis = 1> (V, p)",
    "parts of x": "p = ArgMin <axis = 0, keepdims = 0> (x)  y = Gather <axis = 0> (x, p)",
    "an element of x": "h = Tanh (x)  p = ArgMax <axis = 1> (x)  y = GatherElements <axis = 1> (h, p)",
    "elements of a constant": "p = ArgMin <axis = 1> (x)  y = GatherElements <axis = 1> (V, p)",
    "elements by tuples": "p = ArgMax <axis = 1> (x)  q = Concat <axis = 1> (rows, p)  h = Exp (x)  "
    "y = GatherND (h, q)",
    "elements behind a batch": "p = ArgMax <axis = 1> (x)  h = Exp (x)  y = GatherND <batch_dims = 1> (h, p)",
    "from the end": "p = ArgMax <axis = 1, keepdims = 0> (x)  q = Sub (p, three)  y = Gather <axis = 0> (W, q)",
    "a comparison": "p = ArgMax <axis = 1> (x)  k = Equal (p, two)  h = Tanh (x)  y = Where (k, h, x)",
    "set by place": "p = ArgMax <axis = 1> (x)  y = ScatterElements <axis = 1> (x, p, new)",
    "added by place": "p = ArgMax <axis = 1> (x)  h = Exp (p0)  "
    "y = ScatterElements <axis = 1, reduction = \"add\"> (x, p, h)  ",
    "set by tuples": "p = ArgMin <axis = 1> (x)  q = Concat <axis = 1> (rows, p)  y = ScatterND (x, q, flat_new)",
    "rows by place": "p = ArgMax <axis = 0, keepdims = 0> (x)  s = Constant <value_ints = [3, 1]> ()  "
    "q = Reshape (p, s)  y = ScatterND <reduction = \"max\"> (x, q, W)",
}  # fmt: skip
ARRAYS = {
    "three": np.array(3), "two": np.array(2), "off_on": np.array([0.5, 2], np.float32), "rows": np.array([[0], [1]]),
    "W": RANDOM.normal(size=(3, 3)).astype(np.float32), "V": RANDOM.normal(size=(2, 3)).astype(np.float32),
    "new": np.array([[7], [9]], np.float32), "flat_new": np.array([7, 9], np.float32),
    "p0": np.array([[0.5], [1]], np.float32),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_places_that_depend_on_x(name: str) -> None:
    body = PLACES[name]
    used = {key: value for key, value in ARRAYS.items() if f"{key})" in body or f"{key}," in body or f"({key}" in body}
    compare(model(body, weights=used))


def test_an_index_that_names_no_place_gives_nan() -> None:
    """ONNX Runtime raises an error there; a solver steps back from NaN."""
    body = "n = Cast <to = 7> (x)  a = Gather (table, n)  b = GatherElements <axis = 0> (table, n)  y = Add (a, b)"
    table = np.array([3, -1, 4], np.float32)
    net = fx.load_onnx(model(body, "4", {"table": table}), check=False)
    assert net([0.5, 2.0, -1.0, -3.0]).tolist() == [6, 8, 8, 6]
    assert np.isnan(net([3.0, -4.0, 1e9, 1.0])).tolist() == [True, True, True, False]
    body = "r = Constant <value_float = 1.0> ()  n = Cast <to = 7> (x)  y = ScatterElements <axis = 0> (table, n, x)"
    net = fx.load_onnx(model(body, "2", {"table": table}), check=False)
    assert net([1.5, -1.0]).tolist() == [3, 1.5, -1]
    assert np.isnan(net([1.5, 3.0])).all()


def test_bounds_of_what_is_picked() -> None:
    """Places found by ArgMax are within the axis: bounds stay finite."""
    body = "p = ArgMax <axis = 1, keepdims = 0> (x)  y = Gather <axis = 0> (W, p)"
    net = fx.load_onnx(model(body, weights={"W": ARRAYS["W"]}))
    lower, upper = net.output_bounds(np.full(6, -1.0), np.full(6, 1.0))
    assert np.isfinite(lower).all()
    assert (lower <= ARRAYS["W"].min(0).repeat(2).reshape(3, 2).T.reshape(-1)).all()
    assert (upper >= ARRAYS["W"].max(0).repeat(2).reshape(3, 2).T.reshape(-1)).all()


def test_many_places_are_refused() -> None:
    body = "n = Cast <to = 7> (x)  y = ScatterElements <axis = 0> (x, n, x)"
    with pytest.raises(OnnxError, match=r"\[ScatterElements #1\] puts 1001 numbers at places that depend on x"):
        fx.load_onnx(model(body, "1001"))
    body = "n = Cast <to = 7> (x)  y = Expand (x, n)"
    with pytest.raises(OnnxError, match=r"\[Expand #1\] input 1 \('n'\) depends on the network's inputs"):
        fx.load_onnx(model(body, "2"))


ENCODED = {
    "ones": ("OneHotEncoder", {"cats_int64s": [-1, 0, 1]}),
    "integers to floats": ("LabelEncoder", {"keys_int64s": [-1, 0, 1], "values_floats": [2.5, -1.0, 7.0]}),
    "integers to integers": ("LabelEncoder", {"keys_int64s": [0, 1], "values_int64s": [40, 50], "default_int64": -3}),
    "floats to floats": (
        "LabelEncoder",
        {"keys_floats": [1.0, 0.0], "values_floats": [0.5, 3.0], "default_float": 9.0},
    ),
}


@pytest.mark.parametrize("name", ENCODED)
def test_encoders_of_numbers_that_depend_on_x(name: str) -> None:
    operator, settings = ENCODED[name]
    source = "r" if "floats to" in name else "i"
    proto = model("r = Round (x)  i = Cast <to = 7> (r)  e = Neg (r)  f = Cast <to = 1> (e)  y = Exp (f)")
    node = helper.make_node(operator, [source], ["e"], domain="ai.onnx.ml", **settings)
    proto.graph.node[2].CopyFrom(node)
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    compare(proto)


def test_whole_numbers_are_near_no_kink() -> None:
    """Equal places are no reason to call a point one where the derivative jumps."""
    body = """p = ArgMax <axis = 1> (x)  k = Equal (p, one)  o = GreaterOrEqual (p, one)  e = And (k, o)
        g = GatherElements <axis = 1> (x, p)  h = Tanh (g)  y = Where (e, g, h)"""
    net = fx.load_onnx(model(body, weights={"one": np.array(1)}))
    assert min(kink.distance for kink in net.kinks([0.0, 3.0, 1.0, 2.0, 0.5, 0.7])) >= 0.25


def test_attention_by_a_condition() -> None:
    """Keys that x leaves out, all of them at some points: there the result is 0."""
    body = """s = ReduceSum <keepdims = 1> (x, last)  t = Transpose <perm = [0, 1, 3, 2]> (s)
        m = Greater (t, half)  y = Attention (x, x, x, m)"""
    weights = {"last": np.array([3]), "half": np.array(0.5, np.float32)}
    net = compare(model(body, "1, 2, 3, 4", weights, 23), reference)
    assert not net(np.full(24, -1.0)).any()
    assert not net.jacobian(np.full(24, -1.0)).any()
