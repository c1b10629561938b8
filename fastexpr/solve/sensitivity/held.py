"""A solution on kinks as that of a smooth program, in which the kinks that hold it are equations.

Where the gradients of walls, rows and bounds at it are independent, and every wall presses from both sides, a solution
stays on these walls while parameters change a little, and which of the cells that meet there is looked at is no matter.
Elsewhere it has derivatives of one side at most: degenerate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastexpr.errors import ModelError
from fastexpr.nlp import Indices, Nlp, Vector
from fastexpr.solve.cells.cell_program import cell_program
from fastexpr.solve.cells.certificate import Examination
from fastexpr.solve.cells.finding import NONE, Finding
from fastexpr.solve.cells.junction import MET, Branches, Junction, Walls, abs_of
from fastexpr.solve.cells.kinks import NAMED, unit_name
from fastexpr.solve.cells.linear_program import solve_linear
from fastexpr.solve.sensitivity.conditions import Matrix
from fastexpr.solvers.interior_point import Multipliers
from fastexpr.solvers.verification import Measure

#: How far, relative to a probe, from the point its cell is looked for.
NEARBY = 1e-2

#: What multipliers may leave of the gradient, in widths and relative to the objective's size.
STATIONARY = 1e-6

WHAT_TO_DO = "What to do: differences of solves, or net.smoothed()."


@dataclass
class Held:
    """The smooth program.

    Attributes
    ----------
    nlp : Nlp
        In one cell; behind its own rows those of the walls, as equations.
    multipliers : Multipliers
        Of all that.
    program : Nlp
        The one with kinks.
    """

    nlp: Nlp
    multipliers: Multipliers
    program: Nlp
    _branches: Branches
    _walls: Walls

    @property
    def n_walls(self) -> int:
        return len(self._walls)

    def frozen(self, functions: Any) -> Any:
        """The same cell and walls of functions with more variables."""
        cells = functions.cells()
        if cells.n_units != len(self._branches):
            raise ModelError(f"[Sensitivity] parameters decide which kinks there are. {WHAT_TO_DO}")
        cells.freeze(self._branches)
        cells.choose(self._walls.units, self._walls.to)
        return cells

    def require_held(self, functions: Any, point: Vector, motion: Matrix) -> None:
        """That no wall through the point, of these functions, leaves it.

        Raises
        ------
        fastexpr.errors.ModelError
            One does: two that are one only now, or one that parameters alone have put there.
        """
        units, to, arguments = functions.walls(point)
        starts, columns, entries = functions.wall_gradients(point, units, to)
        rows = np.repeat(np.arange(units.size), np.diff(starts))
        size, moved = np.zeros(units.size), np.zeros((units.size, motion.shape[1]))
        np.maximum.at(size, rows, abs(entries) * np.maximum(1.0, abs(point[columns])))
        np.add.at(moved, rows, entries[:, None] * motion[columns])
        is_met = (abs(arguments) <= MET * size) & (size > 0.0)
        speed = size[:, None] * np.maximum(1.0, abs(motion).max(initial=0.0))
        leaves = is_met & (abs(moved) > 1e-6 * speed).any(axis=1)
        if leaves.any():
            name = unit_name(self.nlp, functions, int(units[np.flatnonzero(leaves)[0]]))
            raise ModelError(
                f"[Sensitivity] there are no derivatives at a degenerate solution: {name} is at its kink, and "
                f"does not stay there. {WHAT_TO_DO}"
            )


def held(nlp: Nlp, x: Vector, multipliers: Multipliers) -> Held | None:
    """None for a program without kinks.

    Raises
    ------
    fastexpr.errors.ModelError
        The solution is degenerate, or none.
    """
    if not getattr(nlp.functions, "has_kinks", False):
        return None
    cells = nlp.functions.cells()  # type: ignore[attr-defined]
    junction = Junction(nlp, cells, x)
    branches = cells.branches(x + NEARBY * (junction._probe - x))
    walls = junction.walls(branches)
    weights = np.zeros(0)
    if len(walls):
        examination = Examination(junction, branches, nlp.objective(x))
        finding = examination.finding()
        require_regular(nlp, cells, finding)
        assert finding.forces is not None
        multipliers = replace(finding.forces, found_with=multipliers.found_with)
        walls, weights = walls.only(examination.leaders), -finding.multipliers[examination.leaders]
    else:
        multipliers = known(nlp, x, multipliers)
    cells.freeze(branches)
    cells.choose(walls.units, walls.to)
    program = cell_program(nlp, cells, len(walls), x)
    program.constraint_upper[nlp.m :] = 0.0
    multipliers = replace(multipliers, constraints=np.append(multipliers.constraints, weights))
    return Held(program, multipliers, nlp, branches, walls)


def require_regular(nlp: Nlp, cells: Any, finding: Finding) -> None:
    """That the solution is one, and stays on its kinks."""
    units = finding.weak or finding.bent or finding.walls.units.tolist()
    where = ", ".join(list(dict.fromkeys(unit_name(nlp, cells, unit) for unit in units))[:NAMED])
    if finding.certificate == NONE and finding.forces is not None:
        raise ModelError(f"[Sensitivity] derivatives are those of a solution: {finding.reason}. {WHAT_TO_DO}")
    if finding.forces is None:
        what = f"kinks meet whose gradients depend on each other or on those of limits and bounds ({where})"
    elif finding.weak:
        what = f"nothing presses it onto a kink from one side ({where})"
    elif finding.bent:
        what = f"the argument of a kink has no slope ({where})"
    else:
        return
    raise ModelError(f"[Sensitivity] there are no derivatives at a degenerate solution: {what}. {WHAT_TO_DO}")


# ---- multipliers


def known(nlp: Nlp, x: Vector, multipliers: Multipliers) -> Multipliers:
    """Of a solution that came without: those that leave nothing of the gradient, at least 0 where they push one way.

    Raises
    ------
    fastexpr.errors.ModelError
        There are none: the point is no solution, with integers where they are.
    """
    import scipy.sparse as sparse

    if np.isfinite(np.concatenate([multipliers.constraints, multipliers.lower, multipliers.upper])).all():
        return multipliers
    measure = Measure(nlp, x)
    width, size, values = measure.width, measure.row_size, measure.values
    slopes = sparse.csr_matrix((measure.slopes, (nlp.jacobian_rows, nlp.jacobian_columns)), shape=(nlp.m, nlp.n))
    sides = [nlp.constraint_lower, nlp.constraint_upper]
    at_low, at_high = (abs(values - side) <= MET * np.maximum(size, abs_of(side)) for side in sides)
    at_lower, at_upper = x - nlp.lower <= MET * width, nlp.upper - x <= MET * width
    # gradient = J' (-w) + lower - upper, all in widths; a multiplier of either sign where both sides are met
    columns = sparse.hstack([slopes.T, sparse.eye(nlp.n)]).T.tocsr() @ sparse.diags(width)
    is_low, is_high = np.append(at_low, at_lower), np.append(at_high, at_upper)
    low, high = np.where(is_high, -np.inf, 0.0), np.where(is_low, np.inf, 0.0)
    least, gradient = STATIONARY * measure.objective_size, measure.gradient * width
    found = solve_linear(np.zeros(low.size), columns.T.toarray(), gradient - least, gradient + least, low, high)
    if found is None:
        raise ModelError(
            "[Sensitivity] there are no multipliers at this point: with integers fixed it is no solution that is exact "
            f"enough, or it is on kinks. {WHAT_TO_DO}"
        )
    pushes = found.x[nlp.m :]
    return Multipliers(-found.x[: nlp.m], np.maximum(pushes, 0.0), np.maximum(-pushes, 0.0))


def fixed(nlp: Nlp, x: Vector, places: Indices) -> Vector:
    """The point with these variables at whole numbers, where their bounds are from here on."""
    x = x.copy()
    x[places] = np.round(x[places])
    nlp.lower, nlp.upper = nlp.lower.copy(), nlp.upper.copy()
    nlp.lower[places] = nlp.upper[places] = x[places]
    return x
