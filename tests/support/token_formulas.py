"""A formula that treats many tokens alike and couples all inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

TOKENS = 150


N = 2 * TOKENS


WEIGHTS = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)


def hidden(x: Any) -> Any:
    return np.tanh(x.reshape(TOKENS, 2) @ WEIGHTS)


def second_moments(x: Any) -> Any:
    """Fewer outputs than inputs; all inputs are coupled."""
    h = hidden(x)
    return h.T @ np.exp(0.1 * h)
