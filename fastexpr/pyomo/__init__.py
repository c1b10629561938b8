"""Networks in Pyomo models: NetworkBlock, ExternalNetwork, and what solvers need to call them."""

from fastexpr.pyomo.block import NetworkBlock
from fastexpr.pyomo.external import ExternalNetwork, NetworkOutputs
from fastexpr.pyomo.solvers import find_solver

__all__ = ["ExternalNetwork", "NetworkBlock", "NetworkOutputs", "find_solver"]
