"""Sums, means, products and extremes along axes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from fastexpr.expression.indexing import reshape
from fastexpr.expression.joining import concatenate
from fastexpr.expression.node import Expression, Shape, apply, array_function, call, ufunc_rules
from fastexpr.expression.operands import as_expression, constant

Axis = int | tuple[int, ...] | None


def normalize_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Sorted axes in 0..ndim-1."""
    if axis is None:
        return tuple(range(ndim))
    axes = [operator.index(entry) for entry in (axis if isinstance(axis, tuple | list) else (axis,))]
    for entry in axes:
        if not -ndim <= entry < ndim:
            raise ValueError(f"axis {entry} is out of bounds for an Expression of dimension {ndim}")
    normalized = tuple(sorted(entry % ndim for entry in axes))
    if len(set(normalized)) != len(normalized):
        raise ValueError(f"duplicate value in axis: got {axis}")
    return normalized


def reduced_shape(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    if keepdims:
        return tuple(1 if axis in axes else length for axis, length in enumerate(shape))
    return tuple(length for axis, length in enumerate(shape) if axis not in axes)


def reduce_contiguous(name: str, expression: Expression, axis: Axis, keepdims: bool) -> Expression:
    """ReduceSum or ReduceMean; one node per run of neighbouring axes, so that nothing is transposed."""
    axes = normalize_axes(axis, expression.ndim)
    if expression.size == 0 and name == "ReduceSum":
        return constant(np.zeros(reduced_shape(expression.shape, axes, keepdims)))
    last = len(axes)
    while last > 0:  # from the last run, so that the earlier axes keep their numbers
        first = last - 1
        while first > 0 and axes[first - 1] == axes[first] - 1:
            first -= 1
        attributes = {"axis": axes[first], "n_axes": last - first, "keepdims": int(keepdims)}
        expression = apply(name, [expression], attributes)
        last = first
    return expression


@array_function(np.sum)
def reduce_sum(a: Any, axis: Axis = None, keepdims: bool = False) -> Expression:
    return reduce_contiguous("ReduceSum", as_expression(a), axis, keepdims)


@array_function(np.mean)
def reduce_mean(a: Any, axis: Axis = None, keepdims: bool = False) -> Expression:
    return reduce_contiguous("ReduceMean", as_expression(a), axis, keepdims)


@array_function(np.var)
def var(a: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Expression:
    a = as_expression(a)
    squares = ufunc_rules["square"](a - reduce_mean(a, axis, keepdims=True))
    if ddof == 0:
        return reduce_mean(squares, axis, keepdims)
    total = reduce_sum(squares, axis, keepdims)
    return total / (squares.size / total.size - ddof)


@array_function(np.std)
def std(a: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Expression:
    return ufunc_rules["sqrt"](var(a, axis, ddof, keepdims))


def reduce_pairwise(name: str) -> Callable[..., Expression]:
    """Halves are combined by this ufunc until one is left: log2(n) nodes deep, not n."""

    def rule(a: Any, axis: int | None = None, keepdims: bool = False) -> Expression:
        a = as_expression(a)
        if isinstance(axis, tuple | list):
            raise TypeError(f"an Expression is multiplied or compared along one axis, or all: got axis {axis}.")
        axes = normalize_axes(axis, a.ndim)
        shape = reduced_shape(a.shape, axes, keepdims)
        flat = a.ravel() if axis is None else call(np.moveaxis, a, axes[0], 0)
        if len(flat) == 0:
            raise ValueError(f"cannot reduce an Expression without elements: got shape {a.shape}.")
        while len(flat) > 1:
            half = len(flat) // 2
            combined = ufunc_rules[name](flat[:half], flat[half : 2 * half])
            flat = concatenate([combined, flat[2 * half :]]) if len(flat) % 2 else combined
        return reshape(flat, shape)

    return rule


reduce_prod = array_function(np.prod)(reduce_pairwise("multiply"))
reduce_max = array_function(np.max)(reduce_pairwise("maximum"))
reduce_min = array_function(np.min)(reduce_pairwise("minimum"))


def along_first_axis(function: Callable[..., Expression]) -> Callable[..., Expression]:
    """The `reduce` of a ufunc, whose axis is 0 by default."""
    return lambda a, axis=0, keepdims=False: function(a, axis=axis, keepdims=keepdims)


for _name, _function in {
    "add": reduce_sum,
    "multiply": reduce_prod,
    "maximum": reduce_max,
    "minimum": reduce_min,
}.items():
    ufunc_rules[f"{_name}.reduce"] = along_first_axis(_function)


def softmax(x: Expression) -> Expression:
    """exp(x) / sum exp(x), of a vector."""
    return apply("Softmax", [x], {"axis": 0, "n_axes": 1})
