"""What the numbers of a result are in the model: floats, integers or conditions. The standard's type constraints say
it: what only moves numbers has a result of its input's type, so a condition stays one through every operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from onnx import TensorProto, defs
from onnx.helper import tensor_dtype_to_np_dtype

from fastexpr.onnx.handle import FLOAT, Handle, Value
from fastexpr.onnx.node import operator_schema


@cache
def known_type(text: str) -> np.dtype[Any] | None:
    """The type that is called "tensor(int64)" and the like; None where it is a type parameter, or of no tensor."""
    if not text.startswith("tensor("):
        return None
    dtype = tensor_dtype_to_np_dtype(TensorProto.DataType.Value(text[7:-1].upper()))
    return dtype if dtype.kind in "biu" else FLOAT


@cache
def result_types(name: str, opset: int, domain: str) -> list[np.dtype[Any] | list[int] | None]:
    """For each output: its type; or the formal inputs that have the same type; or None where the standard leaves it
    open.
    """
    schema = operator_schema(name, opset, domain)
    if schema is None:
        return []
    allowed = {entry.type_param_str: entry.allowed_type_strs for entry in schema.type_constraints}
    rules: list[np.dtype[Any] | list[int] | None] = []
    for output in schema.outputs:
        texts = allowed.get(output.type_str, [output.type_str])
        same = [k for k, given in enumerate(schema.inputs) if given.type_str == output.type_str]
        is_open = output.option == defs.OpSchema.FormalParameterOption.Variadic and not output.is_homogeneous
        if len(texts) == 1:
            rules.append(known_type(texts[0]))
        else:
            rules.append(None if is_open or not same else same)
    return rules


def typed(results: Sequence[Any], inputs: Sequence[Value | None], name: str, opset: int, domain: str) -> list[Any]:
    """The results, with the types that the standard gives them; what it leaves open is as the converter says."""
    rules = result_types(name, opset, domain)
    found: list[Any] = []
    for k, result in enumerate(results):
        rule = rules[min(k, len(rules) - 1)] if rules else None
        if isinstance(rule, list):
            given = [inputs[j] for j in rule if j < len(inputs)]
            dtypes = [value.dtype for value in given if isinstance(value, (Handle, np.ndarray))]
            rule = (dtypes[0] if dtypes[0].kind in "biu" else FLOAT) if dtypes else None
        found.append(result.astype(rule) if isinstance(result, Handle) and rule is not None else result)
    return found
