"""Bounds of outputs and of every layer over boxes of x, by intervals, by lines, or by linear programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.bounds.boxes import Boxes, boxes_of

Array = npt.NDArray[np.float64]

METHODS = ("interval", "linear", "lp")
MOST_WORK = 2e9  # multiplications for linear bounds that nobody asked for by name: about a second
VISIT = 50  # what it costs to go through one node, in multiplications


@dataclass(frozen=True, eq=False)
class LayerBounds:
    """Bounds of the output units of one node of a network."""

    index: int  # the node's number; 0 is x itself
    node: str  # its label
    operator: str
    shape: tuple[int, ...]
    lower: Array  # (units,), or (boxes, units)
    upper: Array
    undecided: Any  # int, or (boxes,): units whose argument may be on either side of a kink

    def __repr__(self) -> str:
        return f"LayerBounds({self.operator} {self.node!r} {self.shape}, undecided={self.undecided})"


def output_bounds(
    self: Function, lower: Any = None, upper: Any = None, method: str | None = None
) -> tuple[Array, Array]:
    """Bounds of every output for x in a box, or in many: what the network cannot leave.

    Parameters
    ----------
    lower, upper : array_like or dict, optional
        (n,) or scalars; infinite ends are fine; (B, n) for B boxes at once; both sides in `lower` as pairs or
        ``{name: (low, high)}``. Without them the range kept with the network (`with_bounds`).
    method : {"interval", "linear", "lp"}, optional
        "interval" is the cheapest and loosest. "linear" finds an affine function below and one above every unit,
        layer after layer (CROWN, DeepPoly); never looser than intervals. "lp" solves a linear program for each
        undecided unit of a ReLU and each output, with HiGHS (``pip install 'fastexpr[milp]'``): worth it where more
        than half of the units are undecided. By default "linear" where that takes seconds at most, else "interval".

    Returns
    -------
    lower, upper : ndarray
        (m,) each, or (B, m): f(x) lies between them for every x in the box, in exact arithmetic: rounding is
        accounted for. Infinite where a NaN may occur somewhere in the box, in what the output is computed from: the
        logarithm of [-1, 1] has no bounds, and neither has a comparison with it.

    Raises
    ------
    ValueError
        No range is given and none is kept, lower > upper, another method.
    fastexpr.errors.ShapeError
        A wrong length, or different numbers of boxes.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> f = fx.Function(x, np.maximum(x[0] - x[1], 0.0) - np.maximum(x[0] + 1.0, 0.0))
    >>> low, high = f.output_bounds(-1.0, 1.0)
    >>> print(low.round(6), high.round(6))
    [-2.] [1.]
    """
    boxes = boxes_of(self, lower, upper)
    way = method_of(self, boxes, method)
    if way == "lp":
        from fastexpr.bounds.linear_programs import bounds_by_programs

        low, high, _ = bounds_by_programs(self, boxes)
    else:
        low, high = self._output_bounds(boxes.lower, boxes.upper, way)
    return boxes.as_given(low), boxes.as_given(high)


def bounds_by_layer(
    self: Function, lower: Any = None, upper: Any = None, method: str | None = None
) -> list[LayerBounds]:
    """Bounds of the units of every node that depends on x, from the first to the last.

    Parameters
    ----------
    lower, upper, method
        As those of `output_bounds`.

    Returns
    -------
    list of LayerBounds
        Each with the node's number, label, operator and shape, `lower` and `upper` of its units in C order, (units,)
        or (B, units), and `undecided`: how many units may be on either side of a kink of theirs (a ReLU whose argument
        has either sign), an int or (B,).

    Raises
    ------
    ValueError, fastexpr.errors.ShapeError
        As `output_bounds`.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(2)
    >>> f = fx.Function(x, np.maximum(x + 0.5, 0.0).sum())
    >>> f.bounds_by_layer([-1.0, 0.0], [1.0, 1.0])[1]
    LayerBounds(Relu 'Relu_...' (2,), undecided=1)
    """
    boxes = boxes_of(self, lower, upper)
    way = method_of(self, boxes, method)
    if way == "lp":
        from fastexpr.bounds.linear_programs import bounds_by_programs

        _, _, (low, high) = bounds_by_programs(self, boxes)
    else:
        low, high = self._node_bounds(boxes.lower, boxes.upper, way)
    return list(layers_of(self, boxes, low, high))


def method_of(function: Function, boxes: Boxes, method: str | None) -> str:
    """The method, or the one that fits.

    Raises
    ------
    ValueError
        There is no such method.
    """
    if method is None:
        return "linear" if boxes.are_finite and linear_work(function) * len(boxes.lower) < MOST_WORK else "interval"
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, expected one of {', '.join(map(repr, METHODS))}, or None.")
    return method


def linear_work(function: Function) -> float:
    """Multiplications of linear bounds on one box, about: a pass back from every layer."""
    total = before = 0.0
    for core, _, _ in function._nodes():
        before += core.work + VISIT
        total += 2.0 * float(np.prod(core.shape)) * before
    return total


def layers_of(function: Function, boxes: Boxes, low: Array, high: Array) -> Iterator[LayerBounds]:
    """The bounds of all nodes, one after the other in (boxes, units), as layers."""
    nodes = function._nodes()
    found: dict[int, tuple[Array, Array]] = {0: (boxes.lower, boxes.upper)}
    first = 0
    for index, (core, inputs, label) in enumerate(nodes, start=1):
        if not any(node in found for node in inputs):
            continue  # does not depend on x
        last = first + int(np.prod(core.shape))
        found[index] = low[:, first:last], high[:, first:last]
        first = last
        arguments = [found.get(node) or constant_of(nodes[node - 1][0], len(low)) for node in inputs]
        undecided = undecided_of(core, arguments, len(low))
        yield LayerBounds(
            index,
            label,
            core.name,
            tuple(core.shape),
            boxes.as_given(found[index][0]),
            boxes.as_given(found[index][1]),
            undecided if boxes.is_batch else int(undecided[0]),
        )


def constant_of(core: Any, count: int) -> tuple[Array, Array] | None:
    """The numbers of a node that does not depend on x, for every box; None where they would have to be computed."""
    if core.name != "Constant":
        return None
    numbers = np.broadcast_to(
        np.asarray(core.constants[0], dtype=np.float64).reshape(-1), (count, int(np.prod(core.shape)))
    )
    return numbers, numbers


def undecided_of(core: Any, inputs: list[tuple[Array, Array] | None], count: int) -> npt.NDArray[np.int64]:
    """Units, (boxes,), with a kink strictly inside the bounds of their argument; of two inputs, of the difference."""
    undecided = np.zeros(count, dtype=np.int64)
    n_read = 2 if core.has_kink_in_difference else 1
    if not core.kinks or any(entry is None for entry in inputs[:n_read]):
        return undecided
    sides = [
        [spread(side, tuple(shape), tuple(core.shape)) for side in entry]
        for entry, shape in zip(inputs[:n_read], core.input_shapes[:n_read], strict=True)
        if entry is not None
    ]
    low, high = sides[0] if len(sides) == 1 else (sides[0][0] - sides[1][1], sides[0][1] - sides[1][0])
    kinks = np.asarray(core.kinks)
    inside = ((low[..., np.newaxis] < kinks) & (kinks < high[..., np.newaxis])).any(axis=-1)
    return np.asarray(inside.reshape(count, -1).sum(axis=1), dtype=np.int64)


def spread(side: Array, shape: tuple[int, ...], whole: tuple[int, ...]) -> Array:
    """(boxes, units of an input) as the units of the output see them, (boxes, ...)."""
    lead = (1,) * (len(whole) - len(shape))
    return np.broadcast_to(side.reshape(len(side), *lead, *shape), (len(side), *whole))
