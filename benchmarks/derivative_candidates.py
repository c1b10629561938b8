"""Who computes value, Jacobian, Hessian and all three in `derivatives`, and how far they are asked to go."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec

from benchmarks.networks import Network
from benchmarks.peer_casadi import casadi_c_functions, casadi_functions
from benchmarks.peer_pytorch import pytorch_functions
from benchmarks.peers import Evaluator, fastexpr_functions, jax_functions, numpy_functions

MAKERS: dict[str, Callable[[Network], dict[str, Evaluator]]] = {
    "fastexpr": fastexpr_functions,
    "jax": jax_functions,
    "pytorch": pytorch_functions,
    "casadi": casadi_functions,
    "casadi-c": casadi_c_functions,
    "numpy": numpy_functions,
}
PACKAGES = {"jax": "jax", "pytorch": "torch", "casadi": "casadi", "casadi-c": "casadi", "numpy": "scipy"}
LAST = {  # the last network that is tried: beyond, a call or gcc takes from a second to minutes
    "pytorch": {"hessian": "S4", "evaluate": "S4"},
    "casadi": {"jacobian": "S5", "hessian": "S4", "evaluate": "S4"},
    "casadi-c": {"value": "S2", "jacobian": "S1", "hessian": "S1", "evaluate": "S1"},
}


def is_tried(candidate: str, quantity: str, network: str) -> bool:
    """Whether this candidate has a go at this quantity of this network."""
    return network <= LAST.get(candidate, {}).get(quantity, "S6")


def present(peers: list[str]) -> list[str]:
    """Those that can run here; says who cannot, and what is missing."""
    found = []
    for peer in peers:
        if find_spec(PACKAGES[peer]) is None:
            print(f"{peer} is left out: no package {PACKAGES[peer]}. What to do: pip install {PACKAGES[peer]}")
        elif peer == "casadi-c" and shutil.which("gcc") is None:
            print("casadi-c is left out: no gcc. What to do: install gcc")
        else:
            found.append(peer)
    return found


def make_functions(candidates: list[str], network: Network, quantities: list[str]) -> dict[str, dict[str, Evaluator]]:
    """By candidate and quantity."""
    functions = {}
    for candidate in candidates:
        made = MAKERS[candidate](network)
        tried = [quantity for quantity in quantities if is_tried(candidate, quantity, network.name)]
        functions[candidate] = {quantity: made[quantity] for quantity in tried}
    return functions
