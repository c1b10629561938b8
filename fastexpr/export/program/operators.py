"""Every operator of the core as statements; importing this registers all."""

from __future__ import annotations

from fastexpr.export.program import lower_elementwise, lower_groups, lower_linear, lower_products

__all__ = ["lower_elementwise", "lower_groups", "lower_linear", "lower_products"]
