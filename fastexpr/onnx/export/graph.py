"""The ONNX graph under construction while a function is exported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper

from fastexpr.onnx.registry import ML

OPSET = 20  # the first with Gelu; ONNX Runtime has it since 1.17
IR_VERSION = 9  # of the same ONNX release
ML_OPSET = 5  # of ai.onnx.ml: the first with TreeEnsemble
SMALLEST_EXTERNAL = 1024  # bytes; shapes must stay inside, where shape inference finds them
LARGEST_MODEL = 1_900_000_000  # bytes of weights inside the file; protobuf ends at 2 GiB


class ExportGraph:
    """Collects nodes and tensors.

    Attributes
    ----------
    is_double : the element type of everything that is not an index
    label : what nodes are called from now on
    """

    def __init__(self, is_double: bool, names: Sequence[str]) -> None:
        self.is_double = is_double
        self.label = ""
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[tuple[str, NDArray[Any]]] = []
        self._known: dict[Any, str] = {}
        self._kept: list[NDArray[Any]] = []  # their addresses must stay their own
        self._taken = set(names)

    @property
    def element_type(self) -> int:
        """Of inputs and outputs."""
        return int(TensorProto.DOUBLE if self.is_double else TensorProto.FLOAT)

    def fresh(self, wish: str) -> str:
        """A name nobody has: the wish, or the wish and a number."""
        name, k = wish, 1
        while name in self._taken:
            k += 1
            name = f"{wish}_{k}"
        self._taken.add(name)
        return name

    def emit(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A new node; the name of its output, which is also the node's."""
        name = self.fresh(self.label or operator)
        self.nodes.append(helper.make_node(operator, inputs, [name], name, domain=domain, **attributes))
        return name

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """x in another shape."""
        return self.emit("Reshape", x, self.integers(list(shape)))

    def integers(self, numbers: ArrayLike) -> str:
        """An int64 tensor; equal ones are stored once."""
        array = np.asarray(numbers, np.int64)
        key = ("integers", array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self._store(array, "shape" if array.ndim == 1 and array.size < 8 else "indices")
        return self._known[key]

    def number(self, value: float) -> str:
        """A scalar."""
        key = ("number", value, math.copysign(1, value))
        if key not in self._known:
            self._known[key] = self._store(np.array(value, np.float64 if self.is_double else np.float32), "number")
        return self._known[key]

    def tensor(self, array: NDArray[Any]) -> str:
        """A float tensor. In a double model, float32 weights stay float32 in the file and are cast when it is read."""
        key = ("tensor", array.__array_interface__["data"][0], array.shape, array.dtype.str)
        if key in self._known:
            return self._known[key]
        if self.is_double and array.dtype == np.float32 and array.size:
            name = self.emit("Cast", self._store(array, f"{self.label}_float"), to=TensorProto.DOUBLE)
        else:
            name = self._store(
                array.astype(np.float64 if self.is_double else np.float32, copy=False), f"{self.label}_weights"
            )
        self._known[key] = name
        self._kept.append(array)
        return name

    def _store(self, array: NDArray[Any], wish: str) -> str:
        name = self.fresh(wish)
        self.tensors.append((name, array))
        return name

    def write(
        self,
        path: Path,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        metadata: dict[str, str],
        largest: int = LARGEST_MODEL,
    ) -> None:
        """Writes the file; weights beyond `largest` bytes go to a second file, "<name>.data"."""
        graph = helper.make_graph(self.nodes, "fastexpr", list(inputs), list(outputs))
        imports = [helper.make_opsetid("", OPSET)]
        if any(node.domain == ML for node in self.nodes):
            imports.append(helper.make_opsetid(ML, ML_OPSET))
        model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="fastexpr")
        helper.set_model_props(model, metadata)
        temporary = path.with_name(path.name + ".part")
        if sum(array.nbytes for _, array in self.tensors) > largest:
            data_path = path.with_name(path.name + ".data")
            temporary_data = data_path.with_name(data_path.name + ".part")
            with temporary_data.open("wb") as file:
                for name, array in self.tensors:
                    if array.nbytes < SMALLEST_EXTERNAL:
                        model.graph.initializer.append(inner_tensor(name, array))
                    else:
                        model.graph.initializer.append(external_tensor(name, array, data_path.name, file.tell()))
                        little_endian(array).tofile(file)
            temporary_data.replace(data_path)
        else:
            model.graph.initializer.extend(inner_tensor(name, array) for name, array in self.tensors)
        temporary.write_bytes(model.SerializeToString())
        temporary.replace(path)


def element_type(array: NDArray[Any]) -> int:
    """ONNX's number for the array's element type."""
    return int(helper.np_dtype_to_tensor_dtype(array.dtype))


def little_endian(array: NDArray[Any]) -> NDArray[Any]:
    """The array as a file holds it."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def inner_tensor(name: str, array: NDArray[Any]) -> TensorProto:
    """A tensor inside the model."""
    return helper.make_tensor(name, element_type(array), array.shape, little_endian(array).tobytes(), raw=True)


def external_tensor(name: str, array: NDArray[Any], location: str, offset: int) -> TensorProto:
    """A tensor whose numbers lie in another file."""
    tensor = TensorProto(name=name, data_type=element_type(array), dims=array.shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(array.nbytes))):
        tensor.external_data.add(key=key, value=value)
    return tensor
