"""Importing this package registers every converter."""

from fastexpr.onnx.converters import (
    activations,
    arithmetic,
    comparisons,
    constants,
    einsum,
    linear,
    normalization,
    picking,
    reductions,
    shapes,
)

__all__ = [
    "activations",
    "arithmetic",
    "comparisons",
    "constants",
    "einsum",
    "linear",
    "normalization",
    "picking",
    "reductions",
    "shapes",
]
