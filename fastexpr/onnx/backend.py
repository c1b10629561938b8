"""fastexpr as a backend of ONNX's own interface, `onnx.backend.base.Backend`: for ONNX's conformance tests, and for
programs written for that interface.

>>> import numpy as np, onnx.helper, fastexpr.onnx.backend
>>> node = onnx.helper.make_node("Mul", ["a", "b"], ["y"])
>>> fastexpr.onnx.backend.run_node(node, [np.float32([2, 3]), np.float32([4, 5])])[0]
array([ 8., 15.], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnx.shape_inference
from onnx import TensorProto
from onnx.backend.base import Backend, BackendRep

from fastexpr._core import Function
from fastexpr.errors import OnnxError
from fastexpr.onnx.arrays import Array, type_name
from fastexpr.onnx.handle import Handle
from fastexpr.onnx.importer import Importer
from fastexpr.onnx.model_file import ModelFile
from fastexpr.onnx.node import NotConstantError
from fastexpr.onnx.ports import Output

__all__ = ["FastexprBackend", "FastexprRep", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)


class Specialised(NamedTuple):
    """A model with some of its inputs fixed: `function` gives the outputs `names` for the inputs `variables`; outputs
    that depend on none of them are in `constants`.
    """

    function: Function | None
    variables: list[str]
    names: list[str]
    constants: dict[str, Array]


class FastexprRep(BackendRep):  # type: ignore[misc]
    """A model that is ready to run.

    Float and double inputs are the x of a Function. All others (integers, conditions, texts, sequences, tensors without
    elements, numbers that are not finite) are constants of the model, and so are float inputs that an operator needs
    constant, such as the scales of Resize: the model is specialised to the values that `run` is given. It is
    specialised again when these values change.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        given = {tensor.name for tensor in model.graph.initializer}
        self.inputs = [info for info in model.graph.input if info.name not in given]
        self._key: dict[str, object] = {}
        self._last: Specialised | None = None

    def run(self, inputs: Sequence[Any] | Mapping[str, Any], **unused: Any) -> tuple[Any, ...]:
        """The outputs in declared order, each in its declared type and shape.

        Parameters
        ----------
        inputs
            One value per input of the model, in declared order or by name; an array, a list of arrays for a sequence,
            or None for an optional input that is left out.

        Raises
        ------
        OnnxError
            The number of inputs is wrong, or the model cannot be imported, see fastexpr.load_onnx.
        """
        feeds = self._feeds(inputs)
        model = self.specialised(feeds)
        found: dict[str, Array] = dict(model.constants)
        if model.function is not None:
            x = np.concatenate([np.asarray(feeds[name], np.float64).reshape(-1) for name in model.variables])
            y, start = model.function(x), 0
            for name, shape in zip(model.names, model.function.outputs.values(), strict=True):
                size = int(np.prod(shape, dtype=np.int64))
                found[name] = y[start : start + size].reshape(shape)
                start += size
        with np.errstate(all="ignore"):
            return tuple(found[info.name].astype(declared_dtype(info)) for info in self.model.graph.output)

    def specialised(self, feeds: Mapping[str, Any]) -> Specialised:
        """The model for inputs of these types and shapes, and for these values of the inputs that are constants."""
        if self._last is None or self._key != key(feeds, self._last.variables):
            self._last = specialise(self.model, self.inputs, feeds)
            self._key = key(feeds, self._last.variables)
        return self._last

    def _feeds(self, inputs: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
        """Every input by its name."""
        names = [str(info.name) for info in self.inputs]
        values = [inputs.get(name) for name in names] if isinstance(inputs, Mapping) else list(inputs)
        if len(values) != len(names):
            raise OnnxError(f"The model takes {len(names)} inputs {names}, got {len(values)}. Pass one value for each.")
        return dict(zip(names, values, strict=True))


class FastexprBackend(Backend):  # type: ignore[misc]
    """ONNX's interface; its methods are functions of this module, too."""

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether models run there: "CPU" only."""
        return device.partition(":")[0] == "CPU"

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **unused: Any) -> FastexprRep:
        """The model, ready to run; what cannot be imported shows when its first inputs are there.

        Raises OnnxError where the device is another than the CPU.
        """
        if not cls.supports_device(device):
            raise OnnxError(f"fastexpr runs on the CPU: got device {device!r}. Pass device='CPU'.")
        return FastexprRep(model)

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **unused: Any) -> tuple[Any, ...]:
        """Prepares the model and runs it once."""
        return cls.prepare(model, device).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **options: Any,
    ) -> tuple[Any, ...]:
        """Runs one node once.

        Parameters
        ----------
        node
            The node.
        inputs
            One array for each input that is not left out.
        device
            "CPU".
        outputs_info
            Element type and shape of each output; by default as ONNX infers them.
        options
            `opset_version`: the operator set, by default the newest.
        """
        return cls.prepare(node_model(node, inputs, outputs_info, options.get("opset_version")), device).run(inputs)


is_compatible = FastexprBackend.is_compatible
prepare = FastexprBackend.prepare
run_model = FastexprBackend.run_model
run_node = FastexprBackend.run_node
supports_device = FastexprBackend.supports_device


def key(feeds: Mapping[str, Any], variables: Sequence[str]) -> dict[str, object]:
    """What a specialised model depends on: the shapes of x, and the values of everything else."""
    return {name: np.shape(value) if name in variables else fingerprint(value) for name, value in feeds.items()}


def fingerprint(value: Any) -> object:
    """Equal for equal values."""
    if value is None or isinstance(value, (list, tuple)):
        return value and [fingerprint(element) for element in value]
    array = np.asarray(value)
    return array.shape, array.dtype, array.tolist() if array.dtype == object else array.tobytes()


def specialise(model: onnx.ModelProto, inputs: Sequence[onnx.ValueInfoProto], feeds: Mapping[str, Any]) -> Specialised:
    """Imports the model with as many of its float inputs as x as its operators allow."""
    variables = [str(info.name) for info in inputs if can_vary(info, feeds[info.name])]
    while True:
        importer = Importer(ModelFile(with_constants(model, inputs, feeds, variables)))
        try:
            importer.run()
            break
        except NotConstantError as error:
            fixed = importer.inputs_behind(error.value)
            variables = [name for name in variables if name not in fixed]
    outputs = {str(info.name): importer.value(info.name) for info in model.graph.output}
    constants = {name: value for name, value in outputs.items() if not isinstance(value, Handle)}
    varying = [name for name in outputs if name not in constants]
    return Specialised(
        importer.function_of([Output(name, name) for name in varying]) if varying else None,
        variables,
        varying,
        constants,
    )


def can_vary(info: onnx.ValueInfoProto, value: Any) -> bool:
    """Whether the input can be a part of x: floats, at least one, all finite."""
    is_float = info.type.HasField("tensor_type") and info.type.tensor_type.elem_type in FLOATS
    return is_float and value is not None and np.size(value) > 0 and bool(np.isfinite(value).all())


def with_constants(
    model: onnx.ModelProto, inputs: Sequence[onnx.ValueInfoProto], feeds: Mapping[str, Any], variables: Sequence[str]
) -> onnx.ModelProto:
    """The model with literal shapes for its variables; all other inputs are initializers, or nodes that give a sequence
    or nothing.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    del graph.input[:]
    nodes: list[onnx.NodeProto] = []
    for info in inputs:
        name, value = str(info.name), feeds[info.name]
        if name in variables:
            kind = info.type.tensor_type.elem_type
            graph.input.append(onnx.helper.make_tensor_value_info(name, kind, np.shape(value)))
        elif value is None:
            nodes.append(onnx.helper.make_node("Optional", [], [name], type=info.type.optional_type.elem_type))
        elif isinstance(value, (list, tuple)):
            elements = [f"{name}[{k}]" for k in range(len(value))]
            graph.initializer.extend(map(tensor, value, elements))
            nodes.append(onnx.helper.make_node("SequenceConstruct", elements, [name]))
        else:
            graph.initializer.append(tensor(value, name))
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
    return result


def tensor(value: Any, name: str) -> onnx.TensorProto:
    """The value as an initializer."""
    return onnx.numpy_helper.from_array(np.asarray(value), name)


def node_model(
    node: onnx.NodeProto,
    inputs: Sequence[Any],
    outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None,
    opset: int | None,
) -> onnx.ModelProto:
    """A model of the node alone."""
    names = dict.fromkeys(name for name in node.input if name)
    infos = [array_info(name, np.asarray(value)) for name, value in zip(names, inputs, strict=True)]
    domain = node.domain if node.domain != "ai.onnx" else ""
    version = opset or max(schema.since_version for schema in onnx.defs.get_all_schemas() if schema.domain == domain)
    if outputs_info is not None:
        outputs = [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
            for name, (dtype, shape) in zip(node.output, outputs_info, strict=True)
        ]
    else:
        outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = onnx.helper.make_graph([node], "node", infos, outputs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid(domain, version)])
    return model if outputs_info is not None else onnx.shape_inference.infer_shapes(model)


def array_info(name: str, array: Array) -> onnx.ValueInfoProto:
    """The declaration of an input that holds this array."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, kind, array.shape)


def declared_dtype(info: onnx.ValueInfoProto) -> np.dtype[Any]:
    """The element type of an output."""
    kind = info.type.tensor_type.elem_type
    if kind == TensorProto.UNDEFINED:
        raise OnnxError(
            f"[Output {info.name!r}] is declared as {type_name(kind)}, expected a tensor with an element type. Declare "
            "it."
        )
    dtype: np.dtype[Any] = onnx.helper.tensor_dtype_to_np_dtype(kind)
    return dtype
