"""The methods of `Function` that need no C++; importing this package attaches them to the class of the core.

`ports` converts between named arrays and the vectors x and y, `variants` makes functions with other names, bounds or
scaling, `parts` fixes inputs and selects outputs, `kinks` and `derivative_check` look at derivatives.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from numpy.typing import DTypeLike

from fastexpr import _core
from fastexpr._core import Function
from fastexpr.function.derivative_check import DerivativeReport, check_derivatives
from fastexpr.function.kink import Kink, kinks
from fastexpr.function.parts import select, with_fixed
from fastexpr.function.ports import pack, unpack
from fastexpr.function.variants import scaled, with_bounds, with_names, with_units

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


def from_bytes(data: bytes) -> Function:
    """What `to_bytes` of the core wrote: pickle puts a function together with it."""
    return _core.from_bytes(data)


def reduce(self: Function) -> tuple[Callable[[bytes], Function], tuple[bytes]]:
    """How pickle takes a function apart, whatever the protocol."""
    return from_bytes, (_core.to_bytes(self),)


setattr(Function, "__reduce__", reduce)  # noqa: B010
for _method in (
    pack,
    unpack,
    with_names,
    with_units,
    with_bounds,
    scaled,
    with_fixed,
    select,
    kinks,
    check_derivatives,
    to_onnx,
):
    setattr(Function, _method.__name__, _method)
