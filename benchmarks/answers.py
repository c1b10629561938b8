"""How often a solve gives the answer, and how long it takes: ours and others' on a set of problems.

Every claim is checked by `benchmarks.answer_check`. Best values known come from long searches (`--best`) and stand in
answers.json beside this file, with a fingerprint of the networks: where training gave other networks here, as another
CPU's rounding may, the values do not count, and the best of this run's answers takes their place.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import answer_set, machine
from benchmarks.answer_candidates import CANDIDATES, Answer, problem_of
from benchmarks.answer_check import ACCEPTABLE, STATIONARY, Finding, check
from benchmarks.answer_set import Case
from benchmarks.tables import Table, seconds, show, write_csv

BEST_VALUES = Path(__file__).with_name("answers.json")
OURS = ("default", "expression", "high", "20 starts", "pyomo")  # others' tolerances are looser by default
WITHIN = 1e-3  # of max(0.1, |best|): as good as the best
GRACE = 20.0  # seconds after its limit until a process that does not stop is ended


@dataclass
class Outcome:
    """A candidate's answer to a case, and what the check says of it."""

    case: Case
    candidate: str
    answer: Answer
    finding: Finding | None
    refuted: str

    @property
    def is_claimed(self) -> bool:
        return self.answer.status in ("optimal", "acceptable")

    @property
    def is_solved(self) -> bool:
        if self.case.is_feasible:
            return self.is_claimed and not self.refuted
        return self.answer.status == "infeasible" and bool(self.case.conflict & {*self.answer.named})

    def reaches(self, best: float) -> bool:
        return (
            self.is_solved
            and self.finding is not None
            and self.finding.objective <= best + WITHIN * max(0.1, abs(best))
        )


# ---- candidates in processes of their own


def work(connection: Any, candidate: str, half: str, limit: float) -> None:
    """The other side of `Worker`: answers cases by number until there are no more."""
    cases = answer_set.make([half])
    solve = CANDIDATES[candidate]
    connection.send("ready")
    while (number := connection.recv()) is not None:
        begin = time.perf_counter()
        try:
            answer = solve(cases[number], limit)
        except Exception:
            text = traceback.format_exc()
            answer = Answer("error", cases[number].center, text[-2000:], 0, time.perf_counter() - begin)
        connection.send(answer)


class Worker:
    """A process that solves cases of one half as one candidate does; ended, and started anew, where it hangs."""

    def __init__(self, candidate: str, half: str, limit: float) -> None:
        self._arguments = (candidate, half, limit)
        self._limit = limit
        self._process: Any = None

    def ask(self, number: int, case: Case) -> Answer:
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._connection, other = context.Pipe()
            self._process = context.Process(target=work, args=(other, *self._arguments), daemon=True)
            self._process.start()
            other.close()
            self._connection.recv()
        self._connection.send(number)
        try:
            if self._connection.poll(self._limit + GRACE):
                return self._connection.recv()
            status = "time_limit"
        except EOFError:
            status = "crashed"
        self.end()
        return Answer(status, case.center, "its process was ended", 0, self._limit)

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def judged(case: Case, candidate: str, answer: Answer) -> Outcome:
    """With the check's finding."""
    if not np.isfinite(answer.x).all():
        return Outcome(case, candidate, answer, None, "")
    is_ours = answer.status in ("optimal", "acceptable")
    finding = check(case, answer.x, has_residual=is_ours)
    refuted = finding.refutes(answer.status, STATIONARY if candidate in OURS else ACCEPTABLE)
    if is_ours and not case.is_feasible:
        refuted = refuted or "the problem has no feasible point"
    return Outcome(case, candidate, answer, finding, refuted)


# ---- best values


def fingerprint(case: Case) -> list[float]:
    """Objective and sum of the rows' values at two points: tells whether the networks are the same."""
    middle = 0.5 * (case.lower + case.upper)
    found = []
    for x in (middle, middle + 0.3 * (case.upper - middle)):
        objective, values, _, _ = case.evaluate(x)
        found += [float(objective), float(np.abs(values).sum())]
    return found


def known_values(cases: list[Case]) -> dict[str, float]:
    """From the file, for networks that are the same."""
    stored = json.loads(BEST_VALUES.read_text()) if BEST_VALUES.exists() else {}
    values = {}
    for case in cases:
        entry = stored.get(case.name)
        if entry is not None and np.allclose(entry["fingerprint"], fingerprint(case), rtol=1e-5, atol=1e-12):
            values[case.name] = float(entry["objective"])
    return values


def search(case: Case, starts: int, patience: float) -> float:
    """The least objective of many solves, from random starts, in both forms, of what the check holds for feasible."""
    random, begin = np.random.default_rng(12345), time.perf_counter()
    problems = [problem_of(case, form) for form in ("variables", "expression")]
    best = np.inf
    for number in range(starts):
        left = patience - (time.perf_counter() - begin)
        if left <= 0.0 and (np.isfinite(best) or number >= 6):
            break
        p, x = problems[number % 2]
        start = case.center if number < 2 else random.uniform(case.lower, case.upper)
        result = p.solve(start={x: start}, time_limit=max(left, 20.0))
        if not np.isfinite(result[x]).all():
            continue
        objective = float(case.evaluate(result[x])[0])
        if objective < best and check(case, result[x], has_residual=False).is_feasible:
            best = objective
    return best


def find_best(cases: list[Case], starts: int, patience: float) -> None:
    """Improves the file's values; what is there already stays where nothing better is found."""
    stored = json.loads(BEST_VALUES.read_text()) if BEST_VALUES.exists() else {}
    known = known_values(cases)
    for case in cases:
        if not case.is_feasible:
            continue
        found = min(search(case, starts, patience), known.get(case.name, np.inf))
        print(f"{case.name}: {known.get(case.name, np.inf):.9g} -> {found:.9g}", flush=True)
        if np.isfinite(found):
            stored[case.name] = {"objective": found, "fingerprint": fingerprint(case)}
            BEST_VALUES.write_text(json.dumps(stored, indent=1) + "\n")


# ---- the table


def measure(cases: list[Case], half: str, arguments: argparse.Namespace) -> list[Outcome]:
    """All candidates on all cases of a half that are asked for."""
    everything = answer_set.make_half(half)
    numbers = {case.name: k for k, case in enumerate(everything)}
    outcomes, known = [], known_values(cases)
    for candidate in arguments.candidates:
        worker = Worker(candidate, half, arguments.limit)
        for case in cases:
            outcome = judged(case, candidate, worker.ask(numbers[case.name], case))
            outcomes.append(outcome)
            report(outcome)
        worker.end()
        own = [outcome for outcome in outcomes if outcome.candidate == candidate]
        solved = sum(outcome.is_solved for outcome in own)
        best = sum(
            outcome.reaches(known.get(outcome.case.name, -np.inf)) for outcome in own if outcome.case.is_feasible
        )
        spent = sum(outcome.answer.seconds for outcome in own)
        print(f"{half}, {candidate}: {solved} of {len(own)} solved, {best} best, in {seconds(spent)} s", flush=True)
    return outcomes


def report(outcome: Outcome) -> None:
    """What went wrong."""
    answer, case = outcome.answer, outcome.case
    if outcome.refuted:
        print(f"REFUTED  {outcome.candidate}, {case.name}, {answer.status}: {outcome.refuted}", flush=True)
    elif not outcome.is_solved:
        said = answer.message.strip().splitlines()[-1:] or [""]
        print(f"unsolved {outcome.candidate}, {case.name}: {answer.status}: {said[0][:150]}", flush=True)


def make_table(half: str, outcomes: list[Outcome], known: dict[str, float], arguments: argparse.Namespace) -> Table:
    """Counts and times by candidate."""
    feasible = {outcome.case.name for outcome in outcomes if outcome.case.is_feasible}
    others = {outcome.case.name for outcome in outcomes} - feasible
    title = f"{half}: {len(feasible)} feasible problems, {len(others)} infeasible ones"
    table = Table(
        title, ["candidate", "claimed", "solved", "best", "infeasible", "refuted", "iterations", "median s", "total s"]
    )
    for candidate in arguments.candidates:
        own = [outcome for outcome in outcomes if outcome.candidate == candidate]
        here = [outcome for outcome in own if outcome.case.is_feasible]
        solved = [outcome for outcome in here if outcome.is_solved]
        reached = [outcome for outcome in solved if outcome.reaches(known[outcome.case.name])]
        times = [outcome.answer.seconds for outcome in own]
        table.add(
            candidate,
            share(sum(outcome.is_claimed for outcome in here), len(here)),
            share(len(solved), len(here)),
            share(len(reached), len(here)),
            f"{sum(outcome.is_solved for outcome in own if not outcome.case.is_feasible)} of {len(others)}",
            str(sum(bool(outcome.refuted) for outcome in own)),
            str(sum(outcome.answer.iterations for outcome in own)),
            seconds(statistics.median(times)),
            seconds(sum(times)),
        )
    return table


def share(count: int, total: int) -> str:
    return f"{count} ({100.0 * count / max(total, 1):.0f} %)"


def run(arguments: argparse.Namespace) -> None:
    """Solve the set, check everything, print the tables."""
    print(f"{machine.processor()}, {arguments.threads} thread(s)")
    packages = ["fastexpr", "cyipopt", "pounce-solver", "omlt", "jax", "scipy", "scikit-learn"]
    print(machine.versions(packages), flush=True)
    lines: list[dict[str, object]] = []
    for half in arguments.halves:
        cases = [case for case in answer_set.make_half(half) if all(word in case.name for word in arguments.cases)]
        if arguments.best:
            find_best(cases, arguments.best, arguments.limit)
            continue
        outcomes = measure(cases, half, arguments)
        known = known_values(cases)
        for outcome in outcomes:
            if outcome.is_solved and outcome.finding is not None:
                name, value = outcome.case.name, outcome.finding.objective
                known[name] = min(known.get(name, np.inf), value)
        for case in cases:
            known.setdefault(case.name, np.inf)
        show(make_table(half, outcomes, known, arguments), arguments.markdown)
        lines += [line_of(outcome, known) for outcome in outcomes]
    if arguments.output is not None and lines:
        write_csv(arguments.output / "answers.csv", lines)
    sys.stdout.flush()


def line_of(outcome: Outcome, known: dict[str, float]) -> dict[str, object]:
    answer = asdict(outcome.answer)
    del answer["x"]
    finding = outcome.finding
    measured = (
        {} if finding is None else {name: getattr(finding, name) for name in ("objective", "violation", "residual")}
    )
    case = outcome.case
    about = {"half": case.half, "case": case.name, "candidate": outcome.candidate, "best known": known.get(case.name)}
    return {**about, **answer, **measured, "solved": outcome.is_solved, "refuted": outcome.refuted}
