"""Rows of functions of one number: exponentials, roots, trigonometric ones, rounding."""

from __future__ import annotations

from functools import partial

import mpmath as mp
import numpy as np
import torch

from operator_table.arrays import (
    constant,
)
from operator_table.formulas import piecewise
from operator_table.row import Row

FUNCTIONS = [
    Row("Exp", torch.exp, limits=(0, np.inf), onnx=("Exp", {}), exact=(mp.exp, mp.exp, mp.exp)),
    Row(
        "Log",
        torch.log,
        between=(0.1, 4.0),
        limits=(np.nan, np.inf),
        onnx=("Log", {}),
        exact=(mp.log, lambda u: 1 / u, lambda u: -1 / u**2),
        domain=(0.0, np.inf),
    ),
    Row(
        "Sqrt",
        torch.sqrt,
        between=(0.1, 4.0),
        limits=(np.nan, np.inf),
        onnx=("Sqrt", {}),
        exact=(mp.sqrt, lambda u: 0.5 / mp.sqrt(u), lambda u: -0.25 * u ** mp.mpf(-1.5)),
        domain=(0.0, np.inf),
    ),
    Row("Square", torch.square, limits=(np.inf, np.inf), exact=(lambda u: u * u, lambda u: 2 * u, lambda u: mp.mpf(2))),
    Row(
        "Erf",
        torch.erf,
        limits=(-1, 1),
        onnx=("Erf", {}),
        exact=(
            mp.erf,
            lambda u: 2 / mp.sqrt(mp.pi) * mp.exp(-u * u),
            lambda u: -4 * u / mp.sqrt(mp.pi) * mp.exp(-u * u),
        ),
    ),
    Row("Sin", torch.sin, limits=(np.nan, np.nan), onnx=("Sin", {}), exact=(mp.sin, mp.cos, lambda u: -mp.sin(u))),
    Row(
        "Cos",
        torch.cos,
        limits=(np.nan, np.nan),
        onnx=("Cos", {}),
        exact=(mp.cos, lambda u: -mp.sin(u), lambda u: -mp.cos(u)),
    ),
    Row(
        "Clip",
        lambda u: torch.clamp(u, -1, 2),
        attributes={"lower": -1.0, "upper": 2.0},
        limits=(-1, 2),
        onnx=("Clip", {}, constant(-1, shape=()), constant(2, shape=())),
        exact=piecewise(lambda u: min(max(u, mp.mpf(-1)), mp.mpf(2)), lambda u: mp.mpf(-1 < u < 2)),
        at_kinks={-1.0: 0.0, 2.0: 0.0},
    ),
    Row("Clip", lambda u: torch.clamp(u, min=1), attributes={"lower": 1.0}, at_kinks={1.0: 0.0}, note="lower"),
    Row("Clip", lambda u: torch.clamp(u, max=1), attributes={"upper": 1.0}, at_kinks={1.0: 0.0}, note="upper"),
    Row("Clip", lambda u: u, note="no limits"),
    Row(
        "Clip",
        lambda u: 0 * u - 1,
        attributes={"lower": 1.0, "upper": -1.0},
        onnx=("Clip", {}, constant(1, shape=()), constant(-1, shape=())),
        has_exact_pattern=False,
        note="crossed",
    ),
    Row(
        "Tan",
        torch.tan,
        limits=(np.nan, np.nan),
        onnx=("Tan", {}),
        exact=(mp.tan, lambda u: 1 + mp.tan(u) ** 2, lambda u: 2 * mp.tan(u) * (1 + mp.tan(u) ** 2)),
        between=(-1.4, 1.4),
        has_poles=True,
    ),
    *(
        Row(
            name,
            formula,
            limits=(np.nan, np.nan),
            onnx=(name, {}),
            exact=(
                value,
                partial(lambda u, sign: sign / mp.sqrt(1 - u * u), sign=sign),
                partial(lambda u, sign: sign * u / (1 - u * u) ** mp.mpf(1.5), sign=sign),
            ),
            between=(-0.9, 0.9),
            domain=(-1.0, 1.0),
        )
        for name, formula, value, sign in (("Asin", torch.asin, mp.asin, 1), ("Acos", torch.acos, mp.acos, -1))
    ),
    Row(
        "Atan",
        torch.atan,
        limits=(-np.pi / 2, np.pi / 2),
        onnx=("Atan", {}),
        exact=(mp.atan, lambda u: 1 / (1 + u * u), lambda u: -2 * u / (1 + u * u) ** 2),
    ),
    Row("Sinh", torch.sinh, limits=(-np.inf, np.inf), onnx=("Sinh", {}), exact=(mp.sinh, mp.cosh, mp.sinh)),
    Row("Cosh", torch.cosh, limits=(np.inf, np.inf), onnx=("Cosh", {}), exact=(mp.cosh, mp.sinh, mp.cosh)),
    Row(
        "Asinh",
        torch.asinh,
        limits=(-np.inf, np.inf),
        onnx=("Asinh", {}),
        exact=(mp.asinh, lambda u: 1 / mp.sqrt(1 + u * u), lambda u: -u / mp.sqrt(1 + u * u) ** 3),
    ),
    Row(
        "Acosh",
        torch.acosh,
        limits=(np.nan, np.inf),
        onnx=("Acosh", {}),
        exact=(mp.acosh, lambda u: 1 / mp.sqrt(u * u - 1), lambda u: -u / mp.sqrt(u * u - 1) ** 3),
        between=(1.2, 4.0),
        domain=(1.0, np.inf),
    ),
    Row(
        "Atanh",
        torch.atanh,
        limits=(np.nan, np.nan),
        onnx=("Atanh", {}),
        exact=(mp.atanh, lambda u: 1 / (1 - u * u), lambda u: 2 * u / (1 - u * u) ** 2),
        between=(-0.9, 0.9),
        domain=(-1.0, 1.0),
    ),
    Row(
        "Sign",
        lambda u: 0 * u + torch.sign(u.detach()),
        limits=(-1, 1),
        onnx=("Sign", {}),
        exact=piecewise(mp.sign, lambda u: mp.mpf(0)),
        at_kinks={0.0: 0.0},
    ),
    *(
        Row(
            name,
            partial(lambda u, formula: 0 * u + formula(u.detach()), formula=formula),
            limits=(-np.inf, np.inf),
            onnx=(name, {}),
            exact=piecewise(value, lambda u: mp.mpf(0)),
            points=[constant(-1.5, -0.5, 0.5, 1.5, 2.0, 2.5)],
        )
        for name, formula, value in (
            ("Floor", torch.floor, mp.floor),
            ("Ceil", torch.ceil, mp.ceil),
            ("Round", torch.round, mp.nint),
        )
    ),
]
