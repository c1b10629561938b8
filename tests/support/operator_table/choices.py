"""Rows of operators that choose or jump: maxima, comparisons, remainders, conditions, rounding to levels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from operator_table.arithmetic import BINARY_SHAPES
from operator_table.arrays import (
    constant,
)
from operator_table.row import Row


def step_of(formula: Callable[..., Any]) -> Callable[..., Any]:
    """The formula as numbers, whose derivative is zero."""
    return lambda a, b: 0 * (a + b) + formula(a.detach(), b.detach()).to(torch.float64)


def python_mod(a: Any, b: Any) -> Any:
    return a - b * torch.floor((a / b).detach())


def c_mod(a: Any, b: Any) -> Any:
    return a - b * torch.trunc((a / b).detach())


CHOICES = [
    *(
        Row(
            name,
            formula,
            shapes,
            fixed=fixed,
            onnx=(name, {}),
            note=note,
        )
        for name, formula in (("Max", torch.maximum), ("Min", torch.minimum))
        for note, shapes, fixed in (
            *((note, shapes, {}) for note, shapes in BINARY_SHAPES.items()),
            ("constant a", [(3,), (2, 3)], {0: constant(-1.0, 0.0, 1.0)}),
            ("constant b", [(2, 3), (3,)], {1: constant(-1.0, 0.0, 1.0)}),
        )
    ),
    *(
        Row(name, step_of(formula), shapes, points=[np.resize([1.0, 2.0], n)], note=note)
        for name, formula in (("Less", torch.lt), ("LessOrEqual", torch.le), ("Equal", torch.eq))
        for note, shapes, n in (("same shapes", [(2, 3), (2, 3)], 12), ("both", [(3, 1), (1, 2)], 5))
    ),
    *(
        Row(
            "Mod",
            formula,
            shapes,
            {"fmod": fmod},
            fixed=fixed,
            between=(0.5, 3.0),
            onnx=("Mod", {"fmod": fmod}),
            has_exact_pattern=False,
            note=f"fmod={fmod} {note}",
        )
        for fmod, formula in ((0, python_mod), (1, c_mod))
        for note, shapes, fixed in (
            ("same shapes", [(2, 3), (2, 3)], {}),
            ("constant b", [(2, 3), (3,)], {1: constant(-0.7, 0.3, 1.1)}),
            ("constant a", [(3,), (2, 3)], {0: constant(-7.3, 0.3, 11.1)}),
        )
    ),
    *(
        Row(
            "Where",
            lambda c, a, b: torch.where(c != 0, a, b),
            shapes,
            fixed=fixed,
            has_exact_pattern=False,
            note=note,
        )
        for note, shapes, fixed in (
            ("constant condition", [(2, 3), (2, 3), (2, 3)], {0: np.array([[0.0, 1, 0], [1, 1, 0]])}),
            ("broadcast", [(3, 1), (1, 2), (2, 1, 1)], {0: np.array([[0.0], [1], [0]])}),
            ("condition of x", [(2, 3), (3,), (2, 1)], {}),
            ("constant sides", [(2,), (2,), (2,)], {0: constant(1, 0), 1: constant(2, -np.inf)}),
        )
    ),
    *(
        Row(
            "Hardmax",
            partial(
                lambda x, dim: 0 * x + torch.zeros_like(x).scatter(dim, x.detach().argmax(dim, keepdim=True), 1.0),
                dim=dim,
            ),
            [(2, 3, 2)],
            {"axis": dim, "n_axes": 1},
            points=[np.tile([1.0, 2.0, 2.0], 4)],
            onnx=("Hardmax", {"axis": dim}),
            note=f"axis {dim}",
        )
        for dim in (0, 1, 2)
    ),
    Row(
        "Quantize",
        lambda u: u + (torch.round(u) - u).detach(),
        onnx=("Round", {}),
        points=[[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], [1e300, -1e300, 4503599627370495.5, -0.49999999999999994, 0.0, 3.0]],
    ),
]
