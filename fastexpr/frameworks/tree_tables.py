"""The tables of decision trees as the core has them: each tree from its root on, parents before children. Forests have
millions of nodes, so they are laid out all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LEAF, AT_MOST = 0, 1  # among the modes


class Leaves(NamedTuple):
    """What is said at leaves, sorted by node and target, each of which pairs stands once."""

    node: Array
    target: Array
    number: Array


class Nodes(NamedTuple):
    """The nodes of all trees, in any order.

    Attributes
    ----------
    mode : what a node tests, or LEAF
    feature : which number of x
    goes_yes_on_nan : whether a NaN passes the test
    next : (n, 2), the nodes that follow where the test is passed and where it is not; -1 where there is none such
    n_tests : 1, or, where a number is looked for among several, how many these are
    thresholds : of all tests, node by node
    roots : one node for each tree
    """

    mode: Array
    feature: Array
    goes_yes_on_nan: Array
    next: Array
    n_tests: Array
    thresholds: Array
    roots: Array


class Visits(NamedTuple):
    """The nodes as the trees come to them, level by level: each tree has its own visit to a node.

    Attributes
    ----------
    node : which one
    next : (n, 2), the visits that follow
    levels : the first visit of each level, and their number
    """

    node: Array
    next: Array
    levels: list[int]


def visits(
    nodes: Nodes,
    key: Callable[[int], tuple[object, int]] | None,
    name_of_next: Callable[[int, int], str],
    fail: Callable[[str], NoReturn],
) -> Visits:
    """All visits from the roots on. `key` and `name_of_next` are what `fail` calls nodes, and those that follow.
    Without `key`, a tree may come to a node twice.
    """
    n, level, tree = len(nodes.mode), nodes.roots, np.arange(len(nodes.roots))
    found, trees, following, levels = [level], [tree], [], [0]
    count = np.ones(len(nodes.roots), np.int64)
    while level.size and (key is None or count.max() <= n):  # who comes to more nodes than there are comes to one twice
        is_split = nodes.mode[level] != LEAF
        next_nodes = nodes.next[level[is_split]]
        if next_nodes.min(initial=0) < 0:
            row, column = np.argwhere(next_nodes < 0)[0]
            name = name_of_next(int(level[is_split][row]), int(column))
            fail(f"has a tree that leads to {name}, which is not there. Export the model again.")
        levels.append(levels[-1] + len(level))
        n_splits = len(next_nodes)
        visit = np.zeros((len(level), 2), np.int64)
        visit[is_split, 0] = levels[-1] + np.arange(n_splits)
        visit[is_split, 1] = levels[-1] + n_splits + np.arange(n_splits)
        following.append(visit)
        level, tree = next_nodes.T.reshape(-1), np.tile(tree[is_split], 2)
        found.append(level)
        trees.append(tree)
        count += np.bincount(tree, minlength=len(count))
    all_nodes = np.concatenate(found)
    places = np.sort(np.concatenate(trees) * n + all_nodes)
    twice = places[1:][places[1:] == places[:-1]]
    if key is not None and twice.size:
        again = key(int(twice[0] % n))
        fail(f"has a tree that comes to node {again} twice, so it is no tree. Export the model again.")
    return Visits(all_nodes, np.concatenate([*following, np.zeros((0, 2), np.int64)]), levels)


def first_rows(nodes: Nodes, seen: Visits) -> Array:
    """The row of the core's table where each visit begins: what follows where the test is passed comes next."""
    n_tests = nodes.n_tests[seen.node]
    size, spans = n_tests.copy(), list(zip(seen.levels[:-1], seen.levels[1:], strict=True))
    is_split = nodes.mode[seen.node] != LEAF
    splits = [start + np.flatnonzero(is_split[start:stop]) for start, stop in spans]
    for level in reversed(splits):
        size[level] += size[seen.next[level]].sum(axis=1)
    n_trees = len(nodes.roots)
    first = np.zeros(len(size), np.int64)
    first[1:n_trees] = np.cumsum(size[: n_trees - 1])
    for level in splits:
        yes, no = seen.next[level].T
        first[yes] = first[level] + n_tests[level]
        first[no] = first[yes] + size[yes]
    return first


def tables(nodes: Nodes, leaves: Leaves, seen: Visits) -> list[Array]:
    """The core's constants. A node of several tests is as many rows, each of which leads to the next where it fails."""
    first = first_rows(nodes, seen)
    order = np.argsort(first)  # visits as rows
    of_row = np.repeat(order, nodes.n_tests[seen.node[order]])
    row = np.arange(len(of_row))
    k = seen.node[of_row]
    is_leaf = nodes.mode[k] == LEAF
    step = row - first[of_row]
    nowhere = np.searchsorted(leaves.node, 0)  # leaves of nodes that are not there come first
    ends = np.append(nowhere, nowhere + np.cumsum(np.bincount(leaves.node[nowhere:], minlength=len(nodes.mode))))
    start, stop = ends[k], ends[k + 1]
    n_numbers = np.where(is_leaf, stop - start, 0)
    end = np.cumsum(n_numbers)
    taken = np.repeat(start - (end - n_numbers), n_numbers) + np.arange(n_numbers.sum())
    yes, no = first[seen.next[of_row]].T
    no = np.where(step < nodes.n_tests[k] - 1, row + 1, no)
    columns: list[tuple[Array, Any]] = [(nodes.mode[k], 0), (nodes.feature[k], end - n_numbers), (yes, end), (no, 0)]
    columns.append((nodes.goes_yes_on_nan[k].astype(bool), 0))
    threshold = np.cumsum(nodes.n_tests)[k] - nodes.n_tests[k] + step
    return [
        np.stack([np.where(is_leaf, at_leaf, at_split) for at_split, at_leaf in columns], axis=1).astype(np.int64),
        np.where(is_leaf, 0.0, nodes.thresholds[threshold]),
        leaves.target[taken],
        leaves.number[taken],
        first[: len(nodes.roots)],
    ]
