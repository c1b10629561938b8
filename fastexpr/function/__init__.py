"""The methods of `Function` that need no C++; importing this package attaches them to the class of the core.

`ports` converts between named arrays and the vectors x and y, `variants` makes functions with other names, bounds or
scaling, `kinks` and `derivative_check` look at derivatives.
"""

from __future__ import annotations

import os
from typing import Any

from numpy.typing import DTypeLike

from fastexpr._core import Function
from fastexpr.function.derivative_check import DerivativeReport, check_derivatives
from fastexpr.function.kink import Kink, kinks
from fastexpr.function.ports import pack, unpack
from fastexpr.function.variants import scaled, with_bounds, with_names

__all__ = ["DerivativeReport", "Function", "Kink"]


def to_onnx(self: Function, path: str | os.PathLike[str], dtype: DTypeLike | None = None) -> None:
    """Writes the function as an ONNX file, with its names and bounds.

    Parameters
    ----------
    path : str or path
        Where to. An existing file is replaced.
    dtype : dtype, optional
        numpy.float32 or numpy.float64: of the model's inputs, outputs and arithmetic. By default float32 where the
        function has float32 weights and no number that float32 cannot hold, else float64.

    Raises
    ------
    fastexpr.errors.OnnxError
        An operator that ONNX cannot express; another dtype.

    Examples
    --------
    >>> import tempfile, numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fx.Function(x, np.tanh(x)).to_onnx(f"{folder}/tanh.onnx")
    ...     fx.load_onnx(f"{folder}/tanh.onnx")([0.0, 1.0])
    array([0.        , 0.76159416])
    """
    from fastexpr.onnx.export import export_onnx

    export_onnx(self, path, dtype)


def reduce_ex(self: Function, protocol: int) -> Any:
    """How pickle takes the function apart: by protocol 2 at least, for the older ones skip the core's constructor."""
    return object.__reduce_ex__(self, max(protocol, 2))


setattr(Function, "__reduce_ex__", reduce_ex)  # noqa: B010
for _method in (pack, unpack, with_names, with_bounds, scaled, kinks, check_derivatives, to_onnx):
    setattr(Function, _method.__name__, _method)
