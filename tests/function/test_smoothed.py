"""net.smoothed(error): every kink rounded, and outputs within the error that was asked for."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

import fastexpr as fx
from fastexpr.expression.node import apply
from fastexpr.expression.operands import constant

RNG = np.random.default_rng(0)
W1, W2 = RNG.normal(size=(12, 3)), RNG.normal(size=(2, 12))
B1 = RNG.normal(size=12)


def through(operator, **attributes):
    return lambda u: apply(operator, [u], attributes)


ACTIVATIONS = {
    "Relu": lambda u: np.maximum(u, 0.0),
    "LeakyRelu": through("LeakyRelu", alpha=0.2),
    "LeakyRelu downwards": through("LeakyRelu", alpha=-0.5),
    "PRelu": lambda u: apply("PRelu", [u, constant(np.linspace(-0.5, 1.5, 12))]),
    "Abs": abs,
    "Clip": lambda u: np.clip(u, -0.5, 0.7),
    "Clip from above": lambda u: np.minimum(u, 0.7),
    "Max": lambda u: np.maximum(u, u[::-1]),
    "Min": lambda u: np.minimum(u, 0.3 * u[::-1]),
    "HardSigmoid": through("HardSigmoid", alpha=0.3, beta=0.5),
    "HardSwish": through("HardSwish", alpha=1 / 6, beta=0.5),
    "HardSwish of another kind": through("HardSwish", alpha=0.4, beta=0.3),
    "Elu": through("Elu", alpha=0.4),
    "Selu": through("Selu", alpha=1.67, gamma=1.05),
    "ReduceMax": lambda u: u.reshape(4, 3).max(axis=1)[np.arange(12) // 3],
    "ReduceL2": lambda u: apply("ReduceL2", [u.reshape(4, 3) - 0.1], {"axis": 1, "n_axes": 1, "keepdims": 0})[
        np.arange(12) // 3
    ],
    "two behind each other": lambda u: np.maximum(abs(u) - 0.4, 0.0),
}
#: What an error passes through behind a kink.
PASSING = {
    "tanh": np.tanh,
    "logistic": through("Sigmoid"),
    "softplus": through("Softplus"),
    "gelu": through("Gelu"),
    "softmax": through("Softmax", axis=0, n_axes=1),
    "log softmax": through("LogSoftmax", axis=0, n_axes=1),
    "square": lambda v: v * v,
    "power": lambda v: v**3,
    "exponential": lambda v: np.exp(0.2 * v),
    "logarithm": lambda v: np.log(v**2 + 1.0),
    "root": lambda v: np.sqrt(v**2 + 0.5),
    "quotient": lambda v: v / (2.0 + v**2),
    "constant divisor": lambda v: v / 3.0 - 1.0,
    "product": lambda v: v * v[::-1],
    "norm": lambda v: v / (1.0 + apply("ReduceL2", [v], {"axis": 0, "n_axes": 1, "keepdims": 1})),
    "sums": lambda v: v.sum() - v.mean() + np.cumsum(v),
}


def network(middle):
    x = fx.variables(3)
    return fx.Function(x, W2 @ middle(W1 @ x + B1))


def points(net):
    """Random ones, and some on kinks: of a unit each, by Newton's method along its row."""
    rng = np.random.default_rng(1)
    X = rng.uniform(-2, 2, (400, 3))
    for row, shift in zip(W1, B1, strict=True):
        for kink in (0.0, -0.5, 0.7, 0.4, -0.4, 5.0 / 3.0, -5.0 / 3.0, 3.0, -3.0):
            X = np.vstack([X, X[0] - row * (row @ X[0] + shift - kink) / (row @ row)])
    return X


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("error", [1e-3, 0.3])
def test_every_kink_is_rounded_within_the_error(name, error):
    net = network(ACTIVATIONS[name])
    smooth = net.smoothed(error=error)
    X = points(net)
    difference = abs(smooth(X) - net(X)).max()
    assert difference <= error
    assert difference > 1e-5 * error  # the width is no smaller than it needs to be, by orders of magnitude
    assert not smooth.kinks(X[0])
    smooth.check_derivatives(X[0], tolerance=1e-3)  # raises where they are wrong


@pytest.mark.parametrize("name", PASSING)
def test_errors_pass_through_what_follows(name):
    net = network(lambda u: PASSING[name](np.maximum(u, 0.0))).with_bounds(np.full(3, -2.0), np.full(3, 2.0))
    smooth = net.smoothed(error=0.05)
    X = np.clip(points(net), -2.0, 2.0)
    assert 0.0 < abs(smooth(X) - net(X)).max() <= 0.05


def test_a_convolution_with_pooling():
    text = (
        '<ir_version: 8, opset_import: ["":17]> g (float[1,1,6,6] x) => (float[1,2,2,2] y) '
        "{ c = Conv(x, K) r = Relu(c) y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(r) }"
    )
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(numpy_helper.from_array(RNG.normal(size=(2, 1, 2, 2)).astype(np.float32), "K"))
    net = fx.load_onnx(model)
    smooth = net.smoothed(error=0.02)
    X = np.random.default_rng(3).normal(size=(300, 36))
    assert 0.0 < abs(smooth(X) - net(X)).max() <= 0.02


def test_names_bounds_and_units_stay():
    x = fx.variables(2)
    net = fx.Function(x, abs(x)).with_names(inputs=["T", "p"], outputs=["a", "b"]).with_bounds([0, 1], [2, 3])
    net = net.with_units(inputs=["K", "bar"])
    smooth = net.smoothed()
    assert (smooth.input_names, smooth.output_names) == (("T", "p"), ("a", "b"))
    assert smooth.input_units == ("K", "bar")
    assert smooth.lower.tolist() == [0, 1]


def test_a_smooth_function_is_itself():
    net = network(np.tanh)
    assert net.smoothed() is net


def test_kinks_of_several_inputs_are_kinks():
    x = fx.variables(3)
    for kinked in (x.max(), apply("ReduceL2", [x], {"axis": 0, "n_axes": 1, "keepdims": 0})):
        net = fx.Function(x, kinked)
        assert 0.005 < net.smoothed(error=0.01)([0.0, 0.0, 0.0])[0] <= 0.01


def test_the_largest_error_is_reached():
    x = fx.variables(1)
    assert abs(fx.Function(x, abs(x)).smoothed(error=0.1)([0.0])[0] - 0.1) <= 0.01


@pytest.mark.parametrize("error", [0.0, -1.0, np.nan, np.inf, "small", None])
def test_an_error_that_is_none(error):
    with pytest.raises(ValueError, match="error must be a positive number"):
        network(abs).smoothed(error=error)


def test_what_jumps_is_refused():
    net = network(lambda u: u * apply("Less", [fx.expression.operands.constant(np.zeros(12)), u]))
    with pytest.raises(fx.errors.GraphError, match="jumps"):
        net.smoothed()


def test_a_product_needs_bounds():
    net = network(lambda u: np.maximum(u, 0.0) * u)
    with pytest.raises(fx.errors.GraphError, match="with_bounds"):
        net.smoothed()
    with pytest.raises(fx.errors.GraphError, match="can be 0"):
        network(lambda u: 1.0 / np.maximum(u, 0.0)).with_bounds([0] * 3, [1] * 3).smoothed()
