"""Networks with rounded kinks, and how far that moves their outputs at most.

    |u|        becomes  s(u) = sqrt(u^2 + w^2),  between |u| and |u| + w
    max(u, 0)  becomes  (u + s(u)) / 2,          and so on: every kinked operator is made of |u|
    max over k members becomes t log(sum(exp(u / t))) with t = w / (2 log k), between the maximum and that plus w / 2

The width w is the same for all units. Errors of units add up on their way to the outputs: through a matrix W as |W| e,
through a function of one number by its largest slope. That bound is what the width is chosen by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastexpr._core import Function, Operator
from fastexpr.errors import GraphError
from fastexpr.function.error_bound import error_bound
from fastexpr.function.variants import rebuild

#: Of the smoothed function's error, so much may be missing to what was asked for.
CLOSE = 0.9

STEPS = ("Less", "LessOrEqual", "Equal", "Sign", "Floor", "Ceil", "Round", "Mod", "Quantize", "Hardmax", "TreeEnsemble")


def smoothed(self: Function, error: float = 1e-3) -> Function:
    """The function with every kink rounded: it is smooth, and its outputs are within `error` of this one's.

    That holds for all x, or, where a product of two values that both depend on x or a function of unbounded slope lies
    behind a kink, for x within the function's bounds. ReLUs become (u + sqrt(u^2 + w^2)) / 2, all other kinks what
    follows from it, with a width w of at most `error` and as large as a bound on the error allows: a unit's error times
    the sizes of all weights on its way to the outputs. The error that a point really has is mostly far smaller.

    Parameters
    ----------
    error : float
        Of each output, in its own unit, at most.

    Returns
    -------
    Function
        With the same names, units and bounds; this one itself where it has no kinks.

    Raises
    ------
    ValueError
        `error` is no positive number.
    fastexpr.errors.GraphError
        A part jumps (a comparison, rounding, trees), so that no smooth function is near; or there is no bound on the
        error, and the message says what would help.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> net = fx.Function(x, np.maximum([[1.0, -2.0]] @ x, 0.0))
    >>> net([2.0, 1.0]), net.smoothed(error=0.1)([2.0, 1.0]).round(6)
    (array([0.]), array([0.05]))
    """
    if not (isinstance(error, int | float | np.number) and 0.0 < error < np.inf):
        raise ValueError(f"[Function] error must be a positive number: got {error!r}.")
    nodes = self._nodes()
    for core, _, label in nodes:
        if core.name in STEPS:
            raise GraphError(
                f"[{core.name} {label!r}] jumps: no smooth function is within a given error of it. What to do: replace "
                "this part of the network, or leave it as it is."
            )
    if not any(is_kinked(core) for core, _, _ in nodes):
        return self
    width = float(error)
    for _ in range(200):
        bound = float(error_bound(self, width).max(initial=0.0))
        if bound <= error and (bound >= CLOSE * error or width >= error):
            break
        width *= min(2.0, 0.97 * error / bound) if bound > 0.0 else 2.0
    return rounded(self, width)


def rounded(function: Function, width: float, has_jumps: bool = False) -> Function:
    """The function with its kinks rounded over this width; with `has_jumps`, comparisons, too, and what they choose."""
    from fastexpr.expression.building import flatten
    from fastexpr.expression.indexing import select
    from fastexpr.expression.node import Expression, variables

    x = variables(function.n_inputs)
    values = [x]
    steps = ROUNDED_STEPS if has_jumps else {}
    for core, inputs, label in function._nodes():
        arguments = [values[k] for k in inputs]
        if is_kinked(core):
            values.append(ROUNDED[core.name](arguments, core, width))
        elif core.name in steps:
            values.append(steps[core.name](arguments, core, width))
        elif core.name == "Select":
            values.append(select(arguments[0], core.constants[0].reshape(core.shape)))
        elif core.name == "Reshape":
            values.append(arguments[0].reshape(tuple(core.shape)))
        else:
            values.append(Expression(core, tuple(arguments), tuple(core.shape), label))
    made, _ = flatten([x], [values[k] for k in function._output_ids()])
    return rebuild(function, nodes=made._nodes(), output_ids=made._output_ids())


def is_kinked(core: Operator) -> bool:
    """Whether there are kinks: Elu has none where alpha is 1."""
    return core.name in ROUNDED and (bool(core.kinks) or core.name in ("ReduceMax", "ReduceL2"))


Rounding = Callable[[list[Any], Operator, float], Any]


def distance(u: Any, width: float) -> Any:
    """For |u|."""
    return np.sqrt(u * u + width * width)


def above(u: Any, width: float) -> Any:
    """For max(u, 0)."""
    return 0.5 * (u + distance(u, width))


def clipped(u: Any, low: float, high: float, width: float) -> Any:
    """For u between two numbers, either of which may be infinite."""
    if not np.isfinite(low):
        return high - above(high - u, width) if np.isfinite(high) else u
    if not np.isfinite(high):
        return low + above(u - low, width)
    return 0.5 * (low + high + distance(u - low, width) - distance(u - high, width))


def clip(arguments: list[Any], core: Operator, width: float) -> Any:
    attributes = core.attributes
    return clipped(arguments[0], attributes.get("lower", -np.inf), attributes.get("upper", np.inf), width)


def leaky(arguments: list[Any], core: Operator, width: float) -> Any:
    u, alpha = arguments[0], core.attributes["alpha"]
    return 0.5 * (1.0 + alpha) * u + 0.5 * (1.0 - alpha) * distance(u, width)


def leaky_by_unit(arguments: list[Any], core: Operator, width: float) -> Any:
    u, slope = arguments
    return 0.5 * (1.0 + slope) * u + 0.5 * (1.0 - slope) * distance(u, width)


def largest(arguments: list[Any], core: Operator, width: float) -> Any:
    a, b = arguments
    return 0.5 * (a + b + distance(a - b, width))


def smallest(arguments: list[Any], core: Operator, width: float) -> Any:
    a, b = arguments
    return 0.5 * (a + b - distance(a - b, width))


def largest_of_all(arguments: list[Any], core: Operator, width: float) -> Any:
    from fastexpr.expression.node import apply

    members = arguments[0].size // max(1, int(np.prod(core.shape)))
    heat = width / (2.0 * np.log(max(2, members)))
    return heat * apply("ReduceLogSumExp", [arguments[0] / heat], core.attributes)


def length(arguments: list[Any], core: Operator, width: float) -> Any:
    from fastexpr.expression.node import apply

    squares = apply("ReduceSum", [arguments[0] * arguments[0]], core.attributes)
    return np.sqrt(squares + width * width)


def hard_sigmoid(arguments: list[Any], core: Operator, width: float) -> Any:
    attributes = core.attributes
    return clipped(attributes["alpha"] * arguments[0] + attributes["beta"], 0.0, 1.0, width)


def hard_swish(arguments: list[Any], core: Operator, width: float) -> Any:
    u, attributes = arguments[0], core.attributes
    return u * clipped(attributes["alpha"] * u + attributes["beta"], 0.0, 1.0, min(width, 0.5))


def elu(arguments: list[Any], core: Operator, width: float) -> Any:
    u, alpha = arguments[0], core.attributes["alpha"]
    positive = above(u, width)
    return positive + alpha * (np.exp(u - positive) - 1.0)


def selu(arguments: list[Any], core: Operator, width: float) -> Any:
    return core.attributes["gamma"] * elu(arguments, core, width)


def step(u: Any, width: float) -> Any:
    """From 0 to 1 where u passes 0."""
    return 0.5 * (1.0 + u / distance(u, width))


def chosen(arguments: list[Any], core: Operator, width: float) -> Any:
    condition, first, second = arguments
    return condition * first + (1.0 - condition) * second


#: What jumps becomes steep; no error bounds that.
ROUNDED_STEPS: dict[str, Rounding] = {
    "Less": lambda arguments, core, width: step(arguments[1] - arguments[0], width),
    "LessOrEqual": lambda arguments, core, width: step(arguments[1] - arguments[0], width),
    "Sign": lambda arguments, core, width: arguments[0] / distance(arguments[0], width),
    "Where": chosen,
}

ROUNDED: dict[str, Rounding] = {
    "Relu": lambda arguments, core, width: above(arguments[0], width),
    "Abs": lambda arguments, core, width: distance(arguments[0], width),
    "LeakyRelu": leaky,
    "PRelu": leaky_by_unit,
    "Clip": clip,
    "Max": largest,
    "Min": smallest,
    "ReduceMax": largest_of_all,
    "ReduceL2": length,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Elu": elu,
    "Selu": selu,
}
