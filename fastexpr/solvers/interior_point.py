"""What the two interior-point solvers have in common: callbacks, Ctrl-C, what their return codes mean."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastexpr.errors import EvaluationError
from fastexpr.nlp import Structure, Vector

if TYPE_CHECKING:
    from fastexpr.solvers.view import View

#: Larger bounds count as none, in every solver of the family.
INFINITY = 2e19

#: Return codes of Ipopt: the word for `result.status`, and what it means.
return_codes = {
    0: ("optimal", "Optimal solution found."),
    1: ("acceptable", "Solved to the acceptable level only: the tolerances asked for were not reached."),
    2: ("infeasible", "Converged to a point of local infeasibility: the problem may have no feasible point."),
    3: ("small_step", "The search direction became too small."),
    4: ("diverging", "The iterates diverge: the problem may be unbounded."),
    5: ("stopped", "Stopped by the progress function."),
    6: ("optimal", "Feasible point of a square problem found."),
    -1: ("iteration_limit", "The iteration limit was reached."),
    -2: ("restoration_failed", "The restoration phase failed: no feasible point was found from here."),
    -3: ("step_failed", "The search direction could not be computed."),
    -4: ("time_limit", "The limit of CPU time was reached."),
    -5: ("time_limit", "The time limit was reached."),
    -10: ("too_few_degrees_of_freedom", "There are more equations than variables."),
    -11: ("invalid_problem", "The solver refuses the problem as not well defined."),
    -12: ("invalid_option", "The solver refuses an option."),
    -13: ("invalid_number", "An evaluation was not finite where the solver could not step back."),
    -102: ("out_of_memory", "The solver ran out of memory."),
}


class Progress(NamedTuple):
    """State of the solver after an iteration."""

    iteration: int
    objective: float
    infeasibility: float
    dual_infeasibility: float
    barrier: float
    step: float
    stage: str = ""  # of the solve: see `Result.stages`


class Stage(NamedTuple):
    """A line about one stage of a solve: what it took, and the point that it found."""

    name: str
    iterations: int
    seconds: float
    objective: float
    violation: float


@dataclass
class Multipliers:
    """Of the constraints (m,), the lower bounds (n,) and the upper bounds (n,).

    Attributes
    ----------
    found_with : optional
        The factors of the solve that found them, and the scale of its program: a warm start takes these again. And
        whether the solution is on kinks: a warm start begins across them.
    """

    constraints: Vector
    lower: Vector
    upper: Vector
    found_with: Any = field(default=None, repr=False, compare=False)


@dataclass
class Scaling:
    """Factors the solver multiplies with, itself: of the objective, the variables (n,) and the constraints (m,)."""

    objective: float
    variables: Vector
    constraints: Vector


class MetKink(NamedTuple):
    """A kink that a solution is on.

    Attributes
    ----------
    unit : str
        The operator, its node, the unit's place in the node's output and, where several networks are called, of which:
        "Relu 'layer1' unit [3] of the network of x[0], x[1]".
    argument : float
        What is 0 at the kink: 0 but for rounding.
    multiplier : float
        By how much the minimized objective rises with each unit that the argument moves into the cell that the
        result's multipliers belong to; 0 where nothing presses the point against the kink from there.
    """

    unit: str
    argument: float
    multiplier: float


@dataclass
class Solution:
    """What a solver returns; `x` is the last iterate where it did not succeed."""

    x: Vector
    objective: float
    multipliers: Multipliers
    status: str
    message: str
    iterations: int
    relative_violation: float = math.inf
    stages: list[Stage] = field(default_factory=list)
    certificate: str = ""
    kinks: list[MetKink] = field(default_factory=list)
    inside: Vector | None = None  # next to x, in the cell that the multipliers belong to
    is_at_jump: bool = False  # where the program has no value that it tends to from all sides
    history: list[Progress] = field(default_factory=list)
    conflicts: list[Any] = field(default_factory=list)  # of fastexpr.solve.conflicts

    @property
    def success(self) -> bool:
        """Whether x is a solution, if only to looser tolerances."""
        return self.status in ("optimal", "acceptable")


@dataclass
class Supervision:
    """What is looked at after every iteration; it sees all iterations of a solve, also where solvers run several times.

    Parameters
    ----------
    progress : callable, optional
        The user's: stops the solver by returning False.
    time_limit : float, optional
        In seconds of a clock on the wall, from now on.
    """

    progress: Callable[[Progress], object] | None = None
    time_limit: float | None = None
    n_before: int = 0  # iterations of the solver's runs before this one
    stage: str = ""  # that runs
    history: list[Progress] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begin = time.perf_counter()
        limit = self.time_limit
        if limit is not None and not (isinstance(limit, int | float | np.number) and limit >= 0.0):
            raise ValueError(f"[Solver] time_limit must be a number of seconds, not negative: got {limit!r}.")

    @property
    def seconds_left(self) -> float:
        """Infinite without a limit."""
        return math.inf if self.time_limit is None else self.time_limit - (time.perf_counter() - self._begin)

    @property
    def is_out_of_time(self) -> bool:
        """Whether the time is over."""
        return self.seconds_left < 0.0

    def __call__(self, state: Progress) -> bool:
        """Whether the solver goes on."""
        state = state._replace(iteration=state.iteration + self.n_before, stage=self.stage)
        self.history.append(state)
        return self.progress is None or self.progress(state) is not False


class Callbacks:
    """The object a solver calls. No exception leaves it: a solver's foreign stack is no place for one.

    A result that is not finite makes the solver step back; any other exception, and Ctrl-C, stops it at the next
    iteration. A solver that has been told to stop gets no further results.

    Parameters
    ----------
    nlp : View
        The program.
    supervision : Supervision
        Asked after every iteration.
    refuse : callable
        How this solver is told that an evaluation failed: called with the length of the result (None: a number),
        raises or returns it.
    """

    def __init__(self, nlp: View, supervision: Supervision, refuse: Callable[[int | None], Any]) -> None:
        self.nlp, self.supervision, self.refuse = nlp, supervision, refuse
        self.objective_factor = 1.0  # that the solver's objective has in what it reports
        self.is_out_of_time = False
        self.is_stopped = False
        self.iterations = 0
        self.is_interrupted = False
        self.error: BaseException | None = None
        self.evaluation_error: EvaluationError | None = None

    def objective(self, x: Vector) -> Any:
        """f(x)."""
        return self._guard(None, self.nlp.objective, x)

    def gradient(self, x: Vector) -> Any:
        """The gradient of f."""
        return self._guard(self.nlp.n, self.nlp.gradient, x)

    def constraints(self, x: Vector) -> Any:
        """g(x)."""
        return self._guard(self.nlp.m, self.nlp.constraints, x)

    def jacobianstructure(self) -> Structure:
        """Rows and columns."""
        return self.nlp.jacobianstructure()

    def jacobian(self, x: Vector) -> Any:
        """In the order of the structure."""
        return self._guard(self.nlp.jacobian_rows.size, self.nlp.jacobian, x)

    def hessianstructure(self) -> Structure:
        """Rows and columns, lower triangle."""
        return self.nlp.hessianstructure()

    def hessian(self, x: Vector, multipliers: Vector, objective_factor: float) -> Any:
        """In the order of the structure."""
        return self._guard(self.nlp.hessian_rows.size, self.nlp.hessian, x, multipliers, objective_factor)

    def intermediate(
        self,
        mode: int,
        iteration: int,
        objective: float,
        infeasibility: float,
        dual_infeasibility: float,
        barrier: float,
        step_norm: float,
        regularization: float,
        step_dual: float,
        step: float,
        trials: int,
    ) -> bool:
        """Called once an iteration; False stops the solver."""
        self.iterations = int(iteration)
        if self.error is not None or self.is_interrupted:
            return False
        try:
            goes_on = self.supervision(
                Progress(
                    self.iterations, objective / self.objective_factor, infeasibility, dual_infeasibility, barrier, step
                )
            )
            self.is_out_of_time = goes_on and self.supervision.is_out_of_time
            self.is_stopped = not goes_on or self.is_out_of_time
            return not self.is_stopped
        except KeyboardInterrupt:
            self.is_interrupted = True
        except BaseException as error:
            self.keep(error)
        return False

    def keep(self, error: BaseException) -> None:
        """Raised again when the solver is back; the first one counts."""
        self.error = self.error or error

    def _guard(self, size: int | None, evaluate: Callable[..., Any], *arguments: Any) -> Any:
        if self.error is None and not self.is_interrupted and not self.is_stopped:
            try:
                return evaluate(*arguments)
            except EvaluationError as error:
                self.evaluation_error = error
            except KeyboardInterrupt:
                self.is_interrupted = True
            except BaseException as error:
                self.keep(error)
        return self.refuse(size)

    def solution(self, x: Vector, info: dict[str, Any]) -> Solution:
        """What the solver's answer means; raises what a callback raised."""
        if self.error is not None:
            raise self.error
        code = int(info["status"])
        status, message = return_codes.get(
            code, ("error", f"The solver failed with code {code}: {text_of(info.get('status_msg', 'unknown'))}")
        )
        if self.is_interrupted:
            status, message = "interrupted", "Interrupted from the keyboard."
        elif self.is_stopped:  # also where the solver takes no notice of the answer, as cyipopt 1.4
            status, message = return_codes[-5 if self.is_out_of_time else 5]
        elif status == "invalid_number" and self.evaluation_error is not None:
            message = f"{message} {self.evaluation_error}"
        multipliers = Multipliers(np.array(info["mult_g"]), np.array(info["mult_x_L"]), np.array(info["mult_x_U"]))
        return Solution(
            np.array(x),
            float(info["obj_val"]),
            multipliers,
            status,
            message,
            int(info.get("iter_count", self.iterations)),
        )


def text_of(message: str | bytes) -> str:
    """Cyipopt gives bytes, pounce text."""
    return message.decode() if isinstance(message, bytes) else str(message)


class InterruptGuard:
    """While the solver runs, Ctrl-C asks it to stop after the iteration; a second one raises KeyboardInterrupt as
    usual.

    A handler of the user's own is left alone, and only the main thread has one.
    """

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._is_installed = False

    def __enter__(self) -> None:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._is_installed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._callbacks.is_interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
