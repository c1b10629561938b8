"""Importing this package registers every converter."""

from fastexpr.onnx.converters import (
    activations,
    arithmetic,
    comparisons,
    constants,
    control,
    einsum,
    linear,
    normalization,
    picking,
    recurrent,
    reductions,
    shapes,
)

__all__ = [
    "activations",
    "arithmetic",
    "comparisons",
    "constants",
    "control",
    "einsum",
    "linear",
    "normalization",
    "picking",
    "recurrent",
    "reductions",
    "shapes",
]
