"""A Pyomo model compiled into a nonlinear program."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.common.gc_manager import PauseGC
from pyomo.common.numeric_types import value
from pyomo.core.base.var import VarData
from pyomo.environ import maximize

from fastexpr._missing_core import explain
from fastexpr.errors import ModelError
from fastexpr.nlp import Nlp, Vector
from fastexpr.nlp.arrays import Arrays

try:
    import fastexpr.pyomo.compile.reading as reading
    from fastexpr.pyomo.compile.walker import Walker
except ImportError as error:
    if error.name not in ("fastexpr.pyomo.compile.reading", "fastexpr.pyomo.compile.walker"):
        raise
    raise ImportError(explain(error, error.name)) from None

from fastexpr.pyomo.compile.components import (
    SHOWN,
    active_constraints,
    active_objectives,
    check_model,
    check_variables,
    listed,
    unsupported_components,
)
from fastexpr.pyomo.compile.foreign import Targets

#: How far a constraint without variables may be from its limits, and a fixed variable from its bounds, as in Pyomo's
#: NLWriter.
CONSTANT_TOLERANCE = 1e-8


class CompiledModel:
    """A nonlinear program, and which parts of a Pyomo model its columns and rows are.

    It holds what Pyomo's NLWriter would write: active constraints that have a limit, the active objective (none means
    zero), and the variables that occur in them, wherever they are declared. Fixed variables and mutable Params are
    parameters of the program, so that `refresh` can give them other values. A variable that is fixed afterwards stays a
    column, with equal bounds.

    Contradictory bounds and limits are the solver's to find. Constraints in which nothing varies are rows, too; where
    one holds it has no limits, for equations without variables would leave a solver with too few degrees of freedom.

    Parameters
    ----------
    model : BlockData
        A constructed model, or one of its blocks.
    has_hessian : bool
        Whether second derivatives are compiled: not wanted by a solver that approximates them.

    Attributes
    ----------
    nlp : Nlp
        Minimizes sign * objective.
    variables : list of VarData
        Column j of x.
    constraints : list of ConstraintData
        Row i of g.
    parameters : (n_parameters,) array
        The values of fixed variables and mutable Params now.
    objective : ObjectiveData or None
    sign : float
        -1.0 where the objective is maximized, else 1.0.

    Raises
    ------
    ModelError
        A part of the model cannot be compiled; all components that cannot are named.
    """

    def __init__(self, model: Any, has_hessian: bool = True) -> None:
        check_model(model)
        objectives = active_objectives(model)
        if len(objectives) > 1:
            raise ModelError(
                f"[Model '{model.name}'] has several active objectives: {listed(objectives)}. What to do: deactivate "
                "all but one."
            )
        self.model = model
        self.objective = objectives[0] if objectives else None
        self.sign = -1.0 if objectives and objectives[0].sense == maximize else 1.0
        targets = Targets()
        self._walked = Walker(targets)
        with PauseGC():
            root = 0.0 if self.objective is None else self.objective
            objective = self._walked.add_expression(root, self.objective, is_negated=self.sign < 0.0)
            self._walked.add_constraints(active_constraints(model))
        self._objective_expression = None if self.objective is None else self.objective._args_[0]
        self.variables: list[Any] = self._walked.variables
        self.constraints: list[Any] = self._walked.row_constraints
        check_variables(model, self.variables)
        targets.warn_of_slow_ones()
        opcodes, counts, operands, constants, rows = self._walked.take_arrays()
        n, n_parameters = len(self.variables), len(self._walked.parameters)
        arrays = Arrays(opcodes, counts, operands, constants, n, n_parameters, objective, rows, targets.functions)
        self._arrays = arrays if arrays.has_calls else None
        self._functions = arrays.compile(has_hessian)
        self._fixed = [part for part in self._walked.parameters if isinstance(part, VarData)]
        self._read_parameters()
        self.nlp = Nlp(
            *reading.variable_data(self.variables),
            *self._limits(),
            self._functions,
            variable_name=lambda column: str(self.variables[column].name),
            row_name=lambda row: str(self.constraints[row].name),
            owner=f"Model '{model.name}'",
            arrays=self._arrays,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle, as results that name their model have it, holds the model: compiled where it arrives."""
        return compile_model, (self.model, self.has_hessian)

    @property
    def has_hessian(self) -> bool:
        """Whether second derivatives were compiled."""
        return bool(self._functions.has_hessian)

    def refresh(self) -> None:
        """Reads again what may change without compiling: values of mutable Params and fixed variables, bounds, starting
        values and limits.

        Raises
        ------
        ModelError
            One of them is missing, or no number; a variable is fixed outside its bounds.
        """
        self._read_parameters()
        self.nlp.start, self.nlp.lower, self.nlp.upper = self._with_fixed(*reading.variable_data(self.variables))
        self.nlp.constraint_lower, self.nlp.constraint_upper = self._limits()
        self.nlp.reset_evaluations()

    def _read_parameters(self) -> None:
        self._require_within(self._fixed, *reading.variable_data(self._fixed))
        parameters = reading.parameter_values(self._walked.parameters)
        self._functions.set_parameters(parameters)
        self.parameters = parameters
        if self._arrays is not None:
            self._arrays.parameters = parameters

    def _with_fixed(self, start: Vector, lower: Vector, upper: Vector) -> tuple[Vector, Vector, Vector]:
        """With the columns that were fixed since between equal bounds."""
        if not reading.are_fixed(self.variables, False):
            places = np.flatnonzero([variable.fixed for variable in self.variables])
            fixed = [self.variables[j] for j in places.tolist()]
            values = reading.parameter_values(fixed)
            self._require_within(fixed, values, lower[places], upper[places])
            for side in (start, lower, upper):
                side[places] = values
        return start, lower, upper

    def _rows_are_left(self) -> bool:
        """Whether every row in which a variable was free still has one: what is constant is no row for a solver."""
        if reading.are_fixed(self.variables, False):
            return True
        nlp = self.nlp
        is_free = np.array([not variable.fixed for variable in self.variables])
        had, has = np.zeros(nlp.m, dtype=bool), np.zeros(nlp.m, dtype=bool)
        had[nlp.jacobian_rows] = True
        has[nlp.jacobian_rows[is_free[nlp.jacobian_columns]]] = True
        return bool(is_free.any() and (has == had).all())

    def _require_within(self, fixed: list[Any], values: Vector, lower: Vector, upper: Vector) -> None:
        wrong = np.flatnonzero((values < lower - CONSTANT_TOLERANCE) | (values > upper + CONSTANT_TOLERANCE))
        if wrong.size:
            shown = ", ".join(
                f"'{fixed[k].name}' at {values[k]} outside [{lower[k]}, {upper[k]}]" for k in wrong[:SHOWN].tolist()
            )
            raise ModelError(
                f"[Model '{self.model.name}'] has variables that are fixed outside their bounds, so that no point is "
                f"feasible: {shown}. What to do: fix them elsewhere, or change their bounds."
            )

    def _limits(self) -> tuple[Vector, Vector]:
        walked = self._walked
        lower, upper = reading.limits(self.constraints, walked.lower, walked.upper)
        for row in walked.constant_rows:
            body = constant_value(self.constraints[row])
            if lower[row] - CONSTANT_TOLERANCE <= body <= upper[row] + CONSTANT_TOLERANCE:
                lower[row], upper[row] = -np.inf, np.inf
        return lower, upper

    def is_current(
        self,
        *,
        check_for_new_or_removed_constraints: bool = True,
        check_for_new_objective: bool = True,
        update_constraints: bool = True,
        update_vars: bool = True,
        update_named_expressions: bool = True,
        update_objective: bool = True,
        **others: bool,
    ) -> bool:
        """Whether the model still has the structure that was compiled, so that `refresh` is all it needs.

        Parameters
        ----------
        check_for_new_or_removed_constraints, check_for_new_objective, update_constraints, update_vars, \
        update_named_expressions, update_objective : bool
            What to look at, as in Pyomo's AutoUpdateConfig.
        **others
            Its other entries. Nothing depends on them: variables and Params are new only where an expression is, and
            their values are no structure.
        """
        walked, objective = self._walked, self.objective
        if check_for_new_objective and not reading.are_same(
            active_objectives(self.model), [] if objective is None else [objective]
        ):
            return False
        if update_objective and objective is not None:
            sign = -1.0 if objective.sense == maximize else 1.0
            if sign != self.sign or objective._args_[0] is not self._objective_expression:
                return False
        if check_for_new_or_removed_constraints and not (
            reading.are_same(active_constraints(self.model), walked.constraints)
            and not unsupported_components(self.model)
        ):
            return False
        if update_vars and not (
            self._rows_are_left()
            and reading.are_fixed(walked.parameters, True)
            and not reading.not_continuous(self.variables)
        ):
            return False
        if update_named_expressions and not reading.have_contents(walked.named, walked.contents):
            return False
        if update_constraints and not reading.have_expressions(walked.constraints, walked.expressions):
            return False
        return bool(reading.have_arguments(walked.calls, walked.arguments))


def constant_value(constraint: Any) -> float:
    """Of a body without variables; nan where it has none."""
    try:
        return float(value(constraint.body, exception=False))
    except (ArithmeticError, TypeError, ValueError):
        return np.nan


def compile_model(model: Any, has_hessian: bool = True) -> CompiledModel:
    """The nonlinear program of a Pyomo model; see :class:`CompiledModel`."""
    return CompiledModel(model, has_hessian)
