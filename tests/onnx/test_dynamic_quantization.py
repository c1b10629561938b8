"""What onnxruntime.quantization writes: values as ONNX Runtime has them without its own optimizations, which compute in
other places; derivatives near those of the network before.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_bodies import model
from onnx_models import distance, make_model, mlp
from onnxruntime.quantization import QuantType, quantize_dynamic
from quantizable_models import RANDOM, attention, floats, image_network, node, runtime

import fastexpr as fx
from fastexpr.errors import DerivativeWarning

rounding = pytest.mark.filterwarnings("ignore::fastexpr.errors.DerivativeWarning")


def embedded() -> onnx.ModelProto:
    """Rows of a table, which is quantized: constants that are dequantized after they were picked."""
    nodes = [
        node("Gather", ["T", "i"], ["e"]),
        node("Add", ["x", "e"], ["h"]),
        node("MatMul", ["h", "W"], ["y"]),
    ]
    weights = {"T": floats(5, 3), "i": np.array([4, 0]), "W": floats(3, 3)}
    return make_model(nodes, {"x": (2, 3)}, ["y"], weights, 17, np.float32)


def recurrent() -> onnx.ModelProto:
    """A GRU stays as it is; what follows is quantized."""
    nodes = [
        node("GRU", ["x", "W", "R"], ["", "h"], hidden_size=4),
        node("Squeeze", ["h", "a"], ["s"]),
        node("MatMul", ["s", "V"], ["y"]),
    ]
    weights = {"W": floats(1, 12, 3), "R": floats(1, 12, 4), "a": np.array([0]), "V": floats(4, 2)}
    return make_model(nodes, {"x": (3, 1, 3)}, ["y"], weights, 17, np.float32)


MODELS = {
    "MLP": mlp((4, 16, 16, 3)),
    "ReLU": mlp((5, 30, 2), activation="Relu"),
    "CNN": image_network(),
    "attention": attention(),
    "embedding": embedded(),
    "GRU": recurrent(),
}
KINDS = [QuantType.QInt8, QuantType.QUInt8]


def quantized(proto: onnx.ModelProto, folder: Path, **settings: Any) -> onnx.ModelProto:
    proto = onnx.shape_inference.infer_shapes(proto)
    onnx.save(proto, folder / "float.onnx")
    logging.disable(logging.WARNING)  # it advises to preprocess
    try:
        operators = ["MatMul", "Conv", "Gemm", "Gather", "Attention"]
        quantize_dynamic(
            folder / "float.onnx", folder / "quantized.onnx", op_types_to_quantize=operators,
            extra_options={"MatMulConstBOnly": False}, **settings,
        )  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(folder / "quantized.onnx")


@rounding
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_quantize_dynamic(name: str, per_channel: bool, kind: QuantType, tmp_path: Path) -> None:
    proto = quantized(MODELS[name], tmp_path, weight_type=kind, per_channel=per_channel)
    operators = {node.op_type for node in proto.graph.node}
    assert operators & {"DynamicQuantizeLinear", "DequantizeLinear"}
    net, before, session = fx.load_onnx(proto), fx.load_onnx(MODELS[name]), runtime(proto)
    (shape,) = net.inputs.values()
    errors, slopes = [], []
    for x in RANDOM.normal(size=(15, *shape)).astype(np.float32):
        flat = x.reshape(-1).astype(np.float64)
        (y,) = session.run(None, {"x": x})
        errors.append(distance(net(flat), y.reshape(-1).astype(np.float64)))
        slopes.append(distance(net.jacobian(flat), before.jacobian(flat)))
    assert np.median(errors) < 1e-6
    assert max(errors) < 3e-2  # where float32 rounds a number to the other of two integers
    assert np.median(slopes) < 0.05  # beside a kink it may be the other side's


@rounding
def test_derivative_is_that_without_rounding() -> None:
    """q = round(x / s) + z; (q - z) s is x but for the rounding, also at the largest and the smallest number."""
    body = "q, s, z = DynamicQuantizeLinear (x)  y = DequantizeLinear (q, s, z)"
    net = fx.load_onnx(model(body))
    for x in RANDOM.normal(size=(10, 6)):
        assert np.abs(net(x) - x).max() < 1.01 * (max(x.max(), 0) - min(x.min(), 0)) / 255
        J = net.jacobian(x)
        assert np.abs(J - np.eye(6)).max() < 0.01
    assert net(np.zeros(6)).tolist() == [0] * 6  # the scale is 1 there
    assert np.isfinite(net.jacobian(np.zeros(6))).all()


def test_a_warning_says_so(tmp_path: Path) -> None:
    with pytest.warns(DerivativeWarning, match="rounds numbers that depend on x"):
        fx.load_onnx(quantized(MODELS["MLP"], tmp_path))


CHAINS = {
    "QLinearMatMul": "q, s, z = DynamicQuantizeLinear (x)  p = QLinearMatMul (q, s, z, W, ws, wz, ys, yz)  "
    "y = DequantizeLinear (p, ys, yz)",
    "QLinearMatMul of both": "q, s, z = DynamicQuantizeLinear (x)  t = Transpose (q)  "
    "p = QLinearMatMul (q, s, z, t, s, z, ys, yz)  "
    "y = DequantizeLinear (p, ys, yz)",
    "QLinearConv": "q, s, z = DynamicQuantizeLinear (x)  i = Reshape (q, image)  "
    "p = QLinearConv (i, s, z, K, ws, wz, ys, yz)  "
    "y = DequantizeLinear (p, ys, yz)",
    "QuantizeLinear": "q, s, z = DynamicQuantizeLinear (x)  h = Tanh (x)  p = QuantizeLinear (h, s, z)  "
    "y = DequantizeLinear (p, s, z)",
    "MatMulInteger of both": "q, s, z = DynamicQuantizeLinear (x)  t = Transpose (q)  "
    "p = MatMulInteger (q, t, z, z)  f = Cast <to = 1> (p)  "
    "u = Mul (s, s)  y = Mul (f, u)",
    "by column": "r = Abs (x)  m = ReduceMax <keepdims = 0> (r, rows)  n = Div (m, most)  "
    "q = QuantizeLinear <axis = 1> (x, n, zs)  "
    "y = DequantizeLinear <axis = 1> (q, n, zs)",
    "moved": "q, s, z = DynamicQuantizeLinear (x)  t = Transpose (q)  a = Concat <axis = 1> (t, t)  "
    "d = DequantizeLinear (a, s, z)  y = Relu (d)",
}  # fmt: skip
NUMBERS = {
    "W": RANDOM.integers(0, 255, (3, 4)).astype(np.uint8), "K": RANDOM.integers(0, 255, (2, 1, 2, 2)).astype(np.uint8),
    "ws": np.float32(0.01), "wz": np.uint8(120), "ys": np.float32(0.03), "yz": np.uint8(90),
    "image": np.array([1, 1, 2, 3]), "rows": np.array([0]), "most": np.float32(127), "zs": np.zeros(3, np.int8),
}  # fmt: skip


@rounding
@pytest.mark.parametrize("name", CHAINS)
def test_scales_that_depend_on_x(name: str) -> None:
    body = CHAINS[name]
    used = {key: np.asarray(value) for key, value in NUMBERS.items() if f"{key})" in body or f"{key}," in body}
    proto = model(body, weights=used)
    net, session = fx.load_onnx(proto), runtime(proto)
    errors = []
    for x in RANDOM.normal(size=(15, 2, 3)).astype(np.float32):
        (y,) = session.run(None, {"x": x})
        errors.append(distance(net(x.reshape(-1).astype(np.float64)), y.reshape(-1).astype(np.float64)))
    assert np.median(errors) < 1e-6
    assert max(errors) < 3e-2
