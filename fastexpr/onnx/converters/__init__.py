"""Importing this package registers every converter."""

from fastexpr.onnx.converters import (
    activations,
    arithmetic,
    caches,
    attention,
    comparisons,
    constants,
    control,
    determinant,
    einsum,
    linear,
    masks,
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
    "attention",
    "comparisons",
    "constants",
    "control",
    "determinant",
    "einsum",
    "linear",
    "masks",
    "normalization",
    "picking",
    "recurrent",
    "reductions",
    "shapes",
]
