"""Which function converts which ONNX operator.

An ONNX operator changes its meaning between operator sets. A converter is registered under the first version it holds
for:

    @converter("Softmax", since=13)
    def softmax(node: OnnxNode) -> Value: ...

and a node gets the newest converter that is not newer than the operator set its model declares. Operators of ai.onnx.ml
name their domain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fastexpr.onnx.handle import Handle, Tensors, Value
from fastexpr.onnx.node import OnnxNode

Convert = Callable[[OnnxNode], Value | Tensors | Sequence[Value | None]]
C = TypeVar("C", bound=Convert)


class Converter(NamedTuple):
    """One version of one operator.

    `takes_constants`: the function deals with constant inputs itself, e.g. keeps their precision. Otherwise a node with
    constant inputs only is evaluated by `folding`, where one input counts as a variable for it.
    """

    since: int
    convert: Convert
    takes_constants: bool


ML = "ai.onnx.ml"

_converters: dict[tuple[str, str], list[Converter]] = {}  # by domain and name, newest first


def converter(*names: str, since: int = 1, takes_constants: bool = False, domain: str = "") -> Callable[[C], C]:
    """Registers the function below for these operators, from this version on."""

    def register(convert: C) -> C:
        for name in names:
            versions = _converters.setdefault((domain, name), [])
            versions.append(Converter(since, convert, takes_constants))
            versions.sort(key=lambda entry: -entry.since)
        return convert

    return register


def find_converter(name: str, version: int, domain: str = "") -> Converter | None:
    """The converter of an operator as it was in this version; None where there is none."""
    for entry in _converters.get((domain, name), ()):
        if entry.since <= version:
            return entry
    return None


def convert(node: OnnxNode) -> list[Value | Tensors | None]:
    """The outputs of a node whose operator has a converter."""
    found = find_converter(node.operator, node.opset, node.domain)
    assert found is not None
    return listed(found.convert(node))


def listed(converted: Any) -> list[Value | Tensors | None]:
    """What a converter gives, also of one output, as a list of outputs."""
    return [converted] if isinstance(converted, Handle | Tensors | np.ndarray) else list(converted)


def operator_names(domain: str | None = None) -> list[str]:
    """All operators that can be imported, or those of one domain (ONNX's own is ""), sorted."""
    return sorted(name for of, name in _converters if domain in (None, of))


def registered_versions(domain: str = "") -> list[tuple[str, int]]:
    """Every converter of a domain as (operator, first version), for tests."""
    return sorted(
        (name, entry.since) for (of, name), versions in _converters.items() if of == domain for entry in versions
    )
