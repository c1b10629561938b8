"""Modules as people train them, for the tests of `from_torch`.

Constants that an ONNX file holds as float32 are float32 numbers here from the start, so that the module in double
precision computes the same function.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

EPSILON = float(np.float32(1e-5))


class RoundedSelu(nn.Module):
    """SELU with the constants that the standard's float32 attributes have; PyTorch's are double."""

    def forward(self, x: Tensor) -> Tensor:
        alpha, scale = float(np.float32(1.6732632423543772)), float(np.float32(1.0507009873554805))
        return scale * torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0.0)))


class RoundedHardSigmoid(nn.Module):
    """Its slope 1/6 is a float32 attribute, too."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(x * float(np.float32(1 / 6)) + 0.5, 0.0, 1.0)


class RoundedHardSwish(RoundedHardSigmoid):
    def forward(self, x: Tensor) -> Tensor:
        return x * super().forward(x)


ROUNDED = {nn.SELU: RoundedSelu, nn.Hardsigmoid: RoundedHardSigmoid, nn.Hardswish: RoundedHardSwish}

#: Every activation of torch.nn that acts on numbers or on one axis, but RReLU, which the exporter does not know.
ACTIVATIONS: list[nn.Module] = [
    nn.CELU(0.75),
    nn.ELU(0.75),
    nn.GELU(),
    nn.GELU(approximate="tanh"),
    nn.GLU(),
    nn.Hardshrink(0.25),
    nn.Hardsigmoid(),
    nn.Hardswish(),
    nn.Hardtanh(-0.5, 0.75),
    nn.LeakyReLU(0.125),
    nn.LogSigmoid(),
    nn.LogSoftmax(dim=-1),
    nn.Mish(),
    nn.PReLU(6),
    nn.ReLU(),
    nn.ReLU6(),
    nn.SELU(),
    nn.SiLU(),
    nn.Sigmoid(),
    nn.Softmax(dim=-1),
    nn.Softmin(dim=-1),
    nn.Softplus(),
    nn.Softplus(beta=2.0, threshold=20.0),
    nn.Softshrink(0.25),
    nn.Softsign(),
    nn.Tanh(),
    nn.Tanhshrink(),
    nn.Threshold(0.25, 0.5),
]
#: The older exporter does not know this one.
OLDER_ACTIVATIONS = [activation for activation in ACTIVATIONS if not isinstance(activation, nn.Threshold)]


class Activations(nn.Module):
    """An MLP with each of them, side by side."""

    def __init__(self, activations: Sequence[nn.Module] = ACTIVATIONS) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Linear(5, 6) for _ in activations)
        self.activations = nn.ModuleList(activations)
        self.last = nn.ModuleList(nn.Linear(3 if isinstance(a, nn.GLU) else 6, 2) for a in activations)

    def forward(self, x: Tensor) -> Tensor:
        layers = zip(self.first, self.activations, self.last, strict=True)
        return torch.cat([last(activation(2 * first(x))) for first, activation, last in layers], dim=1)


class ResidualMlp(nn.Module):
    """Skip connections, both normalizations, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 12), nn.Linear(12, 3)
        self.layers = nn.ModuleList(nn.Linear(12, 12) for _ in range(3))
        self.norms = nn.ModuleList([nn.LayerNorm(12, EPSILON), nn.BatchNorm1d(12, EPSILON), nn.LayerNorm(12, EPSILON)])
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = h + self.dropout(nn.functional.silu(layer(norm(h))))
        return self.last(h)


def cnn() -> nn.Module:
    """Batch norm, both poolings, a strided and a grouped convolution."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4, EPSILON),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False),
        nn.SiLU(),
        nn.AvgPool2d(2, stride=1, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


class UNet(nn.Module):
    """Down, up by a transposed convolution and by interpolation, skips."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.middle = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 5, 3, padding=1)
        self.bottom = nn.Conv2d(5, 5, 3, padding=1)
        self.up = nn.ConvTranspose2d(5, 3, 2, stride=2)
        self.join, self.out = nn.Conv2d(6, 3, 3, padding=1), nn.Conv2d(6, 1, 1)
        self.norm = nn.GroupNorm(1, 3, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        pool = nn.functional.avg_pool2d
        a = torch.tanh(self.down(x))
        b = torch.tanh(self.middle(pool(a, 2)))
        c = nn.functional.silu(self.bottom(pool(b, 2)))
        d = nn.functional.interpolate(c, scale_factor=2.0, mode="nearest") + b
        e = torch.tanh(self.norm(self.up(d)))
        e = torch.cat([torch.tanh(self.join(torch.cat([e, a], 1))), a], 1)
        return self.out(e)


def temporal_cnn() -> nn.Module:
    """Dilated, causal by padding on the left."""
    layers: list[nn.Module] = []
    channels = 2
    for dilation in (1, 2, 4):
        layers += [nn.ConstantPad1d((2 * dilation, 0), 0.0), nn.Conv1d(channels, 4, 3, dilation=dilation), nn.Tanh()]
        channels = 4
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2))


class Recurrent(nn.Module):
    """The last step of a GRU or LSTM, batch first."""

    def __init__(self, kind: type[nn.RNNBase], **settings: Any) -> None:
        super().__init__()
        self.layers = kind(3, 5, batch_first=True, **settings)
        self.last = nn.Linear(10 if settings.get("bidirectional") else 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.layers(x)
        return self.last(h[:, -1])


class Encoder(nn.Module):
    """A transformer's encoder block, with positions, over 5 tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 8)
        self.positions = nn.Parameter(torch.randn(1, 5, 8) / 4)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, 0.1, "gelu", EPSILON, batch_first=True, norm_first=True)
        self.last = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.block(self.embed(x) + self.positions).mean(1))


class CausalAttention(nn.Module):
    """scaled_dot_product_attention with its causal mask of -inf."""

    def __init__(self) -> None:
        super().__init__()
        self.project, self.last = nn.Linear(4, 12), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.project(x).reshape(1, 5, 3, 2, 2).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True)
        return self.last(y.transpose(1, 2).reshape(1, 5, 4))


class DeepONet(nn.Module):
    """A function given at 8 sensors, and where to evaluate what it is mapped to."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 6))
        self.trunk = nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 6), nn.Tanh())
        self.bias = nn.Parameter(torch.tensor([0.25]))

    def forward(self, u: Tensor, y: Tensor) -> Tensor:
        return (self.branch(u) * self.trunk(y)).sum(-1, keepdim=True) + self.bias


class Fourier(nn.Module):
    """Random features sin(2 pi B x), cos(2 pi B x), then an MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("B", torch.randn(3, 8) / 2)
        self.net = nn.Sequential(nn.Linear(16, 10), nn.Tanh(), nn.Linear(10, 2))

    def forward(self, x: Tensor) -> Tensor:
        z = 6.25 * (x @ self.B)
        return self.net(torch.cat([torch.sin(z), torch.cos(z)], -1))


class InputConvex(nn.Module):
    """Convex in x: weights between hidden layers are softplus of the parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = nn.ModuleList([nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(4, 1)])
        self.W1, self.W2 = nn.Parameter(torch.randn(8, 8) / 2), nn.Parameter(torch.randn(1, 8) / 2)

    def forward(self, x: Tensor) -> Tensor:
        softplus, linear = nn.functional.softplus, nn.functional.linear
        z = softplus(self.passes[0](x))
        z = softplus(linear(z, softplus(self.W1)) + self.passes[1](x))
        return linear(z, softplus(self.W2)) + self.passes[2](x)


class Mixture(nn.Module):
    """Four experts, mixed by a softmax gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(4, 4)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 2)) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        gates = torch.softmax(self.gate(x), -1)
        outputs = torch.stack([expert(x) for expert in self.experts], dim=-1)
        return torch.einsum("be,bke->bk", gates, outputs)


def trained(module: nn.Module, shapes: Sequence[tuple[int, ...]]) -> nn.Module:
    """The module after a few batches, so that running means are its own; left in training mode, as scripts do."""
    has_running_means = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())
    for _ in range(3 if has_running_means else 0):
        module(*(torch.randn(16, *shape[1:]) for shape in shapes))
    return module.train()


def in_double(module: nn.Module) -> nn.Module:
    """The same function in double precision, for evaluation, with float32 constants as the file holds them."""
    wide = copy.deepcopy(module).double().eval()
    for parent in list(wide.modules()):
        for name, child in list(parent.named_children()):
            if type(child) in ROUNDED:
                setattr(parent, name, ROUNDED[type(child)]())
    return wide
