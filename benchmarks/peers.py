"""The same quantities by others, each as functions of (x, w) that return NumPy arrays."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import Network, write_onnx

Array = NDArray[np.float64]
Evaluator = Callable[[Array, Array], tuple[Array, ...]]


def load(network: Network) -> Any:
    """Ours, from an ONNX file."""
    import fastexpr as fx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        write_onnx(network, path)
        return fx.load_onnx(path, check=False)


def fastexpr_functions(network: Network) -> dict[str, Evaluator]:
    """Ours, through the public API."""
    net = load(network)
    return {
        "value": lambda x, w: (net(x),),
        "jacobian": lambda x, w: (net.jacobian(x),),
        "hessian": lambda x, w: (net.hessian(x, w),),
        "evaluate": lambda x, w: net.evaluate(x, w),
    }


def jax_functions(network: Network) -> dict[str, Evaluator]:
    """JAX: jit, double precision, jacrev, forward over reverse for the Hessian. Weights are arguments."""
    import jax
    import jax.numpy as jnp

    layers = [(jnp.asarray(W), jnp.asarray(b)) for W, b in network.widened()]

    def value(x: Any, layers: Any) -> Any:
        for W, b in layers[:-1]:
            x = jnp.tanh(W @ x + b)
        W, b = layers[-1]
        return W @ x + b

    def weighted(x: Any, w: Any, layers: Any) -> Any:
        return w @ value(x, layers)

    f = jax.jit(value)
    jacobian = jax.jit(jax.jacrev(value))
    hessian = jax.jit(jax.hessian(weighted))

    @jax.jit
    def evaluate(x: Any, w: Any, layers: Any) -> Any:
        return value(x, layers), jax.jacrev(value)(x, layers), jax.hessian(weighted)(x, w, layers)

    return {
        "value": lambda x, w: (np.asarray(f(x, layers)),),
        "jacobian": lambda x, w: (np.asarray(jacobian(x, layers)),),
        "hessian": lambda x, w: (np.asarray(hessian(x, w, layers)),),
        "evaluate": lambda x, w: tuple(np.asarray(part) for part in evaluate(x, w, layers)),
    }


def numpy_functions(network: Network) -> dict[str, Evaluator]:
    """The layerwise algorithm by hand, what an afternoon gives: NumPy, and SciPy's dsyrk for the rank updates."""
    from scipy.linalg.blas import dsyrk

    layers = network.widened()
    n = network.sizes[0]

    def forward(x: Array) -> list[Array]:
        activations = [x]
        for W, b in layers[:-1]:
            activations.append(np.tanh(W @ activations[-1] + b))
        W, b = layers[-1]
        activations.append(W @ activations[-1] + b)
        return activations

    def jacobian_at(activations: list[Array]) -> Array:
        J = layers[-1][0]
        for (W, _), a in zip(layers[-2::-1], activations[-2:0:-1], strict=True):
            J = (J * (1.0 - a * a)) @ W
        return J

    def curvatures(activations: list[Array], w: Array) -> list[Array]:
        """adjoint * tanh'' of every hidden layer, the first one first."""
        adjoint = layers[-1][0].T @ w
        found = []
        for (W, _), a in zip(layers[-2::-1], activations[-2:0:-1], strict=True):
            slope = 1.0 - a * a
            found.append(-2.0 * adjoint * a * slope)
            adjoint = W.T @ (adjoint * slope)
        return found[::-1]

    def add_rank_update(H: Array, J: Array, q: Array) -> None:
        """H += J' diag(q) J, one triangle: rows of either sign apart, since dsyrk has no weights."""
        for sign in (1.0, -1.0):
            rows = sign * q > 0
            if rows.any():
                A = np.sqrt(sign * q[rows])[:, None] * J[rows]
                dsyrk(sign, A.T, beta=1.0, c=H, overwrite_c=1)

    def hessian_at(activations: list[Array], w: Array) -> tuple[Array, Array]:
        H = np.zeros((n, n), order="F")
        J = layers[0][0]
        for i, q in enumerate(curvatures(activations, w)):
            if i > 0:
                J = layers[i][0] @ ((1.0 - activations[i] ** 2)[:, None] * J)
            add_rank_update(H, J, q)
        return np.triu(H) + np.triu(H, 1).T, J

    def evaluate(x: Array, w: Array) -> tuple[Array, ...]:
        activations = forward(x)
        H, J = hessian_at(activations, w)
        last = layers[-1][0] @ ((1.0 - activations[-2] ** 2)[:, None] * J)
        return activations[-1], last, H

    return {
        "value": lambda x, w: (forward(x)[-1],),
        "jacobian": lambda x, w: (jacobian_at(forward(x)),),
        "hessian": lambda x, w: (hessian_at(forward(x), w)[0],),
        "evaluate": evaluate,
    }


MAKERS: dict[str, Callable[[Network], dict[str, Evaluator]]] = {
    "fastexpr": fastexpr_functions,
    "jax": jax_functions,
    "numpy": numpy_functions,
}
