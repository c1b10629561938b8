"""Networks in Pyomo models: NetworkBlock, ExternalNetwork, GreyBox, and what solvers need to call them.

Importing this registers the solver 'fastexpr' with Pyomo's factories, the classic one and that of
pyomo.contrib.solver.common.factory.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastexpr.pyomo.block import NetworkBlock
from fastexpr.pyomo.external import ExternalNetwork, NetworkOutputs
from fastexpr.pyomo.initialization import initialize
from fastexpr.pyomo.legacy_solver import register
from fastexpr.pyomo.solver import Fastexpr
from fastexpr.pyomo.solvers import find_solver
from fastexpr.pyomo.writers import read_limits, refuse_networks

if TYPE_CHECKING:
    from fastexpr.pyomo.classified import ClassifiedAs
    from fastexpr.pyomo.grey_box import GreyBox
    from fastexpr.pyomo.many import solve_many
    from fastexpr.pyomo.rule_block import RuleBlock
    from fastexpr.pyomo.within_data import WithinData

# Imported at first use: they bring SciPy, PyNumero and scikit-learn along.
_LAZY = {
    "ClassifiedAs": "fastexpr.pyomo.classified",
    "GreyBox": "fastexpr.pyomo.grey_box",
    "RuleBlock": "fastexpr.pyomo.rule_block",
    "WithinData": "fastexpr.pyomo.within_data",
    "solve_many": "fastexpr.pyomo.many",
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
