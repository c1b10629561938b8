"""Operators that ONNX Runtime writes into the models that it optimizes and quantizes: values as it computes them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from onnx_models import Array, distance, make_model, mlp
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from quantizable_models import attention, floats, image_network, runtime

import fastexpr as fx
from fastexpr.errors import OnnxError
from fastexpr.onnx.registry import operator_names
from fastexpr.onnx.signatures import MICROSOFT, SIGNATURES

node = helper.make_node
RANDOM = np.random.default_rng(9)
pytestmark = pytest.mark.filterwarnings("ignore::fastexpr.errors.DerivativeWarning")


def agree(proto: onnx.ModelProto, tolerance: float = 2e-6, slopes: bool = True, points: int = 8) -> fx.Function:
    """Values as ONNX Runtime computes them without optimizing, and derivatives as differences have them."""
    net, session = fx.load_onnx(proto, check=False), runtime(proto)
    (shape,) = net.inputs.values()
    errors = []
    for x in RANDOM.normal(size=(points, *shape)).astype(np.float32):
        flat = x.reshape(-1).astype(np.float64)
        y = np.concatenate([np.asarray(array, np.float64).reshape(-1) for array in session.run(None, {"x": x})])
        errors.append(distance(net(flat), y))
        if slopes:
            direction = RANDOM.normal(size=flat.size)
            slope = (net(flat + 1e-6 * direction) - net(flat - 1e-6 * direction)) / 2e-6
            np.testing.assert_allclose(net.jacobian(flat) @ direction, slope, rtol=1e-4, atol=1e-6)
    assert np.median(errors) < tolerance
    assert max(errors) < max(tolerance, 3e-2)
    return net


# ---- one operator at a time


def one(
    operator: str, inputs: list[Any], outputs: int = 1, domain: str = MICROSOFT, **attributes: Any
) -> onnx.ModelProto:
    """A node whose inputs are "x", of the shape that follows, arrays, or "" where they are left out."""
    (x,) = [value for value in inputs if isinstance(value, tuple)]
    names = ["x" if value is x else "" if isinstance(value, str) else f"c{k}" for k, value in enumerate(inputs)]
    weights = {name: value for name, value in zip(names, inputs, strict=True) if isinstance(value, np.ndarray)}
    results = [f"y{k}" for k in range(outputs)]
    return contributed([node(operator, names, results, "it", domain=domain, **attributes)], x, results, weights)


def contributed(nodes: list[Any], x: tuple[int, ...], outputs: list[str], weights: dict[str, Array]) -> onnx.ModelProto:
    proto = make_model(nodes, {"x": x}, outputs, weights, 17, np.float32)
    proto.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    return proto


W, SQUARE, ROW = floats(5, 4), floats(5, 5), floats(5)
ATTENTION = [floats(8, 24), floats(24)]
CAUSAL = {"num_heads": 2, "unidirectional": 1}
SELU = {"activation": "Selu", "activation_alpha": 1.6, "activation_gamma": 1.1}
ONES = {
    "Gelu": one("Gelu", [(2, 5)]),
    "BiasGelu": one("BiasGelu", [(2, 5), ROW]),
    "FastGelu": one("FastGelu", [(2, 5)]),
    "FastGelu with bias": one("FastGelu", [(2, 5), ROW]),
    "QuickGelu": one("QuickGelu", [(2, 5)]),
    "QuickGelu with alpha": one("QuickGelu", [(2, 5)], alpha=1.0),
    "FusedMatMul": one("FusedMatMul", [(3, 5), W], alpha=0.5),
    "FusedMatMul A'": one("FusedMatMul", [(2, 5, 3), W], transA=1),
    "FusedMatMul B'": one("FusedMatMul", [(2, 3, 4), W], transB=1, alpha=-2.0),
    "FusedMatMul batches": one("FusedMatMul", [(3, 2, 5), floats(2, 5, 4)], transBatchA=1),
    "FusedMatMul batches of B": one("FusedMatMul", [floats(2, 3, 5), (4, 2, 5)], transBatchB=1, transB=1),
    "TransposeMatMul": one("TransposeMatMul", [(5, 3), W], transA=1),
    "FusedGemm": one("FusedGemm", [(3, 5), W, floats(4)], activation="Relu"),
    "FusedGemm leaky": one("FusedGemm", [(3, 5), W, floats(4)], activation="LeakyRelu", activation_alpha=0.2),
    "FusedGemm tanh": one("FusedGemm", [(5, 3), W], activation="Tanh", transA=1, alpha=2.0),
    "FusedGemm hard": one(
        "FusedGemm", [(3, 5), W], activation="HardSigmoid", activation_alpha=0.3, activation_beta=0.4
    ),
    "FusedConv": one("FusedConv", [(1, 2, 5, 5), floats(3, 2, 3, 3), floats(3)], activation="Relu", pads=[1] * 4),
    "FusedConv clipped": one(
        "FusedConv", [(1, 2, 5, 5), floats(3, 2, 3, 3)], activation="Clip", activation_params=[-0.2, 0.7]
    ),
    "FusedConv hard": one(
        "FusedConv", [(1, 2, 5, 5), floats(2, 1, 3, 3)], activation="HardSigmoid", activation_params=[0.3, 0.4], group=2
    ),
    "FusedConv with a sum": one(
        "FusedConv", [(1, 2, 4, 4), floats(3, 2, 3, 3), floats(3), floats(1, 3, 2, 2)], activation="Relu"
    ),
    "SkipLayerNormalization": one("SkipLayerNormalization", [(2, 3, 5), floats(2, 3, 5), ROW, floats(5), floats(5)]),
    "SkipLayerNormalization without": one("SkipLayerNormalization", [floats(2, 3, 5), (2, 3, 5), ROW]),
    "SkipSimplifiedLayerNormalization": one("SkipSimplifiedLayerNormalization", [(2, 3, 5), floats(2, 3, 5), ROW, ROW]),
    "SimplifiedLayerNormalization": one("SimplifiedLayerNormalization", [(2, 3, 5), ROW], domain=""),
    "CDist": one("CDist", [(3, 5), floats(4, 5)], metric="euclidean"),
    "CDist squared": one("CDist", [(3, 5), floats(4, 5)], metric="sqeuclidean"),
    "Attention": one("Attention", [(1, 3, 8), *ATTENTION], num_heads=2),
    "Attention causal": one("Attention", [(2, 3, 8), *ATTENTION], **CAUSAL),
    "Attention scaled": one("Attention", [(1, 3, 8), *ATTENTION], num_heads=4, scale=0.2),
    "Attention sizes": one(
        "Attention", [(1, 3, 8), floats(8, 20), floats(20)], num_heads=2, qkv_hidden_sizes=[8, 8, 4]
    ),
    "Attention mask": one(
        "Attention", [(2, 3, 8), *ATTENTION, np.array([[1, 1, 0], [1, 0, 1]], np.int32)], num_heads=2
    ),
    "Attention lengths": one("Attention", [(2, 3, 8), *ATTENTION, np.array([2, 3], np.int32)], num_heads=2),
    "Attention ranges": one("Attention", [(2, 3, 8), *ATTENTION, np.array([3, 2, 1, 0], np.int32)], num_heads=2),
    "Attention biased": one("Attention", [(1, 3, 8), *ATTENTION, "", "", floats(1, 2, 3, 3)], num_heads=2),
    "Attention past": one("Attention", [(1, 3, 8), *ATTENTION, "", floats(2, 1, 2, 2, 4)], 2, num_heads=2),
    "MultiHeadAttention": one("MultiHeadAttention", [(1, 3, 8), floats(1, 4, 8), floats(1, 4, 8)], num_heads=2),
    "MultiHeadAttention biased": one(
        "MultiHeadAttention", [floats(1, 4, 8), (1, 3, 8), floats(1, 3, 8), floats(24)], num_heads=2
    ),
    "MultiHeadAttention mask": one(
        "MultiHeadAttention",
        [floats(1, 4, 8), floats(1, 3, 8), (1, 3, 8), "", np.array([[1, 0, 1]], np.int32), floats(1, 2, 4, 3)],
        num_heads=2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ONES)
def test_fused_operator(name: str) -> None:
    agree(ONES[name])
    fx.load_onnx(ONES[name])  # with the check


def test_sums_that_a_normalization_gives() -> None:
    """The optional outputs: mean and deviation where ONNX Runtime gives them, and what was normalized."""
    inputs = [(2, 3, 5), floats(2, 3, 5), ROW, floats(5), floats(5)]
    proto = one("SkipLayerNormalization", inputs, 4)
    proto.graph.node[0].output[:] = ["y0", "", "", "y3"]
    del proto.graph.output[1:3]
    agree(proto)


def test_embedding_of_constants() -> None:
    """Words that are fixed; the tables are weights, and what follows depends on x."""
    tables = {"words": floats(7, 4), "places": floats(5, 4), "kinds": floats(2, 4), "g": floats(4), "b": floats(4)}
    tables |= {"ids": np.array([[3, 6, 1]], np.int32), "segments": np.array([[0, 1, 1]], np.int32)}
    names = ["ids", "segments", "words", "places", "kinds", "g", "b"]
    nodes = [
        node("EmbedLayerNormalization", names, ["e", ""], "it", domain=MICROSOFT),
        node("Add", ["x", "e"], ["y"]),
    ]
    agree(contributed(nodes, (1, 3, 4), ["y"], tables))


# ---- on whole numbers

SCALE, ZERO = np.array(0.02), np.array(128, np.uint8)
LEVEL = {"s": SCALE, "z": ZERO, "t": np.array(0.03), "o": np.array(100, np.uint8)}
X_IN, Y_OUT = ["q", "s", "z"], ["t", "o"]


def whole(
    operator: str, x: tuple[int, ...], inputs: list[str], weights: dict[str, Any], **attributes: Any
) -> onnx.ModelProto:
    """x rounded, the operator on whole numbers, and back."""
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node(operator, inputs, ["p"], "it", domain=MICROSOFT, **attributes),
        node("DequantizeLinear", ["p", "t", "o"], ["y"]),
    ]
    return contributed(nodes, x, ["y"], LEVEL | {key: np.asarray(value) for key, value in weights.items()})


def integers(*shape: int, dtype: Any = np.uint8) -> Array:
    return RANDOM.integers(0 if dtype == np.uint8 else -127, 127, shape).astype(dtype)


B_IN = ["B", "bs", "bz"]
B = {"B": integers(4, 3), "bs": 0.01, "bz": np.uint8(60)}
QWEIGHTS = {"W": integers(3, 4, dtype=np.int8), "ws": 0.01, "wz": np.int8(3)}
WHOLE = {
    "QLinearAdd": whole("QLinearAdd", (4, 3), X_IN + B_IN + Y_OUT, B),
    "QLinearAdd stretched": whole("QLinearAdd", (2, 4, 3), X_IN + B_IN + Y_OUT, B),
    "QLinearMul": whole("QLinearMul", (4, 3), X_IN + B_IN + Y_OUT, B),
    "QLinearSigmoid": whole("QLinearSigmoid", (4, 3), X_IN + Y_OUT, {}),
    "QLinearLeakyRelu": whole("QLinearLeakyRelu", (4, 3), X_IN + Y_OUT, {}, alpha=0.3),
    "QLinearAveragePool": whole("QLinearAveragePool", (1, 2, 5, 5), X_IN + Y_OUT, {}, kernel_shape=[2, 2],
        strides=[2, 2]),
    "QLinearAveragePool by rows": whole(
        "QLinearAveragePool", (1, 5, 5, 2), X_IN + Y_OUT, {}, kernel_shape=[2, 2], channels_last=1
    ),
    "QLinearGlobalAveragePool": whole("QLinearGlobalAveragePool", (1, 2, 5, 5), X_IN + Y_OUT, {}),
    "QLinearGlobalAveragePool by rows": whole(
        "QLinearGlobalAveragePool", (1, 5, 5, 2), X_IN + Y_OUT, {}, channels_last=1
    ),
    "QLinearConcat": whole("QLinearConcat", (4, 3), Y_OUT + X_IN + B_IN + X_IN, B, axis=1),
    "QLinearWhere": whole(
        "QLinearWhere", (4, 3), ["c", *X_IN, *B_IN, *Y_OUT], B | {"c": np.array([[True], [False], [True], [False]])}
    ),
    "QLinearConv": whole(
        "QLinearConv", (1, 2, 5, 5), [*X_IN, "K", "bs", "bz", *Y_OUT], B | {"K": integers(3, 2, 3, 3)}, pads=[1, 0,
        1, 0]
    ),
    "QLinearConv by rows": whole(
        "QLinearConv", (1, 5, 5, 2), [*X_IN, "K", "bs", "bz", *Y_OUT], B | {"K": integers(3, 2, 3, 3)}, channels_last=1
    ),
    "QGemm": whole("QGemm", (2, 3), [*X_IN, "W", "ws", "wz", "C", *Y_OUT], QWEIGHTS | {"C": np.array([40, -90, 7, 0],
        np.int32)}),
    "QGemm turned": whole(
        "QGemm", (3, 2), [*X_IN, "V", "vs", "vz", "", *Y_OUT],
        {"V": integers(4, 3, dtype=np.int8), "vs": [0.01, 0.02, 0.03, 0.01], "vz": np.array([1, 0, -2, 5], np.int8)},
        transA=1, transB=1, alpha=0.5,
    ),
    "NhwcMaxPool": whole("NhwcMaxPool", (1, 5, 5, 2), ["q"], {}, kernel_shape=[2, 2], strides=[2, 2]),
    "QuantizeLinear": contributed(
        [node("QuantizeLinear", ["x", "s", "z"], ["q"], domain=MICROSOFT),
         node("DequantizeLinear", ["q", "s", "z"], ["y"], domain=MICROSOFT)],
        (2, 3), ["y"], {"s": np.array(1e-4), "z": np.array(3, np.int16)},
    ),
    "QGemm to floats": contributed(
        [node("QuantizeLinear", ["x", "s", "z"], ["q"]),
         node("QGemm", [*X_IN, "W", "ws", "wz", "C"], ["y"], domain=MICROSOFT)],
        (2, 3), ["y"], LEVEL | {"C": np.array([40, -90, 7, 0], np.int32)} | {k: np.asarray(v) for k,
        v in QWEIGHTS.items()},
    ),
    "MatMulIntegerToFloat": contributed(
        [node("QuantizeLinear", ["x", "s", "z"], ["q"]),
         node("MatMulIntegerToFloat", ["q", "W", "s", "ws", "z", "wz", "b"], ["y"], domain=MICROSOFT)],
        (2, 3), ["y"], LEVEL | {"b": floats(4)} | {k: np.asarray(v) for k, v in QWEIGHTS.items()},
    ),
    "DynamicQuantizeMatMul": one(
        "DynamicQuantizeMatMul", [(2, 3), QWEIGHTS["W"], np.array(0.01), np.array(3, np.int8), floats(4)]
    ),
    "DynamicQuantizeMatMul by column": one(
        "DynamicQuantizeMatMul", [(2, 3), QWEIGHTS["W"], np.array([0.01, 0.02, 0.01, 0.03])]
    ),
    "QAttention": contributed(
        [node("QuantizeLinear", ["x", "s", "z"], ["q"]),
         node("QAttention", ["q", "A", "b", "s", "ws", "", "z", "wz"], ["y"], domain=MICROSOFT, num_heads=2)],
        (1, 3, 8), ["y"], LEVEL | {"A": integers(8, 24, dtype=np.int8), "b": floats(24), "ws": np.array(0.005),
        "wz": np.int8(2)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_operator_on_whole_numbers(name: str) -> None:
    agree(WHOLE[name], slopes=False)


def test_softmax_of_whole_numbers() -> None:
    """ONNX Runtime divides in integers: one step off at most."""
    proto = whole("QLinearSoftmax", (4, 3), X_IN + Y_OUT, {"t": 1 / 256, "o": np.uint8(0)}, axis=-1, opset=13)
    net, session = fx.load_onnx(proto, check=False), runtime(proto)
    for x in RANDOM.normal(size=(10, 4, 3)).astype(np.float32):
        (y,) = session.run(None, {"x": x})
        assert np.abs(net(x.reshape(-1).astype(np.float64)) - y.reshape(-1)).max() < 1.01 / 256


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("by_column", [False, True])
def test_dynamic_quantize_lstm(direction: str, by_column: bool) -> None:
    n, size = 2 if direction == "bidirectional" else 1, 4
    scales = RANDOM.uniform(0.005, 0.01, (n, 4 * size) if by_column else (n,))
    inputs = [
        (5, 1, 3), integers(n, 3, 4 * size, dtype=np.int8), integers(n, size, 4 * size, dtype=np.int8),
        floats(n, 8 * size), "", floats(n, 1, size), floats(n, 1, size), "",
        scales, np.zeros(scales.shape, np.int8), scales[..., ::-1].copy(), np.zeros(scales.shape, np.int8),
    ]  # fmt: skip
    agree(one("DynamicQuantizeLSTM", inputs, 3, direction=direction, hidden_size=size), slopes=False)


def test_every_signature_is_read_and_tested() -> None:
    """No operator stands in the list that nothing converts, and none is converted that nothing tests."""
    names = {name for domain, name in SIGNATURES if domain == MICROSOFT}
    assert names == set(operator_names(MICROSOFT))
    tested = {name.split()[0] for name in [*ONES, *WHOLE]}
    assert names - tested == {"DequantizeLinear", "DynamicQuantizeLSTM", "EmbedLayerNormalization", "QLinearSoftmax"}


# ---- what ONNX Runtime itself writes


def gated() -> onnx.ModelProto:
    """x sigmoid(x), and products with a scaled, transposed side."""
    nodes = [
        node("MatMul", ["x", "W"], ["a"]),
        node("Add", ["a", "b"], ["c"]),
        node("Sigmoid", ["c"], ["s"]),
        node("Mul", ["c", "s"], ["d"]),
        node("Transpose", ["d"], ["e"], perm=[0, 2, 1]),
        node("MatMul", ["d", "e"], ["f"]),
        node("Mul", ["f", "h"], ["y"]),
    ]
    weights = {"W": floats(4, 6), "b": floats(6), "h": np.array(0.3)}
    return make_model(nodes, {"x": (1, 3, 4)}, ["y"], weights, 17, np.float32)


def block() -> onnx.ModelProto:
    """A transformer's block as exporters write it: Gelu by Erf, residual sums before normalizations."""
    proto = attention()
    nodes = [
        *proto.graph.node[:-1],
        node("MatMul", ["n", "Wu"], ["u"]),
        node("Add", ["u", "bu"], ["v1"]),
        node("Div", ["v1", "root"], ["v2"]),
        node("Erf", ["v2"], ["v3"]),
        node("Add", ["v3", "unit"], ["v4"]),
        node("Mul", ["v1", "v4"], ["v5"]),
        node("Mul", ["v5", "half"], ["v6"]),
        node("MatMul", ["v6", "Wd"], ["v7"]),
        node("Add", ["v7", "bd"], ["v8"]),
        node("Add", ["v8", "n"], ["v9"]),
        node("LayerNormalization", ["v9", "g", "b"], ["y"]),
    ]
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer if tensor.name != "Wo"}
    weights |= {"Wu": floats(6, 12), "bu": floats(12), "Wd": floats(12, 6), "bd": floats(6)}
    weights |= {"root": np.array(np.sqrt(2)), "unit": np.array(1.0), "half": np.array(0.5)}
    return make_model(nodes, {"x": (1, 4, 6)}, ["y"], weights, 17, np.float32)


MODELS = {
    "MLP": (mlp((4, 16, 16, 3), activation="Relu"), {"FusedGemm"}),
    "CNN": (image_network(), {"FusedConv"}),
    "attention": (attention(), {"FusedMatMul", "SkipLayerNormalization"}),
    "block": (block(), {"Gelu", "SkipLayerNormalization"}),
    "gated": (gated(), {"QuickGelu", "FusedMatMul"}),
}


def optimized(proto: onnx.ModelProto, path: Path, level: str) -> onnx.ModelProto:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(path)


@pytest.mark.parametrize("name", MODELS)
def test_optimized_models(name: str, tmp_path: Path) -> None:
    proto, expected = MODELS[name]
    result = optimized(proto, tmp_path / "optimized.onnx", "EXTENDED")
    assert expected <= {node.op_type for node in result.graph.node if node.domain == MICROSOFT}
    net = agree(result, slopes=name != "CNN")
    before = fx.load_onnx(proto)
    x = RANDOM.normal(size=net.n_inputs)
    assert distance(net.hessian(x, np.ones(net.n_outputs)), before.hessian(x, np.ones(net.n_outputs))) < 1e-5


class Points(CalibrationDataReader):  # type: ignore[misc]
    """What a static quantizer finds its scales by."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.points: Iterator[Array] = iter(RANDOM.normal(size=(10, *shape)).astype(np.float32))

    def get_next(self) -> dict[str, Array] | None:
        x = next(self.points, None)
        return None if x is None else {"x": x}


@pytest.mark.parametrize("kind", [QuantType.QUInt8, QuantType.QInt8], ids=str)
@pytest.mark.parametrize("form", [QuantFormat.QOperator, QuantFormat.QDQ], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_quantize_static(name: str, form: QuantFormat, kind: QuantType, tmp_path: Path) -> None:
    proto = onnx.shape_inference.infer_shapes(MODELS[name][0])
    shape = tuple(max(dim.dim_value, 1) for dim in proto.graph.input[0].type.tensor_type.shape.dim)
    onnx.save(proto, tmp_path / "float.onnx")
    logging.disable(logging.WARNING)
    try:
        quantize_static(
            tmp_path / "float.onnx", tmp_path / "quantized.onnx", Points(shape), quant_format=form, activation_type=kind
        )
    finally:
        logging.disable(logging.NOTSET)
    tolerance = 3e-2 if form == QuantFormat.QOperator and name in ("attention", "block") else 2e-6  # QLinearSoftmax
    agree(onnx.load(tmp_path / "quantized.onnx"), tolerance, slopes=False)


def test_quantize_dynamic_of_an_lstm(tmp_path: Path) -> None:
    weights = {"W": floats(1, 16, 3), "R": floats(1, 16, 4), "B": floats(1, 32), "a": np.array([0]), "V": floats(4, 2)}
    nodes = [
        node("LSTM", ["x", "W", "R", "B"], ["", "h"], hidden_size=4),
        node("Squeeze", ["h", "a"], ["s"]),
        node("MatMul", ["s", "V"], ["y"]),
    ]
    onnx.save(make_model(nodes, {"x": (6, 1, 3)}, ["y"], weights, 17, np.float32), tmp_path / "float.onnx")
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(tmp_path / "float.onnx", tmp_path / "quantized.onnx")
    finally:
        logging.disable(logging.NOTSET)
    proto = onnx.load(tmp_path / "quantized.onnx")
    assert "DynamicQuantizeLSTM" in {node.op_type for node in proto.graph.node}
    net, before = agree(proto, slopes=False), fx.load_onnx(tmp_path / "float.onnx")
    x = RANDOM.normal(size=net.n_inputs)
    assert distance(net.jacobian(x), before.jacobian(x)) < 0.1


# ---- what is refused


def test_layout_of_one_cpu_is_refused(tmp_path: Path) -> None:
    proto = make_model([node("Conv", ["x", "K"], ["y"])], {"x": (1, 2, 5, 5)}, ["y"], {"K": floats(3, 2, 2, 2)}, 17)
    proto.graph.node[0].domain = "com.microsoft.nchwc"
    proto.opset_import.append(helper.make_opsetid("com.microsoft.nchwc", 1))
    with pytest.raises(
        OnnxError, match=r"\[Conv #0\] is laid out for one kind of CPU by ONNX Runtime.*ORT_ENABLE_EXTENDED"
    ):
        fx.load_onnx(proto)


def test_unknown_operators_name_the_nearest() -> None:
    proto = one("FusedGemmm", [(3, 5), W])
    with pytest.raises(
        OnnxError, match=r"'it'\] unknown operator: got FusedGemmm .*expected one of FusedGemm, .*BASIC"
    ) as caught:
        fx.load_onnx(proto)
    assert len(str(caught.value)) < 500
    with pytest.raises(OnnxError, match=r"got Softmaxx of domain 'ai.onnx'.*e.g. Softmax, ") as caught:
        fx.load_onnx(one("Softmaxx", [(3, 5)], domain=""))
    assert len(str(caught.value)) < 500


ERRORS = {
    "activation": (one("FusedGemm", [(3, 5), W], activation="Sine"), r"has activation='Sine', expected Relu"),
    "metric": (one("CDist", [(3, 5), floats(4, 5)], metric="cosine"), r"has metric='cosine', expected euclidean"),
    "heads": (one("Attention", [(1, 3, 8), *ATTENTION], num_heads=3), r"cannot split shape \(1, 3, 8\) into 3 heads"),
    "rotary": (one("Attention", [(1, 3, 8), *ATTENTION], num_heads=2, do_rotary=1), r"has do_rotary=1"),
    "mask": (
        one("Attention", [(1, 3, 8), *ATTENTION, np.ones((4, 4, 4), np.int32)], num_heads=2),
        r"has a mask of shape \(4, 4, 4\) for 1 batches of 3 keys",
    ),
    "attribute": (one("Gelu", [(3, 5)], slope=1.0), r"unknown attribute 'slope'"),
    "parts": (whole("QLinearConcat", (4, 3), [*Y_OUT, *X_IN, "s"], {}), r"has 6 inputs, expected 2 and three"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    proto, message = ERRORS[name]
    with pytest.raises(OnnxError, match=message):
        fx.load_onnx(proto)
