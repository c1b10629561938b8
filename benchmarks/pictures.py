"""Figures as curves, where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Curves = Mapping[str, Sequence[tuple[float, float]]]


@dataclass
class Panel:
    """One pair of logarithmic axes, and the points (x, y) of each curve.

    `limits` are drawn as dotted lines, `laws`, of curves with the same name, too, in their colours.
    """

    title: str
    x_label: str
    y_label: str
    curves: Curves
    limits: Curves = field(default_factory=dict)
    laws: Curves = field(default_factory=dict)


def draw(path: Path, rows: Sequence[Sequence[Panel]]) -> bool:
    """One picture with rows of panels, a colour for each name in all of them; False where there is no matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    n_columns = max(map(len, rows))
    figure, axes = pyplot.subplots(len(rows), n_columns, figsize=(4 * n_columns, 3.6 * len(rows) + 0.3), squeeze=False)
    colours: dict[str, str] = {}
    lines = {}
    for axis in axes.flat:
        axis.set_visible(False)
    for axis, panel in ((axes[i, j], panel) for i, row in enumerate(rows) for j, panel in enumerate(row)):
        axis.set_visible(True)
        for name, points in panel.curves.items():
            colour = colours.setdefault(name, f"C{len(colours)}")
            if points:
                lines[name] = axis.loglog(*zip(*sorted(points), strict=True), "o-", color=colour, markersize=4)[0]
        for name, points in panel.laws.items():
            axis.loglog(*zip(*sorted(points), strict=True), ":", color=colours[name])
        for name, points in panel.limits.items():
            lines[name] = axis.loglog(*zip(*sorted(points), strict=True), "k:")[0]
        axis.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
        axis.grid(alpha=0.3)
    figure.legend(lines.values(), lines.keys(), loc="upper center", ncols=len(lines), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(f"written: {path}")
    return True
