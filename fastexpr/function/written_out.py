"""Normalizations written out as the arithmetic that they are made of: for what knows these parts, and not the whole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastexpr._core import Function, Operator
from fastexpr.function.variants import rebuild

NORMALIZATIONS = ("LayerNormalization", "RMSNormalization")


def written_out(function: Function) -> Function:
    """The same function, of a difference from the mean, squares, their mean, a root and a quotient; others as it is."""
    nodes = function._nodes()
    if not any(core.name in NORMALIZATIONS for core, _, _ in nodes):
        return function
    parts = Parts()
    places = [0]
    for core, inputs, label in nodes:
        sources = [places[k] for k in inputs]
        if core.name in NORMALIZATIONS:
            places.append(parts.normalization(core, sources[0], label))
        else:
            places.append(parts.put(core, sources, label))
    return rebuild(function, nodes=parts.nodes, output_ids=[places[k] for k in function._output_ids()])


class Parts:
    """Nodes under construction."""

    def __init__(self) -> None:
        self.nodes: list[tuple[Operator, list[int], str]] = []

    def put(self, core: Operator, sources: list[int], label: str) -> int:
        self.nodes.append((core, sources, label))
        return len(self.nodes)

    def normalization(self, core: Operator, x: int, label: str) -> int:
        """As src/operators/layer_normalization.cpp has it, the first member subtracted before the mean."""
        shape, axis, n_axes = tuple(core.shape), core.attributes["axis"], core.attributes["n_axes"]
        over = range(axis, axis + n_axes)
        reduced = tuple(1 if k in over else length for k, length in enumerate(shape))

        def apply(name: str, operands: list[tuple[int, tuple[int, ...]]], **attributes: Any) -> int:
            operator = Operator(name, [own for _, own in operands], attributes, [])
            return self.put(operator, [k for k, _ in operands], label)

        def constant(numbers: Any) -> tuple[int, tuple[int, ...]]:
            array = np.asarray(numbers, dtype=np.float64)
            return self.put(Operator("Constant", [], {}, [array]), [], label), array.shape

        def mean(k: int) -> tuple[int, tuple[int, ...]]:
            return apply("ReduceMean", [(k, shape)], axis=axis, n_axes=n_axes, keepdims=1), reduced

        if core.name == "LayerNormalization":
            places = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
            first = places[tuple(slice(0, 1) if k in over else slice(None) for k in range(len(shape)))]
            chosen = Operator("Select", [shape], {"shape": list(reduced)}, [np.ravel(first)])
            x = apply("Sub", [(x, shape), (self.put(chosen, [x], label), reduced)])
            x = apply("Sub", [(x, shape), mean(x)])
        square = mean(apply("Square", [(x, shape)]))
        root = apply("Sqrt", [(apply("Add", [square, constant(core.attributes["epsilon"])]), reduced)])
        x = apply("Div", [(x, shape), (root, reduced)])
        lane = shape[axis : axis + n_axes] + (1,) * (len(shape) - axis - n_axes)
        for name, numbers in zip(("Mul", "Add"), core.constants, strict=False):
            x = apply(name, [(x, shape), constant(np.reshape(numbers, lane))])
        return x
