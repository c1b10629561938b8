"""Networks in Pyomo models: NetworkBlock, ExternalNetwork, GreyBox, and what solvers need to call them.

Importing this registers the solver 'fastexpr' with Pyomo's factories, the classic one and that of
pyomo.contrib.solver.common.factory.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastexpr.pyomo.external.available import find_solver
from fastexpr.pyomo.external.network import ExternalNetwork, NetworkOutputs
from fastexpr.pyomo.external.writers import read_limits, refuse_networks
from fastexpr.pyomo.model.block import NetworkBlock
from fastexpr.pyomo.model.initialization import initialize
from fastexpr.pyomo.solve.legacy_solver import register
from fastexpr.pyomo.solve.solver import Fastexpr

if TYPE_CHECKING:
    from fastexpr.pyomo.grey_box.block import GreyBox
    from fastexpr.pyomo.model.classified import ClassifiedAs
    from fastexpr.pyomo.model.within_data import WithinData
    from fastexpr.pyomo.rules.block import RuleBlock
    from fastexpr.pyomo.solve.many import solve_many

# Imported at first use: they bring SciPy, PyNumero and scikit-learn along.
_LAZY = {
    "ClassifiedAs": "fastexpr.pyomo.model.classified",
    "GreyBox": "fastexpr.pyomo.grey_box.block",
    "RuleBlock": "fastexpr.pyomo.rules.block",
    "WithinData": "fastexpr.pyomo.model.within_data",
    "solve_many": "fastexpr.pyomo.solve.many",
}

__all__ = [
    "ClassifiedAs",
    "ExternalNetwork",
    "Fastexpr",
    "GreyBox",
    "NetworkBlock",
    "NetworkOutputs",
    "RuleBlock",
    "WithinData",
    "find_solver",
    "initialize",
    "solve_many",
]

register()
refuse_networks()
read_limits()


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fastexpr.pyomo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
