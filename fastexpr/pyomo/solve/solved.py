"""A solution of a Pyomo model, reported on, and checked by a path that shares nothing with the solve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pyomo.common.numeric_types import native_types
from pyomo.core.base.block import Block
from pyomo.core.expr.visitor import StreamBasedExpressionVisitor
from pyomo.environ import value

from fastexpr.nlp import Vector
from fastexpr.pyomo.model.definitions import is_network_call
from fastexpr.solvers.interior_point import Multipliers

if TYPE_CHECKING:
    from fastexpr.onnx.evaluator import Evaluator
    from fastexpr.pyomo.compile.compiled import CompiledModel
    from fastexpr.pyomo.solve.sensitivity import Sensitivity
    from fastexpr.solve.results.report import Report
    from fastexpr.solve.results.verify import Verification
    from fastexpr.solvers import Solution


class Solved:
    """A solution with the limits that it was to hold.

    Parameters
    ----------
    compiled : CompiledModel
        Solved; it may be refreshed or compiled anew afterwards.
    solution : Solution
    """

    def __init__(self, compiled: CompiledModel, solution: Solution) -> None:
        nlp = compiled.nlp
        self._model, self._sign, self._solution = compiled.model, compiled.sign, solution
        self._variables, self._constraints = compiled.variables, compiled.constraints
        self._objective = compiled.objective
        self._bounds = (np.array(nlp.lower), np.array(nlp.upper))
        self._limits = (np.array(nlp.constraint_lower), np.array(nlp.constraint_upper))
        self._functions = nlp.functions.copy()  # type: ignore[attr-defined]  # its parameters stay these
        self._compiled, self._parameters = compiled, compiled.parameters

    def _variable_name(self, column: int) -> str:
        return str(self._variables[column].name)

    def _row_name(self, row: int) -> str:
        return str(self._constraints[row].name)

    # ---- sensitivity -------------------------------------------------------------------------------------------------

    def sensitivity(self, parameters: tuple[Any, ...]) -> Sensitivity:
        """See `FastexprSolutionLoader.sensitivity`."""
        from fastexpr.pyomo.solve.sensitivity import sensitivity_of, then

        nlp = then(self._compiled.nlp, self._functions, self._bounds, self._limits)
        return sensitivity_of(self._compiled, self._solution, nlp, self._parameters, parameters)

    # ---- report ------------------------------------------------------------------------------------------------------

    def report(self) -> Report:
        """See `FastexprSolutionLoader.report`."""
        from fastexpr.solve.results.report import Point, Report, met_kinks

        solution, own = self._solution, self._solution.multipliers
        facts = {
            "status": solution.status,
            "message": solution.message,
            "objective": self._sign * solution.objective,
            "relative violation": solution.relative_violation,
            "iterations": solution.iterations,
        }
        if solution.certificate:
            facts["certificate"] = solution.certificate
        # As Pyomo has them: of an upper bound that is met, minus the multiplier of the minimization.
        shown = Multipliers(-self._sign * own.constraints, self._sign * own.upper, self._sign * own.lower)
        return Report(
            Point(
                facts,
                [stage._replace(objective=self._sign * stage.objective) for stage in solution.stages],
                solution.x,
                self._functions.constraints(solution.x),
                shown,
                *self._bounds,
                *self._limits,
                self._variable_name,
                self._row_name,
                met_kinks(solution.kinks),
                self._ranges(),
                solution.conflicts,
                [(name, *b.net.data.distances(x)) for name, b, x in self._networks() if hasattr(b.net, "data")],
            )
        )

    def _ranges(self) -> list[tuple[str, Vector, Vector, Vector]]:
        """Inputs of the blocks' networks that have a range."""
        return [
            (name, x, block.net.lower, block.net.upper)
            for name, block, x in self._networks()
            if block.net.lower is not None and block.net.upper is not None
        ]

    def _networks(self) -> list[tuple[str, Any, Vector]]:
        """Blocks of networks, and what enters these."""
        from fastexpr.pyomo.model.block import NetworkBlockData

        columns = {id(variable): column for column, variable in enumerate(self._variables)}
        found = []
        for block in self._model.component_data_objects(Block, active=True):
            if not isinstance(block, NetworkBlockData):
                continue
            inputs = list(block.inputs.values())
            x = [self._solution.x[columns[id(v)]] if id(v) in columns else value(v, exception=False) for v in inputs]
            if None not in x:
                found.append((str(block.name), block, np.array(x, dtype=float)))
        return found

    # ---- check -------------------------------------------------------------------------------------------------------

    def verify(self) -> Verification:
        """See `FastexprSolutionLoader.verify`."""
        from fastexpr.solve.results.verify import Claim, verify

        solution = self._solution
        values = ModelValues(self._variables)
        roots = [0.0 if self._objective is None else self._objective.expr, *(c.body for c in self._constraints)]

        def evaluate(x: Vector) -> tuple[float, Vector]:
            numbers = values.at(x, roots)
            return self._sign * numbers[0], numbers[1:]

        claim = Claim(
            solution.x,
            solution.multipliers,
            *self._bounds,
            *self._limits,
            solution.objective,
            self._functions.constraints(solution.x),
            self._variable_name,
            self._row_name,
            self._hessian,
            np.zeros(solution.x.size, dtype=bool),
        )
        evaluate(solution.x)
        return verify(evaluate, claim, " and ".join(["Pyomo", *sorted(values.names())]))

    def _hessian(self) -> npt.NDArray[np.float64]:
        """Of the Lagrangian of the minimization, dense, as the solver had it."""
        solution = self._solution
        rows, columns = self._functions.hessian_structure()
        H = np.zeros((solution.x.size, solution.x.size))
        H[rows, columns] = self._functions.hessian(solution.x, solution.multipliers.constraints, 1.0)
        return H + np.tril(H, -1).T


class ModelValues(StreamBasedExpressionVisitor):  # type: ignore[misc]
    """Values of a model's expressions by Pyomo itself, but of networks by ONNX Runtime."""

    def __init__(self, variables: list[Any]) -> None:
        super().__init__()
        self._columns = {id(variable): column for column, variable in enumerate(variables)}
        self._x = np.zeros(0)
        self._evaluators: dict[int, tuple[Any, Evaluator]] = {}
        self._outputs: dict[tuple[int, bytes], Vector] = {}
        self._named: dict[int, Any] = {}

    def at(self, x: Vector, roots: list[Any]) -> Vector:
        """Of these expressions, the variables having these values; the model's own stay as they are."""
        self._x = x
        self._outputs.clear()
        self._named.clear()
        return np.array([self._value(root) for root in roots], dtype=float)

    def names(self) -> set[str]:
        """Who has evaluated networks."""
        return {evaluator.by for _, evaluator in self._evaluators.values()}

    def _value(self, node: Any) -> float:
        is_expression, result = self.beforeChild(None, node, 0)
        try:
            return float(self.walk_expression(node) if is_expression else result)
        except (ArithmeticError, TypeError, ValueError):  # what Python makes of 1/0, log(-1) and (-1)**0.5
            return np.nan

    def beforeChild(self, parent: Any, child: Any, index: int) -> tuple[bool, Any]:  # noqa: N802  # Pyomo's name
        """The value of what is no expression, or known already."""
        if child.__class__ in native_types:
            return False, child
        if not child.is_expression_type():
            column = self._columns.get(id(child))
            return False, value(child) if column is None else float(self._x[column])
        if id(child) in self._named:
            return False, self._named[id(child)]
        return True, None

    def exitNode(self, node: Any, data: Any) -> Any:  # noqa: N802
        """The value of an expression from those of its parts."""
        if is_network_call(node):
            network, output, inputs = node._fcn.split(data)
            return float(self._outputs_of(network, np.array(inputs, dtype=float))[output])
        result = node._apply_operation(data)
        if node.is_named_expression_type():
            self._named[id(node)] = result
        return result

    def _outputs_of(self, network: Any, inputs: Vector) -> Vector:
        """All of them, once at a point."""
        key = id(network), inputs.tobytes()
        if key not in self._outputs:
            if id(network) not in self._evaluators:
                from fastexpr.onnx.evaluator import of_function

                self._evaluators[id(network)] = (network, of_function(network))
            self._outputs[key] = self._evaluators[id(network)][1](inputs)
        return self._outputs[key]
