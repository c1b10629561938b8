"""Recurrent layers: ONNX's operators with the gates in their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexpr.frameworks.keras.writer import Writer, layer, refuse
from fastexpr.onnx.handle import Value

GATES = {"relu": "Relu", "sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign", "tanh": "Tanh"}
#: Keras' order of the gates by ONNX's: i o f c of i f c o; z r h of z r h.
ORDER = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2), "SimpleRNN": (0,)}


def gate(layer: Any, function: Any) -> str:
    """ONNX's name of an activation."""
    name = getattr(function, "__name__", type(function).__name__)
    if name not in GATES:
        refuse(layer, "activation", name, f"one of {', '.join(GATES)}")
    return GATES[name]


def gates(matrix: Any, order: tuple[int, ...]) -> Any:
    """Keras' (k, gates u) as ONNX's (gates u, k)."""
    parts = np.split(matrix, len(order), axis=-1)
    return np.concatenate([parts[k] for k in order], axis=-1).T


def biases(w: Writer, layer: Any, order: tuple[int, ...]) -> Any:
    """Those of the input, then those of the state, (1, 2 gates u)."""
    units = layer.units * len(order)
    if layer.bias is None:
        return np.zeros((1, 2 * units), np.float32)
    bias = w.weight(layer.bias)
    both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    return np.concatenate([gates(row, order) for row in both])[np.newaxis]


@layer("GRU", "LSTM", "SimpleRNN")
def recurrent(w: Writer, layer: Any, x: Value, initial_state: Any = None, **settings: Any) -> Any:
    """The layer over all steps: the last output or all of them, and the states where they are returned."""
    if any(value is not None for value in settings.values()):
        refuse(layer, "arguments", ", ".join(settings), "an input and initial states")
    if layer.stateful:
        refuse(layer, "stateful", True, "False")
    kind = next(name for name in ORDER if any(base.__name__ == name for base in type(layer).__mro__))
    cell, order = layer.cell, ORDER[kind]
    if layer.go_backwards:
        x = x[:, ::-1]
    W, R = (gates(w.weight(kernel), order)[np.newaxis] for kernel in (cell.kernel, cell.recurrent_kernel))
    functions = [gate(layer, cell.activation)]
    if kind != "SimpleRNN":
        functions = [gate(layer, cell.recurrent_activation), *functions]
    attributes: dict[str, Any] = {"hidden_size": cell.units, "activations": functions}
    if kind == "LSTM":
        attributes["activations"] = [*functions, functions[1]]
    if kind == "GRU":
        attributes["linear_before_reset"] = int(cell.reset_after)
    states = [state.reshape((1, *state.shape)) for state in as_list(initial_state)]
    steps = x.transpose((1, 0, 2))
    operator, n_outputs = ("RNN" if kind == "SimpleRNN" else kind), 3 if kind == "LSTM" else 2
    Y, *finals = w.onnx_outputs(n_outputs, operator, steps, W, R, biases(w, cell, order), None, *states, **attributes)
    last = [final.reshape(final.shape[1:]) for final in finals]
    everything = Y.reshape((Y.shape[0], *Y.shape[2:])).transpose((1, 0, 2))
    output = everything if layer.return_sequences else last[0]
    return [output, *last] if layer.return_state else output


def as_list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


@layer("Bidirectional")
def bidirectional(w: Writer, layer: Any, x: Value, **settings: Any) -> Any:
    """Forwards and backwards, put together."""
    if any(value is not None for value in settings.values()) or layer.return_state:
        refuse(layer, "states", "given or returned", "none")
    forward, backward = w.call(layer.forward_layer, x), w.call(layer.backward_layer, x)
    if layer.return_sequences:
        backward = backward[:, ::-1]
    if layer.merge_mode == "concat":
        return w.graph.concatenate([forward, backward], len(forward.shape) - 1)
    if layer.merge_mode == "mul":
        return forward * backward
    if layer.merge_mode is None:
        return [forward, backward]
    total = forward + backward
    return total * 0.5 if layer.merge_mode == "ave" else total
