"""`python allocation_counts.py FOLDER THREADS`: allocations in 20 calls of each quantity of the networks in a folder.

The allocator that counts has been preloaded (test_allocation.py).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastexpr as fx
from fastexpr.nlp.arrays import Program

count = ctypes.CDLL(None).allocation_count
count.restype = ctypes.c_long


def calls_of(net: fx.Function, batch: tuple[int, ...]) -> dict[str, Callable[[], object]]:
    """Every quantity, into arrays that are there already."""
    n, m = net.n_inputs, net.n_outputs
    x, w = np.full((*batch, n), 0.1), np.ones((*batch, m))
    value, vector = np.empty((*batch, m)), np.empty((*batch, n))
    out = (np.empty((*batch, m)), np.empty((*batch, m, n)), np.empty((*batch, n, n)))
    calls: dict[str, Callable[[], object]] = {
        "value": lambda: net(x, out=value),
        "jacobian": lambda: net.jacobian(x, out=out[1]),
        "hessian": lambda: net.hessian(x, w, out=out[2]),
        "evaluate": lambda: net.evaluate(x, w, out=out),
        "jvp": lambda: net.jvp(x, x, out=value),
        "vjp": lambda: net.vjp(x, w, out=vector),
        "hvp": lambda: net.hvp(x, w, x, out=vector),
    }
    if m == 1:
        calls["gradient"] = lambda: net.gradient(x, out=vector)
        calls["hessian without weights"] = lambda: net.hessian(x, out=out[2])
    return calls


def allocations(call: Callable[[], object]) -> int:
    """The fewest in three rounds: a thread that joins in late makes its workspace then."""
    for _ in range(3):
        call()
    rounds = []
    for _ in range(3):
        before = count()
        for _ in range(20):
            call()
        rounds.append(int(count() - before))
    return min(rounds)


def allocations_in_cell() -> dict[str, int]:
    """Of a network at 40 places in a cell, with walls, beyond those of the program itself (of the results)."""
    rng = np.random.default_rng(0)
    x = fx.variables(6)
    h = np.maximum(rng.standard_normal((30, 6)) @ x, 0.0)
    net = fx.Function(x, np.abs(np.tanh(rng.standard_normal((5, 30)) @ h)))
    program = Program(200)
    outputs = program.outputs(net, program.variables(rng.integers(0, 200, (40, 6))))
    functions = program.compile(int(outputs[0, 0]), outputs.ravel())
    cells = functions.cells()
    point = rng.standard_normal(200)
    points = [point, point + 1e-3]
    cells.freeze(cells.branches(point))
    units, to, _ = cells.walls(point)
    cells.choose(units[::7], to[::7])
    multipliers = rng.standard_normal(cells.n_rows + cells.n_walls)

    def next_point() -> np.ndarray:
        points.reverse()  # another one each time: nothing is known of it
        return points[0]

    own = multipliers[: cells.n_rows].copy()
    calls: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "constraints": (lambda: cells.constraints(next_point()), lambda: functions.constraints(next_point())),
        "jacobian": (lambda: cells.jacobian(next_point()), lambda: functions.jacobian(next_point())),
        "hessian": (
            lambda: cells.hessian(next_point(), multipliers, 1.0),
            lambda: functions.hessian(next_point(), own, 1.0),
        ),
    }
    return {name: allocations(in_cell) - allocations(usual) for name, (in_cell, usual) in calls.items()}


def main(folder: str, threads: str) -> None:
    fx.set_num_threads(int(threads))
    for file in sorted(Path(folder).glob("*.fx")):
        net = fx.load(file)
        for points in (1, 3, 40) if net.n_inputs <= 20 else (1, 3):
            for name, call in calls_of(net, () if points == 1 else (points,)).items():
                print(file.stem, points, name, allocations(call))
    for name, more in allocations_in_cell().items():
        print("cell", 40, name, more)


if __name__ == "__main__":
    main(*sys.argv[1:])
