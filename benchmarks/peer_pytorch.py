"""The quantities by PyTorch: eager, double precision, torch.func."""

from __future__ import annotations

from typing import Any

from benchmarks.networks import Network
from benchmarks.peers import Evaluator


def pytorch_functions(network: Network) -> dict[str, Evaluator]:
    """The value without a graph, jacrev, and forward over reverse for the Hessian."""
    import torch
    from torch.func import hessian, jacrev

    layers = [(torch.from_numpy(W), torch.from_numpy(b)) for W, b in network.widened()]

    def value(x: Any) -> Any:
        for W, b in layers[:-1]:
            x = torch.tanh(W @ x + b)
        W, b = layers[-1]
        return W @ x + b

    jacobian_at = jacrev(value)
    hessian_at = hessian(lambda x, w: w @ value(x))

    def on_arrays(*functions: Any) -> Evaluator:
        @torch.no_grad()
        def evaluate(x: Any, w: Any) -> tuple[Any, ...]:
            x, w = torch.from_numpy(x), torch.from_numpy(w)
            return tuple(function(x, w).numpy() for function in functions)

        return evaluate

    parts = [lambda x, w: value(x), lambda x, w: jacobian_at(x), hessian_at]
    return {
        "value": on_arrays(parts[0]),
        "jacobian": on_arrays(parts[1]),
        "hessian": on_arrays(parts[2]),
        "evaluate": on_arrays(*parts),
    }
