"""Exported models: valid, with the same numbers in ONNX Runtime and the reference evaluator, and the same function when
read back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx_models import Array, distance, evaluate, make_model, mlp
from onnx_table import ROWS, Row, identify, row_model, row_point
from random_networks import random_network

import fastexpr as fx
from fastexpr import _core
from fastexpr.errors import OnnxError
from fastexpr.onnx import export_onnx
from fastexpr.onnx.export.rules import find_rule

node = helper.make_node
WITHOUT_DOUBLE_KERNEL = {  # in ONNX Runtime
    "Conv", "ConvTranspose", "Erf", "Gelu", "Hardmax", "Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh",
}  # fmt: skip


def split_point(net: fx.Function, x: Array, dtype: Any) -> dict[str, Array]:
    """The joined x as one array per input."""
    parts, start = {}, 0
    for name, shape in net.inputs.items():
        size = int(np.prod(shape))
        parts[name] = x[start : start + size].reshape(shape).astype(dtype)
        start += size
    return parts


def by_onnx_runtime(path: Path, point: dict[str, Array]) -> Array:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.concatenate([output.reshape(-1) for output in session.run(None, point)]).astype(np.float64)


def check_export(net: fx.Function, x: Array, path: Path, dtype: Any = None) -> fx.Function:
    """Exports and compares; the function that was read back."""
    net.to_onnx(path, dtype=dtype)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    is_double = model.graph.input[0].type.tensor_type.elem_type == TensorProto.DOUBLE
    tolerance = 1e-12 if is_double else 2e-6
    point = split_point(net, x, np.float64 if is_double else np.float32)
    value = net(np.concatenate([array.reshape(-1) for array in point.values()]).astype(np.float64))
    assert distance(evaluate(model, point), value) < tolerance
    if not is_double or WITHOUT_DOUBLE_KERNEL.isdisjoint(entry.op_type for entry in model.graph.node):
        assert distance(by_onnx_runtime(path, point), value) < tolerance
    back = fx.load_onnx(path, check=True)
    for attribute in ("inputs", "outputs", "input_names", "output_names"):
        assert getattr(back, attribute) == getattr(net, attribute)
    return back


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("entry", [e for e in ROWS if e.operator != "Cast"], ids=identify)
def test_every_operator(entry: Row, dtype: Any, tmp_path: Path) -> None:
    model, shapes = row_model(entry, dtype)
    x = np.concatenate([array.reshape(-1) for array in row_point(entry, shapes).values()])
    net = fx.load_onnx(model, check=False)
    back = check_export(net, x, tmp_path / "net.onnx")
    weights = np.linspace(-1, 1, net.n_outputs)
    for a, b in zip(back.evaluate(x, weights), net.evaluate(x, weights), strict=True):
        assert distance(a, b) < 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_random_networks(seed: int, tmp_path: Path) -> None:
    net = fx.load_onnx(random_network(seed, 30))
    x = np.random.default_rng(seed).uniform(-1, 1, net.n_inputs)
    back = check_export(net, x, tmp_path / "net.onnx")
    weights = np.ones(net.n_outputs)
    for a, b in zip(back.evaluate(x, weights), net.evaluate(x, weights), strict=True):
        assert distance(a, b) < 1e-12


def test_every_core_operator_has_a_rule() -> None:
    assert [name for name in _core.operator_names() if find_rule(name) is None] == []


def test_float32_network_stays_as_it_is(tmp_path: Path) -> None:
    net = fx.load_onnx(mlp())
    back = check_export(net, np.linspace(-1, 1, 4), tmp_path / "net.onnx")
    assert np.array_equal(back([0.1, 0.2, 0.3, 0.4]), net([0.1, 0.2, 0.3, 0.4]))
    assert [entry.op_type for entry in onnx.load(tmp_path / "net.onnx").graph.node][:2] == ["Gemm", "Tanh"]


def test_double_model_keeps_float32_weights(tmp_path: Path) -> None:
    """They are cast when the model is read: half the bytes, and the same function when it comes back."""
    net = fx.load_onnx(mlp((20, 70, 3)))
    path = tmp_path / "net.onnx"
    back = check_export(net, np.linspace(-1, 1, 20), path, np.float64)
    x = np.linspace(-1, 1, 20)
    assert np.array_equal(back(x), net(x))
    assert {tensor.data_type for tensor in onnx.load(path).graph.initializer} <= {TensorProto.FLOAT, TensorProto.INT64}
    assert {array.dtype for op, _, _ in back._nodes() for array in op.constants} == {np.dtype(np.float32)}


def test_dtype_follows_the_numbers(tmp_path: Path) -> None:
    """A number that float32 cannot hold makes a double model; so does a function without float32 weights."""
    path = tmp_path / "net.onnx"
    x = fx.variables(4)
    net = fx.load_onnx(mlp())
    cases = {
        net: TensorProto.FLOAT,
        fx.Function(x, net(x) * 2.0): TensorProto.FLOAT,
        fx.Function(x, net(x) * 0.1): TensorProto.DOUBLE,
        fx.Function(x, np.tanh(x)): TensorProto.DOUBLE,
    }
    for function, kind in cases.items():
        check_export(function, np.linspace(-1, 1, 4), path)
        assert onnx.load(path).graph.input[0].type.tensor_type.elem_type == kind
    with pytest.raises(OnnxError, match="dtype is int64"):
        net.to_onnx(path, dtype=np.int64)


def test_expressions(tmp_path: Path) -> None:
    x = fx.variables(5)
    net = fx.load_onnx(mlp())
    for k, expression in enumerate([
        (x**2).sum() + np.exp(x[0]) / (1 + x[1] ** 2),
        np.tanh(net(x[1:])) * x[:3],
        net(x[:4])[0] + net(x[1:])[1] * x[4],
        x[::-1] * x,
    ]):  # fmt: skip
        function = fx.Function(x, expression)
        back = check_export(function, np.linspace(-1, 1, 5), tmp_path / f"{k}.onnx")
        point, weights = np.linspace(-1, 1, 5), np.ones(function.n_outputs)
        assert distance(back.hessian(point, weights), function.hessian(point, weights)) < 1e-12


def test_names_bounds_and_ports(tmp_path: Path) -> None:
    model = make_model(
        [
            node("Concat", ["T", "flow"], ["joined"], axis=1),
            node("Exp", ["joined"], ["y"]),
            node("Neg", ["T"], ["minus"]),
        ],
        {"T": ["N", 1], "flow": [None, 2]},
        ["y", "minus"],
    )
    net = fx.load_onnx(model, input_names=["a", "b", "c"], output_names=list("pqrs")).with_bounds([0, 0, 0], [1, 2, 3])
    back = check_export(net, np.array([0.1, 0.2, 0.3]), tmp_path / "net.onnx")
    assert back.input_names == ("a", "b", "c")
    assert back.upper is not None
    assert np.array_equal(back.upper, [1, 2, 3])
    damaged = onnx.load(tmp_path / "net.onnx")
    for text in ("{", '{"lower": [1]}', '{"input_names": 3}', "[]"):
        damaged.metadata_props[0].value = text
        with pytest.raises(OnnxError, match="metadata entry 'fastexpr'"):
            fx.load_onnx(damaged)


@pytest.mark.parametrize("kind", ["float", "double"])
def test_conditions(kind: str, tmp_path: Path) -> None:
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
        g ({kind}[N, 3] x) => ({kind}[N, 3] y) <{kind}[3] w = {{1, 2, 3}}> {{
        c = Greater (x, w) a = Mul (x, w) y = Where (c, a, x) }}"""
    net = fx.load_onnx(onnx.parser.parse_model(text))
    back = check_export(net, np.array([0.5, 2.5, 3.0]), tmp_path / "net.onnx")
    assert back([0.5, 2.5, 3.0]).tolist() == [0.5, 5.0, 3.0]


def test_output_that_is_an_input_or_constant(tmp_path: Path) -> None:
    model = make_model([node("Tanh", ["x"], ["a"])], {"x": [1, 2]}, ["a", "x", "c", "a2"], {"c": np.array([3.0, 4.0])})
    model.graph.node.append(node("Identity", ["a"], ["a2"]))
    check_export(fx.load_onnx(model), np.array([0.1, 0.2]), tmp_path / "net.onnx")


def test_output_called_like_an_input(tmp_path: Path) -> None:
    """ONNX has one space of names: where the output is not the input itself, it is renamed."""
    x = fx.load_onnx(make_model([node("Identity", ["x"], ["y"])], {"x": [1, 2]}, ["y"]))
    function = fx.Function._from_nodes(
        2, x._nodes(), x._output_ids(), [("x", (1, 2))], [("x", (2, 1))], list("ab"), list("cd"), None, None
    )
    function.to_onnx(tmp_path / "net.onnx")
    onnx.checker.check_model(tmp_path / "net.onnx", full_check=True)
    back = fx.load_onnx(tmp_path / "net.onnx", check=True)
    assert back.outputs == {"x_output": (2, 1)}
    assert back.output_names == ("c", "d")


def test_large_models_keep_their_weights_in_a_second_file(tmp_path: Path) -> None:
    net = fx.load_onnx(mlp((20, 70, 3)))
    path = tmp_path / "net.onnx"
    export_onnx(net, path, largest_model=1000)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["net.onnx", "net.onnx.data"]
    assert path.stat().st_size < 2000
    onnx.checker.check_model(path, full_check=True)
    x = np.linspace(-1, 1, 20).astype(np.float32)
    assert distance(by_onnx_runtime(path, {"x": x[None]}), net(x.astype(np.float64))) < 1e-6
    assert np.array_equal(fx.load_onnx(path, check=True)(x.astype(np.float64)), net(x.astype(np.float64)))
