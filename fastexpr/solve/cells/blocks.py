"""The cells that meet in a point, taken apart: as many as the largest block of walls has, not the product of all.

Walls fall into blocks, such that no slope of a block is a combination of others'. With arguments of independent walls
as coordinates, the program is to first order a sum of one term for each block. So a way leads down somewhere around the
point where one does in a list of cells in which each block is in each of its own cells at least once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fastexpr.nlp import Vector
from fastexpr.solve.cells.junction import Branches, Junction, Walls
from fastexpr.solve.cells.linearization import DEPENDENT, Linearization, has_inside

#: So many cells of one block are looked at, and this many times as many steps lead to them.
MOST_CELLS, STEPS = 64, 16

#: Factors of a combination that are less are none; those of a real one that rounding has left are not.
UNRELATED = 1e-8

#: A cell, and the program there to first order.
Neighbour = tuple[Branches, Linearization]
Changes = dict[int, int]  # branches that are others than in the cell of the point


@dataclass
class Block:
    """Walls that have to do with each other: their units, and the cells that these make.

    Units are decided from the first on: the argument of the first one that is still open depends on units that are
    decided, so that its slope is the one it has in all cells that follow.
    """

    units: set[int]
    found: list[Changes] = field(default_factory=list)
    open_ones: list[tuple[Changes, frozenset[int]]] = field(default_factory=lambda: [({}, frozenset())])
    now: Changes = field(default_factory=dict)
    decided: frozenset[int] | None = None  # None: nothing is open

    def begin_step(self) -> None:
        """Takes the next cell that is not decided; one that was found stands for a block without any."""
        self.now, self.decided = self.found[0] if self.found else {}, None
        if self.open_ones:
            self.now, self.decided = self.open_ones.pop()

    def end_step(self, cell: Branches, walls: Walls, places: dict[int, list[int]]) -> None:
        """Decides a unit, by the walls of all blocks in this cell, and where each unit has its own."""
        if self.decided is None:
            return
        own = sorted(k for unit in self.units for k in places.get(unit, ()))
        is_decided = [int(walls.units[k]) in self.decided for k in own]
        if not has_inside(walls.slopes[[k for k, is_done in zip(own, is_decided, strict=True) if is_done]]):
            return
        if all(is_decided):
            self.found.append(self.now)
            return
        unit = int(walls.units[own[is_decided.index(False)]])
        for branch in [int(cell[unit]), *walls.to[places[unit]].tolist()]:
            self.open_ones.append(({**self.now, unit: branch}, self.decided | {unit}))


def neighbours_of(
    junction: Junction, branches: Branches, walls: Walls, linear: Linearization
) -> Iterator[Neighbour | None]:
    """Cells around the point in which every block of walls is in each of its cells; None at last where they are too
    many. One by one, since mostly the first has a way down.

    Parameters
    ----------
    junction : Junction
    branches : (n_units,) array
        The cell of the point.
    walls : Walls
        Of that cell, parallel ones included.
    linear : Linearization
        Of that cell, with all these walls.
    """
    blocks: list[set[int]] | None = merged([{unit} for unit in walls.units.tolist()], linear, walls)
    while blocks is not None:
        blocks = yield from cells_of(junction, branches, [Block(set(units)) for units in blocks])


def cells_of(
    junction: Junction, branches: Branches, blocks: Sequence[Block]
) -> Generator[Neighbour | None, None, list[set[int]] | None]:
    """Returns the blocks where they turn out to be larger: units of other cells depend on them, perhaps on several."""
    known = [block.units for block in blocks]
    n_given = 0
    for _ in range(STEPS * MOST_CELLS):
        for block in blocks:
            block.begin_step()
        cell = composed(branches, [block.now for block in blocks])
        walls = junction.walls(cell)
        places: dict[int, list[int]] = {}
        for k, unit in enumerate(walls.units.tolist()):
            places.setdefault(unit, []).append(k)
        if not places.keys() <= set().union(*known):
            return merged(known, junction.linearize(cell, walls), walls)
        for block in blocks:
            block.end_step(cell, walls, places)
        while all(len(block.found) > n_given or (block.found and not block.open_ones) for block in blocks):
            if n_given == max(len(block.found) for block in blocks):
                return None
            cell = composed(branches, [block.found[min(n_given, len(block.found) - 1)] for block in blocks])
            walls = junction.walls(cell)
            linear = junction.linearize(cell, walls)
            if len(known) > 1 or not set(walls.units.tolist()) <= known[0]:
                joined = merged(known, linear, walls)
                if len(joined) < len(known) or not set(walls.units.tolist()) <= set().union(*known):
                    return joined
            yield cell, linear
            n_given += 1
        if any(len(block.found) > MOST_CELLS or not (block.found or block.open_ones) for block in blocks):
            break
    yield None
    return None


def merged(blocks: Sequence[set[int]], linear: Linearization, walls: Walls) -> list[set[int]]:
    """The blocks, of which those are one whose walls depend on each other in this cell; all are where rows or bounds
    have a part in that. Walls without a slope in cells before are in the block of those that they depend on.
    """
    labels = labels_of(linear)
    if labels is None:
        labels = np.zeros(len(walls), dtype=np.int64)
    members: dict[int, set[int]] = {}
    for label, unit in zip(labels.tolist(), walls.units.tolist(), strict=True):
        members.setdefault(label, set()).add(unit)
    result = {number: set(block) for number, block in enumerate(blocks)}
    places: dict[int, set[int]] = {}  # of each unit: the blocks that have it
    for number, block in result.items():
        for unit in block:
            places.setdefault(unit, set()).add(number)
    for number, label in enumerate(sorted(members), start=len(blocks)):
        touched: set[int] = set().union(*(places.get(unit, set()) for unit in members[label]))
        result[number] = members[label].union(*(result.pop(other) for other in touched))
        places.update({unit: places.get(unit, set()) - touched | {number} for unit in result[number]})
    return list(result.values())


def composed(branches: Branches, changes: Sequence[Changes]) -> Branches:
    """The cell with these changes."""
    cell = branches.copy()
    for part in changes:
        cell[list(part.keys())] = list(part.values())
    return cell


def labels_of(linear: Linearization) -> npt.NDArray[np.int64] | None:
    """(walls,): the same number for walls whose slopes depend on each other; None where rows or bounds have a part in
    that, so that their multipliers may be others in other cells.
    """
    from scipy.linalg import qr, solve_triangular
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows = np.concatenate([linear.equations, linear.limits, linear.walls])
    is_free, n_rows = ~(linear.at_lower | linear.at_upper), len(rows) - len(linear.walls)
    if not is_free.any():
        return None
    triangle, order = qr(rows[:, is_free].T, mode="r", pivoting=True)
    sizes: Vector = abs(np.diagonal(triangle))
    rank = int((sizes > DEPENDENT).sum())
    basis, rest = order[:rank], order[rank:]
    factors = solve_triangular(triangle[:rank, :rank], triangle[:rank, rank:])
    left_over = rows[rest] - factors.T @ rows[basis]
    if abs(left_over).max(initial=0.0) > UNRELATED:
        return None
    one, other = np.nonzero(abs(factors) > UNRELATED)
    graph = coo_matrix((np.ones(one.size), (basis[one], rest[other])), shape=(len(rows), len(rows)))
    labels = connected_components(graph, directed=False)[1].astype(np.int64)
    if np.unique(labels[:n_rows]).size < n_rows or np.isin(labels[n_rows:], labels[:n_rows]).any():
        return None
    result: npt.NDArray[np.int64] = labels[n_rows:]
    return result
