"""What a Pyomo model may consist of, to be compiled into a nonlinear program; the rest is refused by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyomo.core.base import (
    Block,
    Constraint,
    Expression,
    ExternalFunction,
    Objective,
    Param,
    RangeSet,
    Set,
    SortComponents,
    Suffix,
    Var,
)
from pyomo.core.base.block import BlockData
from pyomo.dae import DerivativeVar
from pyomo.network import Port
from pyomo.repn.util import categorize_valid_components

from fastexpr.errors import ModelError
from fastexpr.pyomo.compile import reading

#: Pyomo's default for writing models: the order in which components were declared, and that of their index sets.
ORDER = SortComponents.deterministic
#: As in Pyomo's NLWriter. Components that cannot be deactivated, a ContinuousSet for example, do not matter, either.
HARMLESS = {Block, Objective, Constraint, Var, Param, Expression, ExternalFunction, Set, RangeSet, Port, Suffix}
SHOWN = 10


def check_model(model: Any) -> None:
    """Refuses what is no constructed, active block, and active components that are no part of a nonlinear program.

    Raises
    ------
    ModelError
    """
    if not isinstance(model, BlockData):
        raise ModelError(f"got an object of class {type(model).__name__}, expected a Pyomo model or one of its blocks.")
    if not model.parent_component().is_constructed():
        raise ModelError(f"[Model '{model.name}'] is abstract. What to do: solve model.create_instance(...).")
    if not model.active:
        raise ModelError(f"[Block '{model.name}'] is deactivated. What to do: activate it.")
    unsupported = unsupported_components(model)
    if unsupported:
        raise ModelError(
            f"[Model '{model.name}'] has active components that are no part of a nonlinear program: "
            f"{listed(unsupported)}. What to do: deactivate them, or transform the model."
        )


def unsupported_components(model: Any) -> list[Any]:
    """The active components that no nonlinear program has: SOS constraints, disjunctions, grey boxes, and the like."""
    _, unknown = categorize_valid_components(model, active=True, sort=ORDER, valid=HARMLESS)
    return [component for components in unknown.values() for component in components]


def check_variables(model: Any, variables: list[Any]) -> None:
    """Refuses free variables that are discrete, or derivatives that nothing ties to their states.

    Raises
    ------
    ModelError
    """
    discrete = reading.not_continuous(variables)
    if discrete:
        raise ModelError(
            f"[Model '{model.name}'] has variables that are not continuous: {listed(discrete)}. What to do: fix "
            "them, or relax them (TransformationFactory('core.relax_integer_vars')); or a mixed-integer solver such as "
            "SolverFactory('appsi_highs'), for which NetworkBlock(net, formulation='bigm') writes networks."
        )
    loose = [part for part in reading.components_of(variables) if part.ctype is DerivativeVar]
    if loose:
        raise ModelError(
            f"[Model '{model.name}'] has derivatives that are not discretized: {listed(loose)}. What to do: discretize "
            "the model (TransformationFactory('dae.collocation')), or fix them, in a steady state at zero."
        )


def active_objectives(model: Any) -> list[Any]:
    """All of them, in order."""
    return list(model.component_data_objects(Objective, active=True, sort=ORDER))


def active_constraints(model: Any) -> Iterable[Any]:
    """All of them, in order."""
    found: Iterable[Any] = model.component_data_objects(Constraint, active=True, sort=ORDER)
    return found


def listed(components: list[Any]) -> str:
    """Their kinds and names, the first ones."""
    shown = ", ".join(f"{part.parent_component().ctype.__name__} '{part.name}'" for part in components[:SHOWN])
    return shown if len(components) <= SHOWN else f"{shown} and {len(components) - SHOWN} more"
