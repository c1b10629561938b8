"""The methods of `Function` that need no C++; importing this package attaches them to the class of the core."""

from fastexpr.function.methods import DerivativeReport, Function, Kink, Plan

__all__ = [
    "DerivativeReport",
    "Function",
    "Kink",
    "Plan",
]
