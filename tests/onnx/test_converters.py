"""Every converter: values against ONNX's reference evaluator and ONNX Runtime, for each version and setting of each
operator.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx_models import distance, evaluate
from onnx_table import ELSEWHERE, ROWS, Row, identify, row_model, row_point

import fastexpr as fx
from fastexpr.errors import OnnxError
from fastexpr.onnx.registry import find_converter, registered_versions


def is_unjudged(entry: Row) -> bool:
    """ONNX's evaluator is known to be wrong, ONNX Runtime begins with operator set 7, and there is no formula."""
    old = ("Dropout",) if entry.opset < 7 else ()
    is_even = entry.operator == "LRN" and entry.attributes["size"] % 2 == 0  # ONNX Runtime has odd ones only
    has_power = entry.operator == "GlobalLpPool" and entry.opset >= 22
    is_stretched = "axis" in entry.attributes and "broadcast" in entry.attributes
    return is_stretched or entry.operator in old or is_even or (has_power and "p" in entry.attributes)


@pytest.mark.parametrize("entry", ROWS, ids=identify)
def test_value(entry: Row) -> None:
    model, shapes = row_model(entry, np.float64)
    point = row_point(entry, shapes)
    if is_unjudged(entry):
        with pytest.raises(OnnxError, match=rf"so the import is unchecked: \[{entry.operator} 'it'\]"):
            fx.load_onnx(model, check=True)
    net = fx.load_onnx(model, check=None if is_unjudged(entry) else entry.between[0] < 0)
    x = np.concatenate([array.reshape(-1) for array in point.values()])
    expected = evaluate(model, point)
    assert expected.size == net.n_outputs
    assert distance(net(x), expected) < 1e-14
    assert [tuple(shape) for shape in net.inputs.values()] == list(shapes.values())


def runtime_has(entry: Row) -> bool:
    """ONNX Runtime wants a mask of an Attention to cover all keys, and keys for every query of a causal one."""
    is_newer = entry.operator == "Attention" and entry.opset == 24 and len(entry.inputs) > 3
    return entry.runtime and entry.opset >= 7 and entry.operator not in ("Cast", "PRelu") and not is_newer


@pytest.mark.parametrize("entry", [entry for entry in ROWS if runtime_has(entry)], ids=identify)
def test_value_against_onnx_runtime(entry: Row) -> None:
    """An independent judge, in float32; it has what the reference evaluator lacks, old versions above all."""
    model, shapes = row_model(entry, np.float32)
    point = row_point(entry, shapes)
    net = fx.load_onnx(model, check=False)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {name: array.astype(np.float32) for name, array in point.items()}
    expected = np.concatenate([output.reshape(-1) for output in session.run(None, feeds)])
    x = np.concatenate([array.reshape(-1) for array in feeds.values()]).astype(np.float64)
    assert distance(net(x), expected.astype(np.float64)) < 2e-6


def test_every_converter_has_a_row() -> None:
    tested = set()
    for entry in ROWS:
        found = find_converter(entry.operator, entry.opset)
        if found is not None:  # else it is read through the standard's definition
            tested.add((entry.operator, found.since))
    assert {pair for pair in registered_versions() if pair[0] not in ELSEWHERE} - tested == set()
