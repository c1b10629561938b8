"""What a solve shows while it runs: the solver's log, a line of progress; and where its time ends."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TextIO

from fastexpr.solvers import Option, Progress

logger = logging.getLogger("fastexpr.pyomo")

#: The first line of progress comes after so many seconds; on a terminal, the next ones follow at this interval.
FIRST_LINE, INTERVAL = 2.0, 0.2
_HEADING = "iter    objective    inf_pr   inf_du lg(mu)  alpha_pr\n"


class Log:
    """The solver's log, copied to streams after each iteration.

    Ipopt writes it into a file in memory, which is read back. So it reaches any Python stream, a notebook's or a
    logger's, no descriptor of the process is redirected, and nothing waits for a reader. pounce writes no file: its
    log are the iterations, in Ipopt's columns.

    Parameters
    ----------
    solver : str
        "cyipopt" or "pounce".
    options : dict
        The user's options; `options` is what to run the solver with.
    streams : sequence of text streams
        Where to copy the log to.
    """

    def __init__(self, solver: str, options: dict[str, Option], streams: Sequence[TextIO]) -> None:
        self.text = ""
        self.options = dict(options)
        self._streams = streams
        self._pending = b""
        self._descriptor: int | None = None
        self._path: Path | None = None
        level = self.options.pop("print_level", 5)
        if solver != "cyipopt":
            self._writes_rows = level != 0
            return
        self._writes_rows = False
        self.options.setdefault("file_print_level", level)
        if "output_file" not in self.options:
            self._descriptor = os.memfd_create("ipopt.log")
            self.options["output_file"] = f"/proc/self/fd/{self._descriptor}"
        self._path = Path(str(self.options["output_file"]))

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def iteration(self, state: Progress) -> None:
        """Copies what is new."""
        if self._writes_rows:
            self._write((_HEADING if state.iteration % 10 == 0 else "") + row(state))
        self._copy(is_last=False)

    def restart(self) -> None:
        """Copies the rest: the solver runs once more, and Ipopt writes its file anew."""
        self._copy(is_last=True)
        if self._descriptor is not None:
            os.lseek(self._descriptor, 0, os.SEEK_SET)

    def end(self, message: str) -> None:
        """Copies the rest; the message ends the log of a solver that writes none."""
        if self._writes_rows:
            self._write(f"\n{message}\n")
        self._copy(is_last=True)

    def _copy(self, is_last: bool) -> None:
        if self._descriptor is None:
            if self._path is None or not self._path.exists():
                return
            self._descriptor = os.open(self._path, os.O_RDONLY)  # the user's own: Ipopt has made it by now
        while new := os.read(self._descriptor, 1 << 20):
            self._pending += new
        end = len(self._pending) if is_last else self._pending.rfind(b"\n") + 1
        self._write(self._pending[:end].decode(errors="replace"))
        self._pending = self._pending[end:]

    def _write(self, text: str) -> None:
        if not text:
            return
        self.text += text
        for stream in self._streams:
            stream.write(text)
            getattr(stream, "flush", int)()  # not everything that takes the place of sys.stdout has it


def row(state: Progress) -> str:
    """One iteration as Ipopt prints it."""
    barrier = f"{math.log10(state.barrier):6.1f}" if state.barrier > 0.0 else f"{'-':>6}"
    return (
        f"{state.iteration:4d} {state.objective: .7e} {state.infeasibility:.2e} {state.dual_infeasibility:.2e} "
        f"{barrier}  {state.step:.2e}\n"
    )


class ProgressLine:
    """One line about a long solve: rewritten in place on a terminal, else messages of the logger, ever rarer."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._next = FIRST_LINE
        self._is_shown = False

    def show(self, state: Progress, seconds: float) -> None:
        """Shows the iteration, if it is time."""
        if seconds < self._next:
            return
        text = (
            f"fastexpr: {seconds:.0f} s, iteration {state.iteration}, objective {state.objective:.6e}, "
            f"infeasibility {state.infeasibility:.1e}, dual infeasibility {state.dual_infeasibility:.1e}"
        )
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self._is_shown = True
            self._next = seconds + INTERVAL
        else:
            logger.info(text)
            self._next = 2.0 * seconds

    def end(self) -> None:
        """Takes the line away again."""
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class Watch:
    """Called after every iteration; False stops the solver.

    Parameters
    ----------
    log : Log
        Copied to its streams.
    line : ProgressLine or None
        Shown.
    callback : callable or None
        The user's; stops the solver by returning False.
    """

    def __init__(
        self,
        log: Log,
        line: ProgressLine | None,
        callback: Callable[[Progress], object] | None,
    ) -> None:
        self._log, self._line, self._callback = log, line, callback
        self._begin = time.perf_counter()
        self._logged: str | None = None

    def __call__(self, state: Progress) -> bool:
        seconds = time.perf_counter() - self._begin
        self._logged = state.stage if self._logged is None else self._logged
        if state.stage == self._logged:  # the log is that of the first stage
            self._log.iteration(state)
        if self._line is not None:
            self._line.show(state, seconds)
        return self._callback is None or self._callback(state) is not False

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._line is not None:
            self._line.end()
