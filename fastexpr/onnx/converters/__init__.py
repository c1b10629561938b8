"""Importing this package registers every converter."""

from fastexpr.onnx.converters import (
    activations,
    arithmetic,
    constants,
    linear,
    normalization,
    picking,
    reductions,
    shapes,
)

__all__ = ["activations", "arithmetic", "constants", "linear", "normalization", "picking", "reductions", "shapes"]
