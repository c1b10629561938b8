"""Problems with kinks: how many are solved, to what, in what time; and whether certificates are true.

Claims are checked apart from what made them: on the set by walks from 20 points nearby, on networks in which many kinks
meet by brute force over their cells.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastexpr as fx
from benchmarks import kinks_judge, kinks_set, machine
from benchmarks.kinks_set import HEAT_LIMIT, REACTOR_LOWER, REACTOR_UPPER
from benchmarks.kinks_slsqp import by_slsqp
from benchmarks.tables import Table, seconds, show

NEARBY = 1e-3  # in widths
BETTER = 1e-6  # relative to max(1, |f|)
FEASIBLE = 1e-6
WIDEST = 250  # variables that SLSQP is asked to work with: its time grows with the third power
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


@dataclass
class Answer:
    """Of one candidate to one case: x of the program as stated; whether success is claimed."""

    x: np.ndarray
    is_claimed: bool
    certificate: str
    spent: float


def whole_set(arguments: argparse.Namespace) -> None:
    """A line a case: ours, Ipopt alone, SLSQP, OMLT."""
    names = ["fastexpr", *arguments.peers]
    table = Table(
        f"The set: objective (minimized), CPU s; ! is no local minimum by {arguments.walks} walks from nearby",
        ["problem", "variables", "kinked units", "certificate", *names],
    )
    times: list[tuple[int, float]] = []
    solved = dict.fromkeys(names, 0)
    asked = dict.fromkeys(names, 0)
    wrong = 0
    cases = [case for case in kinks_set.cases() if all(word in case.name for word in arguments.cases)]
    for case in cases[:: 4 if arguments.quick else 1]:
        problem = case.make()
        nlp = problem.nlp()
        n_units = nlp.functions.cells().n_units
        texts, certificate = [], ""
        for name in names:
            answer = CANDIDATES[name](case, problem, nlp)
            if answer is None:
                texts.append("-")
                continue
            good = is_local_minimum(nlp, answer.x, arguments.walks)
            asked[name] += 1
            solved[name] += answer.is_claimed and good
            if name == "fastexpr":
                certificate = answer.certificate
                wrong += certificate == "local minimum" and not good
                times.append((n_units, answer.spent))
            mark = "" if answer.is_claimed and good else " !"
            texts.append(f"{nlp.objective(answer.x):.5g} ({seconds(answer.spent)}){mark}")
        table.add(case.name, str(nlp.n), str(n_units), certificate, *texts)
    show(table, arguments.markdown)
    print("\nsolved: " + ", ".join(f"{name} {solved[name]} of {asked[name]}" for name in names))
    print(f"certificates that walks refute: {wrong}; median CPU s {statistics.median(spent for _, spent in times):.3g}")
    for most, limit in LIMITS.items():
        slow = max((spent for units, spent in times if units <= most), default=0.0)
        print(f"slowest with up to {most} kinked units: {slow:.3g} CPU s (goal: {limit:g})")


def is_local_minimum(nlp: Any, x: np.ndarray, count: int) -> bool:
    """Whether x is feasible, and walks from points nearby find nothing better."""
    from fastexpr.solve.budget import Budget, Settings
    from fastexpr.solve.junction import widths_of
    from fastexpr.solve.walk import Walk
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


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    found = call()
    return found, time.process_time() - begin


def ours(case: Any, problem: Any, nlp: Any) -> Answer:
    result, spent = timed(problem.solve)
    return Answer(result.x, result.success, result.certificate, spent)


def ipopt(case: Any, problem: Any, nlp: Any) -> Answer:
    result, spent = timed(lambda: problem.solve(kinks="ignore", max_iter=500))
    return Answer(result.x, result.success, "", spent)


def slsqp(case: Any, problem: Any, nlp: Any) -> Answer | None:
    """On the program in its smallest form, without the outputs as variables where that is possible."""
    from fastexpr.solve.form import form_of
    from fastexpr.solve.strategy import start_of

    form = form_of(nlp)
    program = nlp if form is None else form.program()
    if program.n > WIDEST:
        return None
    found, spent = timed(lambda: by_slsqp(program, np.array(program.start), program.lower, program.upper, 500))
    x = np.clip(found.x, program.lower, program.upper)
    if form is not None:
        point = start_of(program)
        point.x = x
        x = form.solution(point).x
    return Answer(nlp.complete(x), bool(found.success), "", spent)


def omlt(case: Any, problem: Any, nlp: Any) -> Answer | None:
    """The surrogates and the largest outputs, which it can state: ReLUs by complementarity, solved by POUNCE."""
    if case.layers is None or nlp.functions.cells().n_units > 200:
        return None
    from benchmarks.kinks_omlt import solve

    begin = time.perf_counter()  # its solver is another process
    x, is_claimed = solve(case, nlp)
    spent = time.perf_counter() - begin
    return Answer(nlp.complete(np.clip(x, nlp.lower, nlp.upper)), is_claimed, "", spent)


CANDIDATES: dict[str, Callable[..., Answer | None]] = {
    "fastexpr": ours,
    "kinks ignored": ipopt,
    "slsqp": slsqp,
    "omlt": omlt,
}


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
