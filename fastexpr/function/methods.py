"""The methods of `Function` that need no C++; importing this package attaches them to the class of the core.

`ports` converts between named arrays and the vectors x and y, `variants` makes functions with other names, bounds or
units, `scaling` with scalers around them, `parts` fixes inputs and selects outputs, `kinks` and `derivative_check` look
at derivatives, `smoothing` rounds kinks, `gradient` makes functions of derivatives, `parameters` has the trained
numbers as a vector.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

from numpy.typing import DTypeLike

from fastexpr import _core
from fastexpr._core import Function
from fastexpr.bounds.methods import bounds_by_layer, output_bounds
from fastexpr.export.c_code import to_c
from fastexpr.export.casadi_function import to_casadi
from fastexpr.export.formula import to_latex, to_sympy
from fastexpr.export.jax_function import to_jax
from fastexpr.export.torch_function import to_torch
from fastexpr.function.data import with_data
from fastexpr.function.derivative_check import DerivativeReport, check_derivatives
from fastexpr.function.gradient import gradient_function
from fastexpr.function.kink import Kink, kinks
from fastexpr.function.parameters import parameter_names, parameters, with_parameters
from fastexpr.function.parts import select, with_fixed
from fastexpr.function.plan import Plan, plan
from fastexpr.function.ports import pack, unpack
from fastexpr.function.scaling import scaled
from fastexpr.function.smoothing import smoothed
from fastexpr.function.variants import with_bounds, with_names, with_units

__all__ = ["DerivativeReport", "Function", "Kink", "Plan"]


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
    from fastexpr.onnx.export.model import export_onnx

    export_onnx(self, path, dtype)


def from_bytes(data: bytes) -> Function:
    """What `to_bytes` of the core wrote: pickle puts a function together with it."""
    return _core.from_bytes(data)


def like(kind: type[Function], function: Function) -> Function:
    """The function as an object of a subclass, whose own ``__new__`` and ``__init__`` are not asked."""
    result = Function.__new__(kind)
    Function.__init__(result, function)
    return result


def state_of(self: Function) -> Any:
    """The attributes that an object of a subclass has besides the function, as pickle wants them."""
    get_state = getattr(self, "__getstate__", None)  # from Python 3.11 on, every object has one
    return get_state() if get_state is not None else getattr(self, "__dict__", None)


def reduce(self: Function) -> tuple[Any, ...]:
    """How pickle takes a function apart, whatever the protocol."""
    if type(self) is Function:
        return from_bytes, (_core.to_bytes(self),)
    return like, (type(self), Function(self)), state_of(self)


def copied(self: Function, copy_state: Callable[[Any], Any] = copy.copy) -> Function:
    """What `copy.copy` gives: the object itself, which never changes; of a subclass, one with attributes of its own."""
    if type(self) is Function:
        return self
    result, state = like(type(self), self), copy_state(state_of(self))
    if hasattr(result, "__setstate__"):
        result.__setstate__(state)
        return result
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    for name, value in {**(attributes or {}), **(slots or {})}.items():
        setattr(result, name, value)
    return result


def deepcopied(self: Function, memo: dict[int, Any]) -> Function:
    """What `copy.deepcopy` gives: the function is shared, attributes of a subclass are copied, too."""
    return copied(self, lambda state: copy.deepcopy(state, memo))


for _name, _special in (("__reduce__", reduce), ("__copy__", copied), ("__deepcopy__", deepcopied)):
    setattr(Function, _name, _special)
for _property in (parameters, parameter_names):
    setattr(Function, _property.__name__, property(_property))
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
    plan,
    smoothed,
    gradient_function,
    with_parameters,
    with_data,
    check_derivatives,
    to_onnx,
    to_c,
    to_casadi,
    to_jax,
    to_latex,
    to_sympy,
    to_torch,
    output_bounds,
    bounds_by_layer,
):
    setattr(Function, _method.__name__, _method)
