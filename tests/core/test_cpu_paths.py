"""Every CPU path of this machine gives the same numbers: networks of all shapes and operators, to 1e-13."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cpu_path_results
import numpy as np
import pytest
from onnx_models import distance
from random_networks import random_network

import fastexpr as fx

OTHERS = ["avx2", "avx512vl", "avx512"]
TOLERANCE = 1e-13  # max |a - b| / max |b|
SHAPES = [
    [10, 64, 64, 64, 5],
    [1, 1, 1],
    [3, 5, 7, 2],
    [9, 33, 17, 1],
    [40, 39, 38, 37],
    [2, 200, 150, 3],
    [120, 130, 4],
]
ACTIVATIONS: list[Callable[[Any], Any]] = [np.tanh, np.sin, lambda u: u / (1 + np.exp(-u)), lambda u: np.maximum(u, 0)]


def dense(seed: int) -> fx.Function:
    """Layers of odd sizes with the weights of one precision, some stored transposed, and a skip connection."""
    random = np.random.default_rng(seed)
    sizes = SHAPES[seed] if seed < len(SHAPES) else random.integers(1, 41, random.integers(3, 6)).tolist()
    precision = np.float32 if seed % 2 == 0 else np.float64
    x = fx.variables(sizes[0])
    y = x
    for i, (k, h) in enumerate(pairwise(sizes)):
        W = (random.standard_normal((h, k)) / np.sqrt(k)).astype(precision)
        y = y @ np.ascontiguousarray(W.T) if (seed + i) % 3 == 0 else W @ y
        y = y + 0.1 * random.standard_normal(h)
        if i < len(sizes) - 2:
            y = ACTIVATIONS[(seed + i) % len(ACTIVATIONS)](y)
    return fx.Function(x, y + np.sum(x * x))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("networks")
    for seed in range(40):
        dense(seed).save(folder / f"dense{seed}.fx")
    for seed in range(30):
        fx.load_onnx(random_network(seed, 30), check=False).save(folder / f"random{seed}.fx")
    return {path: on_path(path, folder) for path in ("baseline", *OTHERS)}


def on_path(path: str, folder: Path) -> dict[str, np.ndarray]:
    outputs = folder / f"{path}.npz"
    command = [sys.executable, cpu_path_results.__file__, str(folder), str(outputs)]
    subprocess.run(command, env={**os.environ, "FASTEXPR_CPU": path}, check=True)
    with np.load(outputs) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("path", OTHERS)
def test_path_agrees_with_the_baseline(path: str, results: dict[str, dict[str, np.ndarray]]) -> None:
    wanted = results["baseline"]
    assert str(wanted["path"]) == "baseline"
    assert len(wanted) == 1 + 70 * 9
    distances = {name: distance(results[path][name], wanted[name]) for name in wanted if name != "path"}
    assert max(distances.values()) <= TOLERANCE, {n: d for n, d in distances.items() if d > TOLERANCE}
