"""`Problem.classified_as`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr.errors import GraphError
from fastexpr.expression import Expression
from fastexpr.problem.statement import Constraint

if TYPE_CHECKING:
    from fastexpr.problem.problem import Problem


def classified_as(
    problem: Problem, y: Expression, label: Any, margin: float | None, classes: Sequence[Any] | None, name: str | None
) -> Constraint:
    """Limits on the logits of a network."""
    from fastexpr.formulations.labels import classes_of
    from fastexpr.formulations.margins import usual_margin

    statement = problem._statement
    entry = next((network for network in statement.networks if network.y is y), None)
    if entry is None:
        raise GraphError("[Problem] classified_as takes what the method network returned for a classifier.")
    if margin is not None and not (isinstance(margin, int | float) and 0.0 <= margin < np.inf):
        raise ValueError(f"[Problem] margin must be a number, not negative: got {margin!r}.")
    found = classes_of(entry.function, label, classes)
    name = name or f"classified as {label!r}"
    z: Any = y
    if found.logits is not None:
        leaves = {leaf: places for leaf in statement.variables if (places := statement.positions(leaf)).size}
        order = np.concatenate([places.ravel() for places in leaves.values()])
        everything: Any = np.concatenate([leaf.reshape(-1) for leaf in leaves])
        x: Any = everything[np.argsort(order)[entry.inputs]].reshape(entry.inputs.shape)
        z = problem.network(found.logits, x, formulation=entry.formulation, name=f"logits of {name}")
    margin = (usual_margin([]) if margin is None else float(margin)) * found.factor
    z = z.reshape(entry.outputs.shape)
    if entry.function.n_outputs == 1:
        above = z - found.threshold
        return problem.subject_to(above if found.position else -above, lower=margin, name=name)
    others = [k for k in range(entry.function.n_outputs) if k != found.position]
    difference = z[:, [found.position]] - z[:, others]
    return problem.subject_to(difference if len(entry.outputs) > 1 else difference.reshape(-1), lower=margin, name=name)
