"""NumPy's and SciPy's ufuncs in terms of the core's operators, in forms that are accurate everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastexpr.expression.node import Expression, apply, array_function, ufunc_rules
from fastexpr.expression.operands import as_expression, as_operand, ufunc

Rule = Callable[..., Expression]

unary_operators = {
    "absolute": "Abs", "arccos": "Acos", "arccosh": "Acosh", "arcsin": "Asin", "arcsinh": "Asinh", "arctan": "Atan",
    "arctanh": "Atanh", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh", "erf": "Erf", "exp": "Exp", "expit": "Sigmoid",
    "fabs": "Abs", "floor": "Floor", "log": "Log", "negative": "Neg", "rint": "Round", "sign": "Sign", "sin": "Sin",
    "sinh": "Sinh", "softplus": "Softplus", "sqrt": "Sqrt", "tan": "Tan", "tanh": "Tanh",
}  # fmt: skip


def unary(operator: str) -> Rule:
    return lambda x: apply(operator, [as_expression(x)])


for _ufunc, _operator in unary_operators.items():
    ufunc_rules[_ufunc] = unary(_operator)
exp, log, sqrt, tanh, softplus = (ufunc_rules[_name] for _name in ("exp", "log", "sqrt", "tanh", "softplus"))


def constant_value(value: Any) -> float | None:
    """The number, where `value` is a single one."""
    if isinstance(value, Expression):
        return None
    operand = as_operand(value)
    return float(operand) if not isinstance(operand, Expression) and operand.ndim == 0 else None


# ---- arithmetic ----------------------------------------------


@ufunc("add")
def add(a: Any, b: Any) -> Expression:
    """Adding a plain 0 is left out: the builtin `sum` starts with one."""
    if isinstance(b, Expression) and constant_value(a) == 0.0:
        return b
    if isinstance(a, Expression) and constant_value(b) == 0.0:
        return a
    return apply("Add", [as_expression(a), as_expression(b)])


@ufunc("subtract")
def subtract(a: Any, b: Any) -> Expression:
    if isinstance(a, Expression) and constant_value(b) == 0.0:
        return a
    return apply("Sub", [as_expression(a), as_expression(b)])


@ufunc("multiply")
def multiply(a: Any, b: Any) -> Expression:
    return apply("Mul", [as_expression(a), as_expression(b)])


@ufunc("divide")
def divide(a: Any, b: Any) -> Expression:
    return apply("Div", [as_expression(a), as_expression(b)])


@ufunc("reciprocal")
def reciprocal(x: Any) -> Expression:
    return divide(1.0, x)


@ufunc("positive")
def positive(x: Any) -> Expression:
    return as_expression(x)


@ufunc("square")
def square(x: Any) -> Expression:
    """x * x; the square of a Euclidean norm is the sum of squares itself, which is smooth at 0."""
    x = as_expression(x)
    return x.inputs[0] if is_norm(x) else apply("Mul", [x, x])


def is_norm(x: Expression) -> bool:
    """Sqrt(ReduceSum(Mul(u, u)))."""
    for name in ("Sqrt", "ReduceSum"):
        if x.operator is None or x.operator.name != name:
            return False
        x = x.inputs[0]
    return x.operator is not None and x.operator.name == "Mul" and x.inputs[0] is x.inputs[1]


@ufunc("power")
def power(base: Any, exponent: Any) -> Expression:
    special: dict[float | None, Rule] = {1.0: positive, 2.0: square, 0.5: sqrt, -1.0: reciprocal}
    number = constant_value(exponent)
    if number in special:
        return special[number](base)
    return apply("Pow", [as_expression(base), as_expression(exponent)])


ufunc_rules["float_power"] = power


# ---- exponentials and logarithms ----------------------------------------------


@ufunc("exp2")
def exp2(x: Any) -> Expression:
    return power(2.0, x)


@ufunc("log2")
def log2(x: Any) -> Expression:
    return log(x) / math.log(2.0)


@ufunc("log10")
def log10(x: Any) -> Expression:
    return log(x) / math.log(10.0)


@ufunc("expm1")
def expm1(x: Any) -> Expression:
    """tanh(x/2) (exp(x) + 1): nothing cancels."""
    x = as_expression(x)
    return tanh(x * 0.5) * (exp(x) + 1.0)


@ufunc("logaddexp")
def logaddexp(a: Any, b: Any) -> Expression:
    """a + softplus(b - a)."""
    return add(a, softplus(subtract(b, a)))


@ufunc("log_expit")
def log_expit(x: Any) -> Expression:
    return -softplus(-as_expression(x))


# ---- trigonometric and hyperbolic ----------------------------------------------


def scale_by(factor: float) -> Rule:
    return lambda x: multiply(x, factor)


ufunc_rules["deg2rad"] = ufunc_rules["radians"] = scale_by(math.pi / 180.0)
ufunc_rules["rad2deg"] = ufunc_rules["degrees"] = scale_by(180.0 / math.pi)


@ufunc("hypot")
def hypot(a: Any, b: Any) -> Expression:
    return sqrt(square(a) + square(b))


# ---- with kinks ----------------------------------------------


def limit(x: Expression, bound: float, side: str) -> Expression:
    return apply("Clip", [x], {side: bound})


@ufunc("maximum")
def maximum(a: Any, b: Any) -> Expression:
    """With one number relu or a one-sided clip; of two equal ones, the first counts."""
    for x, other in ((a, b), (b, a)):
        bound = constant_value(other)
        if bound is not None:
            x = as_expression(x)
            return apply("Relu", [x]) if bound == 0.0 else limit(x, bound, "lower")
    return apply("Max", [as_expression(b), as_expression(a)])


@ufunc("minimum")
def minimum(a: Any, b: Any) -> Expression:
    """With one number a one-sided clip; of two equal ones, the first counts."""
    for x, other in ((a, b), (b, a)):
        bound = constant_value(other)
        if bound is not None:
            return limit(as_expression(x), bound, "upper")
    return apply("Min", [as_expression(b), as_expression(a)])


ufunc_rules["fmax"], ufunc_rules["fmin"] = maximum, minimum


@array_function(np.clip)
@ufunc("clip")
def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Expression:  # noqa: A002
    """The core's Clip for numbers, maximum and minimum for arrays."""
    x = as_expression(x)
    lower, upper = (a_min if min is None else min), (a_max if max is None else max)
    bounds = {side: constant_value(bound) for side, bound in (("lower", lower), ("upper", upper)) if bound is not None}
    if None not in bounds.values():
        return apply("Clip", [x], bounds) if bounds else x
    x = x if lower is None else maximum(x, lower)
    return x if upper is None else minimum(x, upper)


# NumPy's loops over object arrays call these by name: np.tanh(np.array([x[0], x[1]])).
def as_method(name: str) -> Callable[[Expression], Expression]:
    def method(self: Expression) -> Expression:
        return ufunc_rules[name](self)

    method.__name__ = name
    method.__doc__ = f"`np.{name}` of every element."
    return method


for _name in (
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "floor",
    "log",
    "log10",
    "log2",
    "rad2deg",
    "rint",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
):
    setattr(Expression, _name, as_method(_name))
