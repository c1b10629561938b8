"""`python cpu_path_results.py FOLDER OUTPUTS`: all quantities of the networks in a folder, on the CPU path there is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import fastexpr as fx
from fastexpr import _core


def quantities(net: fx.Function) -> dict[str, np.ndarray]:
    """Everything at one point, and the three most used at three points."""
    random = np.random.default_rng(net.n_inputs)
    x = random.uniform(-1, 1, (3, net.n_inputs))
    weights = random.uniform(0.5, 1.5, (3, net.n_outputs))
    value, jacobian, hessian = net.evaluate(x[0], weights[0])
    return {
        "value": value,
        "jacobian": jacobian,
        "hessian": hessian,
        "jvp": net.jvp(x[0], x[1]),
        "vjp": net.vjp(x[0], weights[1]),
        "hvp": net.hvp(x[0], weights[0], x[1]),
        "values": net(x),
        "jacobians": net.jacobian(x),
        "hessians": net.hessian(x, weights),
    }


def main(folder: str, outputs: str) -> None:
    results = {"path": np.array(_core._linalg.cpu_path())}  # type: ignore[attr-defined]
    for file in sorted(Path(folder).glob("*.fx")):
        results |= {f"{file.stem} {name}": array for name, array in quantities(fx.load(file)).items()}
    np.savez(outputs, **results)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
