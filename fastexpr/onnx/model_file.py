"""Reads a model: from a file, from bytes, or from a ModelProto."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from fastexpr.errors import FileError, OnnxError
from fastexpr.onnx.arrays import Array, tensor_array
from fastexpr.onnx.sizes import check_result
from fastexpr.onnx.wire import Buffer, Span, WireError, without_weights

ModelSource: TypeAlias = str | os.PathLike[str] | bytes | onnx.ModelProto

NEWEST_OPSET = onnx.defs.onnx_opset_version()
SMALL = 2**20  # bytes of a file that is parsed as it is: copying is faster than looking for what need not be copied
LARGEST_GROWTH = 1000  # a tensor written out, against its values that are not 0


class ModelFile:
    """A model whose structure is parsed and whose weights are NumPy arrays.

    Attributes
    ----------
    proto : the model; its large weights are missing where it came from a large file
    is_complete : whether they are there
    weights : the initializers by name, each in the file's precision
    opsets : the version of each operator domain; ONNX's own is ""
    description : how messages call the model
    """

    def __init__(self, source: ModelSource) -> None:
        self.source = source
        self.description = repr(str(source)) if isinstance(source, (str, os.PathLike)) else "the model"
        self.proto: onnx.ModelProto
        self.is_complete = True
        self.weights: dict[str, Array] = {}
        if isinstance(source, onnx.ModelProto):
            self.proto = source
            self._take_weights(None, b"", {})
        elif isinstance(source, (bytes, bytearray, memoryview)):
            self._parse(bytes(source), None)
        elif isinstance(source, (str, os.PathLike)):
            self._read(Path(source))
        else:
            raise TypeError(f"load_onnx takes a path, bytes or an onnx.ModelProto, got {type(source).__name__}.")
        self.opsets = self._opsets()

    def complete_proto(self) -> onnx.ModelProto:
        """The model with its weights, for ONNX's own evaluator."""
        if isinstance(self.source, onnx.ModelProto):
            return self.source
        if self.is_complete and not any(tensor.external_data for tensor in self.proto.graph.initializer):
            return self.proto
        if isinstance(self.source, (str, os.PathLike)):
            return onnx.load(self.source)
        return onnx.load_from_string(bytes(self.source))

    def _read(self, path: Path) -> None:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise FileError(f"{self.description} is empty, not an ONNX file. Export the model again.")
            if os.fstat(file.fileno()).st_size <= SMALL:
                self._parse(file.read(), path.parent)
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # open only while the weights are copied
                self._parse(data, path.parent)

    def _parse(self, data: Buffer, folder: Path | None) -> None:
        try:
            skeleton, cuts = (data[:], {}) if len(data) <= SMALL else without_weights(data)
            self.is_complete = not cuts
            self.proto = onnx.ModelProto.FromString(skeleton)
        except (WireError, DecodeError) as error:
            raise FileError(
                f"{self.description} is not an ONNX file, or a truncated one: {error}. Expected what torch.onnx.export "
                "or onnx.save writes."
            ) from error
        if not self.proto.HasField("graph") or not self.proto.opset_import:
            raise FileError(
                f"{self.description} holds no ONNX graph: it is not an ONNX file, or a truncated one. Expected what "
                "torch.onnx.export or onnx.save writes."
            )
        self._take_weights(folder, data, cuts)

    def _take_weights(self, folder: Path | None, data: Buffer, cuts: dict[int, Span]) -> None:
        for k, tensor in enumerate(self.proto.graph.initializer):
            if tensor.name in self.weights:
                raise OnnxError(
                    f"[Initializer {tensor.name!r}] is there twice. Names must be unique: export the model again."
                )
            raw = (data, cuts[k]) if k in cuts else None
            self.weights[tensor.name] = tensor_array(tensor, f"[Initializer {tensor.name!r}]", folder, raw)
        for sparse in self.proto.graph.sparse_initializer:
            owner = f"[Initializer {sparse.values.name!r}]"
            values = tensor_array(sparse.values, owner, folder)
            self.weights[sparse.values.name] = dense_array(
                values, tensor_array(sparse.indices, owner, folder), tuple(sparse.dims), owner
            )

    def _opsets(self) -> dict[str, int]:
        opsets = {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in self.proto.opset_import}
        if not 1 <= opsets.get("", 1) <= NEWEST_OPSET:
            raise OnnxError(
                f"{self.description} uses operator set {opsets['']}, expected 1 to {NEWEST_OPSET}, which the installed "
                f"onnx {onnx.__version__} knows. Update the onnx package, or export with an older opset."
            )
        return opsets


def dense_array(values: Array, indices: Array, shape: tuple[int, ...], owner: str) -> Array:
    """A sparse tensor written out; indices are flat, or one row of coordinates per value."""
    if any(length < 0 for length in shape):
        raise FileError(f"{owner} has the shape {shape}. The file is damaged: export or copy it again.")
    check_result(shape, owner, LARGEST_GROWTH * values.size)
    dense: np.ndarray[Any, Any] = np.zeros(shape, values.dtype)
    try:
        if indices.ndim == 2:
            dense[tuple(indices.T)] = values
        else:
            dense.reshape(-1)[indices] = values
    except (IndexError, ValueError) as error:
        raise FileError(
            f"{owner} has indices that do not fit its shape {shape}: {error}. Export the model again."
        ) from error
    return dense
