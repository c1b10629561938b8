"""Nonlinear programs as solvers see them, and the flat arrays that they are compiled from."""

from fastexpr.nlp.nonlinear_program import (
    Evaluations,
    Functions,
    Indices,
    Nlp,
    Scale,
    Structure,
    Vector,
    new_evaluations,
)

__all__ = [
    "Evaluations",
    "Functions",
    "Indices",
    "Nlp",
    "Scale",
    "Structure",
    "Vector",
    "new_evaluations",
]
