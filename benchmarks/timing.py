"""Candidates timed in turns, so that a disturbance meets them all; medians."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping


def side_by_side(
    evaluators: Mapping[str, Callable[[], object]],
    seconds: float,
    clock: Callable[[], float],
    before: Callable[[str], object] = lambda name: None,
) -> dict[str, float]:
    """Median seconds of a call of each, for calls that may take microseconds only; `seconds` is the time for each.

    `before` is called with the name of whoever is next, outside of the time.
    """
    repeats = {}
    for name, evaluate in evaluators.items():
        before(name)
        start = time.perf_counter()
        evaluate()
        once = time.perf_counter() - start
        repeats[name] = max(1, min(20_000, int(0.05 / once)))
    samples: dict[str, list[float]] = {name: [] for name in evaluators}
    end = time.perf_counter() + seconds * len(evaluators)
    while time.perf_counter() < end or min(map(len, samples.values())) < 3:
        for name, evaluate in evaluators.items():
            before(name)
            if repeats[name] > 1:
                evaluate()  # does not count: the caches are as the candidate before left them
            start = clock()
            for _ in range(repeats[name]):
                evaluate()
            samples[name].append((clock() - start) / repeats[name])
    return {name: statistics.median(times) for name, times in samples.items()}


def in_turns(actions: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median seconds of each, for actions that take long and leave garbage, which is collected outside of the time."""
    samples: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, act in actions.items():
            gc.collect()
            start = clock()
            left = act()
            samples[name].append(clock() - start)
            del left
    return {name: statistics.median(times) for name, times in samples.items()}
