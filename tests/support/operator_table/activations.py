"""Rows of activation functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath as mp
import numpy as np
import torch
from torch.nn import functional

from operator_table.formulas import piecewise
from operator_table.row import Row

SELU_ALPHA = float(np.float32(1.67326319217681884765625))
SELU_GAMMA = float(np.float32(1.05070102214813232421875))


def mp_sigmoid(u: Any) -> Any:
    return 1 / (1 + mp.exp(-u))


def mp_sigmoid_slope(u: Any) -> Any:
    return mp_sigmoid(u) * mp_sigmoid(-u)


def mp_sigmoid_bend(u: Any) -> Any:
    return -mp_sigmoid_slope(u) * mp.tanh(u / 2)


def swish_exact(alpha: float) -> tuple[Callable[[Any], Any], ...]:
    return (
        lambda u: u * mp_sigmoid(alpha * u),
        lambda u: mp_sigmoid(alpha * u) + alpha * u * mp_sigmoid_slope(alpha * u),
        lambda u: alpha * (2 * mp_sigmoid_slope(alpha * u) + alpha * u * mp_sigmoid_bend(alpha * u)),
    )


def elu_exact(gamma: float, alpha: float) -> tuple[Callable[[Any], Any], ...]:
    return (
        lambda u: gamma * (u if u > 0 else alpha * mp.expm1(u)),
        lambda u: gamma * (1 if u > 0 else alpha * mp.exp(u)),
        lambda u: gamma * (0 if u > 0 else alpha * mp.exp(u)),
    )


def gelu_tanh_exact() -> tuple[Callable[[Any], Any], ...]:
    k = 2 * mp.sqrt(2 / mp.pi)
    cubic = mp.mpf("0.044715")

    def q(u: Any) -> Any:
        return k * (u + cubic * u**3)

    def dq(u: Any) -> Any:
        return k * (1 + 3 * cubic * u**2)

    return (
        lambda u: u * mp_sigmoid(q(u)),
        lambda u: mp_sigmoid(q(u)) + u * mp_sigmoid_slope(q(u)) * dq(u),
        lambda u: (
            2 * mp_sigmoid_slope(q(u)) * dq(u)
            + u * (mp_sigmoid_bend(q(u)) * dq(u) ** 2 + mp_sigmoid_slope(q(u)) * 6 * k * cubic * u)
        ),
    )


def softplus(u: Any) -> Any:
    return torch.logaddexp(u, torch.zeros_like(u))


def hard_swish(u: Any, alpha: float, beta: float) -> Any:
    return u * torch.clamp(alpha * u + beta, 0, 1)


ACTIVATIONS = [
    Row(
        "Neg",
        lambda u: -u,
        limits=(np.inf, -np.inf),
        onnx=("Neg", {}),
        exact=piecewise(lambda u: -u, lambda u: mp.mpf(-1)),
    ),
    Row(
        "Abs", torch.abs, limits=(np.inf, np.inf), onnx=("Abs", {}), exact=piecewise(abs, mp.sign), at_kinks={0.0: 0.0}
    ),
    Row(
        "Relu",
        torch.relu,
        limits=(0, np.inf),
        onnx=("Relu", {}),
        exact=piecewise(lambda u: max(u, mp.mpf(0)), lambda u: mp.mpf(u > 0)),
        at_kinks={0.0: 0.0},
    ),
    *(
        Row(
            "LeakyRelu",
            partial(lambda u, alpha: torch.where(u > 0, u, alpha * u), alpha=alpha),
            attributes={"alpha": alpha},
            limits=(alpha * -np.inf, np.inf),
            onnx=("LeakyRelu", {"alpha": alpha}),
            exact=piecewise(
                partial(lambda u, alpha: u if u > 0 else alpha * u, alpha=alpha),
                partial(lambda u, alpha: mp.mpf(1) if u > 0 else mp.mpf(alpha), alpha=alpha),
            ),
            at_kinks={0.0: alpha},
            note=f"alpha={alpha}",
        )
        for alpha in (0.125, -0.5)
    ),
    *(
        Row(
            "PRelu",
            lambda u, w: torch.where(u > 0, u, w * u),
            shapes,
            fixed=fixed,
            onnx=("PRelu", {}) if shapes[0] == (2, 3) else None,
            points=[np.concatenate([[1.0, -2.0, 0.0, -0.0, 1e200, -1e-200], np.ones(n - 6)])],
            has_exact_pattern=bool(fixed),
            note=note,
        )
        for note, shapes, n, fixed in (
            ("slopes of units", [(2, 3), (2, 3)], 6, {1: np.array([[0.25, -0.5, 0.0], [1.0, 2.0, 0.1]])}),
            ("one slope", [(2, 3), ()], 6, {1: np.array(0.25)}),
            ("slopes of channels", [(2, 3), (2, 1)], 6, {1: np.array([[0.25], [-0.5]])}),
            ("slopes of x", [(2, 3), (3,)], 9, {}),
            ("stretched u", [(3,), (2, 3)], 9, {}),
        )
    ),
    *(
        Row(
            "Elu",
            partial(lambda u, alpha: torch.where(u > 0, u, alpha * torch.expm1(torch.clamp(u, max=0))), alpha=alpha),
            attributes={"alpha": alpha},
            limits=(-alpha, np.inf),
            onnx=("Elu", {"alpha": alpha}),
            exact=elu_exact(1.0, alpha),
            at_kinks={0.0: alpha},
            note=f"alpha={alpha}",
        )
        for alpha in (1.0, 0.5, -0.5)
    ),
    Row(
        "Selu",
        lambda u: SELU_GAMMA * torch.where(u > 0, u, SELU_ALPHA * torch.expm1(torch.clamp(u, max=0))),
        attributes={"alpha": SELU_ALPHA, "gamma": SELU_GAMMA},
        limits=(-SELU_ALPHA * SELU_GAMMA, np.inf),
        onnx=("Selu", {}),
        exact=elu_exact(SELU_GAMMA, SELU_ALPHA),
        at_kinks={0.0: SELU_GAMMA * SELU_ALPHA},
    ),
    Row(
        "Sigmoid",
        torch.sigmoid,
        limits=(0, 1),
        onnx=("Sigmoid", {}),
        exact=(mp_sigmoid, mp_sigmoid_slope, mp_sigmoid_bend),
    ),
    Row(
        "Tanh",
        torch.tanh,
        limits=(-1, 1),
        onnx=("Tanh", {}),
        exact=(mp.tanh, lambda u: mp.sech(u) ** 2, lambda u: -2 * mp.tanh(u) * mp.sech(u) ** 2),
    ),
    Row(
        "Matern",
        lambda u: (1 + torch.sqrt(3 * u)) * torch.exp(-torch.sqrt(3 * u)),
        attributes={"nu": 1.5},
        between=(0.01, 4.0),
        limits=(np.nan, 0.0),
        exact=(
            lambda u: (1 + mp.sqrt(3 * u)) * mp.exp(-mp.sqrt(3 * u)),
            lambda u: -1.5 * mp.exp(-mp.sqrt(3 * u)),
            lambda u: 2.25 * mp.exp(-mp.sqrt(3 * u)) / mp.sqrt(3 * u),
        ),
        domain=(0.0, np.inf),
        note="1.5",
    ),
    Row(
        "Matern",
        lambda u: (1 + torch.sqrt(5 * u) + 5 * u / 3) * torch.exp(-torch.sqrt(5 * u)),
        attributes={"nu": 2.5},
        between=(0.01, 4.0),
        limits=(np.nan, 0.0),
        exact=(
            lambda u: (1 + mp.sqrt(5 * u) + 5 * u / 3) * mp.exp(-mp.sqrt(5 * u)),
            lambda u: -mp.mpf(5) / 6 * (1 + mp.sqrt(5 * u)) * mp.exp(-mp.sqrt(5 * u)),
            lambda u: mp.mpf(25) / 12 * mp.exp(-mp.sqrt(5 * u)),
        ),
        domain=(0.0, np.inf),
        note="2.5",
    ),
    Row(
        "Softplus",
        softplus,
        limits=(0, np.inf),
        onnx=("Softplus", {}),
        exact=(lambda u: max(u, mp.mpf(0)) + mp.log1p(mp.exp(-abs(u))), mp_sigmoid, mp_sigmoid_slope),
    ),
    Row(
        "Softsign",
        functional.softsign,
        limits=(-1, 1),
        onnx=("Softsign", {}),
        exact=(
            lambda u: u / (1 + abs(u)),
            lambda u: (1 + abs(u)) ** -2,
            lambda u: -2 * mp.sign(u) * (1 + abs(u)) ** -3,
        ),
    ),
    Row(
        "Gelu",
        functional.gelu,
        limits=(0, np.inf),
        onnx=("Gelu", {}),
        exact=(lambda u: u * mp.ncdf(u), lambda u: mp.ncdf(u) + u * mp.npdf(u), lambda u: (2 - u * u) * mp.npdf(u)),
        domain=(-1e5, 1e5),  # mpmath's own
    ),
    Row(
        "GeluTanh",
        partial(functional.gelu, approximate="tanh"),
        limits=(0, np.inf),
        onnx=("Gelu", {"approximate": "tanh"}),
        exact=gelu_tanh_exact(),
    ),
    *(
        Row(
            "Swish",
            partial(lambda u, alpha: u * torch.sigmoid(alpha * u), alpha=alpha),
            attributes={"alpha": alpha},
            limits={1.0: (0, np.inf), 1.75: (0, np.inf), -0.5: (-np.inf, 0)}.get(alpha),
            exact=swish_exact(alpha),
            has_exact_pattern=alpha != 0,
            note=f"alpha={alpha}",
        )
        for alpha in (1.0, 1.75, -0.5, 0.0)
    ),
    Row(
        "HardSigmoid",
        lambda u: torch.clamp(0.25 * u + 0.5, 0, 1),
        attributes={"alpha": 0.25, "beta": 0.5},
        limits=(0, 1),
        onnx=("HardSigmoid", {"alpha": 0.25, "beta": 0.5}),
        exact=piecewise(
            lambda u: min(max(u / 4 + 0.5, mp.mpf(0)), mp.mpf(1)), lambda u: mp.mpf(0.25) if abs(u) < 2 else mp.mpf(0)
        ),
        at_kinks={-2.0: 0.0, 2.0: 0.0},
    ),
    *(
        Row(
            "HardSwish",
            partial(hard_swish, alpha=alpha, beta=0.5),
            attributes={"alpha": alpha, "beta": 0.5},
            between=(-4.0, 4.0),
            limits=(0, np.inf) if alpha > 0 else (-np.inf, 0),
            at_kinks={-0.5 / alpha: 0.0, 0.5 / alpha: 1.0},
            note=f"alpha={alpha}",
        )
        for alpha in (0.25, -0.25)
    ),
]
