"""ONNX's conformance tests: which of them count, and which are refused, with the reason."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache

import onnx
from onnx import TensorProto
from onnx.backend.test import BackendTest
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests

import fastexpr.onnx.backend

FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE}
CONSTANTS = {
    TensorProto.BOOL, TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64,
    TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64,
}  # fmt: skip

#: Why a case is refused, and the cases: names, or patterns of names.
REFUSED: dict[str, list[str]] = {
    "Random numbers": ["test_bernoulli*"],
    "Operators that train, and training modes": [
        "test_adagrad*", "test_adam*", "test_momentum*", "test_nesterov_momentum", "test_gradient_of_*",
        "test_batchnorm_*_training_mode", "test_training_dropout", "test_training_dropout_default",
    ],
    "The largest of weighted corners, which has no meaning": ["test_roialign_mode_max"],
    "Filters that are made from their frequencies, which have no derivative": ["test_melweightmatrix"],
    "Texts": ["test_strnorm_model_*"],
    "Inputs that are infinite": ["test_mod_float_edge_cases_*"],
}  # fmt: skip

#: Expected are rounding errors of float32, 1.9e-7, where the result is 0; by default a case allows 1e-7.
ROUNDED = ["test_dft_inverse", "test_dft_inverse_opset19"]


@cache
def node_cases() -> dict[str, TestCase]:
    """The cases of single operators whose outputs are float or double and whose inputs are float or double, one at
    least, or integers or conditions, which are constants. ONNX makes their data when they are imported.
    """
    return {case.name: case for case in all_node_cases() if is_counted(case.model.graph)}


def all_node_cases() -> list[TestCase]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # infinities that are meant
        cases: list[TestCase] = load_model_tests(kind="node")
    return cases


def is_counted(graph: onnx.GraphProto) -> bool:
    inputs, outputs = element_types(graph.input), element_types(graph.output)
    return outputs <= FLOATS and inputs <= FLOATS | CONSTANTS and bool(inputs & FLOATS)


def element_types(infos: Iterable[onnx.ValueInfoProto]) -> set[int]:
    """UNDEFINED stands for sequences and such."""
    return {info.type.tensor_type.elem_type for info in infos}


def is_expanded(name: str) -> bool:
    """Whether the case is an operator written out by ONNX's own definition."""
    return "_expanded" in name


def reason(name: str) -> str | None:
    """Why the case is refused; None where it must pass."""
    found = [why for why, patterns in REFUSED.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]
    assert len(found) <= 1, (name, found)
    return found[0] if found else None


@cache
def backend_tests() -> BackendTest:
    """ONNX's tests, run by fastexpr's backend."""
    all_node_cases()
    return BackendTest(fastexpr.onnx.backend, "test_onnx_backend", {name: {"atol": 1e-6} for name in ROUNDED})
