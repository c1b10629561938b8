"""Writes a network's algebra into a Pyomo block: variables, linear rows as tuples, SOS constraints, and functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pyomo.core.base.var import VarData
from pyomo.core.expr.numeric_expr import LinearExpression
from pyomo.environ import Binary, Constraint, Integers, SOSConstraint, Var

from fastexpr.formulations.affine import Affine
from fastexpr.formulations.algebra import Algebra
from fastexpr.pyomo.formulas import Scalars, formula
from fastexpr.pyomo.limit import Limit


def write(block: Any, algebra: Algebra, inputs: Sequence[Any]) -> list[Any]:
    """The algebra as `units`, `rows`, `pairs` and `calls` of the block.

    Parameters
    ----------
    block : BlockData
        Its `check_bounds` is asked whenever somebody looks at the rows.
    algebra : Algebra
    inputs : sequence of variables, expressions and numbers
        The first columns.

    Returns
    -------
    list of variables
        One for each column. An input that is no variable has one that equals it.
    """
    lower, upper, is_integer = algebra.lower.tolist(), algebra.upper.tolist(), algebra.is_integer
    n = len(inputs)
    own = [k for k in range(n) if not isinstance(inputs[k], VarData)] + list(range(n, algebra.n_columns))
    block.units = Var(range(len(own)))
    columns: list[Any] = [*inputs, *(None for _ in range(n, algebra.n_columns))]
    for variable, k in zip(block.units.values(), own, strict=True):
        if is_integer[k]:
            variable.domain = Binary if (lower[k], upper[k]) == (0.0, 1.0) else Integers
        if lower[k] != -np.inf:
            variable.setlb(lower[k])
        if upper[k] != np.inf:
            variable.setub(upper[k])
        columns[k] = variable
    matrix, low, high = algebra.rows()
    block.rows = Constraint(range(matrix.shape[0]))
    starts, places, numbers = matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist()
    limits = [[None if np.isinf(limit) else limit for limit in side.tolist()] for side in (low, high)]
    if limits[0]:  # once is enough
        limits[0][0], limits[1][0] = (None if limit[0] is None else Limit(limit[0], block) for limit in limits)
    for row, (first, stop, least, most) in enumerate(zip(starts, starts[1:], *limits, strict=False)):
        variables = [columns[k] for k in places[first:stop]]
        body = LinearExpression(linear_coefs=numbers[first:stop], linear_vars=variables)
        block.rows[row] = (least, body, most) if low[row] != high[row] else (body, least)
    links = [k for k in own if k < n]
    if links:
        block.links = Constraint(links)
        for k in links:
            block.links[k] = columns[k] == inputs[k]
    _write_pairs(block, algebra, columns)
    _write_calls(block, algebra, columns)
    return columns


def _write_pairs(block: Any, algebra: Algebra, columns: list[Any]) -> None:
    pairs = np.concatenate(algebra.pairs).tolist() if algebra.pairs else []
    if pairs:
        variables = {number: [columns[k] for k in pair] for number, pair in enumerate(pairs)}
        block.pairs = SOSConstraint(range(len(pairs)), rule=lambda _, number: (variables[number], [1, 2]), sos=1)


def _write_calls(block: Any, algebra: Algebra, columns: list[Any]) -> None:
    if not algebra.calls:
        return
    block.calls = Constraint(range(sum(call.columns.size for call in algebra.calls)))
    number = 0
    for call in algebra.calls:
        arguments: list[Scalars] = [expressions(z, columns) for z in call.inputs]
        for column, body in zip(call.columns.tolist(), formula(call.operator, arguments, call.label), strict=True):
            variable = columns[column]
            block.calls[number] = {"==": variable == body, ">=": variable >= body, "<=": variable <= body}[call.sense]
            number += 1


def expressions(z: Affine, columns: Sequence[Any]) -> list[Any]:
    """Each unit as a number, a variable, or a linear expression."""
    starts, places, numbers = z.matrix.indptr.tolist(), z.matrix.indices.tolist(), z.matrix.data.tolist()
    found: list[Any] = []
    for first, stop, constant in zip(starts, starts[1:], z.constant.tolist(), strict=False):
        if first == stop:
            found.append(constant)
        elif stop == first + 1 and numbers[first] == 1.0 and constant == 0.0:
            found.append(columns[places[first]])
        else:
            variables = [columns[k] for k in places[first:stop]]
            found.append(LinearExpression(constant=constant, linear_coefs=numbers[first:stop], linear_vars=variables))
    return found
