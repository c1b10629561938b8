"""Many solves from spread starts: distinct optima, how often each was found, and when enough have been.

Whoever calls gives a task, `task(start, seconds_left) -> answer`; what an answer must have is in `Answer`. The same
seed gives the same optima, whatever the executor: solves count in the order of their starts, also where they end in
another.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.solve.many.deadline import Deadline
from fastexpr.solve.many.parcels import Executor, Sender
from fastexpr.solvers.verification import Measure, relative

if TYPE_CHECKING:
    from fastexpr.nlp import Nlp, Vector

#: Two optima are one where objectives differ by less than this, over max(1, |f|), ...
SAME_OBJECTIVE = 1e-5
#: ... and variables by less than this, over their widths; or where the way between them is as low and feasible.
SAME_POINT = 1e-3
#: Of a point between two solutions of one flat optimum.
FEASIBLE = 1e-6

Task = Callable[["Vector", "float | None"], "Answer"]


class Answer(Protocol):
    """What a solve says: `Result` and `Solution` do."""

    success: Any
    status: str
    objective: float
    iterations: int
    relative_violation: float
    x: Vector


@dataclass
class Optimum:
    """A local optimum that was found.

    Attributes
    ----------
    objective : float
        Of the solve that came out best.
    violation : float
        Its relative violation.
    times_found : int
        By so many starts.
    certificate : str
        What is known about it beyond first-order conditions; "" where nothing is.
    starts : list of int
        Their numbers.
    x : (n,) array
        The variables.
    result : Result
        What `Problem.solve` returned; of a Pyomo model its solution, with `load_vars()`, `get_vars()`, `get_duals()`.
    """

    objective: float
    violation: float
    times_found: int
    certificate: str
    starts: list[int]
    x: Vector
    result: Any = field(repr=False)


@dataclass(repr=False)
class MultistartResult:
    """What many starts found.

    Attributes
    ----------
    best : Result
        Of the best optimum; where no solve succeeded, of the least violated point.
    optima : list of Optimum
        The distinct ones, best first.
    table : list of dict
        A row for each start, in order: "start", "status", "objective", "violation" (relative), "iterations", "seconds",
        "optimum" (its number in `optima`, None where the solve did not succeed). ``pandas.DataFrame(s.table)`` takes
        it.
    estimated_optima : float
        How many local optima there are, by what was found; infinite where too few starts say anything.
    message : str
        Why no further starts were made.
    sign : float
        -1.0 where the objective is maximized, else 1.0.
    """

    best: Any
    optima: list[Optimum]
    table: list[dict[str, Any]]
    estimated_optima: float
    message: str
    sign: float = 1.0

    @property
    def success(self) -> bool:
        """Whether any solve succeeded."""
        return bool(self.optima)

    def plot(self, axes: Any = None) -> Any:
        """The optima by their objectives, with how often each was found; and the best value after each start.

        Parameters
        ----------
        axes : pair of matplotlib Axes, optional
            Where to draw; without it, in a new figure.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from fastexpr.solve.results.plots import plot_multistart

        return plot_multistart(self, axes)

    def __repr__(self) -> str:
        lines = [f"{len(self.table)} starts, {len(self.optima)} distinct optima. {self.message}"]
        if self.optima:
            lines.append(f"{'':>3} {'objective':>15} {'violation':>10} {'found':>6}  certificate")
        for k, optimum in enumerate(self.optima[:10]):
            shown = f"{optimum.objective:>15.8g} {optimum.violation:>10.1e} {optimum.times_found:>6}"
            lines.append(f"{k:>3} {shown}  {optimum.certificate or '-'}")
        if len(self.optima) > 10:
            lines.append(f"    and {len(self.optima) - 10} more")
        if not self.optima:
            lines.append(f"The least violated point, by {self.best.relative_violation:.1e}: {self.best.message}")
        return "\n".join(lines)


# ---- the search


def require_count(starts: Any) -> None:
    if isinstance(starts, bool) or not isinstance(starts, int | np.integer) or starts < 1:
        raise ValueError(f"[multistart] starts must be a positive number of solves: got {starts!r}.")


def objective_and_violation(nlp: Nlp, x: Vector) -> tuple[float, float]:
    """The objective at a point within the bounds, and the largest relative violation of a row."""
    measure = Measure(nlp, x)
    rows = relative(measure.values, nlp.constraint_lower, nlp.constraint_upper, measure.row_size)
    return measure.objective, float(rows.max(initial=0.0))


class Valleys:
    """The distinct optima so far.

    Parameters
    ----------
    width : (n,) array
        Of the variables.
    values : callable
        Of a point: its objective and its relative violation.
    sign : float
        -1.0 where the objective is maximized.
    """

    def __init__(self, width: Vector, values: Callable[[Vector], tuple[float, float]], sign: float) -> None:
        self._width, self._values, self._sign = width, values, sign
        self.found: list[Optimum] = []

    def add(self, number: int, answer: Answer) -> Optimum:
        """To the one that it belongs to, or as a new one."""
        for optimum in self.found:
            if self._is_same(optimum, answer):
                optimum.times_found += 1
                optimum.starts.append(number)
                if self._sign * answer.objective < self._sign * optimum.objective:
                    optimum.objective, optimum.violation = answer.objective, answer.relative_violation
                    optimum.certificate, optimum.x, optimum.result = certificate_of(answer), answer.x, answer
                return optimum
        new = Optimum(
            answer.objective, answer.relative_violation, 1, certificate_of(answer), [number], answer.x, answer
        )
        self.found.append(new)
        return new

    def sorted(self) -> list[Optimum]:
        """Best first."""
        return sorted(self.found, key=lambda optimum: self._sign * optimum.objective)

    def _is_same(self, optimum: Optimum, answer: Answer) -> bool:
        margin = SAME_OBJECTIVE * max(1.0, abs(optimum.objective))
        if not abs(optimum.objective - answer.objective) <= margin:
            return False
        if (abs(optimum.x - answer.x) <= SAME_POINT * self._width).all():
            return True
        highest = max(self._sign * optimum.objective, self._sign * answer.objective) + margin
        for share in (0.5, 0.25, 0.75):
            try:
                objective, violation = self._values(optimum.x + share * (answer.x - optimum.x))
            except EvaluationError:
                return False
            if self._sign * objective > highest or violation > FEASIBLE:
                return False
        return True


def certificate_of(answer: Any) -> str:
    return str(getattr(answer, "certificate", ""))


def estimated_optima(distinct: int, solves: int) -> float:
    """How many local optima there are: the posterior mean when `distinct` were found in so many solves.

    Boender, C. G. E., and Rinnooy Kan, A. H. G. (1987), Bayesian stopping rules for multistart global optimization
    methods, Mathematical Programming 37, 59-80: w (N - 1) / (N - w - 2).
    """
    if solves < distinct + 3:
        return math.inf
    return distinct * (solves - 1) / (solves - distinct - 2)


def search(
    task: Task,
    points: Sequence[Vector],
    valleys: Valleys,
    executor: Executor | None = None,
    time_limit: float | None = None,
    stop: bool = True,
) -> tuple[list[dict[str, Any]], list[Answer], str]:
    """Solves from each point until the optima found are likely all there are, or the time is over.

    Returns the table, all answers in order, and why it ended.

    Raises
    ------
    TypeError
        With an executor: the task does not pickle.
    """
    table: list[dict[str, Any]] = []
    answers: list[Answer] = []
    begin = time.perf_counter()
    message, solves = f"All {len(points)} starts were made.", 0
    runs = (
        run_here(task, points, begin, time_limit)
        if executor is None
        else run_there(task, points, executor, begin, time_limit)
    )
    owners: list[Optimum | None] = []
    try:
        for number, (answer, seconds) in enumerate(runs):
            answers.append(answer)
            owners.append(valleys.add(number, answer) if answer.success else None)
            solves += bool(answer.success)
            table.append(row_of(number, answer, seconds))
            if answer.status == "interrupted":
                message = "Interrupted from the keyboard."
                break
            if stop and estimated_optima(len(valleys.found), solves) < len(valleys.found) + 0.5:
                message = "No further optima are expected (Boender and Rinnooy Kan)."
                break
    finally:
        runs.close()
    if len(answers) < len(points) and message.startswith("All"):
        message = "The time is over."
    places = {id(optimum): k for k, optimum in enumerate(valleys.sorted())}
    for row, owner in zip(table, owners, strict=True):
        row["optimum"] = None if owner is None else places[id(owner)]
    return table, answers, message


def row_of(number: int, answer: Answer, seconds: float) -> dict[str, Any]:
    return {
        "start": number,
        "status": answer.status,
        "objective": answer.objective,
        "violation": answer.relative_violation,
        "iterations": answer.iterations,
        "seconds": seconds,
        "optimum": None,
    }


def left_of(begin: float, time_limit: float | None) -> float | None:
    """Seconds; None without a limit."""
    return None if time_limit is None else time_limit - (time.perf_counter() - begin)


def run_here(
    task: Task, points: Iterable[Vector], begin: float, time_limit: float | None
) -> Generator[tuple[Answer, float], None, None]:
    """One after another; always the first one."""
    for number, point in enumerate(points):
        left = left_of(begin, time_limit)
        if left is not None and left <= 0.0 and number > 0:
            return
        started = time.perf_counter()
        answer = task(point, None if left is None else max(left, 0.0))
        yield answer, time.perf_counter() - started


def run_there(
    task: Task, points: Iterable[Vector], executor: Executor, begin: float, time_limit: float | None
) -> Generator[tuple[Answer, float], None, None]:
    """By the executor, given back in the order of the points. What is not needed any more is called off."""
    left = left_of(begin, time_limit)
    deadline = None if left is None else Deadline.after(left)
    turns: list[Any] = []
    with Sender(Turn(task), executor) as sender:
        try:
            for call in enumerate(points):
                calls = [(*call, deadline)]
                turns.append((sender.submit(calls), calls))
            for future, calls in turns:
                (found,) = sender.result(future, calls)
                if found is None:
                    return
                yield found
        finally:
            for future, _ in turns:
                future.cancel()


class Turn:
    """The task with its time; None where that is over. The first start has its turn in any case."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __call__(self, number: int, point: Vector, deadline: Deadline | None) -> tuple[Answer, float] | None:
        """The answer and its seconds."""
        left = None if deadline is None else deadline.left()
        if left == 0.0 and number > 0:
            return None
        begin = time.perf_counter()
        answer = self._task(point, left)
        return answer, time.perf_counter() - begin


def least_violated(answers: Sequence[Answer], sign: float) -> Any:
    """Where no solve succeeded: of points violated alike, the one with the best objective."""

    def worth(answer: Answer) -> tuple[float, float]:
        pair = answer.relative_violation, sign * answer.objective
        return tuple(np.inf if np.isnan(number) else number for number in pair)  # type: ignore[return-value]

    return min(answers, key=worth)
