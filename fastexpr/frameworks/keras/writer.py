"""What layers are written with: core nodes, and the importer's converters for whole ONNX operators.

A layer's rule takes the writer, the layer and what it is called with, and returns values: arrays where they are
constant, handles of nodes where they depend on x. The first axis is the batch, of length 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import helper

from fastexpr._core import Function
from fastexpr.errors import FrameworkError
from fastexpr.onnx.arrays import Array
from fastexpr.onnx.builder import Value
from fastexpr.onnx.importer import Importer
from fastexpr.onnx.model_file import ModelFile
from fastexpr.onnx.ports import Output

OPSET = 20

Rule = Callable[..., Any]
LAYERS: dict[str, Rule] = {}
#: Operations between layers: a + b, keras.ops.tanh(a).
OPERATIONS: dict[str, Rule] = {}


def layer(*names: str) -> Callable[[Rule], Rule]:
    """Registers a rule for Keras' layers of these names."""

    def register(rule: Rule) -> Rule:
        LAYERS.update(dict.fromkeys(names, rule))
        return rule

    return register


def operation(*names: str) -> Callable[[Rule], Rule]:
    """Registers a rule for operations of keras.ops."""

    def register(rule: Rule) -> Rule:
        OPERATIONS.update(dict.fromkeys(names, rule))
        return rule

    return register


class Writer:
    """The nodes of one model under construction.

    Attributes
    ----------
    keras : the library
    graph : the list of core nodes
    """

    def __init__(self, keras: Any, inputs: Sequence[tuple[str, tuple[int, ...]]]) -> None:
        self.keras = keras
        infos = [helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, shape) for name, shape in inputs]
        skeleton = helper.make_graph([], "keras", infos, [])
        model = helper.make_model(skeleton, opset_imports=[helper.make_opsetid("", OPSET)])
        self._importer = Importer(ModelFile(model))
        self._importer.run()
        self.graph = self._importer.graph
        self.inputs = [self._value(name) for name, _ in inputs]
        self._n_nodes = 0

    def onnx(self, operator: str, *inputs: Value | None, **attributes: Any) -> Value:
        """An ONNX operator of these values: its one output."""
        return self.onnx_outputs(1, operator, *inputs, **attributes)[0]

    def onnx_outputs(self, count: int, operator: str, *inputs: Value | None, **attributes: Any) -> list[Value]:
        """An ONNX operator of these values: its first `count` outputs."""
        names = []
        for k, value in enumerate(inputs):
            name = "" if value is None else f"{operator} {self._n_nodes} input {k}"
            names.append(name)
            if value is not None:
                self._importer.values[name] = value
        outputs = [f"{operator} {self._n_nodes} output {k}" for k in range(count)]
        node = helper.make_node(operator, names, outputs, name=self.graph.label, **attributes)
        self._importer.append(node, self._n_nodes)
        self._n_nodes += 1
        return [self._value(name) for name in outputs]

    def _value(self, name: str) -> Value:
        value = self._importer.values[name]
        if value is None:  # as only an optional input is that was left out
            raise KeyError(name)
        return value

    def weight(self, variable: Any) -> Array:
        """The numbers of a variable, in its own precision."""
        return numbers_of(self.keras, variable)

    def call(self, operation: Any, *args: Any, **settings: Any) -> Any:
        """What the layer or operation gives."""
        outer = self.graph.label
        self.graph.label = str(operation.name)
        rules = LAYERS if isinstance(operation, self.keras.Layer) else OPERATIONS
        for kind in type(operation).__mro__:
            if kind.__name__ in rules and kind.__module__.partition(".")[0] == "keras":
                result = rules[kind.__name__](self, operation, *args, **settings)
                self.graph.label = outer
                return result
        raise FrameworkError(
            f"[from_keras] {type(operation).__name__} {operation.name!r} is not supported: expected one of "
            f"{', '.join(sorted(rules))}. With the torch backend, from_torch may read the model."
        )

    def function(self, outputs: Sequence[tuple[str, Value]]) -> Function:
        """The function from the inputs to these values."""
        for name, value in outputs:
            self._importer.values[f"output {name}"] = value
        return self._importer.function_of([Output(name, f"output {name}") for name, _ in outputs])


def numbers_of(keras: Any, tensor: Any) -> Array:
    """A variable or tensor of any backend as an array."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's tensors and NumPy's __array__
        return np.asarray(keras.ops.convert_to_numpy(tensor))


def refuse(layer: Any, what: str, got: object, expected: str) -> NoReturn:
    """Raises FrameworkError about a setting."""
    raise FrameworkError(
        f"[from_keras] {type(layer).__name__} {layer.name!r}: {what}: got {got!r}, expected {expected}. With the torch "
        "backend, from_torch may read the model."
    )
