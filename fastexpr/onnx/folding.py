"""Evaluates nodes whose inputs are all constant.

A file may have anything computed while it is read, so only what stands here is: simple arithmetic by NumPy, in the
types that the file has, and all else by the core, through the converters that read nodes that depend on x. Texts,
regular expressions, images and functions of other packages are never evaluated. What an evaluation takes is known
before it begins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.element_types import typed
from fastexpr.onnx.encoders import ENCODERS
from fastexpr.onnx.handle import FLOAT, Handle, Tensors, Value
from fastexpr.onnx.node import NotConstantError, OnnxNode
from fastexpr.onnx.registry import Convert, listed
from fastexpr.onnx.sizes import Budget

Compute = Callable[[OnnxNode], Array | Sequence[Array]]

SLOW = {"TopK", "Unique", *ENCODERS}
LARGEST_GRAPH = 20_000  # core nodes of one node of constants
UNIT_COST = 4  # of an exponential, in products
SLOW_COST = 32  # of a number that is sorted or looked up
LARGEST_WHOLE = 2.0**53  # a double tells whole numbers apart up to here


def fold(node: OnnxNode, convert: Convert | None, budget: Budget) -> list[Value | None] | None:
    """The node's outputs as arrays, floats in double precision; None where its operator may not be evaluated.

    Raises
    ------
    OnnxError
        The evaluation would take more than `budget` has left, or is not defined.
    """
    node.inputs = [widened(value) for value in node.inputs]
    compute = exact_function(node)
    if compute is not None:
        if node.operator in SLOW:
            budget.spend_work(SLOW_COST * sum(size_of(value) for value in node.inputs), node.title)
        with np.errstate(all="ignore"):
            results = compute(node)
        return [results] if isinstance(results, np.ndarray | np.generic) else list(results)
    return by_core(node, convert, budget) if convert is not None else None


def size_of(value: Value | Tensors | None) -> int:
    """How many numbers there are."""
    return sum(map(size_of, value)) if isinstance(value, Tensors) else 0 if value is None else math.prod(value.shape)


def widened(value: Value | None) -> Value | None:
    """Floats in double; integers, bools and texts as they are."""
    return value.astype(np.float64, copy=False) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


# ---- by the core


def by_core(node: OnnxNode, convert: Convert, budget: Budget) -> list[Value | None]:
    """What the converter makes of the node, evaluated."""
    values = typed(listed(converted_as_variable(node, convert)), node.inputs, node.operator, node.opset, node.domain)
    handles = [value for value in values if isinstance(value, Handle)]
    evaluated = iter(evaluate(node, handles, budget) if handles else [])
    return [as_declared(node, next(evaluated), v.dtype) if isinstance(v, Handle) else v for v in values]


def converted_as_variable(node: OnnxNode, convert: Convert) -> Any:
    """What the converter makes of the node where one input is no constant for it: the first one that need not be,
    floats before integers. So nodes of constants take the same way as others, and nothing is computed before its size
    is known.
    """
    constants = node.inputs
    numbers = [(k, value) for k, value in enumerate(constants) if isinstance(value, np.ndarray)]
    floats = [k for k, value in numbers if value.dtype.kind in "fV"]
    integers = [k for k, value in numbers if value.dtype.kind in "biu" and is_exact(value)]
    for k in [*floats, *integers, None]:
        node.graph = GraphBuilder(1, of_constants=True, largest=LARGEST_GRAPH)
        node.inputs = list(constants)
        try:
            given = None if k is None else constants[k]
            if isinstance(given, np.ndarray) and given.size:
                dtype = FLOAT if given.dtype.kind in "fV" else given.dtype
                node.inputs[k] = replace(node.graph.handle(given), dtype=dtype)  # type: ignore[index]
            return convert(node)
        except NotConstantError:
            if k is None:
                raise
        finally:
            node.inputs = constants
    return None


def evaluate(node: OnnxNode, handles: Sequence[Handle], budget: Budget) -> list[Array]:
    """The numbers of nodes that do not depend on x."""
    operators = [operator for operator, _, _ in node.graph.nodes]
    sizes = [math.prod(operator.shape) for operator in operators]
    budget.spend_work(
        sum(operator.work + UNIT_COST * size for operator, size in zip(operators, sizes, strict=True)), node.title
    )
    budget.check_memory(8 * sum(sizes), node.title)
    budget.spend_bytes(8 * sum(math.prod(handle.shape) for handle in handles), node.title)
    ports = [(f"y{k}", handle.shape) for k, handle in enumerate(handles)]
    function = Function._from_nodes(1, node.graph.nodes, [handle.id for handle in handles], [("x", (1,))], ports)
    numbers = np.split(function(np.zeros(1)), np.cumsum([math.prod(handle.shape) for handle in handles])[:-1])
    return [part.reshape(handle.shape) for part, handle in zip(numbers, handles, strict=True)]


def is_exact(array: Array) -> bool:
    """Whether doubles hold all of these integers."""
    return bool((np.abs(array.astype(np.float64)) <= LARGEST_WHOLE).all())


def as_declared(node: OnnxNode, array: Array, dtype: np.dtype[Any]) -> Array:
    """The numbers in the type that the model gives them."""
    if dtype.kind == "f":
        return array
    if dtype.kind in "iu" and not is_exact(array):
        node.fail(f"has constant inputs only, and gives integers beyond {LARGEST_WHOLE:.0f}. Export the model again.")
    return array.astype(dtype)


# ---- by NumPy


def exact_function(node: OnnxNode) -> Compute | None:
    """How NumPy computes the operator; None where it does not."""
    if node.domain:
        return ENCODERS.get(node.operator)
    if node.opset >= 7 and node.operator in ELEMENTWISE:  # broadcasting by attributes came before
        return elementwise
    if node.operator in REDUCTIONS:
        return reduction
    return OTHERS.get(node.operator)


def elementwise(node: OnnxNode) -> Array:
    """One number from numbers at the same place, with broadcasting."""
    arrays = [node.constant(k) for k in range(len(node.inputs))]
    if node.operator not in ("Equal", "Where") and any(array.dtype.kind in "OUS" for array in arrays):
        node.fail("computes with texts, which is not supported. Export the model without texts.")
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError as error:
        node.fail(f"has inputs that do not fit: {error}. Export the model again.")
    node.check_size(shape, sum(array.size for array in arrays))
    return np.asarray(ELEMENTWISE[node.operator](node, *arrays))


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one or two arrays."""
    return lambda node, *arrays: function(*arrays)


def joined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of two arrays, for any number of them."""
    return lambda node, *arrays: reduce(function, arrays)


def quotient(node: OnnxNode, a: Array, b: Array) -> Array:
    """That of integers is cut towards 0."""
    if a.dtype.kind not in "iu":
        return np.asarray(np.divide(a, b))
    if not b.all():
        node.fail("divides integers by 0. Export the model again.")
    rest = np.fmod(a, b)
    return np.asarray((a - rest) // b)


def remainder(node: OnnxNode, a: Array, b: Array) -> Array:
    """With the sign of b, or, with fmod=1, of a."""
    if a.dtype.kind in "iu" and not b.all():
        node.fail("divides integers by 0. Export the model again.")
    return np.asarray(np.fmod(a, b) if node.attribute("fmod") else np.mod(a, b))


def power(node: OnnxNode, a: Array, b: Array) -> Array:
    """In the type of the first."""
    return np.asarray(np.power(a.astype(np.float64), b.astype(np.float64))).astype(a.dtype)


def shifted(node: OnnxNode, a: Array, b: Array) -> Array:
    """Bits moved by b places."""
    return np.asarray((np.left_shift if node.attribute("direction") == "LEFT" else np.right_shift)(a, b))


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "Add": plain(np.add), "Sub": plain(np.subtract), "Mul": plain(np.multiply), "Div": quotient, "Mod": remainder,
    "Pow": power, "Neg": plain(np.negative), "Abs": plain(np.abs), "Sign": plain(np.sign), "Sqrt": plain(np.sqrt),
    "Reciprocal": plain(np.reciprocal), "Floor": plain(np.floor), "Ceil": plain(np.ceil), "Round": plain(np.rint),
    "IsNaN": plain(np.isnan),
    "Sum": joined(np.add), "Max": joined(np.maximum), "Min": joined(np.minimum),
    "Equal": plain(np.equal), "Less": plain(np.less), "LessOrEqual": plain(np.less_equal),
    "Greater": plain(np.greater), "GreaterOrEqual": plain(np.greater_equal),
    "Not": plain(np.logical_not), "And": plain(np.logical_and), "Or": plain(np.logical_or),
    "Xor": plain(np.logical_xor), "Where": plain(np.where),
    "BitShift": shifted, "BitwiseAnd": plain(np.bitwise_and), "BitwiseOr": plain(np.bitwise_or),
    "BitwiseXor": plain(np.bitwise_xor), "BitwiseNot": plain(np.bitwise_not),
}  # fmt: skip

REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": np.sum, "ReduceProd": np.prod, "ReduceMean": np.mean,
    "ReduceMax": lambda x, **over: np.max(x, initial=limits_of(x)[0], **over),
    "ReduceMin": lambda x, **over: np.min(x, initial=limits_of(x)[1], **over),
    "ReduceL1": lambda x, **over: np.sum(np.abs(x), **over),
    "ReduceL2": lambda x, **over: np.sqrt(np.sum(np.square(x), **over)),
    "ReduceSumSquare": lambda x, **over: np.sum(np.square(x), **over),
    "ReduceLogSum": lambda x, **over: np.log(np.sum(x, **over)),
    "ReduceLogSumExp": lambda x, **over: np.logaddexp.reduce(x, **over),
}  # fmt: skip


def reduction(node: OnnxNode) -> Array:
    """Over axes, which come as an input or as an attribute; also of nothing."""
    x = node.constant(0)
    axes = node.constant_integers(1) if node.has_input(1) else node.integers("axes") or []
    if not axes and node.attribute("noop_with_empty_axes"):
        over: tuple[int, ...] = ()
    else:
        over = tuple(node.axes(axes, x.ndim) or range(x.ndim))
    result = REDUCTIONS[node.operator](x, axis=over, keepdims=bool(node.integer("keepdims")))
    return np.asarray(result).astype(x.dtype)


def limits_of(x: Array) -> tuple[Any, Any]:
    """What the largest and the smallest of no numbers are."""
    if x.dtype.kind == "f":
        return -np.inf, np.inf
    return (False, True) if x.dtype == bool else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)


def number_range(node: OnnxNode) -> Array:
    """start, start + delta, ... below limit."""
    start, limit, delta = (node.constant(k).reshape(-1) for k in range(3))
    if start.size != 1 or limit.size != 1 or delta.size != 1 or not delta.any():
        node.fail(f"has start {start}, limit {limit} and step {delta}, expected a number each. Export the model again.")
    count = (float(limit[0]) - float(start[0])) / float(delta[0])
    if not math.isfinite(count):
        node.fail("has no end: its size exceeded every number. Export the model again.")
    count = max(math.ceil(count), 0)
    node.check_size((count,))
    return np.asarray(start[0] + delta[0] * np.arange(count, dtype=delta.dtype))


def constant_of_shape(node: OnnxNode) -> Array:
    """One number everywhere."""
    shape = node.constant_integers(0)
    if any(length < 0 for length in shape):
        node.fail(f"has the shape {shape}, expected lengths from 0 on. Export the model again.")
    node.check_size(shape)
    value = np.zeros(1, np.float32) if node.attribute("value") is None else node.tensor_attribute("value")
    if value.size != 1:
        node.fail(f"has a value of shape {value.shape}, expected one number. Export the model again.")
    return np.full(shape, value.reshape(-1)[0])


def places_of_nonzero(node: OnnxNode) -> Array:
    """(axes, count): where the numbers are that are not 0."""
    return np.array(np.nonzero(node.constant(0)), np.int64)


def place_of_extreme(node: OnnxNode) -> Array:
    """The first, or the last, of the largest or smallest along an axis."""
    x = node.constant(0)
    axis, keepdims = node.axis(node.integer("axis"), x.ndim), bool(node.integer("keepdims"))
    find = np.argmax if node.operator == "ArgMax" else np.argmin
    if not node.attribute("select_last_index"):
        return np.asarray(find(x, axis, keepdims=keepdims), np.int64)
    return np.asarray(x.shape[axis] - 1 - find(np.flip(x, axis), axis, keepdims=keepdims), np.int64)


def largest_or_smallest(node: OnnxNode) -> list[Array]:
    """The k largest or smallest along an axis, sorted, and their places; of equal ones, the first comes first."""
    x = node.constant(0)
    count = node.constant_integers(1)[0] if len(node.inputs) > 1 else node.integer("k")
    axis, is_largest = node.axis(node.integer("axis"), x.ndim), node.attribute("largest") in (None, 1)
    if not 0 <= count <= x.shape[axis]:
        node.fail(f"takes {count} of {x.shape[axis]} numbers. Export the model again.")
    order = np.argsort(np.flip(x, axis) if is_largest else x, axis, kind="stable")
    order = x.shape[axis] - 1 - np.flip(order, axis) if is_largest else order
    places = np.take(order, range(count), axis)
    return [np.take_along_axis(x, places, axis), places.astype(np.int64)]


def distinct(node: OnnxNode) -> list[Array]:
    """The distinct numbers, or parts along an axis; where each is first; which one each place has; how often."""
    x, axis = node.constant(0), node.attribute("axis")
    axis = None if axis is None else node.axis(axis, x.ndim)
    values, first, inverse, counts = np.unique(x, True, True, True, axis=axis)
    inverse = inverse.reshape(-1)
    if not node.attribute("sorted"):
        order = np.argsort(first)
        values, first, counts = np.take(values, order, axis or 0), first[order], counts[order]
        inverse = np.argsort(order)[inverse]
    return [values, *(array.astype(np.int64) for array in (first, inverse, counts))]


OTHERS: dict[str, Compute] = {
    "Range": number_range, "ConstantOfShape": constant_of_shape, "NonZero": places_of_nonzero,
    "ArgMax": place_of_extreme, "ArgMin": place_of_extreme, "TopK": largest_or_smallest, "Unique": distinct,
}  # fmt: skip

#: What is evaluated, with or without a converter.
FOLDED = {*ELEMENTWISE, *REDUCTIONS, *OTHERS, *ENCODERS}
