"""A small network as one nested expression for each output: for global solvers that read algebra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pyomo.environ import quicksum

from fastexpr._core import Function
from fastexpr.errors import FormulationError
from fastexpr.formulations.affine import is_affine, matrix_of
from fastexpr.formulations.graph import needed_nodes
from fastexpr.function.kink import values_of_nodes
from fastexpr.function.written_out import written_out
from fastexpr.pyomo.formulation.formulas import Scalars, formula

#: So many terms an expression may have when it is written out, as solvers' languages want it.
MOST_TERMS = 1_000_000

#: Operators of whose output each unit reads a whole axis of the input.
DENSE = {"Linear", "Softmax", "LogSoftmax", "MatMul"}

#: Operators whose formula holds its argument more than once.
TWICE = {"Relu", "LeakyRelu", "PRelu", "Clip", "HardSigmoid", "HardSwish", "Softplus", "Softsign", "Elu", "Selu",
         "Swish", "GeluTanh", "Matern", "Max", "Min", "ReduceMax", "Softmax", "LogSoftmax"}  # fmt: skip


def nested(net: Function, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of a network as expressions of its inputs.

    Raises
    ------
    fastexpr.errors.FormulationError
        An operator has no formula, or the expressions would be too long.
    """
    net = written_out(net)
    nodes, outputs = net._nodes(), net._output_ids()
    needed = needed_nodes(nodes, outputs)
    require_small(net, nodes, needed)
    values: dict[int, Scalars] = {0: list(inputs)}
    depends = [True]
    for number, (operator, sources, label) in enumerate(nodes, start=1):
        depends.append(any(depends[k] for k in sources))
        if number not in needed:
            continue
        if not depends[number]:
            values[number] = values_of_nodes(net, [number])(np.zeros(net.n_inputs)).tolist()
        elif is_affine(operator.name, moving := [depends[k] for k in sources]):
            fixed = [None if depends[k] else np.array(values[k]) for k in sources]
            W, b = matrix_of(operator, moving, fixed)
            starts, places, numbers = W.indptr.tolist(), W.indices.tolist(), W.data.tolist()
            z = [entry for k in sources if depends[k] for entry in values[k]]
            values[number] = [
                quicksum((w * z[c] for w, c in zip(numbers[i:j], places[i:j], strict=True)), start=constant)
                for i, j, constant in zip(starts, starts[1:], b.tolist(), strict=False)
            ]
        else:
            values[number] = formula(operator, [values[k] for k in sources], label)
    return [entry for k in outputs for entry in values[k]]


def require_small(net: Function, nodes: Any, needed: set[int]) -> None:
    """Raises where expressions that are written out, shared parts again at every use, would be too long."""
    lengths = {0: 1.0}  # of the longest expression of each node
    for number, (operator, sources, _) in enumerate(nodes, start=1):
        if number not in needed:
            continue
        sizes = [int(np.prod(shape)) for shape in operator.input_shapes]
        longest = max((lengths[k] for k in sources), default=1.0)
        fan = max(1, sum(sizes) // max(1, int(np.prod(operator.shape)))) if operator.name not in DENSE else max(sizes)
        lengths[number] = longest * fan * (2.0 if operator.name in TWICE else 1.0)
    total = sum(lengths[k] * int(np.prod(nodes[k - 1][0].shape)) for k in net._output_ids() if k)
    if total > MOST_TERMS:
        raise FormulationError(
            f"[NetworkBlock] formulation='reduced-space' is for small networks: got some {total:.3g} terms, expected "
            f"at most {MOST_TERMS:.3g}. What to do: formulation='full-space', or 'external'."
        )
