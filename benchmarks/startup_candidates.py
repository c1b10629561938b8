"""From the import to the first Hessian, in a process that has imported NumPy and nothing else.

A lap ends when fastexpr or JAX is imported, when the network is loaded, and with the first Hessian.

`python -m benchmarks.startup_candidates NAME FOLDER RESULT` writes the Hessian and the parts' seconds into RESULT.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Lap = Callable[[], None]


def run_fastexpr(lap: Lap, folder: Path, x: Array, w: Array) -> Array:
    """The network's saved file."""
    import fastexpr as fx

    lap()
    net = fx.load(folder / "network.fx")
    lap()
    hessian: Array = net.hessian(x, w)
    lap()
    return hessian


def run_jax(lap: Lap, folder: Path, x: Array, w: Array) -> Array:
    """Weights from NumPy's file, jit(hessian) as a user writes it."""
    import jax
    import jax.numpy as jnp

    lap()
    with np.load(folder / "problem.npz") as file:
        n_layers = sum(name.startswith("W") for name in file.files)
        layers = [(jnp.asarray(file[f"W{i}"], float), jnp.asarray(file[f"b{i}"], float)) for i in range(n_layers)]
    lap()

    def weighted(x: Any, w: Any, layers: Any) -> Any:
        for W, b in layers[:-1]:
            x = jnp.tanh(W @ x + b)
        W, b = layers[-1]
        return w @ (W @ x + b)

    hessian = np.asarray(jax.jit(jax.hessian(weighted))(x, w, layers))
    lap()
    return hessian


CANDIDATES = {"fastexpr": run_fastexpr, "jax": run_jax}


def main() -> None:
    """The other side of `benchmarks.startup`."""
    name, folder, result = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    x, w = np.load(folder / "x.npy"), np.load(folder / "w.npy")
    laps = [time.perf_counter()]
    hessian = CANDIDATES[name](lambda: laps.append(time.perf_counter()), folder, x, w)
    np.savez(result, hessian=hessian, seconds=np.diff(laps))


if __name__ == "__main__":
    main()
