"""From a problem as it was stated to a nonlinear program, and from a solver's solution to a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.expression import Expression
from fastexpr.expression.operands import constant
from fastexpr.nlp import Indices, Nlp, Vector
from fastexpr.nlp.arrays import Program
from fastexpr.problem.result import ByConstraint, ByVariable, Result, timings
from fastexpr.problem.solved import Solved
from fastexpr.problem.statement import Constraint, NetworkRows, Statement, rows_of
from fastexpr.solvers import Solution


def assemble(statement: Statement) -> Nlp:
    """The program: a Function for the objective, one for all constraints, and every network as one batch.

    Raises
    ------
    ValueError
        There are no variables.
    """
    if not statement.variables:
        raise ValueError("[Problem] there are no variables: make them with its method variables.")
    program = Program(statement.n, statement.n_parameters)
    objective = statement.objective if statement.objective is not None else constant(np.asarray(0.0))
    function, components = statement.compile_open([objective])
    value = int(program.outputs(function, program.numbers(components)[None])[0, 0])
    rows, numbers = statement.rows(), np.zeros(statement.n_rows(), dtype=np.int32)
    for constraints, function, components in algebra(statement, statement.constraints):
        places = np.concatenate([rows[constraint].ravel() for constraint in constraints])
        numbers[places] = program.outputs(function, program.numbers(components)[None])[0]
    for instances in same_networks(statement):
        inputs, outputs = (
            program.variables(np.concatenate([getattr(entry, side) for entry in instances]))
            for side in ("inputs", "outputs")
        )
        places = np.concatenate([rows[entry.y].ravel() for entry in instances]).reshape(outputs.shape)
        numbers[places] = program.differences(program.outputs(instances[0].function, inputs), outputs)
    arrays = program.arrays(program.negation(value) if statement.sign < 0 else value, numbers)
    lower, upper = statement.bounds()
    constraint_lower, constraint_upper = statement.limits()
    nlp = Nlp(
        start=statement.start(),
        lower=lower,
        upper=upper,
        constraint_lower=constraint_lower,
        constraint_upper=constraint_upper,
        functions=arrays.compile(),
        variable_name=statement.variable_name,
        row_name=statement.row_name,
        constants=constants_of(statement),
        arrays=arrays if statement.networks else None,
    )
    nlp.complete = lambda x: statement.completed(x, nlp.lower == nlp.upper)
    return nlp


def constants_of(statement: Statement) -> Callable[[], Vector]:
    """The rows' additive constants, looked for once for each value of the parameters."""
    known: dict[bytes, Vector] = {}

    def constants() -> Vector:
        key = statement.parameter_values().tobytes()
        if key not in known:
            known.clear()
            known[key] = statement.row_constants()
        return known[key]

    return constants


def refresh(statement: Statement, nlp: Nlp) -> None:
    """Gives the program limits and parameters as they are now, and bounds that parameters move."""
    nlp.constraint_lower, nlp.constraint_upper = statement.limits()
    if not statement.parameters:
        return
    parameters = statement.parameter_values()
    nlp.lower, nlp.upper = statement.bounds()
    nlp.functions.set_parameters(parameters)  # type: ignore[attr-defined]
    if nlp.arrays is not None:
        nlp.arrays.parameters = parameters
    nlp.reset_evaluations()


def algebra(statement: Statement, constraints: list[Constraint]) -> list[tuple[list[Constraint], Function, Indices]]:
    """A Function of all constraints, and which components of x it reads; two where a few constraints of very many
    variables would spoil the others.

    Sparse derivatives are found in as many directions as a row, or a column, of the Jacobian has entries, whichever
    is less. A budget, one long row, together with a final time, one long column, would need as many as there are
    variables.
    """
    if not constraints:
        return []
    function, components = statement.compile_open([constraint.expression for constraint in constraints])
    starts, columns = function._patterns()[0]
    starts, columns = of_variables(starts, columns, components < statement.n)
    lengths = np.diff(starts)
    ends = np.cumsum([constraint.expression.size for constraint in constraints])
    longest = np.maximum.reduceat(lengths, ends - [constraint.expression.size for constraint in constraints])
    n_directions = min(lengths.max(initial=0), np.bincount(columns, minlength=1).max())
    is_long = longest > max(n_directions / 4, 50)
    if n_directions > 50 and is_long.any() and not is_long.all():
        parts = [[c for c, long in zip(constraints, is_long, strict=True) if long == side] for side in (False, True)]
        return [group for part in parts for group in algebra(statement, part)]
    return [(constraints, function, components)]


def of_variables(starts: Any, columns: Any, is_variable: Any) -> tuple[Any, Any]:
    """The entries of a pattern in columns of variables."""
    if is_variable.all():
        return starts, columns
    counts = np.concatenate([[0], np.cumsum(is_variable[columns])])
    return counts[starts], columns[is_variable[columns]]


def same_networks(statement: Statement) -> list[list[NetworkRows]]:
    """The calls of `Problem.network`, those of one Function together."""
    groups: dict[int, list[NetworkRows]] = {}
    for entry in statement.networks:
        groups.setdefault(id(entry.function), []).append(entry)
    return list(groups.values())


def make_result(
    statement: Statement, nlp: Nlp, solver: str, solution: Solution, build: float, seconds: float
) -> Result:
    """What `Problem.solve` returns; `build` and `seconds` are the times of the assembly and of the solver."""
    spent = timings(build, seconds, nlp.evaluations)
    finder, solved = row_finder(statement), Solved.of(statement, nlp)
    return Result(
        success=solution.success,
        status="infeasible" if solution.status == "contradiction" else solution.status,
        message=solution.message,
        objective=statement.sign * solution.objective,
        iterations=solution.iterations,
        duals=ByConstraint(solution.multipliers.constraints, finder),
        lower_duals=ByVariable(solution.multipliers.lower, statement.positions),
        upper_duals=ByVariable(solution.multipliers.upper, statement.positions),
        timings=spent,
        solver=solver,
        violation=nlp.violation(solution.x),
        relative_violation=solution.relative_violation,
        stages=[stage._replace(objective=statement.sign * stage.objective) for stage in solution.stages],
        conflicts=solution.conflicts,
        certificate=solution.certificate,
        kinks=solution.kinks,
        x=solution.x,
        multipliers=solution.multipliers,
        history=[state._replace(objective=statement.sign * state.objective) for state in solution.history],
        _value=solved.evaluate,
        _solved=solved,
    )


def row_finder(statement: Statement) -> Callable[[object], Indices]:
    """The rows of a constraint or network now, whatever comes or goes later; made when somebody asks."""
    handles = statement.handles()
    found: dict[Any, Indices] = {}

    def rows_of_handle(handle: object) -> Indices:
        if not found:
            found.update(rows_of(handles))
        if isinstance(handle, Constraint | Expression) and handle in found:
            return found[handle]
        raise KeyError(
            f"[Problem] no constraint of this problem: {handle!r}. duals takes what subject_to or network gave."
        )

    return rows_of_handle


def attached(result: Result, statement: Statement, nlp: Nlp) -> Result:
    """The result with the problem that it left behind when it was pickled."""
    multipliers, solved = result.multipliers, Solved.of(statement, nlp)
    return replace(
        result,
        duals=ByConstraint(multipliers.constraints, row_finder(statement)),
        lower_duals=ByVariable(multipliers.lower, statement.positions),
        upper_duals=ByVariable(multipliers.upper, statement.positions),
        _value=solved.evaluate,
        _solved=solved,
    )
