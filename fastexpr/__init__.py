"""Trained networks inside optimization models: value, Jacobian and Hessian, exact, at the speed of the hardware.

>>> import fastexpr as fx
>>> net = fx.load_onnx("net.onnx")                       # doctest: +SKIP
>>> value, jacobian, hessian = net.evaluate(x, weights)  # doctest: +SKIP

The doors to it: `fastexpr.pyomo` (networks in Pyomo models), `fastexpr.Problem` (direct solves), the bare `Function`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

try:
    from fastexpr import _core  # noqa: F401
except ImportError as error:
    from fastexpr._missing_core import explain

    raise ImportError(explain(error)) from None

if not getattr(sys, "_is_gil_enabled", lambda: True)():
    raise ImportError(
        "[fastexpr] needs Python's global interpreter lock: got a free-threaded Python without it. What to do: "
        "leave PYTHON_GIL and -X gil unset, or set them to 1. Evaluations release the lock and run side by side."
    )

from fastexpr import errors
from fastexpr._core import num_threads, set_num_threads
from fastexpr._version import __version__
from fastexpr.function import Function

if TYPE_CHECKING:
    from fastexpr import rules
    from fastexpr._core import load
    from fastexpr.bounds.minimum import global_minimum, verify
    from fastexpr.expression import variables
    from fastexpr.frameworks.ensemble import ensemble
    from fastexpr.frameworks.keras import from_keras
    from fastexpr.frameworks.lightgbm import from_lightgbm
    from fastexpr.frameworks.pytorch import from_torch
    from fastexpr.frameworks.sklearn import from_sklearn
    from fastexpr.frameworks.xgboost import from_xgboost
    from fastexpr.function.chain import chain
    from fastexpr.onnx import load_onnx
    from fastexpr.problem import Problem
    from fastexpr.problem.many import solve_many
    from fastexpr.problem.multistart import multistart
    from fastexpr.problem.sweep import sweep
    from fastexpr.versions import build_info, show_versions

# Imported at first use, because they bring ONNX, Pyomo or SciPy along, which take longer to import than NumPy itself.
_LAZY = {
    "Problem": "fastexpr.problem",
    "build_info": "fastexpr.versions",
    "chain": "fastexpr.function.chain",
    "ensemble": "fastexpr.frameworks.ensemble",
    "from_keras": "fastexpr.frameworks.keras",
    "from_lightgbm": "fastexpr.frameworks.lightgbm",
    "from_sklearn": "fastexpr.frameworks.sklearn",
    "from_torch": "fastexpr.frameworks.pytorch",
    "from_xgboost": "fastexpr.frameworks.xgboost",
    "global_minimum": "fastexpr.bounds.minimum",
    "load": "fastexpr._core",
    "load_onnx": "fastexpr.onnx",
    "multistart": "fastexpr.problem.multistart",
    "show_versions": "fastexpr.versions",
    "solve_many": "fastexpr.problem.many",
    "sweep": "fastexpr.problem.sweep",
    "variables": "fastexpr.expression",
    "verify": "fastexpr.bounds.minimum",
}

__all__ = [
    "Function",
    "Problem",
    "__version__",
    "build_info",
    "chain",
    "ensemble",
    "errors",
    "from_keras",
    "from_lightgbm",
    "from_sklearn",
    "from_torch",
    "from_xgboost",
    "global_minimum",
    "load",
    "load_onnx",
    "multistart",
    "num_threads",
    "rules",
    "set_num_threads",
    "show_versions",
    "solve_many",
    "sweep",
    "variables",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "rules":
        return importlib.import_module("fastexpr.rules")  # needs packages that are extras
    if name not in _LAZY:
        raise AttributeError(f"module 'fastexpr' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
