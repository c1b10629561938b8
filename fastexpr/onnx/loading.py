"""ONNX models: import with `load_onnx`, export with `export_onnx`.

How an import runs: `model_file` reads the file, with the weights as arrays (`wire`, `arrays`); `ordering` finds the
nodes that the outputs need; `importer` takes one after the other, `folding` evaluates constant ones, and the function
that `registry` finds in `converters` writes the others as core nodes (`builder`); `check` has each node computed once
more by others, and `batch` finds out whether a dynamic first axis is a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastexpr._core import Function
from fastexpr.errors import FastexprError
from fastexpr.onnx.batch.axis import check_batch, explain_batch
from fastexpr.onnx.check.nodes import compare, is_cheap
from fastexpr.onnx.importer import Importer
from fastexpr.onnx.inputs import Fixed, Shapes
from fastexpr.onnx.model_file import ModelFile, ModelSource
from fastexpr.onnx.notes import warn_of_derivatives
from fastexpr.onnx.ports import output_ports

__all__ = ["load_onnx"]


def load_onnx(
    path: ModelSource,
    check: bool | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    *,
    shapes: Shapes | None = None,
    fixed: Fixed | None = None,
    outputs: Sequence[str] | None = None,
) -> Function:
    """Reads a trained network from an ONNX file.

    Every input of the model is a part of x, in declared order, each flattened in C order, and every output is a part of
    f(x). A first axis of unknown length is the batch and becomes 1, where the graph computes its rows one by one; else
    the model is refused, and `shapes` must give the axis a length. All arithmetic is in double precision, on the
    weights of the file. Nodes that no output needs are left out.

    Parameters
    ----------
    path
        The file; or its content as bytes; or an onnx.ModelProto.
    check
        Compare each node with the standard's formula or ONNX's reference evaluator, at one point: True always, False
        never, None where that takes less than about a second.
    input_names
        One name for each of the n numbers of x; by default made of the model's own, "x[0]", "x[1]", ...
    output_names
        One name for each of the m numbers of f(x).
    shapes
        Lengths of dynamic axes: the shape of an input by its name, {"x": (1, 20)}, or the length of a dimension by the
        name it has in the model, {"time": 20}.
    fixed
        Values of inputs that are constants and no part of x, by their names: {"sr": 16000}. Floats, integers,
        conditions or texts, as the model declares the input, in an array that broadcasts to its shape.
    outputs
        Names of the outputs to take, which may be any tensors of the graph; by default all that the model declares and
        that hold floats: class labels are left out.

    Returns
    -------
    Function
        The network, with n_inputs = n and n_outputs = m.

    Warns
    -----
    DerivativeWarning
        The network has decision trees, whose derivatives are 0, or rounds numbers (a quantized model).
    UncheckedWarning
        With check=True, where nothing at hand can judge some nodes.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    FileError
        It is not an ONNX file, is truncated, or its external data are missing or outside its folder.
    OnnxError
        The model cannot be imported: an unknown operator, an unsupported setting, a dynamic axis that is no batch,
        weights that are not finite, a damaged graph; or the check failed.
    ShapeError
        Shapes that do not fit, `shapes` that are not the model's, or the wrong number of names.
    GraphError
        A name is empty or stands twice.

    Examples
    --------
    >>> import numpy as np, onnx.parser, fastexpr as fx
    >>> model = onnx.parser.parse_model('''<ir_version: 8, opset_import: ["" : 17]>
    ...     g (float[N, 2] x) => (float[N, 1] y) <float[2, 1] W = {3, 4}> { y = MatMul(x, W) }''')
    >>> net = fx.load_onnx(model)
    >>> net(np.array([1.0, 2.0]))
    array([11.])
    """
    model = ModelFile(path)
    importer = Importer(model, shapes, output_ports(model.proto.graph, outputs), fixed)
    try:
        importer.run()
        function = importer.function(input_names, output_names)
    except FastexprError as error:
        explain_batch(importer, error, shapes, fixed)
        raise
    check_batch(importer, shapes, fixed)
    if check or (check is None and is_cheap(importer)):
        compare(importer, function, must=bool(check))
    if any(operator.note for operator, _, _ in importer.graph.nodes):  # else its own nodes are not listed
        warn_of_derivatives(function)
    return function
