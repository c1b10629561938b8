"""Pictures of solves, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr.solve.sampling import box

if TYPE_CHECKING:
    from fastexpr._core import Function
    from fastexpr.nlp import Vector
    from fastexpr.problem.sweep import SweepResult
    from fastexpr.solve.many.multistart import MultistartResult
    from fastexpr.solvers.interior_point import Progress

POINTS = 101  # of a curve
CURVES = 8  # outputs in one picture
PICTURES = 24  # inputs of all networks


@dataclass
class Response:
    """A network at a place of the solution, and the range over which to draw it."""

    name: str
    function: Function
    x: Vector
    lower: Vector
    upper: Vector


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


def plot_result(history: Sequence[Progress], responses: Sequence[Response], figure: Any = None) -> Any:
    """Iterations first, then a picture for each input of each network."""
    pairs = [(response, j) for response in responses for j in range(response.x.size)][:PICTURES]
    columns = min(4, 1 + len(pairs))
    rows = -(-(1 + len(pairs)) // columns)
    if figure is None:
        figure, grid = new_axes(rows, columns)
    else:
        grid = figure.subplots(rows, columns, squeeze=False)
    axes = list(grid.ravel())
    plot_iterations(axes[0], history)
    for place, (response, j) in zip(axes[1:], pairs, strict=False):
        plot_response(place, response, j)
    for place in axes[1 + len(pairs) :]:
        place.set_axis_off()
    return figure


def plot_iterations(axes: Any, history: Sequence[Progress]) -> None:
    """Objective to the left; infeasibilities, on a logarithmic scale, to the right. A line where a stage begins."""
    numbers = np.arange(len(history))
    axes.plot(numbers, [state.objective for state in history], color="C0", label="objective")
    axes.set_xlabel("iteration")
    axes.set_ylabel("objective")
    right = axes.twinx()
    least = 1e-16  # 0 has no logarithm
    right.semilogy(numbers, [max(state.infeasibility, least) for state in history], "C1--", label="infeasibility")
    right.semilogy(
        numbers, [max(state.dual_infeasibility, least) for state in history], "C2:", label="dual infeasibility"
    )
    for k in range(1, len(history)):
        if history[k].stage != history[k - 1].stage:
            axes.axvline(k, color="0.7")
            axes.annotate(history[k].stage, (k, 1.0), xycoords=("data", "axes fraction"), va="top", fontsize="small")
    lines = [*axes.lines[:1], *right.lines]
    axes.legend(lines, [line.get_label() for line in lines], fontsize="small")


def plot_response(axes: Any, response: Response, j: int) -> None:
    """The outputs along one input, and the solution."""
    function, x = response.function, response.x
    low, high = box(response.lower, response.upper, x)
    along = np.linspace(low[j], high[j], POINTS)
    points = np.tile(x, (POINTS, 1))
    points[:, j] = along
    values = np.asarray(function(points)).reshape(POINTS, -1)
    here = np.asarray(function(x)).ravel()
    for k in range(min(values.shape[1], CURVES)):
        axes.plot(along, values[:, k], color=f"C{k}", label=function.output_names[k])
        axes.plot([x[j]], [here[k]], "o", color=f"C{k}")
    axes.set_title(response.name)
    axes.set_xlabel(function.input_names[j])
    if values.shape[1] > 1:
        axes.legend(fontsize="small")


def plot_sweep(found: SweepResult, x: Any, y: Any, axes: Any) -> Any:
    """Curves through the points that were solved; crosses at the lower edge where one was not."""
    if axes is None:
        _, grid = new_axes(1, 1, (5.0, 3.5))
        axes = grid[0, 0]
    numbers = np.arange(len(found))
    names = [name for name, values in found.parameters.items() if values.ndim == 1]
    if x is None and len(found.parameters) == len(names) == 1:
        x = names[0]
    label, along = ("point", numbers[:, None].astype(float)) if x is None else found.column(x)
    is_solved = np.array([result.success for result in found.results], dtype=bool)
    for k, quantity in enumerate(y if isinstance(y, list | tuple) else ["objective" if y is None else y]):
        name, values = found.column(quantity)
        values = np.where(is_solved[:, None], values, np.nan)
        lines = axes.plot(along[:, 0], values, "o-", markersize=3, color=None if values.shape[1] > 1 else f"C{k}")
        lines[0].set_label(name or f"y[{k}]")
    if not is_solved.all():
        axes.plot(
            along[~is_solved, 0], np.zeros((~is_solved).sum()), "x", color="C3", label="no solution",
            transform=axes.get_xaxis_transform(), clip_on=False,
        )  # fmt: skip
    axes.set_xlabel(label)
    if y is None or isinstance(y, str):
        axes.set_ylabel("objective" if y is None else y)
    if len(axes.lines) > 1:
        axes.legend(fontsize="small")
    return axes.figure
