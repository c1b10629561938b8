"""Figures as curves, where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Curves = Mapping[str, Sequence[tuple[float, float]]]


@dataclass
class Panel:
    """One pair of logarithmic axes, and the points (x, y) of each curve. `limits` are drawn as dotted lines."""

    title: str
    x_label: str
    y_label: str
    curves: Curves
    limits: Curves = field(default_factory=dict)


def draw(path: Path, panels: list[Panel]) -> bool:
    """One picture with the panels side by side; False where there is no matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 3.6), squeeze=False)
    for axis, panel in zip(axes[0], panels, strict=True):
        for name, points in panel.curves.items():
            axis.loglog(*zip(*sorted(points), strict=True), "o-", label=name)
        for name, points in panel.limits.items():
            axis.loglog(*zip(*sorted(points), strict=True), "k:", label=name)
        axis.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    axes[0][0].legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(f"written: {path}")
    return True
