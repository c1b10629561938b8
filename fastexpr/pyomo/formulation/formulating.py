"""Which formulation a NetworkBlock takes, and how it is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyomo.environ import SOSConstraint
from pyomo.mpec import Complementarity

from fastexpr._core import Function
from fastexpr.errors import FormulationError
from fastexpr.formulations.affine import Affine, is_affine
from fastexpr.formulations.building import Builder
from fastexpr.formulations.graph import needed_nodes
from fastexpr.formulations.heads import without_head
from fastexpr.formulations.names import LINEAR
from fastexpr.formulations.summary import Summary, summary_of_widths
from fastexpr.pyomo.bounds.input_box import InputBox
from fastexpr.pyomo.formulation.algebra import expressions, write
from fastexpr.pyomo.formulation.cut_bounds import follow
from fastexpr.pyomo.formulation.reduced_space import nested


@dataclass(frozen=True)
class Placed:
    """A network as algebra whose first columns are the inputs; and its outputs."""

    builder: Builder
    z: Affine


def choose(net: Function, box: InputBox, settings: dict[str, Any]) -> tuple[str, Placed | None]:
    """The formulation, where none is insisted on: trees become boxes, all other networks stay functions."""
    nodes = net._nodes()
    names = {nodes[k - 1][0].name for k in needed_nodes(nodes, net._output_ids()) if k}
    if "TreeEnsemble" not in names:
        return "external", None
    try:
        return "bigm", place(body_of(net, "bigm"), box, "bigm", settings)
    except FormulationError:
        return "external", None


def place(net: Function, box: InputBox, formulation: str, settings: dict[str, Any]) -> Placed:
    """The network as algebra."""
    builder = Builder(formulation, **settings)
    return Placed(builder, builder.place(net, box.lower, box.upper, box.is_integer()))


def body_of(net: Function, formulation: str) -> Function:
    """The network; without softmax and sigmoid at its end where the formulation is linear."""
    head = without_head(net) if formulation in LINEAR else None
    return net if head is None else head.body


def write_algebra(
    block: Any,
    net: Function,
    box: InputBox,
    formulation: str,
    settings: dict[str, Any],
    placed: Placed | None,
    units: Sequence[Any] | None,
) -> list[Any]:
    """The block's algebra; an expression for each output of the network, without units."""
    if formulation == "reduced-space":
        block._summary = Summary(formulation, units=n_units(net))
        bare = [
            x if unit is None else x / unit for x, unit in zip(box.scalars, units or [None] * net.n_inputs, strict=True)
        ]
        return nested(net, bare)
    try:
        placed = place(net, box, formulation, settings) if placed is None else placed
    except FormulationError as error:
        raise FormulationError(f"[NetworkBlock '{block.name}'] {error}") from None
    builder = placed.builder
    block._builder = builder
    pairs = Complementarity if formulation == "complementarity" else SOSConstraint
    block._columns = write(block, builder.algebra, box.scalars, units, pairs)
    follow(block, net, box.scalars, builder.algebra, block._columns)
    block._summary = summary_of(builder, formulation, net.n_outputs)
    return expressions(placed.z, block._columns)


def summary_of(builder: Builder, formulation: str, n_outputs: int) -> Summary:
    """What was taken."""
    algebra, counts = builder.algebra, builder.counts
    matrix, _, _ = algebra.rows()
    return Summary(
        formulation,
        counts.units,
        counts.stable,
        algebra.n_columns + n_outputs,
        int(np.count_nonzero(algebra.is_integer[builder.n_inputs :])),
        algebra.n_rows + n_outputs,
        int(matrix.nnz),
        sum(len(part) for part in algebra.pairs),
        sum(call.columns.size for call in algebra.calls),
        summary_of_widths(counts.widths),
        tuple(counts.notes),
    )


def n_units(net: Function) -> int:
    """How many units are not affine."""
    nodes = net._nodes()
    depends, count = [True], 0
    for operator, sources, _ in nodes:
        moving = [depends[k] for k in sources]
        depends.append(any(moving))
        if any(moving) and not is_affine(operator.name, moving):
            count += math.prod(operator.shape)
    return count
