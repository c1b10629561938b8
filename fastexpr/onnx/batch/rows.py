"""What `batch` compares: the rows of outputs, which of the rows they depend on, and whether they are alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexpr._core import Function, Operator
from fastexpr.onnx.builder import CoreNode
from fastexpr.onnx.handle import Handle, Shape
from fastexpr.onnx.importer import Importer
from fastexpr.onnx.ports import Port

LARGEST_SEARCH = 1_000_000  # units that are looked through for the node that mixes rows
DRAWS = ((-1.0, 1.0), (0.1, 1.0), (-30.0, 30.0))  # ranges of x

Array = NDArray[Any]


class Rows(NamedTuple):
    """Where an output has its rows: `axis` is None where there are none, -1 where the output is one row after the
    other in C order, else an axis that has others in front of it. `shape` is that with several rows.
    """

    axis: int | None
    shape: Shape


def rows_of(one: Shape, several: Shape, depends: bool, n_rows: int) -> Rows | None:
    """Where an output has its rows, from its shapes for one row and for several; None where that cannot be."""
    if one == several:
        return None if depends else Rows(None, several)
    grown = [axis for axis, pair in enumerate(zip(one, several, strict=False)) if pair[0] != pair[1]]
    if len(one) != len(several) or len(grown) > 1 or several[grown[0]] != n_rows * one[grown[0]]:
        return None
    if math.prod(one[: grown[0]]) == 1:
        return Rows(-1, several)
    return Rows(grown[0], several) if one[grown[0]] == 1 else None


def split(numbers: Array, rows: Rows, n_rows: int) -> Array:
    """What belongs to an output's units (size, ...), row by row: (rows, size of one, ...)."""
    rest = numbers.shape[1:]
    if rows.axis is None:
        return np.broadcast_to(numbers, (n_rows, *numbers.shape))
    if rows.axis >= 0:
        numbers = np.moveaxis(numbers.reshape(*rows.shape, *rest), rows.axis, 0)
    return numbers.reshape(n_rows, -1, *rest)


# ---- dependence


def row_dependence(one: Importer, several: Importer, handles: Sequence[Handle], n_rows: int) -> NDArray[np.bool_]:
    """Which rows each unit depends on, (units, rows): the pattern of a function of one number for each row."""
    labels = np.concatenate([row_labels(port, n_rows).reshape(-1) for port in one.inputs])
    nodes: list[CoreNode] = [
        (Operator("Constant", [], {}, [np.ones(1)]), [], "shared"),
        (Operator("Concat", [(n_rows,), (1,)], {"axis": 0}, []), [0, 1], "rows"),
        (Operator("Select", [(n_rows + 1,)], {"shape": [labels.size]}, [labels]), [2], "x"),
    ]
    nodes += [(operator, [k + 3 for k in inputs], label) for operator, inputs, label in several.graph.nodes]
    starts, columns = function_of(n_rows, nodes, [(handle.id + 3, handle.shape) for handle in handles])._influence()
    reached = np.zeros((len(starts) - 1, n_rows), bool)
    reached[np.repeat(np.arange(len(starts) - 1), np.diff(starts)), columns] = True
    return reached


def row_labels(port: Port, n_rows: int) -> NDArray[np.int64]:
    """For each number of an input, with several rows, the row it belongs to; `n_rows` where it is shared by all."""
    shape = [n_rows if axis in port.batch_axes else length for axis, length in enumerate(port.shape)]
    if not port.batch_axes:
        return np.full(shape, n_rows, np.int64)
    along = [n_rows if axis in port.batch_axes else 1 for axis in range(len(shape))]
    return np.broadcast_to(np.arange(n_rows, dtype=np.int64).reshape(along), shape)


def mixing_node(one: Importer, several: Importer, n_rows: int) -> str:
    """Words that name the first node whose result mixes rows; empty where that is not found cheaply."""
    values = {name: value for name, value in several.values.items() if isinstance(value, Handle)}
    if sum(math.prod(value.shape) for value in values.values()) > LARGEST_SEARCH:
        return ""
    is_mixed = row_dependence(one, several, list(values.values()), n_rows).sum(axis=1) > 1
    for name, value in values.items():
        size = math.prod(value.shape)
        if is_mixed[:size].any():
            return f", first in {several.maker_of(name)}"
        is_mixed = is_mixed[size:]
    return ""


# ---- numbers


def have_same_constants(one: Importer, several: Importer) -> bool:
    """Whether the numbers that meet x are the same for one row as for several, so that no length is among them."""
    pairs = [[array for node in model.graph.nodes for array in numbers_of(node[0])] for model in (one, several)]
    return len(pairs[0]) == len(pairs[1]) and all(map(is_repeated, *pairs))


def numbers_of(operator: Operator) -> list[Array]:
    """The floats among an operator's constants and settings."""
    settings = [np.array(value) for value in operator.attributes.values() if isinstance(value, float)]
    return [array for array in operator.constants if array.dtype.kind == "f"] + settings


def is_repeated(one: Array, several: Array) -> bool:
    """Whether the second array is the first one, along some axes again and again."""
    if one.ctypes.data == several.ctypes.data and one.shape == several.shape:
        return True
    return one.ndim == several.ndim and bool(
        all(a in (1, b) for a, b in zip(one.shape, several.shape, strict=True)) and (one == several).all()
    )


def are_alike(
    models: Sequence[Importer], handles: Sequence[list[Handle]], layouts: list[Rows], n_rows: int, tolerance: float
) -> bool:
    """Whether several rows at once give what they give one by one, at random points."""
    functions = [
        function_of(model.graph.x.shape[0], model.graph.nodes, [(handle.id, handle.shape) for handle in own])
        for model, own in zip(models, handles, strict=True)
    ]
    sizes = [[math.prod(handle.shape) for handle in own] for own in handles]
    random = np.random.default_rng(0)
    for lower, upper in DRAWS:
        arrays = [random.uniform(lower, upper, port.shape) for port in models[1].inputs]
        rows = [rows_of_input(array, port, n_rows) for array, port in zip(arrays, models[0].inputs, strict=True)]
        expected = functions[0](np.concatenate(rows, axis=1))
        got = functions[1](np.concatenate([array.reshape(-1) for array in arrays]))
        parts = (np.split(y, np.cumsum(s)[:-1], axis=-1) for y, s in zip((got, expected), sizes[::-1], strict=True))
        for whole, by_row, layout in zip(*parts, layouts, strict=True):
            if not are_close(split(whole, layout, n_rows), by_row, tolerance):
                return False
    return True


def rows_of_input(array: Array, port: Port, n_rows: int) -> Array:
    """The numbers of an input, row by row: (rows, size of one)."""
    if port.batch_axes:
        return np.moveaxis(array, port.batch_axes[0], 0).reshape(n_rows, -1)
    return np.broadcast_to(array.reshape(1, -1), (n_rows, array.size))


def are_close(a: Array, b: Array, tolerance: float) -> bool:
    """Whether they differ by at most that times max|b|, and are finite at the same places."""
    finite = np.isfinite(b)
    scale = float(np.abs(b[finite]).max(initial=0.0))
    return bool(
        np.array_equal(finite, np.isfinite(a)) and np.abs(a[finite] - b[finite]).max(initial=0.0) <= tolerance * scale
    )


def function_of(n_inputs: int, nodes: Sequence[CoreNode], outputs: Sequence[tuple[int, Shape]]) -> Function:
    """A function of these nodes."""
    ports = [(f"y{k}", shape) for k, (_, shape) in enumerate(outputs)]
    return Function._from_nodes(n_inputs, nodes, [k for k, _ in outputs], [("x", (n_inputs,))], ports)
