"""What a network can do over boxes of x: bounds of outputs and layers, certified minima, verification.

`boxes` reads what callers pass, `methods` finds bounds, `linear_programs` those by HiGHS. `minimum` is branch and bound
on boxes: `arguments` become a `statement` with `cuts`, `searching` runs it, `descent` finds good points.
"""

from __future__ import annotations

from fastexpr.bounds.methods import LayerBounds, bounds_by_layer, output_bounds

__all__ = ["LayerBounds", "bounds_by_layer", "output_bounds"]
