"""Decision trees: a variable for each leaf that can be reached, of which one is 1, and the binaries of `cuts`.

In a tree, the leaves that lie left of a cut are chosen only where x is, and so are those right of it:

    sum of z_l over leaves left of the cut <= y,    sum of z_l over leaves right of it <= 1 - y

for each cut that the tree knows: tighter than a row for each split (Mišić, "Optimization of tree ensembles", 2020).
The z are continuous: where the y are whole, one leaf of every tree is left.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from fastexpr.errors import FormulationError
from fastexpr.formulations.affine import Affine, Array, Indices, constants, entries, joined
from fastexpr.formulations.cuts import Cuts, add_cuts
from fastexpr.formulations.maximum import larger
from fastexpr.formulations.registry import BoundedNode, emitter
from fastexpr.formulations.tree_boxes import Boxes, boxes_of, inner_cuts


@emitter("TreeEnsemble")
def trees(builder: Any, node: BoundedNode, inputs: list[Affine]) -> Affine:
    """The sum, mean, least or largest of what the trees say, row by row."""
    operator, n_features = node.operator, node.operator.input_shapes[0][-1]
    low, high = builder.bounds[0]
    outputs = []
    for row in range(math.prod(operator.input_shapes[0][:-1])):
        here = np.arange(row * n_features, (row + 1) * n_features)
        features = builder.known_cuts.get((node.inputs[0], row))
        if features is None:
            features = cuts_of_features(builder, node, inputs[0].taken(here), low[here], high[here], here[0])
            builder.known_cuts[node.inputs[0], row] = features
        boxes = boxes_of(operator, features, low[here], high[here])
        z = leaf_columns(builder, node, boxes, features)
        outputs.append(aggregated(builder, node, boxes, z))
    return joined(outputs)


def cuts_of_features(
    builder: Any, node: BoundedNode, x: Affine, low: Array, high: Array, first: int
) -> dict[int, Cuts]:
    """Binaries for all cuts inside the bounds, of all ensembles that read these features, the input's units on."""
    numbers: dict[int, list[Array]] = {}
    for operator in builder.tree_readers[node.inputs[0]]:
        for feature, cuts in inner_cuts(operator, low, high).items():
            numbers.setdefault(feature, []).append(cuts)
    is_whole = builder.whole_units(x)
    return {
        feature: add_cuts(
            builder,
            node,
            x.taken([feature]),
            np.concatenate(found),
            (low[feature], high[feature]),
            is_whole[feature],
            (node.inputs[0], first + feature),
        )
        for feature, found in sorted(numbers.items())
    }


def leaf_columns(builder: Any, node: BoundedNode, boxes: Boxes, features: dict[int, Cuts]) -> Indices:
    """A column for each leaf, and the rows that tie them to the cuts; -1 for a leaf that is its tree's only one."""
    algebra, n_trees = builder.algebra, len(node.operator.constants[4])
    counts = np.bincount(boxes.trees, minlength=n_trees)
    builder.counts.units += n_trees
    builder.counts.stable += int((counts == 1).sum())
    if not counts.all():
        raise FormulationError(
            f"{node} no leaf of a tree can be reached: the thresholds are too near to each other. What to do: wider "
            "bounds of the inputs."
        )
    counts[boxes.trees[boxes.leaf]] += 1  # a leaf with limits is none that is always chosen
    is_open = counts[boxes.trees] > 1
    z = np.full(boxes.trees.size, -1)
    z[is_open] = algebra.add_columns(np.zeros(is_open.sum()), np.ones(is_open.sum()))
    builder.leaves.append(z[is_open])
    rows = np.cumsum(counts > 1)[boxes.trees[is_open]] - 1
    n_rows = int((counts > 1).sum())
    algebra.add_rows(1.0, entries(n_rows, algebra.n_columns, rows, z[is_open]), 1.0)
    if features:
        add_sides(builder, boxes, z, features)
    algebra.fillers.append(functools.partial(fill_leaves, boxes, features, z))
    return z


def add_sides(builder: Any, boxes: Boxes, z: Indices, features: dict[int, Cuts]) -> None:
    """For each tree and each cut that it knows: leaves left of it, and leaves right of it."""
    width = max(features) + 1
    size = np.zeros(width, np.int64)
    for k, cuts in features.items():
        size[k] = cuts.first.size
    offset = np.concatenate([[0], np.cumsum(size)])
    y = np.concatenate([features[k].columns if k in features else np.zeros(0, np.int64) for k in range(width)])
    key = boxes.trees[boxes.leaf] * width + boxes.feature
    order = np.argsort(key, kind="stable")
    key, leaf = key[order], boxes.leaf[order]
    first, last, feature = boxes.first[order], boxes.last[order], boxes.feature[order]
    n_cuts = int(size.max()) + 1
    is_below, is_above = last < size[feature], first > 0
    ends = np.concatenate([(key * n_cuts + last)[is_below], (key * n_cuts + first - 1)[is_above]])
    known = np.column_stack(np.divmod(np.unique(ends), n_cuts))  # a tree and a feature; a cut
    begin, stop = np.searchsorted(key, known[:, 0], "left"), np.searchsorted(key, known[:, 0], "right")
    row = np.repeat(np.arange(len(known)), stop - begin)
    place = np.arange(row.size) - np.repeat(np.cumsum(stop - begin) - (stop - begin), stop - begin) + begin[row]
    cut = y[offset[known[:, 0] % width] + known[:, 1]]
    for is_member, factor, limit in (
        (last[place] <= known[row, 1], -1.0, 0.0),  # left of the cut
        (first[place] > known[row, 1], 1.0, 1.0),
    ):
        members = np.flatnonzero(is_member)
        is_new = np.diff(row[members], prepend=-1) > 0  # they ascend
        kept, places = row[members][is_new], np.cumsum(is_new) - 1
        body = entries(
            kept.size,
            builder.algebra.n_columns,
            np.concatenate([places, np.arange(kept.size)]),
            np.concatenate([z[leaf[place[members]]], cut[kept]]),
            np.concatenate([np.ones(members.size), np.full(kept.size, factor)]),
        )
        builder.algebra.add_rows(-np.inf, body, limit)


def fill_leaves(boxes: Boxes, features: dict[int, Cuts], columns: Indices, values: Array) -> None:
    """1 for the leaves whose box holds the point."""
    interval = np.zeros(max(features, default=0) + 1, np.int64)
    for feature, cuts in features.items():
        interval[feature] = cuts.interval_of(cuts.x.at(values)[0])
    at = interval[boxes.feature]
    is_outside = np.zeros(columns.size, bool)
    is_outside[boxes.leaf[(at < boxes.first) | (at > boxes.last)]] = True
    has_column = columns >= 0
    values[columns[has_column]] = ~is_outside[has_column]


# ---- what the leaves say


def aggregated(builder: Any, node: BoundedNode, boxes: Boxes, z: Indices) -> Affine:
    """What all trees say together."""
    operator = node.operator
    aggregate, n_targets, n_trees = (
        operator.attributes["aggregate"], operator.attributes["n_targets"], len(operator.constants[4]),
    )  # fmt: skip
    table = operator.constants[0]
    count = table[boxes.places, 2] - table[boxes.places, 1]
    leaf = np.repeat(np.arange(count.size), count)
    entry = np.arange(leaf.size) - np.repeat(np.cumsum(count) - count, count) + table[boxes.places, 1][leaf]
    target = operator.constants[2][entry]
    number = operator.constants[3][entry].astype(np.float64)
    if aggregate in ("sum", "mean"):
        factor = 1.0 / n_trees if aggregate == "mean" else 1.0
        return of_leaves(builder, z, n_targets, leaf, target, factor * number)
    # One row for each tree and target: the larger of them two by two.
    sign = 1.0 if aggregate == "max" else -1.0
    rows = boxes.trees[leaf] * n_targets + target
    said = np.zeros((boxes.trees.size, n_targets), bool)
    said[leaf, target] = True
    neutral = np.full(n_targets, np.inf)  # never wins, but where all trees are silent
    np.minimum.at(neutral, target, sign * number)
    neutral[np.isinf(neutral)] = 0.0
    silent_leaf, silent_target = np.nonzero(~said)
    silent_rows = boxes.trees[silent_leaf] * n_targets + silent_target
    value = of_leaves(
        builder, z, n_trees * n_targets, np.concatenate([leaf, silent_leaf]), np.concatenate([rows, silent_rows]),
        np.concatenate([sign * number, neutral[silent_target]]),
    )  # fmt: skip
    silence = of_leaves(builder, z, n_trees * n_targets, silent_leaf, silent_rows, np.ones(silent_leaf.size))
    low, high = builder.box(value)
    units = np.arange(n_trees * n_targets).reshape(n_trees, n_targets)
    found = [(value.taken(units[k]), (low[units[k]], high[units[k]])) for k in range(n_trees)]
    while len(found) > 1:
        rest = found[len(found) // 2 * 2 :]
        found = [larger(builder, node, *found[k : k + 2]) for k in range(0, len(found) - 1, 2)] + rest
    return (found[0][0] + all_silent(builder, [silence.taken(part) for part in units], neutral)).scaled(sign)


def of_leaves(builder: Any, z: Indices, size: int, leaf: Indices, rows: Indices, numbers: Array) -> Affine:
    """Sums over leaves; those without a column are always chosen."""
    has_column = z[leaf] >= 0
    constant = np.zeros(size)
    np.add.at(constant, rows[~has_column], numbers[~has_column])
    width = builder.algebra.n_columns
    return entries(size, width, rows[has_column], z[leaf[has_column]], numbers[has_column]) + constant


def all_silent(builder: Any, silences: list[Affine], neutral: Array) -> Affine:
    """What is added where no tree says anything about a target: 0 in place of the neutral number."""
    total = functools.reduce(lambda a, b: a + b, silences)
    can_be = np.logical_and.reduce([(part.lengths > 0) | (part.constant > 0.5) for part in silences]) & (neutral != 0)
    targets = np.flatnonzero(can_be)
    if not targets.size:
        return constants(np.zeros(neutral.size))
    algebra = builder.algebra
    s = algebra.add_columns(np.zeros(targets.size), np.ones(targets.size))
    own = entries(targets.size, algebra.n_columns, np.arange(targets.size), s)
    for part in silences:
        algebra.add_rows(0.0, part.taken(targets) - own, np.inf)
    algebra.add_rows(-np.inf, total.taken(targets) - own, len(silences) - 1.0)
    algebra.fillers.append(functools.partial(fill_silence, total.taken(targets), len(silences), s))
    return entries(neutral.size, algebra.n_columns, targets, s, -neutral[targets])


def fill_silence(total: Affine, n_trees: int, columns: Indices, values: Array) -> None:
    """Whether all trees are silent."""
    values[columns] = total.at(values) > n_trees - 0.5
