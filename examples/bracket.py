"""How the bracket of a certified minimum closes, and how many inputs are too many.

python examples/bracket.py [--output bracket.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import fastexpr as fx
from fastexpr.bounds.minimum import Bracket

LIMIT = 20.0  # seconds for one network


def network(n: int, seed: int) -> fx.Function:
    """A ReLU network n-20-20-1 with random weights."""
    random = np.random.default_rng(seed)
    x = fx.variables(n)
    hidden = x
    for size in (20, 20):
        W = 1.4 * random.normal(size=(size, hidden.size)) / np.sqrt(hidden.size)
        hidden = np.maximum(W @ hidden + 0.5 * random.normal(size=size), 0.0)
    return fx.Function(x, random.normal(size=20) @ hidden / np.sqrt(20))


def measure(most_inputs: int, limit: float) -> tuple[list[Bracket], list[list[fx.bounds.minimum.GlobalMinimum]]]:
    """The brackets of one search, and results for 1, 2, ... inputs."""
    brackets: list[Bracket] = []
    fx.global_minimum(network(4, 0), -1.0, 1.0, tol=1e-4, progress=brackets.append)
    results = [
        [fx.global_minimum(network(n, seed), -1.0, 1.0, tol=1e-3, time_limit=limit) for seed in range(3)]
        for n in range(1, most_inputs + 1)
    ]
    return brackets, results


def draw(brackets: list[Bracket], results: list[list[fx.bounds.minimum.GlobalMinimum]], path: Path) -> None:
    """Both pictures side by side."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    boxes = [bracket.n_boxes for bracket in brackets]
    left.plot(boxes, [bracket.objective for bracket in brackets], label="best point")
    left.plot(boxes, [bracket.objective_bound for bracket in brackets], label="bound")
    left.set(xlabel="boxes", ylabel="objective", xscale="log", title="4 inputs: the bracket closes")
    left.set_ylim(brackets[-1].objective - 3.0, brackets[-1].objective + 0.5)
    left.legend()
    for n, row in enumerate(results, start=1):
        for result in row:
            right.plot(n, result.n_boxes, "o" if result.success else "x", color="C0" if result.success else "C3")
    right.set(xlabel="inputs", ylabel="boxes", yscale="log", title=f"x: not closed in {LIMIT:g} s")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("bracket.png"), help="where the picture goes")
    parser.add_argument("--inputs", type=int, default=10, help="up to so many")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for one network")
    arguments = parser.parse_args()
    brackets, results = measure(arguments.inputs, arguments.limit)
    for n, row in enumerate(results, start=1):
        print(
            f"{n:2d} inputs:",
            "; ".join(f"{result.status}, {result.n_boxes} boxes, gap {result.gap:.1e}" for result in row),
        )
    draw(brackets, results, arguments.output)


if __name__ == "__main__":
    main()
