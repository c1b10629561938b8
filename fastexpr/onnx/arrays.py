"""The numbers of ONNX tensors as NumPy arrays, each copied at most once."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from fastexpr.errors import FileError, OnnxError
from fastexpr.onnx.sizes import HIGHEST_RANK, memory_size
from fastexpr.onnx.wire import Buffer, Span

Array = NDArray[Any]

RAW_TYPES: dict[int, str] = {
    TensorProto.FLOAT: "<f4", TensorProto.DOUBLE: "<f8", TensorProto.FLOAT16: "<f2", TensorProto.BFLOAT16: "<u2",
    TensorProto.INT8: "<i1", TensorProto.INT16: "<i2", TensorProto.INT32: "<i4", TensorProto.INT64: "<i8",
    TensorProto.UINT8: "<u1", TensorProto.UINT16: "<u2", TensorProto.UINT32: "<u4", TensorProto.UINT64: "<u8",
    TensorProto.BOOL: "?",
}  # fmt: skip
#: Read as they are: numbers that only a constant DequantizeLinear makes floats of. Texts are read, too: labels may be
#: anywhere in a model, but who needs numbers refuses them.
OTHER_TYPES = [
    kind
    for name, kind in TensorProto.DataType.items()
    if name in ("INT2", "UINT2", "INT4", "UINT4", "FLOAT4E2M1") or name.startswith("FLOAT8E")
]
FLOAT_TYPES = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def type_name(data_type: int) -> str:
    """'float', 'int64', ...: the element type in ONNX's words."""
    try:
        return str(TensorProto.DataType.Name(data_type)).lower()
    except ValueError:
        return f"of unknown type {data_type}"


def tensor_array(
    tensor: TensorProto, owner: str, folder: Path | None = None, raw: tuple[Buffer, Span] | None = None
) -> Array:
    """The tensor's numbers, read-only in spirit: shared with nobody, in the file's precision.

    float16 and bfloat16 become float32, which holds each of them exactly.

    Parameters
    ----------
    tensor
        The message.
    owner
        Whose tensor it is, for messages: "[Initializer 'W']".
    folder
        Where external data lies; None where the model did not come from a file.
    raw
        The bytes that were cut out of the message, see fastexpr.onnx.wire.

    Raises
    ------
    FileError
        Where the numbers do not fit the shape, or the external file is missing, too short, or outside the folder.
    OnnxError
        Where the elements are no numbers, nor texts.
    """
    is_text = tensor.data_type == TensorProto.STRING and len(tensor.string_data) == math.prod(tensor.dims)
    if tensor.data_type not in RAW_TYPES and tensor.data_type not in OTHER_TYPES and not is_text:
        raise OnnxError(
            f"{owner} holds elements {type_name(tensor.data_type)}, expected floats, integers or bool. Export the "
            "model with float or double weights."
        )
    shape = tuple(tensor.dims)
    if any(length < 0 for length in shape) or len(shape) > HIGHEST_RANK:
        fail(owner, f"has the shape {shape}, expected at most {HIGHEST_RANK} axes and no negative length")
    count = math.prod(shape)
    if is_text or tensor.data_type in OTHER_TYPES:
        return other_array(tensor, owner, raw, count).reshape(shape)
    dtype = np.dtype(RAW_TYPES[tensor.data_type])
    if tensor.data_location == TensorProto.EXTERNAL:
        flat = external_array(tensor, owner, folder, dtype, count)
    elif raw is not None:
        flat = raw_array(raw[0], raw[1], owner, dtype, count)
    elif tensor.HasField("raw_data"):
        content = tensor.raw_data
        flat = raw_array(content, Span(0, len(content)), owner, dtype, count)
    else:
        return widened(typed_array(tensor, owner, count).reshape(shape), tensor.data_type)
    return widened(flat.reshape(shape), tensor.data_type)


def widened(array: Array, data_type: int) -> Array:
    """The array in a precision that the core stores: 16-bit floats exactly in float32."""
    if data_type == TensorProto.BFLOAT16 and array.dtype == np.uint16:  # the upper half of a float32
        return (array.astype(np.uint32) << 16).view(np.float32)
    if array.dtype.kind not in "biu" and array.dtype not in (np.float32, np.float64):
        return array.astype(np.float32)
    return array


def as_float(array: Array) -> Array:
    """The array in a precision that the core stores: float32 and float64 as they are, anything else in double."""
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def fail(owner: str, what: str) -> NoReturn:
    """Raises the error of a damaged file."""
    raise FileError(f"{owner} {what}. The file is damaged: export or copy it again.")


def check_length(owner: str, dtype: np.dtype[Any], count: int, length: int) -> None:
    """Whether so many bytes are there."""
    if length != count * dtype.itemsize:
        fail(
            owner,
            f"holds {length} bytes, expected {count * dtype.itemsize} for {count} numbers of {dtype.itemsize} bytes",
        )


def raw_array(data: Buffer, span: Span, owner: str, dtype: np.dtype[Any], count: int) -> Array:
    """The numbers at these bytes, read-only. Those of a file are copied: few places in it are aligned."""
    check_length(owner, dtype, count, span.stop - span.start)
    if isinstance(data, bytes) and span.start == 0 and count > 0:
        return np.frombuffer(data, dtype, count)
    array = np.empty(count, dtype)
    if count > 0:
        array.view(np.uint8)[:] = np.frombuffer(data, np.uint8, span.stop - span.start, span.start)
    array.flags.writeable = False
    return array


def typed_array(tensor: TensorProto, owner: str, count: int) -> Array:
    """The numbers of a tensor that holds them one by one."""
    try:
        array = numpy_helper.to_array(tensor)
    except Exception as error:  # whatever a damaged tensor makes of it
        raise FileError(f"{owner} cannot be read: {error}. The file is damaged: export or copy it again.") from error
    if array.size != count:
        fail(owner, f"holds {array.size} numbers, expected {count}")
    return np.ascontiguousarray(array)


def other_array(tensor: TensorProto, owner: str, raw: tuple[Buffer, Span] | None, count: int) -> Array:
    """Texts, or the numbers of a tensor of OTHER_TYPES in a type of their own."""
    if tensor.data_location == TensorProto.EXTERNAL:
        raise FileError(
            f"{owner} holds elements {type_name(tensor.data_type)} in an external file, which is not supported. Export "
            "the model in one file."
        )
    if raw is not None:
        whole = TensorProto()
        whole.CopyFrom(tensor)
        whole.raw_data = bytes(raw[0][raw[1].start : raw[1].stop])
        tensor = whole
    return typed_array(tensor, owner, count)


def external_array(tensor: TensorProto, owner: str, folder: Path | None, dtype: np.dtype[Any], count: int) -> Array:
    """The numbers of a tensor that lie in a file of their own. They are read, not mapped: exporters write in place."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise FileError(
            f"{owner} lies in the external file {location!r}, but the model did not come from a file. Pass the model's "
            "path instead of its content."
        )
    path = external_path(folder, location, owner)
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", count * dtype.itemsize))
    except ValueError:
        fail(owner, f"states an offset or length that is no number: {entries}")
    check_length(owner, dtype, count, length)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if offset < 0 or offset + length > size:
            fail(owner, f"takes bytes {offset} to {offset + length} of {str(path)!r}, which has {size}")
        if length > memory_size():
            fail(owner, f"takes {length} bytes, more than this machine's memory of {memory_size()}")
        array = np.fromfile(file, dtype, count, offset=offset)
        array.flags.writeable = False  # so that it need not be copied
        return array


def external_path(folder: Path, location: str, owner: str) -> Path:
    """The external file, which must lie in the model's folder: a model must not read what it likes."""
    base = Path(os.path.realpath(folder))
    try:
        path = Path(os.path.realpath(base / location))
        is_file = path.is_file()
    except (ValueError, OSError) as error:  # a zero byte, too long a name
        raise FileError(
            f"{owner} lies in {location!r}, which is no name of a file: {error}. Export it again."
        ) from error
    if not location or base not in path.parents:
        raise FileError(
            f"{owner} lies in {location!r}, outside the model's folder {str(base)!r}, which is refused. Put the data "
            "beside the model."
        )
    if not is_file:
        raise FileError(f"{owner} lies in {str(path)!r}, which does not exist. Copy the data file beside the model.")
    return path
