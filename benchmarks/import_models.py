"""Varied ONNX files: ONNX's own tests, layered networks, convolutions, transformers, trees; a file of many inputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE}
DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"


class Writer:
    """A graph under construction."""

    def __init__(self, shape: tuple[int, ...], opset: int = 17) -> None:
        self.random = np.random.default_rng(3)
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)

    def weight(self, *shape: int, scale: float | None = None) -> str:
        """The name of random weights."""
        factor = 1 / np.sqrt(shape[0] if len(shape) == 2 else max(np.prod(shape[1:], dtype=int), 1))
        return self.constant(self.random.standard_normal(shape).astype(np.float32) * np.float32(scale or factor))

    def constant(self, array: Any) -> str:
        """The name of these weights."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The name of a node's output."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def linear(self, x: str, n: int, m: int) -> str:
        """MatMul and Add."""
        return self.add("Add", self.add("MatMul", x, self.weight(n, m)), self.weight(m, scale=0.1))

    def model(self, output: str, shape: tuple[int, ...]) -> bytes:
        """The file's content."""
        y = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "network", [self.input], [y], self.weights)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def layered(widths: list[int], activation: str) -> bytes:
    """Gemm and an activation, with a batch."""
    writer = Writer(("N", widths[0]))  # type: ignore[arg-type]
    x = "x"
    for k, (n, m) in enumerate(pairwise(widths)):
        x = writer.add("Gemm", x, writer.weight(m, n), writer.weight(m, scale=0.1), transB=1)
        x = writer.add(activation, x) if k + 2 < len(widths) else x
    return writer.model(x, ("N", widths[-1]))  # type: ignore[arg-type]


def convolutional(size: int, channels: list[int]) -> bytes:
    """Conv, BatchNormalization, Relu and MaxPool, then Gemm."""
    writer = Writer((1, channels[0], size, size))
    x = "x"
    for n, m in pairwise(channels):
        x = writer.add("Conv", x, writer.weight(m, n, 3, 3), writer.weight(m), pads=[1, 1, 1, 1])
        parts = [writer.weight(m), writer.weight(m), writer.weight(m), writer.constant(np.ones(m, np.float32))]
        x = writer.add("Relu", writer.add("BatchNormalization", x, *parts))
        x, size = writer.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), size // 2
    n = channels[-1] * size * size
    x = writer.add("Gemm", writer.add("Flatten", x), writer.weight(n, 10), writer.weight(10))
    return writer.model(x, (1, 10))


def residual(size: int, width: int, n_blocks: int) -> bytes:
    """Blocks of two convolutions beside a skip."""
    writer = Writer((1, 3, size, size))
    x = writer.add("Conv", "x", writer.weight(width, 3, 3, 3), pads=[1, 1, 1, 1])
    for _ in range(n_blocks):
        inner = writer.add("Relu", writer.add("Conv", x, writer.weight(width, width, 3, 3), pads=[1, 1, 1, 1]))
        inner = writer.add("Conv", inner, writer.weight(width, width, 3, 3), pads=[1, 1, 1, 1])
        x = writer.add("Relu", writer.add("Add", x, inner))
    x = writer.add("Flatten", writer.add("GlobalAveragePool", x))
    return writer.model(writer.add("Gemm", x, writer.weight(width, 10), writer.weight(10)), (1, 10))


def transformer(length: int, width: int, heads: int, n_blocks: int) -> bytes:
    """Attention as exporters write it: MatMul, Reshape, Transpose, Softmax; and GELU by Erf."""
    writer = Writer((1, length, width))
    x = "x"

    def normal(x: str) -> str:
        parts = writer.constant(np.ones(width, np.float32)), writer.weight(width, scale=0.1)
        return writer.add("LayerNormalization", x, *parts)

    def number(value: float) -> str:
        return writer.constant(np.float32(value))

    for _ in range(n_blocks):
        split = writer.constant(np.array([1, length, heads, width // heads], np.int64))
        joined = writer.constant(np.array([1, length, width], np.int64))
        inner = normal(x)
        q, k, v = (
            writer.add("Transpose", writer.add("Reshape", writer.linear(inner, width, width), split), perm=order)
            for order in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        )
        scores = writer.add("Div", writer.add("MatMul", q, k), number(np.sqrt(width // heads)))
        mixed = writer.add("MatMul", writer.add("Softmax", scores, axis=-1), v)
        mixed = writer.add("Reshape", writer.add("Transpose", mixed, perm=[0, 2, 1, 3]), joined)
        x = writer.add("Add", x, writer.linear(mixed, width, width))
        inner = writer.linear(normal(x), width, 4 * width)
        bell = writer.add("Add", writer.add("Erf", writer.add("Div", inner, number(np.sqrt(2)))), number(1))
        inner = writer.add("Mul", writer.add("Mul", inner, bell), number(0.5))
        x = writer.add("Add", x, writer.linear(inner, 4 * width, width))
    return writer.model(x, (1, length, width))


def forests() -> Iterator[tuple[str, bytes]]:
    """What skl2onnx makes of scikit-learn's trees, of three sizes, and our files of boosted ones."""
    from skl2onnx import to_onnx
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
    from sklearn.tree import DecisionTreeRegressor

    random = np.random.default_rng(2)
    X = random.uniform(-1, 1, (4000, 12)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2])).astype(np.float32)
    estimators = {
        "tree": DecisionTreeRegressor(max_depth=6),
        "boosting of 100": GradientBoostingRegressor(n_estimators=100, max_depth=3),
        "forest of 20, depth 8": RandomForestRegressor(n_estimators=20, max_depth=8),
        "forest of 100": RandomForestRegressor(n_estimators=100),
        "forest of 300": RandomForestRegressor(n_estimators=300),
        "classifier of 100": RandomForestClassifier(n_estimators=100, max_depth=10),
    }
    for name, estimator in estimators.items():
        is_classifier = hasattr(estimator, "predict_proba")
        estimator.fit(X, y > 0 if is_classifier else y)
        options = {"zipmap": False} if is_classifier else None
        yield name, to_onnx(estimator, X[:1], options=options, target_opset=17).SerializeToString()


def boosted(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Files of XGBoost's and LightGBM's models where these are installed, written by fastexpr."""
    import fastexpr as fx

    random = np.random.default_rng(2)
    X = random.uniform(-1, 1, (4000, 12)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2])).astype(np.float32)
    path = folder / "boosted.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import xgboost

            fx.from_xgboost(xgboost.XGBRegressor(n_estimators=200, max_depth=6).fit(X, y)).to_onnx(path)
            yield "xgboost, 200 trees", path.read_bytes()
        except ImportError:
            pass
        try:
            import lightgbm

            fx.from_lightgbm(lightgbm.LGBMRegressor(n_estimators=200, verbose=-1).fit(X, y)).to_onnx(path)
            yield "lightgbm, 200 trees", path.read_bytes()
        except ImportError:
            pass


def onnx_tests() -> Iterator[tuple[str, bytes]]:
    """Of ONNX's tests of single operators, those whose inputs and outputs are floats."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # infinities that are meant
        for case in load_model_tests(kind="node"):
            graph = case.model.graph
            kinds = {info.type.tensor_type.elem_type for info in [*graph.input, *graph.output]}
            if kinds <= FLOATS and graph.input:
                yield case.name, case.model.SerializeToString()


def onnx_files() -> Iterator[tuple[str, bytes]]:
    """The models that come with the onnx package: converted from PyTorch, of known architectures, ..."""
    for path in sorted(DATA.rglob("*.onnx")):
        graph = onnx.load(path).graph
        kinds = {info.type.tensor_type.elem_type for info in [*graph.input, *graph.output]}
        if kinds <= FLOATS and graph.input and path.parent.parent.name != "node":
            name = path.stem if path.parent.name == "light" else path.parent.name
            yield f"{name}", path.read_bytes()


def networks() -> Iterator[tuple[str, bytes]]:
    """Layers, convolutions, transformers of some sizes."""
    for widths in ([4, 16, 1], [10, 64, 64, 2], [100, 200, 200, 10], [784, 128, 128, 10], [20] + [50] * 20 + [3]):
        for activation in ("Tanh", "Relu"):
            yield (
                f"layers {widths[0]} to {widths[-1]}, {len(widths) - 1} of them, {activation}",
                layered(widths, activation),
            )
    yield "convolutions, 14 x 14", convolutional(14, [1, 4, 8])
    yield "convolutions, 28 x 28", convolutional(28, [1, 16, 32])
    yield "residual, 32 x 32, 3 blocks", residual(32, 16, 3)
    yield "transformer, 1 block", transformer(16, 32, 2, 1)
    yield "transformer, 6 blocks", transformer(32, 64, 4, 6)
    yield "transformer, 12 blocks", transformer(16, 256, 8, 12)


def many_inputs(n: int) -> bytes:
    """The mean of n numbers."""
    writer = Writer((1, n), opset=17)
    return writer.model(writer.add("ReduceMean", "x", axes=[1], keepdims=1), (1, 1))


def write_large(path: Path, n_bytes: int) -> None:
    """Layers whose weights lie in a file of their own."""
    width = 2048
    n_layers = max(1, n_bytes // (4 * width * width))
    writer = Writer(("N", width))  # type: ignore[arg-type]
    x = "x"
    for _ in range(n_layers):
        x = writer.add("Tanh", writer.add("Gemm", x, writer.weight(width, width), writer.weight(width)))
    model = onnx.ModelProto.FromString(writer.model(x, ("N", width)))  # type: ignore[arg-type]
    onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=1024)
