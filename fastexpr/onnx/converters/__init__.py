"""Importing this package registers every converter."""

from fastexpr.onnx.converters import (
    activations,
    arithmetic,
    caches,
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
    "caches",
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
