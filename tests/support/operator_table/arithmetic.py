"""Rows of sums, products, quotients and powers of two arrays, which broadcast."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from operator_table.arrays import (
    constant,
)
from operator_table.row import Row, Shape

SPECIAL = [-3.0, -0.5, 0.0, 0.5, 1.5, 4.0]  # for Pow: both signs and zero


BINARY_SHAPES: dict[str, list[Shape]] = {
    "same shapes": [(2, 3), (2, 3)],
    "row": [(2, 3), (3,)],
    "column": [(2, 1), (2, 3)],
    "both": [(3, 1), (1, 2)],
    "number": [(), (2, 2)],
    "inner": [(2, 1, 2), (1, 3, 1)],
}
BINARY: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Pow": torch.pow,
}


ARITHMETIC = [
    *(
        Row(
            name,
            formula,
            shapes,
            between=(0.3, 2.0) if name in ("Div", "Pow") else (-3.0, 3.0),
            onnx=(name, {}),
            note=note,
        )
        for name, formula in BINARY.items()
        for note, shapes in BINARY_SHAPES.items()
    ),
    *(
        Row(
            name,
            formula,
            [(2, 3), (3,)],
            fixed={k: np.linspace(0.5, 1.5, 3) if k else np.linspace(-1, 2, 6).reshape(2, 3)},
            between=(0.3, 2.0),
            onnx=(name, {}),
            has_exact_pattern=name != "Pow",
            note=f"constant {'ab'[k]}",
        )
        for name, formula in BINARY.items()
        for k in (0, 1)
        if (name, k) != ("Pow", 0)
    ),
    Row(
        "Pow",
        torch.pow,
        [(3,), (2, 3)],
        fixed={0: constant(0.5, 1.0, 3.0)},
        between=(-2.0, 2.0),
        onnx=("Pow", {}),
        has_exact_pattern=False,
        note="constant a",
    ),
    Row(
        "Pow",
        lambda _, b: torch.cat([0 * b[:4], 2 ** b[4:]]),
        [(5,), (5,)],
        fixed={0: constant(0, 0, 0, 0, 2)},
        points=[constant(1, 2, 0.5, 3, 0)],
        between=(0.5, 3.0),
        has_exact_pattern=False,
        note="base zero",
    ),
    *(
        Row(
            "Pow",
            partial(lambda u, _, exponent: 0 * u + 1 if exponent == 0 else u ** int(exponent), exponent=exponent),
            [(6,), ()],
            fixed={1: constant(exponent, shape=())},
            between=(-3.0, -0.5),
            points=[np.array(SPECIAL) if exponent >= 0 else np.array(SPECIAL) + 0.25],
            onnx=("Pow", {}),
            has_exact_pattern=exponent > 1 or exponent < 0,
            note=f"exponent {exponent}",
        )
        for exponent in (0, 1, 2, 3, 4, 5, -1, -2)
    ),
    Row(
        "Pow",
        lambda u, _: torch.stack([u[0] ** 3, u[1] ** 2, 1 / u[2], u[3], 0 * u[4] + 1, u[5] ** -2]),
        [(6,), (6,)],
        fixed={1: constant(3, 2, -1, 1, 0, -2)},
        points=[constant(-1, 0, -2, 0, 0, -1.5)],
        onnx=("Pow", {}),
        has_exact_pattern=False,
        note="mixed integer exponents",
    ),
    Row(
        "Pow",
        lambda u, _: torch.sqrt(u),
        [(3,), (1,)],
        fixed={1: constant(0.5)},
        between=(0.1, 4.0),
        onnx=("Pow", {}),
        note="square root",
    ),
]
