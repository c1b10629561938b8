"""Figures as text: aligned for a terminal, Markdown for the documentation, CSV for other programs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Table:
    """One table.

    Attributes
    ----------
    title : str
        What the figures are, and their unit.
    header : list of str
        The first column's name, then the others'.
    rows : list of list of str
        A label, then a text per column.
    """

    title: str
    header: list[str]
    rows: list[list[str]] = field(default_factory=list)

    def add(self, label: str, *texts: str) -> None:
        """One more row."""
        self.rows.append([label, *texts])

    def text(self, is_markdown: bool) -> str:
        """The whole table."""
        return self._markdown() if is_markdown else self._aligned()

    def _markdown(self) -> str:
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return f"{self.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def _aligned(self) -> str:
        lines = [self.header, *self.rows]
        widths = [2 + max(len(line[column]) for line in lines) for column in range(len(self.header))]
        widths[0] = max(widths[0], 19)
        widths[1:] = [max(width, 12) for width in widths[1:]]
        text = [self.title]
        for first, *rest in lines:
            cells = "".join(f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
            text.append(f"  {first:<{widths[0] - 2}}{cells}")
        return "\n".join(text)


def show(table: Table, is_markdown: bool) -> None:
    """Print it, with an empty line before."""
    print(f"\n{table.text(is_markdown)}", flush=True)


def seconds(value: float | None) -> str:
    """A time to three digits; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if value >= 100 else f"{value:.3g}" if value >= 1e-3 else f"{value:.1e}"


def microseconds(value: float | None) -> str:
    """A time given in seconds, to four digits or a microsecond; a dash where there is none."""
    if value is None:
        return "-"
    return f"{1e6 * value:,.4g}" if value < 1e-2 else f"{1e6 * value:,.0f}"


def ratio(over: float | None, under: float | None) -> str:
    """How many times one is the other."""
    if over is None or under is None or under == 0:
        return "-"
    return f"{over / under:.2f}"


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """One line a row; columns are the keys, in the order in which they turn up."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    print(f"\nwritten: {path}")
