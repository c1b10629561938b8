"""Derivatives of a compiled Pyomo model beside the ASL's: compared entry by entry, then timed at ever new points."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.asl import AslFunctions

Array = NDArray[np.float64]
Order = NDArray[np.int64]
TOLERANCE = 1e-12  # max |a - b| / max |b|
KINDS = ["objective", "gradient", "constraints", "jacobian", "hessian"]
PAIR = "J and H alone"


class Sides:
    """Ours and theirs, with points and multipliers in the order of each.

    Parameters
    ----------
    compiled : CompiledModel
        Ours.
    asl : AslFunctions
        Theirs, of the same model.
    """

    def __init__(self, compiled: Any, asl: AslFunctions) -> None:
        self.compiled, self.asl = compiled, asl
        self.functions: dict[str, Any] = {"fastexpr": compiled.nlp.functions, "asl": asl}
        self.columns = positions(asl.columns, compiled.variables)
        self.rows = positions(asl.rows, compiled.constraints)
        random = np.random.default_rng(3)
        start = compiled.nlp.start
        self.points = [np.clip(start + random.uniform(-0.3, 0.3, start.size), -2, 2) for _ in range(3)]
        self.multipliers = random.uniform(-1, 1, len(compiled.constraints))

    def arguments(self, side: str, point: Array) -> tuple[Array, Array]:
        """The point and the multipliers in this side's order."""
        if side == "fastexpr":
            return point, self.multipliers
        return point[self.columns].copy(), self.multipliers[self.rows].copy()

    def check(self) -> float:
        """The largest difference of all five quantities, at all points; refuses one that is too large."""
        return max(difference for point in self.points for difference in self._differences(point))

    def _differences(self, point: Array) -> list[float]:
        quantities = {}
        for side in self.functions:
            x, multipliers = self.arguments(side, point)
            quantities[side] = dict(zip(KINDS, evaluate_all(self.functions[side], x, multipliers), strict=True))
        ours, theirs = quantities["fastexpr"], quantities["asl"]
        nlp = self.compiled.nlp
        pairs = {
            "objective": (np.array([ours["objective"]]), np.array([theirs["objective"]])),
            "gradient": (ours["gradient"][self.columns], theirs["gradient"]),
            "constraints": (
                (ours["constraints"] - nlp.constraint_lower)[self.rows],
                theirs["constraints"] - self.asl.constraint_lower,
            ),
            "jacobian": self._same_places("jacobian", ours["jacobian"], theirs["jacobian"]),
            "hessian": self._same_places("hessian", ours["hessian"], theirs["hessian"]),
        }
        differences = []
        for kind, (got, wanted) in pairs.items():
            differences.append(float(np.max(np.abs(got - wanted)) / np.max(np.abs(wanted))))
            if not differences[-1] <= TOLERANCE:
                raise SystemExit(f"{kind}: differs from the ASL's by {differences[-1]:.2g}, allowed {TOLERANCE:g}.")
        return differences

    def _same_places(self, kind: str, ours: Array, theirs: Array) -> tuple[Array, Array]:
        """The entries at the places that either side has, in one order; a place that one does not have counts 0."""
        n = self.compiled.nlp.n
        keys = []
        for side in ("fastexpr", "asl"):
            rows, columns = getattr(self.functions[side], f"{kind}_structure")()
            rows, columns = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
            if side == "asl":
                columns = self.columns[columns]
                rows = self.rows[rows] if kind == "jacobian" else self.columns[rows]
            if kind == "hessian":
                rows, columns = np.maximum(rows, columns), np.minimum(rows, columns)
            keys.append(rows * n + columns)
        places, position = np.unique(np.concatenate(keys), return_inverse=True)
        split = keys[0].size
        ours_there = np.bincount(position[:split], weights=ours, minlength=places.size).astype(np.float64)
        theirs_there = np.bincount(position[split:], weights=theirs, minlength=places.size).astype(np.float64)
        return ours_there, theirs_there

    def n_entries(self) -> dict[str, tuple[int, int]]:
        """Entries of Jacobian and Hessian: ours, theirs."""
        return {
            kind: tuple(len(getattr(f, f"{kind}_structure")()[0]) for f in self.functions.values())  # type: ignore[misc]
            for kind in ("jacobian", "hessian")
        }

    def time(self, seconds: float, clock: Callable[[], float]) -> dict[str, dict[str, float]]:
        """Median seconds of each call, by side, at a point that is new every time.

        First all five quantities in the order in which Ipopt asks for them: what is computed for one is there for the
        next. Then J and H without the others; the ASL's H needs the objective before.
        """
        samples: dict[str, dict[str, list[float]]] = {
            side: {kind: [] for kind in [*KINDS, PAIR]} for side in self.functions
        }
        calls = {side: [self.arguments(side, point) for point in self.points] for side in self.functions}
        end = time.perf_counter() + seconds
        turn = 0
        while time.perf_counter() < end or turn < 4:
            for side, functions in self.functions.items():
                x, multipliers = calls[side][turn % len(self.points)]
                for kind, lap in zip(KINDS, laps_of_all(functions, x, multipliers, clock), strict=True):
                    samples[side][kind].append(lap)
            turn += 1
            for side, functions in self.functions.items():
                x, multipliers = calls[side][turn % len(self.points)]
                start = clock()
                if side == "asl":
                    functions.objective(x)
                functions.jacobian(x)
                functions.hessian(x, multipliers, 1.0)
                samples[side][PAIR].append(clock() - start)
            turn += 1
        return {
            side: {kind: statistics.median(times) for kind, times in kinds.items()} for side, kinds in samples.items()
        }


def positions(wanted: list[Any], of: list[Any]) -> Order:
    """Where each component of the one list is in the other."""
    place = {id(component): position for position, component in enumerate(of)}
    return np.array([place[id(component)] for component in wanted], dtype=np.int64)


def evaluate_all(functions: Any, x: Array, multipliers: Array) -> list[Any]:
    """In the order of KINDS, which is Ipopt's."""
    return [
        functions.objective(x),
        functions.gradient(x),
        functions.constraints(x),
        functions.jacobian(x),
        functions.hessian(x, multipliers, 1.0),
    ]


def laps_of_all(functions: Any, x: Array, multipliers: Array, clock: Callable[[], float]) -> list[float]:
    """Seconds of each call of `evaluate_all`."""
    times = [clock()]
    functions.objective(x)
    times.append(clock())
    functions.gradient(x)
    times.append(clock())
    functions.constraints(x)
    times.append(clock())
    functions.jacobian(x)
    times.append(clock())
    functions.hessian(x, multipliers, 1.0)
    times.append(clock())
    return [after - before for before, after in pairwise(times)]
