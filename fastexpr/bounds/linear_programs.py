"""Bounds by linear programs: the least and largest value of each undecided unit and each output in a relaxation.

Variables are x and the outputs of all operators that are not linear; what is linear between them is substituted. A
ReLU's triangle, and whatever else is convex with one kink, is written exactly; other operators are variables within
their bounds. Of HiGHS's solution only the multipliers count: for any of them a bound follows by arithmetic that
accounts for its own rounding (Neumaier and Shcherbina, 2004), so tolerances and wrong statuses cost tightness only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function, Operator
from fastexpr.bounds.boxes import Boxes

Array = npt.NDArray[np.float64]

EPSILON = float(np.finfo(np.float64).eps)


def slopes_of(core: Operator) -> tuple[float, float] | None:
    """Slopes below and above 0 of an operator that is linear on either side, and convex."""
    if core.name == "Relu":
        return 0.0, 1.0
    if core.name == "Abs":
        return -1.0, 1.0
    if core.name == "LeakyRelu" and core.attributes["alpha"] <= 1:
        return core.attributes["alpha"], 1.0
    return None


@dataclass
class Stretch:
    """One operator that is not linear, or the outputs: arguments as A z + b of the variables z before them."""

    node: int  # its number; 0 for the outputs
    slopes: tuple[float, float] | None  # below and above 0, of an operator that is linear on either side
    A: Array
    b: Array
    first: int  # of its own variables


def bounds_by_programs(function: Function, boxes: Boxes) -> tuple[Array, Array, tuple[Array, Array]]:
    """Bounds (boxes, m) of outputs, and (boxes, units) of all nodes that depend on x.

    Raises
    ------
    fastexpr.errors.NotFoundError
        HiGHS is not installed, or too old.
    """
    from fastexpr.solvers.highs import highspy

    highspy("output_bounds(method='lp')", "milp")
    low, high = function._output_bounds(boxes.lower, boxes.upper, "linear")
    node_low, node_high = function._node_bounds(boxes.lower, boxes.upper, "linear")
    stretches, n_variables = stretches_of(function)
    places = places_of(function)
    for box in range(len(boxes.lower)):
        if np.isfinite(boxes.lower[box]).all() and np.isfinite(boxes.upper[box]).all():
            program = Programs(function, stretches, n_variables, places, boxes.lower[box], boxes.upper[box])
            program.tighten(node_low[box], node_high[box], low[box], high[box])
    return low, high, (node_low, node_high)


def dependent(function: Function) -> list[bool]:
    found = [True]
    for _, inputs, _ in function._nodes():
        found.append(any(found[k] for k in inputs))
    return found


def places_of(function: Function) -> dict[int, slice]:
    """Where each node's units stand in the rows of `_node_bounds`."""
    places, first = {}, 0
    depends = dependent(function)
    for number, (core, _, _) in enumerate(function._nodes(), start=1):
        if depends[number]:
            size = int(np.prod(core.shape))
            places[number] = slice(first, first + size)
            first += size
    return places


def stretches_of(function: Function) -> tuple[list[Stretch], int]:
    """The graph cut at every operator that is not linear, whose outputs become variables."""
    nodes, depends = function._nodes(), dependent(function)
    is_linear = linear_nodes(function, depends)
    first, starts = function.n_inputs, {}
    for number, (core, _, _) in enumerate(nodes, start=1):
        if depends[number] and not is_linear[number]:
            starts[number] = first
            first += int(np.prod(core.shape))
    cut: list[Any] = [
        (Operator("Select", [(first,)], {"shape": [function.n_inputs]}, [np.arange(function.n_inputs)]), [0], "x")
    ]
    new = {0: 1}
    for number, (core, inputs, label) in enumerate(nodes, start=1):
        if number in starts:
            indices = np.arange(starts[number], starts[number] + int(np.prod(core.shape)), dtype=np.int64)
            cut.append((Operator("Select", [(first,)], {"shape": list(core.shape)}, [indices]), [0], label))
        else:
            cut.append((core, [new[k] for k in inputs], label))
        new[number] = len(cut)
    stretches = []
    for number, start in starts.items():
        core, inputs, _ = nodes[number - 1]
        slopes = slopes_of(core)
        if slopes is not None:
            stretches.append(Stretch(number, slopes, *affine(first, cut, [new[inputs[0]]]), start))
    stretches.append(Stretch(0, None, *affine(first, cut, [new[k] for k in function._output_ids()]), first))
    return stretches, first


def linear_nodes(function: Function, depends: list[bool]) -> list[bool]:
    """Whether each node is an affine function of what it reads: asked of the core, node by node."""
    found = [True]
    for number, (core, inputs, _) in enumerate(function._nodes(), start=1):
        found.append(core._is_linear([depends[k] for k in inputs]) if depends[number] else True)
    return found


def affine(n: int, nodes: list[Any], ends: list[int]) -> tuple[Array, Array]:
    """A and b of these nodes, which are affine."""
    shapes = [tuple(nodes[end - 1][0].shape) for end in ends]
    ports = [(f"u{k}", shape) for k, shape in enumerate(shapes)]
    function = Function._from_nodes(n, nodes, ends, [("z", (n,))], ports)
    zero = np.zeros(n)
    return function.jacobian(zero), function(zero)


class Programs:
    """The linear programs of one box, which share their rows."""

    def __init__(
        self,
        function: Function,
        stretches: list[Stretch],
        n_variables: int,
        places: dict[int, slice],
        lower: Array,
        upper: Array,
    ) -> None:
        self.function, self.stretches, self.places = function, stretches, places
        self.lower, self.upper = np.full(n_variables, -np.inf), np.full(n_variables, np.inf)
        n = function.n_inputs
        self.lower[:n], self.upper[:n] = lower, upper
        self.n = n_variables
        self.rows: list[Array] = []  # row . z <= limit
        self.limits: list[float] = []

    def tighten(self, node_low: Array, node_high: Array, low: Array, high: Array) -> None:
        nodes = self.function._nodes()
        depends = dependent(self.function)
        first = self.function.n_inputs
        is_linear = linear_nodes(self.function, depends)
        for number, (core, _, _) in enumerate(nodes, start=1):
            if depends[number] and not is_linear[number]:
                size = int(np.prod(core.shape))
                self.lower[first : first + size] = node_low[self.places[number]]
                self.upper[first : first + size] = node_high[self.places[number]]
                first += size
        for stretch in self.stretches:
            if stretch.node == 0:
                self.bound(stretch, low, high, np.arange(low.size))
                continue
            source = nodes[stretch.node - 1][1][0]
            if source == 0:
                u_low, u_high = self.lower[: self.function.n_inputs].copy(), self.upper[: self.function.n_inputs].copy()
            else:
                u_low, u_high = node_low[self.places[source]], node_high[self.places[source]]  # views: written in place
                self.bound(stretch, u_low, u_high, np.flatnonzero((u_low < 0) & (u_high > 0)))
            self.add_units(stretch, u_low, u_high)
            own = self.places[stretch.node]
            size = u_low.size
            node_low[own] = np.maximum(node_low[own], self.lower[stretch.first : stretch.first + size])
            node_high[own] = np.minimum(node_high[own], self.upper[stretch.first : stretch.first + size])

    def magnitude(self) -> Array:
        return np.asarray(np.maximum(np.abs(self.lower), np.abs(self.upper)))

    def slack(self, A: Array, b: Array) -> Array:
        """What rounding may do to A z + b."""
        reach = np.where(A != 0, np.abs(A) * np.where(np.isfinite(self.magnitude()), self.magnitude(), 0.0), 0.0)
        return np.asarray(8 * (A.shape[1] + 8) * EPSILON * (reach.sum(axis=1) + np.abs(b)) + 1e-300)

    def add_units(self, stretch: Stretch, u_low: Array, u_high: Array) -> None:
        """The triangle of every unit, and its range."""
        below, above = stretch.slopes or (0.0, 0.0)
        slack = self.slack(stretch.A, stretch.b)
        for i, (low, high) in enumerate(zip(u_low, u_high, strict=True)):
            column = stretch.first + i
            v = np.zeros(self.n)
            v[column] = 1.0
            ends = [low * (below if low < 0 else above), high * (below if high < 0 else above)]
            chord = (ends[1] - ends[0]) / (high - low) if high > low else above
            offset = max(ends[0] - chord * low, ends[1] - chord * high)
            offset += 16 * EPSILON * (abs(chord) * max(abs(low), abs(high)) + abs(ends[0]) + abs(ends[1]))
            largest = max(ends) * (1 + 4 * EPSILON) if max(ends) > 0 else max(ends) * (1 - 4 * EPSILON)
            self.upper[column] = min(self.upper[column], largest)
            if below <= 0 <= above:
                self.lower[column] = max(self.lower[column], 0.0)
            if not np.isfinite([low, high]).all():
                continue
            for slope in {below, above} if low < 0 < high else {above if low >= 0 else below}:  # v >= slope u
                self.rows.append(slope * stretch.A[i] - v)
                self.limits.append(-slope * stretch.b[i] + abs(slope) * slack[i])
            self.rows.append(v - chord * stretch.A[i])
            self.limits.append(chord * stretch.b[i] + offset + abs(chord) * slack[i])

    def bound(self, stretch: Stretch, low: Array, high: Array, units: npt.NDArray[np.int64]) -> None:
        """Replaces bounds of A z + b by those of linear programs, where they are better."""
        if not self.rows or not np.isfinite(self.lower).all() or not np.isfinite(self.upper).all():
            return
        solver = Solver(np.array(self.rows), np.array(self.limits), self.lower, self.upper)
        slack = self.slack(stretch.A, stretch.b)
        for i in units:
            low[i] = max(low[i], solver.least(stretch.A[i]) + stretch.b[i] - slack[i])
            high[i] = min(high[i], -solver.least(-stretch.A[i]) + stretch.b[i] + slack[i])


class Solver:
    """The least c . z for rows . z <= limits and z within its bounds: as a safe bound."""

    def __init__(self, rows: Array, limits: Array, lower: Array, upper: Array) -> None:
        from scipy.sparse import csr_array

        from fastexpr.solvers.highs import LinearProgram

        self.rows, self.limits, self.lower, self.upper = rows, limits, lower, upper
        m, n = rows.shape
        program = LinearProgram(
            lower, upper, np.zeros(n, bool), csr_array(rows), np.full(m, -np.inf), limits, cost=np.zeros(n)
        )
        self.highs = program.highs("output_bounds(method='lp')")
        self.columns = np.arange(rows.shape[1], dtype=np.int32)

    def least(self, c: Array) -> float:
        self.highs.changeColsCost(len(c), self.columns, np.ascontiguousarray(c))
        self.highs.run()
        multipliers = np.asarray(self.highs.getSolution().row_dual)
        if multipliers.size != len(self.limits) or not np.isfinite(multipliers).all():
            multipliers = np.zeros(len(self.limits))
        return self.safe(c, np.maximum(-multipliers, 0.0))

    def safe(self, c: Array, y: Array) -> float:
        """c . z >= -y . limits + min over the box of (c + rows' y) . z, for any y >= 0."""
        reduced = c + y @ self.rows
        magnitude = np.maximum(np.abs(self.lower), np.abs(self.upper))
        terms = np.where(reduced > 0, reduced * self.lower, reduced * self.upper)
        rounding = (np.abs(c) + y @ np.abs(self.rows)) @ magnitude + y @ np.abs(self.limits)
        count = len(self.limits) + len(c) + 8
        return float(terms.sum() - y @ self.limits - 4 * count * EPSILON * rounding)
