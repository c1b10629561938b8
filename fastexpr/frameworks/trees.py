"""Decision trees of any library, as one node of the core.

A forest is piecewise constant: its value is exact, its derivatives are 0 wherever they exist.

Some libraries round x to float32 before they compare it. Rounding is monotone, so there is a double for every such test
that splits the doubles in the same way: `at_most_in_single` and `below_in_single` find it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr.expression.node import apply

Numbers = npt.NDArray[np.float64]
AT_MOST = 1  # the core's number for the test x <= threshold


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
    nodes: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
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
        order = list(from_the_root(children))
        first = len(self.nodes)
        place = {node: first + k for k, node in enumerate(order)}
        self.roots.append(first)
        for node in order:
            yes, no = children[node]
            if yes < 0:
                start = len(self.numbers)
                self.targets += [target for target, _ in leaves[node]]
                self.numbers += [number for _, number in leaves[node]]
                self.nodes.append((0, start, len(self.numbers), 0, 0))
                self.thresholds.append(0.0)
            else:
                self.nodes.append((AT_MOST, int(features[node]), place[yes], place[no], 0))
                self.thresholds.append(float(thresholds[node]))

    def of(self, x: Any) -> Any:
        """The sum over all trees, an expression of shape (n_targets,)."""
        constants = [
            np.array(self.nodes, np.int64),
            np.array(self.thresholds, np.float64),
            np.array(self.targets, np.int64),
            np.array(self.numbers, np.float64),
            np.array(self.roots, np.int64),
        ]
        attributes = {"n_targets": self.n_targets, "aggregate": "sum"}
        return apply("TreeEnsemble", [x], attributes, constants)


def from_the_root(children: Sequence[tuple[int, int]]) -> Iterator[int]:
    """All nodes, each before its children."""
    waiting = [0]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in reversed(children[node]) if child >= 0]
