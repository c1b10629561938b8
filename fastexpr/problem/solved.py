"""The problem as it was when a result was made: limits, constraints and networks may be others since."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastexpr import _core
from fastexpr.errors import GraphError
from fastexpr.expression import Expression
from fastexpr.expression.operands import constant
from fastexpr.nlp import Functions, Nlp, Vector
from fastexpr.problem.statement import Constraint, NetworkRows, Statement, element_name

if TYPE_CHECKING:
    from fastexpr.problem.result import Result
    from fastexpr.solve.results.plots import Response
    from fastexpr.solve.results.report import Report
    from fastexpr.solve.results.verify import Verification

#: So many instances of a network are drawn.
INSTANCES = 3


@dataclass
class Solved:
    """What a result belongs to.

    Attributes
    ----------
    statement : Statement
        For expressions and names of variables.
    constraints, networks, objective
        As they were.
    sign : float
        -1.0 where the objective is maximized.
    lower, upper, constraint_lower, constraint_upper : arrays
        Likewise.
    functions : Functions
        What the solver evaluated, without presolve; with the parameters of its last solve.
    parameters : (n_parameters,) array
        As they were.
    nlp : Nlp
        As it is now.
    """

    statement: Statement
    constraints: list[Constraint]
    networks: list[NetworkRows]
    objective: Expression | None
    sign: float
    lower: Vector
    upper: Vector
    constraint_lower: Vector
    constraint_upper: Vector
    functions: Functions
    parameters: Vector
    nlp: Nlp

    @classmethod
    def of(cls, statement: Statement, nlp: Nlp) -> Solved:
        """The problem now."""
        return cls(
            statement,
            list(statement.constraints),
            list(statement.networks),
            statement.objective,
            statement.sign,
            np.array(nlp.lower),
            np.array(nlp.upper),
            np.array(nlp.constraint_lower),
            np.array(nlp.constraint_upper),
            nlp.functions,
            statement.parameter_values(),
            nlp,
        )

    def evaluate(self, expression: Expression, x: Vector) -> Any:
        """The value of an expression, with the parameters as they were."""
        return self.statement.evaluate(expression, x, self.all_parameters())

    def all_parameters(self) -> Vector:
        """As they were; of those that there are since, as they are."""
        vector = self.statement.parameter_values()
        vector[: self.parameters.size] = self.parameters
        return vector

    def moved_bounds(self, parameters: Vector) -> tuple[Vector, Vector]:
        """The bounds at other values of the parameters."""
        sides = [entry.bounds(parameters) for entry in self.statement.variables.values()]
        n = self.lower.size
        return np.concatenate([low for low, _ in sides])[:n], np.concatenate([high for _, high in sides])[:n]

    @property
    def then(self) -> Nlp:
        """The program with bounds, limits and parameters as they were."""
        nlp = copy.copy(self.nlp)
        nlp.functions = self.functions_then()
        nlp.lower, nlp.upper = self.lower, self.upper
        nlp.constraint_lower, nlp.constraint_upper = self.constraint_lower, self.constraint_upper
        nlp.row_name = self.row_name
        nlp._known = {}
        nlp.reset_evaluations()
        return nlp

    def functions_then(self) -> Functions:
        """The functions with the parameters as they were."""
        if not self.parameters.size:
            return self.functions
        functions: _core.NlpFunctions = self.functions.copy()  # type: ignore[attr-defined]
        functions.set_parameters(self.parameters)
        return functions

    # ---- names -------------------------------------------------------------------------------------------------------

    def variable_name(self, component: int) -> str:
        """As in messages."""
        return self.statement.variable_name(component)

    def row_name(self, row: int) -> str:
        """As in messages; of the constraints that there were."""
        for handle, begin, shape in self.blocks():
            size = int(np.prod(shape))
            if row < begin + size:
                if isinstance(handle, Constraint):
                    return element_name(handle.name, shape, row - begin)
                name = self.statement.variables[handle.y].name
                return f"the network's {element_name(name, shape, row - begin)}"
        raise IndexError(row)

    def blocks(self) -> list[tuple[Constraint | NetworkRows, int, tuple[int, ...]]]:
        """Constraints and networks with their first row and their shape, in the order of the rows."""
        result: list[tuple[Constraint | NetworkRows, int, tuple[int, ...]]] = []
        begin = 0
        handles: list[Constraint | NetworkRows] = [*self.constraints, *self.networks]
        for handle in handles:
            shape = handle.expression.shape if isinstance(handle, Constraint) else handle.y.shape
            result.append((handle, begin, shape))
            begin += int(np.prod(shape))
        return result

    # ---- checks ------------------------------------------------------------------------------------------------------

    def verify(self, result: Result, onnx: Any) -> Verification:
        """See `Result.verify`."""
        from fastexpr.solve.results.verify import Claim, verify

        values, by = self.independent_values(files_of(self.networks, onnx))
        nlp_rows = self.rows_by_core(result.x)
        claim = Claim(
            result.x,
            result.multipliers,
            self.lower,
            self.upper,
            self.constraint_lower,
            self.constraint_upper,
            self.sign * result.objective,
            nlp_rows,
            self.variable_name,
            self.row_name,
            lambda: self.hessian(result),
            self.statement.is_integer()[: result.x.size],
        )
        return verify(values, claim, by)

    def report(self, result: Result) -> Report:
        """See `Result.report`."""
        from fastexpr.solve.results.report import NEAR_KINK, Point, Report, met_kinks

        kinks, ranges, data = met_kinks(result.kinks), [], []
        for entry in self.networks:
            name = self.statement.variables[entry.y].name
            for number, x in enumerate(result.x[entry.inputs]):
                where = f"network of {name}" + (f"[{number}]" if len(entry.inputs) > 1 else "")
                if not result.kinks:
                    kinks += [f"{where}: {k}" for k in entry.function.kinks(x) if k.distance <= NEAR_KINK]
                if entry.function.lower is not None and entry.function.upper is not None:
                    ranges.append((where, x, entry.function.lower, entry.function.upper))
                if (own := getattr(entry.function, "data", None)) is not None:
                    data.append((where, *own.distances(x)))
        return Report(
            Point(
                facts_of(result),
                result.stages,
                result.x,
                self.rows_by_core(result.x),
                result.multipliers,
                self.lower,
                self.upper,
                self.constraint_lower,
                self.constraint_upper,
                self.variable_name,
                self.row_name,
                kinks,
                ranges,
                result.conflicts,
                data,
            )
        )

    def responses(self, result: Result) -> list[Response]:
        """How networks answer along each of their inputs: the first instances of them."""
        from fastexpr.solve.results.plots import Response

        found = []
        for entry in self.networks:
            name, function = self.statement.variables[entry.y].name, entry.function
            bounds = self.lower[entry.inputs], self.upper[entry.inputs]
            for number, x in enumerate(result.x[entry.inputs][:INSTANCES]):
                where = name + (f"[{number}]" if len(entry.inputs) > 1 else "")
                sides = [
                    side[number] if own is None else np.where(np.isfinite(own), own, side[number])
                    for side, own in zip(bounds, (function.lower, function.upper), strict=True)
                ]
                found.append(Response(where, function, x, *sides))
        return found

    def values_by_name(self, result: Result) -> dict[str, Any]:
        """Of variables and outputs, as lists in their shapes."""
        return {
            entry.name: result.x[entry.offset : entry.offset + leaf.size].reshape(leaf.shape)
            for leaf, entry in self.statement.variables.items()
            if entry.offset + leaf.size <= result.x.size
        }

    def parameters_by_name(self) -> dict[str, Any]:
        """As they were, in their shapes."""
        return {
            entry.name: self.parameters[entry.offset : entry.offset + leaf.size].reshape(leaf.shape)
            for leaf, entry in self.statement.parameters.items()
            if entry.offset + leaf.size <= self.parameters.size
        }

    def duals_by_name(self, result: Result) -> dict[str, Any]:
        """Of constraints and networks, in their shapes."""
        weights = result.multipliers.constraints
        return {
            entry.name if isinstance(entry, Constraint) else self.statement.variables[entry.y].name: weights[
                begin : begin + int(np.prod(shape))
            ].reshape(shape)
            for entry, begin, shape in self.blocks()
        }

    def hessian(self, result: Result) -> npt.NDArray[np.float64]:
        """Of the Lagrangian of the minimization, dense, as the solver had it."""
        functions = self.functions_then()
        rows, columns = functions.hessian_structure()
        H = np.zeros((result.x.size, result.x.size))
        H[rows, columns] = functions.hessian(result.x, result.multipliers.constraints, 1.0)
        return H + np.tril(H, -1).T

    def rows_by_core(self, x: Vector) -> Vector:
        """g(x) as the solve evaluated it."""
        parts = [np.zeros(0)]
        parts += [np.ravel(self.evaluate(entry.expression, x)) for entry in self.constraints]
        parts += [np.ravel(entry.function(x[entry.inputs]) - x[entry.outputs]) for entry in self.networks]
        return np.concatenate(parts)

    def independent_values(self, files: Mapping[int, Any]) -> tuple[Callable[[Vector], tuple[float, Vector]], str]:
        """f and g by evaluators that are not ours, and their name; `files` by the identities of networks."""
        from fastexpr.onnx.evaluator import Evaluator, of_file, of_function

        objective = self.objective if self.objective is not None else constant(np.asarray(0.0))
        pieces = []
        for expression in [objective, *(entry.expression for entry in self.constraints)]:
            function, components = self.statement.compile([expression], self.all_parameters())
            pieces.append((of_function(function), components))
        networks: dict[int, Evaluator] = {}
        for entry in self.networks:
            key = id(entry.function)
            if key not in networks:
                networks[key] = of_file(files[key], entry.function) if key in files else of_function(entry.function)

        def values(x: Vector) -> tuple[float, Vector]:
            numbers = [evaluate(x[components]) for evaluate, components in pieces]
            for entry in self.networks:
                evaluate = networks[id(entry.function)]
                outputs = [evaluate(point) for point in x[entry.inputs]]
                numbers.append((np.array(outputs) - x[entry.outputs]).ravel())
            return self.sign * float(numbers[0][0]), np.concatenate([np.zeros(0), *numbers[1:]])

        names = {evaluator.by for evaluator, _ in pieces} | {evaluator.by for evaluator in networks.values()}
        return values, " and ".join(sorted(names)) + (", the networks from their files" if files else "")


def facts_of(result: Result) -> dict[str, Any]:
    """The head of the report."""
    facts = {
        "status": result.status,
        "message": result.message,
        "objective": result.objective,
        "violation": result.violation,
        "relative violation": result.relative_violation,
        "iterations": result.iterations,
        "seconds": result.timings["total"],
        "solver": result.solver,
    }
    if result.objective_bound is not None:
        facts["objective bound"] = result.objective_bound
    if result.certificate:
        facts["certificate"] = result.certificate
    return facts


def files_of(networks: list[NetworkRows], onnx: Any) -> dict[int, Any]:
    """The paths that were given, by the identities of the networks."""
    if onnx is None:
        return {}
    functions = {id(entry.function): entry.function for entry in networks}
    if not functions:
        raise GraphError(
            "[verify] onnx= stands for networks of the method network, and the problem has none: inside an expression, "
            "as in net(x), a network is algebra like other algebra. What to do: leave onnx= out, or state y = "
            "p.network(net, x)."
        )
    if isinstance(onnx, str | os.PathLike):
        if len(functions) > 1:
            raise ValueError(
                f"[verify] onnx={os.fspath(onnx)!r} could be any of {len(functions)} networks. What to do: "
                "onnx={net: path, ...}."
            )
        return dict.fromkeys(functions, onnx)
    if not isinstance(onnx, Mapping):
        raise TypeError(f"[verify] onnx must be a path, or a dict of paths by network: got {type(onnx).__name__}.")
    unknown = [net for net in onnx if id(net) not in functions]
    if unknown:
        raise ValueError(f"[verify] onnx= has a network that is none of this problem: {unknown[0]!r}.")
    return {id(net): path for net, path in onnx.items()}
