"""What a formulation consists of, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fastexpr.formulations.affine import Array


@dataclass(frozen=True)
class Summary:
    """What was taken for one network.

    Attributes
    ----------
    formulation : str
    units : int
        Units that are not affine: ReLUs, tanhs, trees.
    stable : int
        Those of them that are affine over the inputs' box, and cost no binary.
    columns, binaries, rows, nonzeros : int
        Of the algebra, inputs and outputs included; 0 where the network stays a function.
    pairs : int
        SOS constraints of type 1.
    functions : int
        Equations that are not linear.
    widths : (least, median, largest)
        Of the bounds of the arguments of those units that are not stable; (0, 0, 0) where there are none.
    notes : tuple of str
        What else one should know: a dropped softmax, cells that were left out.
    """

    formulation: str
    units: int = 0
    stable: int = 0
    columns: int = 0
    binaries: int = 0
    rows: int = 0
    nonzeros: int = 0
    pairs: int = 0
    functions: int = 0
    widths: tuple[float, float, float] = (0.0, 0.0, 0.0)
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        lines = [
            f"formulation {self.formulation}",
            f"{self.units} units that are not affine, {self.stable} of them stable",
        ]
        if self.formulation not in ("external", "reduced-space"):
            lines.append(
                f"{self.columns} columns, {self.binaries} of them binary; {self.rows} rows, {self.nonzeros} nonzeros; "
                f"{self.pairs} SOS1 pairs; {self.functions} functions"
            )
        if self.widths[2]:
            lines.append(
                f"bounds of arguments are {self.widths[0]:.3g} to {self.widths[2]:.3g} wide, "
                f"{self.widths[1]:.3g} in the middle"
            )
        return "\n".join([*lines, *self.notes])


def summary_of_widths(parts: list[Array]) -> tuple[float, float, float]:
    """The least, the median, the largest."""
    joined = np.concatenate(parts) if parts else np.zeros(0)
    if not joined.size:
        return 0.0, 0.0, 0.0
    return float(joined.min()), float(np.median(joined)), float(joined.max())
