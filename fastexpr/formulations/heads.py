"""Softmax and sigmoid at a network's end: where only the order of outputs counts, or a threshold, they are dropped."""

from __future__ import annotations

import math
from typing import NamedTuple

from fastexpr._core import Function
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
    """

    body: Function
    operator: str


def without_head(net: Function) -> Head | None:
    """The network up to its logits; None where it does not end with softmax or sigmoid."""
    nodes, outputs = net._nodes(), net._output_ids()
    if len(outputs) != 1:
        return None
    k = outputs[0]
    while k and nodes[k - 1][0].name == "Reshape":
        k = nodes[k - 1][1][0]
    if not k or nodes[k - 1][0].name not in IN_ORDER:
        return None
    operator, (source, *_), _ = nodes[k - 1]
    if operator.name != "Sigmoid":
        axis, stop = operator.attributes["axis"], operator.attributes["axis"] + operator.attributes["n_axes"]
        if math.prod(operator.shape[axis:stop]) != math.prod(operator.shape):
            return None
    (port, _), *_ = net.outputs.items()
    return Head(rebuild(net, output_ids=[source], outputs=[(port, tuple(operator.shape))]), operator.name)
