"""How the solution of a Pyomo model moves with mutable Params and fixed variables."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from pyomo.common.collections import ComponentMap
from pyomo.common.numeric_types import native_types
from pyomo.core.base.objective import ObjectiveData
from pyomo.core.base.param import ParamData
from pyomo.core.base.var import VarData
from pyomo.core.expr.calculus.derivatives import Modes, differentiate
from pyomo.core.expr.visitor import identify_mutable_parameters
from pyomo.environ import value

from fastexpr.errors import ModelError, NotFoundError
from fastexpr.nlp import Nlp, Vector
from fastexpr.solve.sensitivity.conditions import Matrix
from fastexpr.solve.sensitivity.movement import Movement, derivatives
from fastexpr.solve.sensitivity.update import updated

if TYPE_CHECKING:
    from fastexpr.pyomo.compile.compiled import CompiledModel
    from fastexpr.solvers import Solution


class Sensitivity:
    """Derivatives of a solution with respect to Params and fixed variables, in Pyomo's signs.

    ``s[m.x[1], m.price]`` is d x[1] / d price, of a variable; of a constraint it is that of its dual, of the objective
    that of its value.

    Attributes
    ----------
    parameters : list
        What they are with respect to: members of Params, fixed variables.
    met, weak : list of str
        Variables at a bound and constraints at a limit, equations left out; those of them that the solution is not
        pressed against, with which derivatives are of one side only.
    message : str
        What is degenerate; "regular" where nothing is.
    is_regular : bool
        Nothing is.
    """

    def __init__(self, compiled: CompiledModel, sign: float, parameters: list[Any], found: Any, values: Vector) -> None:
        self.parameters, self._found, self._sign, self._values = parameters, found, sign, values
        self._compiled = compiled
        self._columns = ComponentMap((p, k) for k, p in enumerate(parameters))
        self._variables = ComponentMap((v, j) for j, v in enumerate(compiled.variables))
        self._rows = {c: i for i, c in enumerate(compiled.constraints)}
        self.met, self.weak = found.met, found.weak
        parts = [found.problem] if found.problem else []
        parts += [f"met, but without force: {', '.join(found.weak[:5])}"] if found.weak else []
        self.is_regular, self.message = not parts, "; ".join(parts) or "regular"

    def __getitem__(self, key: Any) -> float:
        thing, parameter = key
        if parameter not in self._columns:
            raise NotFoundError(f"[Sensitivity] these are no derivatives with respect to {parameter}.")
        k, found = self._columns[parameter], self._found
        if isinstance(thing, ObjectiveData):
            return float(self._sign * found.objective[k])
        if isinstance(thing, VarData):
            if thing in self._variables:
                return float(found.x[self._variables[thing], k])
            if thing is parameter:
                return 1.0
        elif thing in self._rows:
            return float(-self._sign * found.constraints[self._rows[thing], k])
        raise NotFoundError(f"[Sensitivity] {thing} was not part of what was solved.")

    @property
    def objective(self) -> ComponentMap:
        """By parameter, the derivative of the objective."""
        return ComponentMap(zip(self.parameters, (self._sign * self._found.objective).tolist(), strict=True))

    def at(self, *changes: tuple[Any, float]) -> ComponentMap:
        """The first-order update: the variables' values for other values of the parameters.

        With the bounds and limits that are met then, as by `fastexpr.Problem`'s.

        Parameters
        ----------
        *changes : pairs
            ``(m.price, 3.1)``, ...; without any, the values that all of the parameters have in the model now.

        Raises
        ------
        ValueError
            The derivatives are not unique.
        fastexpr.errors.NotFoundError
            A parameter is none of these.
        """
        if self._found.problem:
            raise ValueError(f"[Sensitivity] there is no first-order update: {self._found.problem}.")
        step = np.zeros(len(self.parameters))
        for parameter, number in changes or [(thing, value(thing)) for thing in self.parameters]:
            if parameter not in self._columns:
                raise NotFoundError(f"[Sensitivity] these are no derivatives with respect to {parameter}.")
            k = self._columns[parameter]
            step[k] = float(number) - self._values[k]
        x, _ = updated(self._found, step)
        return ComponentMap(zip(self._compiled.variables, x.tolist(), strict=True))

    def __repr__(self) -> str:
        return f"<Sensitivity to {len(self.parameters)} parameters: {self.message}>"


def members(things: Any) -> Iterator[Any]:
    """Of Params and variables, indexed ones and lists of them: each member."""
    for thing in things:
        if isinstance(thing, list | tuple):
            yield from members(thing)
        elif getattr(thing, "is_indexed", lambda: False)():
            yield from thing.values()
        else:
            yield thing


def sensitivity_of(
    compiled: CompiledModel, solution: Solution, nlp: Nlp, parameters: Vector, things: tuple[Any, ...]
) -> Sensitivity:
    """See `FastexprSolutionLoader.sensitivity`."""
    walked = compiled._walked
    wanted = list(members(things)) or list(walked.parameters)
    for thing in wanted:
        is_fixed = isinstance(thing, VarData) and thing.fixed
        is_mutable = isinstance(thing, ParamData) and thing.parent_component().mutable
        if not is_mutable and not is_fixed:
            raise ModelError(
                f"[Sensitivity] derivatives are with respect to mutable Params and fixed variables: got {thing}. What "
                "to do: Param(mutable=True), or fix the variable before the solve."
            )
    if not solution.success:
        raise ModelError(f"[Sensitivity] derivatives are those of a solution: got status {solution.status!r}.")
    slots = ComponentMap((thing, k) for k, thing in enumerate(walked.parameters))
    for thing, known in zip(walked.parameters, parameters.tolist(), strict=True):
        if thing in slots and float(value(thing)) != known:
            raise ModelError(
                f"[Sensitivity] {thing} has another value than at the solve: got {value(thing)}, it was {known}. What "
                "to do: ask before changing the model."
            )
    places = np.array([slots.get(thing, -1) for thing in wanted], dtype=np.int64)
    found = derivatives(nlp, solution.x, solution.multipliers, places, parameters, movement_of(compiled, nlp, wanted))
    return Sensitivity(compiled, compiled.sign, wanted, found, np.array([float(value(thing)) for thing in wanted]))


def movement_of(compiled: CompiledModel, nlp: Nlp, wanted: list[Any]) -> Movement:
    """Of bounds and limits that are expressions of Params."""
    columns = ComponentMap((thing, k) for k, thing in enumerate(wanted))
    motions: list[Matrix | None] = []
    for expressions, numbers in (
        ([variable._lb for variable in compiled.variables], nlp.lower),
        ([variable._ub for variable in compiled.variables], nlp.upper),
        (compiled._walked.lower, nlp.constraint_lower),
        (compiled._walked.upper, nlp.constraint_upper),
    ):
        motion = motion_of_fixed(compiled, wanted) if len(motions) < 2 else None
        for place, expression in enumerate(expressions):
            if len(motions) < 2 and nlp.lower[place] == nlp.upper[place] and compiled.variables[place].fixed:
                continue
            if expression is None or expression.__class__ in native_types or not np.isfinite(numbers[place]):
                continue
            if float(value(expression)) != numbers[place]:  # a domain's bound counts
                continue
            for thing, slope in slopes(expression, columns):
                motion = np.zeros((numbers.size, len(wanted))) if motion is None else motion
                motion[place, columns[thing]] = slope
        motions.append(motion)
    return Movement(*motions)


def motion_of_fixed(compiled: CompiledModel, wanted: list[Any]) -> Matrix | None:
    """Of variables that were fixed since the model was compiled: columns with equal bounds."""
    places = ComponentMap((variable, j) for j, variable in enumerate(compiled.variables) if variable.fixed)
    motion = np.zeros((len(compiled.variables), len(wanted)))
    for k, thing in enumerate(wanted):
        if thing in places:
            motion[places[thing], k] = 1.0
    return motion if motion.any() else None


def slopes(expression: Any, columns: ComponentMap) -> Iterator[tuple[Any, float]]:
    """Of an expression of Params, with respect to those among these that are in it."""
    if isinstance(expression, ParamData | VarData):
        found = [expression]
    else:
        found = list(identify_mutable_parameters(expression))
    for thing in found:
        if thing in columns:
            yield thing, float(differentiate(expression, wrt=thing, mode=Modes.reverse_numeric))


def then(nlp: Nlp, functions: Any, bounds: tuple[Vector, Vector], limits: tuple[Vector, Vector]) -> Nlp:
    """The program with functions, bounds and limits as they were at a solve."""
    result = copy(nlp)
    result.functions = functions
    (result.lower, result.upper), (result.constraint_lower, result.constraint_upper) = bounds, limits
    result._known = {}
    result.reset_evaluations()
    return result
