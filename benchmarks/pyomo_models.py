"""Pyomo models of any size: one with repeated structure, one without. Eleven expression nodes a constraint or so."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo
from pyomo.core.expr.visitor import sizeof_expression

Scalar = Any  # a Pyomo expression of one number
BAND = 5  # variables that a constraint of the random model may see


def chain(n_constraints: int) -> Any:
    """A band of equations of four forms in turn, as a discretised system of differential equations has them.

    Each equation is ruled by its middle variable, so that Newton's method needs a few steps.
    """
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(n_constraints + 2), initialize=1.0, bounds=(-5, 5))
    x = model.x

    def equation(model: Any, i: int) -> Any:
        left, middle, right = x[i], x[i + 1], x[i + 2]
        if i % 4 == 0:
            body = 4 * middle + pyo.exp(-left) * pyo.sin(right)
        elif i % 4 == 1:
            body = middle**3 + 4 * middle + left * right
        elif i % 4 == 2:
            body = 4 * middle + left**2 / (2 + pyo.cos(right))
        else:
            body = 4 * middle + left / (1 + right**2)
        return body == 4

    model.equations = pyo.Constraint(range(n_constraints), rule=equation)
    model.distance = pyo.Objective(expr=sum((x[i] - 1) ** 2 for i in range(0, n_constraints, 10)))
    return model


def random_expressions(n_constraints: int) -> Any:
    """A band of equations with an expression drawn anew for each: nothing repeats that a compiler could gain from."""
    draw = random.Random(7)
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(n_constraints + BAND), initialize=0.5, bounds=(-5, 5))
    x = model.x

    def equation(model: Any, i: int) -> Any:
        return 8 * x[i + 1] + random_expression(draw, [x[i + k] for k in range(BAND)], 2) == 4

    model.equations = pyo.Constraint(range(n_constraints), rule=equation)
    model.distance = pyo.Objective(expr=sum((x[i] - 1) ** 2 for i in range(0, n_constraints, 10)))
    return model


#: Smooth functions of one number, finite for every argument, with slopes of about 1.
ONE_ARGUMENT: list[Callable[[Scalar], Scalar]] = [
    pyo.sin,
    pyo.cos,
    pyo.tanh,
    pyo.atan,
    lambda a: pyo.sqrt(1 + a**2),
    lambda a: pyo.exp(-(a**2)),
    lambda a: pyo.log(2 + a**2),
]
TWO_ARGUMENTS: list[Callable[[Scalar, Scalar], Scalar]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / (2 + pyo.cos(b)),
]


def random_expression(draw: random.Random, leaves: list[Scalar], depth: int) -> Scalar:
    """Functions drawn anew at every level, down to leaves."""
    if depth == 0:
        return draw.choice(leaves)
    first = random_expression(draw, leaves, depth - 1)
    if draw.random() < 0.4:
        return draw.choice(ONE_ARGUMENT)(first)
    return draw.choice(TWO_ARGUMENTS)(first, random_expression(draw, leaves, draw.randrange(depth)))


MAKERS: dict[str, Callable[[int], Any]] = {"chain": chain, "random": random_expressions}


def count_nodes(model: Any) -> int:
    """Operators, functions and leaves of all constraints and the objective, as Pyomo counts them."""
    parts = [*model.component_data_objects(pyo.Constraint), *model.component_data_objects(pyo.Objective)]
    return sum(sizeof_expression(part.body if part.ctype is pyo.Constraint else part.expr) for part in parts)
