"""If, Loop and Scan: written out where their steps and branches are known, refused by name where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.parser
import pytest
from onnx import ModelProto, numpy_helper
from onnx_models import distance

import fastexpr as fx
from fastexpr.errors import FastexprError

W = np.random.default_rng(0).normal(size=(3, 3)).round(2)


def model_of(body: str, weights: str = "", opset: int = 21, x: str = "double[N, 3] x") -> ModelProto:
    """A graph with x, a matrix W, and y."""
    model = onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["" : {opset}]>
        g ({x}) => (double[M, 3] y) <{weights}> {{ {body} }}""")
    model.graph.initializer.append(numpy_helper.from_array(W, "W"))
    return model


STEPS = """l = Constant <value_int: int = 4> ()  go = Constant <value: tensor = bool {1}> ()
    start = Mul (x, x)"""
#: h <- tanh(h W + x), collecting sin(h); the condition ends it after the third step
LOOP = """h, y = Loop (l, go, start) <body =
    b (int64 i, bool c, double[1, 3] u) => (bool d, double[1, 3] v, double[3] s)
    <int64 last = {%d}> { d = Less (i, last)  p = MatMul (u, W)  q = Add (p, x)  v = Tanh (q)  n = Sin (v)
        axis = Constant <value_ints: ints = [0]> ()  s = Squeeze (n, axis) }>"""
SCAN = """h, y = Scan (start, xs) <num_scan_inputs = 1%s, body =
    b (double[3] u, double[3] z) => (double[3] v, double[3] s)
    { p = MatMul (u, W)  q = Add (p, z)  v = Tanh (q)  s = Sin (v) }>"""
ZERO_STATE = "start = Constant <value: tensor = double[3] {0.1, 0.2, 0.3}> ()"


def transition(h: Any, x: Any) -> Any:
    return np.tanh(h @ W + x)


def unrolled(x: Any, n: int) -> list[Any]:
    """The states of LOOP."""
    states = [x * x]
    for _ in range(n):
        states.append(transition(states[-1], x))
    return states[1:]


def scanned(rows: Any) -> list[Any]:
    """The states of SCAN."""
    states = [np.array([0.1, 0.2, 0.3])]
    for row in rows:
        states.append(transition(states[-1], row))
    return states[1:]


def check(model: ModelProto, expected: Any, x: Any, checked: bool = True) -> fx.Function:
    """The model has the value and derivatives of an expression that does the same; ONNX's evaluator cannot do all."""
    net = fx.load_onnx(model, check=checked)
    inputs = fx.variables(x.size)
    other = fx.Function(inputs, expected(inputs.reshape(x.shape)).reshape(-1))
    weights = np.linspace(0.5, 1.5, net.n_outputs)
    for a, b in zip(net.evaluate(x.reshape(-1), weights), other.evaluate(x.reshape(-1), weights), strict=True):
        assert distance(a, b) < 1e-13
    return net


X = np.array([[0.3, -0.5, 0.8]])
ROWS = np.array([[0.3, -0.5, 0.8], [0.1, 0.4, -0.2]])


def test_loop() -> None:
    """A fixed number of steps; values carried, collected, and taken from around the loop."""
    net = check(model_of(STEPS + LOOP % 99), lambda x: np.concatenate([np.sin(h) for h in unrolled(x, 4)]), X)
    assert {label for _, _, label in net._nodes() if "[2]" in label} >= {"Loop #3[2]/MatMul #1", "Loop #3[2]/Tanh #3"}


def test_loop_that_ends_by_its_condition() -> None:
    check(model_of(STEPS + LOOP % 1), lambda x: np.concatenate([np.sin(h) for h in unrolled(x, 2)]), X)


@pytest.mark.parametrize(
    ("settings", "expected", "shape"),
    [
        ("", lambda x: np.sin(np.stack(scanned(x))), "2, 3"),
        (", scan_input_directions = [1]", lambda x: np.sin(np.stack(scanned(x[::-1]))), "2, 3"),
        (", scan_output_directions = [1]", lambda x: np.sin(np.stack(scanned(x)[::-1])), "2, 3"),
        (", scan_output_axes = [1]", lambda x: np.sin(np.stack(scanned(x))).T, "2, 3"),
        (", scan_input_axes = [-1]", lambda x: np.sin(np.stack(scanned(x.T))), "3, 2"),
    ],
)
def test_scan(settings: str, expected: Any, shape: str) -> None:
    model = model_of(f"{ZERO_STATE} xs = Identity (x) " + SCAN % settings, x=f"double[{shape}] x")
    check(model, expected, ROWS if shape == "2, 3" else ROWS.T.copy(), not settings)


def test_scan_of_operator_set_8() -> None:
    """With a batch inside; ONNX's evaluator does not know it."""
    body = """xs = Unsqueeze <axes = [0]> (x)
        start = Constant <value: tensor = double[1, 3] {0.1, 0.2, 0.3}> ()
        h, s = Scan (, start, xs) <num_scan_inputs = 1, body =
            b (double[3] u, double[3] z) => (double[3] v, double[3] w)
            { p = MatMul (u, W)  q = Add (p, z)  v = Tanh (q)  w = Sin (v) }>
        y = Squeeze <axes = [0]> (s)"""
    net = fx.load_onnx(model_of(body, opset=8, x="double[2, 3] x"))
    assert distance(net(ROWS.reshape(-1)), np.sin(scanned(ROWS)).reshape(-1)) < 1e-15


BRANCHES = """<then_branch = t () => (double[1, 3] a) { a = Tanh (x) },
              else_branch = e () => (double[1, 3] b) { b = MatMul (x, W) }>"""


@pytest.mark.parametrize("condition", [0, 1])
def test_if_with_a_constant_condition(condition: int) -> None:
    """Only one branch is there."""
    model = model_of(f"y = If (c) {BRANCHES}", f"bool c = {{{condition}}}")
    net = check(model, np.tanh if condition else lambda x: x @ W, X)
    assert ("Tanh" in [op.name for op, _, _ in net._nodes()]) == bool(condition)


def test_if_by_the_shape_of_a_tensor() -> None:
    body = f"""s = Shape (x)  one = Constant <value_ints: ints = [1]> ()  n = Gather (s, one)
        three = Constant <value_ints: ints = [3]> ()  e = Equal (n, three)  c = Squeeze (e)  y = If (c) {BRANCHES}"""
    check(model_of(body), np.tanh, X)


def test_if_by_the_value_of_x() -> None:
    """Value and derivatives of the branch that is chosen."""
    body = f"s = ReduceSum <keepdims = 0> (x)  z = Constant <value_float: float = 0.0> ()  d = CastLike (z, s) " \
           f"c = Greater (s, d)  y = If (c) {BRANCHES}"  # fmt: skip
    model = model_of(body, x="double[1, 3] x")  # the sum over all rows decides: they are no batch
    check(model, np.tanh, X)
    check(model, lambda x: x @ W, -X)


def test_nested() -> None:
    """A branch inside a step inside a branch, reading from all of them."""
    body = """go = Constant <value: tensor = bool {1}> ()  n = Constant <value_int: int = 3> ()
        y = If (go) <then_branch = t () => (double[1, 3] r) {
            f = Exp (x)
            r = Loop (n, go, x) <body = step (int64 i, bool c, double[1, 3] u) => (bool d, double[1, 3] v) {
                d = Identity (c)  one = Constant <value_int: int = 1> ()  k = Equal (i, one)
                v = If (k) <then_branch = a () => (double[1, 3] p) { p = Mul (u, f) },
                            else_branch = b () => (double[1, 3] q) { q = MatMul (u, W) }> }> },
            else_branch = e () => (double[1, 3] o) { o = Identity (x) }>"""
    check(model_of(body), lambda x: (x @ W * np.exp(x)) @ W, X)


FOREVER = """h = Loop (%s, go, x) <body = step (int64 i, bool c, double[1, 3] u) => (bool d, double[1, 3] v)
    { d = Identity (c)  v = Tanh (u) }>  y = Identity (h)"""
TWO_SHAPES = """<then_branch = t () => (double[1, 3] a) { a = Tanh (x) },
    else_branch = e () => (double[3] b) { s = Constant <value_ints: ints = [3]> ()  b = Reshape (x, s) }>"""
GO = "go = Constant <value: tensor = bool {1}> () "
BY_X = "s = ReduceSum <keepdims = 0> (x)  z = Sub (s, s)  c = Greater (s, z) "

ERRORS = {
    "huge count": (GO + FOREVER % "many", "int64 many = {9223372036854775807}", r"\[Loop #1\] goes on after 1000"),
    "no count": (GO + FOREVER % "", "", r"\[Loop #1\] goes on after 1000 steps: got the number of steps None"),
    "large body": (
        "go = Constant <value: tensor = bool {1}> () "
        + FOREVER.replace("v = Tanh (u)", "".join(f"t{k} = Tanh (u) " for k in range(99)) + "v = Sum ("
                          + ", ".join(f"t{k}" for k in range(99)) + ")") % "many",
        "int64 many = {5000}", r"\[Loop #1\] is written out, and gives more than 30000 nodes",
    ),
    "condition of a loop": (
        "n = Constant <value_int: int = 5> () " + GO + FOREVER.replace(
            "d = Identity (c)", "s = ReduceSum <keepdims = 0> (u)  z = Sub (s, s)  d = Greater (s, z)") % "n",
        "", r"\[Loop #2\] the condition to go on depends on the network's inputs, so the steps cannot be written out",
    ),
    "number of steps": (
        GO + "s = ReduceSum <keepdims = 0> (x)  n = Cast <to = 7> (s) " + FOREVER % "n", "",
        r"\[Loop #3\] input 0 \('n'\) depends on the network's inputs, expected a constant",
    ),
    "shapes of branches": (
        BY_X + f"y = If (c) {TWO_SHAPES}", "",
        r"\[If #3\] chooses by the network's inputs between results of shapes \[\(1, 3\)\] and \[\(3,\)\]",
    ),
    "sequences of branches": (
        BY_X + """q = If (c) <then_branch = t () => (seq(double[1, 3]) a) { a = SequenceConstruct (x) },
            else_branch = e () => (seq(double[1, 3]) b) { b = SequenceConstruct (x) }>
            zero = Constant <value_int: int = 0> ()  y = SequenceAt (q, zero)""", "",
        r"\[If #3\] has a graph that gives sequences",
    ),
    "no condition": (f"s = ReduceSum <keepdims = 0> (x)  y = If (s) {BRANCHES}", "", r"\[If #1\] has a condition"),
    "a tensor that is not there": (
        GO + f"y = If (go) {BRANCHES}".replace("(x)", "(ghost)"), "", r"\[If #1\] reads 'ghost', which no node"
    ),
    "inputs of a body": (
        GO + "n = Constant <value_int: int = 5> () " + (FOREVER % "n").replace("int64 i, ", ""), "",
        r"\[Loop #2\] The graph 'body' has 2 inputs, expected 3",
    ),
    "outputs of a body": (
        GO + "n = Constant <value_int: int = 5> () " + (FOREVER % "n").replace(", double[1, 3] v)", ")"), "",
        r"\[Loop #2\] has a body with 1 outputs, expected 2",
    ),
    "lengths": (
        f"{ZERO_STATE} xs = Identity (x) w = MatMul (x, W) v = Transpose (w) "
        + (SCAN % "").replace("(start, xs)", "(start, xs, v)").replace(
            "num_scan_inputs = 1", "num_scan_inputs = 2").replace("double[3] z)", "double[3] z, double[2] t)"), "",
        r"\[Scan #4\] goes through axes of different lengths, \[1, 3\]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    body, weights, message = ERRORS[name]
    with pytest.raises(FastexprError, match=message):
        fx.load_onnx(model_of(body, weights))


def test_nesting_has_an_end() -> None:
    body = "y = Identity (x)"
    for k in range(25):
        body = f"""y = If (go) <then_branch = t{k} () => (double[1, 3] y) {{ {body} }},
                   else_branch = e{k} () => (double[1, 3] y) {{ y = Identity (x) }}>"""
    with pytest.raises(FastexprError, match="nested more than 20 levels deep"):
        fx.load_onnx(model_of(body, "bool go = {1}"))
