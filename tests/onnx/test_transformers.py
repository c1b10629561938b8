"""Attention as PyTorch exports it, masks of -inf, and what a mask does to derivatives."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import helper
from onnx_models import distance, make_model
from torch.nn.functional import scaled_dot_product_attention

import fastexpr as fx
from fastexpr.errors import OnnxError

EPSILON = float(np.float32(1e-5))  # what the file holds
HEAD = 16  # scale and its square root are powers of 2: exact in float32
node = helper.make_node


class Scaled(torch.nn.Module):
    """scaled_dot_product_attention of three projections of x."""

    def __init__(self, mask: torch.Tensor | None = None, is_causal: bool = False, kv_heads: int = 2) -> None:
        super().__init__()
        self.mask, self.is_causal, self.kv_heads = mask, is_causal, kv_heads
        self.query = torch.nn.Linear(3, 2 * HEAD)
        self.key, self.value = (torch.nn.Linear(3, kv_heads * HEAD) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            layer(x).reshape(1, 4, heads, HEAD).transpose(1, 2)
            for layer, heads in ((self.query, 2), (self.key, self.kv_heads), (self.value, self.kv_heads))
        )
        mask = self.mask if self.mask is None or self.mask.dtype == torch.bool else self.mask.to(x.dtype)
        grouped = {"enable_gqa": True} if self.kv_heads != 2 else {}
        return scaled_dot_product_attention(q, k, v, mask, is_causal=self.is_causal, **grouped)[..., :3]


class SelfAttention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.MultiheadAttention(2 * HEAD, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.inner(x, x, x)


class Encoder(torch.nn.Module):
    """A transformer encoder block between two projections."""

    def __init__(self, is_causal: bool = False, norm_first: bool = False) -> None:
        super().__init__()
        self.is_causal = is_causal
        self.first, self.last = torch.nn.Linear(3, 2 * HEAD), torch.nn.Linear(2 * HEAD, 2)
        self.block = torch.nn.TransformerEncoderLayer(
            2 * HEAD, 2, 40, activation="gelu", batch_first=True, layer_norm_eps=EPSILON, norm_first=norm_first
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        causal = torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=x.dtype) if self.is_causal else None
        return self.last(self.block(self.first(x), src_mask=causal, is_causal=self.is_causal))


LOWER = torch.ones(4, 4, dtype=torch.bool).tril()
MODULES: dict[str, tuple[Callable[[], torch.nn.Module], tuple[int, ...], int]] = {
    "scores": (Scaled, (1, 4, 3), 20),
    "causal": (lambda: Scaled(is_causal=True), (1, 4, 3), 20),
    "mask of -inf": (lambda: Scaled(torch.zeros(4, 4).masked_fill(~LOWER, -torch.inf)), (1, 4, 3), 20),
    "the operator, causal": (lambda: Scaled(is_causal=True), (1, 4, 3), 23),
    "the operator, a query without keys": (lambda: Scaled(LOWER.tril(-1)), (1, 4, 3), 23),
    "the operator, grouped heads": (lambda: Scaled(kv_heads=1), (1, 4, 3), 23),
    "multi-head attention": (SelfAttention, (1, 2, 2 * HEAD), 20),
    "encoder": (Encoder, (1, 4, 3), 20),
    "causal encoder, norm first": (lambda: Encoder(True, True), (1, 4, 3), 20),
}


def exported(module: torch.nn.Module, shape: tuple[int, ...], path: Path, opset: int) -> None:
    torch.onnx.export(
        module, (torch.zeros(shape),), path, dynamo=True, input_names=["x"], opset_version=opset, verbose=False
    )


def flat_function(module: torch.nn.Module, shape: tuple[int, ...]) -> Callable[[torch.Tensor], torch.Tensor]:
    """The module in double, of the flat input."""
    wide = copy.deepcopy(module).double()

    def function(x: torch.Tensor) -> torch.Tensor:
        y = wide(x.reshape(shape))
        return torch.cat([part.reshape(-1) for part in (y if isinstance(y, tuple) else (y,))])

    return function


@pytest.mark.filterwarnings("ignore")  # PyTorch's exporter warns of itself
@pytest.mark.parametrize("name", MODULES)
def test_exported_attention(name: str, tmp_path: Path) -> None:
    make, shape, opset = MODULES[name]
    torch.manual_seed(0)
    module, path = make().eval(), tmp_path / "net.onnx"
    exported(module, shape, path, opset)
    net = fx.load_onnx(path, check=True)
    x = np.random.default_rng(0).uniform(-1, 1, net.n_inputs).astype(np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"x": x.reshape(shape)})
    assert distance(net(x), np.concatenate([y.reshape(-1) for y in outputs]).astype(float)) < 1e-6
    point, weights = torch.from_numpy(x.astype(float)), np.random.default_rng(1).normal(size=net.n_outputs)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # the one with second derivatives
        function = flat_function(module, shape)
        value, jacobian, hessian = net.evaluate(x, weights)
        assert distance(value, function(point).detach().numpy()) < 1e-11
        wanted = torch.func.jacrev(function)(point).detach().numpy()
        assert distance(jacobian, wanted) < 1e-11
        assert distance(net.jacobian(x, sparse=True).toarray(), wanted) < 1e-11
        curvature = torch.func.jacrev(torch.func.jacrev(lambda u: torch.from_numpy(weights) @ function(u)))
        assert distance(hessian, curvature(point).detach().numpy()) < 1e-11


@pytest.mark.parametrize("name", ["operator", "written out"])
def test_a_causal_network_depends_on_no_later_token(name: str) -> None:
    if name == "operator":
        nodes = [node("Attention", ["x", "x", "x"], ["y"], is_causal=1, q_num_heads=1, kv_num_heads=1)]
        weights = {}
    else:
        nodes = [
            node("Transpose", ["x"], ["k"], perm=[0, 2, 1]),
            node("MatMul", ["x", "k"], ["s"]),
            node("Add", ["s", "mask"], ["masked"]),
            node("Softmax", ["masked"], ["p"]),
            node("MatMul", ["p", "x"], ["y"]),
        ]
        weights = {"mask": np.where(np.tri(3), 0.0, -np.inf)}
    net = fx.load_onnx(make_model(nodes, {"x": [1, 3, 4]}, ["y"], weights, opset=24))
    jacobian, hessian = (pattern.toarray() for pattern in net.sparsity())
    np.testing.assert_array_equal(jacobian.reshape(3, 4, 3, 4).any(axis=(1, 3)), np.tri(3, dtype=bool))
    x = np.random.default_rng(0).normal(size=12)
    np.testing.assert_array_equal(jacobian | (net.jacobian(x) != 0), jacobian)
    np.testing.assert_array_equal(hessian | (net.hessian(x, np.ones(12)) != 0), hessian)


def masked_softmax(mask: Any) -> fx.Function:
    """softmax(x + mask) along the last axis."""
    nodes = [node("Add", ["x", "m"], ["s"]), node("Softmax", ["s"], ["y"])]
    return fx.load_onnx(make_model(nodes, {"x": [2, 3]}, ["y"], {"m": np.asarray(mask, float)}), check=True)


def test_a_mask_of_minus_infinity_leaves_numbers_out() -> None:
    net = masked_softmax([[0.0, -np.inf, 0.5], [0.0, 0.0, -np.inf]])
    x = np.array([1e4, 3.0, -1e4, 0.3, -0.2, 1e300])
    np.testing.assert_allclose(net(x), [1, 0, 0, *(np.exp([0.3, -0.2]) / np.exp([0.3, -0.2]).sum()), 0], rtol=1e-14)
    value, jacobian, hessian = net.evaluate(x, np.arange(6.0))
    assert np.isfinite(value).all()
    assert np.isfinite(jacobian).all()
    assert np.isfinite(hessian).all()
    kept = np.array([[1, 0, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0]])
    np.testing.assert_array_equal(net.sparsity()[0].toarray(), kept.T @ kept > 0)
    np.testing.assert_array_equal(net.sparsity()[1].toarray(), kept.T @ kept > 0)
    lower, upper = net.output_bounds(np.full(6, -1.0), np.full(6, 1.0))
    assert lower[1] == upper[1] == 0
    assert ((lower >= 0) & (upper <= 1)).all()


def test_a_row_without_any_number_is_nan_as_in_onnx() -> None:
    net = masked_softmax([[-np.inf] * 3, [0.0] * 3])
    assert np.isnan(net(np.zeros(6))[:3]).all()
    np.testing.assert_allclose(net(np.zeros(6))[3:], 1 / 3)


def test_a_row_without_any_number_is_put_right_as_older_exporters_do() -> None:
    nodes = [
        node("Add", ["x", "m"], ["s"]),
        node("Softmax", ["s"], ["p"]),
        node("IsNaN", ["p"], ["bad"]),
        node("Where", ["bad", "zero", "p"], ["y"]),
    ]
    mask = np.array([[-np.inf] * 3, [0.0, 0.0, -np.inf]])
    net = fx.load_onnx(make_model(nodes, {"x": [2, 3]}, ["y"], {"m": mask, "zero": np.zeros(())}), check=True)
    x = np.array([1.0, 2, 3, 0.5, 0.5, 4])
    value, jacobian, hessian = net.evaluate(x, np.arange(6.0))
    np.testing.assert_allclose(value, [0, 0, 0, 0.5, 0.5, 0])
    expected = np.zeros((6, 6))
    expected[3:5, 3:5] = [[0.25, -0.25], [-0.25, 0.25]]
    np.testing.assert_allclose(jacobian, expected)
    assert np.isfinite(hessian).all()
    assert np.isfinite(net.hvp(x, np.arange(6.0), np.ones(6))).all()


def test_a_masked_network_is_saved_and_exported(tmp_path: Path) -> None:
    net = masked_softmax([[0.0, -np.inf, 0.5], [0.0, 0.0, -np.inf]])
    x = np.linspace(-1, 1, 6)
    net.save(tmp_path / "net.fx")
    net.to_onnx(tmp_path / "net.onnx")
    for again in (fx.load(tmp_path / "net.fx"), fx.load_onnx(tmp_path / "net.onnx", check=True)):
        np.testing.assert_array_equal(again(x), net(x))
        np.testing.assert_array_equal(again.hessian(x, np.ones(6)), net.hessian(x, np.ones(6)))


def test_determinants_of_singular_matrices_have_derivatives() -> None:
    net = fx.load_onnx(make_model([node("Det", ["x"], ["y"])], {"x": [4, 4]}, ["y"]))
    matrix = np.outer([1.0, 2.0, -1.0, 0.5], [0.3, 1.0, 2.0, -1.0])
    matrix[3, 3] += 1.0  # of rank 2: the gradient is 0, the Hessian is not
    value, jacobian, hessian = net.evaluate(matrix.ravel(), [1.0])
    point = torch.from_numpy(matrix)
    assert abs(value[0]) < 1e-15
    assert np.abs(jacobian).max() < 1e-14

    def minors(x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros((), dtype=x.dtype)
        for p in permutations(range(4)):
            sign = np.linalg.det(np.eye(4)[list(p)])
            total = total + sign * x[0, p[0]] * x[1, p[1]] * x[2, p[2]] * x[3, p[3]]
        return total

    expected = torch.autograd.functional.hessian(minors, point).reshape(16, 16).numpy()
    assert np.abs(hessian).max() > 1
    np.testing.assert_allclose(hessian, expected, atol=1e-14)


@pytest.mark.parametrize(
    ("operator", "shapes", "weights", "attributes", "message"),
    [
        ("Attention", [[1, 2, 6]] * 3, {}, {}, "None heads"),
        ("Attention", [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 5, 4]], {}, {}, "cannot combine"),
        ("Attention", [[1, 3, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]], {}, {}, "a multiple"),
        ("Attention", [[1, 2, 3, 4]] * 3, {"mask": np.zeros((4, 3))}, {}, "mask of shape"),
        ("RotaryEmbedding", [[1, 2, 3, 3]], {"c": np.zeros((1, 3, 1)), "s": np.zeros((1, 3, 1))}, {}, "even"),
        ("RotaryEmbedding", [[1, 2, 3, 4]], {"c": np.zeros((1, 3, 1)), "s": np.zeros((1, 3, 1))}, {}, "expected"),
        ("Det", [[2, 3]], {}, {}, "square"),
        ("Det", [[11, 11]], {}, {}, "at most 10"),
        ("Trilu", [[3]], {}, {}, "two axes"),
        ("MatMul", [[2, 3, 4], [3, 4, 2]], {}, {}, "do not broadcast"),
        ("Einsum", [[2, 3]], {}, {"equation": "ij->ii"}, "each once"),
        ("Einsum", [[2, 3]], {}, {"equation": "ijk->i"}, "does not fit"),
        ("Einsum", [[2, 3]], {}, {"equation": "i.j->i"}, "does not fit"),
        ("Einsum", [[2, 3], [4, 2]], {}, {"equation": "ij,jk->ik"}, "two lengths for 'j'"),
        ("Bernoulli", [[2, 3]], {}, {}, "random"),
    ],
)
def test_what_is_refused(
    operator: str, shapes: list[Any], weights: dict[str, Any], attributes: dict[str, Any], message: str
) -> None:
    inputs = {f"x{k}": shape for k, shape in enumerate(shapes)}
    nodes = [node(operator, [*inputs, *weights], ["y"], "it", **attributes)]
    with pytest.raises(OnnxError, match=message) as caught:
        fx.load_onnx(make_model(nodes, inputs, ["y"], weights, 24))
    assert str(caught.value).startswith(f"[{operator} 'it'")
