"""A solution, in the terms of the Pyomo model it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pyomo.common.collections import ComponentMap
from pyomo.contrib.solver.common.solution_loader import SolutionLoader
from pyomo.core.staleflag import StaleFlagManager

from fastexpr.errors import NotFoundError
from fastexpr.nlp import Vector
from fastexpr.pyomo.solve.solved import Solved

if TYPE_CHECKING:
    from fastexpr.pyomo.compile.compiled import CompiledModel
    from fastexpr.pyomo.solve.sensitivity import Sensitivity
    from fastexpr.solve.results.report import Report
    from fastexpr.solve.results.verify import Verification
    from fastexpr.solvers import Solution


class FastexprSolutionLoader(SolutionLoader):  # type: ignore[misc]
    """Values, duals and reduced costs of one solve; keeps them also when the model is solved again.

    Signs are Pyomo's, as with Ipopt and pounce: a dual is the derivative of the objective, as the model states it, with
    respect to the constraint's limit, and a reduced cost that with respect to the active bound.
    """

    def __init__(self, compiled: CompiledModel, solution: Solution) -> None:
        self._pyomo_model = compiled.model
        self._variables, self._constraints = compiled.variables, compiled.constraints
        self._sign = compiled.sign
        self._x, self._multipliers = solution.x, solution.multipliers
        self._solved = Solved(compiled, solution)

    def report(self) -> Report:
        """What can be said of the solution at one sight, in Pyomo's signs: `results.report()` in the classic interface.

        Stages; active bounds and constraints; the largest multipliers; kinks; how far inputs of NetworkBlocks are from
        the edge of the range that their networks were made for. Its text is the report, a notebook shows tables, and
        `to_dict()` is for other programs.
        """
        return self._solved.report()

    def verify(self) -> Verification:
        """Checks the solution apart from the solve: `results.verify()` in the classic interface.

        Pyomo evaluates the model, ONNX Runtime its networks; derivatives are differences of these values. Otherwise as
        `fastexpr.Problem`'s `Result.verify`. Expressions count as the model has them now: check before changing it.
        """
        return self._solved.verify()

    def sensitivity(self, *parameters: Any) -> Sensitivity:
        """How the solution moves with mutable Params and fixed variables: `results.sensitivity(m.price)` in the classic
        interface.

        One system with the matrix of the conditions of Karush, Kuhn and Tucker is solved, at the exact solution
        (Fiacco, 1983; Pirnay, Lopez-Negrete and Biegler, 2012), as by `fastexpr.Problem`'s `Result.sensitivity`. The
        first time this compiles the model once more, with the parameters as variables.

        Parameters
        ----------
        *parameters : Param, ParamData, Var, VarData, or lists of these
            Without any, all that the objective and the constraints contain.

        Returns
        -------
        fastexpr.pyomo.solve.sensitivity.Sensitivity
            ``s[m.x, m.price]``, ``s.objective[m.price]``; ``s.at((m.price, 3.1))`` is the first-order update.

        Raises
        ------
        fastexpr.errors.ModelError
            The result is no solution, or on kinks that do not hold it; a parameter is not mutable or was changed since.
        """
        return self._solved.sensitivity(parameters)

    def get_number_of_solutions(self) -> int:
        """One."""
        return 1

    def load_vars(self, vars_to_load: Sequence[Any] | None = None) -> None:
        """Sets the variables' values."""
        values = (
            zip(self._variables, self._x.tolist(), strict=True)
            if vars_to_load is None
            else self.get_vars(vars_to_load).items()
        )
        for variable, value in values:
            variable.set_value(value, skip_validation=True)
        StaleFlagManager.mark_all_as_stale(delayed=True)

    def get_vars(self, vars_to_load: Sequence[Any] | None = None) -> Mapping[Any, float]:
        """The variables' values."""
        values: Mapping[Any, float] = selected(ComponentMap, self._variables, self._x, vars_to_load)
        return values

    def get_duals(self, cons_to_load: Sequence[Any] | None = None) -> dict[Any, float]:
        """The constraints' duals."""
        duals: dict[Any, float] = selected(
            dict, self._constraints, -self._sign * self._multipliers.constraints, cons_to_load
        )
        return duals

    def get_reduced_costs(self, vars_to_load: Sequence[Any] | None = None) -> Mapping[Any, float]:
        """Of the two bounds' multipliers the larger, as Pyomo combines them."""
        lower, upper = self.bound_multipliers()
        larger = np.where(abs(upper) > abs(lower), upper, lower)
        costs: Mapping[Any, float] = selected(ComponentMap, self._variables, larger, vars_to_load)
        return costs

    def bound_multipliers(self) -> tuple[Vector, Vector]:
        """What the Suffixes ipopt_zL_out and ipopt_zU_out hold, in the order of the variables."""
        return self._sign * self._multipliers.lower + 0.0, -self._sign * self._multipliers.upper + 0.0  # no -0.0

    def suffixes(self) -> dict[str, Callable[[], Mapping[Any, float]]]:
        """What can be loaded into a Suffix, by its name."""
        lower, upper = self.bound_multipliers()
        return {
            "dual": self.get_duals,
            "rc": self.get_reduced_costs,
            "ipopt_zL_out": lambda: selected(ComponentMap, self._variables, lower, None),
            "ipopt_zU_out": lambda: selected(ComponentMap, self._variables, upper, None),
        }

    def load_import_suffixes(self) -> None:
        """Fills dual, rc, ipopt_zL_out and ipopt_zU_out, where the model has them."""
        values = self.suffixes()
        for name, suffix in self._collect_and_clear_import_suffixes().items():
            if name in values:
                suffix.update(values[name]())


def selected(kind: Any, components: Sequence[Any], values: Vector, wanted: Iterable[Any] | None) -> Any:
    """A mapping from the components, or those wanted, to their values.

    Raises
    ------
    NotFoundError
        One that is wanted is not part of what was solved.
    """
    everything = kind(zip(components, values.tolist(), strict=True))
    if wanted is None:
        return everything
    wanted = list(wanted)
    for component in wanted:
        if component not in everything:
            raise NotFoundError(
                f"[Solution] no value for '{component.name}': it was not part of what was solved, since it is fixed, "
                "not active, or in no active constraint and not in the objective."
            )
    return kind((component, everything[component]) for component in wanted)
