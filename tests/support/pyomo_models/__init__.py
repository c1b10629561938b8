"""Models to try solvers on, of many kinds: see MODELS for all of them by name."""

from pyomo_models import (
    dynamic,
    from_pyomo,
    hock_schittkowski_1_to_60,
    hock_schittkowski_61_to_119,
    structure,
    with_networks,
    writing,
)
from pyomo_models.table import MODELS, Example

__all__ = [
    "MODELS",
    "Example",
    "dynamic",
    "from_pyomo",
    "hock_schittkowski_1_to_60",
    "hock_schittkowski_61_to_119",
    "structure",
    "with_networks",
    "writing",
]
