"""Operators as formulas of Pyomo expressions, unit by unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyomo.environ import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cosh,
    exp,
    log,
    quicksum,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)

from fastexpr._core import Operator
from fastexpr.errors import FormulationError

Scalars = Sequence[Any]
Objects = NDArray[Any]

ROOT_2_PI = 2.0 * math.sqrt(2.0 / math.pi)


def sigmoid(z: Any) -> Any:
    """1 / (1 + e^-z), by tanh, which never overflows."""
    return 0.5 + 0.5 * tanh(0.5 * z)


def softplus(z: Any) -> Any:
    """log(1 + e^z), without overflow."""
    return relu(z) + log(1 + exp(-abs(z)))


def relu(z: Any) -> Any:
    """max(z, 0), as solvers can read it."""
    return 0.5 * (z + abs(z))


def clipped(z: Any, low: float, high: float) -> Any:
    """min(max(z, low), high)"""
    if math.isinf(low) and math.isinf(high):
        return z
    if math.isinf(high):
        return low + relu(z - low)
    if math.isinf(low):
        return high - relu(high - z)
    return 0.5 * (abs(z - low) - abs(z - high)) + 0.5 * (low + high)


def power(z: Any, exponent: Any) -> Any:
    """z^exponent; a whole exponent stays one."""
    if isinstance(exponent, float) and exponent.is_integer():
        return z ** int(exponent)
    return z**exponent


def elu(z: Any, alpha: float) -> Any:
    """z, or alpha (e^z - 1) below 0."""
    return relu(z) + alpha * (exp(0.5 * (z - abs(z))) - 1)


def matern(u: Any, nu: float) -> Any:
    """The kernel as a function of the squared distance."""
    r = sqrt(2 * nu * u)
    return (1 + r) * exp(-r) if nu == 1.5 else (1 + r + r**2 / 3) * exp(-r)


#: Of one argument, and the operator's attributes.
UNARY: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "Abs": lambda z, _: abs(z),
    "Acos": lambda z, _: acos(z),
    "Acosh": lambda z, _: acosh(z),
    "Asin": lambda z, _: asin(z),
    "Asinh": lambda z, _: asinh(z),
    "Atan": lambda z, _: atan(z),
    "Atanh": lambda z, _: atanh(z),
    "Clip": lambda z, a: clipped(z, *limits(a)) if limits(a)[0] < limits(a)[1] else limits(a)[1],
    "Cos": lambda z, _: cos(z),
    "Cosh": lambda z, _: cosh(z),
    "Elu": lambda z, a: elu(z, a["alpha"]),
    "Exp": lambda z, _: exp(z),
    "GeluTanh": lambda z, _: z * sigmoid(ROOT_2_PI * (z + 0.044715 * z**3)),
    "HardSigmoid": lambda z, a: clipped(a["alpha"] * z + a["beta"], 0.0, 1.0),
    "HardSwish": lambda z, a: z * clipped(a["alpha"] * z + a["beta"], 0.0, 1.0),
    "LeakyRelu": lambda z, a: 0.5 * (1 + a["alpha"]) * z + 0.5 * (1 - a["alpha"]) * abs(z),
    "Log": lambda z, _: log(z),
    "Matern": lambda z, a: matern(z, a["nu"]),
    "Relu": lambda z, _: relu(z),
    "Selu": lambda z, a: a["gamma"] * elu(z, a["alpha"]),
    "Sigmoid": lambda z, _: sigmoid(z),
    "Sin": lambda z, _: sin(z),
    "Sinh": lambda z, _: sinh(z),
    "Softplus": lambda z, _: softplus(z),
    "Softsign": lambda z, _: z / (1 + abs(z)),
    "Sqrt": lambda z, _: sqrt(z),
    "Square": lambda z, _: z**2,
    "Swish": lambda z, a: z * sigmoid(a["alpha"] * z),
    "Tan": lambda z, _: tan(z),
    "Tanh": lambda z, _: tanh(z),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Div": lambda a, b: a / b,
    "Max": lambda a, b: 0.5 * (a + b + abs(a - b)),
    "Min": lambda a, b: 0.5 * (a + b - abs(a - b)),
    "Mul": lambda a, b: a * b,
    "PRelu": lambda z, w: 0.5 * (1 + w) * z + 0.5 * (1 - w) * abs(z),
    "Pow": power,
}


def limits(attributes: dict[str, Any]) -> tuple[float, float]:
    """Of a Clip; where they cross, the upper one wins."""
    high = float(attributes.get("upper", math.inf))
    return min(float(attributes.get("lower", -math.inf)), high), high


def largest(lane: Scalars) -> Any:
    """max over several."""
    found = lane[0]
    for z in lane[1:]:
        found = BINARY["Max"](found, z)
    return found


def product(lane: Scalars) -> Any:
    """Their product."""
    return math.prod(lane[1:], start=lane[0])


def log_sum_exp(lane: Scalars) -> Any:
    """log of the sum of e^z."""
    return log(quicksum(exp(z) for z in lane))


def softmax(lane: Scalars) -> list[Any]:
    """1 / sum_j e^(z_j - z_i): no number is too large alone."""
    return [1 / quicksum(exp(other - z) if other is not z else 1.0 for other in lane) for z in lane]


def log_softmax(lane: Scalars) -> list[Any]:
    """z_i - log sum_j e^z_j"""
    return [-log(quicksum(exp(other - z) if other is not z else 1.0 for other in lane)) for z in lane]


#: Of the members of a lane to one number, or to as many.
LANES: dict[str, Callable[[Scalars], Any]] = {
    "ReduceL2": lambda lane: sqrt(quicksum(z**2 for z in lane)),
    "ReduceLogSumExp": log_sum_exp,
    "ReduceMax": largest,
    "ReduceProd": product,
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
}


def formula(operator: Operator, inputs: list[Scalars], label: str) -> list[Any]:
    """The operator's units, from those of its inputs, flat.

    Raises
    ------
    fastexpr.errors.FormulationError
        There is no formula for it.
    """
    name, attributes = operator.name, operator.attributes
    if name in UNARY:
        return [UNARY[name](z, attributes) for z in inputs[0]]
    if name in BINARY:
        first, second = (
            np.broadcast_to(objects(z, shape), operator.shape).ravel()
            for z, shape in zip(inputs, operator.input_shapes, strict=True)
        )
        return [BINARY[name](a, b) for a, b in zip(first, second, strict=True)]
    if name in LANES:
        return _of_lanes(operator, inputs[0])
    if name == "MatMul":
        pair = [objects(z, shape) for z, shape in zip(inputs, operator.input_shapes, strict=True)]
        return list(np.asarray(np.matmul(*pair), dtype=object).ravel())
    known = ", ".join(sorted([*UNARY, *BINARY, *LANES, "MatMul"]))
    raise FormulationError(
        f"[{name} '{label}'] there is no formula for it. What to do: formulation='external' with "
        f"SolverFactory('fastexpr'). Operators that have one, besides affine ones: {known}."
    )


def _of_lanes(operator: Operator, z: Scalars) -> list[Any]:
    shape, axis = operator.input_shapes[0], operator.attributes["axis"]
    stop = axis + operator.attributes["n_axes"]
    sizes = math.prod(shape[:axis]), math.prod(shape[axis:stop]), math.prod(shape[stop:])
    lanes = objects(z, sizes)
    keeps = operator.name in ("Softmax", "LogSoftmax")
    result = np.empty(sizes if keeps else (sizes[0], 1, sizes[2]), dtype=object)
    for outer in range(sizes[0]):
        for inner in range(sizes[2]):
            found = LANES[operator.name](list(lanes[outer, :, inner]))
            for member, entry in enumerate(found if keeps else [found]):
                result[outer, member, inner] = entry
    return list(result.ravel())


def objects(z: Scalars, shape: Sequence[int]) -> Objects:
    """Scalars as an array, entry by entry: NumPy must not look into expressions."""
    array = np.empty(len(z), dtype=object)
    for k, entry in enumerate(z):
        array[k] = entry
    return array.reshape(shape)
