"""RNN, GRU and LSTM, written out step by step.

All steps' products with W are one Linear; each step is one with R, and the gates' arithmetic. With Z_t = W x_t + b:

    RNN    h' = f(Z + R h)
    GRU    z = f(Z_z + R_z h)    r = f(Z_r + R_r h)    h' = (1 - z) n + z h
           n = g(Z_n + R_n (r h) + c_n), or with linear_before_reset g(Z_n + r (R_n h + c_n)), c_n the recurrent bias
    LSTM   i = f(Z_i + R_i h + p_i c)    k = f(Z_f + R_f h + p_f c), or with input_forget 1 - i
           c' = k c + i g(Z_c + R_c h)   o = f(Z_o + R_o h + p_o c')    h' = o h(c')

`clip` limits the arguments of f, g and h. Shapes: x (T, B, inputs), h and c (B, H), W (gates H, inputs).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastexpr.onnx.arrays import Array
from fastexpr.onnx.converters.activations_of_gates import Activation, gate_activations
from fastexpr.onnx.handle import Handle, Value
from fastexpr.onnx.node import OnnxNode
from fastexpr.onnx.products import linear
from fastexpr.onnx.registry import converter

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
MOST_STEPS = 10_000


class Direction(NamedTuple):
    """The weights of one direction; b_x and b_h are the halves of the bias."""

    W: Value
    R: Value
    b_x: Value
    b_h: Value
    h: Value
    c: Value
    peepholes: list[Value]  # of the gates i, o, f; empty where there are none
    activations: list[Activation]
    is_reverse: bool


class Run:
    """One direction through all steps.

    Attributes
    ----------
    outputs : h after every step, in the order of time; what a sequence has no time for is 0
    h, c : after the last step of each sequence
    """

    def __init__(self, node: OnnxNode, direction: Direction, x: Value, lengths: Array) -> None:
        self.node = node
        self.graph = node.graph
        self.direction = direction
        self.size = direction.h.shape[-1]
        self.h, self.c = direction.h, direction.c
        n_steps, n_batch = x.shape[:2]
        times = step_times(n_steps, lengths, direction.is_reverse)
        batch = np.arange(n_batch)
        x = x[times, batch]
        z = self._input_part(x)
        gates = direction.R.shape[0] // self.size
        self.R_first, self.R_last = (  # all steps share them
            direction.R[start:stop]
            for start, stop in ((0, (gates - 1) * self.size), ((gates - 1) * self.size, gates * self.size))
        )
        self.b_late = direction.b_h[-self.size :]
        steps: list[Value] = []
        for t in range(n_steps):
            h, c = self._step(z[t])
            self.h, self.c = (self._where(t < lengths, new, old) for new, old in ((h, self.h), (c, self.c)))
            steps.append(self.h.reshape((1, n_batch, self.size)))
        if lengths.min(initial=n_steps) < n_steps:
            steps.append(np.zeros((1, n_batch, self.size)))
        places = np.empty_like(times)
        places[times, batch] = np.where(np.arange(n_steps)[:, None] < lengths, np.arange(n_steps)[:, None], n_steps)
        self.outputs = self.graph.concatenate(steps, 0)[places, batch]

    def _input_part(self, x: Value) -> Value:
        """W x_t + b for all steps, (T, B, gates H). A GRU's recurrent bias of n is apart where r multiplies it."""
        direction = self.direction
        b_h = direction.b_h
        if self._resets_late:
            keep = np.repeat([1.0, 1.0, 0.0], self.size)
            b_h = b_h * keep
        bias = direction.b_x + b_h
        return self._product(x, direction.W, bias)

    @property
    def _resets_late(self) -> bool:
        return self.node.operator == "GRU" and bool(self.node.attribute("linear_before_reset"))

    def _product(self, u: Value, matrix: Value, bias: Value | None = None) -> Value:
        """u times the transposed matrix along the last axis, plus the bias."""
        graph = self.graph
        if not isinstance(u, Handle) and not isinstance(matrix, Handle):
            product: Value = u.astype(np.float64) @ matrix.astype(np.float64).T
        elif not isinstance(matrix, Handle):
            constant_bias = bias if not isinstance(bias, Handle) else None
            product = linear(graph, u, matrix, len(u.shape) - 1, False, constant_bias)
            bias = None if constant_bias is not None else bias
        else:
            rows = u.reshape((math.prod(u.shape[:-1]), u.shape[-1]))
            product = rows @ matrix.transpose((1, 0))
            product = product.reshape((*u.shape[:-1], matrix.shape[0]))
        return product if bias is None else product + bias

    def _where(self, is_active: Array, new: Value, old: Value) -> Value:
        """New rows for the sequences that still run, old ones for the others."""
        if is_active.all() or new is old:
            return new
        count = len(is_active)
        rows = np.where(is_active, np.arange(count), count + np.arange(count))
        return self.graph.concatenate([new, old], 0)[rows]

    def _gate(self, z: Value, k: int) -> Value:
        size = self.size
        return z[:, k * size : (k + 1) * size]

    def _activate(self, k: int, u: Value) -> Value:
        """f, g or h, on its limited argument."""
        if self.node.attribute("clip") is not None:
            limit = self.node.number("clip")
            u = self.graph.apply("Clip", u, lower=-limit, upper=limit)
        return self.direction.activations[k](self.graph, u)

    def _step(self, z: Value) -> tuple[Value, Value]:
        """New h and c; z is the step's part of Z."""
        if self.node.operator == "RNN":
            return self._activate(0, self._plus(z, self._product(self.h, self.direction.R))), self.c
        return self._gru_step(z) if self.node.operator == "GRU" else self._lstm_step(z)

    def _gru_step(self, z: Value) -> tuple[Value, Value]:
        x_part = self._gate(z, 2)
        if self._resets_late:
            recurrent = self._product(self.h, self.direction.R)
            update, reset = (self._activate(0, self._sum_of_gate(z, recurrent, k)) for k in (0, 1))
            late = self._gate(recurrent, 2) + self.b_late
            candidate = self._activate(1, x_part + reset * late)
        else:
            recurrent = self._product(self.h, self.R_first)
            update, reset = (self._activate(0, self._sum_of_gate(z, recurrent, k)) for k in (0, 1))
            inner = self._product(self._times(reset, self.h), self.R_last)
            candidate = self._activate(1, self._plus(x_part, inner))
        kept = self._times(update, self.h)
        return self._plus((1.0 - update) * candidate, kept), self.c

    def _sum_of_gate(self, z: Value, recurrent: Value, k: int) -> Value:
        return self._plus(self._gate(z, k), self._gate(recurrent, k))

    def _plus(self, z: Value, recurrent: Value) -> Value:
        """Their sum; a first state is mostly 0, and so is what is made of it."""
        return z if is_zero(recurrent) else z + recurrent

    def _times(self, gate: Value, state: Value) -> Value:
        """Their product."""
        return state if is_zero(state) else gate * state

    def _lstm_step(self, z: Value) -> tuple[Value, Value]:
        peepholes = self.direction.peepholes
        z = self._plus(z, self._product(self.h, self.direction.R))

        def gate(k: int, state: Value) -> Value:
            argument = self._gate(z, k)
            if peepholes:
                argument = self._plus(argument, self._times(peepholes[k], state))
            return self._activate(0, argument)

        enter = gate(0, self.c)
        forget = 1.0 - enter if self.node.attribute("input_forget") else gate(2, self.c)
        candidate = self._activate(1, self._gate(z, 3))
        c = self._plus(enter * candidate, self._times(forget, self.c))
        return gate(1, c) * self._activate(2, c), c


def is_zero(value: Value) -> bool:
    """Whether the value is a constant 0."""
    return not isinstance(value, Handle) and not value.any()


def step_times(n_steps: int, lengths: Array, is_reverse: bool) -> Array:
    """The time that step t of each sequence reads, (T, B); backwards within the length of the sequence."""
    steps = np.arange(n_steps)[:, None]
    if not is_reverse:
        return np.broadcast_to(steps, (n_steps, len(lengths)))
    return np.where(steps < lengths, lengths - 1 - steps, steps)


@converter("RNN", "GRU", "LSTM")
def recurrent(node: OnnxNode) -> Sequence[Value]:
    """Y (T, directions, B, H), Y_h (directions, B, H) and an LSTM's Y_c; layout 1 has the batch first."""
    return run_through(node, Run)


def run_through(node: OnnxNode, run: type[Run]) -> Sequence[Value]:
    """All directions, each through all steps."""
    batch_first = bool(node.attribute("layout"))
    x = node.input(0)
    if len(x.shape) != 3:
        node.fail(f"has X of shape {x.shape}, expected three axes. Export the model again.")
    x = x.transpose((1, 0, 2)) if batch_first else x
    lengths = sequence_lengths(node, x.shape[0], x.shape[1])
    runs = [run(node, direction, x, lengths) for direction in directions(node, x, batch_first)]
    y = joined(node, [run.outputs for run in runs], 1)
    results = [y, joined(node, [run.h for run in runs], 0)]
    if node.operator == "LSTM":
        results.append(joined(node, [run.c for run in runs], 0))
    if batch_first:
        results = [y.transpose((2, 0, 1, 3)), *(state.transpose((1, 0, 2)) for state in results[1:])]
    return results


def joined(node: OnnxNode, values: list[Value], axis: int) -> Value:
    """The directions side by side, along a new axis."""
    shape = values[0].shape
    longer = (*shape[:axis], 1, *shape[axis:])
    return node.graph.concatenate([value.reshape(longer) for value in values], axis)


def sequence_lengths(node: OnnxNode, n_steps: int, n_batch: int) -> Array:
    """How many steps each sequence has."""
    if not 1 <= n_steps <= MOST_STEPS:
        node.fail(f"has {n_steps} steps, expected 1 to {MOST_STEPS}. Export the model with shorter sequences.")
    if not node.has_input(4):
        return np.full(n_batch, n_steps)
    lengths = np.array(node.constant_integers(4))
    if lengths.shape != (n_batch,) or lengths.min(initial=0) < 0 or lengths.max(initial=0) > n_steps:
        node.fail(
            f"has sequence_lens={lengths.tolist()}, expected {n_batch} numbers from 0 to {n_steps}. Export the model "
            "again."
        )
    return lengths


def directions(node: OnnxNode, x: Value, batch_first: bool) -> list[Direction]:
    """The weights of one direction or two, their shapes checked."""
    way = node.attribute("direction")
    if way not in ("forward", "reverse", "bidirectional"):
        node.fail(f"has direction={way!r}, expected forward, reverse or bidirectional. Export the model again.")
    n, n_gates, n_batch = 2 if way == "bidirectional" else 1, GATES[node.operator], x.shape[1]
    size = node.input(2).shape[-1] if node.input(2).shape else 0
    if node.attribute("hidden_size") not in (None, size):
        node.fail(f"has hidden_size={node.attribute('hidden_size')}, but R is for {size}. Export the model again.")
    state = (n_batch, n, size) if batch_first else (n, n_batch, size)
    W = shaped(node, 1, (n, n_gates * size, x.shape[2]))
    R = shaped(node, 2, (n, n_gates * size, size))
    B = shaped(node, 3, (n, 2 * n_gates * size))
    h = shaped(node, 5, state)
    c = shaped(node, 6, state) if node.operator == "LSTM" else np.zeros(state)
    P = shaped(node, 7, (n, 3 * size)) if node.operator == "LSTM" and node.has_input(7) else None
    if batch_first:
        h, c = h.transpose((1, 0, 2)), c.transpose((1, 0, 2))
    functions = gate_activations(node, n)

    def of(value: Value, d: int, start: int = 0, stop: int | None = None) -> Value:
        return value[d, start:stop]

    half = n_gates * size
    return [
        Direction(
            of(W, d), of(R, d), of(B, d, 0, half), of(B, d, half), of(h, d), of(c, d),
            [of(P, d, k * size, (k + 1) * size) for k in range(3)] if P is not None else [],
            functions[d], way == "reverse" or d == 1,
        )
        for d in range(n)
    ]  # fmt: skip


def shaped(node: OnnxNode, k: int, shape: tuple[int, ...]) -> Value:
    """Input k, which must have this shape; zeros where it may be left out."""
    if k > 2 and not node.has_input(k):
        return np.zeros(shape)
    value = node.double(k) if k > 2 else node.input(k)  # W and R stay as they are
    if value.shape != shape:
        node.fail(f"input {k} ({node.input_name(k)!r}) has the shape {value.shape}, expected {shape}. Export again.")
    return value
