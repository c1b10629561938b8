"""What column generation is asked for, what it gives, and the time it has."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RuleKey = tuple[int, ...]  # numbers of conditions, ascending
FOREVER = 1e8  # seconds, three years


@dataclass(frozen=True)
class Settings:
    """What a fit was asked for."""

    max_complexity: int
    max_length: int
    loss: str
    time_limit: float
    seed: int
    verbose: bool


@dataclass
class Learnt:
    """What came out.

    Attributes
    ----------
    rules : list of tuple of int
        The conditions of each rule.
    bounds_by_length : (max_length,) array
        Entry d - 1: no rules of up to d conditions within the complexity have a lower Hamming loss.
    proved_length : int
        The linear program over all rules of up to so many conditions is solved.
    """

    rules: list[RuleKey]
    bounds_by_length: Array
    proved_length: int
    n_iterations: int
    timed_out: bool
    timings: dict[str, float]


@dataclass
class Clock:
    """Time left, and where it went."""

    limit: float  # at most FOREVER, with which everyone can count
    begin: float = field(default_factory=time.perf_counter)
    timings: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def left(self, share: float = 1.0) -> float:
        """Seconds until this share of the limit has passed."""
        return max(0.0, share * self.limit - self.passed())

    def passed(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self.begin

    @contextmanager
    def measure(self, what: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.timings[what] += time.perf_counter() - begin
