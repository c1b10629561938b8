"""Operators over groups of numbers: reductions, the softmax family, the largest of several."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.export.program.lower_elementwise import apply, combine
from fastexpr.export.program.lower_linear import ONE, size_of
from fastexpr.export.program.registry import LoweredNode, lowers
from fastexpr.export.program.statements import Array, Choice, Indices, Linear, Routine, Terms


class Groups:
    """The numbers of a node's input, by group: `members` (groups, members) and, for each number, its group."""

    def __init__(self, node: LoweredNode) -> None:
        shape, axis = node.input_shapes[0], node.attributes["axis"]
        last = axis + node.attributes["n_axes"]
        outer, count, inner = size_of(shape[:axis]), size_of(shape[axis:last]), size_of(shape[last:])
        numbers = np.arange(outer * count * inner).reshape(outer, count, inner)
        self.members: Indices = numbers.transpose(0, 2, 1).reshape(outer * inner, count)
        self.group_of: Indices = np.broadcast_to(
            np.arange(outer * inner).reshape(outer, 1, inner), numbers.shape
        ).ravel()
        self.size, self.count = self.members.shape


def total(node: LoweredNode, groups: Groups, u: Array, factor: Any = ONE) -> Array:
    """The sum of each group, times a factor."""
    outputs = np.repeat(np.arange(groups.size), groups.count)
    terms = Terms(u, outputs, groups.members.ravel(), np.asarray(factor))
    return node.add(Linear(node.array(groups.size, u), node.label, [terms]))


def without_the_maximum(node: LoweredNode, groups: Groups) -> tuple[Array, Array]:
    """The largest number of each group, as a step, and u without it. What follows is the same for any number there."""
    u = node.inputs[0]
    largest = node.array(groups.size, u, is_differentiated=False)
    node.add(Routine(largest, node.label, u, "Maximum", {"members": groups.members}))
    every = np.arange(u.size)
    terms = [Terms(u, every, every, ONE), Terms(largest, every, groups.group_of, -ONE)]
    return largest, node.add(Linear(node.array(u.size, u), node.label, terms))


@lowers("ReduceSum", "ReduceMean")
def reduce_sum(node: LoweredNode) -> Array:
    groups = Groups(node)
    return total(node, groups, node.inputs[0], 1.0 / groups.count if node.name == "ReduceMean" else ONE)


@lowers("Softmax")
def softmax(node: LoweredNode) -> Array:
    groups = Groups(node)
    exponentials = apply(node, "Exp", without_the_maximum(node, groups)[1])
    sums = total(node, groups, exponentials)
    return combine(node, "Div", exponentials, sums, np.arange(exponentials.size), groups.group_of)


@lowers("LogSoftmax")
def log_softmax(node: LoweredNode) -> Array:
    groups = Groups(node)
    _, shifted = without_the_maximum(node, groups)
    logarithms = apply(node, "Log", total(node, groups, apply(node, "Exp", shifted)))
    every = np.arange(shifted.size)
    terms = [Terms(shifted, every, every, ONE), Terms(logarithms, every, groups.group_of, -ONE)]
    return node.add(Linear(node.array(node.size, shifted), node.label, terms))


@lowers("ReduceLogSumExp")
def reduce_log_sum_exp(node: LoweredNode) -> Array:
    groups = Groups(node)
    largest, shifted = without_the_maximum(node, groups)
    logarithms = apply(node, "Log", total(node, groups, apply(node, "Exp", shifted)))
    every = np.arange(groups.size)
    terms = [Terms(logarithms, every, every, ONE), Terms(largest, every, every, ONE)]
    return node.add(Linear(node.array(node.size, shifted), node.label, terms))


@lowers("ReduceL2")
def reduce_l2(node: LoweredNode) -> Array:
    return apply(node, "Root", total(node, Groups(node), apply(node, "Square", node.inputs[0])))


@lowers("ReduceProd")
def reduce_prod(node: LoweredNode) -> Array:
    """One factor after the other: nothing is divided, and zeros are like other numbers."""
    groups, u = Groups(node), node.inputs[0]
    every = np.arange(groups.size)
    product = node.add(Linear(node.array(groups.size, u), node.label, [Terms(u, every, groups.members[:, 0], ONE)]))
    for member in range(1, groups.count):
        product = combine(node, "Mul", product, u, every, groups.members[:, member])
    return product


@lowers("ReduceMax")
def reduce_max(node: LoweredNode) -> Array:
    groups, u = Groups(node), node.inputs[0]
    return node.add(Choice(node.array(groups.size, u), node.label, [u], groups.members))


@lowers("Hardmax")
def hardmax(node: LoweredNode) -> Array:
    u = node.inputs[0]
    output = node.array(node.size, u, is_differentiated=False)
    return node.add(Routine(output, node.label, u, "Hardmax", {"members": Groups(node).members}))


@lowers("TreeEnsemble")
def tree_ensemble(node: LoweredNode) -> Array:
    u = node.inputs[0]
    output = node.array(node.size, u, is_differentiated=False)
    names = ("nodes", "thresholds", "targets", "numbers", "roots")
    settings = {
        **dict(zip(names, node.constants, strict=True)),
        **node.attributes,
        "features": node.input_shapes[0][-1],
    }
    return node.add(Routine(output, node.label, u, "TreeEnsemble", settings))
