"""The problem of `solves` and `doors`: min |x - x0|^2 with f(x) <= c, for a network f, some of the limits active.

One folder has all that a candidate reads: the network in the form that it likes best, x0 and c.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import Network, write_onnx

Array = NDArray[np.float64]
Layers = list[tuple[Array, Array]]


def write(network: Network, folder: Path) -> None:
    """network.onnx, network.fx, and problem.npz with the layers, x0 and c."""
    import fastexpr as fx

    write_onnx(network, folder / "network.onnx")
    net = fx.load_onnx(folder / "network.onnx", check=False)
    net.save(folder / "network.fx")
    x0, c = points(network)
    save_layers(folder / "problem.npz", network, x0=x0, c=c)


def save_layers(path: Path, network: Network, **others: Array) -> None:
    """W0, b0, W1, ..., and the other arrays."""
    arrays: dict[str, Any] = dict(others)
    for i, (W, b) in enumerate(network.layers):
        arrays |= {f"W{i}": W, f"b{i}": b}
    np.savez(path, **arrays)


def points(network: Network) -> tuple[Array, Array]:
    """x0, and limits that hold at a point nearby, some of them not at x0."""
    random = np.random.default_rng(11)
    x0 = random.uniform(-1, 1, network.sizes[0])
    step = random.uniform(-0.5, 0.5, network.sizes[0])
    at_x0, here, there = (value(network, x) for x in (x0, x0 + step, x0 - step))
    return x0, here if np.sum(here < at_x0) >= np.sum(there < at_x0) else there


def value(network: Network, x: Array) -> Array:
    """f(x) by NumPy."""
    *hidden, (W, b) = network.widened()
    for V, a in hidden:
        x = np.tanh(V @ x + a)
    result: Array = W @ x + b
    return result


def read_points(folder: Path) -> tuple[Array, Array]:
    """x0 and c."""
    with np.load(folder / "problem.npz") as file:
        return file["x0"], file["c"]


def read_layers(folder: Path) -> Layers:
    """Weights and biases in double precision."""
    with np.load(folder / "problem.npz") as file:
        n_layers = sum(name.startswith("W") for name in file.files)
        return [(file[f"W{i}"].astype(float), file[f"b{i}"].astype(float)) for i in range(n_layers)]


def answer(x: Any, objective: Any, iterations: int | None = None) -> dict[str, Any]:
    """What a candidate returns."""
    return {"x": [float(value) for value in x], "objective": float(objective), "iterations": iterations}
