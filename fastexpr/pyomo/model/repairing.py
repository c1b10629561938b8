"""Moves a Pyomo model's solution into the cells that it claims; see `fastexpr.formulations.repair`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse
from pyomo.common.collections import ComponentMap
from pyomo.core.base.block import Block
from pyomo.core.expr.visitor import identify_variables
from pyomo.environ import Constraint, Objective, SOSConstraint, maximize, value
from pyomo.gdp import Disjunct
from pyomo.repn import generate_standard_repn

from fastexpr.errors import ModelError
from fastexpr.formulations.affine import Affine, widened
from fastexpr.formulations.building import Builder
from fastexpr.formulations.cuts import Cuts
from fastexpr.formulations.repair import Linear, Repair, moved_inside
from fastexpr.pyomo.model.building import starting_value

TOLERANCE = 1e-6  # relative: the networks say the same as the model


def repair(block: Any) -> Repair:
    """Moves all continuous variables of the block's model; or leaves them, and says why."""
    model = block.model()
    blocks = algebra_blocks(model)
    reader = Reader(model)
    for other in blocks:
        for scalar in other._columns:
            reader.place(scalar)
    if all(variable.value is None for variable in reader.variables if not variable.fixed):
        raise ModelError(
            f"[NetworkBlock '{block.name}'] has no solution yet: variables have no values. Solve the model."
        )
    linear, values = reader.linear()
    cuts = [reader.cuts(other, found) for other in blocks for found in other._builder.algebra.cuts]
    if not cuts and all(says_the_same(other) for other in blocks):
        return Repair(True, "the networks say what the model says; there are no trees, and nothing was moved", np.inf)
    moved = moved_inside(linear, values, cuts)
    if moved is None:
        return Repair(
            False,
            "no point of the chosen cells keeps away from their thresholds and satisfies the model's linear "
            "constraints: nothing was changed. What to do: solve again with a larger margin, "
            "NetworkBlock(..., margin=1e-4).",
        )
    before = [variable.value for variable in reader.variables]
    reader.set_values(moved[0])
    wrong = next((other for other in blocks if not says_the_same(other)), None)
    if wrong is not None:
        reader.set_values(before)
        return Repair(
            False,
            f"[NetworkBlock '{wrong.name}'] the network does not say what the model says, inside the chosen cells, "
            "either: nothing was changed. What to do: tighten the solver's tolerances, and solve again.",
        )
    distances = [abs(found.x.at(moved[0])[0] - found.x.at(values)[0]) / (found.upper - found.lower) for found in cuts]
    if not cuts:
        return Repair(True, "the model holds no trees; its variables fit each other", float("inf"))
    return Repair(
        True,
        f"all trees say what the model says; the nearest threshold is {moved[1]:.3g} of its input's width away",
        moved[1],
        float(max(distances)),
    )


def algebra_blocks(model: Any) -> list[Any]:
    """The model's NetworkBlocks that are algebra, and in force."""
    return [
        block
        for block in model.component_data_objects(Block, descend_into=(Block, Disjunct))
        if isinstance(getattr(block, "_builder", None), Builder) and is_in_force(block)
    ]


def is_in_force(block: Any) -> bool:
    """Whether a block and all that it is part of is active, and disjuncts are chosen: those that were transformed are
    not active.
    """
    while block is not None:
        if block.ctype is Disjunct:
            if (value(block.binary_indicator_var, exception=False) or 0.0) < 0.5:
                return False
        elif not block.active:
            return False
        block = block.parent_block()
    return True


def says_the_same(block: Any) -> bool:
    """Whether a network's value at its inputs is what the block's variables say."""
    own = block._evaluate()
    claimed = np.array([value(scalar) for scalar in block._results.values()])
    return bool((abs(own - claimed) <= TOLERANCE * np.maximum(1.0, abs(own))).all())


class Reader:
    """The variables of a model by place, and its linear constraints.

    Attributes
    ----------
    variables : list of VarData
    """

    def __init__(self, model: Any) -> None:
        self.variables: list[Any] = []
        self._places: Any = ComponentMap()
        self._rows: list[tuple[list[int], list[float], float, float]] = []
        self._kept: set[int] = set()
        for constraint in model.component_data_objects(Constraint, active=True, descend_into=True):
            self._read(constraint)
        for pairs in model.component_data_objects(SOSConstraint, active=True, descend_into=True):
            # Which one of a pair is zero stays as it is.
            self._kept |= {self.place(variable) for variable in pairs.variables if abs(variable.value or 0.0) <= 1e-9}
        self.objective: dict[int, float] = {}
        self._curved: list[Any] = []  # objectives that are not linear
        for objective in model.component_data_objects(Objective, active=True, descend_into=True):
            self._read_objective(objective)

    def place(self, variable: Any) -> int:
        """Where a variable stands."""
        if variable not in self._places:
            self._places[variable] = len(self.variables)
            self.variables.append(variable)
        return int(self._places[variable])

    def _keep(self, expression: Any) -> None:
        self._kept |= {self.place(variable) for variable in identify_variables(expression, include_fixed=False)}

    def _read(self, constraint: Any) -> None:
        found = generate_standard_repn(constraint.body, quadratic=False)
        if not found.is_linear():
            self._keep(constraint.body)
            return
        places = [self.place(variable) for variable in found.linear_vars]
        low = -np.inf if constraint.lb is None else constraint.lb - found.constant
        high = np.inf if constraint.ub is None else constraint.ub - found.constant
        self._rows.append((places, [float(c) for c in found.linear_coefs], float(low), float(high)))

    def _read_objective(self, objective: Any) -> None:
        sign = -1.0 if objective.sense == maximize else 1.0
        found = generate_standard_repn(objective.expr, quadratic=True)
        self._curved += [] if found.is_linear() else [(sign, objective)]
        if found.nonlinear_expr is not None:
            self._keep(found.nonlinear_expr)
        for coefficient, variable in zip(found.linear_coefs, found.linear_vars, strict=True):
            self._add_cost(variable, sign * coefficient)
        for coefficient, (first, second) in zip(found.quadratic_coefs, found.quadratic_vars, strict=True):
            self._add_cost(first, sign * coefficient * (second.value or 0.0))
            self._add_cost(second, sign * coefficient * (first.value or 0.0))

    def _add_cost(self, variable: Any, number: float) -> None:
        place = self.place(variable)
        self.objective[place] = self.objective.get(place, 0.0) + float(number)

    def linear(self) -> tuple[Linear, Any]:
        """The linear part, and the variables' values."""
        n = len(self.variables)
        counts = [len(places) for places, *_ in self._rows]
        A = scipy.sparse.csr_array(
            (
                np.concatenate([np.array(row[1], float) for row in self._rows] or [np.zeros(0)]),
                np.concatenate([np.array(row[0], np.int64) for row in self._rows] or [np.zeros(0, np.int64)]),
                np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            ),
            shape=(len(self._rows), n),
        )
        A.sum_duplicates()
        cost = np.zeros(n)
        for place, number in self.objective.items():
            cost[place] = number
        kept = np.array([place in self._kept or variable.fixed for place, variable in enumerate(self.variables)], bool)
        bounds = [variable.bounds for variable in self.variables]
        return (
            Linear(
                A,
                np.array([row[2] for row in self._rows]),
                np.array([row[3] for row in self._rows]),
                np.array([-np.inf if low is None else low for low, _ in bounds]),
                np.array([np.inf if high is None else high for _, high in bounds]),
                kept,
                np.array([not variable.is_continuous() for variable in self.variables], bool),
                cost,
                self._value if self._curved else None,
            ),
            np.array([starting_value(variable) for variable in self.variables], float),
        )

    def _value(self, values: Any) -> float:
        """Of the objective, where it is not linear."""
        before = [variable.value for variable in self.variables]
        self.set_values(values)
        found = sum(sign * value(objective.expr) for sign, objective in self._curved)
        self.set_values(before)
        return float(found)

    def cuts(self, block: Any, found: Cuts) -> Cuts:
        """A block's cuts, in terms of the model's places."""
        places = np.array([self.place(variable) for variable in block._columns], np.int64)
        matrix = found.x.matrix
        moved = scipy.sparse.csr_array(
            (matrix.data, places[matrix.indices], matrix.indptr), shape=(1, len(self.variables))
        )
        x = Affine(widened(moved, len(self.variables)), found.x.constant)
        return replace(found, x=x, columns=places[found.columns])

    def set_values(self, values: Any) -> None:
        """Gives free variables these values."""
        for variable, number in zip(self.variables, values, strict=True):
            if not variable.fixed:
                variable.set_value(None if number is None else float(number), skip_validation=True)
