"""The bracket of a search while it runs, for those who want to see it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from fastexpr._core import BoxSearch

PROGRESS_SECONDS = 0.5


class Bracket(NamedTuple):
    """What a search knows so far: the minimum lies between `objective_bound` and `objective`."""

    seconds: float
    n_boxes: int
    n_open: int
    objective: float | None
    objective_bound: float

    def __str__(self) -> str:
        best = "none" if self.objective is None else f"{self.objective:.8g}"
        return (
            f"{self.seconds:8.1f} s  {self.n_boxes:10d} boxes  {self.n_open:8d} open  best {best:>14}  "
            f"bound {self.objective_bound:14.8g}"
        )


ProgressFunction = Callable[[Bracket], object]


class Reporter:
    """Says the bracket: lines now and then, or calls of the user's function."""

    def __init__(self, progress: bool | ProgressFunction | None, sign: float) -> None:
        self.call = progress if callable(progress) else None
        self.prints = progress is True
        self.sign = sign
        self.last = 0.0

    def report(self, search: BoxSearch, began: float, is_last: bool = False) -> None:
        if self.call is None and not self.prints:
            return
        now = time.monotonic()
        objective = None if search.best is None else self.sign * search.objective
        bracket = Bracket(now - began, search.n_boxes, search.n_open, objective, self.sign * search.bound)
        if self.call is not None:
            self.call(bracket)
        elif is_last or now - self.last >= PROGRESS_SECONDS:
            self.last = now
            print(bracket, file=sys.stderr, flush=True)

    def step(self, search: BoxSearch) -> int:
        """Boxes until something may be said again."""
        return search.n_boxes + (64 + search.n_boxes // 16 if self.call is not None else 1 << 60)
