"""One node of a model as a converter sees it: operator, attributes, inputs, and the builder to write to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, NoReturn

import numpy as np
import onnx

from fastexpr.errors import OnnxError
from fastexpr.onnx.arrays import Array, tensor_array
from fastexpr.onnx.builder import GraphBuilder
from fastexpr.onnx.handle import Handle, Tensors, Value, exact
from fastexpr.onnx.signatures import schema_of
from fastexpr.onnx.sizes import check_result
from fastexpr.onnx.wire import list_array

#: What the name of a node's property begins with that holds an attribute in double: ONNX's own are float32.
EXACT = "fastexpr.exact."

LONG = 200  # entries of a list

#: Converts the graph that is the attribute of this name, on these inputs; the last one goes into labels.
RunGraph = Callable[[str, Sequence[Value], str], list[Value]]


class NotConstantError(OnnxError):
    """A value must be constant and depends on x."""

    def __init__(self, message: str, value: Handle) -> None:
        super().__init__(message)
        self.value = value


@cache
def operator_schema(name: str, opset: int, domain: str = "") -> onnx.defs.OpSchema | None:
    """What ONNX's standard says about the operator as it was in this operator set, or ONNX Runtime about its own."""
    try:
        return onnx.defs.get_schema(name, opset, domain)
    except onnx.defs.SchemaError:
        return schema_of(domain, name)


@cache
def default_attributes(name: str, opset: int, domain: str = "") -> dict[str, Any]:
    """The attributes a node may have, with their defaults (None: no default). Floats are the standard's float32
    numbers.
    """
    schema = operator_schema(name, opset, domain)
    assert schema is not None
    return {key: attribute_value(attribute.default_value) for key, attribute in schema.attributes.items()}


@cache
def attribute_types(name: str, opset: int, domain: str = "") -> dict[str, int]:
    """The attributes a node may have, with the numbers of their types."""
    schema = operator_schema(name, opset, domain)
    assert schema is not None
    return {key: attribute.type.value for key, attribute in schema.attributes.items()}


@cache
def required_attributes(name: str, opset: int, domain: str = "") -> list[str]:
    """The attributes a node must have."""
    schema = operator_schema(name, opset, domain)
    assert schema is not None
    return [key for key, attribute in schema.attributes.items() if attribute.required]


def attribute_value(attribute: onnx.AttributeProto) -> Any:
    """The content of an attribute; a float is the file's float32 number, which every double can hold."""
    kind = attribute.type
    if kind == onnx.AttributeProto.FLOAT:
        return float(attribute.f)
    if kind == onnx.AttributeProto.INT:
        return int(attribute.i)
    if kind == onnx.AttributeProto.STRING:
        return attribute.s.decode("utf-8", "replace")
    if kind == onnx.AttributeProto.FLOATS:
        return list(attribute.floats)
    if kind == onnx.AttributeProto.INTS:
        return list(attribute.ints)
    if kind == onnx.AttributeProto.STRINGS:
        decoded = {text: text.decode("utf-8", "replace") for text in set(attribute.strings)}  # a forest's modes
        return [decoded[text] for text in attribute.strings]
    if kind == onnx.AttributeProto.TENSOR:
        return attribute.t
    return None if kind == onnx.AttributeProto.UNDEFINED else attribute


class LongList(NamedTuple):
    """An attribute that is a list whose numbers nobody has asked for yet."""

    attribute: onnx.AttributeProto


def is_long(attribute: onnx.AttributeProto) -> bool:
    """Whether the attribute lists so much that an object for each takes time."""
    return max(len(attribute.floats), len(attribute.ints), len(attribute.strings)) > LONG


def exact_attributes(proto: onnx.NodeProto) -> dict[str, float]:
    """Float attributes that the node also has in double."""
    properties = getattr(proto, "metadata_props", ())
    if not properties:
        return {}
    exact = [entry for entry in properties if entry.key.startswith(EXACT)]
    try:
        return {str(entry.key[len(EXACT) :]): float(entry.value) for entry in exact}
    except ValueError as error:
        raise OnnxError(
            f"{node_title(proto, 0)} has a property that is no number: {error}. Export it again."
        ) from error


def operator_domain(proto: onnx.NodeProto) -> str:
    """The node's domain; ONNX's own is ""."""
    return "" if proto.domain == "ai.onnx" else str(proto.domain)


def node_label(proto: onnx.NodeProto, position: int) -> str:
    """The node's name, or its operator and place among the nodes."""
    return str(proto.name) or f"{proto.op_type} #{position}"


def node_title(proto: onnx.NodeProto, position: int) -> str:
    """How messages begin: "[Gemm 'fc1']"."""
    return f"[{proto.op_type} {proto.name!r}]" if proto.name else f"[{proto.op_type} #{position}]"


class OnnxNode:
    """A node of the model.

    Attributes
    ----------
    operator, opset : the operator's name, and the version of the standard it follows
    inputs : its values; None where an optional input is left out
    graph : what the converter writes core nodes to
    title : how messages about the node begin
    """

    def __init__(
        self,
        proto: onnx.NodeProto,
        title: str,
        opset: int,
        inputs: list[Value | None],
        graph: GraphBuilder,
        run_graph: RunGraph,
    ) -> None:
        self.proto = proto
        self.operator = str(proto.op_type)
        self.opset = opset
        self.inputs = inputs
        self.graph = graph
        self.title = title
        self.domain = operator_domain(proto)
        self._run_graph = run_graph
        self._attributes = default_attributes(self.operator, opset, self.domain)
        if proto.attribute:
            self._attributes = self._attributes | self._own_attributes()
        exact = exact_attributes(proto)
        if exact:
            self._attributes = self._attributes | exact
        for name in required_attributes(self.operator, opset, self.domain):
            if self._attributes[name] is None:
                self.fail(f"attribute {name!r} is missing. Export the model again.")

    def _own_attributes(self) -> dict[str, Any]:
        own = {
            str(attribute.name): LongList(attribute) if is_long(attribute) else attribute_value(attribute)
            for attribute in self.proto.attribute
        }
        expected = attribute_types(self.operator, self.opset, self.domain)
        for attribute in self.proto.attribute:
            name = str(attribute.name)
            if name in expected and attribute.type != expected[name]:
                types = onnx.AttributeProto.AttributeType
                self.fail(
                    f"attribute {name!r} is {types.Name(attribute.type)}, expected {types.Name(expected[name])}. "
                    "Export the model again."
                )
            if name not in expected:
                self.fail(
                    f"unknown attribute {name!r}: expected one of {sorted(self._attributes)} in operator set "
                    f"{self.opset}. Export the model again."
                )
        return own

    @property
    def n_outputs(self) -> int:
        """How many outputs the node lists, those without a name included."""
        return len(self.proto.output)

    @property
    def stated(self) -> list[str]:
        """The attributes that the node itself has, whatever their defaults."""
        return [str(attribute.name) for attribute in self.proto.attribute]

    def has_output(self, k: int) -> bool:
        """Whether output k has a name, so that somebody may read it."""
        return k < self.n_outputs and self.proto.output[k] != ""

    def input_name(self, k: int) -> str:
        """What the model calls input k."""
        return str(self.proto.input[k])

    def fail(self, message: str) -> NoReturn:
        """Raises OnnxError about this node."""
        raise OnnxError(f"{self.title} {message}")

    def fail_not_constant(self, value: Handle, message: str) -> NoReturn:
        """Raises the error about a value that depends on x and must not."""
        raise NotConstantError(f"{self.title} {message}", value)

    def attribute(self, name: str) -> Any:
        """The attribute's value, else the standard's default, else None."""
        value = self._attributes.get(name)
        return attribute_value(value.attribute) if isinstance(value, LongList) else value

    def list_attribute(self, name: str) -> Any:
        """The same; long lists of numbers as arrays."""
        value = self._attributes.get(name)
        if not isinstance(value, LongList):
            return value
        found = list_array(value.attribute)
        return attribute_value(value.attribute) if found is None else found

    def number(self, name: str) -> float:
        """A float attribute."""
        value = self.attribute(name)
        if not isinstance(value, float) or not np.isfinite(value):
            self.fail(f"attribute {name!r} is {value!r}, expected a finite float. Export the model again.")
        return value

    def integer(self, name: str) -> int:
        """An integer attribute."""
        value = self.attribute(name)
        if not isinstance(value, int):
            self.fail(f"attribute {name!r} is {value!r}, expected an integer. Export the model again.")
        return value

    def integers(self, name: str) -> list[int] | None:
        """An attribute that lists integers; None where it is left out."""
        value = self.attribute(name)
        if value is not None and not isinstance(value, list):
            self.fail(f"attribute {name!r} is {value!r}, expected integers. Export the model again.")
        return value

    def has_input(self, k: int) -> bool:
        """Whether input k is there."""
        return k < len(self.inputs) and self.inputs[k] is not None

    def input(self, k: int) -> Value:
        """Input k, which must be there."""
        value = self.inputs[k] if k < len(self.inputs) else None
        if value is None:
            self.fail(f"input {k} is missing: got {len(self.inputs)} inputs. Export the model again.")
        if isinstance(value, Tensors):
            self.fail(f"input {k} is a sequence, expected a tensor. Export the model again.")
        return value

    def double(self, k: int) -> Value:
        """Input k, a constant in double precision: for arithmetic in which nothing else may depend on x."""
        return exact(self.input(k))

    def tensors(self, k: int) -> Tensors:
        """Input k, which must be a sequence."""
        value = self.inputs[k] if k < len(self.inputs) else None
        if not isinstance(value, Tensors):
            self.fail(f"input {k} is no sequence of tensors. Export the model again.")
        return value

    def constant(self, k: int) -> Array:
        """Input k, which must be constant."""
        value = self.input(k)
        if isinstance(value, Handle):
            self.fail_not_constant(
                value,
                f"input {k} ({self.input_name(k)!r}) depends on the network's inputs, expected a constant. Export the "
                "model with this input fixed.",
            )
        return value

    def constant_integers(self, k: int) -> list[int]:
        """Input k as a list of integers."""
        return [int(number) for number in self.integer_array(k).reshape(-1)]

    def integer_array(self, k: int) -> Array:
        """Input k, which must be a constant of integers, as it is."""
        array = self.constant(k)
        if array.dtype.kind not in "iu":
            self.fail(
                f"input {k} ({self.input_name(k)!r}) has elements {array.dtype}, expected integers. Export the model "
                "again."
            )
        return array

    def constant_scalar(self, k: int) -> float:
        """Input k as one number."""
        array = self.constant(k)
        if array.size != 1:
            self.fail(
                f"input {k} ({self.input_name(k)!r}) has shape {array.shape}, expected one number. Export the model "
                "again."
            )
        return float(array.reshape(-1)[0])

    def tensor_attribute(self, name: str) -> Array:
        """An attribute that holds a tensor."""
        value = self.attribute(name)
        if not isinstance(value, onnx.TensorProto):
            self.fail(f"attribute {name!r} is {value!r}, expected a tensor. Export the model again.")
        return tensor_array(value, self.title)

    def other(self, operator: str, inputs: list[Value | None], opset: int | None = None, **attributes: Any) -> OnnxNode:
        """A standard node of another operator in this one's place, with the attributes that both have, and those
        given. Its operator set is this one's, or, from another domain, the newest.
        """
        opset = opset or (onnx.defs.onnx_opset_version() if self.domain else self.opset)
        known = attribute_types(operator, opset)
        proto = onnx.NodeProto(op_type=operator, name=self.proto.name, output=self.proto.output)
        proto.input.extend([*self.proto.input, *[""] * len(inputs)][: len(inputs)])
        own = [attribute for attribute in self.proto.attribute if attribute.name not in attributes]
        proto.attribute.extend(attribute for attribute in own if attribute.name in known)
        proto.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in attributes.items())
        return OnnxNode(proto, self.title, opset, inputs, self.graph, self._run_graph)

    def run_graph(self, name: str, inputs: Sequence[Value], part: str) -> list[Value]:
        """The outputs of the graph that is the attribute `name`, on these inputs; `part` goes into labels."""
        if not isinstance(self.attribute(name), onnx.AttributeProto):
            self.fail(f"attribute {name!r} is missing. Export the model again.")
        return self._run_graph(name, inputs, part)

    def check_size(self, shape: Sequence[int], given: int = 0) -> None:
        """Refuses a result that no memory holds, where `given` numbers are there already."""
        check_result(shape, f"[{self.operator}]", given)

    def axis(self, axis: int, rank: int, allow_end: bool = False) -> int:
        """The axis counted from the front; with allow_end, the place behind the last one is an axis, too."""
        highest = rank if allow_end else rank - 1
        if not -rank <= axis <= highest:
            self.fail(
                f"axis {axis} does not exist: got a tensor with {rank} axes, expected {-rank} to {highest}. Export the "
                "model again."
            )
        return axis + rank if axis < 0 else axis

    def axes(self, axes: Sequence[int], rank: int) -> list[int]:
        """The axes counted from the front, sorted; each at most once."""
        found = sorted(self.axis(axis, rank) for axis in axes)
        if len(set(found)) != len(found):
            self.fail(f"axes {list(axes)} name one axis twice. Export the model again.")
        return found
