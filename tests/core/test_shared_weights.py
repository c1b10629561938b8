"""A weight that a network uses many times is there once: in memory, in n_parameters, in saved files, in ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper, parser

import fastexpr as fx
from fastexpr import _core

rng = np.random.default_rng(0)


def addresses(net: fx.Function) -> set[int]:
    """Where the numbers of float constants with more than a handful of entries lie."""
    return {
        constant.__array_interface__["data"][0]
        for operator, _, _ in net._nodes()
        for constant in operator.constants
        if constant.dtype != np.int64 and constant.size >= 8
    }


def initializer_numbers(path: Path) -> int:
    """How many numbers the float initializers of an ONNX file have."""
    graph = onnx.load(path).graph
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
    return sum(int(np.prod(tensor.dims)) for tensor in graph.initializer if tensor.data_type in floats)


def check(net: fx.Function, n_parameters: int, folder: Path, slack: int = 0) -> None:
    """All places count the weights once; `slack`: further numbers that are no weights."""
    x = rng.normal(size=net.n_inputs)
    assert n_parameters <= net.n_parameters <= n_parameters + slack
    path = folder / "net.fx"
    net.save(path)
    width = 8 if any(c.dtype == np.float64 for op, _, _ in net._nodes() for c in op.constants) else 4
    again = fx.load(path)
    np.testing.assert_array_equal(again(x), net(x))
    assert again.n_parameters == net.n_parameters
    assert len(addresses(again)) <= len(addresses(net))
    tensors = sum(constant_bytes(again))
    assert tensors <= (n_parameters + slack) * width
    net.to_onnx(folder / "net.onnx")
    assert initializer_numbers(folder / "net.onnx") <= n_parameters + slack + net.n_inputs
    np.testing.assert_allclose(fx.load_onnx(folder / "net.onnx")(x), net(x), rtol=1e-5, atol=1e-6)


def constant_bytes(net: fx.Function) -> list[int]:
    seen = {
        constant.__array_interface__["data"][0]: constant.nbytes
        for operator, _, _ in net._nodes()
        for constant in operator.constants
        if constant.dtype != np.int64
    }
    return list(seen.values())


def onnx_model(text: str, **tensors: np.ndarray) -> onnx.ModelProto:
    model = parser.parse_model('<ir_version: 10, opset_import: ["" : 21]> g ' + text)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in tensors.items())
    return model


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [50, 200])  # below and above what goes to large pages
def test_a_chain_of_products_with_one_matrix(tmp_path: Path, dtype: Any, size: int) -> None:
    nodes = "".join(f"a{k} = MatMul(h{k}, W) h{k + 1} = Tanh(a{k}) " for k in range(30))
    kind = "float" if dtype == np.float32 else "double"
    W = (rng.normal(size=(size, size)) / np.sqrt(size)).astype(dtype)
    net = fx.load_onnx(onnx_model(f"({kind}[1,{size}] h0) => ({kind}[1,{size}] h30) {{ {nodes} }}", W=W))
    check(net, size * size, tmp_path)
    assert len(addresses(net)) == 1
    net.save(tmp_path / "size.fx")
    assert (tmp_path / "size.fx").stat().st_size < W.nbytes + 40_000


def test_biases_that_are_fused_and_matrices_used_both_ways(tmp_path: Path) -> None:
    text = "(float[1,40] x) => (float[1,40] y) { a = MatMul(x, W) b = Add(a, c) d = Tanh(b) "
    text += "e = Gemm<transB = 1>(d, W, c) f = Tanh(e) g = MatMul(f, W) h = Add(c, g) y = Tanh(h) }"
    W, c = rng.normal(size=(40, 40)).astype(np.float32), rng.normal(size=40).astype(np.float32)
    check(fx.load_onnx(onnx_model(text, W=W, c=c)), 40 * 40 + 40, tmp_path)


def test_a_convolution_used_three_times(tmp_path: Path) -> None:
    text = "(float[1,4,8,8] x) => (float[1,4,8,8] y) { a = Conv<pads = [1,1,1,1]>(x, W, b) c = Tanh(a) "
    text += "d = Conv<pads = [1,1,1,1]>(c, W, b) e = Tanh(d) y = Conv<pads = [1,1,1,1]>(e, W, b) }"
    W, b = rng.normal(size=(4, 4, 3, 3)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    net = fx.load_onnx(onnx_model(text, W=W, b=b))
    check(net, W.size + 4, tmp_path)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_cells_unrolled(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)

    class Cells(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = getattr(torch.nn, kind)(6, 12, batch_first=True)
            self.head = torch.nn.Linear(12, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.cell(x)[0][:, -1])

    module = Cells()
    net = fx.from_torch(module, torch.zeros(1, 15, 6))
    n = sum(parameter.numel() for parameter in module.parameters())
    check(net, n - 2 * 48, tmp_path, slack=4 * n)
    assert net.n_parameters <= 2 * n


def test_a_siamese_module(tmp_path: Path) -> None:
    torch.manual_seed(0)

    class Siamese(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = torch.nn.Sequential(
                torch.nn.Linear(5, 30), torch.nn.Tanh(), torch.nn.Linear(30, 30), torch.nn.Tanh()
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.trunk(x[:, :5]) - self.trunk(x[:, 5:])).square().sum(1, keepdim=True)

    module = Siamese()
    net = fx.from_torch(module, torch.zeros(1, 10))
    check(net, sum(parameter.numel() for parameter in module.parameters()), tmp_path)


def test_a_loop(tmp_path: Path) -> None:
    W = rng.normal(size=(10, 10)).astype(np.float32) / 4
    body = parser.parse_graph(
        "g (int64 i, bool go, float[1,10] h) => (bool go_on, float[1,10] next) { "
        "go_on = Identity(go) a = MatMul(h, W) next = Tanh(a) }"
    )
    loop = helper.make_node("Loop", ["n", "go", "x"], ["y"], body=body)
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [loop],
        "g",
        [info("x", 1, [1, 10])],
        [info("y", 1, [1, 10])],
        [
            numpy_helper.from_array(array, name)
            for name, array in (("W", W), ("n", np.array(20, np.int64)), ("go", np.array(True)))
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    net = fx.load_onnx(model)
    assert sum(operator.name == "Tanh" for operator, _, _ in net._nodes()) == 20
    check(net, 100, tmp_path)


def test_an_ensemble_with_a_common_trunk(tmp_path: Path) -> None:
    W, heads = rng.normal(size=(40, 6)), [rng.normal(size=(1, 40)) for _ in range(4)]

    def member(head: np.ndarray) -> fx.Function:
        x = fx.variables(6)
        return fx.Function(x, head @ np.tanh(W.copy() @ x))

    net = fx.ensemble([member(head) for head in heads])
    check(net, 40 * 6 + 4 * 40, tmp_path, slack=16)


def test_equal_numbers_share_memory_wherever_they_come_from() -> None:
    W = rng.normal(size=(30, 20))
    x = fx.variables(20)
    first = fx.Function(x, W @ x)
    for source in (W, W.copy(), W.tolist(), W[::1]):
        assert addresses(fx.Function(x, np.asarray(source) @ x)) == addresses(first)
    assert addresses(fx.Function(x, W.astype(np.float32) @ x)) != addresses(first)
    # Memory of ours, not the caller's: what he does to his array afterwards changes nothing.
    before = first(np.ones(20))
    W[:] = 0
    np.testing.assert_array_equal(first(np.ones(20)), before)
    second = fx.Function(x, W @ x)
    assert second(np.ones(20)).tolist() == [0.0] * 30
    np.testing.assert_array_equal(first(np.ones(20)), before)


def test_weights_that_are_equal_by_chance_count_each() -> None:
    """Zero biases and ones of normalizations are the usual start of training, and parameters all the same."""
    x = fx.variables(20)
    zeros = [np.zeros(20), np.zeros(20)]
    W = [rng.normal(size=(20, 20)) for _ in range(2)]
    net = fx.Function(x, W[1] @ np.tanh(W[0] @ x + zeros[0]) + zeros[1])
    assert net.n_parameters == 2 * (400 + 20)


def test_memory_is_given_back() -> None:
    x = fx.variables(500)
    found = set()
    for seed in range(20):
        W = np.random.default_rng(seed).normal(size=(500, 500))
        found |= addresses(fx.Function(x, W @ x))
    assert len(found) < 20


def test_signs_of_zero_and_nan_are_kept() -> None:
    x = fx.variables(10)
    plus, minus = np.arange(10.0), np.arange(10.0)
    minus[0] = -0.0
    kept = [fx.Function(x, x * numbers) for numbers in (plus, minus)]
    assert addresses(kept[0]) != addresses(kept[1])
    assert _core.content_hash(kept[0]) != _core.content_hash(kept[1])
