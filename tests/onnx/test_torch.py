"""Networks as PyTorch exports them, by both of its exporters; derivatives against torch.func in double precision."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx_models import distance

import fastexpr as fx

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's exporters warn of themselves

EPSILON = float(np.float32(1e-5))  # what the file holds
ACTIVATIONS = {
    "tanh": torch.nn.Tanh,
    "silu": torch.nn.SiLU,
    "gelu": torch.nn.GELU,
    "softplus": torch.nn.Softplus,
    "elu": torch.nn.ELU,
    "leaky_relu": lambda: torch.nn.LeakyReLU(0.125),
    "mish": torch.nn.Mish,
    "relu": torch.nn.ReLU,
}


class Residual(torch.nn.Module):
    """Skip connections, normalization, two outputs, slices and a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = torch.nn.Linear(6, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 3)
        self.batch_norm, self.layer_norm = torch.nn.BatchNorm1d(8, EPSILON), torch.nn.LayerNorm(8, EPSILON)
        self.dropout = torch.nn.Dropout(0.5)
        self.scale = torch.nn.Parameter(torch.linspace(0.5, 1.5, 6))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = torch.tanh(self.first(x * self.scale))
        h = h + self.dropout(torch.nn.functional.silu(self.second(self.batch_norm(h))))
        h = torch.cat([self.layer_norm(h)[:, :4], h[:, 4:].flip(1)], dim=1)
        y = torch.softmax(self.last(h), dim=-1)
        return y, (h**2).mean(dim=1, keepdim=True) / (1 + torch.exp(-x[:, 2:3]))


class TwoInputs(torch.nn.Module):
    """A bilinear part."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = torch.nn.Linear(3, 4), torch.nn.Linear(2, 4)

    def forward(self, x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        a, b = torch.sigmoid(self.left(x)), torch.sin(self.right(u))
        return torch.einsum("bi,bi->b", a, b).unsqueeze(1) + torch.log(a.sum(1, keepdim=True)) * u.clamp(-0.5, 0.5)


class Attention(torch.nn.Module):
    """Products of two parts that both depend on x."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (torch.nn.Linear(4, 4) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.query(x) @ self.key(x).transpose(1, 2) / 2.0
        return (torch.softmax(scores, -1) @ self.value(x)).reshape(x.shape[0], -1)


def modules() -> dict[str, tuple[torch.nn.Module, list[tuple[int, ...]]]]:
    torch.manual_seed(0)
    found: dict[str, tuple[torch.nn.Module, list[tuple[int, ...]]]] = {
        name: (torch.nn.Sequential(torch.nn.Linear(5, 9), activation(), torch.nn.Linear(9, 4)), [(1, 5)])
        for name, activation in ACTIVATIONS.items()
    }
    residual = Residual()
    residual(torch.randn(50, 6))  # running means
    found["residual"] = (residual, [(1, 6)])
    found["two inputs"] = (TwoInputs(), [(1, 3), (1, 2)])
    found["attention"] = (Attention(), [(1, 3, 4)])
    return {name: (module.eval(), shapes) for name, (module, shapes) in found.items()}


def flat_function(module: torch.nn.Module, shapes: list[tuple[int, ...]]) -> Any:
    """The module as a function of the joined inputs, with its float32 weights widened."""
    wide = copy.deepcopy(module).double()

    def function(x: torch.Tensor) -> torch.Tensor:
        sizes = [int(np.prod(shape)) for shape in shapes]
        result = wide(*(part.reshape(shape) for part, shape in zip(x.split(sizes), shapes, strict=True)))
        return torch.cat([y.reshape(-1) for y in (result if isinstance(result, tuple) else (result,))])

    return function


CASES = [(name, False) for name in modules()]
CASES += [(name, True) for name in ("gelu", "softplus", "residual", "two inputs", "attention")]  # slow: seconds each


@pytest.mark.parametrize(("name", "is_new"), CASES)
def test_exported_module(name: str, is_new: bool, tmp_path: Path) -> None:
    module, shapes = modules()[name]
    path = tmp_path / "net.onnx"
    inputs = tuple(torch.zeros(shape) for shape in shapes)
    names = [f"in{k}" for k in range(len(inputs))]
    batch: dict[str, Any] = {} if is_new else {"dynamic_axes": {key: {0: "batch"} for key in names}}
    torch.onnx.export(module, inputs, path, dynamo=is_new, input_names=names, verbose=False, **batch)
    net = fx.load_onnx(path, check=True)
    assert list(net.inputs) == names
    x = np.random.default_rng(0).uniform(-1, 1, net.n_inputs)
    weights = np.random.default_rng(1).normal(size=net.n_outputs)
    function, point = flat_function(module, shapes), torch.from_numpy(x)
    value, jacobian, hessian = net.evaluate(x, weights)
    assert distance(value, function(point).detach().numpy()) < 1e-12
    assert distance(jacobian, torch.func.jacrev(function)(point).detach().numpy()) < 1e-12
    curvature = torch.func.jacrev(torch.func.jacrev(lambda x: torch.from_numpy(weights) @ function(x)))
    assert distance(hessian, curvature(point).detach().numpy()) < 1e-12
