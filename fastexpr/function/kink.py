"""How near a point is to places where the derivative jumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function, Operator
from fastexpr.function.arguments import one_point


@dataclass(frozen=True)
class Kink:
    """A unit of the network and the argument at which its derivative jumps."""

    node: str  # label
    operator: str
    unit: tuple[int, ...]  # index into the node's output
    argument: float  # of the operator, at x; of one that compares two inputs (Max), their difference
    kink: float  # the argument at which the derivative jumps
    distance: float  # |argument - kink|

    def __str__(self) -> str:
        unit = ", ".join(map(str, self.unit))
        where = f"{self.operator} {self.node!r} unit [{unit}]"
        return f"{where}: argument {self.argument:.6g}, kink at {self.kink:g}, distance {self.distance:.3g}"

    __repr__ = __str__


def kinks(self: Function, x: npt.ArrayLike, count: int | None = 20) -> list[Kink]:
    """The units whose argument at x is nearest to a kink (0 of a ReLU), nearest first.

    At a kink itself the derivative is a convention (that of ReLU is 0 there); just beside it, a small step changes it.

    Parameters
    ----------
    x : array_like
        One point, as the function itself takes it.
    count : int, optional
        At most so many are returned; None for all.

    Returns
    -------
    list of Kink
        Empty for a smooth function.

    Raises
    ------
    TypeError, ValueError, fastexpr.errors.ShapeError
        x is no point of the function.

    Examples
    --------
    >>> import numpy as np, fastexpr as fx
    >>> x = fx.variables(3)
    >>> f = fx.Function(x, np.maximum(x, 0.0).sum())
    >>> f.kinks([1.0, 0.1, -5.0], count=1)
    [Relu 'Relu_1' unit [1]: argument 0.1, kink at 0, distance 0.1]
    """
    point = one_point(self, x, "kinks")
    nodes = self._nodes()
    kinked = [(core, inputs, label) for core, inputs, label in nodes if core.kinks]
    if not kinked:
        return []
    values = values_of_nodes(self, [node for _, inputs, _ in kinked for node in inputs])(point)
    found: list[tuple[float, float, float, int, int]] = []
    begin = 0
    for which, (core, _, _) in enumerate(kinked):
        parts = []
        for shape in core.input_shapes:
            size = int(np.prod(shape))
            parts.append(values[begin : begin + size].reshape(shape))
            begin += size
        argument = parts[0] - parts[1] if core.has_kink_in_difference else parts[0]
        found += nearest_units(core, np.broadcast_to(argument, core.shape).reshape(-1), which, count)
    found.sort()
    return [
        Kink(label, core.name, tuple(int(i) for i in np.unravel_index(unit, core.shape)), argument, kink, distance)
        for distance, argument, kink, which, unit in found[:count]
        for core, _, label in [kinked[which]]
    ]


def nearest_units(
    core: Operator, arguments: npt.NDArray[np.float64], which: int, count: int | None
) -> list[tuple[float, float, float, int, int]]:
    """(distance, argument, kink, which, unit) of one node's units, the nearest `count` of them."""
    positions = np.asarray(core.kinks, dtype=np.float64)
    distances = np.abs(arguments[:, np.newaxis] - positions)
    nearest = distances.argmin(axis=1)
    distance = distances[np.arange(arguments.size), nearest]
    order = np.argsort(distance, kind="stable")[:count]
    return [(float(distance[u]), float(arguments[u]), float(positions[nearest[u]]), which, int(u)) for u in order]


def values_of_nodes(function: Function, ids: list[int]) -> Function:
    """The function whose value is that of these nodes, joined."""
    nodes = function._nodes()
    shapes = [tuple(nodes[k - 1][0].shape) if k > 0 else (function.n_inputs,) for k in ids]
    ports = [(f"u{number}", shape) for number, shape in enumerate(shapes)]
    names = [f"{name}[{unit}]" for name, shape in ports for unit in range(int(np.prod(shape)))]
    return Function._from_nodes(
        function.n_inputs,
        nodes,
        ids,
        list(function.inputs.items()),
        ports,
        list(function.input_names),
        names,
        None,
        None,
    )
