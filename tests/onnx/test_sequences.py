"""Sequences of tensors: values against ONNX's reference evaluator, and what is refused."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx_models import distance, evaluate

import fastexpr as fx
from fastexpr.errors import OnnxError

WEIGHTS = "<int64 zero = {0}, int64 one = {1}, int64 two = {2}, int64 back = {-1}, int64[3] lengths = {1, 0, 4}>"


def model(body: str, shape: str = "2, 5") -> onnx.ModelProto:
    header = '<ir_version: 8, opset_import: ["" : 17]>'
    return onnx.parser.parse_model(f"{header} g (double[{shape}] x) => (double[M, N] y) {WEIGHTS} {{ {body} }}")


SQUARES = "s = SplitToSequence <axis = 1> (x, two) a = SequenceAt (s, one) b = Mul (a, a) "
BODIES = [
    SQUARES + "t = SequenceConstruct (b, a) y = ConcatFromSequence <axis = 1> (t)",
    SQUARES + "t = SequenceConstruct (b, a) u = SequenceInsert (t, x, zero) v = SequenceErase (u) "
    "y = ConcatFromSequence <axis = -1> (v)",
    SQUARES + "t = SequenceInsert (s, b) u = SequenceInsert (t, b, back) v = SequenceErase (u, back) "
    "w = Identity (v) y = ConcatFromSequence <axis = 1> (w)",
    SQUARES + "t = SequenceConstruct (x, x) n = SequenceLength (t) c = Cast <to = 11> (n) y = Mul (b, c)",
    "s = SplitToSequence <axis = -1> (x, lengths) a = SequenceAt (s, two) y = Tanh (a)",
    "s = SplitToSequence <axis = 0, keepdims = 0> (x) y = ConcatFromSequence <axis = 1, new_axis = 1> (s)",
    "s = SplitToSequence <axis = 0> (x) a = SequenceAt (s, back) y = Exp (a)",
    "s = SplitToSequence (x, two) a = SequenceAt (s, zero) y = OptionalGetElement (a)",
    "e = SequenceEmpty <dtype = 11> () s = SequenceInsert (e, x) y = ConcatFromSequence <axis = 0> (s)",
]


@pytest.mark.parametrize("body", BODIES)
def test_value(body: str) -> None:
    x = np.linspace(-1, 2, 10)
    net = fx.load_onnx(model(body))
    assert distance(net(x), evaluate(model(body), {"x": x.reshape(2, 5)})) < 1e-15


def test_derivative() -> None:
    """The squares of columns 2 and 3, and the columns themselves."""
    net = fx.load_onnx(model(BODIES[0]))
    x = np.arange(10.0)
    expected = np.zeros((2, 4, 2, 5))
    for row in range(2):
        for k, column in enumerate((2, 3)):
            expected[row, k, row, column] = 2 * x[5 * row + column]
            expected[row, k + 2, row, column] = 1
    assert np.array_equal(net.jacobian(x), expected.reshape(8, 10))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (SQUARES + "y = SequenceAt (s, lengths)", r"\[SequenceAt #3\] input 1 .* expected one number"),
        ("s = SequenceConstruct (x) y = SequenceAt (s, one)", r"\[SequenceAt #1\] takes place 1 of a sequence of 1"),
        ("y = SequenceAt (x, one)", r"\[SequenceAt #0\] input 0 is no sequence"),
        ("s = SequenceConstruct (x) y = Tanh (s)", r"\[Tanh #1\] input 0 is a sequence, expected a tensor"),
        ("s = SplitToSequence <axis = 0> (x, lengths) y = SequenceAt (s, one)", r"cannot split axis 0 .*\[1, 0, 4\]"),
        ("s = SplitToSequence (x, back) y = SequenceAt (s, one)", r"cannot split axis 0"),
        ("e = SequenceEmpty () y = ConcatFromSequence <axis = 0> (e)", r"joins a sequence of no tensors"),
        ("t = Transpose (x) s = SequenceConstruct (x, t) y = ConcatFromSequence <axis = 0> (s)", r"cannot join shapes"),
        ("y = SequenceConstruct (x)", r"\[Output 'y'\] is a sequence"),
    ],
)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(OnnxError, match=message):
        fx.load_onnx(model(body))
