"""What the stages of one solve share: the settings, and what is left of iterations and time."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fastexpr import solvers
from fastexpr.errors import EvaluationError
from fastexpr.nlp import Nlp, Vector
from fastexpr.solve.conflicts import Conflict
from fastexpr.solvers.checked import LOST, number
from fastexpr.solvers.interior_point import (
    Multipliers,
    Progress,
    Scaling,
    Solution,
    Supervision,
    return_codes,
)
from fastexpr.solvers.options import Option
from fastexpr.solvers.verification import Measure

#: Ipopt's own.
MOST_ITERATIONS = 3000

#: Options that speak to the user about a run of the solver: only the first stage has them.
SPEAKING_OPTIONS = frozenset({"output_file", "file_print_level", "file_append", "print_user_options"})


@dataclass
class Settings:
    """What a user can say about a solve.

    Parameters
    ----------
    solver : str
        "cyipopt" or "pounce".
    options : dict
        Ipopt's options by name. max_iter counts for all stages together.
    progress : callable, optional
        Called after every iteration of every stage; when it returns False the solve stops.
    time_limit : float, optional
        In seconds of a clock on the wall, for all stages together.
    factors : Scaling, optional
        The user's own; NaN where he has none, which only the option nlp_scaling_method="user-scaling" does not bear.
    before_again : callable, optional
        Called before a solver that writes a log runs once more.
    presolve : bool
        Whether the program may be solved in another form than that in which it was stated: see `form`.
    scaling : {"range", "none"}
        Whether the solver gets factors of ours: see `scaling`. The option nlp_scaling_method switches them off.
    effort : {"low", "normal", "high"}
        Whether the solve goes on after one start: see `search`.
    kinks : str
        "cells": kinks are crossed where that leads to better points; "ignore": the solver is left alone with them.
    """

    solver: str
    options: dict[str, Option] = field(default_factory=dict)
    progress: Callable[[Progress], object] | None = None
    time_limit: float | None = None
    factors: Scaling | None = None
    before_again: Callable[[], None] | None = None
    presolve: bool = True
    scaling: str = "range"
    kinks: str = "cells"
    effort: str = "normal"

    def __post_init__(self) -> None:
        if self.scaling not in ("range", "none"):
            raise ValueError(f"[Solver] unknown scaling: got {self.scaling!r}, expected 'range' or 'none'.")
        if self.effort not in ("low", "normal", "high"):
            raise ValueError(f"[Solver] unknown effort: got {self.effort!r}, expected 'low', 'normal' or 'high'.")
        if self.kinks not in ("cells", "ignore"):
            raise ValueError(f"[Solver] kinks must be 'cells' or 'ignore': got {self.kinks!r}.")

    @property
    def has_own_scaling(self) -> bool:
        """Whether the factors are ours to choose, but for those that the user gives."""
        return "nlp_scaling_method" not in self.options and (self.scaling == "range" or self.factors is not None)


class Budget:
    """What is left of the iterations and of the time; runs the solver within that.

    Attributes
    ----------
    settings : Settings
    supervision : Supervision
        Sees every iteration of every stage.
    scaling : Scaling, optional
        Factors of the program.
    n_starts, n_infeasible : int
        Solves from different starts so far, and those of them that found no feasible point.
    elastic : list of Conflict
        What is violated, and what stands against that, where the violations together are least; empty where nobody
        has looked.
    stopped : tuple of str, optional
        Status and message, where the user has stopped the solve.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.supervision = Supervision(settings.progress, settings.time_limit)
        self._most = number(settings.options, "max_iter", MOST_ITERATIONS)
        self.scaling: Scaling | None = None
        self.n_starts = self.n_infeasible = 0
        self.elastic: list[Conflict] = []
        self._first_stage: str | None = None
        self.stopped: tuple[str, str] | None = None

    @property
    def iterations_left(self) -> float:
        """Of max_iter."""
        return max(0.0, self._most - self.supervision.n_before)

    @property
    def seconds_left(self) -> float:
        """Of time_limit; infinite without one."""
        return self.supervision.seconds_left

    @property
    def is_over(self) -> bool:
        """Whether nothing more can run: no iteration or no time is left, or the user has stopped the solve."""
        return self.stopped is not None or self.iterations_left == 0 or self.supervision.is_out_of_time

    def begin(self, stage: str) -> None:
        """From now on it is this stage that runs."""
        self.supervision.stage = stage
        self._first_stage = self._first_stage or stage

    def count(self, found: Solution) -> None:
        """Of a solve from a start."""
        self.n_starts += 1
        self.n_infeasible += found.status in LOST

    def count_step(self, found: Solution) -> None:
        """Of what another than the solver has found: one iteration."""
        self.supervision.n_before += 1
        if not self.supervision(Progress(0, found.objective, 0.0, 0.0, 0.0, 1.0)):
            self.stopped = return_codes[5]

    def run(
        self,
        nlp: Nlp,
        multipliers: Multipliers | None = None,
        options: dict[str, Option] | None = None,
        max_iter: int | None = None,
        scaling: Scaling | None = None,
    ) -> Solution:
        """Runs the solver on any program, from its start, and checks what it says.

        Parameters
        ----------
        nlp : Nlp
            The program.
        multipliers : Multipliers, optional
            Where the multipliers start.
        options : dict, optional
            Ipopt's, over those of the user.
        max_iter : int, optional
            At most so many iterations, and never more than are left.
        scaling : Scaling, optional
            Factors for this program, from `fastexpr.solve.scaling.scaling_of`; without it, those of its measures at the
            start.

        Returns
        -------
        Solution
            Its `iterations` are those of all runs so far.
        """
        settings, supervision = self.settings, self.supervision
        chosen = {**settings.options, **(options or {})}
        most = min(self.iterations_left, math.inf if max_iter is None else max_iter)
        if most < self._most:
            chosen["max_iter"] = int(most)
        if "nlp_scaling_method" in chosen and settings.has_own_scaling:
            scaling = None
        elif scaling is None and settings.has_own_scaling:
            with contextlib.suppress(EvaluationError):  # the solver will say so
                scaling = Measure(nlp, nlp.start).scaling()
        is_first = supervision.stage == self._first_stage
        if not is_first:
            chosen = silent(chosen)
        solution = solvers.run(
            nlp,
            settings.solver,
            chosen,
            multipliers,
            supervision,
            scaling,
            settings.before_again if is_first else None,
        )
        supervision.n_before = solution.iterations
        if solution.status in ("stopped", "interrupted"):
            self.stopped = solution.status, solution.message
        return solution


def silent(options: dict[str, Option]) -> dict[str, Option]:
    """Without what prints or writes, and without tests of derivatives."""
    kept = {
        name: value
        for name, value in options.items()
        if name not in SPEAKING_OPTIONS and not name.startswith("derivative_test")
    }
    return {**kept, "print_level": 0} if "print_level" in kept else kept


def measured(program: Nlp, x: Vector) -> Solution:
    """A point with its objective and violation; nobody has solved anything there."""
    none = Multipliers(np.zeros(program.m), np.zeros(program.n), np.zeros(program.n))
    x = program.complete(np.clip(x, program.lower, program.upper))
    solution = Solution(x, program.objective(x), none, "start", "Nothing has run.", 0)
    solution.relative_violation = Measure(program, x).verdict(none).violation
    return solution
