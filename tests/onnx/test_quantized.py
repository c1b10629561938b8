"""Quantized models: values exactly, against ONNX's evaluator; derivatives are those of the model without rounding."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx_models import distance, evaluate, make_model

import fastexpr as fx
from fastexpr.errors import DerivativeWarning, OnnxError

node = helper.make_node
X = (2, 3)
RANDOM = np.random.default_rng(2)
rounding = pytest.mark.filterwarnings("ignore::fastexpr.errors.DerivativeWarning")


def quantized_twice(
    dtype: Any, scale: Any, zero: Any, opset: int = 21, settings: dict[str, Any] | None = None
) -> ModelProto:
    """x rounded to integers and made a float again."""
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"], "round", **(settings or {})),
        node("DequantizeLinear", ["q", "s", "z"], ["y"], "back", **(settings or {})),
    ]
    model = make_model(nodes, {"x": X}, ["y"], {"s": np.asarray(scale, np.float64)}, opset, np.float32)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype)) if not isinstance(dtype, int) else dtype
    zeros = np.asarray(zero)
    model.graph.initializer.append(helper.make_tensor("z", kind, zeros.shape, zeros.reshape(-1).tolist()))
    return model


BLOCKS = {"block_size": 2, "axis": 1}
CASES: dict[str, ModelProto] = {
    "uint8": quantized_twice(np.uint8, 0.5, 3),
    "int8": quantized_twice(np.int8, 0.25, -4),
    "int16": quantized_twice(np.int16, 0.125, 100),
    "uint16": quantized_twice(np.uint16, 0.125, 7),
    "int4": quantized_twice(TensorProto.INT4, 0.5, 1),
    "uint4": quantized_twice(TensorProto.UINT4, 0.5, 2),
    "by column": quantized_twice(np.int8, [0.5, 0.25, 1.0], [0, 3, -3], 13),
    "by row": quantized_twice(np.uint8, [0.5, 0.25], [0, 3], 13, {"axis": 0}),
    "by blocks": quantized_twice(np.int8, [[0.5, 0.25], [1.0, 0.125]], [[0, 3], [1, 2]], 21, BLOCKS),
    "opset 10": quantized_twice(np.uint8, 0.5, 3, 10),
}  # fmt: skip
LIMITS = {"uint8": (-1.5, 126.0), "int8": (-31.0, 32.75), "int4": (-4.5, 3.0), "uint4": (-1.0, 6.5)}


@pytest.mark.parametrize("name", CASES)
def test_rounding(name: str) -> None:
    """Halves to even, cut at the type's limits; the derivative is 1 inside of them, 0 outside."""
    with pytest.warns(DerivativeWarning, match="rounds numbers that depend on x.*First at 'round'"):
        net = fx.load_onnx(CASES[name])
    lower, upper = LIMITS.get(name, (-1e9, 1e9))
    for x in (
        RANDOM.uniform(-2, 2, X).round(2),
        np.array([[0.25, 0.75, 1.25], [-0.25, -0.75, -1.25]]),
        np.array([[-1e4, 1e4, 200.0], [-200.0, 40.0, -40.0]]),
    ):
        assert np.array_equal(net(x.reshape(-1)), evaluate(CASES[name], {"x": x.astype(np.float32)}))
        if name in LIMITS:
            slopes = ((x > lower - 1e-9) & (x < upper + 1e-9)).reshape(-1)
            assert np.array_equal(net.jacobian(x.reshape(-1)), np.diag(slopes.astype(float)))


def qdq_network() -> ModelProto:
    """A layer with weights of 8 bits, its input and output rounded, as quantizers write it."""
    weights = {"W": RANDOM.integers(-127, 128, (3, 4)).astype(np.int8), "ws": np.array([0.01, 0.02, 0.03, 0.005])}
    weights |= {
        "wz": np.zeros(4, np.int8),
        "xs": np.array(0.02),
        "xz": np.array(10, np.uint8),
        "b": RANDOM.normal(size=4),
    }
    weights |= {"ys": np.array(0.05), "yz": np.array(-5, np.int8)}
    nodes = [
        node("DequantizeLinear", ["W", "ws", "wz"], ["V"], axis=1),
        node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        node("DequantizeLinear", ["xq", "xs", "xz"], ["xr"]),
        node("Gemm", ["xr", "V", "b"], ["z"]),
        node("Relu", ["z"], ["h"]),
        node("QuantizeLinear", ["h", "ys", "yz"], ["hq"]),
        node("DequantizeLinear", ["hq", "ys", "yz"], ["y"]),
    ]
    return make_model(nodes, {"x": ["N", 3]}, ["y"], weights, 21, np.float32)


@rounding
def test_quantized_network() -> None:
    """Values as ONNX Runtime has them; derivatives of the network without rounding of activations."""
    model = qdq_network()
    net = fx.load_onnx(model, check=True)
    options = onnxruntime.SessionOptions()  # optimized, it computes in integers and rounds elsewhere
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    weights = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in model.graph.initializer}
    V = weights["W"] * weights["ws"]
    for x in RANDOM.uniform(-1, 1, (20, 3)).astype(np.float32):
        (expected,) = session.run(None, {"x": x[None]})
        assert distance(net(x.astype(np.float64)), expected[0].astype(np.float64)) < 1e-6
        steps = x.astype(np.float64) / weights["xs"]
        z = np.clip(np.rint(steps), -10, 245) * weights["xs"] @ V + weights["b"]
        is_on, is_inside = (z > 0) & (z < 132 * weights["ys"]), steps > -10
        slopes = V.T * is_on[:, None] * is_inside
        np.testing.assert_allclose(net.jacobian(x.astype(np.float64)), slopes, rtol=1e-6, atol=1e-12)


def test_weights_alone_round_nothing() -> None:
    """Weights of 8 bits are constants: no warning, and exact derivatives."""
    weights = {"W": RANDOM.integers(-127, 128, (3, 4)).astype(np.int8), "s": np.array(0.01)}
    nodes = [node("DequantizeLinear", ["W", "s"], ["V"]), node("MatMul", ["x", "V"], ["y"])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = fx.load_onnx(make_model(nodes, {"x": [1, 3]}, ["y"], weights, 21, np.float32), check=True)
    scale = float(np.float32(0.01))
    assert distance(net.jacobian(np.zeros(3)), weights["W"].T * scale) < 1e-15


@pytest.mark.parametrize(
    "kind", [TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E5M2]
)
def test_weights_of_few_bits(kind: int) -> None:
    tensor = helper.make_tensor("W", kind, (64, 200), RANDOM.integers(0, 8, 64 * 200).tolist())
    packed = numpy_helper.from_array(numpy_helper.to_array(tensor), "W")  # raw bytes, cut out of the file
    for weights in (tensor, packed):
        nodes = [node("DequantizeLinear", ["W", "s"], ["V"]), node("MatMul", ["x", "V"], ["y"])]
        model = make_model(nodes, {"x": [1, 64]}, ["y"], {"s": np.array(0.5)}, 21, np.float32)
        model.graph.initializer.append(weights)
        net = fx.load_onnx(model.SerializeToString(), check=False)
        assert np.array_equal(net.jacobian(np.zeros(64)), numpy_helper.to_array(tensor).astype(np.float64).T / 2)


# ---- operators on integers


def integer_model(
    nodes: list[onnx.NodeProto], weights: dict[str, Any], outputs: list[str], opset: int = 21
) -> ModelProto:
    return make_model(nodes, {"x": X}, outputs, weights, opset, np.float32)


Q = node("QuantizeLinear", ["x", "s", "z"], ["q"])
FLOAT = node("Cast", ["p"], ["y"], to=TensorProto.FLOAT)
COMMON = {"s": np.array(0.02), "z": np.array(10, np.uint8), "W": RANDOM.integers(0, 255, (3, 4)).astype(np.uint8)}
IMAGE = node("Reshape", ["q", "image"], ["i"])
KERNEL = {"K": RANDOM.integers(0, 255, (2, 1, 2, 2)).astype(np.uint8), "image": np.array([1, 1, 2, 3])}
INTEGERS: dict[str, ModelProto] = {
    "MatMulInteger": integer_model([Q, node("MatMulInteger", ["q", "W"], ["p"]), FLOAT], COMMON, ["y"]),
    "MatMulInteger with zero points": integer_model(
        [Q, node("MatMulInteger", ["q", "W", "z", "wz"], ["p"]), FLOAT], COMMON | {"wz": np.array(7, np.uint8)}, ["y"]
    ),
    "QLinearMatMul": integer_model(
        [Q, node("QLinearMatMul", ["q", "s", "z", "W", "ws", "wz", "ys", "yz"], ["p"]),
         node("DequantizeLinear", ["p", "ys", "yz"], ["y"])],
        COMMON | {"ws": np.array(0.01), "wz": np.array(120, np.uint8)}
        | {"ys": np.array(0.03), "yz": np.array(9, np.uint8)},
        ["y"], 10,
    ),
    "ConvInteger": integer_model(
        [Q, IMAGE, node("ConvInteger", ["i", "K", "z", "kz"], ["p"], pads=[1, 0, 0, 1]), FLOAT],
        COMMON | KERNEL | {"kz": np.array(3, np.uint8)}, ["y"],
    ),
    "QLinearConv": integer_model(
        [Q, IMAGE, node("QLinearConv", ["i", "s", "z", "K", "ks", "kz", "ys", "yz", "b"], ["p"], strides=[1, 2]),
         node("DequantizeLinear", ["p", "ys", "yz"], ["y"])],
        COMMON | KERNEL | {"ks": np.array([0.01, 0.02]), "kz": np.array([3, 8], np.uint8), "ys": np.array(0.03)}
        | {"b": np.array([50, -70], np.int32), "yz": np.array(120, np.uint8)}, ["y"],
    ),
    "DynamicQuantizeLinear": integer_model(
        [node("DynamicQuantizeLinear", ["x"], ["q", "ys", "yz"]), node("DequantizeLinear", ["q", "s"], ["y"])],
        COMMON, ["y", "ys"],
    ),
}  # fmt: skip


@rounding
@pytest.mark.parametrize("name", INTEGERS)
def test_integers(name: str) -> None:
    model = INTEGERS[name]
    net = fx.load_onnx(model, check=True)
    for x in (RANDOM.uniform(-2, 2, X), RANDOM.uniform(0.5, 2, X), RANDOM.uniform(-2, -0.5, X)):
        x = x.astype(np.float32)
        assert distance(net(x.reshape(-1).astype(np.float64)), evaluate(model, {"x": x})) < 1e-6


@rounding
def test_export_keeps_the_rounding(tmp_path: Any) -> None:
    net = fx.load_onnx(qdq_network())
    net.to_onnx(tmp_path / "net.onnx", dtype=np.float64)
    x = RANDOM.uniform(-1, 1, 3)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    assert distance(session.run(None, {"x": x[None]})[0][0], net(x)) < 1e-12


ERRORS = {
    "scales": (quantized_twice(np.int8, [0.5, 0.25], [0, 3], 13), r"'round'\] has scales of shape \(2,\) for axis 1"),
    "axis": (quantized_twice(np.int8, [0.5, 0.25], [0, 3], 13, {"axis": 2}), r"\[QuantizeLinear 'round'\] axis 2 does"),
    "blocks": (
        quantized_twice(np.int8, [[0.5], [1.0]], [[0], [1]], 21, BLOCKS),
        r"\[QuantizeLinear 'round'\] has block_size=2 and scales of shape \(2, 1\)",
    ),
    "floats of 8 bits": (
        quantized_twice(TensorProto.FLOAT8E4M3FN, 0.5, 0), r"rounds a value that depends .* to float8_e4m3fn"
    ),
    "shapes": (
        integer_model(
            [Q, node("MatMulInteger", ["q", "W"], ["p"]), FLOAT], COMMON | {"W": np.zeros((4, 3), np.uint8)}, ["y"]
        ),
        r"\[MatMulInteger #1\] cannot multiply shapes \(2, 3\) and \(4, 3\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    model, message = ERRORS[name]
    with pytest.raises(OnnxError, match=message):
        fx.load_onnx(model)
