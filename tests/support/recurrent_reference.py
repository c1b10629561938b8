"""RNN, GRU and LSTM from the standard's equations, in PyTorch and in double precision: what is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Tensor = torch.Tensor

FUNCTIONS: dict[str, Callable[[Tensor, float, float], Tensor]] = {
    "Relu": lambda u, a, b: torch.relu(u),
    "Tanh": lambda u, a, b: torch.tanh(u),
    "Sigmoid": lambda u, a, b: torch.sigmoid(u),
    "Affine": lambda u, a, b: a * u + b,
    "LeakyRelu": lambda u, a, b: torch.where(u >= 0, u, a * u),
    "ThresholdedRelu": lambda u, a, b: torch.where(u >= a, u, torch.zeros_like(u)),
    "ScaledTanh": lambda u, a, b: a * torch.tanh(b * u),
    "HardSigmoid": lambda u, a, b: torch.clamp(a * u + b, 0, 1),
    "Elu": lambda u, a, b: torch.where(u >= 0, u, a * torch.expm1(torch.clamp(u, max=0))),
    "Softsign": lambda u, a, b: u / (1 + torch.abs(u)),
    "Softplus": lambda u, a, b: torch.nn.functional.softplus(u),
}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


def functions(operator: str, attributes: dict[str, Any], direction: int) -> list[Callable[[Tensor], Tensor]]:
    """f, g, h of one direction. These tests list alpha and beta for every activation, or for none."""
    names = attributes.get("activations", DEFAULTS[operator] * 2)
    count = len(DEFAULTS[operator])
    limit = float(torch.tensor(attributes.get("clip", float("inf"))))
    found = []
    for k in range(direction * count, (direction + 1) * count):
        alpha = float(torch.tensor(attributes.get("activation_alpha", [0.0] * len(names))[k]))
        beta = float(torch.tensor(attributes.get("activation_beta", [0.0] * len(names))[k]))
        found.append(
            lambda u, name=names[k], alpha=alpha, beta=beta: FUNCTIONS[name](torch.clamp(u, -limit, limit), alpha, beta)
        )
    return found


def one_sequence(
    operator: str, x: Tensor, w: dict[str, Tensor], h: Tensor, c: Tensor, f: list[Any], attributes: dict[str, Any]
) -> tuple[list[Tensor], Tensor, Tensor]:
    """All steps of one sequence in one direction: x (T, inputs), h and c (H,)."""
    size = h.shape[0]
    W, R, P = w["W"], w["R"], w["P"].split(size)
    n_gates = W.shape[0] // size
    b_x, b_h = w["B"].split(n_gates * size)
    outputs = []
    for x_t in x:
        from_x, from_h = (W @ x_t + b_x).split(size), (R @ h + b_h).split(size)
        z = [a + b for a, b in zip(from_x, from_h, strict=True)]
        if operator == "RNN":
            h = f[0](z[0])
        elif operator == "GRU":
            update, reset = f[0](z[0]), f[0](z[1])
            if attributes.get("linear_before_reset"):
                candidate = f[1](from_x[2] + reset * from_h[2])
            else:
                candidate = f[1](from_x[2] + R[2 * size :] @ (reset * h) + b_h[2 * size :])
            h = (1 - update) * candidate + update * h
        else:
            enter = f[0](z[0] + P[0] * c)
            forget = 1 - enter if attributes.get("input_forget") else f[0](z[2] + P[2] * c)
            c = forget * c + enter * f[1](z[3])
            h = f[0](z[1] + P[1] * c) * f[2](c)
        outputs.append(h)
    return outputs, h, c


def evaluate(operator: str, inputs: dict[str, Tensor], attributes: dict[str, Any]) -> list[Tensor]:
    """Y, Y_h and, for an LSTM, Y_c."""
    batch_first = bool(attributes.get("layout"))
    way = attributes.get("direction", "forward")
    x, states = inputs["X"], {key: inputs.get(f"initial_{key}") for key in "hc"}
    if batch_first:
        x = x.transpose(0, 1)
        states = {key: value if value is None else value.transpose(0, 1) for key, value in states.items()}
    n_steps, n_batch = x.shape[:2]
    n, size = inputs["R"].shape[0], inputs["R"].shape[2]
    lengths = [int(k) for k in inputs.get("sequence_lens", torch.full((n_batch,), n_steps))]
    zeros = {"B": torch.zeros(n, 2 * inputs["R"].shape[1]).double(), "P": torch.zeros(n, 3 * size).double()}
    ys, finals = [], []
    for d in range(n):
        is_back = way == "reverse" or d == 1
        weights = {key: inputs.get(key, zeros.get(key))[d] for key in ("W", "R", "B", "P")}  # type: ignore[index]
        f = functions(operator, attributes, d)
        rows, last = [], []
        for b, length in enumerate(lengths):
            h, c = (torch.zeros(size).double() if states[key] is None else states[key][d, b] for key in "hc")  # type: ignore[index]
            part = x[:length, b].flip(0) if is_back else x[:length, b]
            steps, h, c = one_sequence(operator, part, weights, h, c, f, attributes)
            steps = steps[::-1] if is_back else steps
            rows.append(torch.stack(steps + [torch.zeros(size).double()] * (n_steps - length)))
            last.append((h, c))
        ys.append(torch.stack(rows, 1))
        finals.append([torch.stack([pair[k] for pair in last]) for k in range(2)])
    y = torch.stack(ys, 1)
    results = [y, *(torch.stack([final[k] for final in finals]) for k in range(2 if operator == "LSTM" else 1))]
    if batch_first:
        results = [y.permute(2, 0, 1, 3), *(state.transpose(0, 1) for state in results[1:])]
    return results
