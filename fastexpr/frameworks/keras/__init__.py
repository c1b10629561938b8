"""Keras models with any backend, layer by layer."""

from fastexpr.frameworks.keras.model import from_keras

__all__ = [
    "from_keras",
]
