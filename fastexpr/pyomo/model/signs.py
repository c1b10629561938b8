"""Whether a model pushes the outputs of an epigraph against the side that is exact."""

from __future__ import annotations

from typing import Any

from pyomo.common.collections import ComponentSet
from pyomo.core.expr.visitor import identify_variables
from pyomo.environ import Constraint, Objective, maximize
from pyomo.repn import generate_standard_repn

from fastexpr.errors import FormulationError


def check_signs(block: Any, is_convex: list[bool], is_concave: list[bool]) -> None:
    """Raises where the model can take another value of an output than the network's, and gains by it.

    Outputs that are convex are bounded from below only: the model may minimize them, and limit them from above. Of
    concave ones it is the other way round.
    """
    outputs = list(block._results.values())
    sides = {id(v): (convex, concave) for v, convex, concave in zip(outputs, is_convex, is_concave, strict=True)}
    curved = ComponentSet(v for v in outputs if sides[id(v)] != (True, True) and not v.is_expression_type())
    own = ComponentSet(block.component_data_objects(Constraint, active=True, descend_into=True))
    model = block.model()
    for objective in model.component_data_objects(Objective, active=True, descend_into=True):
        ways = (-1, 0) if objective.sense == maximize else (1, 0)
        _check(block, objective, objective.expr, ways, curved, sides)
    for constraint in model.component_data_objects(Constraint, active=True, descend_into=True):
        if constraint not in own:
            ways = (1 if constraint.has_ub() else 0, -1 if constraint.has_lb() else 0)
            _check(block, constraint, constraint.body, ways, curved, sides)


def _check(block: Any, owner: Any, expression: Any, ways: Any, curved: Any, sides: Any) -> None:
    """ways: 1 where the model wants the expression to be small, -1 where large."""
    if not any(v in curved for v in identify_variables(expression, include_fixed=False)):
        return
    found = generate_standard_repn(expression, quadratic=False)
    bad = next((v for v in found.nonlinear_vars if v in curved), None)
    for coefficient, variable in zip(found.linear_coefs, found.linear_vars, strict=True):
        if variable not in curved:
            continue
        convex, concave = sides[id(variable)]
        for way in ways:
            push = way * coefficient  # positive: downwards
            if (push > 0 and not convex) or (push < 0 and not concave):
                bad = variable
    if bad is not None:
        raise FormulationError(
            f"[NetworkBlock '{block.name}'] formulation='epigraph' says '{bad.name}' from one side only, "
            f"{'below' if sides[id(bad)][0] else 'above'}, and {owner.ctype.__name__} '{owner.name}' pushes it the "
            "other way, or both ways, where it would not be the network's. What to do: formulation='bigm', or "
            "relax=True for a relaxation."
        )
