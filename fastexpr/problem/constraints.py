"""`Problem.subject_to` and `minimize`: constraints and the objective as the user states them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.errors import ShapeError
from fastexpr.expression import Expression
from fastexpr.expression.operands import constant
from fastexpr.expression.relation import Relation
from fastexpr.problem.arguments import as_limits, limit_of, require_limits
from fastexpr.problem.parameters import as_bound
from fastexpr.problem.statement import Auxiliaries, Constraint, Statement


def constraint_of(
    statement: Statement, expression: Expression | Relation, limits: dict[str, Any], name: str | None
) -> Constraint:
    """The rows that an expression with limits, or a relation, is."""
    if isinstance(expression, Relation):
        if limits:
            raise ValueError(
                f"[Problem] a relation goes with no further limit: got {', '.join(limits)}. What to do: state two "
                "constraints, or subject_to(g, lower=..., upper=...)."
            )
        expression, limits = limit_of(expression)
    if not isinstance(expression, Expression):
        raise TypeError(
            f"[Problem] a constraint needs an Expression of the problem's variables: got {type(expression).__name__}."
        )
    require_limits(limits)
    limits = {side: as_bound(limit) for side, limit in limits.items()}
    for side, limit in limits.items():
        if isinstance(limit, Expression):
            if len(limits) > 1:
                raise ValueError("[Problem] an Expression as a limit goes with no other limit: state two constraints.")
            expression, limits[side] = expression - limit, 0.0
    if expression.size == 0:
        raise ShapeError(f"[Problem] a constraint needs elements: got shape {expression.shape}.")
    statement.require_own(expression)
    name = name or f"constraint {len(statement.constraints)}"
    low, high = as_limits(limits, expression.shape, name, statement.names_of(expression))
    return Constraint(expression, low, high, name)


def set_limits(statement: Statement, constraint: Constraint, limits: dict[str, Any]) -> None:
    """Other limits, all of them."""
    require_own(statement, constraint)
    require_limits(limits)
    expression = constraint.expression
    names = statement.names_of(expression)
    constraint.lower, constraint.upper = as_limits(limits, expression.shape, constraint.name, names)


def remove(statement: Statement, constraint: Constraint) -> None:
    """Takes a constraint out, unless a network needs it."""
    require_own(statement, constraint)
    if any(isinstance(entry, Auxiliaries) and entry.constraint is constraint for entry in statement.definitions):
        raise ValueError(f"[Problem] {constraint.name!r} belongs to a network and stays.")
    statement.constraints.remove(constraint)


def set_objective(statement: Statement, objective: Expression | float, sign: float) -> None:
    if statement.objective is not None:
        raise ValueError("[Problem] there is an objective already: a problem has exactly one.")
    if isinstance(objective, int | float | np.number) and np.isfinite(objective):
        objective = constant(np.asarray(float(objective)))
        statement.objective, statement.sign = objective, sign
        return
    if not isinstance(objective, Expression):
        kind = type(objective).__name__
        raise TypeError(f"[Problem] the objective must be an Expression of the problem's variables: got {kind}.")
    if objective.size != 1:
        raise ShapeError(f"[Problem] the objective must be one number: got shape {objective.shape}. Sum it, say.")
    statement.require_own(objective)
    statement.objective, statement.sign = objective, sign


def require_own(statement: Statement, constraint: Constraint) -> None:
    if not any(constraint is own for own in statement.constraints):
        raise KeyError(f"[Problem] no constraint of this problem: {constraint!r}. What subject_to gave is one.")
