"""What a solver's answer means in Pyomo's words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pyomo.common.config import ADVANCED_OPTION, ConfigValue
from pyomo.contrib.solver.common.results import Results, SolutionStatus, TerminationCondition
from pyomo.contrib.solver.common.solution_loader import NoSolutionSolutionLoader
from pyomo.contrib.solver.common.util import NoSolutionError
from pyomo.core.base.var import Var

from fastexpr.errors import EvaluationError
from fastexpr.pyomo.solve.solution_loader import FastexprSolutionLoader
from fastexpr.solvers import Solution
from fastexpr.solvers.checked import answer, broken_constant, contradicting_bounds
from fastexpr.solvers.interior_point import return_codes
from fastexpr.solvers.verification import FEASIBILITY

if TYPE_CHECKING:
    from fastexpr.pyomo.compile.compiled import CompiledModel

#: By the status words of `fastexpr.solvers`, and those of this file.
outcomes = {
    "optimal": (TerminationCondition.convergenceCriteriaSatisfied, SolutionStatus.optimal),
    "acceptable": (TerminationCondition.convergenceCriteriaSatisfied, SolutionStatus.optimal),
    "infeasible": (TerminationCondition.locallyInfeasible, SolutionStatus.infeasible),
    "diverging": (TerminationCondition.unbounded, SolutionStatus.unknown),
    "small_step": (TerminationCondition.minStepLength, SolutionStatus.unknown),
    "iteration_limit": (TerminationCondition.iterationLimit, SolutionStatus.unknown),
    "cell_limit": (TerminationCondition.iterationLimit, SolutionStatus.unknown),
    "time_limit": (TerminationCondition.maxTimeLimit, SolutionStatus.unknown),
    "stopped": (TerminationCondition.interrupted, SolutionStatus.unknown),
    "interrupted": (TerminationCondition.interrupted, SolutionStatus.unknown),
    "inexact": (TerminationCondition.unknown, SolutionStatus.unknown),
    "no_derivative": (TerminationCondition.unknown, SolutionStatus.unknown),
    "contradiction": (TerminationCondition.provenInfeasible, SolutionStatus.noSolution),
    "empty": (TerminationCondition.emptyModel, SolutionStatus.noSolution),
}
_FAILED = (TerminationCondition.error, SolutionStatus.unknown)


#: Where Ipopt cannot compute a step because x is as large as this, the iterates diverge.
DIVERGED = 1e15


def fill(results: Results, compiled: CompiledModel, solution: Solution) -> None:
    """Writes everything into the results that follows from the solution."""
    if solution.status == "step_failed" and abs(solution.x).max(initial=0.0) > DIVERGED:
        solution.status, solution.message = return_codes[4]
    condition, status = outcomes.get(solution.status, _FAILED)
    violation = math.inf
    if status is SolutionStatus.noSolution:
        results.solution_loader = NoSolutionSolutionLoader(
            compiled.model, f"{NoSolutionError.default_message} {solution.message}"
        )
    else:
        results.solution_loader = FastexprSolutionLoader(compiled, solution)
        violation = compiled.nlp.violation(solution.x)
        if (
            (condition, status) != _FAILED
            and status is SolutionStatus.unknown
            and solution.relative_violation <= FEASIBILITY
        ):
            status = SolutionStatus.feasible
    results.termination_condition, results.solution_status = condition, status
    if compiled.objective is not None:
        results.objective_bound = -compiled.sign * math.inf
        if status in (SolutionStatus.feasible, SolutionStatus.optimal):
            results.incumbent_objective = compiled.sign * solution.objective
    about = results.extra_info
    about.iteration_count = solution.iterations
    about.solver_message = solution.message
    about.number_of_variables = compiled.nlp.n
    about.number_of_constraints = compiled.nlp.m
    about.number_of_nonzeros = len(compiled.nlp.jacobianstructure()[0])
    about.constraint_violation = violation
    about.relative_violation = solution.relative_violation
    about.stages = [stage._replace(objective=compiled.sign * stage.objective) for stage in solution.stages]
    about.certificate = solution.certificate
    about.kinks = solution.kinks
    about.conflicts = solution.conflicts
    about.add("status", ConfigValue(solution.status, visibility=ADVANCED_OPTION))


def without_solver(compiled: CompiledModel) -> Solution | None:
    """The answer where none needs to be computed: limits that contradict each other, or nothing that could vary."""
    nlp = compiled.nlp
    try:
        contradiction = contradicting_bounds(nlp) or broken_constant(nlp)
        if contradiction is not None:
            return answer(nlp, "contradiction", contradiction)
        if nlp.n > 0:
            return None
        if any(variable.fixed for variable in compiled.model.component_data_objects(Var, active=True)):
            message = "All variables are fixed, and all constraints hold."
            return answer(nlp, "optimal", message, nlp.objective(nlp.start))
    except EvaluationError as error:
        return None if nlp.n > 0 else answer(nlp, "invalid_number", str(error))
    return answer(nlp, "empty", "The model has no variables.")
