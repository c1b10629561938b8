"""From a network's graph to algebra: node by node, affine parts as sparse matrices, the rest by emitters."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import FormulationError
from fastexpr.formulations import argmax, maximum, piecewise, smooth, trees  # noqa: F401  (they register emitters)
from fastexpr.formulations.affine import (
    Affine,
    Array,
    Indices,
    Mask,
    constants,
    entries,
    is_affine,
    joined,
    matrix_of,
    product,
)
from fastexpr.formulations.algebra import Algebra
from fastexpr.formulations.bounds import bounds_of_nodes
from fastexpr.formulations.choices import COMPARISONS, broadcast
from fastexpr.formulations.convexity import Curvature, curvatures, require_curvature
from fastexpr.formulations.graph import bounded_nodes, needed_nodes
from fastexpr.formulations.hard_swish import hard_swish
from fastexpr.formulations.products import Products
from fastexpr.formulations.registry import BoundedNode, find_emitter
from fastexpr.function.kink import values_of_nodes
from fastexpr.function.written_out import written_out

#: How units with a kink are written. "bigm": a binary for each; "pairs": of which one is zero; "relaxed": neither.
KINKS = {
    "bigm": "bigm", "sos1": "pairs", "epigraph": "relaxed", "partition": "bigm", "complementarity": "pairs",
    "full-space": "bigm",
}  # fmt: skip


@dataclass
class Counts:
    """What `summary()` says about one network."""

    units: int = 0  # that are not affine
    stable: int = 0  # of them, affine over the box
    binaries: int = 0
    widths: list[Array] = field(default_factory=list)  # of the intervals of those that are not stable
    notes: list[str] = field(default_factory=list)


@dataclass
class Run:
    """A network at one place: what is known of its nodes, by number."""

    nodes: Sequence[Any]
    depends: list[bool]  # on x
    known: dict[int, Array]  # values of those that do not
    tight: dict[int, tuple[Array, Array]]  # bounds
    values: dict[int, Affine]
    approximate: set[int] = field(default_factory=set)  # and what reads them: the network's own bounds are not theirs


EMPTY = constants(np.zeros(0))


class Builder:
    """Writes networks into one Algebra.

    Parameters
    ----------
    formulation : {"bigm", "sos1", "epigraph", "partition", "complementarity", "full-space"}
    margin : float, optional
        How far trees' inputs keep away from thresholds; by default a little more than solvers' tolerances.
    """

    def __init__(
        self, formulation: str, algebra: Algebra | None = None, relax: bool = False, margin: float | None = None
    ) -> None:
        self.formulation = formulation
        self.kinks = KINKS[formulation]
        self.algebra = Algebra() if algebra is None else algebra
        self.counts = Counts()
        self.relax = relax
        self.margin = margin
        self.n_inputs = 0
        self.products: Products | None = None  # collects them where an objective may be quadratic
        self.bounds: list[tuple[Array, Array]] = []  # of the inputs of the node that an emitter writes
        self.curvatures: dict[int, Curvature] = {}
        self.curvature_of_outputs = Curvature(np.zeros(0, bool), np.zeros(0, bool))
        self.output_bounds = (np.zeros(0), np.zeros(0))  # of the network that was written last
        self.known_cuts: dict[tuple[int, int], dict[int, Any]] = {}  # by source and row, by feature
        self.tree_readers: dict[int, list[Any]] = {}
        self.leaves: list[Indices] = []  # columns of trees' leaves
        self._run = Run([], [], {}, {}, {})

    # ---- a network

    def place(self, net: Function, lower: Array, upper: Array, is_integer: Any = False) -> Affine:
        """All outputs of a network whose inputs are the first columns; see `apply`."""
        self.n_inputs = net.n_inputs
        if not (lower <= upper).all():
            k = int(np.flatnonzero(~(lower <= upper))[0])
            raise FormulationError(
                f"the bounds of input '{net.input_names[k]}' leave nothing: got ({lower[k]}, {upper[k]})."
            )
        columns = self.algebra.add_columns(lower, upper, is_integer)
        return self.apply(net, entries(net.n_inputs, net.n_inputs, columns, columns), lower, upper)

    def apply(self, net: Function, inputs: Affine, lower: Any, upper: Any) -> Affine:
        """All outputs of a network at one place.

        Parameters
        ----------
        net : Function
        inputs : Affine of size n
        lower, upper : (n,) arrays
            Bounds of the inputs.

        Raises
        ------
        fastexpr.errors.FormulationError
            An operator without a formulation, or infinite bounds where it needs finite ones.
        """
        net = written_out(net)
        nodes, outputs = net._nodes(), net._output_ids()
        needed = needed_nodes(nodes, outputs)
        depends = [True]
        for _, sources, _ in nodes:
            depends.append(any(depends[k] for k in sources))
        known = self._values_of_constants(net, nodes, needed, depends)
        asked = bounded_nodes(nodes, needed, depends)
        tight = bounds_of_nodes(net, lower, upper, [*asked, *outputs] if asked else [])
        tight[0] = np.asarray(lower, np.float64), np.asarray(upper, np.float64)
        self.curvatures = curvatures(net, needed, known, depends) if self.formulation == "epigraph" else {}
        if self.formulation == "epigraph" and not self.relax:
            require_curvature(net, [self.curvatures[k] for k in outputs])
            self.curvature_of_outputs = Curvature(
                *(np.concatenate(side) for side in zip(*(self.curvatures[k] for k in outputs), strict=True))
            )
        self.known_cuts = {}  # of this network's trees
        self.tree_readers = {}
        for number, (operator, sources, _) in enumerate(nodes, start=1):
            if operator.name == "TreeEnsemble" and number in needed:
                self.tree_readers.setdefault(sources[0], []).append(operator)
        if asked and np.array_equal(lower, upper):  # the network says it itself, at its thresholds, too
            value = np.asarray(net(tight[0][0]))
            self.output_bounds = value, value
            return constants(value)
        run = Run(nodes, depends, known, tight, {0: inputs})
        before, self._run = self._run, run
        for number, (operator, _, _) in enumerate(nodes, start=1):
            # Written where somebody needs them as they are: most choices do not need a comparison as 0 or 1.
            if number in needed and depends[number] and operator.name not in (*COMPARISONS, "HardSigmoid"):
                self._write(number)
        found = joined([self.needed(k) for k in outputs])
        low, high = (np.concatenate(side) for side in zip(*map(self.bounds_of, outputs), strict=True))
        self.output_bounds = low, high
        self._run = before
        return found

    def _write(self, number: int) -> None:
        """The output of a node."""
        run = self._run
        operator, sources, label = run.nodes[number - 1]
        moving = [run.depends[k] for k in sources]
        if run.approximate.intersection(sources):
            run.approximate.add(number)
        if is_affine(operator.name, moving):
            fixed = [None if does else run.known[k] for k, does in zip(sources, moving, strict=True)]
            for k in sources:
                self.needed(k)
            run.values[number] = self._affine(operator, sources, moving, fixed, run.values, run.tight)
            return
        emit = find_emitter(operator.name)
        node = BoundedNode(number, operator, list(sources), label, *run.tight[number])
        if emit is None:
            raise FormulationError(
                f"{node} has no formulation as algebra. What to do: formulation='external' with "
                "SolverFactory('fastexpr'), or another solver that calls networks; or train with other units."
            )
        gate = self._gate(operator, sources) if self.formulation != "full-space" else None
        if gate is not None:  # Mul(z, HardSigmoid(z)): as exporters write a HardSwish
            argument, alpha, beta = gate
            z = self.needed(argument)
            run.values[number] = hard_swish(self, node, z, self.bounds_of(argument), alpha, beta)
            return
        is_choice = operator.name == "Where"
        arguments = [self.needed(k) if k_place or not is_choice else EMPTY for k_place, k in enumerate(sources)]
        self.bounds = [self.bounds_of(k) for k in sources]
        run.values[number] = emit(self, node, arguments)

    def bounds_of(self, k: int) -> tuple[Array, Array]:
        """Of the output of a node, as it is written."""
        run = self._run
        if not run.depends[k]:
            return run.known[k].ravel(), run.known[k].ravel()
        return run.tight[k] if k in run.tight and k not in run.approximate else self.box(self.needed(k))

    def approximates(self, node: BoundedNode) -> None:
        """Notes that a node is not written exactly."""
        self._run.approximate.add(node.number)

    def _gate(self, operator: Any, sources: Sequence[int]) -> tuple[int, float, float] | None:
        """The argument, alpha and beta of a product z HardSigmoid(z)."""
        if operator.name != "Mul":
            return None
        for z, other in (tuple(sources), tuple(sources)[::-1]):
            inner, inputs, _ = self._run.nodes[other - 1] if other else (None, (), "")
            if inner is not None and inner.name == "HardSigmoid" and list(inputs) == [z] and z in self._run.tight:
                return z, inner.attributes["alpha"], inner.attributes["beta"]
        return None

    def needed(self, k: int) -> Affine:
        """The output of a node, whether it depends on x or not."""
        run = self._run
        if not run.depends[k]:
            return constants(run.known[k])
        if k not in run.values:
            bounds = self.bounds
            self._write(k)
            self.bounds = bounds
        return run.values[k]

    def compared(self, k: int) -> Affine | None:
        """Of a node that asks for d > 0, or d >= 0, this d; None of another one."""
        run = self._run
        operator, sources, _ = run.nodes[k - 1] if k else (None, (), "")
        if operator is None or operator.name not in ("Less", "LessOrEqual"):
            return None
        first, second = (
            broadcast(self.needed(source), shape, operator.shape)
            for source, shape in zip(sources, operator.input_shapes, strict=True)
        )
        return second - first

    def are_binary(self, columns: Indices) -> bool:
        """Whether all of these columns are 0 or 1: binaries, and leaves, which follow them."""
        is_binary = self.algebra.is_integer & (self.algebra.lower >= 0) & (self.algebra.upper <= 1)
        for leaves in self.leaves:
            is_binary[leaves] = True
        return bool(is_binary[columns].all())

    def _values_of_constants(
        self, net: Function, nodes: Any, needed: set[int], depends: list[bool]
    ) -> dict[int, Array]:
        ids = [k for k in sorted(needed) if k and not depends[k]]
        if not ids:
            return {}
        if all(nodes[k - 1][0].name == "Constant" for k in ids):
            return {k: np.asarray(nodes[k - 1][0].constants[0], np.float64) for k in ids}
        flat = values_of_nodes(net, ids)(np.zeros(net.n_inputs))
        ends = np.cumsum([math.prod(nodes[k - 1][0].shape) for k in ids])
        parts = np.split(flat, ends[:-1])
        return {k: part.reshape(nodes[k - 1][0].shape) for k, part in zip(ids, parts, strict=True)}

    def _affine(
        self,
        operator: Any,
        sources: Sequence[int],
        moving: Sequence[bool],
        fixed: Sequence[Any],
        values: dict[int, Affine],
        tight: dict[int, tuple[Array, Array]],
    ) -> Affine:
        inputs = [k for k, does in zip(sources, moving, strict=True) if does]
        if operator.name == "Reshape":
            return values[inputs[0]]
        if operator.name == "Select":
            return values[inputs[0]].taken(operator.constants[0])
        W, b = matrix_of(operator, moving, fixed)
        uses = np.bincount(W.indices, minlength=W.shape[1])
        begin = 0
        parts = []
        for k in inputs:
            size = values[k].size
            known_bounds = None if k in self._run.approximate else tight.get(k)
            values[k] = self.compacted(values[k], uses[begin : begin + size], known_bounds)
            begin += size
            parts.append(values[k])
        return product(W, b, joined(parts))

    # ---- what emitters use

    def compacted(self, z: Affine, uses: Indices, bounds: tuple[Array, Array] | None) -> Affine:
        """z, with columns of their own for units where that costs fewer numbers than to write them out at every use."""
        lengths = z.lengths
        is_costly = (lengths > 1) & (uses * lengths > uses + lengths + 1)
        return self.columned(z, is_costly, bounds) if is_costly.any() else z

    def columned(self, z: Affine, which: Mask, bounds: tuple[Array, Array] | None) -> Affine:
        """z, where some units are columns that equal them."""
        part = z.taken(np.flatnonzero(which))
        low, high = self.box(part) if bounds is None else (bounds[0][which], bounds[1][which])
        columns = self.algebra.add_columns(low, high)
        self.algebra.fillers.append(functools.partial(fill_affine, part, columns))
        own = entries(part.size, self.algebra.n_columns, np.arange(part.size), columns)
        self.algebra.add_rows(0.0, part - own, 0.0)
        return z.kept(~which) + entries(z.size, self.algebra.n_columns, np.flatnonzero(which), columns)

    def box(self, z: Affine) -> tuple[Array, Array]:
        """Bounds of units from those of their columns, a little wider than rounding makes them."""
        width = z.matrix.shape[1]
        low, high = self.algebra.lower[:width], self.algebra.upper[:width]
        positive, negative = z.matrix.maximum(0).tocsr(), z.matrix.minimum(0).tocsr()
        for part in (positive, negative):
            part.eliminate_zeros()
        lower = positive @ low + negative @ high + z.constant
        upper = positive @ high + negative @ low + z.constant
        room = 1e-13 * (1.0 + abs(z.matrix) @ np.nan_to_num(np.maximum(abs(low), abs(high)), posinf=0.0))
        return lower - room, upper + room

    def whole_units(self, z: Affine) -> Mask:
        """Which units are whole numbers wherever the columns that have to be are."""
        matrix, is_integer = z.matrix, self.algebra.is_integer
        is_whole = is_integer[matrix.indices] & (matrix.data == np.round(matrix.data))
        counts = np.add.reduceat(np.append(is_whole, 0), matrix.indptr[:-1]) if matrix.nnz else np.zeros(z.size)
        counts = np.where(z.lengths > 0, counts, 0)
        found: Mask = (counts == z.lengths) & (z.constant == np.round(z.constant))
        return found

    def require_finite(self, node: BoundedNode, lower: Array, upper: Array) -> None:
        """Raises where a unit that needs bounds has none."""
        is_open = ~(np.isfinite(lower) & np.isfinite(upper))
        if is_open.any():
            unit = int(np.flatnonzero(is_open)[0])
            raise FormulationError(
                f"{node} needs finite bounds of its argument: got ({lower[unit]}, {upper[unit]}) at unit {unit}. What "
                "to do: give all inputs lower and upper bounds, net.with_bounds(lower, upper) those of the data for "
                "example; formulation='sos1' needs none for units with one kink."
            )


def fill_affine(z: Affine, columns: Indices, values: Array) -> None:
    """Columns that equal z."""
    values[columns] = z.at(values)
