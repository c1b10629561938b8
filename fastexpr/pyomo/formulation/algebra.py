"""Writes a network's algebra into a Pyomo block: variables, linear rows as tuples, SOS constraints, and functions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from pyomo.core.base.var import VarData
from pyomo.core.expr.numeric_expr import LinearExpression, MonomialTermExpression
from pyomo.core.expr.relational_expr import EqualityExpression, InequalityExpression, RangedExpression
from pyomo.environ import Binary, Constraint, Integers, Reals, SOSConstraint, Var
from pyomo.mpec import Complementarity, complements

from fastexpr.formulations.affine import Affine
from fastexpr.formulations.algebra import Algebra
from fastexpr.pyomo.bounds.limit import Limit
from fastexpr.pyomo.formulation.formulas import Scalars, formula


class Columns(list[Any]):
    """The variable of each column.

    Attributes
    ----------
    per_unit : dict
        By column, what its variable is multiplied by to have no unit.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        super().__init__(variables)
        self.per_unit: dict[int, Any] = {}

    def factors(self, places: list[int], numbers: list[float]) -> list[Any]:
        """Numbers that these columns are multiplied by, with their units."""
        if not self.per_unit:
            return numbers
        return [
            number * self.per_unit[k] if k in self.per_unit else number
            for k, number in zip(places, numbers, strict=True)
        ]


def write(
    block: Any, algebra: Algebra, inputs: Sequence[Any], units: Sequence[Any] | None = None, pairs: type = SOSConstraint
) -> Columns:
    """The algebra as `binaries`, `units`, `rows`, `pairs` and `calls` of the block.

    Parameters
    ----------
    block : BlockData
        Its `check_bounds` is asked whenever somebody looks at the rows.
    algebra : Algebra
    inputs : sequence of variables, expressions and numbers
        The first columns.
    units : sequence of units and None, optional
        Of the inputs. All else is without units.
    pairs : {SOSConstraint, Complementarity}
        The component that says of pairs of columns that one is zero.

    Returns
    -------
    Columns
        An input that is no variable has one that equals it.
    """
    n = len(inputs)
    columns = Columns([*inputs, *(None for _ in range(n, algebra.n_columns))])
    own = [k for k in range(n) if not isinstance(inputs[k], VarData)] + list(range(n, algebra.n_columns))
    _write_columns(block, algebra, own, columns)
    per_unit = {k: 1 / unit for k, unit in enumerate(units or ()) if unit is not None}
    columns.per_unit = {k: factor for k, factor in per_unit.items() if columns[k] is inputs[k]}
    _write_rows(block, algebra, columns)
    links = [k for k in own if k < n]
    if links:
        block.links = Constraint(links)
        for k in links:
            block.links[k] = columns[k] == (inputs[k] * per_unit[k] if k in per_unit else inputs[k])
    _write_pairs(block, algebra, columns, pairs)
    _write_calls(block, algebra, columns)
    return columns


def _write_columns(block: Any, algebra: Algebra, own: list[int], columns: Columns) -> None:
    """`binaries` and `units`, of which nearly all are made alike: Pyomo looks at what differs one by one."""
    lower, upper, is_integer = algebra.lower.tolist(), algebra.upper.tolist(), algebra.is_integer.tolist()
    binaries = [k for k in own if is_integer[k] and (lower[k], upper[k]) == (0.0, 1.0)]
    is_binary = set(binaries)
    units = [k for k in own if k not in is_binary]
    for name, places, domain in (("binaries", binaries, Binary), ("units", units, Reals)):
        if not places:
            continue
        variables = Var(range(len(places)), domain=domain)
        block.add_component(name, variables)
        for k, variable in zip(places, variables.values(), strict=True):
            columns[k] = variable
    for k in units:
        if is_integer[k]:
            columns[k].domain = Integers
        if lower[k] != -np.inf:
            columns[k].setlb(lower[k])
        if upper[k] != np.inf:
            columns[k].setub(upper[k])


def _write_rows(block: Any, algebra: Algebra, columns: Columns) -> None:
    """Rows as Pyomo keeps them: what operators would make of tuples, without their dispatch for each number."""
    matrix, low, high = algebra.rows()
    starts, places = matrix.indptr.tolist(), matrix.indices.tolist()
    numbers = columns.factors(places, matrix.data.tolist())
    limits: list[list[Any]] = [low.tolist(), high.tolist()]
    if limits[0]:  # once is enough
        limits[0][0], limits[1][0] = (limit[0] if np.isinf(limit[0]) else Limit(limit[0], block) for limit in limits)
    is_equal, has_least, has_most = ((low == high).tolist(), np.isfinite(low).tolist(), np.isfinite(high).tolist())
    found: list[Any] = []
    for row, (first, stop, least, most) in enumerate(zip(starts, starts[1:], *limits, strict=False)):
        body = linear([columns[k] for k in places[first:stop]], numbers[first:stop])
        if is_equal[row]:
            found.append(EqualityExpression((body, least)))
        elif has_least[row] and has_most[row]:
            found.append(RangedExpression((least, body, most), (False, False)))
        elif has_least[row] or has_most[row]:
            found.append(InequalityExpression((least, body) if has_least[row] else (body, most), False))
        else:
            found.append(Constraint.Skip)
    block.rows = Constraint(range(len(found)), rule=functools.partial(_given, found))
    found.clear()


def _given(entries: list[Any], _: Any, index: int) -> Any:
    """A rule of components whose members are there already; unlike a local function, it pickles."""
    return entries[index]


def linear(variables: list[Any], numbers: list[Any], constant: float = 0.0) -> Any:
    """numbers @ variables + constant; a variable times 1 is that variable, which is half the objects."""
    terms = [
        variable if number.__class__ is float and number == 1.0 else MonomialTermExpression((number, variable))
        for number, variable in zip(numbers, variables, strict=True)
    ]
    return LinearExpression([constant, *terms] if constant else terms)


def _write_pairs(block: Any, algebra: Algebra, columns: list[Any], kind: type) -> None:
    pairs = np.concatenate(algebra.pairs).tolist() if algebra.pairs else []
    if not pairs:
        return
    of_columns = [[columns[k] for k in pair] for pair in pairs]
    if kind is SOSConstraint:
        found: list[Any] = [(pair, [1, 2]) for pair in of_columns]
        block.pairs = SOSConstraint(range(len(pairs)), rule=functools.partial(_given, found), sos=1)
    else:
        found = [complements(first >= 0.0, second >= 0.0) for first, second in of_columns]
        block.pairs = Complementarity(range(len(pairs)), rule=functools.partial(_given, found))
    found.clear()


def _write_calls(block: Any, algebra: Algebra, columns: Columns) -> None:
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


def expressions(z: Affine, columns: Columns) -> list[Any]:
    """Each unit as a number, a variable, or a linear expression."""
    starts, places = z.matrix.indptr.tolist(), z.matrix.indices.tolist()
    numbers = columns.factors(places, z.matrix.data.tolist())
    found: list[Any] = []
    for first, stop, constant in zip(starts, starts[1:], z.constant.tolist(), strict=False):
        variables = [columns[k] for k in places[first:stop]]
        body = linear(variables, numbers[first:stop], constant) if variables else constant
        is_variable = len(variables) == 1 and constant == 0.0 and body.args[0] is variables[0]
        found.append(variables[0] if is_variable else body)
    return found
