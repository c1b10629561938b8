"""Decision trees of any library, as one node of the core.

A forest is piecewise constant: its value is exact, its derivatives are 0 wherever they exist.

Some libraries round x to float32 before they compare it. Rounding is monotone, so there is a double for every such test
that splits the doubles in the same way: `at_most_in_single` and `below_in_single` find it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from fastexpr.errors import FrameworkError
from fastexpr.expression.node import apply
from fastexpr.frameworks.tree_tables import AT_MOST, LEAF, Leaves, Nodes, tables, visits

Numbers = npt.NDArray[np.float64]


def at_most_in_single(thresholds: Any) -> Numbers:
    """Doubles t such that x <= t for a double x just where float32(x) <= threshold."""
    single = largest_single(np.asarray(thresholds, np.float64))
    return last_that_rounds_to(single)


def below_in_single(thresholds: Any) -> Numbers:
    """Doubles t such that x <= t for a double x just where float32(x) < float32(threshold)."""
    single = np.asarray(thresholds, np.float64).astype(np.float32)
    return last_that_rounds_to(np.nextafter(single, np.float32(-np.inf)))


def largest_single(numbers: Numbers) -> npt.NDArray[np.float32]:
    """The largest float32 that is not above the number."""
    single = numbers.astype(np.float32)
    return np.where(single > numbers, np.nextafter(single, np.float32(-np.inf)), single)


def last_that_rounds_to(single: npt.NDArray[np.float32]) -> Numbers:
    """The largest double that becomes this float32: the middle between it and the next one, where ties go to it, that
    is, where its last bit is 0; else the double before.
    """
    above = np.nextafter(single, np.float32(np.inf))
    middle = (single.astype(np.float64) + above.astype(np.float64)) / 2
    is_even = np.ascontiguousarray(single).view(np.uint32) % 2 == 0
    return np.where(is_even, middle, np.nextafter(middle, -np.inf))


@dataclass
class Forest:
    """Trees under construction.

    Attributes
    ----------
    n_targets : the length of the sum that the trees give
    """

    n_targets: int
    features: list[int] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    children: list[tuple[int, int]] = field(default_factory=list)
    leaves: list[tuple[int, int, float]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)

    def add(
        self,
        features: Sequence[int],
        thresholds: Sequence[float] | Numbers,
        children: Sequence[tuple[int, int]],
        leaves: Sequence[Sequence[tuple[int, float]]],
    ) -> None:
        """One tree, by node: if x[feature] <= threshold, go to its first child, else to the second.

        Parameters
        ----------
        features, thresholds : the test; read where there are children
        children : places of both; (-1, -1) in a leaf
        leaves : (target, number) of a leaf, by ascending target
        """
        first = len(self.children)
        self.roots.append(first)
        for k, (yes, no) in enumerate(children):
            is_leaf = yes < 0
            self.features.append(0 if is_leaf else int(features[k]))
            self.thresholds.append(0.0 if is_leaf else float(thresholds[k]))
            self.children.append((-1, -1) if is_leaf else (first + yes, first + no))
            self.leaves += [(first + k, target, number) for target, number in leaves[k]] if is_leaf else []

    @property
    def tests(self) -> list[tuple[int, float]]:
        """Features and the thresholds that they are compared with."""
        nodes = zip(self.features, self.thresholds, self.children, strict=True)
        return [(feature, threshold) for feature, threshold, (yes, _) in nodes if yes >= 0]

    def of(self, x: Any) -> Any:
        """The sum over all trees, an expression of shape (n_targets,)."""
        following = np.array(self.children, np.int64).reshape(-1, 2)
        n = len(following)
        nodes = Nodes(
            mode=np.where(following[:, 0] < 0, LEAF, AT_MOST),
            feature=np.array(self.features, np.int64),
            goes_yes_on_nan=np.zeros(n, np.int64),
            next=following,
            n_tests=np.ones(n, np.int64),
            thresholds=np.array(self.thresholds, np.float64),
            roots=np.array(self.roots, np.int64),
        )
        columns = zip(*self.leaves, strict=True) if self.leaves else ([], [], [])
        kinds = (np.int64, np.int64, np.float64)
        leaves = Leaves(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))
        seen = visits(nodes, None, lambda k, side: f"node {following[k, side]}", refuse)
        attributes = {"n_targets": self.n_targets, "aggregate": "sum"}
        return apply("TreeEnsemble", [x], attributes, tables(nodes, leaves, seen))


def refuse(what: str) -> NoReturn:
    """A tree that is none."""
    raise FrameworkError(f"[TreeEnsemble] the model {what}")
