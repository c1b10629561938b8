"""How far a function's outputs move at most where its kinks are rounded: errors of units, node by node.

e(v) of a node v = phi(u) is at most (the largest slope of phi) e(u), and what rounding phi itself adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function, Operator
from fastexpr.errors import GraphError
from fastexpr.function.written_out import written_out

Errors = npt.NDArray[np.float64]

#: Largest slopes of smooth functions of one number.
SLOPES = {
    "Tanh": 1.0, "Sigmoid": 0.25, "Softplus": 1.0, "Softsign": 1.0, "Swish": 1.1, "Gelu": 1.13, "GeluTanh": 1.13,
    "Erf": 1.1284, "Atan": 1.0, "Sin": 1.0, "Cos": 1.0, "Asinh": 1.0, "Neg": 1.0, "Relu": 1.0, "Abs": 1.0,
    "Clip": 1.0, "Softmax": 0.5, "LogSoftmax": 2.0,
}  # fmt: skip

#: What rounding adds, in widths.
ADDED = {
    "Relu": 0.5,
    "Abs": 1.0,
    "Clip": 0.5,
    "Max": 0.5,
    "Min": 0.5,
    "ReduceMax": 0.5,
    "ReduceL2": 1.0,
    "HardSigmoid": 0.5,
}

#: Linear with constants that are not negative: an error passes like a value.
LINEAR = ("Select", "Reshape", "Concat", "ReduceSum", "ReduceMean", "CumSum", "Add")


def error_bound(function: Function, width: float) -> Errors:
    """(m,): of the outputs, with kinks rounded over this width.

    Raises
    ------
    fastexpr.errors.GraphError
        There is no bound.
    """
    return Propagation(function, width).run()


class Propagation:
    """Errors of all nodes, one after another."""

    def __init__(self, function: Function, width: float) -> None:
        self.function, self.width = written_out(function), width
        self.nodes = self.function._nodes()
        self.errors: list[Errors] = [np.zeros(function.n_inputs)]
        self._ranges: list[tuple[Errors, Errors]] | None = None

    def run(self) -> Errors:
        for core, inputs, label in self.nodes:
            arguments = [self.errors[k] for k in inputs]
            passed = self._through(core, inputs, arguments, label)
            self.errors.append(passed + self._added(core, inputs, label) * self.width)
        return np.concatenate([self.errors[k].ravel() for k in self.function._output_ids()])

    def _added(self, core: Operator, inputs: Sequence[int], label: str) -> Any:
        """What rounding the node's own kinks adds, in widths."""
        if core.name != "PRelu":
            return added(core)
        least, most = self.range_of(inputs[1], label)
        return np.broadcast_to(0.5 * np.maximum(abs(1.0 - least), abs(1.0 - most)), core.shape)

    def _through(self, core: Operator, inputs: Sequence[int], errors: list[Errors], label: str) -> Errors:
        name, shape = core.name, tuple(core.shape)
        if not any(error.any() for error in errors):
            return np.zeros(shape)
        if name in LINEAR:
            return value_of(core, errors)
        if name == "Sub":
            return value_of(Operator("Add", core.input_shapes), errors)
        if name in ("Linear", "Conv", "SparseLinear"):
            return value_of(with_sizes_of_weights(core), errors)
        if name in ("Max", "Min"):
            return value_of(Operator("Max", core.input_shapes), errors)
        if name in ("ReduceMax", "ReduceLogSumExp"):
            return value_of(Operator("ReduceMax", core.input_shapes, core.attributes), errors)
        if name in ("Softmax", "LogSoftmax"):
            return np.full(shape, SLOPES[name] * errors[0].max())
        if name == "ReduceL2":
            return value_of(core, errors)
        slope = slope_of(core)
        if slope is not None:
            return slope * errors[0].reshape(shape)
        if name in BOUNDED:
            operands = [Operand(self, k, error, label) for k, error in zip(inputs, errors, strict=True)]
            return np.broadcast_to(BOUNDED[name](core, *operands), shape)
        if name == "Where" and not errors[0].any():
            return value_of(Operator("Max", [shape, shape]), [np.broadcast_to(error, shape) for error in errors[1:]])
        raise GraphError(
            f"[{name} {label!r}] nothing is known of how an error passes through this operator. What to do: "
            "smooth the part before it alone, or leave the function as it is."
        )

    def range_of(self, node: int, label: str) -> tuple[Errors, Errors]:
        """What a node's value is between, for x within the bounds of the function."""
        if node > 0 and self.nodes[node - 1][0].name == "Constant":
            numbers = np.asarray(self.nodes[node - 1][0].constants[0], dtype=np.float64)
            return numbers, numbers
        if self._ranges is None:
            function = self.function
            if function.lower is None or function.upper is None:
                raise GraphError(
                    f"[Function] the error behind {label!r} depends on the sizes of values, and the function has no "
                    "bounds. What to do: net.with_bounds(lower, upper)."
                )
            self._ranges = ranges_of_nodes(function)
        return self._ranges[node]


class Operand:
    """An input of a node: its error, and what it is between, error included."""

    def __init__(self, propagation: Propagation, node: int, error: Errors, label: str) -> None:
        self.error, self._propagation, self._node, self._label = error, propagation, node, label

    @property
    def low(self) -> Errors:
        low: Errors = self._propagation.range_of(self._node, self._label)[0] - self.error
        return low

    @property
    def high(self) -> Errors:
        high: Errors = self._propagation.range_of(self._node, self._label)[1] + self.error
        return high

    @property
    def size(self) -> Errors:
        """The largest |v|."""
        return np.maximum(abs(self.low), abs(self.high))

    @property
    def distance(self) -> Errors:
        """The smallest |v|."""
        smallest: Errors = np.maximum(0.0, np.maximum(self.low, -self.high))
        return smallest

    def positive(self, what: str) -> Errors:
        """The smallest v, which must be positive."""
        if not (self.low > 0.0).all():
            raise GraphError(
                f"[{what} {self._label!r}] the slope has no bound: what it is taken of can be 0 within the function's "
                "bounds. What to do: net.with_bounds(lower, upper) with narrower ones."
            )
        return self.low


def added(core: Operator) -> float:
    """What rounding adds to a unit's error, in widths of at most 0.5."""
    attributes = core.attributes
    if core.name == "LeakyRelu":
        return float(0.5 * abs(1.0 - attributes["alpha"]))
    if core.name in ("Elu", "Selu"):
        return float(0.5 * abs(attributes.get("gamma", 1.0)) * (1.0 + abs(attributes["alpha"]))) if core.kinks else 0.0
    if core.name == "HardSwish":  # u times an error that falls as 1/u behind the kinks
        alpha, beta = abs(attributes["alpha"]), attributes["beta"]
        return float(max(abs(beta), abs(1.0 - beta), 0.25) / alpha)
    return ADDED.get(core.name, 0.0)


def value_of(core: Operator, values: list[Errors]) -> Errors:
    """The operator at these numbers."""
    from fastexpr.expression.building import build_function
    from fastexpr.expression.node import Expression, variables

    leaves = [variables(tuple(shape)) for shape in core.input_shapes]
    function = build_function(leaves, Expression(core, tuple(leaves), tuple(core.shape), ""))
    result: Errors = function(np.concatenate([value.ravel() for value in values])).reshape(core.shape)
    return result


def with_sizes_of_weights(core: Operator) -> Operator:
    """The linear operator with |weights| and without a bias."""
    constants = list(core.constants)
    if core.name == "SparseLinear":
        constants[2] = abs(constants[2])
    else:
        constants = [abs(constants[0])]
    return Operator(core.name, core.input_shapes, core.attributes, constants)


def slope_of(core: Operator) -> float | None:
    """The largest slope of a function of one number, where there is one."""
    attributes = core.attributes
    if core.name == "LeakyRelu":
        return float(max(1.0, abs(attributes["alpha"])))
    if core.name == "HardSigmoid":
        return float(abs(attributes["alpha"]))
    if core.name == "HardSwish":
        return float(max(1.0, abs(attributes["beta"]), abs(2.0 - attributes["beta"])))
    if core.name in ("Elu", "Selu"):
        return float(abs(attributes.get("gamma", 1.0)) * max(1.0, abs(attributes["alpha"])))
    return SLOPES.get(core.name)


def ranges_of_nodes(function: Function) -> list[tuple[Errors, Errors]]:
    """What x and every node is between, for x within the bounds."""
    from fastexpr.function.kink import values_of_nodes

    nodes = function._nodes()
    ids = list(range(len(nodes) + 1))
    lower, upper = values_of_nodes(function, ids).output_bounds(function.lower, function.upper)
    ranges, begin = [], 0
    for k in ids:
        shape = (function.n_inputs,) if k == 0 else tuple(nodes[k - 1][0].shape)
        end = begin + int(np.prod(shape))
        ranges.append((lower[begin:end].reshape(shape), upper[begin:end].reshape(shape)))
        begin = end
    return ranges


# Of operators whose slopes depend on where their inputs are. What has no error asks nothing of the other operand.


def product(core: Operator, a: Operand, b: Operand) -> Any:
    result = a.size * b.error if b.error.any() else 0.0
    return result + (b.size * a.error if a.error.any() else 0.0)


def matrix_product(core: Operator, a: Operand, b: Operand) -> Any:
    result = value_of(core, [a.size, b.error]) if b.error.any() else 0.0
    return result + (value_of(core, [a.error, b.size]) if a.error.any() else 0.0)


def quotient(core: Operator, a: Operand, b: Operand) -> Any:
    least = b.distance
    if not (least > 0.0).all():
        b.positive(core.name)
    result = a.error / least
    return result + (a.size * b.error / least**2 if b.error.any() else 0.0)


def power(core: Operator, a: Operand, b: Operand) -> Any:
    exponent = b.low
    if b.error.any() or not np.array_equal(exponent, b.high):
        raise GraphError("[Pow] nothing is known of how an error passes through an exponent.")
    if (exponent >= 1.0).all():
        return exponent * a.size ** (exponent - 1.0) * a.error
    return abs(exponent) * np.maximum(a.positive("Pow") ** (exponent - 1.0), a.high ** (exponent - 1.0)) * a.error


BOUNDED: dict[str, Callable[..., Any]] = {
    "Mul": product,
    "MatMul": matrix_product,
    "Div": quotient,
    "Pow": power,
    "PRelu": lambda core, u, w: np.maximum(1.0, w.size) * u.error + (u.size * w.error if w.error.any() else 0.0),
    "Square": lambda core, u: 2.0 * u.size * u.error,
    "Exp": lambda core, u: np.exp(u.high) * u.error,
    "Log": lambda core, u: u.error / u.positive("Log"),
    "Sqrt": lambda core, u: u.error / (2.0 * np.sqrt(u.positive("Sqrt"))),
}
