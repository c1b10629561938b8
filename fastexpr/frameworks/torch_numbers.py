"""Python numbers of a PyTorch module in double precision, which its exporter writes as float32.

The exporter notes at each ONNX node which operation of the module it comes from, with all arguments. So a float32
number that is the rounding of one of these is that argument. Attributes of ONNX are float32 by their format: their
doubles travel beside them, as properties of the node (`exact_attributes`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from fastexpr.onnx.node import EXACT

NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.?\d*(?:e[+-]?\d+)?|inf|nan)(?![\w.])")
#: What the exporter's own formulas hold, and the constants of SELU.
KNOWN = (
    1 / 6, 1 / 3, 2 / 3, math.pi, 1 / math.pi, math.e, math.log(2), math.log(10), 1 / math.log(2), 1 / math.log(10),
    math.sqrt(2), 1 / math.sqrt(2), math.sqrt(2 / math.pi), math.sqrt(math.pi), 2 / math.sqrt(math.pi), 0.044715,
    1.6732632423543772848170429916717, 1.0507009873554804934193349852946,
)  # fmt: skip
DEFAULTS = {
    "Selu": {"alpha": 1.6732632423543772848170429916717, "gamma": 1.0507009873554804934193349852946},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "LeakyRelu": {"alpha": 0.01},
    "BatchNormalization": {"epsilon": 1e-5},
    "LayerNormalization": {"epsilon": 1e-5},
    "InstanceNormalization": {"epsilon": 1e-5},
    "GroupNormalization": {"epsilon": 1e-5},
    "LRN": {"alpha": 1e-4, "beta": 0.75},
}


def with_doubles(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the exported model in which float32 numbers are the doubles of the module, where these can be told."""
    restored = onnx.ModelProto()
    restored.CopyFrom(proto)
    for nodes in [restored.graph.node, *(function.node for function in restored.functions)]:
        exact_hard_swish(nodes)
        for node in nodes:
            restore(node, candidates(node))
    return restored


def exact_hard_swish(nodes: Any) -> None:
    """HardSwish has its sixth as a part of its definition: written as x times HardSigmoid, it can be exact."""
    written = []
    for node in nodes:
        if node.op_type != "HardSwish":
            written.append(node)
            continue
        inner = f"{node.output[0]} sigmoid"
        label = node.name and f"{node.name} sigmoid"
        gate = helper.make_node("HardSigmoid", [node.input[0]], [inner], label, alpha=1 / 6, beta=0.5)
        written += [gate, helper.make_node("Mul", [node.input[0], inner], list(node.output), node.name)]
    if len(written) > len(nodes):
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in written]
        del nodes[:]
        nodes.extend(copies)


def candidates(node: onnx.NodeProto) -> list[float]:
    """Doubles that a number of the node may be: arguments of the operation it comes from first."""
    texts = [entry.value for entry in node.metadata_props if entry.key.endswith("fx_node")]
    arguments = [float(text) for text in NUMBER.findall(" ".join(texts))]
    return [*arguments, *derived(arguments), *KNOWN]


def derived(arguments: Iterable[float]) -> Iterator[float]:
    """What formulas make of one argument or two."""
    finite = [a for a in arguments if math.isfinite(a) and a != 0][:8]
    for a in finite:
        yield from (-a, 1 / a, a * a, math.sqrt(abs(a)), 1 / math.sqrt(abs(a)), 1 - a, math.log(abs(a)))
        yield from (a / 6, a * 2, a / 2)
    for a in finite:
        for b in finite:
            yield from (a * b, a / b, a - b, a + b)


def restore(node: onnx.NodeProto, known: list[float]) -> None:
    """The node with doubles for its float32 numbers."""
    if node.op_type == "Constant":
        restore_constant(node, known)
        return
    stated = {attribute.name for attribute in node.attribute}
    for name, value in DEFAULTS.get(node.op_type, {}).items():
        if name not in stated:
            node.metadata_props.add(key=EXACT + name, value=repr(value))
    for attribute in node.attribute:
        if attribute.type == AttributeProto.FLOAT:
            node.metadata_props.add(key=EXACT + attribute.name, value=repr(double_of(attribute.f, known)))
        for inner in attribute.g.node if attribute.type == AttributeProto.GRAPH else ():
            restore(inner, candidates(inner) + known)


def restore_constant(node: onnx.NodeProto, known: list[float]) -> None:
    """A Constant of float32 becomes one of doubles."""
    attribute = node.attribute[0] if node.attribute else AttributeProto()
    if attribute.name in ("value_float", "value_floats"):
        numbers = np.array(helper.get_attribute_value(attribute), np.float32)
    elif attribute.name == "value" and attribute.t.data_type == TensorProto.FLOAT:
        numbers = numpy_helper.to_array(attribute.t)
    else:
        return
    doubles = [double_of(float(number), known) for number in numbers.reshape(-1)]
    tensor = numpy_helper.from_array(np.array(doubles, np.float64).reshape(numbers.shape))
    attribute.CopyFrom(helper.make_attribute("value", tensor))


def double_of(number: float, known: Iterable[float]) -> float:
    """The candidate whose float32 rounding the number is; else the shortest decimal that is rounded so."""
    narrow = np.float32(number)
    if not np.isfinite(narrow):
        return number
    with np.errstate(over="ignore"):
        found = next((value for value in known if np.float32(value) == narrow), None)
    return float(str(narrow)) if found is None else found
