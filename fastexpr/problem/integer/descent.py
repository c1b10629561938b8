"""A better point for HiGHS to start from: random steps that are kept where they help.

The relaxations of trees and networks say little about where good points are; the networks themselves are cheap to ask.
"""

from __future__ import annotations

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.formulations.affine import Array
from fastexpr.nlp import Nlp
from fastexpr.problem.statement import Statement

N_STEPS = 2000
FEASIBLE = 1e-9


def descended(statement: Statement, nlp: Nlp, x: Array) -> Array:
    """A point that is not worse; the same one every time.

    Parameters
    ----------
    statement : Statement
    nlp : Nlp
        The same problem, compiled.
    x : (n,) array
    """
    is_defined = np.zeros(statement.n, bool)
    for places in statement.defined():
        is_defined[places] = True
    width = nlp.upper - nlp.lower
    free = np.flatnonzero(~is_defined & (width > 0) & np.isfinite(width))
    if not free.size:
        return x
    random, is_integer = np.random.default_rng(0), statement.is_integer()

    def rounded(point: Array) -> Array:
        whole = np.where(is_integer, np.round(point), point)
        return np.asarray(nlp.complete(np.clip(whole, nlp.lower, nlp.upper)))

    try:
        best = rounded(x)
        objective, violation = nlp.objective(best), nlp.violation(best)
    except EvaluationError:
        return x
    for step in range(N_STEPS):
        point = best.copy()
        size = 10.0 ** random.uniform(-3.0, 0.0)
        first, second = random.choice(free, 2)
        move = random.normal() * size * width[first]
        point[first] += move
        if step % 2:  # what one takes, the other gives: sums stay
            point[second] -= move
        try:
            point = rounded(point)
            found = nlp.objective(point), nlp.violation(point)
        except EvaluationError:  # not finite there
            continue
        is_better = found[0] < objective if violation <= FEASIBLE else True
        if found[1] <= max(FEASIBLE, violation if violation > FEASIBLE else 0.0) and is_better:
            best, (objective, violation) = point, found
    return best
