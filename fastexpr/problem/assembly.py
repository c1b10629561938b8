"""From a problem as it was stated to a nonlinear program, and from a solver's solution to a result."""

from __future__ import annotations

import numpy as np

from fastexpr.blocks import AlgebraBlock, AlgebraObjective, Block, BlockFunctions, NetworkInstances
from fastexpr.expression import Expression
from fastexpr.expression.operands import constant
from fastexpr.nlp import Indices, Nlp
from fastexpr.problem.result import ByConstraint, ByVariable, Result, timings
from fastexpr.problem.statement import Constraint, Network, Statement
from fastexpr.solvers import Solution


def assemble(statement: Statement) -> Nlp:
    """The program: one Function for the objective, one for all constraints, one batch for every network.

    Raises
    ------
    ValueError
        There are no variables.
    """
    if not statement.variables:
        raise ValueError("[Problem] there are no variables: make them with its method variables.")
    objective = statement.objective if statement.objective is not None else constant(np.asarray(0.0))
    function, used = statement.compile([objective])
    blocks: list[Block] = [*algebra_blocks(statement, statement.constraints)]
    rows = statement.rows()
    for instances in same_networks(statement):
        inputs = np.concatenate([entry.inputs for entry in instances])
        outputs = np.concatenate([entry.outputs for entry in instances])
        network_rows = np.concatenate([rows[entry.y].ravel() for entry in instances]).reshape(outputs.shape)
        blocks.append(NetworkInstances(instances[0].function, inputs, outputs, network_rows))
    lower, upper = statement.bounds()
    constraint_lower, constraint_upper = statement.limits()
    objective_block = AlgebraObjective(function, used, statement.n, statement.sign)
    nlp = Nlp(
        start=statement.start(),
        lower=lower,
        upper=upper,
        constraint_lower=constraint_lower,
        constraint_upper=constraint_upper,
        functions=BlockFunctions(statement.n, statement.n_rows(), objective_block, blocks, statement.row_constants()),
        variable_name=statement.variable_name,
        row_name=statement.row_name,
    )
    nlp.complete = lambda x: statement.completed(x, nlp.lower == nlp.upper)
    return nlp


def algebra_blocks(statement: Statement, constraints: list[Constraint]) -> list[AlgebraBlock]:
    """One Function of all these constraints; two where a few constraints of very many variables would spoil the others.

    Sparse derivatives are found in as many directions as a row, or a column, of the Jacobian has entries, whichever
    is less. A budget, one long row, together with a final time, one long column, would need as many as there are
    variables.
    """
    if not constraints:
        return []
    rows = statement.rows()
    function, components = statement.compile([constraint.expression for constraint in constraints])
    starts, columns = function._patterns()[0]
    lengths = np.diff(starts)
    ends = np.cumsum([constraint.expression.size for constraint in constraints])
    longest = np.maximum.reduceat(lengths, ends - [constraint.expression.size for constraint in constraints])
    n_directions = min(lengths.max(initial=0), np.bincount(columns, minlength=1).max())
    is_long = longest > max(n_directions / 4, 50)
    if n_directions > 50 and is_long.any() and not is_long.all():
        parts = [[c for c, long in zip(constraints, is_long, strict=True) if long == side] for side in (False, True)]
        return [block for part in parts for block in algebra_blocks(statement, part)]
    return [AlgebraBlock(function, components, np.concatenate([rows[entry].ravel() for entry in constraints]))]


def same_networks(statement: Statement) -> list[list[Network]]:
    """The calls of `Problem.network`, those of one Function together."""
    groups: dict[int, list[Network]] = {}
    for entry in statement.networks:
        groups.setdefault(id(entry.function), []).append(entry)
    return list(groups.values())


def make_result(
    statement: Statement, nlp: Nlp, solver: str, solution: Solution, build: float, seconds: float
) -> Result:
    """What `Problem.solve` returns; `build` and `seconds` are the times of the assembly and of the solver."""
    spent = timings(build, seconds, nlp.evaluations)
    rows = statement.rows()

    def rows_of(handle: object) -> Indices:
        if isinstance(handle, Constraint | Expression) and handle in rows:
            return rows[handle]
        raise KeyError(
            f"[Problem] no constraint of this problem: {handle!r}. duals takes what subject_to or network gave."
        )

    return Result(
        success=solution.success,
        status=solution.status,
        message=solution.message,
        objective=statement.sign * solution.objective,
        iterations=solution.iterations,
        duals=ByConstraint(solution.multipliers.constraints, rows_of),
        lower_duals=ByVariable(solution.multipliers.lower, statement.positions),
        upper_duals=ByVariable(solution.multipliers.upper, statement.positions),
        timings=spent,
        solver=solver,
        violation=nlp.violation(solution.x),
        relative_violation=solution.relative_violation,
        x=solution.x,
        multipliers=solution.multipliers,
        _value=statement.evaluate,
    )
