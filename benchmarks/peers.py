"""The same quantities by others, each as functions of (x, w) that return NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import Network, onnx_model

Array = NDArray[np.float64]
Evaluator = Callable[[Array, Array], tuple[Array, ...]]


def load(network: Network) -> Any:
    """Ours, from an ONNX model."""
    import fastexpr as fx

    return fx.load_onnx(onnx_model(network), check=False)


def fastexpr_functions(network: Network) -> dict[str, Evaluator]:
    """Ours, through the public API."""
    return fastexpr_derivatives(load(network))


def fastexpr_derivatives(net: Any) -> dict[str, Evaluator]:
    """Of a loaded network, at one point or a batch."""
    return {
        "value": lambda x, w: (net(x),),
        "gradient": lambda x, w: (net.vjp(x, w),),
        "jacobian": lambda x, w: (net.jacobian(x),),
        "hessian": lambda x, w: (net.hessian(x, w),),
        "evaluate": lambda x, w: net.evaluate(x, w),
    }


def jax_functions(network: Network, is_batch: bool = False) -> dict[str, Evaluator]:
    """JAX, with the weights as arguments."""
    import jax.numpy as jnp

    def value(x: Any, layers: Any) -> Any:
        for W, b in layers[:-1]:
            x = jnp.tanh(W @ x + b)
        W, b = layers[-1]
        return W @ x + b

    layers = [(jnp.asarray(W, float), jnp.asarray(b, float)) for W, b in network.layers]
    return jax_derivatives(value, layers, is_batch)


def jax_derivatives(value: Callable[[Any, Any], Any], parameters: Any, is_batch: bool = False) -> dict[str, Evaluator]:
    """Of value(x, parameters): jit, double, jacrev, forward over reverse for the Hessian; vmap for a batch."""
    import jax
    import jax.numpy as jnp

    parameters = jax.tree.map(jnp.asarray, parameters)

    def weighted(x: Any, w: Any, parameters: Any) -> Any:
        return w @ value(x, parameters)

    def together(x: Any, w: Any, parameters: Any) -> Any:
        return value(x, parameters), jax.jacrev(value)(x, parameters), jax.hessian(weighted)(x, w, parameters)

    def compiled(function: Callable[..., Any], n_arrays: int) -> Callable[..., Any]:
        return jax.jit(jax.vmap(function, (0,) * n_arrays + (None,)) if is_batch else function)

    f, gradient, jacobian = compiled(value, 1), compiled(jax.grad(weighted), 2), compiled(jax.jacrev(value), 1)
    hessian, evaluate = compiled(jax.hessian(weighted), 2), compiled(together, 2)
    return {
        "value": lambda x, w: (np.asarray(f(x, parameters)),),
        "gradient": lambda x, w: (np.asarray(gradient(x, w, parameters)),),
        "jacobian": lambda x, w: (np.asarray(jacobian(x, parameters)),),
        "hessian": lambda x, w: (np.asarray(hessian(x, w, parameters)),),
        "evaluate": lambda x, w: tuple(np.asarray(part) for part in evaluate(x, w, parameters)),
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

    def gradient_at(activations: list[Array], w: Array) -> Array:
        adjoint = layers[-1][0].T @ w
        for (W, _), a in zip(layers[-2::-1], activations[-2:0:-1], strict=True):
            adjoint = W.T @ (adjoint * (1.0 - a * a))
        return adjoint

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
        "gradient": lambda x, w: (gradient_at(forward(x), w),),
        "jacobian": lambda x, w: (jacobian_at(forward(x)),),
        "hessian": lambda x, w: (hessian_at(forward(x), w)[0],),
        "evaluate": evaluate,
    }
