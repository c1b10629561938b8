"""Products of matrices and vectors, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.expression import reductions
from fastexpr.expression.indexing import reshape
from fastexpr.expression.joining import concatenate
from fastexpr.expression.node import Expression, apply, array_function, call
from fastexpr.expression.operands import Array, Operand, as_expression, as_operand, own, ufunc
from fastexpr.expression.ufuncs import add, multiply, sqrt, square


@ufunc("matmul")
def matmul(a: Any, b: Any) -> Expression:
    """a @ b: one node, Linear where one of them is a constant of at most two dimensions, else MatMul."""
    a, b = as_operand(a), as_operand(b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: a single number is not a matrix: got shapes {a.shape} and {b.shape}. Use * instead.")
    inner = b.shape[0] if b.ndim == 1 else b.shape[-2]
    if a.shape[-1] != inner:
        raise ValueError(
            f"matmul: shapes {a.shape} and {b.shape} do not fit: {a.shape[-1]} columns against {inner} rows."
        )
    if not isinstance(a, Expression) and a.ndim <= 2:
        return constant_times_expression(a, b)
    if not isinstance(b, Expression) and b.ndim <= 2:
        return expression_times_constant(a, b)
    return product(as_expression(a), as_expression(b))


def linear(expression: Expression, weight: Array, axis: int) -> Expression:
    """y = W x along an axis; a transposed view goes in as it is stored."""
    if weight.flags.f_contiguous and not weight.flags.c_contiguous:
        return apply("Linear", [expression], {"axis": axis, "transposed": 1}, [own(weight.T)])
    return apply("Linear", [expression], {"axis": axis, "transposed": 0}, [own(weight)])


def constant_times_expression(weight: Array, expression: Expression) -> Expression:
    axis = max(expression.ndim - 2, 0)
    product = linear(expression, np.atleast_2d(weight), axis)
    return drop_axis(product, axis) if weight.ndim == 1 else product


def expression_times_constant(expression: Expression, weight: Array) -> Expression:
    axis = expression.ndim - 1
    product = linear(expression, np.atleast_2d(weight.T), axis)
    return drop_axis(product, axis) if weight.ndim == 1 else product


def drop_axis(expression: Expression, axis: int) -> Expression:
    axis %= expression.ndim
    return reshape(expression, expression.shape[:axis] + expression.shape[axis + 1 :])


def product(a: Expression, b: Expression) -> Expression:
    """Both depend on x, or one is a stack of matrices. A vector is a row on the left, a column on the right."""
    left = a if a.ndim > 1 else reshape(a, (1, *a.shape))
    right = b if b.ndim > 1 else reshape(b, (*b.shape, 1))
    result = apply("MatMul", [left, right])
    rows = result.shape[-2:-1] if a.ndim > 1 else ()
    columns = result.shape[-1:] if b.ndim > 1 else ()
    return reshape(result, (*result.shape[:-2], *rows, *columns))


@array_function(np.dot)
def dot(a: Any, b: Any) -> Expression:
    a, b = as_operand(a), as_operand(b)
    if a.ndim == 0 or b.ndim == 0:
        return multiply(a, b)
    if b.ndim > 2:
        raise TypeError(
            f"np.dot of an Expression takes a second operand of at most 2 dimensions: got {b.shape}. Use @ instead."
        )
    return matmul(a, b)


@array_function(np.inner)
def inner(a: Any, b: Any) -> Expression:
    """Sum over both last axes."""
    a, b = as_operand(a), as_operand(b)
    if a.ndim == 0 or b.ndim == 0:
        return multiply(a, b)
    if b.ndim > 2:
        raise TypeError(f"np.inner of an Expression takes a second operand of at most 2 dimensions: got {b.shape}.")
    return matmul(a, b.T)


@array_function(np.vdot)
def vdot(a: Any, b: Any) -> Expression:
    a, b = as_operand(a), as_operand(b)
    return matmul(a.reshape(-1), b.reshape(-1))


@ufunc("vecdot")
def vecdot(a: Any, b: Any, axis: int = -1) -> Expression:
    return reductions.reduce_sum(multiply(a, b), axis=axis)


@array_function(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Expression:  # noqa: A002
    """Of vectors: 2 (Euclidean; Frobenius of a matrix) and 1. np.linalg.norm(x)**2 is smooth, the norm is not."""
    x = as_expression(x)
    is_vector = x.ndim == 1 or isinstance(axis, int)
    if ord is None or ord == "fro" or (ord == 2 and is_vector):
        return sqrt(reductions.reduce_sum(square(x), axis, keepdims))
    if ord == 1 and is_vector:
        return reductions.reduce_sum(abs(x), axis, keepdims)
    raise TypeError(
        f"np.linalg.norm of an Expression knows the 1-norm and the 2-norm of vectors: got ord {ord}, shape {x.shape}, "
        f"axis {axis}."
    )


@array_function(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1) -> Expression:
    """Differences of neighbours."""
    result = as_expression(a)
    before = axes_before(result, axis)
    for _ in range(n):
        result = result[(*before, slice(1, None))] - result[(*before, slice(None, -1))]
    return result


@array_function(np.cumsum)
def cumsum(a: Any, axis: int | None = None) -> Expression:
    """Running sums: log2(n) additions of the array shifted by 1, 2, 4, ..."""
    result = as_expression(a) if axis is not None else as_expression(a).ravel()
    before = axes_before(result, axis or 0)
    shift = 1
    while shift < result.shape[len(before)]:
        head, tail = result[(*before, slice(None, shift))], result[(*before, slice(shift, None))]
        result = concatenate([head, tail + result[(*before, slice(None, -shift))]], axis=len(before))
        shift *= 2
    return result


def axes_before(expression: Expression, axis: int) -> tuple[slice, ...]:
    """An index that takes all of the axes before this one."""
    return (slice(None),) * reductions.normalize_axes(axis, expression.ndim)[0]


@array_function(np.trace)
def trace(a: Any) -> Expression:
    return reductions.reduce_sum(call(np.diagonal, a), axis=-1)


@array_function(np.polyval)
def polyval(p: Any, x: Any) -> Expression:
    """Horner's rule; highest power first."""
    coefficients = as_operand(p)
    result: Operand = coefficients[0]
    for coefficient in coefficients[1:]:
        result = add(multiply(result, x), coefficient)
    return as_expression(result)
