"""The problem of `nmpc`: control over a horizon, with a network as the model of every step.

    minimize    sum_k (x_k[0] - r_k)^2 + 0.1 sum_j |u_j - u_(j-1)|^2
    subject to  x_(k+1) = f(x_k, u_(k // 4)),   k = 0 .. steps - 1,   -1 <= u <= 1,   x_0 given

10 states, 2 controls that are held for 4 steps each, f: 12 -> 6x24 tanh -> 10. With 40 steps: 410 + 20 variables (x_0
is fixed by its bounds), 400 equations of 13 entries each, and in the Hessian's lower triangle 40 x (55 + 20) entries of
the steps, 10 x 3 of the controls, 18 of their moves and 1 of the last state.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.limits import read_layers, save_layers
from benchmarks.networks import Network, random_network, write_onnx

Array = NDArray[np.float64]
N_STATES, N_CONTROLS, HELD = 10, 2, 4
MOVE_WEIGHT = 0.1


def make_network() -> Network:
    """f."""
    return random_network("step", [N_STATES + N_CONTROLS, *[24] * 6, N_STATES])


def write(folder: Path) -> None:
    """network.onnx, network.fx, and problem.npz with the layers."""
    import fastexpr as fx

    network = make_network()
    write_onnx(network, folder / "network.onnx")
    fx.load_onnx(folder / "network.onnx", check=False).save(folder / "network.fx")
    save_layers(folder / "problem.npz", network)


def first_state() -> Array:
    """x_0."""
    return np.random.default_rng(23).uniform(-0.5, 0.5, N_STATES)


def step(layers: Any, x: Array, u: Array) -> Array:
    """f(x, u) by NumPy."""
    a = np.concatenate([x, u])
    for W, b in layers[:-1]:
        a = np.tanh(W @ a + b)
    W, b = layers[-1]
    result: Array = W @ a + b
    return result


def simulate(layers: Any, controls: Array) -> Array:
    """(steps + 1, 10): all states, from x_0 on; controls (steps / 4, 2)."""
    states = [first_state()]
    for u in np.repeat(controls, HELD, axis=0):
        states.append(step(layers, states[-1], u))
    return np.array(states)


def reference(layers: Any, steps: int) -> Array:
    """(steps + 1,): a wave between what constant controls lead to, a little higher: some end at their bounds."""
    low, high = (simulate(layers, np.full((steps // HELD, N_CONTROLS), u))[-1, 0] for u in (-1.0, 1.0))
    wave: Array = (low + high) / 2 + 0.6 * (high - low) * np.sin(2 * np.pi * np.arange(steps + 1) / steps)
    return wave


def objective(states: Any, controls: Any, wanted: Array) -> Any:
    """Of arrays, or of nested lists of Pyomo's variables."""
    tracking = sum((states[k][0] - wanted[k]) ** 2 for k in range(1, len(states)))
    moves = sum((controls[j][i] - controls[j - 1][i]) ** 2 for j in range(1, len(controls)) for i in range(N_CONTROLS))
    return tracking + MOVE_WEIGHT * moves


def start(folder: Path, steps: int) -> tuple[Any, Array, Array, Array]:
    """Layers, states and controls to start from (no control, simulated), and the reference."""
    layers = read_layers(folder)
    return layers, *start_with(layers, steps)


def start_with(layers: Any, steps: int) -> tuple[Array, Array, Array]:
    """The same without the layers, which are given."""
    controls = np.zeros((steps // HELD, N_CONTROLS))
    return simulate(layers, controls), controls, reference(layers, steps)


def problem_of(net: Any, states: Array, controls: Array, wanted: Array) -> tuple[Any, list[Any], Any]:
    """As a `fastexpr.Problem`: it, its states, its controls."""
    import fastexpr as fx

    problem = fx.Problem()
    u = problem.variables(controls.shape, lower=-1, upper=1, start=controls)
    x = [problem.variables(N_STATES, lower=states[0], upper=states[0])]
    for k in range(len(states) - 1):
        inputs: Any = np.concatenate([x[k], u[k // HELD]])
        x.append(problem.network(net, inputs, start=states[k + 1]))
    first: Any = np.stack([state[0] for state in x[1:]])
    moves = u[1:] - u[:-1]
    problem.minimize(((first - wanted[1:]) ** 2).sum() + MOVE_WEIGHT * (moves**2).sum())
    return problem, x, u
