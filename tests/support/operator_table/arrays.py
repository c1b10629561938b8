"""Numbers that several families' rows take: constants, indices, matrices."""

from __future__ import annotations

import numpy as np
import torch

from operator_table.row import Shape


def constant(*numbers: float, shape: Shape | None = None) -> np.ndarray:
    array = np.array(numbers, dtype=np.float64)
    return array if shape is None else array.reshape(shape)


def indices(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


W_32 = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
W_64 = np.random.default_rng(2).normal(size=(4, 3))
W_32_TORCH = torch.tensor(W_32).double()
W_64_TORCH = torch.tensor(W_64)
