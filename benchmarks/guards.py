"""How far from networks' data the answers of the set of problems are, without a guard and with each."""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastexpr as fx
from benchmarks import machine
from benchmarks.answer_set import Case, make
from benchmarks.tables import Table, show

Array = NDArray[Any]
GUARDS = ("none", "ellipsoid", "hull", "neighbours")
LARGEST_HULL = 6  # inputs: with more, nearly all points are vertices, and finding them takes minutes
EDGE = 1.02  # of distances that guards keep at 1; "neighbours" is smooth, and allows 1.12
EDGE_OF_NEIGHBOURS = 1.12


@dataclass
class Answer:
    """Of a case with a guard.

    Attributes
    ----------
    far, near : float
        The Mahalanobis distance over the data's largest, and the distance to the nearest point over the data's spacing;
        at the farthest place of a network.
    """

    success: bool
    iterations: int
    seconds: float
    far: float = np.nan
    near: float = np.nan


def networks_of(case: Case) -> list[fx.Function]:
    """With their data."""
    found = []
    for network in case.networks:
        assert network.data is not None
        found.append(fx.load_onnx(network.onnx(), check=False).with_data(network.data()[0]))
    return found


def solved(case: Case, functions: list[fx.Function], guard: str, limit: float) -> Answer:
    """The problem with outputs of networks as variables, as `benchmarks.answers` states it."""
    p = fx.Problem()
    x = p.variables(case.lower.size, lower=case.lower, upper=case.upper, start=case.start)
    places: list[tuple[fx.Function, Any]] = []

    def called(function: fx.Function) -> Any:
        def call(z: Any) -> Any:
            places.append((function, z))
            return p.network(function, z)

        return call

    objective, rows = case.state(x, [called(function) for function in functions])
    p.minimize(objective)
    for name, expression, lower, upper in rows:
        sides = {"lower": (lower, -np.inf), "upper": (upper, np.inf)}
        p.subject_to(expression, name=name, **{k: v for k, (v, none) in sides.items() if not np.all(v == none)})
    if guard != "none":
        for number, (function, z) in enumerate(places):
            p.within_data(z, function, method=guard, name=f"guard {number}")
    begin = time.process_time()
    result = p.solve(time_limit=limit)
    answer = Answer(result.success, result.iterations, time.process_time() - begin)
    if result.success:
        distances = [
            function.data.distances(point)  # type: ignore[attr-defined]
            for function, z in places
            for point in np.reshape(result[z], (-1, function.n_inputs))
        ]
        answer.far, answer.near = (max(values) for values in zip(*distances, strict=True))
    return answer


def widened(case: Case, widths: float) -> Case:
    """With bounds so many widths farther out on each side."""
    more = widths * (case.upper - case.lower)
    return replace(case, lower=case.lower - more, upper=case.upper + more)


def table_of(cases: list[Case], title: str, limit: float) -> Table:
    """A row for each guard."""
    answers: dict[str, dict[str, Answer]] = {guard: {} for guard in GUARDS}
    for case in cases:
        functions = networks_of(case)
        for guard in GUARDS:
            if guard != "hull" or max(function.n_inputs for function in functions) <= LARGEST_HULL:
                answers[guard][case.name] = solved(case, functions, guard, limit)
                require_kept(case.name, guard, answers[guard][case.name])
    table = Table(
        title, ["guard", "problems", "solved", "out of the ellipsoid", "no point near", "twice as far", "farthest",
                "iterations, median", "against none"],
    )  # fmt: skip
    for guard, of_cases in answers.items():
        found = {name: answer for name, answer in of_cases.items() if answer.success}
        near = [answer.near for answer in found.values()]
        ratios = [
            answer.iterations / max(1, answers["none"][name].iterations)
            for name, answer in found.items()
            if answers["none"][name].success
        ]
        table.add(
            guard, str(len(of_cases)), str(len(found)),
            str(sum(answer.far > EDGE for answer in found.values())),
            str(sum(value > EDGE_OF_NEIGHBOURS for value in near)), str(sum(value > 2.0 for value in near)),
            f"{max(near, default=np.nan):.3g}",
            f"{statistics.median(answer.iterations for answer in found.values()) if found else np.nan:g}",
            f"{statistics.median(ratios) if ratios else np.nan:.2f}",
        )  # fmt: skip
    return table


def require_kept(name: str, guard: str, answer: Answer) -> None:
    """That an answer with a guard is where the guard says."""
    if not answer.success or guard == "none":
        return
    is_kept = answer.near <= EDGE_OF_NEIGHBOURS if guard == "neighbours" else answer.far <= EDGE
    if not is_kept:
        raise SystemExit(f"{name}: {guard} was left, {answer}")


def run(arguments: argparse.Namespace) -> None:
    """Solve, print the tables."""
    print(f"{machine.processor()}, {arguments.threads} thread(s)")
    print(machine.versions(["fastexpr", "cyipopt", "scikit-learn", "scipy"]), flush=True)
    cases = [case for case in make() if case.is_feasible and all(word in case.name for word in arguments.cases)]
    show(table_of(cases, "bounds as they are: the data's box", arguments.limit), arguments.markdown)
    wide = [widened(case, arguments.wider) for case in cases]
    title = f"bounds {arguments.wider:g} widths farther out on each side"
    show(table_of(wide, title, arguments.limit), arguments.markdown)
