"""Whether a dynamic first axis is a batch: whether each of its rows is computed by itself, all of them alike.

The graph decides. Where `row_by_row` sees it from the operators, that is all. Else the model is imported once more with
several rows. Then no output of a row may depend on another row, which the core knows (`_influence`), and the function
of a row must be that of the model with one row: both are evaluated at random points; for large models it is enough that
they have the same constants, so that no number of rows is among them.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype
from onnx.reference import ReferenceEvaluator

from fastexpr.errors import FastexprError, OnnxError
from fastexpr.onnx.batch.row_by_row import is_row_by_row
from fastexpr.onnx.batch.rows import are_alike, have_same_constants, mixing_node, row_dependence, rows_of, split
from fastexpr.onnx.check.judges import can_be_judged
from fastexpr.onnx.check.nodes import QUANTIZED_TOLERANCE, is_cheap
from fastexpr.onnx.importer import Importer
from fastexpr.onnx.inputs import Fixed, Shapes
from fastexpr.onnx.sizes import more_room

N_ROWS = 5  # of the second import: a length that few axes have
N_ROWS_OF_LARGE_MODELS = 2
MOST_LENGTHS = 16  # of constants that are tried as numbers of rows
LARGE = 1_000_000  # units of one row
TOLERANCE = 1e-6  # of max|y|: a length that enters changes more
SCALED_TOLERANCE = 0.1  # where rounding differs by one scale for all rows, see `is_scaled`


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
    if must_evaluate and not are_alike((one, several), handles, layouts, n_rows, tolerance_of(one)):
        refuse(one, "what the model gives for a row changes with the number of rows, or with its place among them")


def is_scaled(one: Importer) -> bool:
    """Whether numbers are rounded by a scale that is taken from all rows at once. Rows meet there, but only in their
    rounding, so how far results differ says whether they meet elsewhere; a row by itself has a scale of its own.
    """
    return any(node.op_type == "DynamicQuantizeLinear" for node in one.proto.graph.node)


def tolerance_of(one: Importer) -> float:
    """How far results may differ, of max|y|."""
    if is_scaled(one):
        return SCALED_TOLERANCE
    is_quantized = any(operator.name == "Quantize" for operator, _, _ in one.graph.nodes)
    return QUANTIZED_TOLERANCE if is_quantized else TOLERANCE


def takes_one_row_only(importer: Importer) -> bool:
    """Whether ONNX's own evaluator fails with several rows: then one row is all that the model can mean. As many rows
    as a constant has are among the numbers that are tried: one that is added to x, say, takes no others.
    """
    if not is_cheap(importer) or not all(map(can_be_judged, importer.proto.graph.node)):
        return False
    evaluator = ReferenceEvaluator(importer.model.complete_proto())
    can_take = []
    lengths = {length for weight in importer.proto.graph.initializer for length in weight.dims if length > 1}
    for n_rows in [1, *sorted({2, 3, N_ROWS, *sorted(lengths)[:MOST_LENGTHS]})]:
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
    return can_take[0] and not any(can_take[1:])


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
