"""Modules that have moved are still found under their former names, with a warning."""

from __future__ import annotations

import importlib
import sys

import pytest

import fastexpr.onnx.backend


def test_the_backend_of_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fastexpr.onnx_backend", raising=False)
    with pytest.warns(DeprecationWarning, match="fastexpr.onnx.backend now"):
        former = importlib.import_module("fastexpr.onnx_backend")
    assert former.FastexprBackend is fastexpr.onnx.backend.FastexprBackend
    assert set(former.__all__) == set(fastexpr.onnx.backend.__all__)
