"""ONNX models: import with `load_onnx`, export with `export_onnx`."""

from fastexpr.onnx.export.model import export_onnx
from fastexpr.onnx.loading import load_onnx
from fastexpr.onnx.registry import operator_names

__all__ = [
    "export_onnx",
    "load_onnx",
    "operator_names",
]
