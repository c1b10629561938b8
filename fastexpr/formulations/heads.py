"""Softmax and sigmoid at a network's end: where only the order of outputs counts, or a threshold, they are dropped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastexpr._core import Function, Operator
from fastexpr.formulations.affine import is_affine
from fastexpr.function.variants import rebuild

#: Operators that leave the order of what they are given as it is; those of lanes have to be of one lane.
IN_ORDER = {"Sigmoid", "Softmax", "LogSoftmax"}


class Head(NamedTuple):
    """A network without what comes last.

    Attributes
    ----------
    body : Function
        Of the logits, under the names of the outputs.
    operator : str
        What was dropped.
    factor : float
        The difference of two logits over that of the logarithms of two probabilities: 2 where a network of two classes
        has sigmoid(-z) and sigmoid(z), and the body -z and z.
    """

    body: Function
    operator: str
    factor: float = 1.0


def without_head(net: Function) -> Head | None:
    """The network up to its logits; None where it does not end with softmax or sigmoid."""
    nodes, outputs = net._nodes(), net._output_ids()
    if len(outputs) != 1:
        return None
    k, moves = moved_from(nodes, outputs[0])
    if not k or nodes[k - 1][0].name not in IN_ORDER:
        return without_complement(net)
    operator, (source, *_), _ = nodes[k - 1]
    if operator.name != "Sigmoid":
        axis, stop = operator.attributes["axis"], operator.attributes["axis"] + operator.attributes["n_axes"]
        if math.prod(operator.shape[axis:stop]) != math.prod(operator.shape) or net.n_outputs < 2:
            return None
    extended, end = with_moves(nodes, moves, source)
    body = rebuild(net, nodes=extended, output_ids=[end])
    return Head(body, operator.name, 2.0 if operator.name == "Sigmoid" and are_opposite(body) else 1.0)


def are_opposite(body: Function) -> bool:
    """Whether two outputs are z and -z."""
    if body.n_outputs != 2:
        return False
    y = body(np.random.default_rng(0).normal(size=(8, body.n_inputs)))
    return bool((abs(y.sum(axis=1)) <= 1e-9 * abs(y).max(axis=1)).all())


def moved_from(nodes: Sequence[Any], k: int) -> tuple[int, list[Any]]:
    """The node whose numbers a node only moves, and what moves them."""
    moves = []
    while k and nodes[k - 1][0].name in ("Reshape", "Select"):
        moves.append(nodes[k - 1])
        k = nodes[k - 1][1][0]
    return k, moves


def with_moves(nodes: Sequence[Any], moves: list[Any], source: int) -> tuple[list[Any], int]:
    """The nodes, and the same moves of another node; its number."""
    result = list(nodes)
    for operator, _, label in reversed(moves):
        result.append((operator, [source], label))
        source = len(result)
    return result, source


def without_complement(net: Function) -> Head | None:
    """Of a network whose two outputs are 1 - sigmoid(z) and sigmoid(z), or the other way round: -z and z."""
    nodes = net._nodes()
    if net.n_outputs != 2:
        return None
    for k in range(len(nodes), 0, -1):
        shape = tuple(nodes[k - 1][0].shape)
        origin, moves = moved_from(nodes, k)
        if math.prod(shape) != 1 or not origin or nodes[origin - 1][0].name != "Sigmoid":
            continue
        sign = direction(net, k)
        if sign:
            extended, z = with_moves(nodes, moves, nodes[origin - 1][1][0])
            extended.append((Operator("Reshape", [shape], {"shape": [1]}, []), [z], "logit"))
            W = np.array([[-sign], [sign]])
            pair = Operator("Linear", [(1,)], {"axis": 0, "transposed": 0}, [W])
            extended.append((pair, [len(extended)], "logits"))
            (port, _), *_ = net.outputs.items()
            body = rebuild(net, nodes=extended, output_ids=[len(extended)], outputs=[(port, (2,))])
            return Head(body, "Sigmoid", 2.0)
    return None


def direction(net: Function, p: int) -> float:
    """1 where the outputs are 1 - p and p, p being a node of one unit; -1 where they are p and 1 - p; else 0."""
    nodes, (output, *_) = net._nodes(), net._output_ids()
    depends = {p}
    for k in range(p + 1, len(nodes) + 1):
        operator, sources, _ = nodes[k - 1]
        if depends & set(sources):
            others = [source for source in sources if source not in depends]
            if not is_affine(operator.name, [source in depends for source in sources]):
                return 0.0
            if any(not source or nodes[source - 1][0].name != "Constant" for source in others):
                return 0.0
            depends.add(k)
    if output not in depends:
        return 0.0
    probe = list(nodes)
    first = Operator("Select", [(net.n_inputs,)], {"shape": list(nodes[p - 1][0].shape)}, [np.zeros(1, np.int64)])
    probe[p - 1] = (first, [0], "p")
    ends = [rebuild(net, nodes=probe)(np.full(net.n_inputs, number)).round(12).tolist() for number in (0.0, 1.0)]
    return {((1.0, 0.0), (0.0, 1.0)): 1.0, ((0.0, 1.0), (1.0, 0.0)): -1.0}.get((tuple(ends[0]), tuple(ends[1])), 0.0)
