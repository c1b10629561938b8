"""Problems with kinks: how many are solved, to what, in what time; and whether certificates are true.

Claims are checked apart from what made them: on the set by walks from 20 points nearby, on networks in which many kinks
meet by brute force over their cells.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastexpr as fx
from benchmarks import kinks_hunt, kinks_judge, kinks_set, machine
from benchmarks.kinks_peers import CANDIDATES, Answer, timed
from benchmarks.kinks_set import HEAT_LIMIT, REACTOR_LOWER, REACTOR_UPPER
from benchmarks.tables import Table, seconds, show

NEARBY = 1e-3  # in widths
BETTER = 1e-6  # relative to max(1, |f|)
FEASIBLE = 1e-6
LIMITS = {500: 1.0, 2100: 4.0}  # CPU seconds by kinked units


def run(arguments: argparse.Namespace) -> None:
    """All parts, or those named."""
    machine.introduce(arguments, ["numpy", "scipy", "cyipopt", "pounce-solver", "omlt", "scikit-learn"])
    if "surrogate" in arguments.parts:
        surrogate(arguments)
    if "set" in arguments.parts:
        whole_set(arguments)
    if "judge" in arguments.parts:
        judged(arguments)
    if "hunt" in arguments.parts:
        kinks_hunt.run(arguments.families, range(*arguments.seeds), arguments.markdown)


# ---- the surrogate, by three doors


def surrogate(arguments: argparse.Namespace) -> None:
    """From 8 starts each: solved, with which certificate, to what."""
    trained = kinks_set.reactor()
    net = kinks_set.layered(trained.layers)
    inside = kinks_set.reactor_data()[0]
    y = net(inside)
    best_of_data = y[y[:, 1] <= HEAT_LIMIT, 0].max()
    table = Table(
        f"A 3-32-32-2 ReLU surrogate, 8 starts each; the best of its training points has {best_of_data:.4f}",
        ["door", "solved", "local minima", "worst", "best", "median CPU s"],
    )
    for name, solve in SURROGATE.items():
        found = [timed(lambda s=start, solve=solve: solve(net, trained, s)) for start in kinks_set.starts()]
        values = [value for (_, _, value), _ in found]
        table.add(
            name,
            f"{sum(success for (success, _, _), _ in found)} of 8",
            str(sum("local minimum" in said for (_, said, _), _ in found)),
            f"{min(values):.4f}",
            f"{max(values):.4f}",
            seconds(statistics.median(spent for _, spent in found)),
        )
    show(table, arguments.markdown)


def by_problem(is_spliced: bool, **settings: Any) -> Callable[..., tuple[bool, str, float]]:
    def solve(net: Any, trained: Any, start: np.ndarray) -> tuple[bool, str, float]:
        result = kinks_set.best_reactor(trained, start, is_spliced).solve(**settings)
        return result.success, result.message, result.objective

    return solve


def by_pyomo(net: Any, trained: Any, start: np.ndarray) -> tuple[bool, str, float]:
    import pyomo.environ as pyo

    import fastexpr.pyomo as fxp

    m = pyo.ConcreteModel()
    bounds = dict(enumerate(zip(REACTOR_LOWER, REACTOR_UPPER, strict=True)))
    m.x = pyo.Var(range(3), bounds=bounds, initialize=dict(enumerate(start)))
    m.nn = fxp.NetworkBlock(net, inputs=m.x)
    m.heat = pyo.Constraint(expr=m.nn.outputs["y[1]"] <= HEAT_LIMIT)
    m.made = pyo.Objective(expr=m.nn.outputs["y[0]"], sense=pyo.maximize)
    results = pyo.SolverFactory("fastexpr").solve(m)
    return bool(pyo.check_optimal_termination(results)), results.solver.message, pyo.value(m.made)


SURROGATE = {
    "Problem.network": by_problem(False),
    "network(x)": by_problem(True),
    "Pyomo": by_pyomo,
    "kinks ignored": by_problem(False, kinks="ignore", max_iter=500),
}


# ---- the set


def whole_set(arguments: argparse.Namespace) -> None:
    """A line a case: ours, Ipopt alone, SLSQP, OMLT; then all of it in a line for each of them."""
    names = ["fastexpr", *arguments.peers]
    table = Table(
        f"The set: objective (minimized), CPU s; ! is no local minimum by {arguments.walks} walks from nearby",
        ["problem", "variables", "kinked units", "certificate", *names],
    )
    runs: list[Run] = []
    cases = [case for case in kinks_set.cases() if all(word in case.name for word in arguments.cases)]
    for case in cases[:: 4 if arguments.quick else 1]:
        runs.append(run_all(case, names, arguments.walks))
        table.add(case.name, *runs[-1].texts(names))
        print(".", end="", flush=True)
    print()
    show(table, arguments.markdown)
    show(summary(runs, names), arguments.markdown)
    print(f"\ncertificates that walks refute: {sum(run.is_refuted for run in runs)}")
    for most, limit in LIMITS.items():
        slow = max((run.answers["fastexpr"].spent for run in runs if run.n_units <= most), default=0.0)
        print(f"slowest with up to {most} kinked units: {slow:.3g} CPU s (goal: {limit:g})")


@dataclass
class Run:
    """All candidates on one case: their answers, and which of these are feasible and not beaten from nearby."""

    n: int
    n_units: int
    answers: dict[str, Answer]
    values: dict[str, float]
    is_good: dict[str, bool]

    def is_solved(self, name: str) -> bool:
        return name in self.answers and self.answers[name].is_claimed and self.is_good[name]

    @property
    def is_refuted(self) -> bool:
        return self.answers["fastexpr"].certificate == "local minimum" and not self.is_good["fastexpr"]

    @property
    def best(self) -> float:
        return min((value for name, value in self.values.items() if self.is_solved(name)), default=np.inf)

    def texts(self, names: list[str]) -> list[str]:
        texts = [str(self.n), str(self.n_units), self.answers["fastexpr"].certificate]
        for name in names:
            mark = "" if self.is_solved(name) else " !"
            spent = seconds(self.answers[name].spent) if name in self.answers else ""
            texts.append(f"{self.values[name]:.5g} ({spent}){mark}" if name in self.answers else "-")
        return texts


def run_all(case: Any, names: list[str], walks: int) -> Run:
    """One case, by everybody."""
    problem = case.make()
    nlp = problem.nlp()
    found = Run(nlp.n, nlp.functions.cells().n_units, {}, {}, {})
    for name in names:
        answer = CANDIDATES[name](case, problem, nlp)
        if answer is not None:
            found.answers[name], found.values[name] = answer, float(nlp.objective(answer.x))
            found.is_good[name] = is_local_minimum(nlp, answer.x, walks)
    return found


def summary(runs: list[Run], names: list[str]) -> Table:
    """How many each was asked for and solved, how good its values are, and what it took."""
    everybody = [run for run in runs if all(run.is_solved(name) for name in names if name != "kinks ignored")]
    table = Table(
        f"All {len(runs)}; the last column is of the {len(everybody)} that all but Ipopt alone have solved",
        ["", "asked", "solved", "certified", "best of all", "median CPU s", "CPU s together"],
    )
    for name in names:
        own = [run for run in runs if name in run.answers]
        best = [run for run in own if run.is_solved(name)]
        best = [run for run in best if run.values[name] <= run.best + BETTER * max(1.0, abs(run.best))]
        spent = [run.answers[name].spent for run in own]
        together = sum(run.answers[name].spent for run in everybody)
        numbers = [
            len(own),
            sum(run.is_solved(name) for run in own),
            sum(run.answers[name].certificate in ("local minimum", "first-order") for run in own),
            len(best),
        ]
        median = seconds(statistics.median(spent)) if spent else "-"
        table.add(name, *map(str, numbers), median, seconds(together))
    return table


def is_local_minimum(nlp: Any, x: np.ndarray, count: int) -> bool:
    """Whether x is feasible, and walks from points nearby find nothing better."""
    from fastexpr.solve.budget import Budget, Settings
    from fastexpr.solve.cells.junction import widths_of
    from fastexpr.solve.cells.walk import Walk
    from fastexpr.solvers.verification import Measure

    none = fx.solvers.Multipliers(np.zeros(nlp.m), np.zeros(nlp.n), np.zeros(nlp.n))
    if Measure(nlp, x).verdict(none).violation > FEASIBLE:
        return False
    rng, width, value = np.random.default_rng(0), widths_of(nlp, x), nlp.objective(x)
    cells = nlp.functions.cells()
    for _ in range(count):
        start = nlp.complete(np.clip(x + NEARBY * width * rng.uniform(-1, 1, x.size), nlp.lower, nlp.upper))
        walk = Walk(nlp, cells, Budget(Settings("cyipopt")))
        walk.run(start)
        if walk.here.is_solved and walk.here.objective < value - BETTER * max(1.0, abs(value)):
            return False
    return True


# ---- brute force


def judged(arguments: argparse.Namespace) -> None:
    """Networks in which many kinks meet, against all their cells."""
    table = Table("Networks of 2 and 3 inputs, against brute force over their cells", ["kind", "networks"])
    count = 24 if arguments.quick else 120
    table.header += ["local minimum", "first-order", "none", "unsolved", "false", "global"]
    for kind in ("without biases", "integer"):
        found = [judge_one(kind, seed) for seed in range(count // 2)]
        tally = [certificate for certificate, _, _ in found]
        table.add(
            kind,
            str(len(found)),
            *(str(tally.count(word)) for word in ("local minimum", "first-order", "none", "")),
            str(sum(word in ("local minimum", "first-order") and gap > BETTER for word, gap, _ in found)),
            str(sum(is_best for _, _, is_best in found)),
        )
    show(table, arguments.markdown)


def judge_one(kind: str, seed: int) -> tuple[str, float, bool]:
    """The certificate, what a cell that meets the point has better, whether it is the best of all."""
    rng = np.random.default_rng(seed)
    n = 2 + seed % 2
    layers = kinks_judge.random_layers(rng, [n, *([6, 6] if seed % 3 else [8]), 2], kind)
    p = fx.Problem()
    x = p.variables(n, -1, 1, start=rng.uniform(-1, 1, n) if seed % 5 else 0.0)
    y = p.network(kinks_set.layered(layers), x)
    p.maximize(y[0])
    rows, upper = np.zeros((0, 2)), np.zeros(0)
    if seed % 4 < 2:
        rows, upper = np.array([[0.0, 1.0]]), np.array([kinks_judge.forward(layers, np.zeros(n))[1] + 0.5])
        p.subject_to(y[1], upper=upper[0])
    result = p.solve()
    cost = np.array([-1.0, 0.0])
    cells = list(kinks_judge.cells_of(layers, 1.0))
    gap = kinks_judge.judge(cells, result[x], cost, rows, upper, 1.0, -result.objective)
    best = min(cell.least(cost, rows, upper, 1.0)[0] for cell in cells)
    return result.certificate, gap, result.success and -result.objective <= best + BETTER * max(1.0, abs(best))
