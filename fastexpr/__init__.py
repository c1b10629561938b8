"""Trained networks inside optimization models: value, Jacobian and Hessian, exact, at the speed of the hardware.

>>> import fastexpr as fx
>>> net = fx.load_onnx("net.onnx")                       # doctest: +SKIP
>>> value, jacobian, hessian = net.evaluate(x, weights)  # doctest: +SKIP

The doors to it: `fastexpr.pyomo` (networks in Pyomo models), `fastexpr.Problem` (direct solves), and the bare `Function`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"


def _explain_missing_core(error: ImportError) -> str:
    """What is wrong, and the command that mends it, where the compiled half of the package does not load."""
    folder = Path(__file__).parent
    if importlib.util.find_spec("fastexpr._core") is not None:
        return f"fastexpr's compiled core does not load: {error}. What to do: reinstall it with the Python that you run."
    if (folder.parent / "CMakeLists.txt").exists():
        return (
            f"fastexpr is imported from its source folder {folder}, where nothing has been compiled for this Python "
            f"(no _core{sysconfig.get_config_var('EXT_SUFFIX')}). "
            f"What to do: `python -m pip install -e {folder.parent}`, or leave the folder to import an installed fastexpr."
        )
    return (
        f"fastexpr's compiled core is missing from {folder} (no _core{sysconfig.get_config_var('EXT_SUFFIX')}): the "
        "installation is incomplete or was made for another Python. "
        "What to do: `python -m pip install --force-reinstall --no-cache-dir fastexpr`."
    )


try:
    from fastexpr import _core
except ImportError as error:
    raise ImportError(_explain_missing_core(error)) from error

from fastexpr import errors
from fastexpr._core import num_threads, set_num_threads
from fastexpr.function import Function

if TYPE_CHECKING:
    from fastexpr._core import load
    from fastexpr.expression import variables
    from fastexpr.onnx import load_onnx
    from fastexpr.problem import Problem

# Imported at first use, because they bring ONNX, Pyomo or SciPy along, which take longer to import than NumPy itself.
_LAZY = {
    "Problem": "fastexpr.problem",
    "load": "fastexpr._core",
    "load_onnx": "fastexpr.onnx",
    "variables": "fastexpr.expression",
}

__all__ = [
    "Function",
    "Problem",
    "__version__",
    "build_info",
    "errors",
    "load",
    "load_onnx",
    "num_threads",
    "set_num_threads",
    "variables",
]


def build_info() -> dict[str, str | int]:
    """What this fastexpr was built from, and what of it runs on this machine.

    Returns
    -------
    dict
        `version`; `compiler` that built the core; `blas`, as it describes itself; `vector_math`, the library behind exp,
        tanh and the like: "sleef" or "libm"; `cpu_path`, which of its kernels this CPU runs: "baseline" or "avx2";
        `threads` used by one evaluation.

    Examples
    --------
    >>> import fastexpr as fx
    >>> sorted(fx.build_info())
    ['blas', 'compiler', 'cpu_path', 'threads', 'vector_math', 'version']
    """
    return {"version": __version__, **_core.library_info(), "threads": num_threads()}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fastexpr' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
