"""Which part of a solve is Ipopt's own: its linear algebra and its iterations, without what it calls in Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastexpr.solvers import cyipopt as adapter


@dataclass
class IpoptTime:
    """Seconds in Ipopt's solves together; how much of that was spent in callbacks, and in how many calls."""

    solves: float = 0.0
    callbacks: float = 0.0
    n_callbacks: int = 0

    @property
    def own(self) -> float:
        """Without the callbacks."""
        return self.solves - self.callbacks


@contextmanager
def watched(clock: Callable[[], float] = time.perf_counter) -> Iterator[IpoptTime]:
    """While the context lasts, every program in Ipopt's hands is timed.

    Raises
    ------
    RuntimeError
        No problem was solved: the time would be a wrong zero.
    """
    spent = IpoptTime()
    names: Any = vars(adapter)  # where the adapter looks Problem up
    original = names["Problem"]

    def make(library: Any, nlp: Any, callbacks: Any) -> Any:
        return Watched(original(library, nlp, Callbacks(callbacks, spent, clock)), spent, clock)

    names["Problem"] = make
    try:
        yield spent
    finally:
        names["Problem"] = original
    if spent.n_callbacks == 0:
        raise RuntimeError("nothing was solved by Ipopt: its time is not known")


class Watched:
    """A program in Ipopt's hands whose solves are timed; everything else is passed on."""

    def __init__(self, problem: Any, spent: IpoptTime, clock: Callable[[], float]) -> None:
        self._problem, self._spent, self._clock = problem, spent, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problem, name)

    def solve(self, *args: Any, **kwargs: Any) -> Any:
        start = self._clock()
        try:
            return self._problem.solve(*args, **kwargs)
        finally:
            self._spent.solves += self._clock() - start


class Callbacks:
    """The object that Ipopt calls, with all its calls timed."""

    def __init__(self, callbacks: Any, spent: IpoptTime, clock: Callable[[], float]) -> None:
        self._callbacks, self._spent, self._clock = callbacks, spent, clock

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._callbacks, name)
        spent, clock = self._spent, self._clock

        def timed(*args: Any) -> Any:
            start = clock()
            try:
                return method(*args)
            finally:
                spent.callbacks += clock() - start
                spent.n_callbacks += 1

        return timed
