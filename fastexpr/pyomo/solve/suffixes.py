"""Numbers that a model's Suffixes give to the solver: multipliers to start from, scaling factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pyomo.common.collections import ComponentMap
from pyomo.core.base.suffix import Suffix

from fastexpr.errors import ModelError
from fastexpr.nlp import Vector
from fastexpr.solvers import Multipliers, Scaling

if TYPE_CHECKING:
    from fastexpr.pyomo.compile.compiled import CompiledModel


def exported(model: Any, name: str) -> ComponentMap | None:
    """The entries of all active Suffixes of this name that export, those of blocks included; None: there is none."""
    found = [
        suffix
        for suffix in model.component_objects(Suffix, active=True, descend_into=True)
        if suffix.local_name == name and suffix.export_enabled()
    ]
    if not found:
        return None
    entries = ComponentMap()
    for suffix in reversed(found):  # a suffix nearer to the model counts before those of its blocks
        entries.update(suffix)
    return entries


def values_of(entries: ComponentMap | None, components: Sequence[Any], otherwise: Vector) -> Vector:
    """(len(components),): each component's entry, or that of the indexed component it belongs to."""
    if not entries:
        return otherwise

    def entry(component: Any, default: float) -> float:
        value = entries.get(component)
        if value is None:
            value = entries.get(component.parent_component())
        return default if value is None else float(value)

    return np.array([entry(*pair) for pair in zip(components, otherwise.tolist(), strict=True)], dtype=np.float64)


def first_multipliers(compiled: CompiledModel, otherwise: Multipliers) -> Multipliers | None:
    """From the Suffixes dual, ipopt_zL_in and ipopt_zU_in, in the solver's signs; None where there is none of them.

    Numbers that they do not have are taken from `otherwise`.
    """
    dual, lower, upper = (exported(compiled.model, name) for name in ("dual", "ipopt_zL_in", "ipopt_zU_in"))
    if not (dual or lower or upper):
        return None
    sign = compiled.sign
    return Multipliers(
        constraints=-sign * values_of(dual, compiled.constraints, -sign * otherwise.constraints),
        lower=sign * values_of(lower, compiled.variables, sign * otherwise.lower),
        upper=-sign * values_of(upper, compiled.variables, -sign * otherwise.upper),
    )


def cold_multipliers(compiled: CompiledModel) -> Multipliers:
    """What Ipopt starts from without a warm start: 0 for a constraint, 1 for a bound."""
    n = len(compiled.variables)
    return Multipliers(np.zeros(len(compiled.constraints)), np.ones(n), np.ones(n))


def scaling_factors(compiled: CompiledModel, is_required: bool = True) -> Scaling | None:
    """From the Suffix scaling_factor; where it has no entry 1 if factors are required, else NaN. None: it has none.

    Raises
    ------
    ModelError
        There is none and they are required, or it is no positive number.
    """
    entries = exported(compiled.model, "scaling_factor")
    if not entries:
        if not is_required:
            return None
        raise ModelError(
            f"[Model '{compiled.model.name}'] nlp_scaling_method is user-scaling, but no Suffix scaling_factor has an "
            "entry. What to do: give the model one, direction=Suffix.EXPORT, or leave the option out."
        )
    objectives = [] if compiled.objective is None else [compiled.objective]
    components = [*objectives, *compiled.variables, *compiled.constraints]
    given = values_of(entries, components, np.full(len(components), 1.0))
    for component, factor in zip(components, given, strict=True):
        if not (factor > 0.0 and math.isfinite(factor)):
            raise ModelError(
                f"[Model '{compiled.model.name}'] the scaling_factor of '{component.name}' is {factor}, expected a "
                "positive number."
            )
    otherwise = 1.0 if is_required else math.nan
    factors = values_of(entries, components, np.full(len(components), otherwise))
    start = len(objectives)
    stop = start + len(compiled.variables)
    return Scaling(float(factors[0]) if objectives else otherwise, factors[start:stop], factors[stop:])
