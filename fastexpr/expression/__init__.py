"""Symbolic arrays: NumPy code on `fastexpr.variables` becomes a graph, and so a Function with exact derivatives.

`node` has the type; `indexing`, `joining`, `ufuncs`, `reductions` and `products` say what NumPy's functions mean in
core operators; `building` turns expressions into a Function, `splicing` a Function into expressions.
"""

# These register NumPy's functions.
from fastexpr.expression import indexing, joining, products, reductions, ufuncs  # noqa: F401
from fastexpr.expression.building import build_function, component_names, flatten
from fastexpr.expression.node import Expression, variables
from fastexpr.expression.splicing import apply_function

__all__ = ["Expression", "apply_function", "build_function", "component_names", "flatten", "variables"]
