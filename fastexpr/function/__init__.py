"""The methods of `Function` that need no C++; importing this package attaches them to the class of the core.

`ports` converts between named arrays and the vectors x and y, `variants` makes functions with other names, bounds or
scaling, `kinks` and `derivative_check` look at derivatives.
"""

from __future__ import annotations

import os
from typing import Any

from fastexpr._core import Function
from fastexpr.function.derivative_check import DerivativeReport, check_derivatives
from fastexpr.function.kink import Kink, kinks
from fastexpr.function.ports import pack, unpack
from fastexpr.function.variants import scaled, with_bounds, with_names

__all__ = ["DerivativeReport", "Function", "Kink"]


def to_onnx(self: Function, path: str | os.PathLike[str], **settings: Any) -> None:
    """Writes the function as an ONNX file.

    Parameters
    ----------
    path : str or path
        Where to. An existing file is replaced.
    **settings
        As in `fastexpr.onnx.export.export_onnx`.
    """
    from fastexpr.onnx.export import export_onnx

    export_onnx(self, path, **settings)


for _method in (pack, unpack, with_names, with_bounds, scaled, kinks, check_derivatives, to_onnx):
    setattr(Function, _method.__name__, _method)
