"""Samples that lie outside of bounds over boxes, of every operator and of random graphs: none, one hopes.

`python tests/support/soundness.py --boxes 1000 --samples 100000` prints them, by seeds, on several threads; the tests
run the short version.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from operator_table import GRAPHS, ROWS, Row
from random_networks import random_network

import fastexpr as fx

Array = np.ndarray
KINDS = ["operators", "matrices", "graphs"]
METHODS = ("interval", "linear")
N_GRAPHS = 200
MOST_FOR_NAN = 100.0  # beyond, numbers on the way overflow, and 0 times that is NaN in double and 0 in exact arithmetic
#: Ends where something happens: poles, kinks, limits of domains, overflow, subnormal numbers.
MAGNITUDES = (0.5, 1.0, 2.0, 3.0, np.pi / 2, np.pi, 88.0, 710.0, 1e8, 1e154, 1e300, 5e-324, 1e-310, 2.3e-308, 1e-160)
SPECIAL = np.array([0.0, *(sign * number for number in MAGNITUDES for sign in (1.0, -1.0))])


def random_boxes(between: tuple[float, float], n: int, count: int, seed: int) -> tuple[Array, Array]:
    """Boxes of all sizes, from points to wider than where the operator is at home."""
    generator = np.random.default_rng(seed)
    low, high = between
    center = generator.uniform(low, high, (count, n))
    radius = 0.5 * (high - low) * 10.0 ** generator.uniform(-6, 0.3, (count, 1)) * generator.uniform(0, 1, (count, n))
    return center - radius, center + radius


def hostile_boxes(between: tuple[float, float], n: int, count: int, seed: int) -> tuple[Array, Array]:
    """Random boxes, sides of which are points, one ulp wide, end at a special number or have one for each end."""
    generator = np.random.default_rng(seed)
    lower, upper = random_boxes(between, n, count, seed)
    special = generator.choice(SPECIAL, (2, count, n))
    is_tame = generator.uniform(size=(count, 1)) < 0.5  # of the numbers' size, so that operators do not all overflow
    special = np.where(is_tame & (np.abs(special) > 4), np.round(lower), special)
    kind = generator.integers(0, 7, (count, n)) * (generator.uniform(size=(count, 1)) < 0.9)
    upper = np.where(kind == 1, lower, upper)
    upper = np.where(kind == 2, np.nextafter(lower, np.inf), upper)
    lower = np.where((kind == 3) | (kind == 6), special[0], lower)
    upper = np.where((kind == 4) | (kind == 6), special[1], upper)
    lower = np.where(kind == 5, 0.0, lower)
    return np.minimum(lower, upper), np.maximum(lower, upper)


class Samples:
    """Points of boxes: corners, faces, near corners, special numbers where these are inside, and all over."""

    def __init__(self, n: int, count: int, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        shares = self.generator.random((2 * count, n))
        part = max(1, count // 4)  # every window of `count` has some of each kind
        for first in range(0, 2 * count, part):
            shares[first : first + part // 4] = np.round(shares[first : first + part // 4])
            faces = shares[first + part // 4 : first + part // 2]
            faces[self.generator.random(faces.shape) < 0.5] = 0.0
            faces[self.generator.random(faces.shape) < 0.3] = 1.0
            near = shares[first + part // 2 : first + part // 2 + part // 8]
            near[:] = 10.0 ** (-16.0 * near)
        self.shares, self.count = shares, count

    def inside(self, lower: Array, upper: Array) -> Array:
        first = int(self.generator.integers(0, self.count + 1))
        shares = self.shares[first : first + self.count]
        width = upper - lower
        if np.isfinite(width).all():
            x = shares * width
            x += lower
        else:
            x = (1.0 - shares) * lower + shares * upper
        for j in range(lower.size):  # the special numbers of a side, here and there
            own = SPECIAL[(lower[j] <= SPECIAL) & (upper[j] >= SPECIAL)]
            if own.size:
                places = self.generator.integers(0, self.count, max(1, self.count // 50))
                x[places, j] = self.generator.choice(own, places.size)
        return np.clip(x, lower, upper, out=x)


def outside(function: fx.Function, lower: Array, upper: Array, samples: Samples, methods: tuple[str, ...]) -> list[str]:
    """What is wrong with the bounds of these boxes, a line for each box and method."""
    found = []
    bounds = {method: function.output_bounds(lower, upper, method) for method in methods}
    for method, (low, high) in bounds.items():
        if np.isnan(low).any() or np.isnan(high).any():
            found.append(f"{method}: NaN for a bound")
    for box, (a, b) in enumerate(zip(lower, upper, strict=True)):
        with np.errstate(invalid="ignore"):
            values = function(samples.inside(a, b))
            least, most = values.min(axis=0), values.max(axis=0)
            may_be_nan = np.isnan(least)
            if may_be_nan.any():
                least, most = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
                may_be_nan &= max(np.abs(a).max(), np.abs(b).max()) <= MOST_FOR_NAN
        for method, (low, high) in bounds.items():
            wrong = (least < low[box]) | (most > high[box])
            wrong |= may_be_nan & ~(np.isinf(low[box]) & np.isinf(high[box]))
            if wrong.any():
                k = int(np.flatnonzero(wrong)[0])
                found.append(
                    f"{method}: output {k} in [{low[box, k]!r}, {high[box, k]!r}] but {least[k]!r} ... {most[k]!r}"
                    f"{', NaN' if may_be_nan[k] else ''} for {a.tolist()} to {b.tolist()}"
                )
    return found


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], fx.Function]
    between: tuple[float, float]


def behind_a_matrix(row: Row) -> fx.Function:
    return row.function(np.random.default_rng(3).normal(size=(row.n, row.n)) / np.sqrt(row.n))


def random_graph(seed: int) -> fx.Function:
    model = random_network(seed, N_GRAPHS)
    shapes = {port.name: [d.dim_value or 1 for d in port.type.tensor_type.shape.dim] for port in model.graph.input}
    return fx.load_onnx(model, shapes=shapes)


def cases(kinds: list[str]) -> Iterator[Case]:
    if "operators" in kinds:
        for row in (*ROWS, *GRAPHS):
            yield Case(str(row), row.function, row.between)
    if "matrices" in kinds:
        for row in ROWS:
            yield Case(f"{row} behind a matrix", lambda row=row: behind_a_matrix(row), row.between)
    if "graphs" in kinds:
        for seed in range(N_GRAPHS):
            yield Case(f"graph {seed}", lambda seed=seed: random_graph(seed), (-1.0, 1.0))


def check(case: Case, n_boxes: int, n_samples: int, seed: int) -> list[str]:
    """Half of the boxes are random, half hostile."""
    function = case.make()
    samples = Samples(function.n_inputs, n_samples, seed)
    found = []
    for boxes, count in ((random_boxes, (n_boxes + 1) // 2), (hostile_boxes, n_boxes // 2)):
        for first in range(0, count, 50):
            some = boxes(case.between, function.n_inputs, min(50, count - first), 1000 * seed + first)
            found += outside(function, *some, samples, METHODS)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=100)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--only", default="", help="part of a name")
    arguments = parser.parse_args()
    fx.set_num_threads(1)
    chosen = [case for case in cases(arguments.kinds) if arguments.only in case.name]
    began, n_wrong = time.monotonic(), 0
    with ThreadPoolExecutor(arguments.threads) as pool:
        results = pool.map(lambda case: check(case, arguments.boxes, arguments.samples, arguments.seed), chosen)
        for number, (case, found) in enumerate(zip(chosen, results, strict=True), start=1):
            n_wrong += len(found)
            for line in found[:5]:
                print(f"{case.name}: {line}", flush=True)
            if number % 20 == 0 or number == len(chosen):
                print(f"{number} of {len(chosen)}, {time.monotonic() - began:.0f} s, {n_wrong} wrong", file=sys.stderr)
    total = len(chosen) * arguments.boxes
    sampled = f"{len(chosen)} functions, {total:,} boxes, {total * arguments.samples:.3g} samples"
    print(f"{sampled}: {n_wrong} boxes with some outside")
    sys.exit(min(n_wrong, 1))


if __name__ == "__main__":
    main()
