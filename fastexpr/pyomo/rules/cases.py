"""Rules in a model that is otherwise continuous: a nonlinear solver solves it for each box, and takes the best."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

from pyomo.common.collections import ComponentMap
from pyomo.contrib.solver.common.results import Results, SolutionStatus, TerminationCondition
from pyomo.core.base.block import Block, BlockData
from pyomo.core.base.objective import Objective, maximize

from fastexpr.errors import ModelError

LARGEST = 1000  # solves
Case = list[tuple[Any, float]]  # binaries, and their values


def cases_of(model: Any) -> list[Case]:
    """All ways to set the free binaries of the model's RuleBlocks; none where it has no such binaries.

    Raises
    ------
    ModelError
        There are too many to solve the model for each.
    """
    module = sys.modules.get("fastexpr.pyomo.rules.block")
    if module is None or not isinstance(model, BlockData):
        return []
    blocks = [
        block
        for block in model.component_data_objects(Block, active=True)
        if isinstance(block, module.RuleBlockData) and not all(u.fixed for u in block.binaries())
    ]
    by_block, count = [], 1
    for block in blocks:
        by_block.append(block.cases())
        count *= len(by_block[-1])
    if count > LARGEST:
        raise ModelError(
            f"[Model '{model.name}'] its rules divide the inputs into {count} boxes, expected at most {LARGEST}: the "
            "model is solved for each. What to do: rules of less complexity, or fix some of the binaries "
            f"({blocks[0].name}.choice or {blocks[0].name}.below)."
        )
    return [list(itertools.chain(*parts)) for parts in itertools.product(*by_block)] if blocks else []


def best_of(model: Any, cases: list[Case], config: Any, solve: Callable[[], Results]) -> Results:
    """Solves for each case; the model's binaries have the values of the best one in the end, and are free as before."""
    sense = next((o.sense for o in model.component_data_objects(Objective, active=True)), None)
    limit, begin = config.time_limit, time.perf_counter()
    before = ComponentMap((binary, binary.value) for binary, _ in cases[0])
    best: tuple[tuple[bool, bool, float], Results, Case] | None = None
    try:
        for case in cases:
            for binary, number in case:
                binary.fix(number)
            if limit is not None:
                config.time_limit = max(1e-3, limit - (time.perf_counter() - begin))
            results = solve()
            rank = rank_of(results, sense)
            if best is None or rank > best[0]:
                best = rank, results, case
            if results.termination_condition == TerminationCondition.interrupted:
                break
    finally:
        config.time_limit = limit
        for binary, number in before.items():
            binary.unfix()
            binary.set_value(number, skip_validation=True)
    assert best is not None
    _, results, case = best
    for binary, number in case:
        binary.set_value(number)
    results.extra_info.solver_message += f" (The best of {len(cases)} boxes of the model's rules.)"
    return results


def rank_of(results: Results, sense: Any) -> tuple[bool, bool, float]:
    """The larger, the better."""
    objective = results.incumbent_objective
    has_point = objective is not None
    worth = 0.0 if objective is None else float(objective if sense == maximize else -objective)
    return results.solution_status == SolutionStatus.optimal, has_point, worth
