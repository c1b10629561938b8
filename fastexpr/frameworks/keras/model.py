"""Keras models with any backend, layer by layer.

`writer` has what layers are written with; the other modules have the rules for layers, by kind. Convolutions and
recurrent layers go through the converters for ONNX's operators; no file and no ONNX model is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastexpr._core import Function
from fastexpr.errors import FrameworkError
from fastexpr.expression import component_names
from fastexpr.frameworks.agreement import check_agreement
from fastexpr.frameworks.keras import activations, basic, images, merging, recurrent  # noqa: F401  (register rules)
from fastexpr.frameworks.keras.writer import Writer, layer, numbers_of
from fastexpr.frameworks.libraries import library
from fastexpr.function.variants import checked_names, rebuild

__all__ = ["from_keras"]

TOLERANCE = 1e-4  # of max|y|; Keras computes in float32 here and there in a model of float64, too


def from_keras(
    model: Any, *, input_names: Sequence[str] | None = None, output_names: Sequence[str] | None = None
) -> Function:
    """A Keras model (version 3, any backend) as a Function.

    A Sequential or functional model is read layer by layer, as it computes in inference; models inside models are, too.
    Weights keep their precision, all arithmetic is in double.

    Parameters
    ----------
    model : keras.Model
        Its inputs and outputs are tensors of floats; an axis of unknown length beside the batch is refused.
    input_names, output_names : sequence of str, optional
        One name for each of the n numbers of x, and the m numbers of f(x). By default they are made from the names of
        the model's inputs, and of its outputs: "y" where there is one, "y0", "y1", ... or a dict's keys else.

    Returns
    -------
    Function
        With one port per input and output, with a batch of length 1.

    Raises
    ------
    fastexpr.errors.NotFoundError
        Keras is not installed.
    fastexpr.errors.FrameworkError
        A layer or one of its settings is not supported, or the result is not the model's.

    Examples
    --------
    >>> import keras, fastexpr as fx
    >>> layers = [keras.Input((2,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)]
    >>> net = fx.from_keras(keras.Sequential(layers))
    >>> net.hessian([0.5, -0.5]).shape
    (2, 2)
    """
    keras = library("from_keras", "keras", ["keras"])
    if not isinstance(model, keras.Model):
        raise TypeError(f"[from_keras] model: got {type(model).__name__}, expected a keras.Model.")
    graph = functional(model)
    ports = [(str(tensor.name), shape_of(tensor)) for tensor in graph.inputs]
    w = Writer(keras, ports)
    results = keras.tree.flatten(run(w, graph, w.inputs))
    function = w.function([(str(k), value) for k, value in enumerate(results)])
    outputs = list(zip(output_port_names(graph, len(results)), function.outputs.values(), strict=True))
    function = rebuild(
        function,
        outputs=outputs,
        input_names=checked_names("[from_keras] input_names", input_names, function.input_names),
        output_names=checked_names("[from_keras] output_names", output_names, component_names(outputs)),
    )
    compare(keras, model, graph, function)
    return function


def functional(model: Any) -> Any:
    """The graph of a functional model, or the one inside a Sequential."""
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_run_through_graph") or getattr(graph, "inputs", None) is None:
        raise FrameworkError(
            f"[from_keras] {type(model).__name__} {model.name!r} has no graph of layers: expected a functional model, "
            "or a Sequential one whose input's shape is known. Begin with keras.Input(shape). With the torch backend, "
            "from_torch reads models of one's own."
        )
    return graph


def shape_of(tensor: Any) -> tuple[int, ...]:
    """The shape with a batch of 1."""
    shape = tuple(tensor.shape)
    if None in shape[1:]:
        raise FrameworkError(
            f"[from_keras] input {tensor.name!r}: got the shape {shape}, expected known lengths of all axes but the "
            "batch. Build the model with them."
        )
    return (1, *shape[1:])


def run(w: Writer, graph: Any, inputs: Sequence[Any]) -> Any:
    """The values of the graph's outputs."""
    return graph._run_through_graph(
        inputs,
        operation_fn=lambda operation: lambda *args, **settings: w.call(operation, *args, **without_none(settings)),
    )


def without_none(settings: dict[str, Any]) -> dict[str, Any]:
    """The arguments that say something: a mask, a training flag of None or False do not."""
    return {
        key: value for key, value in settings.items() if value is not None and not (key == "training" and not value)
    }


@layer("Functional", "Sequential")
def inner_model(w: Writer, model: Any, x: Any, **settings: Any) -> Any:
    """A model as a layer of another one."""
    result = run(w, functional(model), w.keras.tree.flatten(x))
    return result[0] if isinstance(result, list | tuple) and len(result) == 1 else result


@layer("InputLayer")
def input_layer(w: Writer, layer: Any, x: Any) -> Any:
    return x


def output_port_names(graph: Any, count: int) -> list[str]:
    structure = graph._outputs_struct
    if isinstance(structure, dict):
        return [str(key) for key in sorted(structure)]
    return ["y"] if count == 1 else [f"y{k}" for k in range(count)]


def compare(keras: Any, model: Any, graph: Any, function: Function) -> None:
    """Refuses a function that differs from the model at one point."""
    random = np.random.default_rng(0)
    points = [random.uniform(-1, 1, shape_of(tensor)).astype(np.float32) for tensor in graph.inputs]
    with np.errstate(all="ignore"):
        result = model(keras.tree.pack_sequence_as(graph._inputs_struct, points), training=False)
    arrays = [numbers_of(keras, part).astype(np.float64) for part in keras.tree.flatten(result)]
    expected = np.concatenate([array.reshape(-1) for array in arrays])
    got = function(np.concatenate([point.reshape(-1) for point in points]))
    if np.isfinite(expected).all():
        advice = "A layer of your own may do something else than the one it derives from; otherwise please report it."
        check_agreement("from_keras", "the model", got, expected, TOLERANCE, advice)
