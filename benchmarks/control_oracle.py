"""JAX's derivatives of the control problem, put into a sparse structure, as cyipopt calls them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.control import HELD, MOVE_WEIGHT, N_CONTROLS, N_STATES
from benchmarks.oracles import QUIET

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
N_INPUTS = N_STATES + N_CONTROLS


class Oracle:
    """z = (x_0 .. x_steps, u_0 ..), g_k = f(x_k, u_(k // 4)) - x_(k+1)."""

    def __init__(self, layers: Any, first: Array, wanted: Array, steps: int) -> None:
        self.first, self.wanted, self.steps = first, wanted, steps
        self.n_states = (steps + 1) * N_STATES
        self.n = self.n_states + steps // HELD * N_CONTROLS
        self._make_functions(layers)
        k = np.arange(steps)[:, None]
        controls = self.n_states + k // HELD * N_CONTROLS + np.arange(N_CONTROLS)
        self._inputs: Indices = np.concatenate([k * N_STATES + np.arange(N_STATES), controls], axis=1)  # (steps, 12)
        self._outputs: Indices = (k + 1) * N_STATES + np.arange(N_STATES)  # (steps, 10)
        self._make_structures()
        self.iterations = 0

    def _make_functions(self, layers: Any) -> None:
        import jax
        import jax.numpy as jnp

        weights = [(jnp.asarray(W), jnp.asarray(b)) for W, b in layers]

        def step(v: Any) -> Any:
            for W, b in weights[:-1]:
                v = jnp.tanh(W @ v + b)
            W, b = weights[-1]
            return W @ v + b

        def weighted(v: Any, w: Any) -> Any:
            return w @ step(v)

        self._steps = jax.jit(jax.vmap(step))
        self._jacobians = jax.jit(jax.vmap(jax.jacrev(step)))
        self._hessians = jax.jit(jax.vmap(jax.hessian(weighted)))

    def _make_structures(self) -> None:
        rows = np.arange(self.steps * N_STATES)
        networks = np.repeat(rows, N_INPUTS), np.repeat(self._inputs, N_STATES, axis=0).ravel()
        self._jacobian_places = (
            np.concatenate([networks[0], rows]),
            np.concatenate([networks[1], self._outputs.ravel()]),
        )
        self._minus_ones = np.full(rows.size, -1.0)
        lower_i, lower_j = np.tril_indices(N_INPUTS)
        self._lower = lower_i, lower_j
        here_i, here_j = self._inputs[:, lower_i].ravel(), self._inputs[:, lower_j].ravel()
        tracked = np.arange(1, self.steps + 1) * N_STATES
        before = np.arange(self.n_states, self.n - N_CONTROLS)
        after = before + N_CONTROLS
        moves = 2.0 * MOVE_WEIGHT * np.ones(before.size)
        self._constants = np.concatenate([np.full(tracked.size, 2.0), moves, moves, -moves])
        i = np.concatenate([np.maximum(here_i, here_j), tracked, before, after, after])
        j = np.concatenate([np.minimum(here_i, here_j), tracked, before, after, before])
        places, self._position = np.unique(i * self.n + j, return_inverse=True)
        self._hessian_places = np.divmod(places, self.n)

    def joined(self, states: Array, controls: Array) -> Array:
        """z."""
        return np.concatenate([states.ravel(), controls.ravel()])

    def split(self, z: Array) -> tuple[Array, Array]:
        """States and controls."""
        return z[: self.n_states].reshape(-1, N_STATES), z[self.n_states :].reshape(-1, N_CONTROLS)

    # ---- what cyipopt calls ------------------------------------------------------------------------------------------

    def objective(self, z: Array) -> float:
        states, controls = self.split(z)
        tracking = np.sum((states[1:, 0] - self.wanted[1:]) ** 2)
        return float(tracking + MOVE_WEIGHT * np.sum(np.diff(controls, axis=0) ** 2))

    def gradient(self, z: Array) -> Array:
        states, controls = self.split(z)
        result = np.zeros(self.n)
        in_states, in_controls = self.split(result)
        in_states[1:, 0] = 2.0 * (states[1:, 0] - self.wanted[1:])
        moves = 2.0 * MOVE_WEIGHT * np.diff(controls, axis=0)
        in_controls[1:] += moves
        in_controls[:-1] -= moves
        return result

    def constraints(self, z: Array) -> Array:
        return np.asarray(self._steps(z[self._inputs])).ravel() - z[self._outputs.ravel()]

    def jacobianstructure(self) -> tuple[Indices, Indices]:
        return self._jacobian_places

    def jacobian(self, z: Array) -> Array:
        return np.concatenate([np.asarray(self._jacobians(z[self._inputs])).ravel(), self._minus_ones])

    def hessianstructure(self) -> tuple[Indices, Indices]:
        return self._hessian_places

    def hessian(self, z: Array, multipliers: Array, factor: float) -> Array:
        weights = np.asarray(multipliers).reshape(self.steps, N_STATES)
        blocks = np.asarray(self._hessians(z[self._inputs], weights))[:, self._lower[0], self._lower[1]]
        entries = np.concatenate([blocks.ravel(), factor * self._constants])
        return np.bincount(self._position, weights=entries).astype(np.float64, copy=False)

    def intermediate(self, *arguments: Any) -> bool:
        self.iterations = int(arguments[1])
        return True


def make_problem(cyipopt: Any, oracle: Oracle) -> Any:
    """With x_0 fixed by its bounds, and the controls in [-1, 1]."""
    lower, upper = np.full(oracle.n, -2e19), np.full(oracle.n, 2e19)
    lower[:N_STATES] = upper[:N_STATES] = oracle.first
    lower[oracle.n_states :], upper[oracle.n_states :] = -1.0, 1.0
    zeros = np.zeros(oracle.steps * N_STATES)
    problem = cyipopt.Problem(n=oracle.n, m=zeros.size, problem_obj=oracle, lb=lower, ub=upper, cl=zeros, cu=zeros)
    for name, option in QUIET.items():
        problem.add_option(name, option)
    return problem
