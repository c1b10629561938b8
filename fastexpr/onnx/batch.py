"""Whether a dynamic first axis is a batch: whether each of its rows is computed by itself, all of them alike.

The graph decides. Where `row_by_row` sees it from the operators, that is all. Else the model is imported once more with
several rows. Then no output of a row may depend on another row, which the core knows (`_influence`), and the function
of a row must be that of the model with one row: both are evaluated at random points; for large models it is enough that
they have the same constants, so that no number of rows is among them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray
from onnx.helper import tensor_dtype_to_np_dtype
from onnx.reference import ReferenceEvaluator

from fastexpr._core import Function, Operator
from fastexpr.errors import FastexprError, OnnxError
from fastexpr.onnx.builder import CoreNode, Handle, Shape
from fastexpr.onnx.check import QUANTIZED_TOLERANCE, is_cheap
from fastexpr.onnx.importer import Importer
from fastexpr.onnx.inputs import Fixed, Shapes
from fastexpr.onnx.ports import Port
from fastexpr.onnx.row_by_row import is_row_by_row
from fastexpr.onnx.sizes import more_room

N_ROWS = 5  # of the second import: a length that few axes have
N_ROWS_OF_LARGE_MODELS = 2
LARGE = 1_000_000  # units of one row
TOLERANCE = 1e-6  # of max|y|: a length that enters changes more
SCALED_TOLERANCE = 0.1  # where rounding differs by one scale for all rows, see `is_scaled`
DRAWS = ((-1.0, 1.0), (0.1, 1.0), (-30.0, 30.0))  # ranges of x

Array = NDArray[Any]


class Rows(NamedTuple):
    """Where an output has its rows: `axis` is None where there are none, -1 where the output is one row after the
    other in C order, else an axis that has others in front of it. `shape` is that with several rows.
    """

    axis: int | None
    shape: Shape


def check_batch(importer: Importer, shapes: Shapes | None, fixed: Fixed | None) -> None:
    """Refuses a model whose dynamic first axis is no batch. One that can only be read with one row gives nothing else.

    Raises
    ------
    OnnxError
        It is none, or that cannot be decided. Names `shapes` as the way out.
    """
    if not any(port.batch_axes for port in importer.inputs):
        return
    for port in importer.inputs:
        if len(port.batch_axes) > 1:
            refuse(importer, f"it is the length of {len(port.batch_axes)} axes of {port.name!r}")
    if is_row_by_row(importer):
        return
    size = sum(math.prod(operator.shape) for operator, _, _ in importer.graph.nodes)
    n_rows = N_ROWS if size < LARGE else N_ROWS_OF_LARGE_MODELS
    several = with_rows(importer, n_rows, shapes, fixed)
    if isinstance(several, Importer):
        check_rows(importer, several, n_rows)
    elif not takes_one_row_only(importer):
        refuse(importer, f"with {n_rows} rows the model cannot be read ({several})")


def with_rows(importer: Importer, n_rows: int, shapes: Shapes | None, fixed: Fixed | None) -> Importer | FastexprError:
    """The model imported once more with several rows, or why it cannot be."""
    lengths = {
        port.name: [n_rows if axis in port.batch_axes else length for axis, length in enumerate(port.shape)]
        for port in [*importer.inputs, *importer.fixed]
    }
    try:
        with more_room(n_rows):
            several = Importer(importer.model, {**(shapes or {}), **lengths}, importer.outputs, fixed, importer)
            several.run()
            for output in several.outputs:
                several.output_handle(output)
    except FastexprError as error:
        return error
    return several


def check_rows(one: Importer, several: Importer, n_rows: int) -> None:
    """Refuses where outputs of a row depend on others, or on how many there are."""
    handles = [[model.output_handle(output) for output in model.outputs] for model in (one, several)]
    reached = row_dependence(one, several, handles[1], n_rows)
    layouts = []
    for output, single, whole in zip(one.outputs, *handles, strict=True):
        mine, reached = np.split(reached, [math.prod(whole.shape)])
        rows = rows_of(single.shape, whole.shape, bool(mine.any()), n_rows)
        if rows is None:
            shapes = f"{single.shape} for one row and {whole.shape} for {n_rows}"
            refuse(one, f"the output {output.name!r} has the shape {shapes}")
        others = split(mine, rows, n_rows).any(axis=1) & ~np.eye(n_rows, dtype=bool)
        if others.any() and not is_scaled(one):
            node = mixing_node(one, several, n_rows)
            refuse(one, f"the output {output.name!r} of a row depends on other rows{node}")
        layouts.append(rows)
    if {rows.axis for rows in layouts} - {None} and all(rows.axis != -1 for rows in layouts):
        refuse(one, f"no output has it first: {one.outputs[0].name!r} has the shape {handles[1][0].shape}")
    must_evaluate = is_scaled(one) or is_cheap(one) or not have_same_constants(one, several)
    if must_evaluate and not are_alike(one, several, handles, layouts, n_rows):
        refuse(one, "what the model gives for a row changes with the number of rows, or with its place among them")


def is_scaled(one: Importer) -> bool:
    """Whether numbers are rounded by a scale that is taken from all rows at once. Rows meet there, but only in their
    rounding, so how far results differ says whether they meet elsewhere; a row by itself has a scale of its own.
    """
    return any(node.op_type == "DynamicQuantizeLinear" for node in one.proto.graph.node)


def takes_one_row_only(importer: Importer) -> bool:
    """Whether ONNX's own evaluator fails with several rows: then one row is all that the model can mean."""
    if not is_cheap(importer):
        return False
    evaluator = ReferenceEvaluator(importer.model.complete_proto())
    can_take = []
    for n_rows in (1, 2, 3, N_ROWS):
        feeds = {
            port.name: np.repeat(importer.beside_x[port.name], n_rows, port.batch_axes[0])
            for port in importer.fixed
            if port.batch_axes
        }
        for port in importer.inputs:
            shape = [n_rows if axis in port.batch_axes else length for axis, length in enumerate(port.shape)]
            feeds[port.name] = np.full(shape, 0.5, tensor_dtype_to_np_dtype(port.data_type))
        try:
            with np.errstate(all="ignore"):
                evaluator.run([output.source for output in importer.outputs], importer.beside_x | feeds)
            can_take.append(True)
        except Exception:  # the evaluator raises what it likes
            can_take.append(False)
    return can_take == [True, False, False, False]


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
    if sum(math.prod(value.shape) for value in values.values()) > LARGE:
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
    pairs = [
        [array for operator, _, _ in model.graph.nodes for array in operator.constants if array.dtype.kind == "f"]
        for model in (one, several)
    ]
    return len(pairs[0]) == len(pairs[1]) and all(map(is_repeated, *pairs))


def is_repeated(one: Array, several: Array) -> bool:
    """Whether the second array is the first one, along some axes again and again."""
    if one.ctypes.data == several.ctypes.data and one.shape == several.shape:
        return True
    return one.ndim == several.ndim and bool(
        all(a in (1, b) for a, b in zip(one.shape, several.shape, strict=True)) and (one == several).all()
    )


def are_alike(one: Importer, several: Importer, handles: list[list[Handle]], layouts: list[Rows], n_rows: int) -> bool:
    """Whether several rows at once give what they give one by one, at random points."""
    functions = [
        function_of(model.graph.x.shape[0], model.graph.nodes, [(handle.id, handle.shape) for handle in own])
        for model, own in zip((one, several), handles, strict=True)
    ]
    sizes = [[math.prod(handle.shape) for handle in own] for own in handles]
    is_quantized = any(operator.name == "Quantize" for operator, _, _ in one.graph.nodes)
    tolerance = SCALED_TOLERANCE if is_scaled(one) else QUANTIZED_TOLERANCE if is_quantized else TOLERANCE
    random = np.random.default_rng(0)
    for lower, upper in DRAWS:
        arrays = [random.uniform(lower, upper, port.shape) for port in several.inputs]
        rows = [rows_of_input(array, port, n_rows) for array, port in zip(arrays, one.inputs, strict=True)]
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


# ---- messages


def refuse(importer: Importer, why: str) -> NoReturn:
    """Raises the error about an axis that is no batch."""
    raise OnnxError(f"{about_axis(importer)} was taken for a batch, but is none: {why}. {way_out(importer)}")


def explain_batch(importer: Importer, error: FastexprError, shapes: Shapes | None, fixed: Fixed | None) -> None:
    """Raises the error about a model that cannot be read with one row with words on the batch, where these rows matter:
    with two it can be read, or fails in another way.
    """
    if not any(port.batch_axes for port in importer.inputs):
        return
    other = with_rows(importer, 2, shapes, fixed)
    if isinstance(other, FastexprError) and str(other) == str(error):
        return
    kind = OnnxError if isinstance(error, OnnxError) else type(error)
    raise kind(f"{error} ({about_axis(importer)} was taken for a batch, of one row. {way_out(importer)})") from error


def about_axis(importer: Importer) -> str:
    """How messages about the batch begin."""
    port = next(port for port in importer.inputs if port.batch_axes)
    name = port.dims[port.batch_axes[0]]
    return f"[Input {port.name!r}] the dynamic axis {port.batch_axes[0]}{f' ({name!r})' if name else ''}"


def way_out(importer: Importer) -> str:
    """What to do about it."""
    ports = [port for port in importer.inputs if port.batch_axes]
    lengths: dict[str, Any] = {str(port.dims[port.batch_axes[0]]): 20 for port in ports}
    if "" in lengths:
        lengths = {
            port.name: tuple(20 if axis in port.batch_axes else length for axis, length in enumerate(port.shape))
            for port in ports
        }
    return f"Give its length, e.g. load_onnx(path, shapes={lengths}); 1 is for one row."
