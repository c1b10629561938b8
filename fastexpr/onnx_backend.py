"""The former place of `fastexpr.onnx.backend`."""

import warnings

from fastexpr.onnx.backend import (
    FastexprBackend,
    FastexprRep,
    is_compatible,
    prepare,
    run_model,
    run_node,
    supports_device,
)

__all__ = ["FastexprBackend", "FastexprRep", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]

warnings.warn("fastexpr.onnx_backend is fastexpr.onnx.backend now.", DeprecationWarning, stacklevel=2)
