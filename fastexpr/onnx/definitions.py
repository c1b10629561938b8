"""Operators that ONNX itself defines as functions of others, written out.

The standard carries a body for some forty operators (CenterCropPad, SoftmaxCrossEntropyLoss, ...): nodes of other
operators, sometimes made to measure for a node's attributes and the types of its inputs. An operator without a
converter of its own is imported through its body.
"""

from __future__ import annotations

from collections.abc import Sequence

from onnx import AttributeProto, FunctionProto, NodeProto, TypeProto, helper

from fastexpr.onnx.handle import Tensors, Value
from fastexpr.onnx.node import operator_domain, operator_schema

NEWEST = 10**6


def definition(proto: NodeProto, opset: int, inputs: Sequence[Value | None], float_type: int) -> FunctionProto | None:
    """The body of the node's operator with the node's attributes put in; None where the standard gives none.

    Parameters
    ----------
    proto, opset
        The node, and the version of the standard it follows.
    inputs
        Its values; None where an optional input is left out.
    float_type
        The element type that floats of the model have: some bodies hold numbers of that type.
    """
    schema = operator_schema(str(proto.op_type), opset, operator_domain(proto))
    if schema is None:
        return None
    if schema.has_function:
        version = best_version(schema.function_opset_versions, opset)
        encoded = schema.get_function_with_opset_version(version)
    elif schema.has_context_dependent_function:
        version = best_version(schema.context_dependent_function_opset_versions, opset)
        types = [value_type(value, float_type).SerializeToString() for value in inputs]
        encoded = schema.get_context_dependent_function_with_opset_version(version, proto.SerializeToString(), types)
    else:
        return None
    body = FunctionProto.FromString(encoded)
    attributes = {name: a.default_value for name, a in schema.attributes.items() if a.default_value.type}
    attributes |= {str(attribute.name): attribute for attribute in proto.attribute}
    for node in body.node:
        bind_attributes(node, attributes)
    keep_needed(body, [bool(name) for name in proto.output])
    return body


def has_definition(proto: NodeProto) -> bool:
    """Whether the standard defines the node's operator by others."""
    schema = operator_schema(str(proto.op_type), NEWEST, operator_domain(proto))
    return schema is not None and (schema.has_function or schema.has_context_dependent_function)


def best_version(versions: Sequence[int], opset: int) -> int:
    """The newest that is not newer than the model's operator set. A body says itself which set its nodes follow."""
    return max((version for version in versions if version <= opset), default=min(versions))


def value_type(value: Value | None, float_type: int) -> TypeProto:
    """Element type and shape, in ONNX's words; empty for an input that is left out."""
    if value is None:
        return TypeProto()
    if isinstance(value, Tensors):
        inner = value_type(value[0], float_type) if value else TypeProto()
        return helper.make_sequence_type_proto(inner)
    kind = float_type if value.dtype.kind == "f" else int(helper.np_dtype_to_tensor_dtype(value.dtype))
    return helper.make_tensor_type_proto(kind, value.shape)


def bind_attributes(node: NodeProto, attributes: dict[str, AttributeProto]) -> None:
    """Puts the outer node's attributes where the body refers to them; absent ones are left out."""
    for k in reversed(range(len(node.attribute))):
        attribute = node.attribute[k]
        if attribute.ref_attr_name:
            outer = attributes.get(attribute.ref_attr_name)
            name = str(attribute.name)
            if outer is None:
                del node.attribute[k]
            else:
                attribute.CopyFrom(outer)
                attribute.name = name
        for inner in attribute.g.node if attribute.type == AttributeProto.GRAPH else ():
            bind_attributes(inner, attributes)


def keep_needed(body: FunctionProto, is_wanted: list[bool]) -> None:
    """Drops the nodes that only serve outputs which the outer node leaves out; a body stands in order."""
    needed = {name for name, wanted in zip(body.output, is_wanted, strict=False) if wanted}
    for k in reversed(range(len(body.node))):
        node = body.node[k]
        if needed.isdisjoint(node.output):
            del body.node[k]
        else:
            needed.update(names_read(node))


def names_read(node: NodeProto) -> set[str]:
    """The tensors that a node reads, those inside its graphs included."""
    names = set(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node if attribute.type == AttributeProto.GRAPH else ():
            names |= names_read(inner)
        names.update(output.name for output in attribute.g.output)
    return names
