"""What can be said of a solution at one sight: as text, as HTML in a notebook, and as a dict."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexpr.solvers.verification import widths

if TYPE_CHECKING:
    from fastexpr.nlp import Vector
    from fastexpr.solvers.interior_point import MetKink, Multipliers, Stage

NEAR = 1e-6  # of its limit, or of the width: what is as near is active
NEAR_KINK = 1e-4  # distance of a unit's argument to its kink that is worth a word
NEAR_EDGE = 0.01  # of a network's range
SHOWN = 10


@dataclass
class Point:
    """A solution with the limits that it is to hold.

    Attributes
    ----------
    facts : dict
        Status, objective and the like, in the order in which they are shown.
    stages : list of Stage
    x, rows : arrays
    multipliers : Multipliers
        As shown: of the minimization, or of the model as it was stated.
    lower, upper, constraint_lower, constraint_upper : arrays
    variable_name, row_name : callables
    kinks : list of str
        Units near their kinks.
    ranges : list of (name, x, lower, upper)
        Inputs of networks that have a range.
    conflicts : list of Conflict
        Where there is no feasible point.
    data : list of (name, distance to the centre, distance to the nearest point)
        Of what enters networks with data, over the data's own.
    """

    facts: dict[str, Any]
    stages: Sequence[Stage]
    x: Vector
    rows: Vector
    multipliers: Multipliers
    lower: Vector
    upper: Vector
    constraint_lower: Vector
    constraint_upper: Vector
    variable_name: Callable[[int], str]
    row_name: Callable[[int], str]
    kinks: list[str] = field(default_factory=list)
    ranges: list[tuple[str, Vector, Vector, Vector]] = field(default_factory=list)
    conflicts: Sequence[Any] = ()
    data: list[tuple[str, float, float]] = field(default_factory=list)


@dataclass
class Section:
    """A table of the report."""

    title: str
    header: list[str]
    rows: list[list[Any]]
    note: str = ""  # where there are no rows, or for what is not shown


class Tables:
    """Facts, then tables. It is its text; a notebook shows HTML; `to_dict()` is for other programs."""

    def __init__(self, facts: dict[str, Any], sections: Sequence[Section]) -> None:
        self._facts = facts
        self._sections = [section for section in sections if section.rows or section.note]

    def to_dict(self) -> dict[str, Any]:
        """Numbers and texts alone, as JSON takes them; numbers that are not finite are None."""
        tables = {
            section.title: [dict(zip(section.header, row, strict=True)) for row in section.rows]
            for section in self._sections
        }
        result: dict[str, Any] = plain({**self._facts, **tables})
        return result

    def __str__(self) -> str:
        width = max(map(len, self._facts))
        lines = [f"{name:>{width}}: {shown(value)}" for name, value in self._facts.items()]
        for section in self._sections:
            lines += ["", section.title + (f": {section.note}" if section.note and not section.rows else "")]
            if section.rows:
                lines += aligned(section)
                lines += [f"  {section.note}"] * bool(section.note)
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        facts = "".join(
            f"<tr><th style='text-align:right'>{html.escape(name)}</th><td style='text-align:left'>"
            f"{html.escape(shown(value))}</td></tr>"
            for name, value in self._facts.items()
        )
        parts = [f"<table>{facts}</table>"]
        for section in self._sections:
            parts.append(f"<h4>{html.escape(section.title)}</h4>")
            if section.rows:
                parts.append(f"<table><tr>{cells('th', section.header)}</tr>")
                parts += [f"<tr>{cells('td', map(shown, row))}</tr>" for row in section.rows]
                parts.append("</table>")
            if section.note:
                parts.append(f"<p>{html.escape(section.note)}</p>")
        return "".join(parts)


class Report(Tables):
    """Of a solution: see `Result.report`."""

    def __init__(self, point: Point) -> None:
        super().__init__(point.facts, sections_of(point))


def met_kinks(kinks: Sequence[MetKink]) -> list[str]:
    """Those that the solution is on."""
    return [f"{kink.unit}: met, multiplier {kink.multiplier:.6g}" for kink in kinks]


def sections_of(point: Point) -> list[Section]:
    """All tables."""
    stages = [[*stage] for stage in point.stages]
    names = ["name", "iterations", "seconds", "objective", "violation"]
    return [
        Section("stages", names, stages),
        active(point),
        largest_multipliers(point),
        kinks(point),
        ranges(point),
        data(point),
        conflicts(point),
    ]


def active(point: Point) -> Section:
    """Bounds and rows that are met, those with the largest multipliers first; equations are not listed."""
    found: list[list[Any]] = []
    width = widths(point.lower, point.upper, point.x)
    for k, lower, upper, x, multiplier, size, name_of in entries(point, width):
        if lower == upper:
            continue
        for side, limit, gap in (("lower", lower, x - lower), ("upper", upper, upper - x)):
            if math.isfinite(limit) and gap <= NEAR * max(abs(limit), size):
                found.append([name_of(k), side, limit, x, multiplier])
    found.sort(key=lambda row: -abs(row[4]))
    header = ["name", "side", "limit", "value", "multiplier"]
    return Section("active bounds and constraints", header, found[:SHOWN], more(found) or ("" if found else "none"))


def entries(point: Point, width: Vector) -> list[tuple[int, float, float, float, float, float, Callable[[int], str]]]:
    """Bounds, then rows: number, limits, value, multiplier, size, and how to name it."""
    own = point.multipliers
    bounds = zip(
        range(point.x.size), point.lower, point.upper, point.x, own.upper - own.lower, width, strict=True
    )  # fmt: skip
    sizes = np.maximum(1.0, abs(point.rows))
    rows = zip(
        range(point.rows.size), point.constraint_lower, point.constraint_upper, point.rows, own.constraints, sizes,
        strict=True,
    )  # fmt: skip
    return [
        (k, *map(float, numbers), name_of)
        for part, name_of in ((bounds, point.variable_name), (rows, point.row_name))
        for k, *numbers in part
    ]


def largest_multipliers(point: Point) -> Section:
    """Of rows, equations included."""
    weights = point.multipliers.constraints
    order = np.argsort(-abs(weights), kind="stable")
    found = [[point.row_name(int(i)), float(weights[i]), float(point.rows[i])] for i in order if abs(weights[i]) > 0.0]
    return Section("largest multipliers", ["constraint", "multiplier", "value"], found[:SHOWN], more(found))


def kinks(point: Point) -> Section:
    """Units of networks whose derivative is about to jump."""
    rows = [[text] for text in point.kinks]
    return Section("kinks near the solution", ["unit"], rows[:SHOWN], more(rows))


def ranges(point: Point) -> Section:
    """Inputs of networks at the edge of the range that they were made for, or beyond."""
    found: list[list[Any]] = []
    nearest, n_inputs = math.inf, 0
    for name, x, lower, upper in point.ranges:
        width = np.where(np.isfinite(upper - lower), upper - lower, np.maximum(1.0, abs(x)))
        distance = np.minimum(x - lower, upper - x) / np.where(width > 0.0, width, 1.0)
        n_inputs += x.size
        nearest = min(nearest, float(distance.min(initial=math.inf)))
        for j in np.flatnonzero(distance <= NEAR_EDGE):
            found.append([f"{name}, input {j}", float(x[j]), float(lower[j]), float(upper[j]), float(distance[j])])
    found.sort(key=lambda row: row[4])
    note = more(found)
    if n_inputs and not found:
        note = f"all {n_inputs} inputs are inside; the nearest edge is {nearest:.2g} of the width away"
    header = ["input", "value", "lower", "upper", "distance over width"]
    return Section("networks' ranges", header, found[:SHOWN], note)


def data(point: Point) -> Section:
    """How far from the data of their networks the inputs are: above 1, farther than any of the data."""
    order = sorted(point.data, key=lambda entry: -max(entry[1:]))
    found = [[*entry, "outside" if max(entry[1:]) > 1.0 + NEAR_EDGE else "inside"] for entry in order]
    header = ["input of", "Mahalanobis distance over the data's", "nearest point over the data's spacing", "where"]
    return Section("networks' data", header, found[:SHOWN], more(found))


def conflicts(point: Point) -> Section:
    """Limits that are violated, and those that hold against them."""
    found = [[*entry] for entry in point.conflicts]
    return Section("limits in conflict", ["name", "violation", "value", "limit"], found[:SHOWN], more(found))


# ---- how it is written


def more(rows: Sequence[Any]) -> str:
    return f"and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""


def shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def aligned(section: Section) -> list[str]:
    """Texts to the left, numbers to the right."""
    lines = [section.header, *([shown(value) for value in row] for row in section.rows)]
    widths_ = [max(len(line[k]) for line in lines) for k in range(len(section.header))]
    is_text = [isinstance(value, str) for value in section.rows[0]]
    return [
        "  " + "  ".join(
            f"{cell:<{width}}" if left else f"{cell:>{width}}"
            for cell, width, left in zip(line, widths_, is_text, strict=True)
        ).rstrip()
        for line in lines
    ]  # fmt: skip


def cells(kind: str, texts: Any) -> str:
    return "".join(f"<{kind}>{html.escape(text)}</{kind}>" for text in texts)


def plain(value: Any) -> Any:
    """As JSON takes it."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value
