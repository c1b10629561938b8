"""Modules in double precision with ordinary Python numbers in them, which PyTorch's exporter writes as float32."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

import fastexpr as fx
from fastexpr.errors import FrameworkError
from fastexpr.frameworks.torch_numbers import double_of

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's exporters warn of themselves


class Form(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def full(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "mul": lambda x: x * 0.1,
    "add": lambda x: x + 0.1,
    "sub": lambda x: 0.1 - x,
    "div": lambda x: x / 0.3,
    "rdiv": lambda x: 0.7 / (x + 3),
    "pow": lambda x: (x.abs() + 1) ** 0.3,
    "rpow": lambda x: 1.1**x,
    "elu": lambda x: F.elu(x, 0.7),
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 0.7),
    "softplus": lambda x: F.softplus(x, beta=1.3),
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "log10": lambda x: torch.log10(x.abs() + 1),
    "log2": lambda x: torch.log2(x.abs() + 1),
    "log1p": lambda x: torch.log1p(x.abs()),
    "expm1": torch.expm1,
    "exp2": torch.exp2,
    "clamp": lambda x: x.clamp(-0.3, 0.7),
    "clampmin": lambda x: x.clamp(min=0.1),
    "hardtanh": lambda x: F.hardtanh(x, -0.3, 0.7),
    "leaky": lambda x: F.leaky_relu(x, 0.01),
    "prelu": lambda x: F.prelu(x, full(0.1).reshape(1)),
    "gelu": F.gelu,
    "gelutanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "hardshrink": lambda x: F.hardshrink(x, 0.3),
    "softshrink": lambda x: F.softshrink(x, 0.3),
    "threshold": lambda x: F.threshold(x, 0.1, 0.2),
    "relu6": F.relu6,
    "tanhshrink": F.tanhshrink,
    "logsigmoid": F.logsigmoid,
    "where": lambda x: torch.where(x > 0.1, x * 0.2, 0.3 * x),
    "full": lambda x: x + torch.full_like(x, 0.1),
    "addalpha": lambda x: torch.add(x, x * x, alpha=0.1),
    "lerp": lambda x: torch.lerp(x, x * x, 0.3),
    "addcmul": lambda x: torch.addcmul(x, x, x, value=0.1),
    "rsub": lambda x: torch.rsub(x, 0.1, alpha=0.3),
    "softmaxT": lambda x: F.softmax(x / 0.7, -1),
    "norm": lambda x: F.normalize(x, eps=1e-7),
    "masked": lambda x: x.masked_fill(x > 0.1, 0.2),
    "std": lambda x: x / (x.std(-1, keepdim=True) + 1e-6),
    "layer_norm": lambda x: F.layer_norm(x, (6,), eps=1e-5),
    "group_norm": lambda x: F.group_norm(x[:, :, None], 2, eps=1e-5),
    "scalar_tensor": lambda x: x * full(0.1),
    "remainder": lambda x: torch.remainder(x, 0.3),
    "fmod": lambda x: torch.fmod(x, 0.3),
    "atan2": lambda x: torch.atan2(x, x + 0.1),
    "maximum": lambda x: torch.maximum(x, torch.full_like(x, 0.1)),
    "pi": lambda x: torch.sin(x * math.pi),
    "linspace": lambda x: x * torch.linspace(0.1, 0.7, 6, dtype=torch.float64),
    "arange": lambda x: x * torch.arange(0, 0.6, 0.1, dtype=torch.float64),
    "sdpa": lambda x: F.scaled_dot_product_attention(x[None, None], x[None, None], x[None, None], scale=0.3),
    "glu": lambda x: F.glu(x * 0.1),
    "softsign": F.softsign,
    "cosine": lambda x: F.cosine_similarity(x, x * x + 0.1, eps=1e-6),
    "pad": lambda x: F.pad(x, (1, 1), value=0.1),
    "logit": lambda x: torch.logit(torch.sigmoid(x), eps=1e-6),
    "rms": lambda x: F.rms_norm(x, (6,), eps=1e-6),
    "pdist": lambda x: (x - 0.1).pow(2).sum(-1).sqrt(),
    "sqrt": lambda x: (x * x + 1e-8).sqrt(),
    "rsqrt": lambda x: (x * x + 1e-3).rsqrt(),
    "sincos": lambda x: torch.sin(0.1 * x) + torch.cos(30.3 * x),
}

MODULES: dict[str, Callable[[], nn.Module]] = {
    "bn": lambda: nn.BatchNorm1d(6, eps=1e-5),
    "ln": lambda: nn.LayerNorm(6),
    "gn": lambda: nn.GroupNorm(2, 6),
    "in": lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.InstanceNorm1d(2, affine=True)),
    "drop": lambda: nn.Sequential(nn.Dropout(0.1), nn.Linear(6, 3)),
    "prelu": lambda: nn.PReLU(6, 0.1),
    "linear_selu": lambda: nn.Sequential(nn.Linear(6, 5), nn.SELU(), nn.Linear(5, 2)),
    "lrn": lambda: nn.Sequential(nn.Unflatten(1, (6, 1, 1)), nn.LocalResponseNorm(3)),
    "rms": lambda: nn.RMSNorm(6),
    "transformer": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 6)), nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
    ),
    "bn2": lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, eps=1e-3), nn.ELU(0.1)),
}


def check(module: nn.Module) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, dtype=torch.float64)
    module = module.double().eval()
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer += torch.rand_like(buffer) * 0.3
    expected = module(x).detach().numpy().reshape(-1)
    got = fx.from_torch(module, x)(x.numpy().reshape(-1))
    assert float(np.abs(got - expected).max()) <= 1e-13 * float(np.abs(expected).max())


@pytest.mark.parametrize("name", FORMS)
def test_forms(name: str) -> None:
    check(Form(FORMS[name]))


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str) -> None:
    check(MODULES[name]())


def test_a_number_that_float32_holds_stays() -> None:
    """It is an argument of the module just as it is: no shorter decimal takes its place."""
    narrow = float(np.float32(0.1))
    check(Form(lambda x: x * narrow))


def test_float32_modules_are_as_they_were() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.ELU(0.7))
    x = torch.randn(1, 3)
    net = fx.from_torch(module, x)
    exact = nn.ELU(float(np.float32(0.7)))(module[0](x).double()).detach().numpy().reshape(-1)
    assert np.abs(net(x.double().numpy().reshape(-1)) - exact).max() < 1e-6


def test_a_part_in_float32_is_said() -> None:
    """What the module itself rounds is no fault of numbers, and the error says how much differs."""
    with pytest.raises(FrameworkError, match=r"difference of [0-9.]+e-0[5-9], .*numbers of the module as float32"):
        fx.from_torch(
            Form(lambda x: torch.sin((x * 0.1).float().double() * 3.0)), torch.randn(1, 6, dtype=torch.float64)
        )


@pytest.mark.parametrize(
    ("number", "arguments", "exact"),
    [
        (0.1, [0.1], 0.1),
        (0.1, [float(np.float32(0.1))], float(np.float32(0.1))),
        (1 / 3, [], 1 / 3),
        (0.123, [], 0.123),
        (math.log(10), [], math.log(10)),
        (-1e30, [], -1e30),
        (math.inf, [0.5], math.inf),
    ],
)
def test_double_of(number: float, arguments: list[float], exact: float) -> None:
    known = [*arguments, 1 / 3, math.log(10)]
    assert double_of(float(np.float32(number)), known) == exact
