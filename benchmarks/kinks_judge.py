"""Brute force over the cells of a small ReLU network, by a linear program for each: the judge of certificates.

Nothing of this is fastexpr's: networks are lists of (W, b), cells are polyhedra, and SciPy's HiGHS solves.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from scipy.optimize import linprog

Layers = list[tuple[np.ndarray, np.ndarray]]

#: The radius of a ball that a cell holds at least: thinner ones are none.
THIN = 1e-9


def forward(layers: Layers, x: np.ndarray) -> np.ndarray:
    """The network's outputs."""
    for W, b in layers[:-1]:
        x = np.maximum(W @ x + b, 0.0)
    W, b = layers[-1]
    return W @ x + b


class Cell:
    """A polyhedron G x <= h within a box, and y = A x + b in it."""

    def __init__(self, G: np.ndarray, h: np.ndarray, A: np.ndarray, b: np.ndarray) -> None:
        self.G, self.h, self.A, self.b = G, h, A, b

    def holds(self, x: np.ndarray, tolerance: float = 1e-7) -> bool:
        """Whether the point is in it, or on its boundary."""
        return bool((self.G @ x <= self.h + tolerance * np.maximum(1.0, np.abs(self.G).max(axis=1))).all())

    def least(self, c: np.ndarray, R: np.ndarray, upper: np.ndarray, box: float) -> tuple[float, np.ndarray | None]:
        """The least c @ y with R @ y <= upper."""
        rows = np.concatenate([self.G, R @ self.A])
        right = np.concatenate([self.h, upper - R @ self.b])
        found = linprog(self.A.T @ c, A_ub=rows, b_ub=right, bounds=(-box, box), method="highs")
        return (np.inf, None) if found.x is None else (float(found.fun + c @ self.b), found.x)


def cells_of(layers: Layers, box: float) -> Iterator[Cell]:
    """All cells with an inside, unit by unit."""
    n = layers[0][0].shape[1]
    walls = np.concatenate([np.eye(n), -np.eye(n)])
    yield from split(layers, 0, 0, walls, np.full(2 * n, box), np.eye(n), np.zeros(n), [])


def split(
    layers: Layers,
    layer: int,
    unit: int,
    G: np.ndarray,
    h: np.ndarray,
    A: np.ndarray,
    b: np.ndarray,
    signs: list[float],
) -> Iterator[Cell]:
    """The cells from this unit on; A and b give the layer's inputs."""
    W, c = layers[layer]
    if layer == len(layers) - 1:
        yield Cell(G, h, W @ A, W @ b + c)
        return
    if unit == c.size:
        on = np.array(signs)
        yield from split(layers, layer + 1, 0, G, h, on[:, None] * (W @ A), on * (W @ b + c), [])
        return
    row, shift = W[unit] @ A, float(W[unit] @ b + c[unit])
    length = np.linalg.norm(row)
    if length < 1e-12:
        yield from split(layers, layer, unit + 1, G, h, A, b, [*signs, float(shift > 0.0)])
        return
    for sign in (1.0, 0.0):
        side = -row / length if sign else row / length
        limit = shift / length if sign else -shift / length
        G_next, h_next = np.vstack([G, side]), np.append(h, limit)
        if radius(G_next, h_next) > THIN:
            yield from split(layers, layer, unit + 1, G_next, h_next, A, b, [*signs, sign])


def radius(G: np.ndarray, h: np.ndarray) -> float:
    """Of the largest ball inside."""
    n = G.shape[1]
    found = linprog(
        np.append(np.zeros(n), -1.0),
        A_ub=np.column_stack([G, np.linalg.norm(G, axis=1)]),
        b_ub=h,
        bounds=[*[(None, None)] * n, (0.0, 10.0)],
        method="highs",
    )
    return -1.0 if found.x is None else float(found.x[-1])


def judge(
    cells: list[Cell], x: np.ndarray, c: np.ndarray, R: np.ndarray, upper: np.ndarray, box: float, value: float
) -> float:
    """By how much a cell that meets the point has better points, relative to max(1, |f|): at a local minimum, nothing.

    A cell is convex and the program linear in it, so that whatever is better in it is also better next to the point.
    """
    best = min((cell.least(c, R, upper, box)[0] for cell in cells if cell.holds(x)), default=np.inf)
    return max(0.0, value - best) / max(1.0, abs(value))


def random_layers(rng: np.random.Generator, sizes: list[int], kind: str) -> Layers:
    """Without biases, or with small whole numbers: many kinks meet in one point."""
    layers = []
    for n, m in itertools.pairwise(sizes):
        if kind == "without biases":
            layers.append((rng.normal(size=(m, n)), np.zeros(m)))
        elif kind == "integer":
            layers.append((rng.integers(-2, 3, size=(m, n)).astype(float), rng.integers(-1, 2, size=m).astype(float)))
        else:
            layers.append((rng.normal(size=(m, n)), rng.normal(size=m)))
    return layers
