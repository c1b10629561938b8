"""Pictures of solves, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fastexpr.solve.multistart import MultistartResult


def new_axes(rows: int, columns: int, size: tuple[float, float] = (4.0, 3.0)) -> tuple[Any, Any]:
    """A figure and its axes, (rows, columns).

    Raises
    ------
    ModuleNotFoundError
        matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "[plot] matplotlib is not installed: use 'pip install fastexpr[plot]' or 'pip install matplotlib'."
        ) from error
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(size[0] * columns, size[1] * rows), squeeze=False, layout="constrained"
    )
    return figure, axes


def plot_multistart(found: MultistartResult, axes: Sequence[Any] | None) -> Any:
    """Left the optima, by objective and how often found; right the objectives start by start, and the best so far."""
    if axes is None:
        _, grid = new_axes(1, 2)
        axes = grid[0]
    left, right = axes
    numbers = np.arange(len(found.optima))
    left.bar(numbers, [optimum.times_found for optimum in found.optima], color="C0")
    left.set_xticks(numbers, [f"{optimum.objective:.4g}" for optimum in found.optima], rotation=60, ha="right")
    left.set_xlabel("objective of the optimum")
    left.set_ylabel("starts that found it")
    solved = [row for row in found.table if row["optimum"] is not None]
    failed = [row["start"] for row in found.table if row["optimum"] is None]
    starts, objectives = [row["start"] for row in solved], np.array([row["objective"] for row in solved])
    right.plot(starts, objectives, "o", color="C0", markersize=4, label="solves")
    if solved:
        right.step(
            starts, found.sign * np.minimum.accumulate(found.sign * objectives), where="post", color="C1", label="best"
        )
    if failed:
        right.plot(
            failed, np.zeros(len(failed)), "x", color="C3", label="no solution", transform=right.get_xaxis_transform()
        )
    right.set_xlabel("start")
    right.set_ylabel("objective")
    right.legend()
    return left.figure
