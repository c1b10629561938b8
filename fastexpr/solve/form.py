"""The form in which a program is solved: outputs of networks that only the objective and inequalities use are no
variables any more, but the networks' expressions.

An interior-point method that has y == network(x) among its equations takes steps in x and y as if they were
independent, and settles where a step happens to lead; with the output in its place it sees the function itself. What
is known and said stays in terms of the program as it was stated: `Form.program` and `Form.solution` are the way there
and back.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Scale, Vector
from fastexpr.nlp.arrays import NODE, VARIABLE, Arrays
from fastexpr.solve.definitions import Definitions, Nodes, distinct, feeding_only_limits, find_definitions
from fastexpr.solve.growth import n_derivatives
from fastexpr.solvers.interior_point import Multipliers, Scaling, Solution

#: J and H together may grow by so much.
LARGEST_GROWTH = 1.5

#: An interval that a bound does not cut, but for rounding.
ROUNDING = 1e-9


def form_of(nlp: Nlp) -> Form | None:
    """The form of a program, kept for its next solve; None where it is solved as it was stated."""
    if nlp.arrays is None:
        return None
    if nlp.form is None:
        nodes = Nodes(nlp.arrays)
        chosen = choose(nlp, feeding_only_limits(nlp, nodes, find_definitions(nodes)), nodes)
        nlp.form = Form(nlp, nodes, chosen) if len(chosen) else False
    form: Form | None = nlp.form or None
    return form if form is not None and form.is_current() else None


def choose(nlp: Nlp, found: Definitions, nodes: Nodes) -> Definitions:
    """All of them, or those of the networks that make the derivatives no more than may be."""
    limit = LARGEST_GROWTH * (nlp.jacobian_rows.size + nlp.hessian_rows.size)
    if not len(found) or n_derivatives(nlp, found) <= limit:
        return found
    targets = nodes.arrays.operands[nodes.begins[found.calls]]
    chosen = np.zeros(len(found), dtype=bool)
    for target in distinct(targets):
        wanted = chosen | (targets == target)
        if n_derivatives(nlp, found.where(wanted)) <= limit:
            chosen = wanted
    return found.where(chosen)


class Form:
    """A program without some of its variables.

    Its rows are those of the program as stated, one by one; of an output that is no variable any more the row is the
    output itself, with the bounds of the variable as its limits.

    Parameters
    ----------
    stated : Nlp
        The program.
    nodes : Nodes
        Of its arrays.
    definitions : Definitions
        What to put in the place of which variables.
    """

    def __init__(self, stated: Nlp, nodes: Nodes, definitions: Definitions) -> None:
        self._stated, self._nodes, self._definitions = stated, nodes, definitions
        is_kept = np.ones(stated.n, dtype=bool)
        is_kept[definitions.columns] = False
        self._kept = np.flatnonzero(is_kept)
        self._intervals: dict[bytes, tuple[Vector, Vector]] = {}
        self._arrays = substituted(nodes, definitions, self._kept)
        self._program: Nlp | None = None

    def is_current(self) -> bool:
        """Whether the definitions still are what they were: limits may have changed."""
        rows, stated = self._definitions.rows, self._stated
        return not (stated.constraint_lower[rows].any() or stated.constraint_upper[rows].any())

    # ---- there -------------------------------------------------------------------------------------------------------

    def program(self) -> Nlp:
        """The program to solve, with the bounds, limits and parameters of now."""
        stated, kept = self._stated, self._kept
        if self._program is None:
            self._program = Nlp(
                stated.start[kept],
                stated.lower[kept],
                stated.upper[kept],
                stated.constraint_lower,
                stated.constraint_upper,
                self._arrays.compile(getattr(stated.functions, "has_hessian", True)),
                variable_name=lambda column: stated.variable_name(int(kept[column])),
                row_name=self._row_name,
                owner=stated.owner,
                complete=self._completed,
                constants=stated.constants,
                arrays=self._arrays,
            )
        program = self._program
        if self._arrays.n_parameters:
            self._arrays.parameters = self._nodes.arrays.parameters
            program.functions.set_parameters(self._arrays.parameters)  # type: ignore[attr-defined]
        program.reset_evaluations()
        program.evaluations = stated.evaluations
        program.start, program.lower, program.upper = (
            side[kept] for side in (stated.start, stated.lower, stated.upper)
        )
        program.constraint_lower, program.constraint_upper = self._limits()
        return program

    def multipliers(self, stated: Multipliers) -> Multipliers:
        """Those of a warm start."""
        constraints, columns = stated.constraints.copy(), self._definitions.columns
        constraints[self._definitions.rows] = stated.upper[columns] - stated.lower[columns]
        return Multipliers(constraints, stated.lower[self._kept], stated.upper[self._kept], stated.found_with)

    def factors(self, stated: Scaling) -> Scaling:
        """The user's factors: a row that was a definition has that of its variable."""
        constraints = stated.constraints.copy()
        constraints[self._definitions.rows] = stated.variables[self._definitions.columns]
        return Scaling(stated.objective, stated.variables[self._kept], constraints)

    def contradiction(self) -> str | None:
        """Says which output cannot be within its bounds, whatever its inputs are within theirs; None: none."""
        stated, definitions = self._stated, self._definitions
        below, above = self._enclosure()
        low, high = stated.lower[definitions.columns], stated.upper[definitions.columns]
        for k in np.flatnonzero((below - rounding(below) > high) | (above + rounding(above) < low))[:1].tolist():
            return (
                f"{stated.variable_name(int(definitions.columns[k]))} is within [{below[k]:.6g}, {above[k]:.6g}] while "
                f"its network's inputs are within their bounds, and its own bounds are [{low[k]:.6g}, {high[k]:.6g}]."
            )
        return None

    def _limits(self) -> tuple[Vector, Vector]:
        """Of the rows: bounds of variables that are gone, unless the network keeps them by itself."""
        stated, definitions = self._stated, self._definitions
        low, high = stated.lower[definitions.columns], stated.upper[definitions.columns]
        below, above = self._enclosure()
        low = np.where(below >= low - rounding(low), -np.inf, low)
        high = np.where(above <= high + rounding(high), np.inf, high)
        lower, upper = stated.constraint_lower.copy(), stated.constraint_upper.copy()
        lower[definitions.rows], upper[definitions.rows] = low, high
        return lower, upper

    def _enclosure(self) -> tuple[Vector, Vector]:
        """Interval bounds of the outputs over the bounds that the inputs have now; only where a bound asks for them."""
        stated, definitions = self._stated, self._definitions
        below, above = np.full(len(definitions), -np.inf), np.full(len(definitions), np.inf)
        lower, upper = stated.lower[definitions.columns], stated.upper[definitions.columns]
        is_bounded = np.isfinite(lower) | np.isfinite(upper)
        positions = self._nodes.arrays.operands[self._nodes.begins[definitions.outputs]]
        known: dict[bytes, tuple[Vector, Vector]] = {}
        for call in distinct(definitions.calls[is_bounded]).tolist():
            function = self._nodes.arrays.targets[self._nodes.operands(call)[0]]
            low, high = self._nodes.box(call, stated.lower, stated.upper)
            if not hasattr(function, "output_bounds") or not (low <= high).all():
                continue
            key = id(function).to_bytes(8, "little") + low.tobytes() + high.tobytes()
            if key not in known:
                known[key] = self._intervals.get(key) or function.output_bounds(low, high)
            here = definitions.calls == call
            below[here], above[here] = (side[positions[here]] for side in known[key])
        self._intervals = known
        return below, above

    def scale(self) -> Scale | None:
        """Of the program as stated: an output goes as far as its row."""
        program, definitions = self._program, self._definitions
        if program is None or program.scale is None:
            return None
        widths = np.ones(self._stated.n)
        widths[self._kept] = program.scale.widths
        steepness = program.scale.rows[definitions.rows]
        widths[definitions.columns] = np.where(steepness > 0.0, steepness, 1.0)
        return Scale(program.scale.objective, widths, program.scale.rows)

    def _row_name(self, row: int) -> str:
        own = np.flatnonzero(self._definitions.rows == row)
        if not own.size:
            return self._stated.row_name(row)
        return f"the bound of {self._stated.variable_name(int(self._definitions.columns[own[0]]))}"

    def _completed(self, x: Vector) -> Vector:
        whole = np.broadcast_to(self._stated.start, (*x.shape[:-1], self._stated.n)).copy()
        whole[..., self._kept] = x
        return self._stated.complete(whole)[..., self._kept]

    # ---- and back ----------------------------------------------------------------------------------------------------

    def solution(self, found: Solution) -> Solution:
        """What was found, in terms of the program as stated; where the point cannot be evaluated, numbers are NaN."""
        stated, definitions = self._stated, self._definitions
        program = self._program
        assert program is not None
        x, constraints = np.empty(stated.n), found.multipliers.constraints.copy()
        force = constraints[definitions.rows]
        x[self._kept] = found.x
        lower, upper = np.zeros(stated.n), np.zeros(stated.n)
        lower[self._kept], upper[self._kept] = found.multipliers.lower, found.multipliers.upper
        lower[definitions.columns], upper[definitions.columns] = np.maximum(-force, 0.0), np.maximum(force, 0.0)
        constraints[definitions.rows] = 0.0
        try:
            x[definitions.columns] = program.constraints(found.x)[definitions.rows]
            rows, columns = stated.jacobianstructure()
            forces = stated.jacobian(x) * constraints[rows]
            slope = stated.gradient(x) + np.bincount(columns, weights=forces, minlength=stated.n)
            constraints[definitions.rows] = definitions.signs * (slope[definitions.columns] + force)
        except EvaluationError:
            x[definitions.columns] = constraints[definitions.rows] = np.nan
        return replace(found, x=x, multipliers=Multipliers(constraints, lower, upper))


def rounding(bounds: Vector) -> Vector:
    """What may be missing from a bound."""
    return ROUNDING * np.maximum(1.0, np.where(np.isfinite(bounds), abs(bounds), 0.0))


def substituted(nodes: Nodes, definitions: Definitions, kept: np.ndarray) -> Arrays:
    """The arrays in which outputs stand where variables were; what they need comes first."""
    arrays = nodes.arrays
    is_first = nodes.ancestors(definitions.outputs)
    order = np.concatenate([np.flatnonzero(is_first), np.flatnonzero(~is_first)])
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    operand_of_column = np.empty(arrays.n, dtype=np.int64)
    operand_of_column[kept] = np.arange(kept.size) * 4 + VARIABLE
    operand_of_column[definitions.columns] = place[definitions.outputs] * 4 + NODE

    def moved(operands: np.ndarray) -> np.ndarray:
        result, kinds, indices = operands.astype(np.int64), operands & 3, operands >> 2
        result[kinds == NODE] = place[indices[kinds == NODE]] * 4 + NODE
        result[kinds == VARIABLE] = operand_of_column[indices[kinds == VARIABLE]]
        return result

    operands = np.where(nodes.is_raw, arrays.operands, 0)
    operands[~nodes.is_raw] = moved(arrays.operands[~nodes.is_raw])
    counts = arrays.counts[order]
    ends = np.cumsum(counts, dtype=np.int64)
    source = np.repeat(nodes.begins[order] - (ends - counts), counts) + np.arange(operands.size)
    rows = moved(arrays.rows)
    rows[definitions.rows] = place[definitions.outputs] * 4 + NODE
    return replace(
        arrays,
        opcodes=arrays.opcodes[order],
        counts=counts,
        operands=operands[source].astype(np.int32),
        n=int(kept.size),
        objective=int(moved(np.array([arrays.objective]))[0]),
        rows=rows.astype(np.int32),
    )
