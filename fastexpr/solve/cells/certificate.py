"""What a point is, of which no crossing leads to a better one: what may be claimed, and why not more.

Where the gradients of all walls that pass through the point, of bounds and of rows are independent (LIKQ: Griewank and
Walther, 2016; with rows: Hegerhorst-Schultchen, Kirches and Steinbach, 2020), the program is, to first order, a sum of
one term for each wall. Then the cells behind each wall alone say everything. Otherwise the cells that meet at the point
are looked at one by one, up to 64.

Signs are those of multipliers from a system of linear equations at the point. Those of an interior-point method do not
do: the multiplier of a weak wall is about the root of its barrier parameter.
"""

from __future__ import annotations

import numpy as np

from fastexpr.solve.cells.blocks import MOST_CELLS, neighbours_of
from fastexpr.solve.cells.curvature import Curvature, stays_inside
from fastexpr.solve.cells.finding import FIRST_ORDER, LOCAL_MINIMUM, NONE, Finding
from fastexpr.solve.cells.junction import Branches, Junction, Walls, is_parallel
from fastexpr.solve.cells.linear_cell import is_piecewise_linear
from fastexpr.solve.cells.linearization import DEPENDENT, Forces, Linearization
from fastexpr.solvers.interior_point import Multipliers

#: What a direction must bring within one width, relative to max(1, |f|), to be a way down; multipliers likewise.
SLOPE = 1e-6

#: So many times that: a way down that is sure to bring something.
STEEP = 100.0

#: Where cells around a point are too many: so many random directions, and how far in widths.
SAMPLES, NEARBY = 256, 1e-5


class Examination:
    """Examines the cells around a point that solves the program in one of them.

    Parameters
    ----------
    junction : Junction
    branches : (n_units,) array
        The cell that the point solves.
    objective : float
        At the point.
    """

    def __init__(self, junction: Junction, branches: Branches, objective: float) -> None:
        self.junction, self.branches = junction, branches
        self.least = SLOPE * junction.program.objective_size(objective)
        self.walls = junction.walls(branches)
        self.leaders = leaders_of(self.walls)
        self.owners: dict[int, int] = {}  # of units that are no leaders: the unit whose wall theirs follow
        self.linear = junction.linearize(branches, self.walls.only(self.leaders))
        self.loose = np.zeros(0, dtype=np.int64)  # variables without bounds: a minimum without them is one with them
        self.is_independent = self.linear.is_independent()
        if not self.is_independent:
            self.loose = self.linear.held_by_equations()
            self.linear = self.linear.without_bounds(self.loose)
            self.is_independent = self.loose.size > 0 and self.linear.is_independent()

    def unfolded(self) -> Branches:
        """The cell, or the one that has all points around where this one has only the point, as relu(x^2) <= 0 has."""
        own, cell = self.branches.tobytes(), self.branches.copy()
        for unit, to, key in self.junction.bent:
            if key == own and stays_inside(self.junction, self.branches, unit, to, -1.0):
                cell[unit] = to
        return cell

    def finding(self) -> Finding:
        """The whole examination."""
        found = self._finding()
        bent = list(self.junction.bent.items())
        if not all(stays_inside(self.junction, cell, unit, to) for (unit, to, _), cell in bent):
            found.bent = sorted({unit for (unit, _, _), _ in bent})
        if found.bent and found.certificate == LOCAL_MINIMUM:
            found.certificate = FIRST_ORDER
            found.reason = "the argument of a kink has no slope here, and curves"
        return found

    def _finding(self) -> Finding:
        if self.is_independent and not self._is_thin():
            found = self._one_by_one()
            if found is not None and not (self.loose.size and found.certificate == NONE):
                return found
        elif not len(self.walls):
            return self._without_walls()
        return self._all_around()

    def multipliers(self) -> Multipliers | None:
        """Of rows and bounds in this cell; None where there is a choice."""
        if not self.is_independent or self._is_thin():
            return None
        return self._in_terms_of_program(self.linear.forces())

    def _linearize(self, cell: Branches, walls: Walls) -> Linearization:
        linear = self.junction.linearize(cell, walls)
        return linear.without_bounds(self.loose) if self.loose.size else linear

    def _is_thin(self) -> bool:
        """Whether the cell is only what is between two walls that are one: a point that began on walls can be there."""
        return bool((self.walls.slopes @ self.walls.slopes.T).min(initial=0.0) < DEPENDENT - 1.0)

    # ---- independent: each wall alone says everything ----------------------------------------------------------------

    def _one_by_one(self) -> Finding | None:
        """None where other walls appear behind a wall: their gradients are not independent of the others'."""
        own = self.linear.forces()
        if not self._has_owners(self.branches, self.walls):
            return None
        held = self.walls.only(self.leaders)
        multipliers = np.zeros(len(self.walls))
        multipliers[self.leaders] = own.walls / held.lengths
        found = Finding(FIRST_ORDER, "", self.walls, np.maximum(multipliers, 0.0))
        found.forces = known = self._in_terms_of_program(own)
        ways: list[tuple[float, int]] = []
        weak = [int(k) for k in np.flatnonzero(own.walls <= self.least)]
        for group in self._groups(held):
            behind = self._behind(group, held)
            if behind is None:
                return None
            cell, walls = behind
            forces = self._linearize(cell, walls).forces(known.constraints)
            back = {k: self._back(walls, held, k) for k in group}
            others = np.delete(forces.walls, list(back.values())).min(initial=np.inf)
            rest = min(float(forces.limits.min(initial=np.inf)), float(others), -forces.residual)
            for k in group:
                multiplier = float(forces.walls[back[k]])
                if min(multiplier, rest) < -self.least:
                    ways.append((min(multiplier, rest), k))
                elif multiplier <= self.least and k not in weak:
                    weak.append(k)
        found.weak = sorted({int(held.units[k]) for k in weak})
        for jumping in np.flatnonzero(self.junction.cells.unit_jumps[held.units]).tolist():
            across = self._behind([jumping], held)  # lower at once, perhaps
            found.better += [] if across is None else [across[0]]
        if ways:
            ways.sort()
            found.certificate, found.reason = NONE, "a way leads down behind a kink"
            found.better = self._across([k for _, k in ways], held)
        elif not self._is_solved(own):
            found.certificate, found.reason = NONE, "the cell's own solution is not exact enough"
        else:
            self._look_at_curvature(found, own, known, held, weak)
        return found

    def _groups(self, held: Walls) -> list[list[int]]:
        """Walls that are crossed together to learn what is behind each alone: with the arguments as coordinates, which
        are independent, everything is a sum of one term for each kinked unit, so that what is behind one wall is the
        same behind the others. Of a unit of max pooling, which may have several walls, one at a time.
        """
        if self.junction.cells.unit_jumps[held.units].any():
            return [[k] for k in range(len(held))]
        groups: list[list[int]] = []
        seen: dict[int, int] = {}
        for k, unit in enumerate(held.units.tolist()):
            number = seen[unit] = seen.get(unit, -1) + 1
            groups += [[]] * (number == len(groups))
            groups[number] = [*groups[number], k]
        return groups

    def _is_solved(self, forces: Forces) -> bool:
        return forces.residual <= self.least and forces.weakest >= -self.least

    def _in_terms_of_program(self, forces: Forces) -> Multipliers:
        rows = np.zeros(self.junction.program.m)
        np.add.at(rows, self.linear.rows, self.linear.factors * np.concatenate([forces.equations, forces.limits]))
        width = self.junction.width
        return Multipliers(rows, forces.lower / width, forces.upper / width)

    def _back(self, walls: Walls, held: Walls, k: int) -> int:
        """Of the walls behind wall k, the one that leads back."""
        unit = held.units[k]
        return int(np.flatnonzero((walls.units == unit) & (walls.to == self.branches[unit]))[0])

    def _behind(self, chosen: list[int], held: Walls) -> tuple[Branches, Walls] | None:
        """The cell behind these walls and its own walls of the same units; the units of others follow."""
        cell = self.branches.copy()
        cell[held.units[chosen]] = held.to[chosen]
        for _ in range(len(self.junction.cells.unit_jumps)):
            walls = self.junction.walls(cell)
            if not self._has_owners(cell, walls):
                return None
            is_held = np.isin(walls.units, held.units)
            own = walls.only(np.flatnonzero(is_held))
            if len(own) != len(held):
                return None
            if is_held.all():
                return cell, own
            inward = np.linalg.lstsq(own.slopes, np.ones(len(own)), rcond=1e-12)[0]
            wrong = np.flatnonzero(~is_held & (walls.slopes @ inward < -DEPENDENT))
            if not wrong.size:
                return cell, own
            ranks, cell = self.junction.cells.unit_ranks[walls.units[wrong]], cell.copy()
            first = wrong[ranks == ranks.min()][::-1]  # no unit's argument depends on another's
            cell[walls.units[first]] = walls.to[first]
        return None

    def _across(self, chosen: list[int], held: Walls) -> list[Branches]:
        """The cells behind all of these walls together, and behind each."""
        sets = [chosen, *([k] for k in chosen)] if len(chosen) > 1 else [chosen]
        if len(held) < len(self.walls):
            return [behind[0] for behind in (self._behind(each, held) for each in sets) if behind is not None]
        cells = []
        for each in sets:  # no other units follow
            cells.append(self.branches.copy())
            cells[-1][held.units[each]] = held.to[each]
        return cells

    def _has_owners(self, cell: Branches, walls: Walls) -> bool:
        """Whether each wall of a unit that is no leader follows one of a leader, the same one in every cell."""
        is_leader = np.isin(walls.units, self.walls.units[self.leaders])
        rest = np.flatnonzero(~is_leader)
        if not rest.size:
            return True
        leaders = np.flatnonzero(is_leader)
        follows = is_parallel(walls.slopes[rest], walls.slopes[leaders])
        for row, unit in zip(follows, walls.units[rest].tolist(), strict=True):
            if row.sum() != 1 or self.owners.setdefault(unit, int(walls.units[leaders][row][0])) != int(
                walls.units[leaders][row][0]
            ):
                return False
        return True

    # ---- not independent ---------------------------------------------------------------------------------------------

    def _without_walls(self) -> Finding:
        """No wall passes through the point; more bounds and rows meet than there are directions."""
        found = Finding(FIRST_ORDER, "", self.walls, np.zeros(0))
        if self.junction.linearize(self.branches, self.walls).way_down()[0] < -self.least:
            found.certificate, found.reason = NONE, "the cell's own solution is not exact enough"
        elif self._is_linear():
            found.certificate = LOCAL_MINIMUM
        else:
            found.reason = "gradients of bounds and rows are not independent, and the cell is curved"
        return found

    def _all_around(self) -> Finding:
        n_kinks = np.unique(self.walls.units).size
        found = Finding(NONE, f"{n_kinks} kinks meet", self.walls, np.zeros(len(self.walls)))
        linear = self.junction.linearize(self.branches, self.walls)
        ways: list[tuple[float, int, Branches]] = []
        is_sharp, is_linear, is_whole = True, self._is_linear(), True
        for neighbour in neighbours_of(self.junction, self.branches, self.walls, linear):
            if neighbour is None:
                is_whole = False
                break
            cell, linear = neighbour
            down = linear.way_down()[0]
            if down < -self.least:
                ways.append((down, len(ways), cell))
            if down < -STEEP * self.least:
                break
            is_sharp = is_sharp and not is_linear and linear.is_sharp(self.least)
        if ways:
            found.reason = "a way leads down where several kinks meet"
            found.better = [cell for _, _, cell in sorted(ways, key=lambda way: way[:2])]
        elif is_whole and (is_linear or is_sharp):
            found.certificate, found.reason = LOCAL_MINIMUM, ""
        elif is_whole:
            found.certificate = FIRST_ORDER
            found.reason = f"{n_kinks} kinks meet whose gradients are not independent, and the cells are curved"
        return found

    # ---- second order ------------------------------------------------------------------------------------------------

    def _is_linear(self) -> bool:
        """Whether the program is linear in every cell: then its structure has no second derivatives at all."""
        return is_piecewise_linear(self.junction.cells)

    def _look_at_curvature(self, found: Finding, own: Forces, known: Multipliers, held: Walls, weak: list[int]) -> None:
        """In the cell itself, and behind all walls that nothing holds to first order."""
        if self._is_linear():
            found.certificate = LOCAL_MINIMUM
            return
        if not self.junction.cells.has_hessian:
            found.reason = "a function of the model has no second derivatives"
            return
        if 2 ** len(weak) > 64:
            found.reason = f"{len(weak)} kinks have no multiplier"
            return
        for number in range(2 ** len(weak)):
            chosen = [k for bit, k in enumerate(weak) if number >> bit & 1]
            behind = self._behind(chosen, held) if chosen else (self.branches, held)
            if behind is None:
                found.reason = "kinks without multipliers meet"
                return
            cell, walls = behind
            is_weak = np.isin(walls.units, held.units[weak])
            linear = self._linearize(cell, walls)
            forces = own if number == 0 else linear.forces(known.constraints)
            curvature = Curvature(self.junction, cell, linear, walls, forces, is_weak, self.least)
            if not curvature.is_passed:
                found.reason = curvature.reason
                found.ways = curvature.ways if number == 0 else []
                if number > 0 and curvature.ways:
                    found.better.append(cell)
                return
        found.certificate = LOCAL_MINIMUM


def sampled_ways_down(junction: Junction, objective: float) -> list[Branches]:
    """Of cells around the point in random directions, those into which a way leads down, the steepest first."""
    rng = np.random.default_rng(0)
    program, least = junction.program, SLOPE * junction.program.objective_size(objective)
    seen: dict[bytes, Branches] = {}
    for _ in range(SAMPLES):
        step = rng.normal(size=junction.x.size)
        step *= NEARBY / abs(step).max() * junction.width
        nearby = np.clip(junction.x + step, program.lower, program.upper)
        cell = junction.cells.branches(nearby)
        seen.setdefault(cell.tobytes(), cell)
    ways = []
    for number, cell in enumerate(list(seen.values())[:MOST_CELLS]):
        down = junction.linearize(cell, junction.walls(cell)).way_down()[0]
        if down < -least:
            ways.append((down, number, cell))
    return [cell for _, _, cell in sorted(ways, key=lambda way: way[:2])]


def leaders_of(walls: Walls) -> list[int]:
    """Of each set of parallel walls, the first."""
    leaders: list[int] = []
    same = is_parallel(walls.slopes, walls.slopes)
    for k in range(len(walls)):
        if not same[k, leaders].any():
            leaders.append(k)
    return leaders
