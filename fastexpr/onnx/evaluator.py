"""Values of functions and of ONNX files by others: ONNX Runtime, or ONNX's reference evaluator; in double precision.

Nothing of the core is evaluated here: a function is written as an ONNX model, and a file is taken as it is.
"""

from __future__ import annotations

import importlib.util
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from fastexpr._core import Function
from fastexpr.errors import OnnxError
from fastexpr.onnx.check.judges import NARROW, widen_node, widen_tensor
from fastexpr.onnx.export.model import export_onnx

Vector = npt.NDArray[np.float64]


class Evaluator:
    """An ONNX model of the ports of a function, as x (n,) -> (m,).

    Attributes
    ----------
    by : str
        "ONNX Runtime" or "ONNX's reference evaluator".
    """

    def __init__(self, model: onnx.ModelProto, function: Function) -> None:
        self._shapes = list(function.inputs.values())
        graph = model.graph
        weights = {tensor.name for tensor in graph.initializer}
        inputs = [entry for entry in graph.input if entry.name not in weights]
        if len(inputs) != len(self._shapes):
            raise OnnxError(
                f"[verify] the ONNX file has {len(inputs)} inputs, the network {len(self._shapes)}: "
                f"{', '.join(entry.name for entry in inputs)}. What to do: give the file that the network was read "
                "from."
            )
        self._inputs = [(e.name, helper.tensor_dtype_to_np_dtype(e.type.tensor_type.elem_type)) for e in inputs]
        self._outputs = [entry.name for entry in graph.output]
        self._n_outputs = function.n_outputs
        self._run, self.by = runner(model)

    def __call__(self, x: Vector) -> Vector:
        """The outputs, joined."""
        ends = np.cumsum([math.prod(shape) for shape in self._shapes])
        pieces = np.split(np.asarray(x), ends[:-1])
        feeds = {
            name: piece.reshape(shape).astype(dtype)
            for (name, dtype), piece, shape in zip(self._inputs, pieces, self._shapes, strict=True)
        }
        found = self._run(self._outputs, feeds)
        y = np.concatenate([np.ravel(np.asarray(part, dtype=np.float64)) for part in found])
        if y.size != self._n_outputs:
            raise OnnxError(
                f"[verify] the ONNX file gives {y.size} numbers, the network {self._n_outputs}. What to do: give the "
                "file that the network was read from."
            )
        return y


def of_function(function: Function) -> Evaluator:
    """The function, written as an ONNX model in double."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "function.onnx"
        export_onnx(function, path, np.float64)
        return Evaluator(onnx.load(path), function)


def of_file(path: str | os.PathLike[str], function: Function) -> Evaluator:
    """The file that the function was read from, its arithmetic widened to double as ours is."""
    model = onnx.load(path)
    widen_model(model)
    return Evaluator(model, function)


def widen_model(model: onnx.ModelProto) -> None:
    """All floats of the model become double."""
    for node in model.graph.node:
        widen_node(node)
    for tensor in model.graph.initializer:
        widen_tensor(tensor)
    del model.graph.value_info[:]
    for info in [*model.graph.input, *model.graph.output]:
        if info.type.tensor_type.elem_type in NARROW:
            info.type.tensor_type.elem_type = TensorProto.DOUBLE


def runner(model: onnx.ModelProto) -> tuple[Any, str]:
    """What runs the model, and its name: ONNX Runtime where it is installed and has all operators in this precision."""
    if importlib.util.find_spec("onnxruntime") is not None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
            return session.run, "ONNX Runtime"
        except Exception:  # it raises what it likes, mostly for an operator that it lacks in double
            pass
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(model).run, "ONNX's reference evaluator"
