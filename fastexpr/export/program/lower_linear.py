"""Operators that are linear: layers, convolutions, sums, and numbers that only change places."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.export.program.registry import LoweredNode, lowers
from fastexpr.export.program.statements import Array, Linear, Loops, Terms

ONE = np.array(1.0)


def size_of(shape: Any) -> int:
    return int(np.prod(shape, dtype=np.int64))


@lowers("Reshape")
def reshape(node: LoweredNode) -> Array:
    return node.inputs[0]


@lowers("Select")
def select(node: LoweredNode) -> Array:
    u, indices = node.inputs[0], node.constants[0].ravel()
    if len(indices) == u.size and np.array_equal(indices, np.arange(u.size)):
        return u
    return node.add(Linear(node.array(node.size, u), node.label, [Terms(u, np.arange(node.size), indices, ONE)]))


@lowers("Concat")
def concat(node: LoweredNode) -> Array:
    places = [np.arange(size_of(shape)).reshape(shape) for shape in node.input_shapes]
    axis, terms, bias = node.attributes["axis"], [], None
    for k, u in enumerate(node.inputs):
        marked = np.concatenate([place if j == k else np.full(place.shape, -1) for j, place in enumerate(places)], axis)
        outputs = np.flatnonzero(marked.ravel() >= 0)
        inputs = marked.ravel()[outputs]
        if u.numbers is None:
            terms.append(Terms(u, outputs, inputs, ONE))
        else:
            bias = np.zeros(node.size) if bias is None else bias
            bias[outputs] = u.numbers[inputs]
    return node.add(Linear(node.array(node.size, *node.inputs), node.label, terms, bias))


@lowers("Linear")
def linear(node: LoweredNode) -> Array:
    u, W = node.inputs[0], node.constants[0]
    axis, shape = node.attributes["axis"], node.input_shapes[0]
    W = W.T if node.attributes["transposed"] else W
    (h, k), outer, inner = W.shape, size_of(shape[:axis]), size_of(shape[axis + 1 :])
    bias = None
    if len(node.constants) > 1:
        bias = np.broadcast_to(node.constants[1][:, None], (outer, h, inner)).ravel()
    if inner == 1:
        terms = Terms(u, None, None, W, is_matrix=True, repeats=outer)
    else:
        loops = Loops(
            {"o": outer, "r": h, "c": k, "s": inner},
            f"(o * {h} + r) * {inner} + s",
            f"(o * {k} + c) * {inner} + s",
            f"r * {k} + c",
        )
        terms = Terms(u, None, None, np.ascontiguousarray(W), loops)
    return node.add(Linear(node.array(node.size, u), node.label, [terms], bias))


@lowers("SparseLinear")
def sparse_linear(node: LoweredNode) -> Array:
    u, (starts, columns, values) = node.inputs[0], node.constants
    axis, shape = node.attributes["axis"], node.input_shapes[0]
    outer, k, inner = size_of(shape[:axis]), shape[axis], size_of(shape[axis + 1 :])
    h = len(starts) - 1
    rows = np.repeat(np.arange(h), np.diff(starts))
    o, t, s = np.indices((outer, len(columns), inner)).reshape(3, -1)
    terms = Terms(u, (o * h + rows[t]) * inner + s, (o * k + columns[t]) * inner + s, values[t])
    return node.add(Linear(node.array(node.size, u), node.label, [terms]))


@lowers("Conv")
def conv(node: LoweredNode) -> Array:
    """Loops over images, groups, channels, positions and the kernel; a transposed one exchanges input and output."""
    u, W, settings = node.inputs[0], node.constants[0], node.attributes
    is_transposed, groups, axis = settings["transposed"], settings["group"], settings["axis"]
    strides, dilations, pads = settings["strides"], settings["dilations"], settings["pads"]
    before, after = node.input_shapes[0], node.shape
    # The side whose positions are counted one by one, and the side where the kernel's reach is looked up.
    near, far = (before, after) if is_transposed else (after, before)
    near_channels, far_channels = near[axis] // groups, far[axis] // groups
    rank = len(near) - axis - 1
    extents = {"o": size_of(before[:axis]), "q": groups, "m": near_channels}
    extents.update({f"s{d}": near[axis + 1 + d] for d in range(rank)})
    extents["c"] = far_channels
    extents.update({f"t{d}": W.shape[2 + d] for d in range(rank)})
    near_place = f"(o * {groups} + q) * {near_channels} + m"
    far_place = f"(o * {groups} + q) * {far_channels} + c"
    number = f"(q * {near_channels} + m) * {far_channels} + c"  # W (near channels, far channels of a group, kernel...)
    guards = []
    for d in range(rank):
        position = f"s{d} * {strides[d]} + t{d} * {dilations[d]} - {pads[d]}".replace("- -", "+ ")
        guards.append((position, far[axis + 1 + d]))
        near_place = f"({near_place}) * {near[axis + 1 + d]} + s{d}"
        far_place = f"({far_place}) * {far[axis + 1 + d]} + ({position})"
        number = f"({number}) * {W.shape[2 + d]} + t{d}"
    outputs, inputs = (far_place, near_place) if is_transposed else (near_place, far_place)
    terms = Terms(u, None, None, np.ascontiguousarray(W), Loops(extents, outputs, inputs, number, guards))
    bias = None
    if len(node.constants) > 1:
        channels = node.constants[1].reshape(-1, *[1] * rank)
        bias = np.broadcast_to(channels, after[axis:]).ravel()
        bias = np.tile(bias, size_of(after[:axis]))
    return node.add(Linear(node.array(node.size, u), node.label, [terms], bias))


@lowers("CumSum")
def cum_sum(node: LoweredNode) -> Array:
    u, settings = node.inputs[0], node.attributes
    axis, last = settings["axis"], settings["axis"] + settings["n_axes"]
    shape = node.input_shapes[0]
    outer, members, inner = size_of(shape[:axis]), size_of(shape[axis:last]), size_of(shape[last:])
    to, of = np.indices((members, members))
    keep = of >= to if settings["reverse"] else of <= to
    if settings["exclusive"]:
        keep &= of != to
    to, of = to[keep], of[keep]
    o, t, s = np.indices((outer, len(to), inner)).reshape(3, -1)
    terms = Terms(u, (o * members + to[t]) * inner + s, (o * members + of[t]) * inner + s, ONE)
    return node.add(Linear(node.array(node.size, u), node.label, [terms]))
