"""ONNX's own conformance tests: each case passes, or is listed with the reason for which it is refused."""

from __future__ import annotations

import functools
import unittest
from collections.abc import Callable
from fnmatch import filter as filter_names
from typing import Any

import numpy as np
import onnx.helper
import onnx.parser
import operators_page
import pytest
from onnx_conformance import REFUSED, backend_tests, is_expanded, node_cases, reason

import fastexpr.onnx.backend
from fastexpr.errors import FastexprError, OnnxError

CASES: list[str] = []  # names, of all test classes


def conformance_tests() -> dict[str, type[unittest.TestCase]]:
    """ONNX's test classes without what does not count: other devices, downloads, cases of other types."""
    classes = {}
    for class_name, tests in backend_tests().test_cases.items():
        if "Real" in class_name:
            continue
        for attribute in [name for name in vars(tests) if name.startswith("test_")]:
            name, _, device = attribute.rpartition("_")
            if device != "cpu" or ("Node" in class_name and name not in node_cases()):
                delattr(tests, attribute)
            else:
                CASES.append(name)
                if reason(name):
                    setattr(tests, attribute, refused(getattr(tests, attribute)))
        classes[class_name] = tests
    return classes


def refused(run: Callable[..., None]) -> Callable[..., None]:
    """The case must end in our error: never in wrong numbers, and if it passes, the list is out of date."""

    @functools.wraps(run)
    def check(*arguments: Any) -> None:
        with pytest.raises(FastexprError):
            run(*arguments)

    return check


globals().update(conformance_tests())


def test_enough_cases_pass() -> None:
    """Of some 850 cases of operators and 370 of operators written out."""
    passing = [name for name in node_cases() if not reason(name)]
    assert len(node_cases()) > 1200
    assert len(passing) > 1000
    assert sum(is_expanded(name) for name in passing) > 300


def test_every_pattern_has_a_case() -> None:
    patterns = [pattern for listed in REFUSED.values() for pattern in listed]
    assert [pattern for pattern in patterns if not filter_names(CASES, pattern)] == []


def test_page_of_operators() -> None:
    """docs/operators.md is what the converters say."""
    assert operators_page.PAGE.read_text() == operators_page.page(), "run python tests/support/operators_page.py"


def model(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>' + text)


def test_integers_are_constants_and_may_change() -> None:
    rep = fastexpr.onnx.backend.prepare(
        model("g (float[N, 3] x, int64[2] places) => (float[N, 2] y) { y = Gather <axis = 1> (x, places) }")
    )
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for places in ([0, 1], [0, 1], [2, 0]):
        (y,) = rep.run([x, np.array(places)])
        assert y.dtype == np.float32
        assert y.tolist() == x[:, places].tolist()
    (y,) = rep.run({"places": np.array([1, 1]), "x": x[:1]})
    assert y.tolist() == [[1, 1]]


def test_a_specialised_model_is_kept() -> None:
    rep = fastexpr.onnx.backend.prepare(
        model("g (float[1, 2] x, float[2] scales, int64[1] axes) => (float[N] y) "
              "{ z = Resize (x, , scales) y = ReduceSum <keepdims = 0> (z, axes) }")
    )  # fmt: skip
    feeds = {"x": np.float32([[1, -3]]), "scales": np.float32([1, 2]), "axes": np.array([0])}
    first = rep.specialised(feeds)
    assert first.variables == ["x"]  # the scales of Resize must be constant
    assert rep.specialised(feeds | {"x": np.float32([[5, 5]])}) is first
    assert rep.specialised(feeds | {"scales": np.float32([2, 2])}) is not first
    (y,) = rep.run(feeds)
    assert y.tolist() == [1, 1, -3, -3]
    (y,) = rep.run(feeds | {"axes": np.array([1])})
    assert y.tolist() == [-4]


def test_outputs_that_are_constant() -> None:
    rep = fastexpr.onnx.backend.prepare(
        model("g (float[2, 3] x) => (float[2, 3] y, int64[2] shape) { y = Neg (x) shape = Shape (x) }")
    )
    y, shape = rep.run([np.ones((2, 3), np.float32)])
    assert y.tolist() == [[-1] * 3] * 2
    assert shape.dtype == np.int64
    assert shape.tolist() == [2, 3]


def test_one_node() -> None:
    node = onnx.helper.make_node("Sub", ["a", "b"], ["y"])
    a, b = np.array([1.0, 2.0]), np.array([0.5, 4.0])
    (y,) = fastexpr.onnx.backend.run_node(node, [a, b])
    assert y.dtype == np.float64
    assert y.tolist() == [0.5, -2.0]
    (y,) = fastexpr.onnx.backend.run_node(node, [a, b], outputs_info=[(np.float32, (2,))], opset_version=7)
    assert y.dtype == np.float32


def test_what_cannot_run() -> None:
    negation = model("g (float[2] x) => (float[2] y) { y = Neg (x) }")
    assert not fastexpr.onnx.backend.supports_device("CUDA")
    with pytest.raises(OnnxError, match="runs on the CPU: got device 'CUDA:1'"):
        fastexpr.onnx.backend.prepare(negation, "CUDA:1")
    with pytest.raises(OnnxError, match=r"takes 1 inputs \['x'\], got 2"):
        fastexpr.onnx.backend.run_model(negation, [np.ones(2, np.float32)] * 2)
